/* SPDX-License-Identifier: MIT */
/* ZCS_ALLOC_NOWAIT takes from the lists alone: no system call is made, whether there is a folio or
 * not. */
#include "zcs_test.h"

static const char *const points[] = {
	"memfd_create",
	"ftruncate",
	"mmap",
	"fallocate",
	"punch_hole",
	"mbind",
	"userfaultfd",
	"madvise_populate_write",
	"madvise_collapse",
	"alloc_arena",
	"alloc_index_node",
};

/* Armed to count, never to fail. */
static void watch(void)
{
	for (size_t i = 0; i < sizeof(points) / sizeof(points[0]); i++)
		zcs_test_fault(points[i], UINT64_MAX, 0, 0);
}

static void expect_no_call(void)
{
	for (size_t i = 0; i < sizeof(points) / sizeof(points[0]); i++)
		if (zcs_test_fault_calls(points[i]))
			fail_msg("%s was called", points[i]);
}

static void an_empty_list_is_enomem(void **state)
{
	(void)state;
	zcs_test_for_each_backing(b)
	{
		struct zcs_pool *pool = zcs_test_pool(b, 0, 0);
		struct zcs_folio *folio = NULL;

		watch();
		for (unsigned order = 0; order <= ZCS_MAX_ORDER; order++)
			zcs_assert_is(zcs_folio_alloc(pool, order, ZCS_ALLOC_NOWAIT, &folio),
				      -ENOMEM);
		assert_null(folio);
		expect_no_call();
		zcs_test_pool_done(pool);
	}
}

static void a_folio_in_the_list_is_had(void **state)
{
	(void)state;
	zcs_test_for_each_backing(b) for (unsigned order = 0; order <= ZCS_MAX_ORDER; order++)
	{
		struct zcs_pool *pool = zcs_test_pool(b, 0, 0);
		struct zcs_folio *folio = zcs_test_folio(pool, order), *again = NULL;

		zcs_folio_put(folio);
		watch();
		zcs_assert_ok(zcs_folio_alloc(pool, order, ZCS_ALLOC_NOWAIT, &again));
		expect_no_call();
		assert_ptr_equal(again, folio);
		zcs_folio_put(folio);
		zcs_test_pool_done(pool);
	}
}

static void at_the_limit_nothing_is_given_up_for_it(void **state)
{
	struct zcs_pool *pool =
		zcs_test_pool(ZCS_BACKING_SMALL, 8 * ZCS_PAGE_SIZE, 8 * ZCS_PAGE_SIZE);
	struct zcs_folio *folio = NULL;

	(void)state;
	zcs_folio_put(zcs_test_folio(pool, 3));
	watch();
	zcs_assert_is(zcs_folio_alloc(pool, 0, ZCS_ALLOC_NOWAIT, &folio), -ENOMEM);
	expect_no_call();
	zcs_assert_is(zcs_test_cached(pool, 3), 1);
	zcs_assert_is(zcs_test_counter(pool, ZCS_COUNT_LIMIT_HIT), 0);
	zcs_test_pool_done(pool);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		zcs_test(an_empty_list_is_enomem),
		zcs_test(a_folio_in_the_list_is_had),
		zcs_test(at_the_limit_nothing_is_given_up_for_it),
	};

	return zcs_test_run(tests);
}
