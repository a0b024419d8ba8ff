/* SPDX-License-Identifier: MIT */
/*
 * The shrinker goes round the orders, frees whole folios until the target is met or nothing is
 * left, and says how many pages that were.
 */
#include "zcs_test.h"

/* A pool with one free folio of each order. */
static struct zcs_pool *one_of_each(void)
{
	struct zcs_pool *pool = zcs_test_pool(ZCS_BACKING_SMALL, 0, 0);
	struct zcs_folio *folio[ZCS_MAX_ORDER + 1];

	for (unsigned order = 0; order <= ZCS_MAX_ORDER; order++)
		folio[order] = zcs_test_folio(pool, order);
	for (unsigned order = 0; order <= ZCS_MAX_ORDER; order++)
		zcs_folio_put(folio[order]);
	return pool;
}

static void case_27_each_order_is_visited_once_in_turn(void **state)
{
	struct zcs_pool *pool = one_of_each();

	(void)state;
	for (unsigned order = 0; order <= ZCS_MAX_ORDER; order++) {
		zcs_assert_is(zcs_test_cached(pool, order), 1);
		zcs_assert_is(zcs_pool_shrink(pool, -1, 1), (int64_t)1 << order);
		zcs_assert_is(zcs_test_cached(pool, order), 0);
	}
	zcs_assert_is(zcs_pool_shrink(pool, -1, 1), 0);
	zcs_test_pool_done(pool);
}

static void case_27_the_turn_goes_on_from_call_to_call(void **state)
{
	struct zcs_pool *pool = one_of_each();

	(void)state;
	/* orders 0, 1 and 2 make 7 pages */
	zcs_assert_is(zcs_pool_shrink(pool, -1, 7), 7);
	zcs_folio_put(zcs_test_folio(pool, 0));
	zcs_assert_is(zcs_pool_shrink(pool, -1, 1), 8);
	zcs_assert_is(zcs_test_cached(pool, 0), 1);
	zcs_test_pool_done(pool);
}

static void case_28_empty_orders_are_passed_over(void **state)
{
	struct zcs_pool *pool = zcs_test_pool(ZCS_BACKING_SMALL, 0, 0);

	(void)state;
	zcs_folio_put(zcs_test_folio(pool, 7));
	zcs_assert_is(zcs_pool_shrink(pool, -1, 1), 128);
	zcs_folio_put(zcs_test_folio(pool, 3));
	zcs_assert_is(zcs_pool_shrink(pool, -1, 1), 8);
	zcs_test_pool_done(pool);
}

static void case_28_it_goes_on_until_the_target_is_met(void **state)
{
	struct zcs_pool *pool = one_of_each();

	(void)state;
	/* 1 + 2 + 4 + 8 + 16 + 32 < 64 <= ... + 64 */
	zcs_assert_is(zcs_pool_shrink(pool, -1, 64), 127);
	zcs_assert_is(zcs_pool_count(pool, -1), 1023 - 127);
	zcs_test_pool_done(pool);
}

static void case_28_it_stops_when_nothing_is_left(void **state)
{
	struct zcs_pool *pool = one_of_each();

	(void)state;
	zcs_assert_is(zcs_pool_shrink(pool, -1, UINT64_MAX), 1023);
	zcs_assert_is(zcs_pool_count(pool, -1), 0);
	zcs_assert_is(zcs_test_counter(pool, ZCS_COUNT_SHRUNK), 1023);
	zcs_assert_is(zcs_test_arena_bytes(), 0);
	zcs_test_pool_done(pool);
}

static void case_29_a_folio_is_freed_whole(void **state)
{
	(void)state;
	zcs_test_for_each_backing(b)
	{
		struct zcs_pool *pool = zcs_test_pool(b, 0, 0);

		zcs_folio_put(zcs_test_folio(pool, 9));
		zcs_assert_is(zcs_pool_count(pool, -1), 512);
		zcs_assert_is(zcs_pool_shrink(pool, -1, 1), 512);
		zcs_assert_is(zcs_pool_count(pool, -1), 0);
		zcs_assert_is(zcs_test_stats(pool).resident_pages, 0);
		zcs_test_pool_done(pool);
	}
}

