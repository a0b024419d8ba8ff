/* SPDX-License-Identifier: MIT */
/* A thread that is cancelled in a call ends after it: no lock and no pin is left behind. */
#include <pthread.h>
#include <unistd.h>

#include "bo_test.h"

struct call {
	struct zcs_bo *bo;
	int (*fn)(struct zcs_bo *bo);
	int ret;
};

static int pin(struct zcs_bo *bo)
{
	return zcs_bo_pin(bo, NULL);
}

static int evict(struct zcs_bo *bo)
{
	return zcs_bo_evict(bo, ZCS_BACKUP_WRITEBACK) < 0;
}

/* Already cancelled as the call begins: it ends at the first place where that can be. */
static void *run(void *arg)
{
	struct call *call = arg;
	int before;

	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &before);
	pthread_cancel(pthread_self());
	pthread_setcancelstate(PTHREAD_CANCEL_ENABLE, &before);
	call->ret = call->fn(call->bo);
	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &before);
	return call;
}

static void assert_ends(struct zcs_bo *bo, int (*fn)(struct zcs_bo *bo))
{
	struct call call = { bo, fn, -1 };
	pthread_t thread;
	void *ret;

	zcs_assert_ok(pthread_create(&thread, NULL, run, &call));
	zcs_assert_ok(pthread_join(thread, &ret));
	assert_true(ret == &call);
	zcs_assert_ok(call.ret);
}

/* In a child: without this the next call waits for ever. */
static void work(void *arg)
{
	struct zcs_device *device = bo_device(ZCS_BACKING_SMALL, 0, BO_FILE);
	struct zcs_bo *bo = bo_new(device, 4 * BO_SIZE);

	(void)arg;
	for (unsigned i = 0; i < 8; i++) {
		bo_fill(bo, i);
		assert_ends(bo, evict);
		bo_write_out(bo);
		assert_ends(bo, pin);
		zcs_bo_unpin(bo);
		assert_true(bo_is(bo, i));
	}
	zcs_bo_put(bo);
	bo_device_done(device);
}

static void ends_after_the_call(void **state)
{
	struct zcs_test_child child = zcs_test_in_child(work, NULL, 30);

	(void)state;
	zcs_test_child_passed(&child);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		zcs_test(ends_after_the_call),
	};

	if (!bo_has_userfaultfd())
		zcs_test_skip("no userfaultfd here");
	return zcs_test_run(tests);
}
