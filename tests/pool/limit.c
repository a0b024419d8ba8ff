/* SPDX-License-Identifier: MIT */
/*
 * max_bytes is exact: it bounds what is in use, inserted and cached together, the last page that
 * fits is had, and free folios, of whatever order, are given up before anything is refused.
 */
#include "zcs_test.h"

#define PAGES(n) ((uint64_t)(n)*ZCS_PAGE_SIZE)

static void the_last_page_that_fits_is_had_and_no_more(void **state)
{
	struct zcs_pool *pool = zcs_test_pool(ZCS_BACKING_SMALL, PAGES(100), 0);
	struct zcs_folio *folio[100], *none = NULL;

	(void)state;
	for (unsigned i = 0; i < 100; i++)
		folio[i] = zcs_test_folio(pool, 0);
	zcs_assert_is(zcs_folio_alloc(pool, 0, 0, &none), -ENOMEM);
	assert_null(none);
	zcs_assert_is(zcs_test_counter(pool, ZCS_COUNT_LIMIT_HIT), 1);
	zcs_assert_is(zcs_test_counter(pool, ZCS_COUNT_LIMIT_REFUSED), 1);
	zcs_assert_is(zcs_test_stats(pool).max_pages, 100);
	zcs_assert_is(zcs_test_stats(pool).resident_pages, 100);
	zcs_folio_put(folio[0]);
	folio[0] = zcs_test_folio(pool, 0);
	for (unsigned i = 0; i < 100; i++)
		zcs_folio_put(folio[i]);
	zcs_test_pool_done(pool);
}

static void a_folio_that_does_not_fit_whole_is_refused(void **state)
{
	(void)state;
	for (unsigned order = 1; order <= ZCS_MAX_ORDER; order++) {
		uint64_t pages = UINT64_C(1) << order;
		struct zcs_pool *pool = zcs_test_pool(ZCS_BACKING_SMALL, PAGES(2 * pages - 1), 0);
		struct zcs_folio *first = zcs_test_folio(pool, order), *none = NULL;

		zcs_assert_is(zcs_folio_alloc(pool, order, 0, &none), -ENOMEM);
		zcs_assert_is(zcs_test_stats(pool).resident_pages, (int64_t)pages);
		zcs_folio_put(first);
		zcs_test_pool_done(pool);
	}
}

static void a_limit_between_pages_is_rounded_down(void **state)
{
	struct zcs_pool *pool = zcs_test_pool(ZCS_BACKING_SMALL, PAGES(2) + 4095, 0);
	struct zcs_folio *a = zcs_test_folio(pool, 0), *b = zcs_test_folio(pool, 0), *none = NULL;

	(void)state;
	zcs_assert_is(zcs_test_stats(pool).max_pages, 2);
	zcs_assert_is(zcs_folio_alloc(pool, 0, 0, &none), -ENOMEM);
	zcs_folio_put(a);
	zcs_folio_put(b);
	zcs_test_pool_done(pool);
}

/* The pool is full of free folios of one order; one of another order is wanted. */
static void full_of(enum zcs_backing backing, unsigned cached, unsigned wanted)
{
	struct zcs_pool *pool = zcs_test_pool(backing, PAGES(512), PAGES(512));
	struct zcs_folio *folio[512];
	unsigned nr = 512u >> cached;

	for (unsigned i = 0; i < nr; i++)
		folio[i] = zcs_test_folio(pool, cached);
	for (unsigned i = 0; i < nr; i++)
		zcs_folio_put(folio[i]);
	zcs_assert_is(zcs_test_stats(pool).cached_pages, 512);
	folio[0] = zcs_test_folio(pool, wanted);
	assert_true(zcs_test_folio_is_zero(folio[0]));
	assert_true(zcs_test_stats(pool).resident_pages <= 512);
	zcs_assert_is(zcs_test_counter(pool, ZCS_COUNT_LIMIT_REFUSED), 0);
	zcs_test_pool_ok(pool);
	zcs_folio_put(folio[0]);
	zcs_test_pool_done(pool);
}

static void cached_folios_never_cause_a_refusal(void **state)
{
	(void)state;
	for (unsigned cached = 0; cached <= ZCS_MAX_ORDER; cached++)
		for (unsigned wanted = 0; wanted <= ZCS_MAX_ORDER; wanted++)
			full_of(ZCS_BACKING_SMALL, cached, wanted);
}

static void cached_folios_of_another_kind_neither(void **state)
{
	(void)state;
	zcs_test_for_each_backing(b)
	{
		full_of(b, 9, 0);
		full_of(b, 0, 9);
		full_of(b, 9, 9);
	}
}

static void a_home_makes_cached_folios_give_way_too(void **state)
{
	struct zcs_pool *pool = zcs_test_pool(ZCS_BACKING_SMALL, PAGES(512), PAGES(512));
	struct zcs_folio *folio = zcs_test_folio(pool, 9);
	struct zcs_tt *tt = NULL;

	(void)state;
	zcs_folio_put(folio);
	zcs_assert_ok(zcs_tt_create(pool, 100, ZCS_TT_CONTIGUOUS, &tt));
	zcs_assert_ok(zcs_tt_populate(tt, NULL));
	zcs_assert_is(zcs_test_stats(pool).active_pages, 100);
	zcs_test_tt_done(tt);
	zcs_test_pool_done(pool);
}

