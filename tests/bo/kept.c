/* SPDX-License-Identifier: MIT */
/*
 * A bo may be made of cached memory. Until it is touched that memory is as free as cached memory: a
 * caller that needs room gets it.
 */
#include "bo_inside.h"

#define LIMIT (8 * ZCS_TEST_MIB)
#define HALF  (LIMIT / 2)

static struct zcs_device *device;
static struct zcs_bo *kept;

static uint64_t kept_bytes(void)
{
	return bo_device_stats(device).pool.kept_pages * ZCS_PAGE_SIZE;
}

/* A bo over half of the limit's memory, of which nothing was touched. */
static void begin(enum zcs_backing backing, const char *store)
{
	struct zcs_bo *bo;

	device = bo_device(backing, LIMIT, store);
	bo = bo_new(device, HALF);
	bo_fill(bo, 1);
	bo_settle(device);
	zcs_bo_put(bo);
	bo_wait_for(bo_device_stats(device).bos == 0);
	kept = bo_new(device, HALF);
	zcs_assert_is(kept_bytes(), HALF);
}

static void end(void)
{
	bo_device_ok(device);
	assert_true(bo_is_zero(kept));
	bo_fill(kept, 2);
	assert_true(bo_is(kept, 2));
	zcs_bo_put(kept);
	bo_device_done(device);
}

static void a_pin_gets_it(void **state)
{
	(void)state;
	zcs_test_for_each_backing(backing)
	{
		struct zcs_bo *large;

		begin(backing, BO_FILE);
		large = bo_new(device, LIMIT / 4 * 3);
		zcs_assert_ok(zcs_bo_pin(large, NULL));
		zcs_assert_is(kept_bytes(), LIMIT / 4);
		bo_device_ok(device);
		zcs_bo_unpin(large);
		zcs_bo_put(large);
		end();
	}
}

static void a_touch_gets_it(void **state)
{
	(void)state;
	zcs_test_for_each_backing(backing)
	{
		struct zcs_bo *large;

		begin(backing, NULL);
		large = bo_new(device, LIMIT / 4 * 3);
		bo_fill(large, 3);
		assert_true(bo_is(large, 3));
		bo_settle(device);
		zcs_assert_is(bo_device_stats(device).overshoots, 0);
		zcs_bo_put(large);
		bo_wait_for(bo_device_stats(device).bos == 1);
		end();
	}
}

static void a_shrinker_gets_it_wherever_the_bo_is(void **state)
{
	(void)state;
	zcs_test_for_each_backing(backing)
	{
		for (int l = ZCS_LRU_ACTIVE; l < ZCS_LRU_LISTS; l++) {
			begin(backing, NULL);
			zcs_lru_move(kept, (enum zcs_lru_list)l);
			zcs_assert_is(zcs_device_shrink(device, HALF / 2, ZCS_SHRINK_NO_WRITEBACK),
				      HALF / 2);
			zcs_assert_is(kept_bytes(), HALF / 2);
			zcs_assert_is(zcs_device_shrink(device, HALF, 0), HALF / 2);
			zcs_assert_is(kept_bytes(), 0);
			zcs_assert_is(bo_device_stats(device).pool.resident_pages, 0);
			zcs_assert_is(zcs_device_shrink(device, HALF, 0), 0);
			end();
		}
	}
}

/* A touched page belongs to the bo, and stays. */
static void only_what_was_not_touched_goes(void **state)
{
	(void)state;
	zcs_test_for_each_backing(backing)
	{
		begin(backing, NULL);
		*bo_at(kept, ZCS_TEST_HUGE_BYTES) = 7;
		bo_settle(device);
		zcs_assert_is(zcs_device_shrink(device, LIMIT, 0), HALF - ZCS_TEST_HUGE_BYTES);
		zcs_assert_is(bo_stats(kept).resident_bytes, ZCS_TEST_HUGE_BYTES);
		zcs_assert_is(bo_read(kept, ZCS_TEST_HUGE_BYTES), 7);
		*bo_at(kept, ZCS_TEST_HUGE_BYTES) = 0;
		end();
	}
}

/* While somebody uses the bo it is left alone. */
static void a_bo_that_is_locked_is_passed_over(void **state)
{
	(void)state;
	begin(ZCS_BACKING_SMALL, NULL);
	bo_hold(kept);
	zcs_assert_is(zcs_device_shrink(device, HALF, 0), 0);
	bo_let_go(kept);
	zcs_assert_is(kept_bytes(), HALF);
	end();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		zcs_test(a_pin_gets_it),
		zcs_test(a_touch_gets_it),
		zcs_test(a_shrinker_gets_it_wherever_the_bo_is),
		zcs_test(only_what_was_not_touched_goes),
		zcs_test(a_bo_that_is_locked_is_passed_over),
	};

	if (!bo_has_userfaultfd())
		zcs_test_skip("no userfaultfd here");
	return zcs_test_run(tests);
}
