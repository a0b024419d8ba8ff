/* SPDX-License-Identifier: MIT */
/*
 * The user map cannot be zapped, or not be resolved. Without the zap nothing is backed up or
 * purged: an application could go on writing to pages that have another owner. Without the
 * resolving the content is there, the error says that the address does not work yet, and restoring
 * again is the way to repair it.
 */
#include "tt_test.h"

#define NR 1024u

static void fail_maps(int err)
{
	zcs_test_fault("uffdio_unregister", 0, 0, err);
	zcs_test_fault("uffdio_continue", 0, 0, err);
}

static void assert_as_before(struct tt_case *c)
{
	zcs_assert_is(tt_state(c->tt), ZCS_TT_POPULATED);
	assert_true(tt_all(c->tt, 0, NR, TT_PAGE));
	zcs_assert_is(zcs_test_stats(c->pool).active_pages, NR);
	assert_true(tt_case_is(c));
	tt_case_ok(c);
}

static void zap_fails(enum zcs_backing backing, const char *point)
{
	struct tt_case c;

	tt_case_init(&c, backing, NR, ZCS_TT_CONTIGUOUS);
	zcs_test_fault(point, 0, 0, EFAULT);
	zcs_assert_is(zcs_tt_backup(c.tt, 0), -EFAULT);
	assert_as_before(&c);
	zcs_assert_is(zcs_tt_backup_range(c.tt, 512, 512, 0), -EFAULT);
	assert_as_before(&c);
	zcs_assert_is(zcs_tt_backup(c.tt, ZCS_BACKUP_PURGE), -EFAULT);
	assert_as_before(&c);
	assert_true(zcs_test_counter(c.pool, ZCS_COUNT_ZAP_FAILED) >= 3);
	zcs_test_faults_off();
	zcs_assert_is(zcs_tt_backup(c.tt, 0), NR);
	zcs_assert_ok(zcs_tt_restore(c.tt, NULL));
	assert_as_before(&c);
	tt_case_fini(&c);
}

static void nothing_goes_when_the_zap_fails(void **state)
{
	(void)state;
	tt_for_each_backing(backing) zap_fails(backing, "madvise_dontneed");
}

static void nothing_goes_when_the_trap_cannot_be_set(void **state)
{
	(void)state;
	/* hugetlb is registered for life */
	zap_fails(ZCS_BACKING_THP, "uffdio_register");
	zap_fails(ZCS_BACKING_SMALL, "uffdio_register");
}

/* Unpopulating cannot fail: the memory is punched, and that unmaps it as well. */
static void unpopulating_without_the_zap(void **state)
{
	(void)state;
	tt_for_each_backing(backing)
	{
		struct tt_case c;

		tt_case_init(&c, backing, NR, ZCS_TT_CONTIGUOUS);
		assert_true(tt_case_is(&c));
		zcs_test_fault("madvise_dontneed", 0, 0, 0);
		zcs_tt_unpopulate(c.tt);
		zcs_test_faults_off();
		zcs_assert_is(zcs_test_present_pages(zcs_tt_address(c.tt), NR), 0);
		zcs_assert_is(zcs_test_stats(c.pool).resident_pages, 0);
		zcs_assert_ok(zcs_tt_populate(c.tt, NULL));
		assert_true(tt_is_zero(c.tt, 0, NR));
		tt_case_fini(&c);
	}
}

/* Restored as far as memory goes, but the address still traps. */
static void half_restored(struct tt_case *c, enum zcs_backing backing)
{
	tt_case_init(c, backing, NR, ZCS_TT_CONTIGUOUS);
	zcs_assert_is(zcs_tt_backup(c->tt, 0), NR);
	fail_maps(EFAULT);
	zcs_assert_is(zcs_tt_restore(c->tt, NULL), -EFAULT);
	zcs_assert_is(zcs_tt_restore(c->tt, NULL), -EFAULT);
	assert_true(zcs_tt_flags(c->tt) & ZCS_TT_BACKED_UP);
	assert_true(zcs_test_counter(c->pool, ZCS_COUNT_MAP_FAILED) >= 2);
	for (uint64_t i = 0; i < NR; i++)
		assert_true(zcs_test_page_is(zcs_tt_page_address(c->tt, i), c->seed, i));
	tt_case_ok(c);
	zcs_test_faults_off();
}

