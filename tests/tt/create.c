/* SPDX-License-Identifier: MIT */
/*
 * A tt is what it was created as: so many empty slots, its flags, an address if it is contiguous;
 * and it leaves nothing behind.
 */
#include "tt_test.h"

static void case_92_slots_and_flags_are_kept(void **state)
{
	static const uint32_t flags[] = { 0, ZCS_TT_ZERO_ALLOC, ZCS_TT_EXTERNAL, ZCS_TT_CONTIGUOUS,
					  ZCS_TT_ZERO_ALLOC | ZCS_TT_EXTERNAL | ZCS_TT_CONTIGUOUS };

	(void)state;
	for (size_t f = 0; f < sizeof(flags) / sizeof(flags[0]); f++)
		for (uint64_t nr = 1; nr < 4; nr++) {
			struct tt_case c;

			tt_case_bare(&c, ZCS_BACKING_SMALL, nr, flags[f]);
			zcs_assert_is(zcs_tt_num_pages(c.tt), (int64_t)nr);
			zcs_assert_is(zcs_tt_flags(c.tt), flags[f]);
			assert_true(tt_all(c.tt, 0, nr, TT_EMPTY));
			tt_case_fini(&c);
		}
}

static void case_94_nothing_is_left_after_destroy(void **state)
{
	(void)state;
	tt_for_each_shape(backing, flags)
	{
		struct tt_case c;

		tt_case_init(&c, backing, 515, flags);
		tt_case_fini(&c);
	}
}

static void case_95_an_unknown_flag_makes_no_tt(void **state)
{
	struct zcs_pool *pool = zcs_test_pool(ZCS_BACKING_SMALL, 0, 0);
	struct zcs_tt *const untouched = (void *)&pool;
	struct zcs_tt *tt = untouched;

	(void)state;
	zcs_assert_is(zcs_tt_create(pool, 1, 8, &tt), -EINVAL);
	zcs_assert_is(zcs_tt_create(pool, 1, ZCS_TT_POPULATED, &tt), -EINVAL);
	zcs_assert_is(zcs_tt_create(pool, 1, ZCS_TT_BACKED_UP, &tt), -EINVAL);
	assert_ptr_equal(tt, untouched);
	zcs_test_pool_done(pool);
}

static void lengths_past_what_can_be_are_refused(void **state)
{
	struct zcs_pool *pool = zcs_test_pool(ZCS_BACKING_SMALL, 0, 0);
	const uint64_t last = INT64_MAX / ZCS_PAGE_SIZE;
	struct zcs_tt *tt = NULL;

	(void)state;
	zcs_assert_is(zcs_tt_create(pool, 0, 0, &tt), -EINVAL);
	zcs_assert_is(zcs_tt_create(pool, last + 1, 0, &tt), -EINVAL);
	zcs_assert_is(zcs_tt_create(pool, UINT64_MAX, 0, &tt), -EINVAL);
	zcs_assert_is(zcs_tt_create(pool, last, 0, &tt), -ENOMEM);
	zcs_assert_is(zcs_tt_create(pool, UINT64_C(1) << 32, ZCS_TT_CONTIGUOUS, &tt), -ENOMEM);
	assert_null(tt);
	zcs_test_pool_done(pool);
}

static void an_unpopulated_tt_holds_no_memory(void **state)
{
	(void)state;
	tt_for_each_shape(backing, flags)
	{
		struct tt_case c;

		tt_case_bare(&c, backing, 1024, flags);
		zcs_assert_is(zcs_test_stats(c.pool).resident_pages, 0);
		zcs_assert_is(zcs_test_stats(c.pool).home_pages, flags ? 1024 : 0);
		zcs_assert_is(zcs_test_arena_bytes(), 0);
		tt_case_fini(&c);
	}
}

static void only_a_contiguous_tt_has_an_address(void **state)
{
	(void)state;
	tt_for_each_shape(backing, flags)
	{
		for (size_t i = 0; i < tt_nr_sizes; i++) {
			uintptr_t align = tt_sizes[i] < 512 ? ZCS_PAGE_SIZE : ZCS_TEST_HUGE_BYTES;
			struct tt_case c;

			tt_case_bare(&c, backing, tt_sizes[i], flags);
			assert_int_equal(zcs_tt_address(c.tt) != NULL, flags == ZCS_TT_CONTIGUOUS);
			assert_int_equal((uintptr_t)zcs_tt_address(c.tt) % align, 0);
			tt_case_fini(&c);
		}
	}
}

static void homes_do_not_overlap(void **state)
{
	struct zcs_pool *pool = zcs_test_pool(ZCS_BACKING_AUTO, 0, 0);
	struct zcs_tt *tt[64];
	char *at[64];

	(void)state;
	for (size_t i = 0; i < 64; i++) {
		zcs_assert_ok(
			zcs_tt_create(pool, tt_sizes[i % tt_nr_sizes], ZCS_TT_CONTIGUOUS, &tt[i]));
		at[i] = zcs_tt_address(tt[i]);
		for (size_t j = 0; j < i; j++)
			assert_true(at[i] >= at[j] + zcs_tt_num_pages(tt[j]) * ZCS_PAGE_SIZE ||
				    at[j] >= at[i] + zcs_tt_num_pages(tt[i]) * ZCS_PAGE_SIZE);
	}
	zcs_test_pool_ok(pool);
	for (size_t i = 0; i < 64; i++)
		zcs_test_tt_done(tt[i]);
	zcs_test_pool_done(pool);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		zcs_test(case_92_slots_and_flags_are_kept),
		zcs_test(case_94_nothing_is_left_after_destroy),
		zcs_test(case_95_an_unknown_flag_makes_no_tt),
		zcs_test(lengths_past_what_can_be_are_refused),
		zcs_test(an_unpopulated_tt_holds_no_memory),
		zcs_test(only_a_contiguous_tt_has_an_address),
		zcs_test(homes_do_not_overlap),
	};

	return zcs_test_run(tests);
}
