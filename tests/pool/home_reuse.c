/* SPDX-License-Identifier: MIT */
/*
 * A home is made of neighbouring free folios that still hold memory, if there is such a run; its
 * memory is kept until it is populated, is zero, and costs no system call.
 */
#include "zcs_test.h"

static struct zcs_tt *home_of(struct zcs_pool *pool, uint64_t nr)
{
	struct zcs_tt *tt = NULL;

	zcs_assert_ok(zcs_tt_create(pool, nr, ZCS_TT_CONTIGUOUS, &tt));
	assert_non_null(zcs_tt_address(tt));
	return tt;
}

/* A home that was populated and written to, and is gone: its blocks are in the lists. */
static void *used_home(struct zcs_pool *pool, uint64_t nr)
{
	struct zcs_tt *tt = home_of(pool, nr);
	void *at = zcs_tt_address(tt);

	zcs_assert_ok(zcs_tt_populate(tt, NULL));
	zcs_test_fill(at, 1, 0, nr);
	zcs_test_tt_done(tt);
	return at;
}

static void reuse(enum zcs_backing backing, uint64_t nr)
{
	struct zcs_pool *pool = zcs_test_pool(backing, 0, 64 * ZCS_TEST_MIB);
	void *at = used_home(pool, nr);
	struct zcs_tt *tt;

	zcs_assert_is(zcs_test_stats(pool).cached_pages, (int64_t)nr);
	tt = home_of(pool, nr);
	assert_ptr_equal(zcs_tt_address(tt), at);
	zcs_assert_is(zcs_test_counter(pool, ZCS_COUNT_RUN_REUSED), 1);
	zcs_assert_is(zcs_test_stats(pool).kept_pages, (int64_t)nr);
	zcs_assert_is(zcs_test_stats(pool).cached_pages, 0);
	zcs_test_pool_ok(pool);
	zcs_test_fault("madvise_populate_write", 0, 0, 0);
	zcs_test_fault("fallocate", 0, 0, 0);
	zcs_assert_ok(zcs_tt_populate(tt, NULL));
	zcs_test_faults_off();
	zcs_assert_is(zcs_test_stats(pool).kept_pages, 0);
	assert_true(zcs_test_is_zero(at, nr * ZCS_PAGE_SIZE));
	zcs_test_tt_done(tt);
	zcs_test_pool_done(pool);
}

static void a_run_of_free_folios_is_made_a_home_again(void **state)
{
	(void)state;
	zcs_test_for_each_backing(b)
	{
		reuse(b, 512);
		reuse(b, 3 * 512);
	}
	for (uint64_t nr = 1; nr < 40; nr += 3)
		reuse(ZCS_BACKING_SMALL, nr);
	reuse(ZCS_BACKING_SMALL, 700);
}

static void folios_of_other_orders_make_a_home_too(void **state)
{
	struct zcs_pool *pool = zcs_test_pool(ZCS_BACKING_SMALL, 0, 64 * ZCS_TEST_MIB);
	struct zcs_folio *a = zcs_test_folio(pool, 8), *b = zcs_test_folio(pool, 8);
	struct zcs_tt *tt;

	(void)state;
	zcs_assert_is(zcs_folio_pfn(b), (int64_t)zcs_folio_pfn(a) + 256);
	zcs_test_fill_folio(a, 1);
	zcs_test_fill_folio(b, 1);
	zcs_folio_put(a);
	zcs_folio_put(b);
	tt = home_of(pool, 512);
	zcs_assert_is(zcs_test_counter(pool, ZCS_COUNT_RUN_REUSED), 1);
	zcs_assert_ok(zcs_tt_populate(tt, NULL));
	zcs_assert_is(zcs_test_active(pool, 9), 1);
	assert_true(zcs_test_is_zero(zcs_tt_address(tt), 512 * ZCS_PAGE_SIZE));
	zcs_test_tt_done(tt);
	zcs_test_pool_done(pool);
}

static void a_run_with_a_folio_in_use_is_not_taken(void **state)
{
	struct zcs_pool *pool = zcs_test_pool(ZCS_BACKING_SMALL, 0, 64 * ZCS_TEST_MIB);
	struct zcs_folio *folio[3];
	struct zcs_tt *tt;

	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		folio[i] = zcs_test_folio(pool, 9);
		zcs_test_fill_folio(folio[i], i);
	}
	zcs_folio_put(folio[0]);
	zcs_folio_put(folio[2]);
	tt = home_of(pool, 3 * 512);
	zcs_assert_is(zcs_test_counter(pool, ZCS_COUNT_RUN_REUSED), 0);
	zcs_assert_is(zcs_test_cached(pool, 9), 2);
	zcs_assert_ok(zcs_tt_populate(tt, NULL));
	assert_true(zcs_test_folio_is(folio[1], 1));
	zcs_test_tt_done(tt);
	zcs_folio_put(folio[1]);
	zcs_test_pool_done(pool);
}

