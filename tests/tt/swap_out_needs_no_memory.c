/* SPDX-License-Identifier: MIT */
/*
 * Swapping out, and bringing back what is resident, takes no memory: with the pool at its limit,
 * nothing cached and every allocation of the library refused, a tt is backed up and restored, and
 * no allocation was even asked for. Only a block that must be split needs an index node.
 */
#include "tt_test.h"

/* Every fault point that stands for taking memory. */
static const char *const allocations[] = {
	"memfd_create", "ftruncate",   "mmap",	      "fallocate",    "madvise_populate_write",
	"alloc_arena",	"alloc_pool",  "alloc_store", "alloc_backup", "madvise_collapse",
	"alloc_tt",	"folio_alloc", "split",	      "alloc_swap",   "alloc_index_node",
};
#define NR_ALLOCATIONS (sizeof(allocations) / sizeof(allocations[0]))

static void refuse_all(void)
{
	for (size_t i = 0; i < NR_ALLOCATIONS; i++)
		zcs_test_fault(allocations[i], 0, 0, 0);
}

static void assert_none_asked(void)
{
	for (size_t i = 0; i < NR_ALLOCATIONS; i++) {
		if (zcs_test_fault_calls(allocations[i]))
			print_message("# %s was asked for\n", allocations[i]);
		zcs_assert_is(zcs_test_fault_calls(allocations[i]), 0);
	}
	zcs_test_faults_off();
}

/* A tt that fills its pool to the limit. */
static void full_pool(struct tt_case *c, enum zcs_backing backing, uint64_t nr, uint32_t flags,
		      bool backup_first)
{
	*c = (struct tt_case){ .nr = nr, .seed = nr };
	c->pool = zcs_test_pool(backing, nr * ZCS_PAGE_SIZE, 0);
	c->store = zcs_test_store();
	zcs_assert_ok(zcs_tt_create(c->pool, nr, flags, &c->tt));
	if (backup_first)
		zcs_assert_ok(zcs_tt_setup_backup(c->tt, c->store));
	zcs_assert_ok(zcs_tt_populate(c->tt, NULL));
	if (!backup_first)
		zcs_assert_ok(zcs_tt_setup_backup(c->tt, c->store));
	tt_fill(c->tt, c->seed);
	zcs_assert_is(zcs_test_stats(c->pool).resident_pages, (int64_t)nr);
	zcs_assert_is(zcs_test_stats(c->pool).cached_pages, 0);
}

static void out_and_in(enum zcs_backing backing, uint64_t nr, uint32_t flags, bool backup_first)
{
	struct zcs_pool_stats before, after;
	struct tt_case c;

	full_pool(&c, backing, nr, flags, backup_first);
	before = zcs_test_stats(c.pool);
	refuse_all();
	zcs_assert_is(zcs_tt_backup(c.tt, 0), (int64_t)nr);
	after = zcs_test_stats(c.pool);
	zcs_assert_ok(zcs_tt_restore(c.tt, NULL));
	assert_none_asked();
	zcs_assert_is(after.resident_pages, (int64_t)before.resident_pages);
	zcs_assert_is(after.metadata_bytes, (int64_t)before.metadata_bytes);
	assert_true(tt_case_is(&c));
	tt_case_fini(&c);
}

static void whole_tts_with_every_allocation_refused(void **state)
{
	(void)state;
	tt_for_each_shape(backing, flags) for (size_t i = 0; i < tt_nr_sizes; i++)
		out_and_in(backing, tt_sizes[i], flags, i % 2);
}

static void the_index_is_reserved_whichever_comes_first(void **state)
{
	(void)state;
	tt_for_each_shape(backing, flags)
	{
		out_and_in(backing, 1027, flags, true);
		out_and_in(backing, 1027, flags, false);
	}
}

static void ranges_and_purges_with_every_allocation_refused(void **state)
{
	(void)state;
	tt_for_each_shape(backing, flags)
	{
		struct tt_case c;

		full_pool(&c, backing, 1027, flags, true);
		refuse_all();
		zcs_assert_is(zcs_tt_backup_range(c.tt, 512, 514, 0), 514);
		zcs_assert_is(zcs_tt_backup_range(c.tt, 0, 512, 0), 512);
		zcs_assert_is(zcs_tt_backup_range(c.tt, 512, 512, ZCS_BACKUP_PURGE), 512);
		zcs_assert_ok(zcs_tt_restore_range(c.tt, 1024, 3, NULL));
		assert_none_asked();
		assert_true(tt_is(c.tt, c.seed, 1024, 3));
		tt_case_fini(&c);
	}
}

/*
 * A refused block needs an index node to be split: without one the call fails, and nothing is lost.
 */
static void a_split_that_finds_no_index_node_leaves_the_block_whole(void **state)
{
	struct tt_case c;

	(void)state;
	full_pool(&c, ZCS_BACKING_SMALL, 512, ZCS_TT_CONTIGUOUS, true);
	zcs_test_fault("insert_large", 0, 0, ENOSPC);
	zcs_test_fault("alloc_index_node", 0, 0, 0);
	zcs_assert_is(zcs_tt_backup(c.tt, 0), -ENOSPC);
	assert_true(zcs_test_fault_failed("alloc_index_node") > 0);
	zcs_assert_is(zcs_test_active(c.pool, 9), 1);
	assert_true(tt_case_is(&c));
	zcs_test_fault_off("alloc_index_node");
	zcs_assert_is(zcs_tt_backup(c.tt, 0), 512);
	zcs_test_faults_off();
	zcs_assert_ok(zcs_tt_restore(c.tt, NULL));
	assert_true(tt_case_is(&c));
	tt_case_fini(&c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		zcs_test(whole_tts_with_every_allocation_refused),
		zcs_test(the_index_is_reserved_whichever_comes_first),
		zcs_test(ranges_and_purges_with_every_allocation_refused),
		zcs_test(a_split_that_finds_no_index_node_leaves_the_block_whole),
	};

	return zcs_test_run(tests);
}
