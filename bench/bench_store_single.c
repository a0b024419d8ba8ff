/* SPDX-License-Identifier: MIT */
/*
 * One folio of 2 MiB at a time, as a thread that waits for it sees it.
 *
 * "single": the time of one read back, against pread(2) by O_DIRECT of 2 MiB of a store's file, in
 * random order. A take is given a folio that the pool had; a block of a tt comes back to its home,
 * which is a hole and has to be given memory first, so it also stands beside a pread into fresh
 * memory. Every read is a round, with a pause after it, for a shared device may let a burst through
 * and then hold it back.
 *
 * "ahead": all folios one after the other, in order (the store reads ahead) and in random order (it
 * does not), each summed up after it was taken.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <unistd.h>

#include "bench_store.h"

#define PAUSE_US   5000
#define READS	   10 /* for each round of other cases */
#define FOLIOS_MAX 256u

/*
 * struct folios - a backup of folios that are written back
 * @fd: the store's file; @buffer: where it is read to, memory for one folio or for as many
 */
struct folios {
	struct bench *b;
	struct store_file file;
	struct zcs_pool *pool;
	struct zcs_backup *backup;
	struct zcs_folio *folio[FOLIOS_MAX];
	uint32_t order[FOLIOS_MAX], nr;
	struct bench_bare buffer;
	int fd;
};

static void write_back(struct folios *f, uint32_t first, uint32_t nr)
{
	struct bench *b = f->b;

	for (uint32_t i = first; i < first + nr; i++)
		bench_must(b, "zcs_backup_insert_folio",
			   zcs_backup_insert_folio(f->backup, f->folio[i], ZCS_MAX_ORDER, 0,
						   (uint64_t)i * BENCH_UNIT_PAGES));
	bench_must(b, "zcs_backup_writeback",
		   zcs_backup_writeback(f->backup, (uint64_t)first * BENCH_UNIT_PAGES,
					(uint64_t)(first + nr) * BENCH_UNIT_PAGES - 1,
					ZCS_WB_WAIT));
}

static void take(struct folios *f, uint32_t i)
{
	int64_t handle = zcs_handle_from_index((uint64_t)i * BENCH_UNIT_PAGES);

	bench_must(f->b, "zcs_backup_take_folio",
		   zcs_backup_take_folio(f->backup, handle, f->pool, &f->folio[i]));
}

static void open_buffer(struct folios *f, enum bench_kind kind, uint32_t nr)
{
	char path[BENCH_PATH];

	bench_bare_open(f->b, &f->buffer, kind, nr * BENCH_UNIT);
	bench_bare_populate(f->b, &f->buffer, 0, nr * BENCH_UNIT);
	bench_file_path(f->b, f->file.bytes, path);
	f->fd = open(path, O_RDONLY | O_DIRECT | O_CLOEXEC);
	if (f->fd < 0)
		f->fd = open(path, O_RDONLY | O_CLOEXEC);
	if (f->fd < 0)
		bench_die(f->b, path, -errno);
}

static void open_folios(struct bench *b, struct folios *f, enum bench_kind kind)
{
	*f = (struct folios){ .b = b, .nr = b->quick ? 16 : FOLIOS_MAX };
	store_open(b, &f->file, f->nr * BENCH_UNIT);
	f->pool = bench_pool(b, kind);
	bench_must(b, "zcs_backup_create",
		   zcs_backup_create(f->file.store, (uint64_t)f->nr * BENCH_UNIT_PAGES,
				     &f->backup));
	for (uint32_t i = 0; i < f->nr; i++) {
		bench_must(b, "zcs_folio_alloc",
			   zcs_folio_alloc(f->pool, ZCS_MAX_ORDER, 0, &f->folio[i]));
		store_fill(zcs_folio_address(f->folio[i]), BENCH_UNIT, i + 1);
	}
	write_back(f, 0, f->nr);
	bench_shuffle(f->order, f->nr);
}

static void close_folios(struct folios *f, enum bench_kind kind)
{
	bench_pool_note(f->b, f->pool, kind);
	close(f->fd);
	bench_bare_close(&f->buffer);
	zcs_backup_destroy(f->backup);
	zcs_store_close(f->file.store);
	zcs_pool_destroy(f->pool);
}

static void bare_read(struct folios *f, uint32_t i, char *to)
{
	ssize_t n = pread(f->fd, to, BENCH_UNIT, (off_t)(i * BENCH_UNIT));

	if (n != (ssize_t)BENCH_UNIT)
		bench_die(f->b, "pread", n < 0 ? -errno : -EIO);
}

struct single_case {
	struct folios f;
	struct store_tt t;
	struct bench_row *take, *restore, *bare, *fresh;
};

static void make_rows(struct bench *b, struct single_case *c)
{
	c->take = bench_row(b, "ns", "2 MiB", 1, "take");
	c->restore = bench_row(b, "ns", "2 MiB", 1, "restore of one block");
	c->bare = bench_row(b, "ns", "2 MiB", 1, "bare: pread");
	c->fresh = bench_row(b, "ns", "2 MiB", 1, "bare: pread into fresh memory");
	bench_against(c->take, c->bare, "pread", BENCH_WITHIN, 1.1);
	bench_against(c->restore, c->bare, "pread", BENCH_WITHIN, 1.1);
	bench_against(c->restore, c->fresh, "pread into fresh memory", BENCH_NO_AIM, 0);
	bench_against(c->fresh, c->bare, "pread", BENCH_NO_AIM, 0);
}

