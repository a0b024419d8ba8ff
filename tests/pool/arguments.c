/* SPDX-License-Identifier: MIT */
/* Every function of pool.h refuses wrong arguments with the error that the header names, and
 * changes nothing. */
#include "zcs_test.h"

static struct zcs_pool_params good(void)
{
	return zcs_test_params(ZCS_BACKING_SMALL, 0, 0);
}

static void expect_refused(const struct zcs_pool_params *params)
{
	struct zcs_pool *pool = NULL;

	zcs_assert_is(zcs_pool_create(params, &pool), -EINVAL);
	assert_null(pool);
}

static void create_needs_a_place_for_the_pool(void **state)
{
	struct zcs_pool_params params = good();

	(void)state;
	zcs_assert_is(zcs_pool_create(&params, NULL), -EINVAL);
	zcs_assert_is(zcs_pool_create(NULL, NULL), -EINVAL);
}

static void create_refuses_another_struct_size(void **state)
{
	const size_t sizes[] = { 0, 8, sizeof(struct zcs_pool_params) - 8,
				 sizeof(struct zcs_pool_params) + 8, SIZE_MAX };
	struct zcs_pool_params params = good();

	(void)state;
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		params.struct_size = sizes[i];
		expect_refused(&params);
	}
}

static void create_refuses_unknown_values(void **state)
{
	struct zcs_pool_params params = good();

	(void)state;
	params.backing = (enum zcs_backing)(ZCS_BACKING_SMALL + 1);
	expect_refused(&params);
	params.backing = (enum zcs_backing) - 1;
	expect_refused(&params);
	params = good();
	for (unsigned bit = 0; bit < 32; bit++) {
		params.flags = 1u << bit;
		expect_refused(&params);
	}
	params = good();
	params.beneficial_order = ZCS_MAX_ORDER + 1;
	expect_refused(&params);
	params.beneficial_order = UINT32_MAX;
	expect_refused(&params);
	for (size_t i = 0; i < 8; i++) {
		params = good();
		params.reserved[i] = 1;
		expect_refused(&params);
	}
}

static void create_refuses_a_limit_below_one_page(void **state)
{
	struct zcs_pool_params params = good();

	(void)state;
	params.max_bytes = 1;
	expect_refused(&params);
	params.max_bytes = ZCS_PAGE_SIZE - 1;
	expect_refused(&params);
	params.max_bytes = ZCS_PAGE_SIZE;
	zcs_test_pool_done(zcs_test_pool_with(&params));
}

static void create_refuses_a_node_that_does_not_exist(void **state)
{
	struct zcs_pool_params params = good();
	const int nodes[] = { -2, 4096, INT32_MAX, INT32_MIN };

	(void)state;
	for (size_t i = 0; i < sizeof(nodes) / sizeof(nodes[0]); i++) {
		params.node = nodes[i];
		expect_refused(&params);
	}
}

static void create_takes_the_defaults(void **state)
{
	struct zcs_pool *pool = zcs_test_pool_with(NULL);

	(void)state;
	zcs_folio_put(zcs_test_folio(pool, 9));
	zcs_assert_is(zcs_test_stats(pool).max_pages, 0);
	zcs_test_pool_done(pool);
}

static void create_without_memory_is_enomem(void **state)
{
	struct zcs_pool *pool = NULL;
	uint64_t steps;

	(void)state;
	zcs_test_fault("alloc_pool", UINT64_MAX, 0, 0);
	zcs_test_pool_done(zcs_test_pool(ZCS_BACKING_SMALL, 0, 0));
	zcs_test_fault("alloc_pool", UINT64_MAX, 0, 0);
	zcs_assert_ok(zcs_pool_create(NULL, &pool));
	steps = zcs_test_fault_calls("alloc_pool");
	assert_true(steps >= 2);
	zcs_pool_destroy(pool);
	for (uint64_t at = 0; at < steps; at++) {
		pool = NULL;
		zcs_test_fault("alloc_pool", at, 1, 0);
		zcs_assert_is(zcs_pool_create(NULL, &pool), -ENOMEM);
		assert_null(pool);
	}
	zcs_test_faults_off();
	zcs_test_fault("mmap", 0, 1, 0);
	zcs_assert_is(zcs_pool_create(NULL, &pool), -ENOMEM);
	assert_null(pool);
}

static void a_new_pool_takes_no_memory(void **state)
{
	struct zcs_pool *pool = zcs_test_pool(ZCS_BACKING_AUTO, 0, 0);

	(void)state;
	zcs_assert_is(zcs_test_arenas(), 0);
	zcs_assert_is(zcs_test_stats(pool).resident_pages, 0);
	zcs_assert_is(zcs_test_stats(pool).arena_bytes, 0);
	zcs_test_pool_done(pool);
}

static void alloc_refuses(void **state)
{
	struct zcs_pool *pool = zcs_test_pool(ZCS_BACKING_SMALL, 0, 0);
	struct zcs_folio *folio = (struct zcs_folio *)(uintptr_t)8;

	(void)state;
	zcs_assert_is(zcs_folio_alloc(NULL, 0, 0, &folio), -EINVAL);
	zcs_assert_is(zcs_folio_alloc(pool, 0, 0, NULL), -EINVAL);
	zcs_assert_is(zcs_folio_alloc(pool, 10, 0, &folio), -EINVAL);
	zcs_assert_is(zcs_folio_alloc(pool, UINT32_MAX, 0, &folio), -EINVAL);
	for (unsigned bit = 1; bit < 32; bit++)
		zcs_assert_is(zcs_folio_alloc(pool, 0, 1u << bit, &folio), -EINVAL);
	zcs_assert_is(zcs_folio_alloc(pool, 0, ZCS_ALLOC_NOWAIT | 2, &folio), -EINVAL);
	assert_true((uintptr_t)folio == 8);
	zcs_assert_is(zcs_test_stats(pool).resident_pages, 0);
	zcs_test_pool_done(pool);
}

static void null_is_no_folio(void **state)
{
	(void)state;
	zcs_folio_put(NULL);
	assert_null(zcs_folio_address(NULL));
	assert_true(zcs_folio_pfn(NULL) == UINT64_MAX);
	zcs_assert_is(zcs_folio_order(NULL), 0);
	zcs_assert_is(zcs_folio_node(NULL), -1);
}

static void null_is_no_pool(void **state)
{
	struct zcs_pool_stats st = { .struct_size = sizeof(st) };

	(void)state;
	zcs_pool_destroy(NULL);
	zcs_assert_is(zcs_pool_shrink(NULL, -1, 1), -EINVAL);
	zcs_assert_is(zcs_pool_count(NULL, -1), -EINVAL);
	zcs_assert_is(zcs_pool_stats(NULL, &st), -EINVAL);
	zcs_assert_is(zcs_pool_check(NULL), -EINVAL);
	zcs_assert_is(zcs_pool_dump(NULL, NULL, 0), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		zcs_test(create_needs_a_place_for_the_pool),
		zcs_test(create_refuses_another_struct_size),
		zcs_test(create_refuses_unknown_values),
		zcs_test(create_refuses_a_limit_below_one_page),
		zcs_test(create_refuses_a_node_that_does_not_exist),
		zcs_test(create_takes_the_defaults),
		zcs_test(create_without_memory_is_enomem),
		zcs_test(a_new_pool_takes_no_memory),
		zcs_test(alloc_refuses),
		zcs_test(null_is_no_folio),
		zcs_test(null_is_no_pool),
	};

	return zcs_test_run(tests);
}
