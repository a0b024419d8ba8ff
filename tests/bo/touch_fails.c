/* SPDX-License-Identifier: MIT */
/*
 * A touch fails and cannot end in SIGBUS: the page is there and cannot be mapped, or cannot be
 * poisoned. It is tried again, and goes on when the failure is over.
 */
#include <pthread.h>
#include <stdatomic.h>

#include "bo_inside.h"

struct toucher {
	struct zcs_bo *bo;
	pthread_t thread;
	_Atomic bool over;
	bool right;
};

static void *touch(void *arg)
{
	struct toucher *t = arg;

	t->right = zcs_test_page_is(bo_at(t->bo, 9 * ZCS_PAGE_SIZE), 1, 9);
	t->over = true;
	return NULL;
}

static void start(struct toucher *t, struct zcs_device *device)
{
	*t = (struct toucher){ .bo = bo_new(device, BO_SIZE) };
	bo_fill(t->bo, 1);
	bo_settle(device);
	bo_write_out(t->bo);
}

static void end(struct toucher *t, struct zcs_device *device)
{
	bo_wait_for(t->over);
	pthread_join(t->thread, NULL);
	assert_true(t->right);
	assert_true(bo_is(t->bo, 1));
	bo_settle(device);
	zcs_assert_is(bo_stats(t->bo).touch_errors, 0);
	bo_write_out(t->bo);
	assert_true(bo_is(t->bo, 1));
	bo_device_ok(device);
	zcs_bo_put(t->bo);
	bo_device_done(device);
}

static void a_page_that_cannot_be_mapped_is_tried_again(void **state)
{
	(void)state;
	zcs_test_for_each_backing(backing)
	{
		struct zcs_device *device = bo_device(backing, 0, BO_FILE);
		struct toucher t;

		start(&t, device);
		zcs_test_fault("uffdio_continue", 0, 3, EFAULT);
		zcs_test_fault("uffdio_unregister", 0, 3, EFAULT);
		zcs_assert_ok(pthread_create(&t.thread, NULL, touch, &t));
		end(&t, device);
	}
}

static void a_page_that_cannot_be_poisoned_is_tried_again(void **state)
{
	(void)state;
	zcs_test_for_each_backing(backing)
	{
		struct zcs_device *device = bo_device(backing, 0, BO_FILE);
		struct toucher t;

		start(&t, device);
		zcs_test_fault("uffdio_poison", 0, 0, EINVAL);
		zcs_test_fault("read", 0, 0, EIO);
		zcs_assert_ok(pthread_create(&t.thread, NULL, touch, &t));
		bo_wait_for(zcs_test_fault_failed("uffdio_poison"));
		assert_false(t.over);
		zcs_test_fault_off("read");
		end(&t, device);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		zcs_test(a_page_that_cannot_be_mapped_is_tried_again),
		zcs_test(a_page_that_cannot_be_poisoned_is_tried_again),
	};

	if (!bo_has_userfaultfd())
		zcs_test_skip("no userfaultfd here");
	return zcs_test_run(tests);
}