/* A folio that can never fit is no reason to give up the cache. */
static void a_folio_larger_than_the_limit_leaves_the_cache_alone(void **state)
{
	struct zcs_pool *pool = zcs_test_pool(ZCS_BACKING_SMALL, PAGES(100), PAGES(100));
	struct zcs_folio *folio = zcs_test_folio(pool, 6), *none = NULL;

	(void)state;
	zcs_folio_put(folio);
	zcs_assert_is(zcs_folio_alloc(pool, 7, 0, &none), -ENOMEM);
	zcs_assert_is(zcs_test_cached(pool, 6), 1);
	zcs_test_pool_done(pool);
}

static void inserted_folios_go_on_counting(void **state)
{
	struct zcs_pool *pool = zcs_test_pool(ZCS_BACKING_SMALL, PAGES(8), 0);
	struct zcs_store *store = zcs_test_store();
	struct zcs_backup *backup = zcs_test_backup(store, 8);
	struct zcs_folio *none = NULL;

	(void)state;
	zcs_assert_is(zcs_backup_insert_folio(backup, zcs_test_folio(pool, 3), 3, 0, 0), 1);
	zcs_assert_is(zcs_test_stats(pool).resident_pages, 8);
	zcs_assert_is(zcs_folio_alloc(pool, 0, 0, &none), -ENOMEM);
	zcs_backup_drop(backup, 1, 3);
	zcs_folio_put(zcs_test_folio(pool, 0));
	zcs_test_backup_done(backup);
	zcs_test_store_done(store);
	zcs_test_pool_done(pool);
}

/* A home takes addresses when it is made, memory when it is populated. */
static void a_home_counts_when_it_is_populated(void **state)
{
	struct zcs_pool *pool = zcs_test_pool(ZCS_BACKING_SMALL, PAGES(100), 0);
	struct zcs_tt *tt = NULL;

	(void)state;
	zcs_assert_ok(zcs_tt_create(pool, 1000, ZCS_TT_CONTIGUOUS, &tt));
	zcs_assert_is(zcs_test_stats(pool).home_pages, 1000);
	zcs_assert_is(zcs_test_stats(pool).resident_pages, 0);
	zcs_assert_is(zcs_tt_populate(tt, NULL), -ENOMEM);
	zcs_assert_is(zcs_test_stats(pool).active_pages, 0);
	zcs_test_tt_done(tt);
	zcs_assert_ok(zcs_tt_create(pool, 100, ZCS_TT_CONTIGUOUS, &tt));
	zcs_assert_ok(zcs_tt_populate(tt, NULL));
	zcs_assert_is(zcs_test_stats(pool).resident_pages, 100);
	zcs_test_tt_done(tt);
	zcs_test_pool_done(pool);
}

static void without_a_limit_nothing_is_hit(void **state)
{
	struct zcs_pool *pool = zcs_test_pool(ZCS_BACKING_SMALL, 0, 0);

	(void)state;
	zcs_folio_put(zcs_test_folio(pool, 9));
	zcs_assert_is(zcs_test_stats(pool).max_pages, 0);
	zcs_assert_is(zcs_test_counter(pool, ZCS_COUNT_LIMIT_HIT), 0);
	zcs_test_pool_done(pool);
}

#define THREADS 2u
#define EACH	16u /* pages for each of the threads */
#define ROUNDS	10000u

static uint64_t next(uint64_t *x)
{
	*x ^= *x << 13;
	*x ^= *x >> 7;
	*x ^= *x << 17;
	return *x;
}

/* Folios of random orders that make up the thread's share; how many there are, or less if one was
 * refused. */
static unsigned use_share(struct zcs_pool *pool, struct zcs_folio **held, uint64_t *x,
			  uint64_t *refused)
{
	unsigned nr = 0;

	for (unsigned pages = 0; pages < EACH; nr++) {
		unsigned order = (unsigned)(next(x) % 5);

		while (pages + (1u << order) > EACH)
			order--;
		if (zcs_folio_alloc(pool, order, 0, &held[nr])) {
			++*refused;
			break;
		}
		pages += 1u << order;
	}
	return nr;
}

static uint64_t use_shares(unsigned id, void *arg)
{
	uint64_t refused = 0, x = 88172645463325252u + id;
	unsigned rounds = zcs_test_scale(ROUNDS);

	while (rounds--) {
		struct zcs_folio *held[EACH];
		unsigned nr = use_share(arg, held, &x, &refused);

		while (nr)
			zcs_folio_put(held[--nr]);
	}
	return refused;
}

/* Memory that one thread gives back while another looks for room must not be missed. */
static void threads_within_the_limit_are_never_refused(void **state)
{
	const uint64_t all = PAGES(THREADS * EACH);
	struct zcs_pool *pool = zcs_test_pool(ZCS_BACKING_SMALL, all, all);

	(void)state;
	zcs_assert_is(zcs_test_threads(THREADS, use_shares, pool), 0);
	assert_true(zcs_test_stats(pool).resident_pages <= THREADS * EACH);
	zcs_test_pool_done(pool);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		zcs_test(the_last_page_that_fits_is_had_and_no_more),
		zcs_test(a_folio_that_does_not_fit_whole_is_refused),
		zcs_test(a_limit_between_pages_is_rounded_down),
		zcs_test(cached_folios_never_cause_a_refusal),
		zcs_test(cached_folios_of_another_kind_neither),
		zcs_test(a_home_makes_cached_folios_give_way_too),
		zcs_test(a_folio_larger_than_the_limit_leaves_the_cache_alone),
		zcs_test(inserted_folios_go_on_counting),
		zcs_test(a_home_counts_when_it_is_populated),
		zcs_test(without_a_limit_nothing_is_hit),
		zcs_test(threads_within_the_limit_are_never_refused),
	};

	return zcs_test_run(tests);
}
