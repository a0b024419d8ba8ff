/* SPDX-License-Identifier: MIT */
/*
 * Purging drops content: the memory goes to the system and not to the pool's lists, the slots
 * become empty, and a restore gives zero pages. It needs no backup.
 */
#include "tt_test.h"

static void assert_gone(struct tt_case *c)
{
	assert_true(tt_all(c->tt, 0, c->nr, TT_EMPTY));
	zcs_assert_is(tt_state(c->tt), ZCS_TT_BACKED_UP);
	zcs_assert_is(zcs_test_stats(c->pool).active_pages, 0);
	zcs_assert_is(zcs_test_stats(c->pool).inserted_pages, 0);
	tt_case_ok(c);
}

static void assert_zero_again(struct tt_case *c)
{
	zcs_assert_ok(zcs_tt_restore(c->tt, NULL));
	zcs_assert_is(tt_state(c->tt), ZCS_TT_POPULATED);
	assert_true(tt_is_zero(c->tt, 0, c->nr));
	tt_case_ok(c);
}

static void purged_pages_go_to_the_system_and_come_back_zero(void **state)
{
	(void)state;
	tt_for_each_shape(backing, flags)
	{
		for (size_t i = 0; i < tt_nr_sizes; i++) {
			struct tt_case c;

			tt_case_init(&c, backing, tt_sizes[i], flags);
			zcs_assert_is(zcs_tt_backup(c.tt, ZCS_BACKUP_PURGE), (int64_t)c.nr);
			assert_gone(&c);
			zcs_assert_is(zcs_test_stats(c.pool).resident_pages, 0);
			zcs_assert_is(zcs_test_arena_bytes(), 0);
			assert_zero_again(&c);
			tt_case_fini(&c);
		}
	}
}

static void a_purge_needs_no_backup(void **state)
{
	(void)state;
	tt_for_each_shape(backing, flags)
	{
		struct tt_case c;

		tt_case_bare(&c, backing, 515, flags);
		zcs_assert_is(zcs_tt_backup(c.tt, ZCS_BACKUP_PURGE), 0);
		zcs_assert_is(tt_state(c.tt), 0);
		zcs_assert_ok(zcs_tt_populate(c.tt, NULL));
		tt_fill(c.tt, c.seed);
		zcs_assert_is(zcs_tt_backup(c.tt, ZCS_BACKUP_PURGE), 515);
		assert_gone(&c);
		assert_zero_again(&c);
		tt_case_fini(&c);
	}
}

static void an_external_tt_can_be_purged(void **state)
{
	struct tt_case c;

	(void)state;
	tt_case_bare(&c, ZCS_BACKING_SMALL, 9, ZCS_TT_EXTERNAL | ZCS_TT_CONTIGUOUS);
	zcs_assert_ok(zcs_tt_populate(c.tt, NULL));
	tt_fill(c.tt, c.seed);
	zcs_assert_is(zcs_tt_backup(c.tt, ZCS_BACKUP_PURGE), 9);
	assert_gone(&c);
	assert_zero_again(&c);
	tt_case_fini(&c);
}

static void what_was_backed_up_is_dropped_as_well(void **state)
{
	(void)state;
	tt_for_each_shape(backing, flags)
	{
		struct tt_case c;

		tt_case_init(&c, backing, 515, flags);
		zcs_assert_is(zcs_tt_backup(c.tt, 0), 515);
		zcs_assert_is(zcs_tt_backup(c.tt, ZCS_BACKUP_PURGE), 515);
		assert_gone(&c);
		zcs_assert_is(zcs_tt_backup(c.tt, ZCS_BACKUP_PURGE), 0);
		zcs_assert_is(zcs_tt_backup(c.tt, 0), 0);
		assert_zero_again(&c);
		tt_case_fini(&c);
	}
}

static void both_flags_are_a_purge(void **state)
{
	struct tt_case c;

	(void)state;
	tt_case_init(&c, ZCS_BACKING_SMALL, 9, 0);
	zcs_assert_is(zcs_tt_backup(c.tt, ZCS_BACKUP_PURGE | ZCS_BACKUP_WRITEBACK), 9);
	assert_gone(&c);
	tt_case_fini(&c);
}

static void a_purged_tt_may_be_populated_after_dropping(void **state)
{
	(void)state;
	tt_for_each_shape(backing, flags)
	{
		struct tt_case c;

		tt_case_init(&c, backing, 515, flags);
		zcs_assert_is(zcs_tt_backup(c.tt, ZCS_BACKUP_PURGE), 515);
		zcs_assert_is(zcs_tt_populate(c.tt, NULL), -EINVAL);
		zcs_assert_ok(zcs_tt_drop_backup(c.tt));
		zcs_assert_is(tt_state(c.tt), 0);
		zcs_assert_ok(zcs_tt_populate(c.tt, NULL));
		assert_true(tt_is_zero(c.tt, 0, 515));
		tt_case_fini(&c);
	}
}

/* The refused punch zeroes the pages: their next owner sees nothing. */
static void a_punch_that_fails_leaks_no_content(void **state)
{
	(void)state;
	tt_for_each_shape(backing, flags)
	{
		struct tt_case c;

		tt_case_init(&c, backing, 515, flags);
		zcs_test_fault("punch_hole", 0, 0, 0);
		zcs_assert_is(zcs_tt_backup(c.tt, ZCS_BACKUP_PURGE), 515);
		assert_true(zcs_test_counter(c.pool, ZCS_COUNT_PUNCH_FAILED) > 0);
		zcs_test_faults_off();
		assert_gone(&c);
		assert_zero_again(&c);
		tt_case_fini(&c);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		zcs_test(purged_pages_go_to_the_system_and_come_back_zero),
		zcs_test(a_purge_needs_no_backup),
		zcs_test(an_external_tt_can_be_purged),
		zcs_test(what_was_backed_up_is_dropped_as_well),
		zcs_test(both_flags_are_a_purge),
		zcs_test(a_purged_tt_may_be_populated_after_dropping),
		zcs_test(a_punch_that_fails_leaks_no_content),
	};

	return zcs_test_run(tests);
}
