/* SPDX-License-Identifier: MIT */
/*
 * The fault point backup_truncate halves what a call may back up, as the kernel's
 * backup_fault_inject does: a block that the cut goes through is not inserted in part.
 */
#include "tt_test.h"

/* Order 3 is refused once, so that ten pages are blocks of 4, 4 and 2. */
static void four_four_two(struct tt_case *c, uint32_t flags)
{
	tt_case_bare(c, ZCS_BACKING_SMALL, 10, flags);
	zcs_test_fault("folio_alloc", 0, 1, 0);
	zcs_assert_ok(zcs_tt_populate(c->tt, NULL));
	zcs_test_faults_off();
	zcs_assert_ok(zcs_tt_setup_backup(c->tt, c->store));
	tt_fill(c->tt, c->seed);
	zcs_assert_is(zcs_test_active(c->pool, 2), 2);
	zcs_assert_is(zcs_test_active(c->pool, 1), 1);
}

static void case_65_a_cut_block_is_left_out(void **state)
{
	struct tt_case c;

	(void)state;
	four_four_two(&c, 0);
	zcs_test_fault("backup_truncate", 0, 1, 0);
	zcs_assert_is(zcs_tt_backup(c.tt, 0), 4);
	assert_true(tt_all(c.tt, 0, 4, TT_HANDLE));
	assert_true(tt_all(c.tt, 4, 6, TT_PAGE));
	assert_true(tt_is(c.tt, c.seed, 4, 6));
	zcs_assert_is(tt_state(c.tt), ZCS_TT_BACKED_UP);
	zcs_assert_is(zcs_tt_backup(c.tt, 0), 6);
	zcs_assert_ok(zcs_tt_restore(c.tt, NULL));
	assert_true(tt_case_is(&c));
	tt_case_fini(&c);
}

static void case_65_an_odd_length_is_rounded_up(void **state)
{
	struct tt_case c;

	(void)state;
	tt_case_init(&c, ZCS_BACKING_SMALL, 7, ZCS_TT_CONTIGUOUS);
	zcs_test_fault("backup_truncate", 0, 1, 0);
	zcs_assert_is(zcs_tt_backup(c.tt, 0), 4);
	assert_true(tt_all(c.tt, 0, 4, TT_HANDLE));
	assert_true(tt_is(c.tt, c.seed, 4, 3));
	tt_case_fini(&c);
}

static void case_66_one_block_that_is_cut_leaves_nothing_to_do(void **state)
{
	(void)state;
	tt_for_each_shape(backing, flags)
	{
		struct tt_case c;

		tt_case_init(&c, backing, 512, flags);
		zcs_test_fault("backup_truncate", 0, 1, 0);
		zcs_assert_is(zcs_tt_backup(c.tt, 0), 0);
		zcs_assert_is(tt_state(c.tt), ZCS_TT_POPULATED);
		assert_true(tt_all(c.tt, 0, 512, TT_PAGE));
		assert_true(tt_case_is(&c));
		zcs_assert_is(zcs_tt_backup(c.tt, 0), 512);
		tt_case_fini(&c);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		zcs_test(case_65_a_cut_block_is_left_out),
		zcs_test(case_65_an_odd_length_is_rounded_up),
		zcs_test(case_66_one_block_that_is_cut_leaves_nothing_to_do),
	};

	return zcs_test_run(tests);
}
