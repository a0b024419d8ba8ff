/* SPDX-License-Identifier: MIT */
/*
 * A limit that cannot be kept costs nothing: a touch over it does not wait where nothing can be
 * evicted. It is kept again as soon as something can.
 */
#include "bo_inside.h"

#define LIMIT (8 * ZCS_TEST_MIB)
#define EACH  (64 * UINT64_C(1024))
#define NR    200u /* 12.5 MiB */

/* One after the other is touched for the first time; how often they waited. */
static uint64_t touch_all(struct zcs_device *device, struct zcs_bo **bo)
{
	uint64_t before = bo_device_stats(device).touch_waits;

	for (unsigned i = 0; i < NR; i++) {
		bo[i] = bo_new(device, EACH);
		bo_fill(bo[i], i + 1);
	}
	bo_settle(device);
	return bo_device_stats(device).touch_waits - before;
}

static void assert_and_put(struct zcs_bo **bo)
{
	for (unsigned i = 0; i < NR; i++) {
		assert_true(bo_is(bo[i], i + 1));
		zcs_bo_put(bo[i]);
	}
}

/* A few may wait before it is known that it is in vain; 25 times each would be 1750. */
#define WAITS_BEFORE 120u

static void a_store_that_frees_nothing(void **state)
{
	struct zcs_device *device = bo_device(ZCS_BACKING_SMALL, LIMIT, NULL);
	struct zcs_bo *bo[NR];

	(void)state;
	assert_true(touch_all(device, bo) < WAITS_BEFORE);
	assert_and_put(bo);
	bo_device_done(device);
}

static void a_store_that_is_full(void **state)
{
	struct zcs_device *device = bo_device(ZCS_BACKING_SMALL, LIMIT, "file:?size=2M");
	struct zcs_bo *bo[NR];

	(void)state;
	assert_true(touch_all(device, bo) < WAITS_BEFORE);
	assert_true(bo_device_stats(device).resident_bytes > LIMIT);
	assert_and_put(bo);
	bo_device_done(device);
}

static void all_is_pinned(void **state)
{
	struct zcs_device *device = bo_device(ZCS_BACKING_SMALL, LIMIT, BO_FILE);
	struct zcs_bo *pinned = bo_new(device, LIMIT), *bo[NR];

	(void)state;
	zcs_assert_ok(zcs_bo_pin(pinned, NULL));
	for (unsigned i = 0; i < NR; i++) {
		bo[i] = bo_new(device, EACH);
		bo_fill(bo[i], i + 1);
		zcs_lru_pin(bo[i]);
	}
	bo_settle(device);
	assert_true(bo_device_stats(device).touch_waits < WAITS_BEFORE);
	for (unsigned i = 0; i < NR; i++)
		zcs_bo_unpin(bo[i]);
	zcs_bo_unpin(pinned);
	bo_wait_for(bo_device_stats(device).resident_bytes <= LIMIT);
	assert_and_put(bo);
	zcs_bo_put(pinned);
	bo_device_done(device);
}

/* A bo that waited in vain for a device that failed leaves memory when the device answers again. */
static void a_device_that_failed(void **state)
{
	struct zcs_device *device = bo_device(ZCS_BACKING_SMALL, LIMIT, BO_FILE);
	struct zcs_bo *bo[NR];

	(void)state;
	zcs_test_fault("write", 0, 0, EIO);
	touch_all(device, bo);
	assert_true(bo_device_stats(device).resident_bytes > LIMIT);
	zcs_test_faults_off();
	bo_wait_for(bo_device_stats(device).resident_bytes <= LIMIT);
	assert_and_put(bo);
	bo_device_done(device);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		zcs_test(a_store_that_frees_nothing),
		zcs_test(a_store_that_is_full),
		zcs_test(all_is_pinned),
		zcs_test(a_device_that_failed),
	};

	if (!bo_has_userfaultfd())
		zcs_test_skip("no userfaultfd here");
	return zcs_test_run(tests);
}
