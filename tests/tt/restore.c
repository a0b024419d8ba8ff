/* SPDX-License-Identifier: MIT */
/*
 * Restoring: the bytes are those that were there, the backup is empty afterwards, pages that a
 * partial backup left stay where they are, and empty slots become zero pages.
 */
#include "tt_test.h"

static void case_77_every_byte_comes_back_and_the_store_is_empty(void **state)
{
	(void)state;
	tt_for_each_shape(backing, flags)
	{
		for (size_t i = 0; i < tt_nr_sizes; i++) {
			struct tt_case c;

			tt_case_init(&c, backing, tt_sizes[i], flags);
			zcs_assert_is(zcs_tt_backup(c.tt, 0), (int64_t)c.nr);
			zcs_assert_ok(zcs_tt_restore(c.tt, NULL));
			assert_true(tt_all(c.tt, 0, c.nr, TT_PAGE));
			assert_true(tt_case_is(&c));
			zcs_assert_is(tt_state(c.tt), ZCS_TT_POPULATED);
			zcs_assert_is(zcs_test_stats(c.pool).inserted_pages, 0);
			zcs_assert_is(zcs_test_stats(c.pool).active_pages, (int64_t)c.nr);
			tt_case_fini(&c);
		}
	}
}

static void case_78_what_is_not_backed_up_is_not_restored(void **state)
{
	(void)state;
	tt_for_each_shape(backing, flags)
	{
		struct tt_case c;

		tt_case_bare(&c, backing, 515, flags);
		zcs_assert_is(zcs_tt_restore(c.tt, NULL), -EINVAL);
		zcs_assert_ok(zcs_tt_populate(c.tt, NULL));
		zcs_assert_is(zcs_tt_restore(c.tt, NULL), -EINVAL);
		zcs_assert_is(zcs_tt_restore_range(c.tt, 0, 512, NULL), -EINVAL);
		zcs_assert_is(tt_state(c.tt), ZCS_TT_POPULATED);
		tt_case_fini(&c);
	}
}

/*
 * A slot that was restored is a page to everything that follows, and the content written in between
 * counts.
 */
static void case_83_out_and_in_again(void **state)
{
	(void)state;
	tt_for_each_shape(backing, flags)
	{
		struct tt_case c;

		tt_case_init(&c, backing, 1027, flags);
		for (int i = 0; i < 4; i++) {
			zcs_assert_is(zcs_tt_backup(c.tt, 0), 1027);
			tt_case_ok(&c);
			zcs_assert_ok(zcs_tt_restore(c.tt, NULL));
			assert_true(tt_all(c.tt, 0, 1027, TT_PAGE));
			assert_true(tt_case_is(&c));
			tt_fill(c.tt, c.seed += 1000);
		}
		tt_case_fini(&c);
	}
}

static void case_84_pages_that_stayed_are_not_moved(void **state)
{
	(void)state;
	tt_for_each_shape(backing, flags)
	{
		uintptr_t slots[515];
		struct tt_case c;

		tt_case_init(&c, backing, 515, flags);
		zcs_assert_is(zcs_tt_backup_range(c.tt, 512, 2, 0), 2);
		for (uint64_t i = 0; i < 515; i++)
			slots[i] = zcs_tt_slot(c.tt, i);
		zcs_assert_ok(zcs_tt_restore(c.tt, NULL));
		for (uint64_t i = 0; i < 515; i++)
			if (i < 512 || i == 514)
				assert_int_equal(zcs_tt_slot(c.tt, i), slots[i]);
		zcs_assert_is(zcs_test_active(c.pool, 9), 1);
		assert_true(tt_case_is(&c));
		tt_case_fini(&c);
	}
}

/* In the kernel such a page holds what its last owner left. */
static void case_85_empty_slots_become_zero_pages(void **state)
{
	(void)state;
	tt_for_each_shape(backing, flags)
	{
		struct tt_case c;

		tt_case_init(&c, backing, 1027, flags);
		zcs_assert_is(zcs_tt_backup_range(c.tt, 512, 514, ZCS_BACKUP_PURGE), 514);
		zcs_assert_is(zcs_tt_backup(c.tt, 0), 513);
		zcs_assert_ok(zcs_tt_restore(c.tt, NULL));
		assert_true(tt_is(c.tt, c.seed, 0, 512));
		assert_true(tt_is_zero(c.tt, 512, 514));
		assert_true(tt_is(c.tt, c.seed, 1026, 1));
		tt_case_fini(&c);
	}
}

/* Reading back fails: an error, with everything where it was. */
static void case_91_a_failed_read_back_is_an_error(void **state)
{
	(void)state;
	tt_for_each_shape(backing, flags)
	{
		struct tt_case c;

		tt_case_init(&c, backing, 515, flags);
		zcs_assert_is(zcs_tt_backup(c.tt, 0), 515);
		zcs_test_fault("take", 0, 0, 0);
		zcs_assert_is(zcs_tt_restore(c.tt, &tt_mayfail), -ENOMEM);
		assert_true(tt_all(c.tt, 0, 515, TT_HANDLE));
		zcs_assert_is(tt_state(c.tt), ZCS_TT_BACKED_UP);
		zcs_test_faults_off();
		zcs_assert_ok(zcs_tt_restore(c.tt, &tt_mayfail));
		assert_true(tt_case_is(&c));
		tt_case_fini(&c);
	}
}

/* Unpopulating a tt that is partly backed up frees the pages alone. */
static void handles_outlive_unpopulating(void **state)
{
	(void)state;
	tt_for_each_shape(backing, flags)
	{
		struct tt_case c;

		tt_case_init(&c, backing, 515, flags);
		zcs_assert_is(zcs_tt_backup_range(c.tt, 512, 3, 0), 3);
		zcs_tt_unpopulate(c.tt);
		assert_true(tt_all(c.tt, 0, 512, TT_EMPTY));
		assert_true(tt_all(c.tt, 512, 3, TT_HANDLE));
		tt_case_ok(&c);
		zcs_assert_ok(zcs_tt_restore(c.tt, NULL));
		assert_true(tt_is_zero(c.tt, 0, 512));
		assert_true(tt_is(c.tt, c.seed, 512, 3));
		tt_case_fini(&c);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		zcs_test(case_77_every_byte_comes_back_and_the_store_is_empty),
		zcs_test(case_78_what_is_not_backed_up_is_not_restored),
		zcs_test(case_83_out_and_in_again),
		zcs_test(case_84_pages_that_stayed_are_not_moved),
		zcs_test(case_85_empty_slots_become_zero_pages),
		zcs_test(case_91_a_failed_read_back_is_an_error),
		zcs_test(handles_outlive_unpopulating),
	};

	return zcs_test_run(tests);
}
