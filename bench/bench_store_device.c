/* SPDX-License-Identifier: MIT */
/*
 * A tt's way to the device and back, against the device.
 *
 * The baseline is fio on the store's own file: the same blocks of the disk, requests of 2 MiB, the
 * same depth. Whether a read finds its data in a cache of the device cannot be controlled; both
 * read what was written a moment before, in the same order, fio first. What fio writes destroys the
 * slots, so it writes while every folio is in memory, and each of them is dirtied before it is
 * written back.
 *
 * Evicting again what was restored and not touched should cost no I/O. Whether it does depends on
 * the kind of memory (what is mapped huge on shmem cannot be watched), so the bytes that were
 * written are counted.
 */
#include <inttypes.h>
#include <stdlib.h>

#include "bench_fio.h"
#include "bench_store.h"

struct device_case {
	struct store_tt t;
	struct bench_pair out, in, again, fio_out, fio_in;
	bool has_fio;
	char path[BENCH_PATH];
	uint64_t again_written;
};

static void make_rows(struct bench *b, struct device_case *c, enum bench_kind kind, size_t bytes)
{
	c->out = bench_pair(b, bytes, "writeback");
	c->in = bench_pair(b, bytes, "read back");
	c->again = bench_pair(b, bytes, "evicted again, untouched");
	if (kind == BENCH_HUGETLB)
		bench_against(c->again.rate, NULL, "", BENCH_AT_LEAST, 20);
	if (!c->has_fio)
		return;
	c->fio_out = bench_pair(b, bytes, "fio: write");
	c->fio_in = bench_pair(b, bytes, "fio: read");
	bench_pair_against(&c->out, &c->fio_out, "fio", 0.95, 0);
	bench_pair_against(&c->in, &c->fio_in, "fio", 0.95, 0);
}

static void fio_pass(struct device_case *c, const struct bench_pair *pair, bool write)
{
	const struct bench_fio fio = {
		.bytes = c->t.bytes,
		.depth = STORE_DEPTH,
		.write = write,
		.huge = c->t.kind != BENCH_SMALL,
	};

	if (c->has_fio && c->t.b->round)
		bench_fio_sample(c->t.b, pair, c->path, &fio);
}

static uint64_t written_bytes(struct store_tt *t)
{
	struct zcs_store_stats stats = { .struct_size = sizeof(stats) };

	bench_must(t->b, "zcs_store_stats", zcs_store_stats(t->file.store, &stats));
	return stats.written_bytes;
}

static void evict_again(struct device_case *c)
{
	struct store_tt *t = &c->t;
	uint64_t before = written_bytes(t);

	bench_pair_sample(t->b, &c->again, t->bytes, store_tt_out(t));
	if (t->b->round)
		c->again_written += written_bytes(t) - before;
}

static void device_round(struct device_case *c)
{
	struct store_tt *t = &c->t;

	fio_pass(c, &c->fio_out, true);
	store_dirty(t->addr, t->bytes);
	bench_pair_sample(t->b, &c->out, t->bytes, store_tt_out(t));
	fio_pass(c, &c->fio_in, false);
	bench_pair_sample(t->b, &c->in, t->bytes, store_tt_in(t));
	if (!t->b->round)
		store_verify(t->b, t->addr, t->bytes, 1);
	evict_again(c);
	store_tt_in(t);
}

void store_device(struct bench *b, enum bench_kind kind)
{
	size_t bytes = (size_t)(b->quick ? 32 : 1024) << 20;
	struct device_case c = { 0 };

	store_tt_open(b, &c.t, kind, bytes);
	bench_file_path(b, c.t.file.bytes, c.path);
	c.has_fio = bench_has_fio(b, c.path);
	make_rows(b, &c, kind, bytes);
	store_fill(c.t.addr, bytes, 1);
	while (bench_round(b))
		device_round(&c);
	bench_say(b, "evicted again: %" PRIu64 " of %" PRIu64 " MiB were written, all rounds",
		  c.again_written >> 20, (uint64_t)bytes * b->rounds >> 20);
	store_note(b, &c.t.file);
	store_tt_close(&c.t);
}

/*
 * The two ways transfers can go, in turn. ZCSWAP_NO_URING is read when a store is opened.
 */
struct engine {
	struct store_tt t;
	struct bench_pair out, in;
};

static void engine_round(struct engine *e)
{
	struct store_tt *t = &e->t;

	store_dirty(t->addr, t->bytes);
	bench_pair_sample(t->b, &e->out, t->bytes, store_tt_out(t));
	bench_pair_sample(t->b, &e->in, t->bytes, store_tt_in(t));
}

static void engine_open(struct bench *b, struct engine *e, enum bench_kind kind, const char *name)
{
	size_t bytes = (size_t)(b->quick ? 32 : 512) << 20;

	store_tt_open(b, &e->t, kind, bytes);
	store_fill(e->t.addr, bytes, 1);
	e->out = bench_pair(b, bytes, "writeback, %s", name);
	e->in = bench_pair(b, bytes, "read back, %s", name);
}

void store_engine(struct bench *b, enum bench_kind kind)
{
	struct engine uring, threads;
	struct zcs_store_stats stats = { .struct_size = sizeof(stats) };

	engine_open(b, &uring, kind, "io_uring");
	setenv("ZCSWAP_NO_URING", "1", 1);
	engine_open(b, &threads, kind, "threads");
	unsetenv("ZCSWAP_NO_URING");
	bench_pair_against(&threads.out, &uring.out, "io_uring", 0, 0);
	bench_pair_against(&threads.in, &uring.in, "io_uring", 0, 0);
	bench_must(b, "zcs_store_stats", zcs_store_stats(uring.t.file.store, &stats));
	if (!stats.io_uring)
		bench_left_out(b, b->what, "io_uring is not to be had");
	while (stats.io_uring && bench_round(b)) {
		engine_round(&uring);
		engine_round(&threads);
	}
	store_tt_close(&threads.t);
	store_tt_close(&uring.t);
}
