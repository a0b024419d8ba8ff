/* SPDX-License-Identifier: MIT */
/*
 * A pool with a beneficial order takes trouble for that order and for single pages only: no other
 * order is collapsed into a huge page, and none makes the owner of the pool give something up.
 */
#include "pool/pool_priv.h"
#include "zcs_test.h"

static struct zcs_pool *pool_for(unsigned beneficial_order, uint64_t max_bytes)
{
	struct zcs_pool_params params = zcs_test_params(ZCS_BACKING_THP, max_bytes, 0);

	params.beneficial_order = beneficial_order;
	return zcs_test_pool_with(&params);
}

static uint64_t collapses(unsigned beneficial_order, unsigned order)
{
	struct zcs_pool *pool = pool_for(beneficial_order, 0);
	struct zcs_folio *folio;
	uint64_t calls;

	zcs_test_fault("huge_file", 0, 0, 0);
	/* armed to count, never to fail */
	zcs_test_fault("madvise_collapse", UINT64_MAX, 0, 0);
	folio = zcs_test_folio(pool, order);
	calls = zcs_test_fault_calls("madvise_collapse");
	zcs_folio_put(folio);
	zcs_test_pool_done(pool);
	return calls;
}

static void case_20_only_the_beneficial_order_is_collapsed(void **state)
{
	(void)state;
	zcs_assert_is(collapses(0, 9), 1);
	zcs_assert_is(collapses(9, 9), 1);
	zcs_assert_is(collapses(5, 9), 0);
	zcs_assert_is(collapses(9, 5), 0);
	zcs_assert_is(collapses(9, 0), 0);
}

static void case_20_what_is_not_collapsed_is_small_pages(void **state)
{
	struct zcs_pool *pool = pool_for(4, 0);
	struct zcs_folio *folio;

	(void)state;
	zcs_test_fault("huge_file", 0, 0, 0);
	folio = zcs_test_folio(pool, 9);
	zcs_assert_is(zcs_test_stats(pool).huge_bytes, 0);
	zcs_assert_is(zcs_test_counter(pool, ZCS_COUNT_THP_FALLBACK), 1);
	assert_true(zcs_test_folio_is_zero(folio));
	zcs_folio_put(folio);
	zcs_test_pool_done(pool);
}

static unsigned asked;

static int64_t give_nothing_up(void *arg, uint64_t nr_pages)
{
	(void)arg;
	(void)nr_pages;
	asked++;
	return 0;
}

/* How often a pool at its limit asks its owner for an allocation of @order. */
static unsigned requests(unsigned beneficial_order, unsigned order)
{
	struct zcs_pool *pool = pool_for(beneficial_order, ZCS_TEST_HUGE_BYTES);
	struct zcs_folio *all = zcs_test_folio(pool, 9), *none = NULL;

	asked = 0;
	pool->reclaim = give_nothing_up;
	zcs_assert_is(zcs_folio_alloc(pool, order, 0, &none), -ENOMEM);
	zcs_folio_put(all);
	zcs_test_pool_done(pool);
	return asked;
}

static void case_20_only_the_beneficial_order_and_single_pages_reclaim(void **state)
{
	(void)state;
	for (unsigned order = 0; order <= ZCS_MAX_ORDER; order++) {
		zcs_assert_is(requests(0, order), 1);
		zcs_assert_is(requests(6, order), order == 6 || order == 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		zcs_test(case_20_only_the_beneficial_order_is_collapsed),
		zcs_test(case_20_what_is_not_collapsed_is_small_pages),
		zcs_test(case_20_only_the_beneficial_order_and_single_pages_reclaim),
	};

	return zcs_test_run(tests);
}