static void sample_since(struct bench *b, struct bench_row *row, uint64_t start)
{
	bench_sample(b, row, (double)(bench_now() - start));
	bench_nap(PAUSE_US);
}

static void bare_reads(struct single_case *c, uint32_t i, uint32_t k)
{
	struct folios *f = &c->f;
	uint64_t start = bench_now();

	bare_read(f, i, f->buffer.addr);
	sample_since(f->b, c->bare, start);
	bench_bare_punch(f->b, &f->buffer);
	start = bench_now();
	bench_bare_populate(f->b, &f->buffer, 0, BENCH_UNIT);
	bare_read(f, k, f->buffer.addr);
	sample_since(f->b, c->fresh, start);
}

static void take_one(struct single_case *c, uint32_t i)
{
	struct folios *f = &c->f;
	uint64_t start = bench_now();

	take(f, i);
	sample_since(f->b, c->take, start);
	if (f->b->round < READS)
		store_verify(f->b, zcs_folio_address(f->folio[i]), BENCH_UNIT, i + 1);
	write_back(f, i, 1);
}

static void restore_one(struct single_case *c, uint32_t i)
{
	uint64_t first = (uint64_t)i * BENCH_UNIT_PAGES, start = bench_now();
	struct store_tt *t = &c->t;

	bench_must(t->b, "zcs_tt_restore_range",
		   zcs_tt_restore_range(t->tt, first, BENCH_UNIT_PAGES, NULL));
	sample_since(t->b, c->restore, start);
	store_dirty(t->addr + i * BENCH_UNIT, BENCH_UNIT);
	store_tt_out_range(t, first, BENCH_UNIT_PAGES);
}

void store_single(struct bench *b, enum bench_kind kind)
{
	unsigned rounds = b->rounds;
	struct single_case c;

	b->rounds *= READS;
	open_folios(b, &c.f, kind);
	open_buffer(&c.f, kind, 1);
	store_tt_open(b, &c.t, kind, c.f.nr * BENCH_UNIT);
	store_fill(c.t.addr, c.t.bytes, 1);
	store_tt_out(&c.t);
	make_rows(b, &c);
	while (bench_round(b)) {
		uint32_t *order = c.f.order, nr = c.f.nr, at = b->round * 4;

		bare_reads(&c, order[at % nr], order[(at + 1) % nr]);
		take_one(&c, order[(at + 2) % nr]);
		restore_one(&c, order[(at + 3) % nr]);
	}
	b->rounds = rounds;
	store_tt_close(&c.t);
	close_folios(&c.f, kind);
}

static volatile uint64_t sink;

/* Takes all, in the order of @order or, if that is NULL, of their index. */
static void take_all(struct folios *f, struct bench_row *row, const uint32_t *order)
{
	uint64_t start = bench_now();

	for (uint32_t i = 0; i < f->nr; i++) {
		uint32_t at = order ? order[i] : i;

		take(f, at);
		sink = store_sum(zcs_folio_address(f->folio[at]));
	}
	bench_sample(f->b, row, (double)(bench_now() - start));
	write_back(f, 0, f->nr);
}

static void bare_all(struct folios *f, struct bench_row *row, const uint32_t *order)
{
	uint64_t start = bench_now();

	for (uint32_t i = 0; i < f->nr; i++) {
		char *to = f->buffer.addr + i * BENCH_UNIT;

		bare_read(f, order ? order[i] : i, to);
		sink = store_sum(to);
	}
	bench_sample(f->b, row, (double)(bench_now() - start));
}

void store_ahead(struct bench *b, enum bench_kind kind)
{
	struct zcs_store_stats stats = { .struct_size = sizeof(stats) };
	struct bench_row *ordered, *random, *bare, *bare_random;
	struct folios f;

	open_folios(b, &f, kind);
	open_buffer(&f, kind, f.nr);
	ordered = bench_row(b, "ns", "2 MiB", f.nr, "take and sum, in order");
	random = bench_row(b, "ns", "2 MiB", f.nr, "take and sum, random order");
	bare = bench_row(b, "ns", "2 MiB", f.nr, "bare: pread and sum, in order");
	bare_random = bench_row(b, "ns", "2 MiB", f.nr, "bare: pread and sum, random order");
	bench_against(ordered, random, "random order", BENCH_NO_AIM, 0);
	bench_against(ordered, bare, "pread in order", BENCH_NO_AIM, 0);
	bench_against(random, bare_random, "pread in random order", BENCH_NO_AIM, 0);
	while (bench_round(b)) {
		bare_all(&f, bare, NULL);
		take_all(&f, ordered, NULL);
		bare_all(&f, bare_random, f.order);
		take_all(&f, random, f.order);
	}
	bench_must(b, "zcs_store_stats", zcs_store_stats(f.file.store, &stats));
	bench_say(b,
		  "of %" PRIu64 " takes, half of them in order: read ahead %" PRIu64
		  ", hits %" PRIu64 ", wasted %" PRIu64,
		  (uint64_t)f.nr * 2 * (b->rounds + 1), stats.ra_read, stats.ra_hits,
		  stats.ra_wasted);
	store_note(b, &f.file);
	close_folios(&f, kind);
}
