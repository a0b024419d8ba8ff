/* SPDX-License-Identifier: MIT */
/*
 * A contiguous tt of 512 MiB, out and back: the whole path of a swap-out, the unmapping included.
 *
 * In every round the same buffer is copied out and back by system calls, a private memfd of the
 * same kind and size is unmapped, and the tt is backed up and restored. Everything that is unmapped
 * was touched before, so that there is something to unmap. Per 2 MiB: a folio of the largest order.
 */
#include <inttypes.h>
#include <unistd.h>

#include <zcswap/zcswap.h>

#include "bench.h"

struct tt_case {
	struct bench *b;
	size_t bytes, step;
	struct zcs_tt *tt;
	char *addr;
	struct bench_bare bare;
	struct bench_row *out, *back, *touch, *touch_bare, *copy_out, *copy_warm, *copy_back,
		*unmap;
};

static void sample_since(struct tt_case *c, struct bench_row *row, uint64_t start)
{
	bench_sample(c->b, row, (double)(bench_now() - start));
}

static void copies(struct tt_case *c)
{
	int fd = bench_fresh_file(c->b);
	uint64_t start = bench_now();

	bench_copy_out(c->b, fd, c->addr, c->bytes, 0);
	sample_since(c, c->copy_out, start);
	start = bench_now();
	bench_copy_out(c->b, fd, c->addr, c->bytes, 0);
	sample_since(c, c->copy_warm, start);
	start = bench_now();
	bench_copy_back(c->b, fd, c->addr, c->bytes, 0);
	sample_since(c, c->copy_back, start);
	close(fd);
}

static void bare_unmap(struct tt_case *c)
{
	uint64_t start = bench_now();

	bench_bare_zap(c->b, &c->bare);
	sample_since(c, c->unmap, start);
	start = bench_now();
	bench_touch(c->bare.addr, c->bytes, c->step);
	sample_since(c, c->touch_bare, start);
}

static void out_and_back(struct tt_case *c)
{
	uint64_t start = bench_now();

	bench_must(c->b, "zcs_tt_backup", zcs_tt_backup(c->tt, 0));
	sample_since(c, c->out, start);
	start = bench_now();
	bench_must(c->b, "zcs_tt_restore", zcs_tt_restore(c->tt, NULL));
	sample_since(c, c->back, start);
	start = bench_now();
	bench_touch(c->addr, c->bytes, c->step);
	sample_since(c, c->touch, start);
}

static void make_rows(struct tt_case *c)
{
	uint64_t n = c->bytes / BENCH_UNIT;
	struct bench *b = c->b;

	c->out = bench_row(b, "ns", "2 MiB", n, "backup");
	c->back = bench_row(b, "ns", "2 MiB", n, "restore");
	c->touch = bench_row(b, "ns", "2 MiB", n, "first touch after restore");
	c->copy_out = bench_row(b, "ns", "2 MiB", n, "copy out to a fresh shmem file");
	c->copy_warm = bench_row(b, "ns", "2 MiB", n, "copy out to pages that exist");
	c->copy_back = bench_row(b, "ns", "2 MiB", n, "copy back");
	c->unmap = bench_row(b, "ns", "2 MiB", n, "bare unmap");
	c->touch_bare = bench_row(b, "ns", "2 MiB", n, "first touch after bare unmap");
	bench_against(c->out, c->copy_out, "copy out, fresh file", BENCH_FASTER, 1000);
	bench_against(c->out, c->unmap, "bare unmap", BENCH_WITHIN, 2);
	bench_against(c->out, c->copy_warm, "copy out, pages exist", BENCH_NO_AIM, 0);
	bench_against(c->back, c->copy_back, "copy back", BENCH_NO_AIM, 0);
	bench_against(c->unmap, c->copy_out, "copy out, fresh file", BENCH_NO_AIM, 0);
	bench_against(c->touch, c->touch_bare, "touch after bare unmap", BENCH_NO_AIM, 0);
}

