/* SPDX-License-Identifier: MIT */
/* Free folios are kept up to a limit; what is over it goes to the system before put returns. */
#include <unistd.h>

#include "zcs_test.h"

#define NR 64u

/* @nr folios of @order are allocated and then all given back. */
static void give(struct zcs_pool *pool, unsigned order, unsigned nr)
{
	struct zcs_folio *folio[NR];

	for (unsigned i = 0; i < nr; i++)
		folio[i] = zcs_test_folio(pool, order);
	for (unsigned i = 0; i < nr; i++)
		zcs_folio_put(folio[i]);
}

static void case_25_the_limit_holds_after_every_put(void **state)
{
	(void)state;
	for (unsigned order = 0; order < 6; order++) {
		struct zcs_pool *pool = zcs_test_pool(ZCS_BACKING_SMALL, 0, 40 * ZCS_PAGE_SIZE);
		struct zcs_folio *folio[NR];

		for (unsigned i = 0; i < NR; i++)
			folio[i] = zcs_test_folio(pool, order);
		for (unsigned i = 0; i < NR; i++) {
			zcs_folio_put(folio[i]);
			assert_true(zcs_test_stats(pool).cached_pages <= 40);
			zcs_test_pool_ok(pool);
		}
		zcs_assert_is(zcs_test_arena_bytes(),
			      (int64_t)zcs_test_stats(pool).cached_pages * ZCS_PAGE_SIZE);
		zcs_test_pool_done(pool);
	}
}

static void case_25_all_that_fits_is_kept(void **state)
{
	struct zcs_pool *pool = zcs_test_pool(ZCS_BACKING_SMALL, 0, 50 * ZCS_PAGE_SIZE);

	(void)state;
	give(pool, 0, 60);
	zcs_assert_is(zcs_test_cached(pool, 0), 50);
	zcs_assert_is(zcs_test_counter(pool, ZCS_COUNT_SHRUNK), 10);
	zcs_test_pool_done(pool);
}

static void case_25_huge_folios_count_with_all_their_pages(void **state)
{
	(void)state;
	zcs_test_for_each_backing(b)
	{
		struct zcs_pool *pool = zcs_test_pool(b, 0, 4 * ZCS_TEST_HUGE_BYTES);

		give(pool, 9, 6);
		zcs_assert_is(zcs_test_cached(pool, 9), 4);
		zcs_test_pool_done(pool);
	}
}

static void case_25_the_limit_is_over_all_orders(void **state)
{
	struct zcs_pool *pool = zcs_test_pool(ZCS_BACKING_SMALL, 0, 100 * ZCS_PAGE_SIZE);

	(void)state;
	for (unsigned order = 0; order <= ZCS_MAX_ORDER; order++) {
		give(pool, order, 10);
		assert_true(zcs_test_stats(pool).cached_pages <= 100);
	}
	zcs_test_pool_done(pool);
}

static uint64_t limit_of(uint64_t max_bytes, uint64_t cache_bytes)
{
	struct zcs_pool *pool = zcs_test_pool(ZCS_BACKING_SMALL, max_bytes, cache_bytes);
	uint64_t limit = zcs_test_stats(pool).cache_limit_pages;

	zcs_test_pool_done(pool);
	return limit;
}

static void case_26_the_default_is_half_of_the_nodes_memory(void **state)
{
	struct zcs_pool *pool = zcs_test_pool(ZCS_BACKING_SMALL, 0, 0);
	struct zcs_pool_stats st = zcs_test_stats(pool);
	uint64_t ram = (uint64_t)sysconf(_SC_PHYS_PAGES) * ZCS_PAGE_SIZE;

	(void)state;
	zcs_assert_is(st.cache_limit_pages, (int64_t)(ram / 2 / st.nr_nodes / ZCS_PAGE_SIZE));
	zcs_test_pool_done(pool);
}

static void case_26_a_value_is_taken_as_it_is(void **state)
{
	(void)state;
	zcs_assert_is(limit_of(0, 12345 * (uint64_t)ZCS_PAGE_SIZE), 12345);
	zcs_assert_is(limit_of(0, ZCS_PAGE_SIZE), 1);
	zcs_assert_is(limit_of(ZCS_TEST_MIB, 7 * ZCS_TEST_MIB), 7 * 256);
}

static void the_default_is_half_of_max_bytes_if_that_is_less(void **state)
{
	(void)state;
	zcs_assert_is(limit_of(64 * ZCS_TEST_MIB, 0), 32 * 256);
	zcs_assert_is(limit_of(ZCS_PAGE_SIZE * 3, 0), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		zcs_test(case_25_the_limit_holds_after_every_put),
		zcs_test(case_25_all_that_fits_is_kept),
		zcs_test(case_25_huge_folios_count_with_all_their_pages),
		zcs_test(case_25_the_limit_is_over_all_orders),
		zcs_test(case_26_the_default_is_half_of_the_nodes_memory),
		zcs_test(case_26_a_value_is_taken_as_it_is),
		zcs_test(the_default_is_half_of_max_bytes_if_that_is_less),
	};

	return zcs_test_run(tests);
}
