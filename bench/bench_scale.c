/* SPDX-License-Identifier: MIT */
/*
 * Scaling: the same operation on 10^3 and on 10^6 folios.
 *
 * Every size has a pool and a backup of its own, all alive at once, so that the sizes are measured
 * in turn in each round. What is asked is whether a step costs the same however many there are: the
 * baseline of every row is the smallest size. Small sizes are repeated, so that no sample is
 * shorter than about a millisecond.
 *
 * A put zeroes its page, and 4 GiB of pages do not stay in a cache as 4 MiB do; zeroing the same
 * pages is therefore measured beside it.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include <zcswap/zcswap.h>

#include "bench.h"

#define SIZES	    4
#define LEAST_STEPS UINT64_C(100000)
#define LIMIT	    1.5

struct size_case {
	struct bench *b;
	uint64_t n, repeat;
	struct zcs_pool *pool;
	struct zcs_backup *backup;
	struct zcs_folio **folio;
	int64_t *handle;
	uint32_t *shuffled;
	struct bench_row *insert, *take, *take_random, *alloc, *put, *zero;
};

static void add_time(uint64_t *sum, uint64_t *last)
{
	uint64_t now = bench_now();

	*sum += now - *last;
	*last = now;
}

static void insert_all(struct size_case *c)
{
	int64_t worst = 0;

	for (uint64_t i = 0; i < c->n; i++) {
		c->handle[i] = zcs_backup_insert_folio(c->backup, c->folio[i], 0, 0, i);
		worst = c->handle[i] < worst ? c->handle[i] : worst;
	}
	bench_must(c->b, "zcs_backup_insert_folio", worst);
}

static void take_all(struct size_case *c)
{
	int err = 0;

	for (uint64_t i = 0; i < c->n; i++)
		err |= zcs_backup_take_folio(c->backup, c->handle[i], c->pool, &c->folio[i]);
	bench_must(c->b, "zcs_backup_take_folio", err);
}

static void take_shuffled(struct size_case *c)
{
	int err = 0;

	for (uint64_t i = 0; i < c->n; i++) {
		uint32_t at = c->shuffled[i];

		err |= zcs_backup_take_folio(c->backup, c->handle[at], c->pool, &c->folio[at]);
	}
	bench_must(c->b, "zcs_backup_take_folio", err);
}

static void insert_and_take(struct size_case *c)
{
	uint64_t insert = 0, take = 0, random = 0, none = 0, last = bench_now();

	for (uint64_t r = 0; r < c->repeat; r++) {
		insert_all(c);
		add_time(&insert, &last);
		take_all(c);
		add_time(&take, &last);
		insert_all(c);
		add_time(&none, &last);
		take_shuffled(c);
		add_time(&random, &last);
	}
	bench_sample(c->b, c->insert, (double)insert / (double)c->repeat);
	bench_sample(c->b, c->take, (double)take / (double)c->repeat);
	bench_sample(c->b, c->take_random, (double)random / (double)c->repeat);
}

static void zero_all(struct size_case *c)
{
	for (uint64_t i = 0; i < c->n; i++)
		memset(zcs_folio_address(c->folio[i]), 0, ZCS_PAGE_SIZE);
}

static void alloc_all(struct size_case *c)
{
	int err = 0;

	for (uint64_t i = 0; i < c->n; i++)
		err |= zcs_folio_alloc(c->pool, 0, 0, &c->folio[i]);
	bench_must(c->b, "zcs_folio_alloc", err);
}

static void alloc_and_put(struct size_case *c)
{
	uint64_t alloc = 0, put = 0, zero = 0, last = bench_now();

	for (uint64_t r = 0; r < c->repeat; r++) {
		zero_all(c);
		add_time(&zero, &last);
		for (uint64_t i = 0; i < c->n; i++)
			zcs_folio_put(c->folio[i]);
		add_time(&put, &last);
		alloc_all(c);
		add_time(&alloc, &last);
	}
	bench_sample(c->b, c->zero, (double)zero / (double)c->repeat);
	bench_sample(c->b, c->put, (double)put / (double)c->repeat);
	bench_sample(c->b, c->alloc, (double)alloc / (double)c->repeat);
}

static void open_size(struct bench *b, struct size_case *c, uint64_t n, enum bench_kind kind,
		      struct zcs_store *store)
{
	*c = (struct size_case){ .b = b, .n = n, .pool = bench_pool(b, kind) };
	c->repeat = n < LEAST_STEPS ? LEAST_STEPS / n : 1;
	c->handle = bench_calloc(b, n, sizeof(*c->handle));
	c->shuffled = bench_calloc(b, n, sizeof(*c->shuffled));
	bench_shuffle(c->shuffled, n);
	c->folio = bench_folios(b, c->pool, 0, n);
	bench_must(b, "zcs_backup_create", zcs_backup_create(store, n, &c->backup));
}

static void close_size(struct size_case *c)
{
	zcs_backup_destroy(c->backup);
	bench_put_folios(c->folio, c->n);
	zcs_pool_destroy(c->pool);
	free(c->handle);
	free(c->shuffled);
}

static struct bench_row *size_row(struct bench *b, struct size_case *c, const char *name,
				  const struct bench_row *smallest, enum bench_aim aim)
{
	struct bench_row *row =
		bench_row(b, "ns", "folio", c->n, "%s, %" PRIu64 " folios", name, c->n);

	if (smallest)
		bench_against(row, smallest, "1000 folios", aim, LIMIT);
	return row;
}

static void rows_of_sizes(struct bench *b, struct size_case *c, unsigned nr)
{
	for (unsigned i = 0; i < nr; i++)
		c[i].insert = size_row(b, &c[i], "insert", i ? c->insert : NULL, BENCH_WITHIN);
	for (unsigned i = 0; i < nr; i++)
		c[i].take = size_row(b, &c[i], "take", i ? c->take : NULL, BENCH_WITHIN);
	for (unsigned i = 0; i < nr; i++)
		c[i].take_random = size_row(b, &c[i], "take in random order",
					    i ? c->take_random : NULL, BENCH_NO_AIM);
	for (unsigned i = 0; i < nr; i++)
		c[i].alloc = size_row(b, &c[i], "alloc, hit", i ? c->alloc : NULL, BENCH_WITHIN);
	for (unsigned i = 0; i < nr; i++)
		c[i].put = size_row(b, &c[i], "put", i ? c->put : NULL, BENCH_WITHIN);
	for (unsigned i = 0; i < nr; i++)
		c[i].zero = size_row(b, &c[i], "zeroing alone", i ? c->zero : NULL, BENCH_NO_AIM);
	for (unsigned i = 0; i < nr; i++)
		bench_against(c[i].put, c[i].zero, "zeroing alone", BENCH_NO_AIM, 0);
}

void bench_scale_folios(struct bench *b, enum bench_kind kind)
{
	static const uint64_t size[SIZES] = { 1000, 10000, 100000, 1000000 };
	struct zcs_store *store = bench_store(b);
	struct size_case c[SIZES];
	unsigned nr = b->quick ? SIZES - 1 : SIZES;

	if (nr == SIZES && bench_memory_avail() < UINT64_C(6) << 30) {
		bench_left_out(b, b->what, "10^6 folios: less than 6 GiB of memory available");
		nr--;
	}
	for (unsigned i = 0; i < nr; i++)
		open_size(b, &c[i], size[i], kind, store);
	rows_of_sizes(b, c, nr);
	while (bench_round(b))
		for (unsigned i = 0; i < nr; i++) {
			insert_and_take(&c[i]);
			alloc_and_put(&c[i]);
		}
	for (unsigned i = 0; i < nr; i++)
		close_size(&c[i]);
	zcs_store_close(store);
}
