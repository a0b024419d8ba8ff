/* SPDX-License-Identifier: MIT */
/*
 * Backing up with nowhere to go: a full store is -EBUSY and no backup is 0, and either way the tt
 * is as it was. Purging needs neither.
 */
#include "tt_test.h"

static void assert_untouched(struct tt_case *c)
{
	zcs_assert_is(tt_state(c->tt), ZCS_TT_POPULATED);
	assert_true(tt_all(c->tt, 0, c->nr, TT_PAGE));
	assert_true(tt_case_is(c));
	zcs_assert_is(zcs_test_stats(c->pool).active_pages, (int64_t)c->nr);
	tt_case_ok(c);
}

static void case_49_a_full_store_is_busy(void **state)
{
	(void)state;
	tt_for_each_shape(backing, flags)
	{
		struct tt_case c;

		tt_case_init(&c, backing, 515, flags);
		zcs_test_fault("store_full", 0, 0, 0);
		zcs_assert_is(zcs_tt_backup(c.tt, 0), -EBUSY);
		zcs_assert_is(zcs_tt_backup_range(c.tt, 0, 512, ZCS_BACKUP_WRITEBACK), -EBUSY);
		assert_untouched(&c);
		zcs_test_faults_off();
		zcs_assert_is(zcs_tt_backup(c.tt, 0), 515);
		tt_case_fini(&c);
	}
}

static void case_50_a_full_store_does_not_hinder_a_purge(void **state)
{
	(void)state;
	tt_for_each_shape(backing, flags)
	{
		struct tt_case c;

		tt_case_init(&c, backing, 515, flags);
		zcs_test_fault("store_full", 0, 0, 0);
		zcs_assert_is(zcs_tt_backup(c.tt, ZCS_BACKUP_PURGE), 515);
		assert_true(tt_all(c.tt, 0, 515, TT_EMPTY));
		/* to the system, not to the pool's lists */
		zcs_assert_is(zcs_test_stats(c.pool).cached_pages, 0);
		zcs_assert_is(zcs_test_stats(c.pool).resident_pages, 0);
		zcs_assert_is(zcs_test_arena_bytes(), 0);
		tt_case_fini(&c);
	}
}

static void case_73_without_a_backup_nothing_happens(void **state)
{
	(void)state;
	tt_for_each_shape(backing, flags)
	{
		struct tt_case c;

		tt_case_bare(&c, backing, 515, flags);
		zcs_assert_ok(zcs_tt_populate(c.tt, NULL));
		tt_fill(c.tt, c.seed);
		zcs_assert_is(zcs_tt_backup(c.tt, 0), 0);
		zcs_assert_is(zcs_tt_backup_range(c.tt, 0, 512, 0), 0);
		assert_untouched(&c);
		tt_case_fini(&c);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		zcs_test(case_49_a_full_store_is_busy),
		zcs_test(case_50_a_full_store_does_not_hinder_a_purge),
		zcs_test(case_73_without_a_backup_nothing_happens),
	};

	return zcs_test_run(tests);
}