static void check_huge(struct tt_case *c, const char *whose, const char *addr)
{
	uint64_t huge = bench_huge_mapped(addr, c->bytes);

	if (c->bare.kind != BENCH_SMALL && huge < c->bytes)
		bench_say(c->b, "%s: only %" PRIu64 " of %zu MiB are mapped huge", whose,
			  huge >> 20, c->bytes >> 20);
}

static void make_tt(struct tt_case *c, struct zcs_pool *pool, struct zcs_store *store)
{
	struct bench *b = c->b;

	bench_must(b, "zcs_tt_create",
		   zcs_tt_create(pool, c->bytes / ZCS_PAGE_SIZE, ZCS_TT_CONTIGUOUS, &c->tt));
	bench_must(b, "zcs_tt_setup_backup", zcs_tt_setup_backup(c->tt, store));
	bench_must(b, "zcs_tt_populate", zcs_tt_populate(c->tt, NULL));
	c->addr = zcs_tt_address(c->tt);
}

void bench_tt(struct bench *b, enum bench_kind kind)
{
	struct tt_case c = { .b = b, .step = bench_step(kind) };
	struct zcs_pool *pool = bench_pool(b, kind);
	struct zcs_store *store = bench_store(b);

	c.bytes = (size_t)(b->quick ? 64 : 512) << 20;
	make_rows(&c);
	make_tt(&c, pool, store);
	bench_bare_open(b, &c.bare, kind, c.bytes);
	bench_bare_populate(b, &c.bare, 0, c.bytes);
	bench_touch(c.addr, c.bytes, 4096);
	bench_touch(c.bare.addr, c.bytes, 4096);
	while (bench_round(b)) {
		copies(&c);
		bare_unmap(&c);
		out_and_back(&c);
	}
	check_huge(&c, "the tt", c.addr);
	check_huge(&c, "the bare map", c.bare.addr);
	bench_pool_note(b, pool, kind);
	bench_bare_close(&c.bare);
	zcs_tt_destroy(c.tt);
	zcs_store_close(store);
	zcs_pool_destroy(pool);
}

/*
 * Populating a tt: memory from the system, zeroed by it, against the calls that make such memory on
 * a private memfd in one go. Both are emptied again between the rounds, by unpopulating and by
 * PUNCH_HOLE.
 */
void bench_populate(struct bench *b, enum bench_kind kind)
{
	static const char *const call[BENCH_KINDS] = {
		[BENCH_HUGETLB] = "bare: fallocate and MADV_POPULATE_WRITE",
		[BENCH_THP] = "bare: touch and MADV_COLLAPSE",
		[BENCH_COLLAPSE] = "bare: touch and MADV_COLLAPSE",
		[BENCH_SMALL] = "bare: MADV_POPULATE_WRITE",
	};
	size_t bytes = (size_t)(b->quick ? 64 : 512) << 20;
	struct zcs_pool *pool = bench_pool(b, kind);
	struct bench_row *row, *base;
	struct bench_bare bare;
	struct zcs_tt *tt;
	uint64_t start;

	row = bench_row(b, "ns", "2 MiB", bytes / BENCH_UNIT, "populate a contiguous tt");
	base = bench_row(b, "ns", "2 MiB", bytes / BENCH_UNIT, "%s", call[kind]);
	bench_against(row, base, "bare", BENCH_NO_AIM, 0);
	bench_bare_open(b, &bare, kind, bytes);
	bench_must(b, "zcs_tt_create",
		   zcs_tt_create(pool, bytes / ZCS_PAGE_SIZE, ZCS_TT_CONTIGUOUS, &tt));
	while (bench_round(b)) {
		start = bench_now();
		bench_must(b, "zcs_tt_populate", zcs_tt_populate(tt, NULL));
		bench_sample(b, row, (double)(bench_now() - start));
		if (b->round == b->rounds)
			bench_pool_note(b, pool, kind);
		zcs_tt_unpopulate(tt);
		start = bench_now();
		bench_bare_populate(b, &bare, 0, bytes);
		bench_sample(b, base, (double)(bench_now() - start));
		bench_bare_punch(b, &bare);
	}
	bench_bare_close(&bare);
	zcs_tt_destroy(tt);
	zcs_pool_destroy(pool);
}