static void no_more_folios_are_freed_than_needed(void **state)
{
	struct zcs_pool *pool = zcs_test_pool(ZCS_BACKING_SMALL, 0, 0);
	struct zcs_folio *folio[20];

	(void)state;
	for (unsigned i = 0; i < 20; i++)
		folio[i] = zcs_test_folio(pool, 0);
	for (unsigned i = 0; i < 20; i++)
		zcs_folio_put(folio[i]);
	zcs_assert_is(zcs_pool_shrink(pool, -1, 13), 13);
	zcs_assert_is(zcs_pool_count(pool, -1), 7);
	zcs_assert_is(zcs_pool_shrink(pool, -1, 0), 0);
	zcs_assert_is(zcs_pool_count(pool, -1), 7);
	zcs_test_pool_ok(pool);
	zcs_test_pool_done(pool);
}

static void case_30_an_empty_pool_has_nothing_to_free(void **state)
{
	struct zcs_pool *pool = zcs_test_pool(ZCS_BACKING_SMALL, 0, 0);

	(void)state;
	zcs_assert_is(zcs_pool_count(pool, -1), 0);
	zcs_assert_is(zcs_pool_count(pool, 0), 0);
	zcs_assert_is(zcs_pool_shrink(pool, -1, 100), 0);
	zcs_assert_is(zcs_pool_shrink(pool, 0, 100), 0);
	zcs_assert_is(zcs_test_counter(pool, ZCS_COUNT_SHRUNK), 0);
	zcs_test_pool_done(pool);
}

/* The kernel's file of this name printed sentinels in place of 0. */
static void case_36_count_and_shrink_of_empty_pools_are_zero(void **state)
{
	struct zcs_pool *pool = zcs_test_pool(ZCS_BACKING_SMALL, 0, 0);
	struct zcs_folio *folio = zcs_test_folio(pool, 3);
	char text[32];

	(void)state;
	snprintf(text, sizeof(text), "%u: %" PRId64 "/%" PRId64, 0, zcs_pool_count(pool, 0),
		 zcs_pool_shrink(pool, 0, 352));
	assert_string_equal(text, "0: 0/0");
	zcs_folio_put(folio);
	zcs_test_pool_done(pool);
}

static void folios_in_use_are_not_freed(void **state)
{
	struct zcs_pool *pool = zcs_test_pool(ZCS_BACKING_SMALL, 0, 0);
	struct zcs_folio *folio = zcs_test_folio(pool, 3);

	(void)state;
	zcs_test_fill_folio(folio, 1);
	zcs_folio_put(zcs_test_folio(pool, 3));
	zcs_assert_is(zcs_pool_shrink(pool, -1, UINT64_MAX), 8);
	assert_true(zcs_test_folio_is(folio, 1));
	zcs_folio_put(folio);
	zcs_test_pool_done(pool);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		zcs_test(case_27_each_order_is_visited_once_in_turn),
		zcs_test(case_27_the_turn_goes_on_from_call_to_call),
		zcs_test(case_28_empty_orders_are_passed_over),
		zcs_test(case_28_it_goes_on_until_the_target_is_met),
		zcs_test(case_28_it_stops_when_nothing_is_left),
		zcs_test(case_29_a_folio_is_freed_whole),
		zcs_test(no_more_folios_are_freed_than_needed),
		zcs_test(case_30_an_empty_pool_has_nothing_to_free),
		zcs_test(case_36_count_and_shrink_of_empty_pools_are_zero),
		zcs_test(folios_in_use_are_not_freed),
	};

	return zcs_test_run(tests);
}
