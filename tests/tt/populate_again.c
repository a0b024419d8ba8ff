/* SPDX-License-Identifier: MIT */
/*
 * Populating and unpopulating: a second call changes nothing, new pages are zero whoever had them
 * before, and a tt that is backed up is not populated behind the backup's back.
 */
#include "tt_test.h"

static void case_96_populating_twice_counts_once(void **state)
{
	(void)state;
	tt_for_each_shape(backing, flags)
	{
		struct zcs_pool_stats before, after;
		struct tt_case c;

		tt_case_init(&c, backing, 515, flags);
		before = zcs_test_stats(c.pool);
		zcs_assert_ok(zcs_tt_populate(c.tt, NULL));
		after = zcs_test_stats(c.pool);
		assert_memory_equal(&before, &after, sizeof(before));
		zcs_assert_is(after.active_pages, 515);
		assert_true(tt_case_is(&c));
		tt_case_fini(&c);
	}
}

static void case_96_populating_null_is_an_error(void **state)
{
	(void)state;
	zcs_assert_is(zcs_tt_populate(NULL, NULL), -EINVAL);
}

static void case_96_unpopulating_an_empty_tt_does_nothing(void **state)
{
	(void)state;
	tt_for_each_shape(backing, flags)
	{
		struct zcs_pool_stats before, after;
		struct tt_case c;

		tt_case_bare(&c, backing, 515, flags);
		before = zcs_test_stats(c.pool);
		zcs_tt_unpopulate(c.tt);
		zcs_tt_unpopulate(NULL);
		after = zcs_test_stats(c.pool);
		assert_memory_equal(&before, &after, sizeof(before));
		tt_case_fini(&c);
	}
}

static void unpopulated_pages_go_to_the_pool_and_leave_holes_in_a_home(void **state)
{
	(void)state;
	tt_for_each_shape(backing, flags)
	{
		struct tt_case c;

		tt_case_init(&c, backing, 515, flags);
		zcs_tt_unpopulate(c.tt);
		assert_true(tt_all(c.tt, 0, 515, TT_EMPTY));
		zcs_assert_is(tt_state(c.tt), 0);
		zcs_assert_is(zcs_test_stats(c.pool).active_pages, 0);
		zcs_assert_is(zcs_test_stats(c.pool).cached_pages, flags ? 0 : 515);
		zcs_assert_is(zcs_test_stats(c.pool).resident_pages, flags ? 0 : 515);
		if (flags)
			zcs_assert_is(zcs_test_arena_bytes(), 0);
		tt_case_fini(&c);
	}
}

static void case_14_a_backed_up_tt_is_not_populated(void **state)
{
	(void)state;
	tt_for_each_shape(backing, flags)
	{
		struct tt_case c;

		tt_case_init(&c, backing, 514, flags);
		zcs_assert_is(zcs_tt_backup_range(c.tt, 512, 2, 0), 2);
		zcs_assert_is(zcs_tt_populate(c.tt, NULL), -EINVAL);
		zcs_assert_is(zcs_tt_backup(c.tt, 0), 512);
		zcs_assert_is(zcs_tt_populate(c.tt, NULL), -EINVAL);
		zcs_assert_ok(zcs_tt_restore(c.tt, NULL));
		assert_true(tt_case_is(&c));
		tt_case_fini(&c);
	}
}

static void new_pages_are_zero(struct tt_case *c)
{
	zcs_assert_ok(zcs_tt_populate(c->tt, NULL));
	assert_true(tt_is_zero(c->tt, 0, c->nr));
}

static void case_21_pages_from_the_system_are_zero(void **state)
{
	(void)state;
	tt_for_each_shape(backing, flags)
	{
		struct tt_case c;

		tt_case_bare(&c, backing, 1027, flags | ZCS_TT_ZERO_ALLOC);
		new_pages_are_zero(&c);
		tt_case_fini(&c);
		tt_case_bare(&c, backing, 1027, flags);
		new_pages_are_zero(&c);
		tt_case_fini(&c);
	}
}

static void second_owner(enum zcs_backing backing, uint64_t nr, uint32_t flags)
{
	struct zcs_tt *other;
	struct tt_case c;

	tt_case_init(&c, backing, nr, flags);
	zcs_tt_destroy(c.tt);
	zcs_assert_is(zcs_test_stats(c.pool).cached_pages, (int64_t)nr);
	zcs_assert_ok(zcs_tt_create(c.pool, nr, flags, &other));
	c.tt = other;
	new_pages_are_zero(&c);
	zcs_assert_is(zcs_test_stats(c.pool).cached_pages, 0);
	tt_case_fini(&c);
}

static void case_22_pages_that_another_tt_wrote_are_zero(void **state)
{
	(void)state;
	tt_for_each_shape(backing, flags)
	{
		second_owner(backing, 1024, flags);
		second_owner(backing, 1027, flags);
	}
}

/* Memory that a destroyed tt left is taken up whole by a contiguous one of the same length. */
static void a_home_of_cached_memory_is_counted_as_kept(void **state)
{
	struct tt_case c;

	(void)state;
	tt_case_init(&c, ZCS_BACKING_SMALL, 512, ZCS_TT_CONTIGUOUS);
	zcs_tt_destroy(c.tt);
	zcs_assert_ok(zcs_tt_create(c.pool, 512, ZCS_TT_CONTIGUOUS, &c.tt));
	zcs_assert_is(zcs_test_counter(c.pool, ZCS_COUNT_RUN_REUSED), 1);
	zcs_assert_is(zcs_test_stats(c.pool).kept_pages, 512);
	assert_true(tt_all(c.tt, 0, 512, TT_EMPTY));
	tt_case_ok(&c);
	new_pages_are_zero(&c);
	zcs_assert_is(zcs_test_stats(c.pool).kept_pages, 0);
	tt_case_fini(&c);
}

static void a_kept_home_that_is_never_populated_is_given_back(void **state)
{
	struct tt_case c;

	(void)state;
	tt_case_init(&c, ZCS_BACKING_SMALL, 100, ZCS_TT_CONTIGUOUS);
	zcs_tt_destroy(c.tt);
	zcs_assert_ok(zcs_tt_create(c.pool, 100, ZCS_TT_CONTIGUOUS, &c.tt));
	zcs_assert_is(zcs_test_stats(c.pool).kept_pages, 100);
	zcs_test_tt_done(c.tt);
	zcs_assert_is(zcs_test_stats(c.pool).cached_pages, 100);
	zcs_test_store_done(c.store);
	zcs_test_pool_done(c.pool);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		zcs_test(case_96_populating_twice_counts_once),
		zcs_test(case_96_populating_null_is_an_error),
		zcs_test(case_96_unpopulating_an_empty_tt_does_nothing),
		zcs_test(unpopulated_pages_go_to_the_pool_and_leave_holes_in_a_home),
		zcs_test(case_14_a_backed_up_tt_is_not_populated),
		zcs_test(case_21_pages_from_the_system_are_zero),
		zcs_test(case_22_pages_that_another_tt_wrote_are_zero),
		zcs_test(a_home_of_cached_memory_is_counted_as_kept),
		zcs_test(a_kept_home_that_is_never_populated_is_given_back),
	};

	return zcs_test_run(tests);
}
