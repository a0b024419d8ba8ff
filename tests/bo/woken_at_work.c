/* SPDX-License-Identifier: MIT */
/*
 * The background thread is woken while it is at work, after it has looked at what it is woken for:
 * it goes round once more. Otherwise a bo whose last reference a fault thread dropped would stay
 * until something else wakes it.
 */
#include "bo_inside.h"

static void a_wake_during_work_is_not_lost(void **state)
{
	struct zcs_device *device = bo_device(ZCS_BACKING_SMALL, 0, NULL);
	struct zcs_bo *first = bo_new(device, BO_SIZE), *second = bo_new(device, BO_SIZE);

	(void)state;
	/* what it does last in each round is to tell those who wait for room */
	pthread_mutex_lock(&device->room_lock);
	zcs_bo_put_later(first);
	bo_wait_for(bo_device_stats(device).bos == 1);
	/* by now it should have come to the lock; if not, the case is easier */
	bo_sleep_ms(20);
	zcs_bo_put_later(second);
	pthread_mutex_unlock(&device->room_lock);
	bo_wait_for(bo_device_stats(device).bos == 0);
	bo_device_done(device);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		zcs_test(a_wake_during_work_is_not_lost),
	};

	return zcs_test_run(tests);
}