static void part_of_a_large_folio_is_not_taken(void **state)
{
	struct zcs_pool *pool = zcs_test_pool(ZCS_BACKING_SMALL, 0, 64 * ZCS_TEST_MIB);
	struct zcs_tt *tt;

	(void)state;
	zcs_folio_put(zcs_test_folio(pool, 9));
	tt = home_of(pool, 256);
	zcs_assert_is(zcs_test_counter(pool, ZCS_COUNT_RUN_REUSED), 0);
	zcs_assert_is(zcs_test_cached(pool, 9), 1);
	zcs_test_tt_done(tt);
	zcs_test_pool_done(pool);
}

static void kept_memory_goes_back_to_the_lists(void **state)
{
	struct zcs_pool *pool = zcs_test_pool(ZCS_BACKING_SMALL, 0, 64 * ZCS_TEST_MIB);

	(void)state;
	used_home(pool, 1024);
	/* never populated */
	zcs_test_tt_done(home_of(pool, 1024));
	zcs_assert_is(zcs_test_stats(pool).kept_pages, 0);
	zcs_assert_is(zcs_test_stats(pool).cached_pages, 1024);
	zcs_assert_is(zcs_test_counter(pool, ZCS_COUNT_RUN_REUSED), 1);
	zcs_test_pool_done(pool);
}

static void the_limit_counts_a_reused_run_once(void **state)
{
	struct zcs_pool *pool =
		zcs_test_pool(ZCS_BACKING_SMALL, 512 * ZCS_PAGE_SIZE, 512 * ZCS_PAGE_SIZE);
	struct zcs_tt *tt;

	(void)state;
	used_home(pool, 512);
	tt = home_of(pool, 512);
	zcs_assert_ok(zcs_tt_populate(tt, NULL));
	zcs_assert_is(zcs_test_stats(pool).resident_pages, 512);
	zcs_assert_is(zcs_test_counter(pool, ZCS_COUNT_LIMIT_HIT), 0);
	zcs_test_tt_done(tt);
	zcs_test_pool_done(pool);
}

static void huge_memory_stays_huge(void **state)
{
	struct zcs_pool *pool = zcs_test_pool(ZCS_BACKING_THP, 0, 64 * ZCS_TEST_MIB);
	struct zcs_tt *tt;
	uint64_t huge;

	(void)state;
	used_home(pool, 1024);
	huge = zcs_test_stats(pool).huge_bytes;
	tt = home_of(pool, 1024);
	zcs_assert_is(zcs_test_counter(pool, ZCS_COUNT_RUN_REUSED), 1);
	zcs_assert_is(zcs_test_stats(pool).huge_bytes, (int64_t)huge);
	zcs_assert_ok(zcs_tt_populate(tt, NULL));
	zcs_assert_is(zcs_test_stats(pool).huge_bytes, (int64_t)huge);
	zcs_test_tt_done(tt);
	zcs_test_pool_done(pool);
}

static uint64_t make_homes(unsigned id, void *arg)
{
	uint64_t wrong = 0;

	for (unsigned i = 0; i < zcs_test_scale(200); i++) {
		struct zcs_tt *tt = NULL;

		if (zcs_tt_create(arg, 512 * (1 + (i + id) % 3), ZCS_TT_CONTIGUOUS, &tt) ||
		    zcs_tt_populate(tt, NULL))
			return wrong + 1;
		wrong += !zcs_test_is_zero(zcs_tt_address(tt), ZCS_PAGE_SIZE);
		zcs_test_fill_page(zcs_tt_address(tt), id, i);
		wrong += !zcs_test_page_is(zcs_tt_address(tt), id, i);
		zcs_tt_destroy(tt);
	}
	return wrong;
}

static void two_threads_do_not_get_the_same_run(void **state)
{
	struct zcs_pool *pool = zcs_test_pool(ZCS_BACKING_SMALL, 0, 64 * ZCS_TEST_MIB);

	(void)state;
	zcs_assert_is(zcs_test_threads(2, make_homes, pool), 0);
	zcs_test_pool_done(pool);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		zcs_test(a_run_of_free_folios_is_made_a_home_again),
		zcs_test(folios_of_other_orders_make_a_home_too),
		zcs_test(a_run_with_a_folio_in_use_is_not_taken),
		zcs_test(part_of_a_large_folio_is_not_taken),
		zcs_test(kept_memory_goes_back_to_the_lists),
		zcs_test(the_limit_counts_a_reused_run_once),
		zcs_test(huge_memory_stays_huge),
		zcs_test(two_threads_do_not_get_the_same_run),
	};

	return zcs_test_run(tests);
}
