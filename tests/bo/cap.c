/* SPDX-License-Identifier: MIT */
/* After a pressure event resident pages have a cap, until it has been calm for a while. */
#include <unistd.h>

#include "bo_inside.h"

#define BOS 16

static struct zcs_bo *bo[BOS];

static void touch_all(void)
{
	for (unsigned i = 0; i < BOS; i++)
		assert_true(bo_is(bo[i], i));
}

static uint64_t resident(struct zcs_device *device)
{
	return bo_device_stats(device).resident_bytes / ZCS_PAGE_SIZE;
}

/* The background thread looks at the clock only when it runs. */
static void run_background(struct zcs_device *device)
{
	uint64_t event = 1;

	assert_int_equal(write(device->event, &event, sizeof(event)), sizeof(event));
}

static void bos_do_not_grow_back_until_it_is_calm(void **state)
{
	(void)state;
	bo_memory_is_short();
	zcs_test_for_each_backing(backing)
	{
		struct zcs_device *device;
		uint64_t all, cap;

		if (backing == ZCS_BACKING_HUGETLB)
			continue;
		device = bo_device(backing, 0, BO_FILE);
		for (unsigned i = 0; i < BOS; i++) {
			bo[i] = bo_new(device, BO_SIZE);
			bo_fill(bo[i], i);
		}
		bo_settle(device);
		all = resident(device);
		zcs_assert_is(device->cap, 0);
		zcs_background_on_pressure(device, ZCS_PSI_MACHINE);
		cap = device->cap;
		zcs_assert_is(cap, (int64_t)(all - all / 8));
		bo_wait_for(resident(device) <= cap);

		touch_all();
		run_background(device);
		bo_wait_for(resident(device) <= cap + cap / 16);
		zcs_assert_is(bo_device_stats(device).psi_events, 1);

		device->cap_until = 0;
		run_background(device);
		bo_wait_for(device->cap == 0);
		touch_all();
		bo_settle(device);
		bo_sleep_ms(200);
		zcs_assert_is(resident(device), (int64_t)all);
		for (unsigned i = 0; i < BOS; i++)
			zcs_bo_put(bo[i]);
		bo_device_done(device);
	}
	bo_memory_is_as_it_is();
}

/*
 * Pages that could not be evicted are not asked for again and again: the cap does not fall without
 * the memory.
 */
static void the_cap_does_not_fall_alone(void **state)
{
	struct zcs_device *device = bo_device(ZCS_BACKING_SMALL, 0, BO_FILE);
	uint64_t cap;

	(void)state;
	bo_memory_is_short();
	for (unsigned i = 0; i < BOS; i++) {
		bo[i] = bo_new(device, BO_SIZE);
		bo_fill(bo[i], i);
		zcs_assert_ok(zcs_bo_pin(bo[i], NULL));
	}
	zcs_background_on_pressure(device, ZCS_PSI_MACHINE);
	cap = device->cap;
	assert_true(cap && resident(device) > cap + cap / 8);
	zcs_background_on_pressure(device, ZCS_PSI_MACHINE);
	zcs_assert_is(device->cap, (int64_t)cap);
	for (unsigned i = 0; i < BOS; i++) {
		zcs_bo_unpin(bo[i]);
		zcs_bo_put(bo[i]);
	}
	bo_device_done(device);
	bo_memory_is_as_it_is();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		zcs_test(bos_do_not_grow_back_until_it_is_calm),
		zcs_test(the_cap_does_not_fall_alone),
	};

	if (!bo_has_userfaultfd())
		zcs_test_skip("no userfaultfd here");
	return zcs_test_run(tests);
}
