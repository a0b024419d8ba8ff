/* SPDX-License-Identifier: MIT */
/*
 * Slots that are pages, handles or empty stand side by side. Backing up and purging pass over what
 * is not theirs, one slot at a time, and count nothing twice. A partial backup is a success that
 * the next call continues; with nothing left it returns 0 (the kernel refuses the second call, case
 * 48).
 */
#include "tt_test.h"

/* Blocks of order 9 (0..), 8 (512..), 1 (768..), 0 (770): 771 pages. */
#define NR 771u

static void case_53_holes_are_skipped(void **state)
{
	(void)state;
	tt_for_each_shape(backing, flags)
	{
		struct tt_case c;

		tt_case_init(&c, backing, NR, flags);
		zcs_assert_is(zcs_tt_backup_range(c.tt, 512, 256, ZCS_BACKUP_PURGE), 256);
		assert_true(tt_all(c.tt, 512, 256, TT_EMPTY));
		zcs_assert_is(zcs_tt_backup(c.tt, 0), NR - 256);
		assert_true(tt_all(c.tt, 0, 512, TT_HANDLE));
		assert_true(tt_all(c.tt, 512, 256, TT_EMPTY));
		assert_true(tt_all(c.tt, 768, 3, TT_HANDLE));
		zcs_assert_is(zcs_test_stats(c.pool).inserted_pages, NR - 256);
		tt_case_fini(&c);
	}
}

static void case_54_handles_are_kept_and_not_counted_again(void **state)
{
	(void)state;
	tt_for_each_shape(backing, flags)
	{
		struct tt_case c;

		tt_case_init(&c, backing, NR, flags);
		zcs_assert_is(zcs_tt_backup_range(c.tt, 512, 256, 0), 256);
		zcs_assert_is(zcs_test_stats(c.pool).inserted_pages, 256);
		zcs_assert_is(zcs_tt_backup(c.tt, 0), NR - 256);
		assert_true(tt_all(c.tt, 0, NR, TT_HANDLE));
		zcs_assert_is(zcs_test_stats(c.pool).inserted_pages, NR);
		zcs_assert_is(zcs_test_stats(c.pool).active_pages, 0);
		zcs_assert_ok(zcs_tt_restore(c.tt, NULL));
		assert_true(tt_case_is(&c));
		tt_case_fini(&c);
	}
}

/* In the kernel the trap was to unmap handles as if they were pages. */
static void case_56_a_purge_of_all_three_sorts_frees_each_once(void **state)
{
	(void)state;
	tt_for_each_shape(backing, flags)
	{
		struct tt_case c;

		tt_case_init(&c, backing, NR, flags);
		zcs_assert_is(zcs_tt_backup_range(c.tt, 0, 512, 0), 512);
		zcs_assert_is(zcs_tt_backup_range(c.tt, 768, 2, ZCS_BACKUP_PURGE), 2);
		zcs_assert_is(zcs_tt_backup(c.tt, ZCS_BACKUP_PURGE), NR - 2);
		assert_true(tt_all(c.tt, 0, NR, TT_EMPTY));
		zcs_assert_is(zcs_test_stats(c.pool).active_pages, 0);
		zcs_assert_is(zcs_test_stats(c.pool).inserted_pages, 0);
		zcs_assert_is(zcs_tt_backup(c.tt, ZCS_BACKUP_PURGE), 0);
		tt_case_fini(&c);
	}
}

static void case_48_a_backed_up_tt_has_nothing_left(void **state)
{
	(void)state;
	tt_for_each_shape(backing, flags)
	{
		struct zcs_pool_stats before, after;
		struct tt_case c;

		tt_case_init(&c, backing, NR, flags);
		zcs_assert_is(zcs_tt_backup(c.tt, 0), NR);
		before = zcs_test_stats(c.pool);
		zcs_assert_is(zcs_tt_backup(c.tt, 0), 0);
		zcs_assert_is(zcs_tt_backup_range(c.tt, 0, 1, 0), 0);
		after = zcs_test_stats(c.pool);
		assert_memory_equal(&before, &after, sizeof(before));
		assert_true(tt_all(c.tt, 0, NR, TT_HANDLE));
		tt_case_fini(&c);
	}
}

static void case_74_a_partial_backup_is_backed_up_and_not_populated(void **state)
{
	(void)state;
	tt_for_each_shape(backing, flags)
	{
		struct tt_case c;

		tt_case_init(&c, backing, NR, flags);
		zcs_assert_is(zcs_tt_backup_range(c.tt, 770, 1, 0), 1);
		zcs_assert_is(tt_state(c.tt), ZCS_TT_BACKED_UP);
		assert_true(tt_all(c.tt, 0, 770, TT_PAGE));
		assert_true(tt_is(c.tt, c.seed, 0, 770));
		tt_case_fini(&c);
	}
}

/* Block by block, from the back; what is still there can be used in between. */
static void case_48_a_partial_backup_is_continued(void **state)
{
	static const struct {
		uint64_t first, nr;
	} blocks[] = { { 770, 1 }, { 768, 2 }, { 512, 256 }, { 0, 512 } };

	(void)state;
	tt_for_each_shape(backing, flags)
	{
		struct tt_case c;

		tt_case_init(&c, backing, NR, flags);
		for (size_t i = 0; i < sizeof(blocks) / sizeof(blocks[0]); i++) {
			assert_true(tt_is(c.tt, c.seed, 0, blocks[i].first + blocks[i].nr));
			zcs_assert_is(zcs_tt_backup_range(c.tt, blocks[i].first, blocks[i].nr, 0),
				      (int64_t)blocks[i].nr);
			tt_case_ok(&c);
		}
		zcs_assert_ok(zcs_tt_restore(c.tt, NULL));
		assert_true(tt_case_is(&c));
		tt_case_fini(&c);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		zcs_test(case_53_holes_are_skipped),
		zcs_test(case_54_handles_are_kept_and_not_counted_again),
		zcs_test(case_56_a_purge_of_all_three_sorts_frees_each_once),
		zcs_test(case_48_a_backed_up_tt_has_nothing_left),
		zcs_test(case_74_a_partial_backup_is_backed_up_and_not_populated),
		zcs_test(case_48_a_partial_backup_is_continued),
	};

	return zcs_test_run(tests);
}
