/* SPDX-License-Identifier: MIT */
/*
 * A folio given back is kept in the list of its order, zero, and the next allocation of that order,
 * and of no other, gets it.
 */
#include "zcs_test.h"

static void reuse(enum zcs_backing backing, unsigned order)
{
	struct zcs_pool *pool = zcs_test_pool(backing, 0, 0);
	struct zcs_folio *folio = zcs_test_folio(pool, order);
	uint64_t pfn = zcs_folio_pfn(folio);

	zcs_assert_is(zcs_test_counter(pool, ZCS_COUNT_ALLOC_NEW), 1);
	zcs_assert_is(zcs_test_counter(pool, ZCS_COUNT_ALLOC_HIT), 0);
	zcs_folio_put(folio);
	zcs_assert_is(zcs_test_cached(pool, order), 1);
	zcs_assert_is(zcs_test_stats(pool).cached_pages, (int64_t)1 << order);
	zcs_test_pool_ok(pool);
	assert_ptr_equal(zcs_test_folio(pool, order), folio);
	zcs_assert_is(zcs_folio_pfn(folio), (int64_t)pfn);
	zcs_assert_is(zcs_test_cached(pool, order), 0);
	zcs_assert_is(zcs_test_counter(pool, ZCS_COUNT_ALLOC_NEW), 1);
	zcs_assert_is(zcs_test_counter(pool, ZCS_COUNT_ALLOC_HIT), 1);
	zcs_folio_put(folio);
	zcs_test_pool_done(pool);
}

static void case_08_list_hit_reuses_the_folio(void **state)
{
	(void)state;
	zcs_test_for_each_backing(b) for (unsigned order = 0; order <= ZCS_MAX_ORDER; order++)
		reuse(b, order);
}

static void case_10_a_list_of_another_order_is_left_alone(void **state)
{
	struct zcs_pool *pool = zcs_test_pool(ZCS_BACKING_SMALL, 0, 0);
	struct zcs_folio *folio;

	(void)state;
	zcs_folio_put(zcs_test_folio(pool, 2));
	folio = zcs_test_folio(pool, 0);
	zcs_assert_is(zcs_test_cached(pool, 2), 1);
	zcs_folio_put(folio);
	zcs_assert_is(zcs_test_cached(pool, 2), 1);
	zcs_assert_is(zcs_test_cached(pool, 0), 1);
	zcs_test_pool_done(pool);
}

static void case_12_what_is_not_pooled_goes_to_the_system(void **state)
{
	(void)state;
	zcs_test_for_each_backing(b)
	{
		/* the list has room for one page: nothing larger stays */
		struct zcs_pool *pool = zcs_test_pool(b, 0, ZCS_PAGE_SIZE);

		for (unsigned order = 1; order <= ZCS_MAX_ORDER; order++) {
			zcs_folio_put(zcs_test_folio(pool, order));
			zcs_assert_is(zcs_test_stats(pool).cached_pages, 0);
			zcs_assert_is(zcs_test_arena_bytes(), 0);
		}
		zcs_test_pool_done(pool);
	}
}

static void case_13_destroy_empties_the_lists(void **state)
{
	(void)state;
	zcs_test_for_each_backing(b)
	{
		struct zcs_pool *pool = zcs_test_pool(b, 0, 0);
		struct zcs_folio *folio[10];

		for (unsigned order = 0; order <= ZCS_MAX_ORDER; order++)
			folio[order] = zcs_test_folio(pool, order);
		for (unsigned order = 0; order <= ZCS_MAX_ORDER; order++)
			zcs_folio_put(folio[order]);
		zcs_assert_is(zcs_pool_count(pool, -1), 1023);
		zcs_test_pool_done(pool);
		zcs_assert_is(zcs_test_arenas(), 0);
	}
}

static void case_21_a_new_folio_is_zero(void **state)
{
	(void)state;
	zcs_test_for_each_backing(b) for (unsigned order = 0; order <= ZCS_MAX_ORDER; order++)
	{
		struct zcs_pool *pool = zcs_test_pool(b, 0, 0);
		struct zcs_folio *folio = zcs_test_folio(pool, order);

		assert_true(zcs_test_folio_is_zero(folio));
		zcs_folio_put(folio);
		zcs_test_pool_done(pool);
	}
}

static void case_22_a_dirtied_folio_is_zero_when_taken_again(void **state)
{
	(void)state;
	zcs_test_for_each_backing(b) for (unsigned order = 0; order <= ZCS_MAX_ORDER; order++)
	{
		struct zcs_pool *pool = zcs_test_pool(b, 0, 0);
		struct zcs_folio *folio = zcs_test_folio(pool, order);

		zcs_test_fill_folio(folio, 1);
		zcs_folio_put(folio);
		assert_ptr_equal(zcs_test_folio(pool, order), folio);
		assert_true(zcs_test_folio_is_zero(folio));
		zcs_folio_put(folio);
		zcs_test_pool_done(pool);
	}
}

/* The system's memory again, but at an address that was written to before. */
static void memory_taken_after_a_shrink_is_zero(void **state)
{
	(void)state;
	zcs_test_for_each_backing(b) for (unsigned order = 0; order <= ZCS_MAX_ORDER; order++)
	{
		struct zcs_pool *pool = zcs_test_pool(b, 0, 0);
		struct zcs_folio *folio = zcs_test_folio(pool, order);

		zcs_test_fill_folio(folio, 1);
		zcs_folio_put(folio);
		zcs_assert_is(zcs_pool_shrink(pool, -1, 1), (int64_t)1 << order);
		folio = zcs_test_folio(pool, order);
		assert_true(zcs_test_folio_is_zero(folio));
		zcs_folio_put(folio);
		zcs_test_pool_done(pool);
	}
}

/* Many folios in one list, taken out in any order, none twice. */
static void a_list_gives_each_folio_once(void **state)
{
	struct zcs_pool *pool = zcs_test_pool(ZCS_BACKING_SMALL, 0, 0);
	struct zcs_folio *folio[200];

	(void)state;
	for (unsigned i = 0; i < 200; i++)
		folio[i] = zcs_test_folio(pool, 1);
	for (unsigned i = 0; i < 200; i++)
		zcs_folio_put(folio[i]);
	zcs_assert_is(zcs_test_cached(pool, 1), 200);
	for (unsigned i = 0; i < 200; i++) {
		folio[i] = zcs_test_folio(pool, 1);
		zcs_test_fill_folio(folio[i], i);
	}
	zcs_assert_is(zcs_test_counter(pool, ZCS_COUNT_ALLOC_NEW), 200);
	zcs_assert_is(zcs_test_cached(pool, 1), 0);
	for (unsigned i = 0; i < 200; i++)
		assert_true(zcs_test_folio_is(folio[i], i));
	for (unsigned i = 0; i < 200; i++)
		zcs_folio_put(folio[i]);
	zcs_test_pool_done(pool);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		zcs_test(case_08_list_hit_reuses_the_folio),
		zcs_test(case_10_a_list_of_another_order_is_left_alone),
		zcs_test(case_12_what_is_not_pooled_goes_to_the_system),
		zcs_test(case_13_destroy_empties_the_lists),
		zcs_test(case_21_a_new_folio_is_zero),
		zcs_test(case_22_a_dirtied_folio_is_zero_when_taken_again),
		zcs_test(memory_taken_after_a_shrink_is_zero),
		zcs_test(a_list_gives_each_folio_once),
	};

	return zcs_test_run(tests);
}
