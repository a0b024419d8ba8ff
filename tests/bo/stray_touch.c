/* SPDX-License-Identifier: MIT */
/*
 * A touch beyond a bo sleeps; that is counted, and the address is logged. In a child, which ends
 * while it sleeps.
 */
#include <pthread.h>
#include <unistd.h>

#include "bo_test.h"

static void *touch(void *at)
{
	*(volatile char *)at = 1;
	return NULL;
}

static void touch_beyond(void *arg)
{
	struct zcs_device *device = bo_device(ZCS_BACKING_HUGETLB, 0, BO_FILE);
	struct zcs_bo *bo = bo_new(device, ZCS_TEST_HUGE_BYTES);
	pthread_t thread;

	(void)arg;
	bo_fill(bo, 1);
	zcs_assert_ok(pthread_create(&thread, NULL, touch, bo_at(bo, 0) + zcs_bo_size(bo)));
	bo_wait_for(bo_device_stats(device).touch_strays == 1);
	printf("beyond %p\n", (void *)(bo_at(bo, 0) + zcs_bo_size(bo)));
	fflush(stdout);
	_exit(0);
}

static void is_counted_and_logged(void **state)
{
	struct zcs_test_child child;
	char address[64] = "", *at;

	(void)state;
	if (!zcs_test_backing_works(ZCS_BACKING_HUGETLB))
		zcs_test_skip_case("no hugetlb pages");
	child = zcs_test_in_child(touch_beyond, NULL, 30);
	zcs_test_child_passed(&child);
	at = strstr(child.out, "beyond 0x");
	assert_non_null(at);
	assert_int_equal(sscanf(at, "beyond %40s", address), 1);
	at = strstr(child.out, "no bo is there");
	assert_non_null(at);
	assert_true(strstr(child.out, "touch of 0x") != NULL && strstr(child.out, address) != NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		zcs_test(is_counted_and_logged),
	};

	if (!bo_has_userfaultfd())
		zcs_test_skip("no userfaultfd here");
	return zcs_test_run(tests);
}
