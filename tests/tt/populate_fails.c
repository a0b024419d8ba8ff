/* SPDX-License-Identifier: MIT */
/*
 * Populating is all or nothing: whatever is refused, and after however many pages, the counters are
 * back where they were, nothing is left mapped, and the next call succeeds.
 */
#include "tt_test.h"

#define NR 27u /* blocks of order 4, 3, 1, 0 */

/* Where the address does not trap, a thread may have written to what was populated: that stays. */
static bool may_stay(const struct tt_case *c)
{
	return zcs_tt_address(c->tt) && !zcs_test_has_userfaultfd();
}

static void assert_nothing_held(const struct tt_case *c)
{
	struct zcs_pool_stats st = zcs_test_stats(c->pool);

	tt_case_ok(c);
	if (may_stay(c))
		return;
	assert_true(tt_all(c->tt, 0, c->nr, TT_EMPTY));
	zcs_assert_is(tt_state(c->tt), 0);
	zcs_assert_is(st.active_pages, 0);
	zcs_assert_is(st.resident_pages, (int64_t)st.cached_pages);
}

/* @point fails from its (@space + 1)-th call on: nothing changes; without it all is well. */
static void refused_from(const char *point, uint64_t space, enum zcs_backing backing, uint64_t nr,
			 uint32_t flags)
{
	struct tt_case c;

	tt_case_bare(&c, backing, nr, flags);
	zcs_assert_ok(zcs_tt_setup_backup(c.tt, c.store));
	zcs_test_fault(point, space, 0, 0);
	zcs_assert_is(zcs_tt_populate(c.tt, NULL), -ENOMEM);
	assert_true(zcs_test_fault_failed(point) > 0);
	zcs_test_faults_off();
	assert_nothing_held(&c);
	zcs_assert_ok(zcs_tt_populate(c.tt, NULL));
	assert_true(tt_is_zero(c.tt, 0, nr));
	tt_case_fini(&c);
}

static void case_19_a_refused_page_frees_all_earlier_ones(void **state)
{
	(void)state;
	tt_for_each_shape(backing, flags) for (uint64_t space = 0; space < 4; space++)
		refused_from("folio_alloc", space, backing, NR, flags);
}

static void case_19_the_system_refuses_midway(void **state)
{
	(void)state;
	for (uint64_t space = 0; space < 4; space++) {
		refused_from("madvise_populate_write", space, ZCS_BACKING_SMALL, NR, 0);
		refused_from("madvise_populate_write", space, ZCS_BACKING_SMALL, NR,
			     ZCS_TT_CONTIGUOUS);
	}
}

static void case_19_there_is_no_hugetlb_page(void **state)
{
	(void)state;
	if (!zcs_test_backing_works(ZCS_BACKING_HUGETLB))
		zcs_test_skip_case("no hugetlb pages");
	refused_from("fallocate", 0, ZCS_BACKING_HUGETLB, 1024, ZCS_TT_CONTIGUOUS);
	refused_from("fallocate", 1, ZCS_BACKING_HUGETLB, 1024, ZCS_TT_CONTIGUOUS);
	refused_from("madvise_populate_write", 1, ZCS_BACKING_HUGETLB, 1024, ZCS_TT_CONTIGUOUS);
}

static void case_19_huge_shmem_refused_midway(void **state)
{
	(void)state;
	/*
	 * the second block: its one page for the collapse, then the small pages in place of a huge
	 * one
	 */
	refused_from("madvise_populate_write", 1, ZCS_BACKING_THP, 1024, 0);
	refused_from("madvise_populate_write", 1, ZCS_BACKING_THP, 1024, ZCS_TT_CONTIGUOUS);
}

static void index_nodes_are_refused(void **state)
{
	(void)state;
	tt_for_each_shape(backing, flags) for (uint64_t space = 0; space < 2; space++)
		refused_from("alloc_index_node", space, backing, NR, flags);
}

/* Nothing is mapped where mapping failed: TTM's -EFAULT, with the cause that the kernel gave. */
static void map_refused(enum zcs_backing backing, const char *point)
{
	struct tt_case c;

	tt_case_bare(&c, backing, 1024, ZCS_TT_CONTIGUOUS);
	zcs_test_fault(point, 0, 0, EFAULT);
	zcs_assert_is(zcs_tt_populate(c.tt, NULL), -EFAULT);
	assert_true(zcs_test_counter(c.pool, ZCS_COUNT_MAP_FAILED) > 0);
	zcs_test_faults_off();
	assert_nothing_held(&c);
	zcs_assert_is(zcs_test_present_pages(zcs_tt_address(c.tt), c.nr), 0);
	zcs_assert_ok(zcs_tt_populate(c.tt, NULL));
	assert_true(tt_is_zero(c.tt, 0, c.nr));
	tt_case_fini(&c);
}

static void case_23_the_user_map_cannot_be_resolved(void **state)
{
	(void)state;
	if (!tt_has_userfaultfd())
		zcs_test_skip_case("no userfaultfd here: there is nothing to resolve");
	if (zcs_test_backing_works(ZCS_BACKING_HUGETLB))
		map_refused(ZCS_BACKING_HUGETLB, "uffdio_continue");
	map_refused(ZCS_BACKING_THP, "uffdio_unregister");
	map_refused(ZCS_BACKING_SMALL, "uffdio_unregister");
}

/*
 * Pages that stay registered trap again whenever the kernel unmaps them, and a tt has nobody who
 * answers.
 */
static void a_mapping_that_cannot_be_split_is_an_error(void **state)
{
	struct tt_case c;

	(void)state;
	if (!tt_has_userfaultfd())
		zcs_test_skip_case("no userfaultfd here: there is nothing to resolve");
	tt_case_bare(&c, ZCS_BACKING_THP, 1024, ZCS_TT_CONTIGUOUS);
	zcs_test_fault("uffdio_unregister", 0, 0, ENOMEM);
	zcs_assert_is(zcs_tt_populate(c.tt, NULL), -ENOMEM);
	zcs_test_faults_off();
	zcs_assert_ok(zcs_tt_populate(c.tt, NULL));
	tt_case_fini(&c);
}

static void a_collapse_that_fails_costs_only_the_huge_page(void **state)
{
	struct tt_case c;

	(void)state;
	zcs_test_fault("huge_file", 0, 0, 0);
	tt_case_bare(&c, ZCS_BACKING_THP, 1024, ZCS_TT_CONTIGUOUS);
	zcs_test_fault("madvise_collapse", 0, 0, 0);
	zcs_assert_ok(zcs_tt_populate(c.tt, NULL));
	zcs_assert_is(zcs_test_counter(c.pool, ZCS_COUNT_THP_FALLBACK), 2);
	zcs_assert_is(zcs_test_stats(c.pool).huge_bytes, 0);
	assert_true(tt_is_zero(c.tt, 0, c.nr));
	tt_case_fini(&c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		zcs_test(case_19_a_refused_page_frees_all_earlier_ones),
		zcs_test(case_19_the_system_refuses_midway),
		zcs_test(case_19_there_is_no_hugetlb_page),
		zcs_test(case_19_huge_shmem_refused_midway),
		zcs_test(index_nodes_are_refused),
		zcs_test(case_23_the_user_map_cannot_be_resolved),
		zcs_test(a_mapping_that_cannot_be_split_is_an_error),
		zcs_test(a_collapse_that_fails_costs_only_the_huge_page),
	};

	return zcs_test_run(tests);
}
