/* SPDX-License-Identifier: MIT */
/* A folio is 2^order pages, naturally aligned, of the order that was asked for, and its own. */
#include "zcs_test.h"

static void check_folio(struct zcs_folio *folio, unsigned order)
{
	uint64_t pages = UINT64_C(1) << order;

	zcs_assert_is(zcs_folio_order(folio), order);
	zcs_assert_is(zcs_folio_pfn(folio) % pages, 0);
	zcs_assert_is((uintptr_t)zcs_folio_address(folio) % (pages * ZCS_PAGE_SIZE), 0);
	assert_true(zcs_folio_node(folio) >= 0);
}

static void alloc_order(enum zcs_backing backing, unsigned order)
{
	struct zcs_pool *pool = zcs_test_pool(backing, 0, 0);
	struct zcs_folio *folio = zcs_test_folio(pool, order);

	check_folio(folio, order);
	zcs_assert_is(zcs_test_active(pool, order), 1);
	zcs_assert_is(zcs_test_stats(pool).active_pages, (int64_t)1 << order);
	zcs_assert_is(zcs_test_stats(pool).resident_pages, (int64_t)1 << order);
	zcs_test_fill_folio(folio, order);
	assert_true(zcs_test_folio_is(folio, order));
	zcs_test_pool_ok(pool);
	zcs_folio_put(folio);
	zcs_test_pool_done(pool);
}

static void case_01_one_page_is_a_folio_of_order_0(void **state)
{
	(void)state;
	zcs_test_for_each_backing(b) alloc_order(b, 0);
}

static void case_02_four_pages_are_a_folio_of_order_2(void **state)
{
	(void)state;
	zcs_test_for_each_backing(b) alloc_order(b, 2);
}

static void every_order_is_had_from_every_backing(void **state)
{
	(void)state;
	alloc_order(ZCS_BACKING_AUTO, 9);
	zcs_test_for_each_backing(b) for (unsigned order = 0; order <= ZCS_MAX_ORDER; order++)
		alloc_order(b, order);
}

static void case_03_over_the_largest_order_is_refused(void **state)
{
	struct zcs_pool *pool = zcs_test_pool(ZCS_BACKING_AUTO, 0, 0);
	struct zcs_folio *folio = NULL;

	(void)state;
	zcs_assert_is(zcs_folio_alloc(pool, ZCS_MAX_ORDER + 1, 0, &folio), -EINVAL);
	zcs_assert_is(zcs_folio_alloc(pool, UINT32_MAX, 0, &folio), -EINVAL);
	assert_null(folio);
	zcs_assert_is(zcs_test_stats(pool).resident_pages, 0);
	zcs_test_pool_done(pool);
}

/* Every page of 55 folios keeps its own content: no two folios share one. */
static void folios_do_not_overlap(void **state)
{
	(void)state;
	zcs_test_for_each_backing(b)
	{
		struct zcs_pool *pool = zcs_test_pool(b, 0, 0);
		struct zcs_folio *folio[55];
		unsigned nr = 0;

		for (unsigned round = 0; round < 10; round++)
			for (unsigned order = 0; order <= round && nr < 55; order++) {
				folio[nr] = zcs_test_folio(pool, order);
				zcs_test_fill_folio(folio[nr], nr);
				nr++;
			}
		for (unsigned i = 0; i < nr; i++)
			assert_true(zcs_test_folio_is(folio[i], i));
		zcs_test_pool_ok(pool);
		while (nr)
			zcs_folio_put(folio[--nr]);
		zcs_test_pool_done(pool);
	}
}

static void two_pools_have_nothing_in_common(void **state)
{
	struct zcs_pool *a = zcs_test_pool(ZCS_BACKING_SMALL, 0, 0);
	struct zcs_pool *b = zcs_test_pool(ZCS_BACKING_SMALL, 0, 0);
	struct zcs_folio *fa = zcs_test_folio(a, 3), *fb = zcs_test_folio(b, 3);

	(void)state;
	zcs_test_fill_folio(fa, 1);
	zcs_test_fill_folio(fb, 2);
	assert_true(zcs_test_folio_is(fa, 1));
	zcs_folio_put(fa);
	zcs_assert_is(zcs_test_cached(a, 3), 1);
	zcs_assert_is(zcs_test_cached(b, 3), 0);
	assert_true(zcs_test_folio_is(fb, 2));
	zcs_folio_put(fb);
	zcs_test_pool_done(a);
	zcs_test_pool_done(b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		zcs_test(case_01_one_page_is_a_folio_of_order_0),
		zcs_test(case_02_four_pages_are_a_folio_of_order_2),
		zcs_test(case_03_over_the_largest_order_is_refused),
		zcs_test(every_order_is_had_from_every_backing),
		zcs_test(folios_do_not_overlap),
		zcs_test(two_pools_have_nothing_in_common),
	};

	return zcs_test_run(tests);
}