static void a_restore_that_cannot_resolve_is_finished_by_the_next(void **state)
{
	(void)state;
	tt_for_each_backing(backing)
	{
		struct tt_case c;

		half_restored(&c, backing);
		zcs_assert_ok(zcs_tt_restore(c.tt, NULL));
		assert_as_before(&c);
		tt_case_fini(&c);
	}
}

static void a_range_repairs_the_whole(void **state)
{
	(void)state;
	tt_for_each_backing(backing)
	{
		struct tt_case c;

		half_restored(&c, backing);
		zcs_assert_ok(zcs_tt_restore_range(c.tt, 0, 1, NULL));
		assert_as_before(&c);
		tt_case_fini(&c);
	}
}

static void what_was_not_resolved_may_go_out_again(void **state)
{
	(void)state;
	tt_for_each_backing(backing)
	{
		struct tt_case c;

		half_restored(&c, backing);
		zcs_assert_is(zcs_tt_backup(c.tt, 0), NR);
		assert_true(tt_all(c.tt, 0, NR, TT_HANDLE));
		zcs_assert_ok(zcs_tt_restore(c.tt, NULL));
		assert_as_before(&c);
		tt_case_fini(&c);
	}
}

static void what_was_not_resolved_may_be_dropped(void **state)
{
	(void)state;
	tt_for_each_backing(backing)
	{
		struct tt_case c;

		half_restored(&c, backing);
		zcs_assert_ok(zcs_tt_drop_backup(c.tt));
		assert_true(tt_all(c.tt, 0, NR, TT_EMPTY));
		zcs_assert_ok(zcs_tt_populate(c.tt, NULL));
		assert_true(tt_is_zero(c.tt, 0, NR));
		tt_case_fini(&c);
	}
}

/* Zapped, refused, and not even resolved: no content went, and a restore repairs the address. */
static void a_refused_backup_that_cannot_resolve_is_repaired_by_a_restore(void **state)
{
	(void)state;
	tt_for_each_backing(backing)
	{
		struct tt_case c;

		tt_case_init(&c, backing, NR, ZCS_TT_CONTIGUOUS);
		zcs_test_fault("insert", 0, 0, ENOSPC);
		fail_maps(0);
		zcs_assert_is(zcs_tt_backup(c.tt, 0), -ENOSPC);
		assert_true(tt_all(c.tt, 0, NR, TT_PAGE));
		assert_true(zcs_tt_flags(c.tt) & ZCS_TT_BACKED_UP);
		tt_case_ok(&c);
		zcs_test_faults_off();
		zcs_assert_ok(zcs_tt_restore(c.tt, NULL));
		assert_as_before(&c);
		tt_case_fini(&c);
	}
}

/* Without userfaultfd nothing traps; backing up and restoring work nevertheless. */
static void without_userfaultfd_explicit_calls_work(void **state)
{
	(void)state;
	tt_for_each_backing(backing)
	{
		struct tt_case c;

		zcs_test_fault("userfaultfd", 0, 0, 0);
		tt_case_init(&c, backing, NR, ZCS_TT_CONTIGUOUS);
		zcs_test_faults_off();
		assert_true(tt_case_is(&c));
		zcs_assert_is(zcs_tt_backup(c.tt, 0), NR);
		zcs_assert_is(zcs_test_present_pages(zcs_tt_address(c.tt), NR), 0);
		zcs_assert_ok(zcs_tt_restore(c.tt, NULL));
		assert_as_before(&c);
		tt_case_fini(&c);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		zcs_test(nothing_goes_when_the_zap_fails),
		zcs_test(nothing_goes_when_the_trap_cannot_be_set),
		zcs_test(unpopulating_without_the_zap),
		zcs_test(a_restore_that_cannot_resolve_is_finished_by_the_next),
		zcs_test(a_range_repairs_the_whole),
		zcs_test(what_was_not_resolved_may_go_out_again),
		zcs_test(what_was_not_resolved_may_be_dropped),
		zcs_test(a_refused_backup_that_cannot_resolve_is_repaired_by_a_restore),
		zcs_test(without_userfaultfd_explicit_calls_work),
	};

	if (!tt_has_userfaultfd())
		zcs_test_skip("no userfaultfd here: there is no trap to set or to resolve");
	return zcs_test_run(tests);
}
