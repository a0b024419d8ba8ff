/* SPDX-License-Identifier: MIT */
/*
 * NUMA nodes, on a topology that is made up: folios come from and go back to the lists of their
 * node, and only a single page is worth another node. Memory is bound where it can be, and works
 * where it cannot.
 */
#include "sys/sys.h"
#include "zcs_test.h"

#define NODES 3

static int node_setup(void **state)
{
	zcs_sys_fake_nodes(NODES, 0);
	return zcs_test_setup(state);
}

static int node_teardown(void **state)
{
	zcs_sys_fake_nodes(0, 0);
	return zcs_test_teardown(state);
}

static struct zcs_pool *pool_on(int node, uint64_t max_bytes)
{
	struct zcs_pool_params params = zcs_test_params(ZCS_BACKING_SMALL, max_bytes, ZCS_TEST_MIB);

	params.node = node;
	return zcs_test_pool_with(&params);
}

static uint64_t cached_on(struct zcs_pool *pool, int node, unsigned order)
{
	return zcs_test_stats(pool).cached[node][order];
}

static void a_pool_of_a_node_takes_from_that_node(void **state)
{
	(void)state;
	for (int node = 0; node < NODES; node++) {
		struct zcs_pool *pool = pool_on(node, 0);
		struct zcs_folio *folio = zcs_test_folio(pool, 2);

		zcs_assert_is(zcs_folio_node(folio), node);
		zcs_assert_is(zcs_test_stats(pool).active[node][2], 1);
		zcs_assert_is(zcs_test_stats(pool).nr_nodes, NODES);
		zcs_folio_put(folio);
		zcs_assert_is(cached_on(pool, node, 2), 1);
		zcs_test_pool_done(pool);
	}
}

static void a_pool_of_any_node_takes_from_the_cpus(void **state)
{
	struct zcs_pool *pool = pool_on(-1, 0);
	struct zcs_folio *folio[NODES];

	(void)state;
	for (int node = 0; node < NODES; node++) {
		zcs_sys_fake_nodes(NODES, node);
		folio[node] = zcs_test_folio(pool, 0);
		zcs_assert_is(zcs_folio_node(folio[node]), node);
	}
	/* given back from another node, each goes to its own */
	zcs_sys_fake_nodes(NODES, 0);
	for (int node = 0; node < NODES; node++) {
		zcs_folio_put(folio[node]);
		zcs_assert_is(cached_on(pool, node, 0), 1);
	}
	zcs_test_pool_ok(pool);
	zcs_test_pool_done(pool);
}

static void a_list_of_another_node_is_not_taken_from(void **state)
{
	struct zcs_pool *pool = pool_on(-1, 0);
	struct zcs_folio *folio = zcs_test_folio(pool, 3), *none = NULL;

	(void)state;
	zcs_folio_put(folio);
	zcs_sys_fake_nodes(NODES, 1);
	zcs_assert_is(zcs_folio_alloc(pool, 3, ZCS_ALLOC_NOWAIT, &none), -ENOMEM);
	zcs_assert_is(cached_on(pool, 0, 3), 1);
	zcs_sys_fake_nodes(NODES, 0);
	assert_ptr_equal(zcs_test_folio(pool, 3), folio);
	zcs_folio_put(folio);
	zcs_test_pool_done(pool);
}

static void case_31_shrinking_a_node_leaves_the_others_alone(void **state)
{
	struct zcs_pool *pool = pool_on(-1, 0);

	(void)state;
	zcs_folio_put(zcs_test_folio(pool, 4));
	zcs_assert_is(zcs_pool_count(pool, 0), 16);
	zcs_assert_is(zcs_pool_count(pool, 1), 0);
	zcs_assert_is(zcs_pool_shrink(pool, 1, 100), 0);
	zcs_assert_is(zcs_pool_count(pool, 0), 16);
	zcs_assert_is(zcs_pool_count(pool, -1), 16);
	zcs_assert_is(zcs_pool_shrink(pool, 0, 100), 16);
	zcs_assert_is(zcs_pool_count(pool, -1), 0);
	zcs_test_pool_done(pool);
}

static void shrinking_all_nodes_visits_each(void **state)
{
	struct zcs_pool *pool = pool_on(-1, 0);
	struct zcs_folio *folio[NODES];

	(void)state;
	for (int node = 0; node < NODES; node++) {
		zcs_sys_fake_nodes(NODES, node);
		folio[node] = zcs_test_folio(pool, 0);
	}
	for (int node = 0; node < NODES; node++)
		zcs_folio_put(folio[node]);
	zcs_assert_is(zcs_pool_count(pool, -1), NODES);
	zcs_assert_is(zcs_pool_shrink(pool, -1, UINT64_MAX), NODES);
	zcs_test_pool_done(pool);
}

/* Each attempt to fill a page fails once: that of the pool's node. */
static void a_single_page_may_come_from_another_node(void **state)
{
	struct zcs_pool *pool = pool_on(1, 0);
	struct zcs_folio *folio;

	(void)state;
	zcs_test_fault("madvise_populate_write", 0, 1, 0);
	folio = zcs_test_folio(pool, 0);
	assert_int_not_equal(zcs_folio_node(folio), 1);
	zcs_assert_is(zcs_test_counter(pool, ZCS_COUNT_NODE_FALLBACK), 1);
	zcs_folio_put(folio);
	zcs_test_pool_done(pool);
}

