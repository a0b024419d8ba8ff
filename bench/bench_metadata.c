/* SPDX-License-Identifier: MIT */
/*
 * The memory that the library keeps for each folio, counted twice.
 *
 * By its own account: the metadata_bytes of the pool and of the backup. And by the kernel's: the
 * growth of the process's private anonymous memory (smaps_rollup), in which the folios themselves,
 * being shmem, do not appear. The bench's own arrays are touched before. Both are divided by the
 * number of folios, fixed costs of a pool included; the growth between an eighth of the folios and
 * all of them is the cost of one more.
 *
 * Page tables belong to the kernel and are no metadata of the library; they are printed beside it.
 */
#include <inttypes.h>
#include <stdlib.h>

#include <zcswap/zcswap.h>

#include "bench.h"

struct usage {
	double own, anonymous, tables;
};

struct meta_case {
	struct bench *b;
	unsigned order;
	uint64_t n;
	struct zcs_pool *pool;
	struct zcs_backup *backup;
	struct zcs_folio **folio;
	struct usage start, part, all;
};

static struct usage usage(struct meta_case *c)
{
	struct zcs_pool_stats pool = { .struct_size = sizeof(pool) };
	struct zcs_backup_stats backup = { .struct_size = sizeof(backup) };
	struct usage u;

	if (c->pool)
		bench_must(c->b, "zcs_pool_stats", zcs_pool_stats(c->pool, &pool));
	if (c->backup)
		bench_must(c->b, "zcs_backup_stats", zcs_backup_stats(c->backup, &backup));
	u.own = (double)(pool.metadata_bytes + backup.metadata_bytes);
	u.anonymous = (double)bench_proc_number("/proc/self/smaps_rollup", "Anonymous");
	u.tables = (double)bench_proc_number("/proc/self/status", "VmPTE");
	return u;
}

/* Makes folios up to @end and inserts them, each at its index. */
static void fill(struct meta_case *c, uint64_t start, uint64_t end)
{
	for (uint64_t i = start; i < end; i++)
		bench_must(c->b, "zcs_folio_alloc",
			   zcs_folio_alloc(c->pool, c->order, 0, &c->folio[i]));
	for (uint64_t i = start; i < end; i++)
		bench_must(c->b, "zcs_backup_insert_folio",
			   zcs_backup_insert_folio(c->backup, c->folio[i], c->order, 0,
						   i << c->order));
}

static void report(struct meta_case *c, const char *per, double aim)
{
	struct bench *b = c->b;
	struct bench_row *row;
	uint64_t more = c->n - c->n / 8;

	row = bench_row(b, "B", per, c->n, "metadata by the library's account");
	bench_against(row, NULL, "", BENCH_AT_MOST, aim);
	bench_sample(b, row, c->all.own);
	row = bench_row(b, "B", per, c->n, "growth of anonymous memory");
	bench_against(row, NULL, "", BENCH_AT_MOST, aim);
	bench_sample(b, row, c->all.anonymous - c->start.anonymous);
	row = bench_row(b, "B", per, more, "growth for one more");
	bench_against(row, NULL, "", BENCH_AT_MOST, aim);
	bench_sample(b, row, c->all.anonymous - c->part.anonymous);
	row = bench_row(b, "B", per, c->n, "page tables (the kernel's)");
	bench_sample(b, row, c->all.tables - c->start.tables);
}

static void measure(struct bench *b, enum bench_kind kind, unsigned order, uint64_t n)
{
	struct meta_case c = { .b = b, .order = order, .n = n };
	struct zcs_store *store = bench_store(b);

	c.folio = bench_calloc(b, n, sizeof(struct zcs_folio *));
	/* a pool made and freed before, so that what happens once in a process is not counted */
	zcs_pool_destroy(bench_pool(b, kind));
	c.start = usage(&c);
	c.pool = bench_pool(b, kind);
	bench_must(b, "zcs_backup_create", zcs_backup_create(store, n << order, &c.backup));
	fill(&c, 0, n / 8);
	c.part = usage(&c);
	fill(&c, n / 8, n);
	c.all = usage(&c);
	/* nothing varies from round to round: one sample */
	b->round = 1;
	report(&c, order ? "2 MiB folio" : "page", order ? 64 : 16);
	bench_pool_note(b, c.pool, kind);
	zcs_backup_destroy(c.backup);
	zcs_store_close(store);
	zcs_pool_destroy(c.pool);
	free(c.folio);
}

void bench_metadata(struct bench *b, enum bench_kind kind)
{
	if (kind == BENCH_SMALL)
		measure(b, kind, 0, b->quick ? 100000 : 1000000);
	else
		measure(b, kind, ZCS_MAX_ORDER, b->quick ? 128 : kind == BENCH_THP ? 1024 : 512);
}
