/* SPDX-License-Identifier: MIT */
/*
 * A restore that is interrupted keeps its place. The kernel resumes at the page; here a block comes
 * back in one step, so the place is the block: interrupted before block k, blocks 0 to k-1 are
 * pages and the rest handles, and the next call goes on with k. There is no state besides the
 * slots.
 */
#include "tt_test.h"

/* Blocks of 512, 512, 2 and 1 pages. */
#define NR 1027u
static const uint64_t starts[] = { 0, 512, 1024, 1026, 1027 };
#define NR_BLOCKS 4u

static void interrupt_before(uint64_t block)
{
	zcs_test_fault("restore", block, 1, 0);
}

static void assert_place(struct tt_case *c, uint64_t block)
{
	uint64_t done = starts[block];

	assert_true(tt_all(c->tt, 0, done, TT_PAGE));
	assert_true(tt_all(c->tt, done, NR - done, TT_HANDLE));
	assert_true(tt_is(c->tt, c->seed, 0, done));
	zcs_assert_is(tt_state(c->tt), ZCS_TT_BACKED_UP);
	zcs_assert_is(zcs_test_stats(c->pool).active_pages, (int64_t)done);
	zcs_assert_is(zcs_test_stats(c->pool).inserted_pages, (int64_t)(NR - done));
	tt_case_ok(c);
}

static void case_79_an_interrupted_restore_goes_on_at_the_same_block(void **state)
{
	(void)state;
	tt_for_each_shape(backing, flags)
	{
		for (uint64_t k = 0; k < NR_BLOCKS; k++) {
			uint64_t moved;
			struct tt_case c;

			tt_case_init(&c, backing, NR, flags);
			zcs_assert_is(zcs_tt_backup(c.tt, 0), NR);
			interrupt_before(k);
			zcs_assert_is(zcs_tt_restore(c.tt, &tt_interruptible), -EINTR);
			assert_place(&c, k);
			moved = zcs_test_counter(c.pool, ZCS_COUNT_TAKE_MOVED);
			zcs_assert_is(moved, (int64_t)k);
			zcs_assert_ok(zcs_tt_restore(c.tt, &tt_interruptible));
			/* nothing was taken twice */
			zcs_assert_is(zcs_test_counter(c.pool, ZCS_COUNT_TAKE_MOVED), NR_BLOCKS);
			assert_true(tt_case_is(&c));
			tt_case_fini(&c);
		}
	}
}

static void case_79_interrupted_at_every_block(void **state)
{
	(void)state;
	tt_for_each_shape(backing, flags)
	{
		struct tt_case c;

		tt_case_init(&c, backing, NR, flags);
		zcs_assert_is(zcs_tt_backup(c.tt, 0), NR);
		for (uint64_t k = 1; k < NR_BLOCKS; k++) {
			interrupt_before(1);
			zcs_assert_is(zcs_tt_restore(c.tt, &tt_interruptible), -EINTR);
			assert_place(&c, k);
		}
		zcs_test_faults_off();
		zcs_assert_ok(zcs_tt_restore(c.tt, &tt_interruptible));
		assert_true(tt_case_is(&c));
		tt_case_fini(&c);
	}
}

/*
 * Blocks are taken in vectors: an interruption at the border of one, and beside it, keeps the place
 * as well.
 */
static void case_79_interrupted_inside_and_between_vectors(void **state)
{
	static const uint64_t at[] = { 1, 63, 64, 65, 127, 128, 200, 255 };

	(void)state;
	for (size_t i = 0; i < sizeof(at) / sizeof(at[0]); i++) {
		struct tt_case c;

		tt_case_bare(&c, ZCS_BACKING_SMALL, 256, 0);
		zcs_test_fault("folio_alloc", 0, 8, 0);
		zcs_assert_ok(zcs_tt_populate(c.tt, NULL));
		zcs_assert_is(zcs_test_active(c.pool, 0), 256);
		zcs_assert_ok(zcs_tt_setup_backup(c.tt, c.store));
		tt_fill(c.tt, c.seed);
		zcs_assert_is(zcs_tt_backup(c.tt, 0), 256);
		interrupt_before(at[i]);
		zcs_assert_is(zcs_tt_restore(c.tt, &tt_interruptible), -EINTR);
		assert_true(tt_all(c.tt, 0, at[i], TT_PAGE));
		assert_true(tt_all(c.tt, at[i], 256 - at[i], TT_HANDLE));
		zcs_assert_ok(zcs_tt_restore(c.tt, &tt_interruptible));
		assert_true(tt_case_is(&c));
		tt_case_fini(&c);
	}
}

