/* SPDX-License-Identifier: MIT */
/*
 * Hugetlb pages held back by evictions bring bos back when the system has no page left. The
 * system's refusal is a fault: really taking every page would starve the tests beside this one.
 */
#include "bo_inside.h"

#include "arena/arena.h"

#define UNITS 16u
#define HELD  4u

static struct zcs_device *device;
static struct zcs_bo *bo;

static struct zcs_reserve *reserve(void)
{
	return &bo->tt->home.arena->reserve;
}

static bool begin(uint64_t limit)
{
	if (!zcs_test_backing_works(ZCS_BACKING_HUGETLB))
		return false;
	device = bo_device(ZCS_BACKING_HUGETLB, limit, BO_FILE);
	bo = bo_new(device, UNITS * ZCS_TEST_HUGE_BYTES);
	bo_fill(bo, 1);
	bo_settle(device);
	zcs_assert_is(reserve()->held, 0);
	bo_write_out(bo);
	return true;
}

static void end(void)
{
	zcs_test_faults_off();
	assert_true(bo_is(bo, 1));
	zcs_bo_put(bo);
	bo_device_done(device);
}

/* As many touches as there are pages in the reserve go on at once, each after one refusal. */
static void a_touch_takes_what_was_put_by(void **state)
{
	(void)state;
	if (!begin(0))
		zcs_test_skip_case("no free hugetlb pages");
	zcs_assert_is(reserve()->held, HELD);
	for (unsigned i = 0; i < HELD; i++) {
		zcs_test_fault("fallocate", 0, 1, ENOSPC);
		/* far apart, so that nothing is read ahead */
		bo_read(bo, (UNITS - 1 - 4 * i) * ZCS_TEST_HUGE_BYTES);
		bo_settle(device);
		zcs_assert_is(zcs_test_fault_failed("fallocate"), 1);
		zcs_test_faults_off();
		zcs_assert_is(reserve()->held, HELD - 1 - i);
	}
	zcs_assert_is(bo_stats(bo).touch_waits, 0);
	end();
}

static void evicting_puts_by_again(void **state)
{
	(void)state;
	if (!begin(0))
		zcs_test_skip_case("no free hugetlb pages");
	zcs_test_fault("fallocate", 0, 2, ENOSPC);
	bo_read(bo, (UNITS - 1) * ZCS_TEST_HUGE_BYTES);
	bo_settle(device);
	zcs_test_faults_off();
	zcs_assert_is(reserve()->held, HELD - 2);
	assert_true(bo_is(bo, 1));
	bo_settle(device);
	bo_write_out(bo);
	zcs_assert_is(reserve()->held, HELD);
	end();
}

/* Pages held back are not counted, so a small pool may not have many of them. */
static void it_is_a_64th_of_the_limit(void **state)
{
	(void)state;
	if (!begin(64 * ZCS_TEST_HUGE_BYTES))
		zcs_test_skip_case("no free hugetlb pages");
	zcs_assert_is(reserve()->held, 1);
	end();
}

static void the_last_home_gives_it_back(void **state)
{
	struct zcs_bo *first;
	struct zcs_reserve *r;

	(void)state;
	if (!begin(0))
		zcs_test_skip_case("no free hugetlb pages");
	first = bo;
	r = reserve();
	bo = bo_new(device, ZCS_TEST_HUGE_BYTES);
	zcs_bo_put(bo);
	zcs_assert_is(r->held, HELD);
	zcs_bo_put(first);
	zcs_assert_is(r->held, 0);
	bo_device_done(device);
}

static void the_last_home_of_any_kind_gives_it_back(void **state)
{
	struct zcs_bo *small;
	struct zcs_reserve *r;

	(void)state;
	if (!begin(0))
		zcs_test_skip_case("no free hugetlb pages");
	r = reserve();
	small = bo_new(device, ZCS_PAGE_SIZE);
	assert_ptr_not_equal(small->tt->home.arena, bo->tt->home.arena);
	zcs_bo_put(bo);
	zcs_assert_is(r->held, HELD);
	zcs_bo_put(small);
	zcs_assert_is(r->held, 0);
	bo_device_done(device);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		zcs_test(a_touch_takes_what_was_put_by),
		zcs_test(evicting_puts_by_again),
		zcs_test(it_is_a_64th_of_the_limit),
		zcs_test(the_last_home_gives_it_back),
		zcs_test(the_last_home_of_any_kind_gives_it_back),
	};

	if (!bo_has_userfaultfd())
		zcs_test_skip("no userfaultfd here");
	return zcs_test_run(tests);
}
