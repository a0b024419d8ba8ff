/* SPDX-License-Identifier: MIT */
/*
 * A tt may be destroyed in any state: nothing of it stays in the pool but cached folios, which are
 * zero, and nothing stays mapped at its address.
 */
#include "tt_test.h"

#define NR 1027u

static void unpopulated(struct tt_case *c)
{
	zcs_tt_unpopulate(c->tt);
}

static void populated(struct tt_case *c)
{
	(void)c;
}

static void backed_up(struct tt_case *c)
{
	zcs_assert_is(zcs_tt_backup(c->tt, 0), NR);
}

static void half_backed_up(struct tt_case *c)
{
	zcs_assert_is(zcs_tt_backup_range(c->tt, 512, 514, 0), 514);
}

static void purged(struct tt_case *c)
{
	zcs_assert_is(zcs_tt_backup(c->tt, ZCS_BACKUP_PURGE), NR);
}

static void of_three_sorts(struct tt_case *c)
{
	half_backed_up(c);
	zcs_assert_is(zcs_tt_backup_range(c->tt, 0, 512, ZCS_BACKUP_PURGE), 512);
}

static void interrupted(struct tt_case *c)
{
	backed_up(c);
	zcs_test_fault("restore", 2, 1, 0);
	zcs_assert_is(zcs_tt_restore(c->tt, &tt_interruptible), -EINTR);
	zcs_test_faults_off();
}

static void restored(struct tt_case *c)
{
	backed_up(c);
	zcs_assert_ok(zcs_tt_restore(c->tt, NULL));
}

static void split_on_the_way_out(struct tt_case *c)
{
	zcs_test_fault("insert_large", 0, 0, 0);
	zcs_tt_backup(c->tt, 0);
	zcs_test_faults_off();
}

static void unmapped(struct tt_case *c)
{
	zcs_test_fault("uffdio_unregister", 0, 0, 0);
	zcs_test_fault("uffdio_continue", 0, 0, 0);
	backed_up(c);
	zcs_tt_restore(c->tt, NULL);
	zcs_test_faults_off();
}

/* The next tt uses the memory of the destroyed one, and it is zero. */
static void assert_zero_for_the_next(struct tt_case *c, uint32_t flags)
{
	zcs_assert_ok(zcs_tt_create(c->pool, NR, flags, &c->tt));
	zcs_assert_ok(zcs_tt_populate(c->tt, NULL));
	assert_true(tt_is_zero(c->tt, 0, NR));
	tt_case_fini(c);
}

static void destroyed_when(void (*reach)(struct tt_case *c))
{
	tt_for_each_shape(backing, flags)
	{
		const char *user;
		struct tt_case c;

		tt_case_init(&c, backing, NR, flags);
		user = zcs_tt_address(c.tt);
		if (user)
			assert_true(zcs_test_is(user, c.seed, 0, NR));
		reach(&c);
		tt_case_ok(&c);
		zcs_tt_destroy(c.tt);
		zcs_test_pool_is_idle(c.pool);
		if (user)
			zcs_assert_is(zcs_test_present_pages(user, NR), 0);
		assert_zero_for_the_next(&c, flags);
	}
}

static void unpopulated_tts(void **state)
{
	(void)state;
	destroyed_when(unpopulated);
}

static void populated_tts(void **state)
{
	(void)state;
	destroyed_when(populated);
}

static void case_90_backed_up_tts(void **state)
{
	(void)state;
	destroyed_when(backed_up);
}

static void case_90_half_backed_up_tts(void **state)
{
	(void)state;
	destroyed_when(half_backed_up);
}

static void purged_tts(void **state)
{
	(void)state;
	destroyed_when(purged);
}

static void case_90_tts_of_all_three_sorts_of_slots(void **state)
{
	(void)state;
	destroyed_when(of_three_sorts);
}

static void case_90_tts_in_the_middle_of_a_restore(void **state)
{
	(void)state;
	destroyed_when(interrupted);
}

static void restored_tts(void **state)
{
	(void)state;
	destroyed_when(restored);
}

static void case_90_tts_whose_blocks_were_split(void **state)
{
	(void)state;
	destroyed_when(split_on_the_way_out);
}

static void tts_whose_user_map_could_not_be_resolved(void **state)
{
	(void)state;
	destroyed_when(unmapped);
}

/* The tt keeps its pool and its store: the caller's references may go first. */
static void the_pool_may_be_destroyed_first(void **state)
{
	(void)state;
	tt_for_each_shape(backing, flags)
	{
		struct tt_case c;

		tt_case_init(&c, backing, NR, flags);
		zcs_test_pool_forget(c.pool);
		zcs_pool_destroy(c.pool);
		zcs_test_store_done(c.store);
		assert_true(tt_case_is(&c));
		zcs_assert_is(zcs_tt_backup(c.tt, 0), NR);
		zcs_assert_ok(zcs_tt_restore(c.tt, NULL));
		assert_true(tt_case_is(&c));
		zcs_assert_is(zcs_tt_backup_range(c.tt, 0, 512, 0), 512);
		/* the last user: teardown finds no arena left */
		zcs_test_tt_done(c.tt);
		zcs_assert_is(zcs_test_arenas(), 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		zcs_test(unpopulated_tts),
		zcs_test(populated_tts),
		zcs_test(case_90_backed_up_tts),
		zcs_test(case_90_half_backed_up_tts),
		zcs_test(purged_tts),
		zcs_test(case_90_tts_of_all_three_sorts_of_slots),
		zcs_test(case_90_tts_in_the_middle_of_a_restore),
		zcs_test(restored_tts),
		zcs_test(case_90_tts_whose_blocks_were_split),
		zcs_test(tts_whose_user_map_could_not_be_resolved),
		zcs_test(the_pool_may_be_destroyed_first),
	};

	return zcs_test_run(tests);
}
