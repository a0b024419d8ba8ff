/* SPDX-License-Identifier: MIT */
/*
 * Dropping a backup frees everything the tt has, in the backup and out of it, whatever it was in
 * the middle of; afterwards it can be populated again.
 */
#include "tt_test.h"

#define NR 1027u

static void assert_dropped(struct tt_case *c)
{
	zcs_assert_ok(zcs_tt_drop_backup(c->tt));
	assert_true(tt_all(c->tt, 0, NR, TT_EMPTY));
	zcs_assert_is(tt_state(c->tt), 0);
	zcs_assert_is(zcs_test_stats(c->pool).active_pages, 0);
	zcs_assert_is(zcs_test_stats(c->pool).inserted_pages, 0);
	tt_case_ok(c);
	zcs_assert_is(zcs_tt_drop_backup(c->tt), -EINVAL);
	zcs_assert_is(zcs_tt_restore(c->tt, NULL), -EINVAL);
	zcs_assert_ok(zcs_tt_populate(c->tt, NULL));
	assert_true(tt_is_zero(c->tt, 0, NR));
	tt_fill(c->tt, c->seed);
	zcs_assert_is(zcs_tt_backup(c->tt, 0), NR);
	zcs_assert_ok(zcs_tt_restore(c->tt, NULL));
	assert_true(tt_case_is(c));
}

static void case_88_dropping_when_nothing_was_restored(void **state)
{
	(void)state;
	tt_for_each_shape(backing, flags)
	{
		struct tt_case c;

		tt_case_init(&c, backing, NR, flags);
		zcs_assert_is(zcs_tt_backup(c.tt, 0), NR);
		assert_dropped(&c);
		tt_case_fini(&c);
	}
}

static void case_89_dropping_in_the_middle_of_a_restore(void **state)
{
	(void)state;
	tt_for_each_shape(backing, flags)
	{
		for (uint64_t k = 0; k < 4; k++) {
			struct tt_case c;

			tt_case_init(&c, backing, NR, flags);
			zcs_assert_is(zcs_tt_backup(c.tt, 0), NR);
			zcs_test_fault("restore", k, 1, 0);
			zcs_assert_is(zcs_tt_restore(c.tt, &tt_interruptible), -EINTR);
			assert_dropped(&c);
			tt_case_fini(&c);
		}
	}
}

static void dropping_a_partial_backup_frees_the_pages_too(void **state)
{
	(void)state;
	tt_for_each_shape(backing, flags)
	{
		struct tt_case c;

		tt_case_init(&c, backing, NR, flags);
		zcs_assert_is(zcs_tt_backup_range(c.tt, 512, 512, 0), 512);
		zcs_assert_is(zcs_tt_backup_range(c.tt, 1024, 2, ZCS_BACKUP_PURGE), 2);
		assert_dropped(&c);
		tt_case_fini(&c);
	}
}

/* Blocks that were split on the way out are dropped one by one, and their home is still one. */
static void dropping_split_blocks(void **state)
{
	(void)state;
	tt_for_each_splittable(backing, flags)
	{
		struct tt_case c;

		tt_case_init(&c, backing, NR, flags);
		zcs_test_fault("insert_large", 0, 0, 0);
		zcs_assert_is(zcs_tt_backup(c.tt, 0), NR);
		zcs_assert_is(zcs_test_inserted(c.pool, 0), NR);
		zcs_test_faults_off();
		assert_dropped(&c);
		tt_case_fini(&c);
	}
}

static void what_is_not_backed_up_is_not_dropped(void **state)
{
	(void)state;
	tt_for_each_shape(backing, flags)
	{
		struct tt_case c;

		tt_case_init(&c, backing, NR, flags);
		zcs_assert_is(zcs_tt_drop_backup(c.tt), -EINVAL);
		assert_true(tt_case_is(&c));
		zcs_tt_unpopulate(c.tt);
		zcs_assert_is(zcs_tt_drop_backup(c.tt), -EINVAL);
		tt_case_fini(&c);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		zcs_test(case_88_dropping_when_nothing_was_restored),
		zcs_test(case_89_dropping_in_the_middle_of_a_restore),
		zcs_test(dropping_a_partial_backup_frees_the_pages_too),
		zcs_test(dropping_split_blocks),
		zcs_test(what_is_not_backed_up_is_not_dropped),
	};

	return zcs_test_run(tests);
}
