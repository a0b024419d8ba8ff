/* SPDX-License-Identifier: MIT */
/* On a machine that has several NUMA nodes, a folio's memory lies on the node that it names. */
#include <numa.h>
#include <numaif.h>

#include "zcs_test.h"

static int node_of(void *addr)
{
	int node = -1;

	zcs_assert_ok(get_mempolicy(&node, NULL, 0, addr, MPOL_F_NODE | MPOL_F_ADDR));
	return node;
}

static void memory_lies_where_the_folio_says(void **state)
{
	(void)state;
	for (int node = 0; node <= numa_max_node(); node++) {
		struct zcs_pool_params params = zcs_test_params(ZCS_BACKING_SMALL, 0, 0);
		struct zcs_folio *folio;
		struct zcs_pool *pool;

		if (!numa_bitmask_isbitset(numa_all_nodes_ptr, (unsigned)node))
			continue;
		params.node = node;
		pool = zcs_test_pool_with(&params);
		folio = zcs_test_folio(pool, 0);
		zcs_assert_is(zcs_folio_node(folio), node);
		zcs_assert_is(node_of(zcs_folio_address(folio)), node);
		zcs_folio_put(folio);
		zcs_test_pool_done(pool);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = { zcs_test(memory_lies_where_the_folio_says) };

	if (numa_available() < 0 || numa_num_configured_nodes() < 2)
		zcs_test_skip("this machine has one NUMA node");
	return zcs_test_run(tests);
}