static void more_than_a_page_does_not_come_from_another_node(void **state)
{
	struct zcs_pool *pool = pool_on(1, 0);
	struct zcs_folio *folio = NULL;

	(void)state;
	for (unsigned order = 1; order <= ZCS_MAX_ORDER; order++) {
		zcs_test_fault("madvise_populate_write", 0, 1, 0);
		zcs_assert_is(zcs_folio_alloc(pool, order, 0, &folio), -ENOMEM);
	}
	zcs_assert_is(zcs_test_counter(pool, ZCS_COUNT_NODE_FALLBACK), 0);
	zcs_test_pool_done(pool);
}

static void a_single_page_that_no_node_has_is_enomem(void **state)
{
	struct zcs_pool *pool = pool_on(1, 0);
	struct zcs_folio *folio = NULL;

	(void)state;
	zcs_test_fault("madvise_populate_write", 0, 0, 0);
	zcs_assert_is(zcs_folio_alloc(pool, 0, 0, &folio), -ENOMEM);
	zcs_assert_is(zcs_test_fault_calls("madvise_populate_write"), NODES);
	zcs_test_pool_done(pool);
}

static void a_node_that_does_not_exist_is_refused(void **state)
{
	struct zcs_pool_params params = zcs_test_params(ZCS_BACKING_SMALL, 0, 0);
	struct zcs_pool *pool = NULL;
	const int wrong[] = { NODES, 64, 1000, -2, INT32_MAX, INT32_MIN };

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		params.node = wrong[i];
		zcs_assert_is(zcs_pool_create(&params, &pool), -EINVAL);
	}
	assert_null(pool);
	pool = pool_on(-1, 0);
	zcs_assert_is(zcs_pool_shrink(pool, NODES, 1), -EINVAL);
	zcs_assert_is(zcs_pool_shrink(pool, -2, 1), -EINVAL);
	zcs_assert_is(zcs_pool_count(pool, NODES), -EINVAL);
	zcs_assert_is(zcs_pool_count(pool, -2), -EINVAL);
	zcs_test_pool_done(pool);
}

static void the_cache_limit_is_per_node_by_default(void **state)
{
	struct zcs_pool *pool = zcs_test_pool(ZCS_BACKING_SMALL, 0, 0);
	uint64_t half = zcs_sys_ram_bytes() / NODES / 2 / ZCS_PAGE_SIZE;

	(void)state;
	zcs_assert_is(zcs_test_stats(pool).cache_limit_pages, (int64_t)half);
	zcs_test_pool_done(pool);
}

static void a_tt_takes_its_pages_from_the_pools_node(void **state)
{
	struct zcs_pool *pool = pool_on(2, 0);
	struct zcs_tt *tt = NULL;

	(void)state;
	zcs_assert_ok(zcs_tt_create(pool, 7, 0, &tt));
	zcs_assert_ok(zcs_tt_populate(tt, NULL));
	zcs_assert_is(zcs_test_stats(pool).active[2][2], 1);
	zcs_assert_is(zcs_test_stats(pool).active[2][1], 1);
	zcs_assert_is(zcs_test_stats(pool).active[2][0], 1);
	zcs_test_tt_done(tt);
	zcs_test_pool_done(pool);
}

static void nodes_over_the_statistics_are_added_to_the_last(void **state)
{
	struct zcs_pool *pool;
	struct zcs_folio *folio;

	(void)state;
	zcs_sys_fake_nodes(ZCS_STATS_NODES + 3, 0);
	pool = pool_on(ZCS_STATS_NODES + 2, 0);
	folio = zcs_test_folio(pool, 1);
	zcs_assert_is(zcs_folio_node(folio), ZCS_STATS_NODES + 2);
	zcs_assert_is(zcs_test_stats(pool).active[ZCS_STATS_NODES - 1][1], 1);
	zcs_assert_is(zcs_test_stats(pool).active_pages, 2);
	zcs_folio_put(folio);
	zcs_test_pool_done(pool);
}

/* mbind is refused in containers: that is no reason to go without memory */
static void memory_that_cannot_be_bound_is_used_unbound(void **state)
{
	(void)state;
	zcs_sys_fake_nodes(0, 0);
	zcs_test_for_each_backing(b)
	{
		struct zcs_pool *pool = zcs_test_pool(b, 0, 0);
		struct zcs_folio *folio;

		zcs_test_fault("mbind", 0, 0, 0);
		folio = zcs_test_folio(pool, 9);
		assert_true(zcs_test_fault_failed("mbind") > 0);
		zcs_test_fill_folio(folio, 1);
		zcs_folio_put(folio);
		zcs_test_pool_done(pool);
	}
}

#define node_test(f) cmocka_unit_test_setup_teardown(f, node_setup, node_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		node_test(a_pool_of_a_node_takes_from_that_node),
		node_test(a_pool_of_any_node_takes_from_the_cpus),
		node_test(a_list_of_another_node_is_not_taken_from),
		node_test(case_31_shrinking_a_node_leaves_the_others_alone),
		node_test(shrinking_all_nodes_visits_each),
		node_test(a_single_page_may_come_from_another_node),
		node_test(more_than_a_page_does_not_come_from_another_node),
		node_test(a_single_page_that_no_node_has_is_enomem),
		node_test(a_node_that_does_not_exist_is_refused),
		node_test(the_cache_limit_is_per_node_by_default),
		node_test(a_tt_takes_its_pages_from_the_pools_node),
		node_test(nodes_over_the_statistics_are_added_to_the_last),
		node_test(memory_that_cannot_be_bound_is_used_unbound),
	};

	return zcs_test_run(tests);
}