static void case_80_interrupted_before_the_first_page_of_a_hole(void **state)
{
	(void)state;
	tt_for_each_shape(backing, flags)
	{
		struct zcs_pool_stats before, after;
		struct tt_case c;

		tt_case_init(&c, backing, NR, flags);
		zcs_assert_is(zcs_tt_backup(c.tt, ZCS_BACKUP_PURGE), NR);
		before = zcs_test_stats(c.pool);
		interrupt_before(0);
		zcs_assert_is(zcs_tt_restore(c.tt, &tt_interruptible), -EINTR);
		after = zcs_test_stats(c.pool);
		assert_memory_equal(&before, &after, sizeof(before));
		assert_true(tt_all(c.tt, 0, NR, TT_EMPTY));
		interrupt_before(1);
		zcs_assert_is(zcs_tt_restore(c.tt, &tt_interruptible), -EINTR);
		assert_true(tt_all(c.tt, 0, 512, TT_PAGE));
		assert_true(tt_all(c.tt, 512, NR - 512, TT_EMPTY));
		zcs_assert_ok(zcs_tt_restore(c.tt, &tt_interruptible));
		assert_true(tt_is_zero(c.tt, 0, NR));
		tt_case_fini(&c);
	}
}

static void case_82_the_call_that_brings_the_last_block_ends_the_restore(void **state)
{
	(void)state;
	tt_for_each_shape(backing, flags)
	{
		struct tt_case c;

		tt_case_init(&c, backing, NR, flags);
		zcs_assert_is(zcs_tt_backup(c.tt, 0), NR);
		interrupt_before(NR_BLOCKS - 1);
		zcs_assert_is(zcs_tt_restore(c.tt, &tt_interruptible), -EINTR);
		zcs_assert_ok(zcs_tt_restore(c.tt, &tt_interruptible));
		zcs_assert_is(tt_state(c.tt), ZCS_TT_POPULATED);
		zcs_assert_is(zcs_tt_restore(c.tt, &tt_interruptible), -EINVAL);
		zcs_assert_is(zcs_tt_backup(c.tt, 0), NR);
		zcs_assert_ok(zcs_tt_restore(c.tt, NULL));
		assert_true(tt_case_is(&c));
		tt_case_fini(&c);
	}
}

static void case_86_who_may_not_be_interrupted_is_not(void **state)
{
	static const struct zcs_ctx patient = { .struct_size = sizeof(patient) };

	(void)state;
	tt_for_each_shape(backing, flags)
	{
		struct tt_case c;

		tt_case_init(&c, backing, NR, flags);
		zcs_test_fault("restore", 0, 0, 0);
		for (int i = 0; i < 2; i++) {
			zcs_assert_is(zcs_tt_backup(c.tt, 0), NR);
			zcs_assert_ok(zcs_tt_restore(c.tt, i ? &patient : NULL));
		}
		zcs_assert_is(zcs_test_fault_calls("restore"), 0);
		assert_true(tt_case_is(&c));
		tt_case_fini(&c);
	}
}

/* A half-restored tt may go out again. */
static void backing_up_in_the_middle_of_a_restore(void **state)
{
	(void)state;
	tt_for_each_shape(backing, flags)
	{
		struct tt_case c;

		tt_case_init(&c, backing, NR, flags);
		zcs_assert_is(zcs_tt_backup(c.tt, 0), NR);
		interrupt_before(2);
		zcs_assert_is(zcs_tt_restore(c.tt, &tt_interruptible), -EINTR);
		zcs_assert_is(zcs_tt_backup(c.tt, 0), 1024);
		assert_true(tt_all(c.tt, 0, NR, TT_HANDLE));
		zcs_assert_ok(zcs_tt_restore(c.tt, NULL));
		assert_true(tt_case_is(&c));
		tt_case_fini(&c);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		zcs_test(case_79_an_interrupted_restore_goes_on_at_the_same_block),
		zcs_test(case_79_interrupted_at_every_block),
		zcs_test(case_79_interrupted_inside_and_between_vectors),
		zcs_test(case_80_interrupted_before_the_first_page_of_a_hole),
		zcs_test(case_82_the_call_that_brings_the_last_block_ends_the_restore),
		zcs_test(case_86_who_may_not_be_interrupted_is_not),
		zcs_test(backing_up_in_the_middle_of_a_restore),
	};

	return zcs_test_run(tests);
}
