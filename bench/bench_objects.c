/* SPDX-License-Identifier: MIT */
/*
 * Objects that several cases need: a pool of one kind, a store, an array of folios.
 *
 * Every failure here ends the run with a report of the measurements before it. Whether a kind of
 * memory is available was found out before the case started.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include <zcswap/zcswap.h>

#include "bench.h"

const enum zcs_backing bench_backing[BENCH_KINDS] = {
	[BENCH_HUGETLB] = ZCS_BACKING_HUGETLB,
	[BENCH_THP] = ZCS_BACKING_THP,
	[BENCH_SMALL] = ZCS_BACKING_SMALL,
};

/* Its cache holds whatever a case gives back, so that a hit is a hit on small machines too. */
struct zcs_pool *bench_pool(struct bench *b, enum bench_kind kind)
{
	struct zcs_pool_params params = {
		.struct_size = sizeof(params),
		.cache_bytes = UINT64_C(8) << 30,
		.node = -1,
		.backing = bench_backing[kind],
	};
	struct zcs_pool *pool;

	bench_must(b, "zcs_pool_create", zcs_pool_create(&params, &pool));
	return pool;
}

/* Memory that is not what its kind promises makes a row mean something else: say so. */
void bench_pool_note(struct bench *b, struct zcs_pool *pool, enum bench_kind kind)
{
	struct zcs_pool_stats stats = { .struct_size = sizeof(stats) };
	uint64_t fallbacks;

	bench_must(b, "zcs_pool_stats", zcs_pool_stats(pool, &stats));
	fallbacks = stats.counters[ZCS_COUNT_HUGETLB_FALLBACK] +
		    stats.counters[ZCS_COUNT_THP_FALLBACK] +
		    stats.counters[ZCS_COUNT_ORDER_FALLBACK];
	if (fallbacks)
		bench_say(b,
			  "%" PRIu64 " times the pool had no %s page and used smaller ones; "
			  "%" PRIu64 " of %" PRIu64 " MiB are huge",
			  fallbacks, bench_kind_name[kind], stats.huge_bytes >> 20,
			  stats.resident_pages >> 8);
}

bool bench_has_small_orders(struct bench *b, enum bench_kind kind)
{
	if (kind == BENCH_HUGETLB)
		bench_left_out(b, b->what,
			       "orders 0, 2 and 4: such folios lie in a small-page arena");
	return kind != BENCH_HUGETLB;
}

struct zcs_store *bench_store(struct bench *b)
{
	struct zcs_store *store;

	bench_must(b, "zcs_store_open", zcs_store_open("mem:", &store));
	return store;
}

void *bench_calloc(struct bench *b, uint64_t n, size_t size)
{
	void *p = calloc(n, size);

	if (!p)
		bench_die(b, "calloc", -ENOMEM);
	memset(p, 0xff, n * size);
	memset(p, 0, n * size);
	return p;
}

struct zcs_folio **bench_folios(struct bench *b, struct zcs_pool *pool, unsigned order, uint64_t n)
{
	struct zcs_folio **folios = bench_calloc(b, n, sizeof(struct zcs_folio *));

	for (uint64_t i = 0; i < n; i++)
		bench_must(b, "zcs_folio_alloc", zcs_folio_alloc(pool, order, 0, &folios[i]));
	return folios;
}

void bench_put_folios(struct zcs_folio **folios, uint64_t n)
{
	for (uint64_t i = 0; i < n; i++)
		zcs_folio_put(folios[i]);
	free(folios);
}

/* A fixed sequence (xorshift), so that every run does the same. */
void bench_shuffle(uint32_t *v, uint64_t n)
{
	uint64_t x = 88172645463325252u;

	for (uint64_t i = 0; i < n; i++)
		v[i] = (uint32_t)i;
	for (uint64_t i = n - 1; i > 0; i--) {
		uint64_t j;
		uint32_t tmp;

		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		j = x % (i + 1);
		tmp = v[i];
		v[i] = v[j];
		v[j] = tmp;
	}
}
