/* SPDX-License-Identifier: MIT */
/*
 * When the system has no memory, an allocation is -ENOMEM and the pool is as before; a tt goes to
 * the next smaller order, asks the list of that order first, and does not come back to the order
 * that was refused.
 */
#include "zcs_test.h"

static struct zcs_tt *new_tt(struct zcs_pool *pool, uint64_t nr)
{
	struct zcs_tt *tt = NULL;

	zcs_assert_ok(zcs_tt_create(pool, nr, 0, &tt));
	return tt;
}

static void a_refused_folio_changes_nothing(void **state)
{
	static const char *const points[] = { "madvise_populate_write", "folio_alloc" };

	(void)state;
	for (size_t p = 0; p < 2; p++)
		for (unsigned order = 0; order <= ZCS_MAX_ORDER; order++) {
			struct zcs_pool *pool = zcs_test_pool(ZCS_BACKING_SMALL, 0, 0);
			struct zcs_folio *folio = NULL;

			zcs_test_fault(points[p], 0, 0, 0);
			zcs_assert_is(zcs_folio_alloc(pool, order, 0, &folio), -ENOMEM);
			assert_null(folio);
			zcs_assert_is(zcs_test_stats(pool).resident_pages, 0);
			zcs_assert_is(zcs_test_arena_bytes(), 0);
			zcs_test_faults_off();
			zcs_folio_put(zcs_test_folio(pool, order));
			zcs_test_pool_done(pool);
		}
}

static void refusals_by_the_system_are_counted(void **state)
{
	struct zcs_pool *pool = zcs_test_pool(ZCS_BACKING_SMALL, 0, 0);
	struct zcs_folio *folio = NULL;

	(void)state;
	zcs_test_fault("madvise_populate_write", 0, 3, 0);
	for (unsigned i = 0; i < 3; i++)
		zcs_assert_is(zcs_folio_alloc(pool, 4, 0, &folio), -ENOMEM);
	zcs_assert_is(zcs_test_counter(pool, ZCS_COUNT_SYSTEM_REFUSED), 3);
	zcs_assert_is(zcs_test_counter(pool, ZCS_COUNT_LIMIT_REFUSED), 0);
	zcs_assert_is(zcs_test_counter(pool, ZCS_COUNT_ALLOC_NEW), 0);
	zcs_test_pool_done(pool);
}

static void what_the_list_holds_needs_no_system(void **state)
{
	struct zcs_pool *pool = zcs_test_pool(ZCS_BACKING_SMALL, 0, 0);
	struct zcs_folio *folio = zcs_test_folio(pool, 4);

	(void)state;
	zcs_folio_put(folio);
	zcs_test_fault("madvise_populate_write", 0, 0, 0);
	assert_ptr_equal(zcs_test_folio(pool, 4), folio);
	zcs_folio_put(folio);
	zcs_test_pool_done(pool);
}

static void case_16_a_refused_order_falls_by_one_and_stays_down(void **state)
{
	struct zcs_pool *pool = zcs_test_pool(ZCS_BACKING_SMALL, 0, 0);
	struct zcs_tt *tt = new_tt(pool, 16);

	(void)state;
	/* order 4 is refused once: then twice order 3 */
	zcs_test_fault("folio_alloc", 0, 1, 0);
	zcs_assert_ok(zcs_tt_populate(tt, NULL));
	zcs_assert_is(zcs_test_active(pool, 4), 0);
	zcs_assert_is(zcs_test_active(pool, 3), 2);
	zcs_assert_is(zcs_test_counter(pool, ZCS_COUNT_ORDER_FALLBACK), 1);
	zcs_assert_is(zcs_test_fault_calls("folio_alloc"), 3);
	zcs_test_tt_done(tt);
	zcs_test_pool_done(pool);
}

static void case_18_the_list_is_asked_again_when_the_order_falls(void **state)
{
	struct zcs_pool *pool = zcs_test_pool(ZCS_BACKING_SMALL, 0, 0);
	struct zcs_folio *folio = zcs_test_folio(pool, 3);
	struct zcs_tt *tt = new_tt(pool, 16);

	(void)state;
	zcs_folio_put(folio);
	zcs_test_fault("folio_alloc", 0, 1, 0);
	zcs_assert_ok(zcs_tt_populate(tt, NULL));
	zcs_assert_is(zcs_test_counter(pool, ZCS_COUNT_ALLOC_HIT), 1);
	zcs_assert_is(zcs_test_cached(pool, 3), 0);
	zcs_assert_is(zcs_test_active(pool, 3), 2);
	zcs_test_tt_done(tt);
	zcs_test_pool_done(pool);
}

static void case_19_a_refused_page_frees_the_earlier_ones(void **state)
{
	struct zcs_pool *pool = zcs_test_pool(ZCS_BACKING_SMALL, 0, ZCS_TEST_MIB);
	struct zcs_tt *tt = new_tt(pool, 7);

	(void)state;
	/* blocks of 4 and 2 pages, then the last page */
	zcs_test_fault("madvise_populate_write", 2, 0, 0);
	zcs_assert_is(zcs_tt_populate(tt, NULL), -ENOMEM);
	zcs_assert_is(zcs_test_stats(pool).active_pages, 0);
	for (uint64_t i = 0; i < 7; i++)
		assert_true(zcs_tt_slot(tt, i) == 0);
	zcs_test_faults_off();
	zcs_assert_ok(zcs_tt_populate(tt, NULL));
	zcs_assert_is(zcs_test_stats(pool).active_pages, 7);
	zcs_test_tt_done(tt);
	zcs_test_pool_done(pool);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		zcs_test(a_refused_folio_changes_nothing),
		zcs_test(refusals_by_the_system_are_counted),
		zcs_test(what_the_list_holds_needs_no_system),
		zcs_test(case_16_a_refused_order_falls_by_one_and_stays_down),
		zcs_test(case_18_the_list_is_asked_again_when_the_order_falls),
		zcs_test(case_19_a_refused_page_frees_the_earlier_ones),
	};

	return zcs_test_run(tests);
}
