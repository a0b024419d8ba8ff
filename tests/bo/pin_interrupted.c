/* SPDX-License-Identifier: MIT */
/*
 * A pin that waits for room: a signal ends the waiting of an interruptible one, and only of that.
 */
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>

#include "bo_inside.h"

#define LIMIT (8 * ZCS_TEST_MIB)

static volatile sig_atomic_t signals;

static void on_signal(int sig)
{
	(void)sig;
	signals++;
}

struct pinner {
	struct zcs_bo *bo;
	struct zcs_ctx ctx;
	int err;
	atomic_bool done;
};

static void *pin(void *arg)
{
	struct pinner *p = arg;

	p->err = zcs_bo_pin(p->bo, &p->ctx);
	p->done = true;
	return NULL;
}

/*
 * Pins a bo for which no room is left, because the bo that takes it is held, with signals
 * meanwhile.
 */
static int pin_under_signals(bool interruptible)
{
	struct zcs_device *device = bo_device(ZCS_BACKING_SMALL, LIMIT, BO_FILE);
	struct zcs_bo *in_the_way = bo_new(device, LIMIT);
	struct pinner p = { .bo = bo_new(device, LIMIT),
			    .ctx = { .struct_size = sizeof(p.ctx),
				     .interruptible = interruptible } };
	struct sigaction sa = { .sa_handler = on_signal, .sa_flags = SA_RESTART }, old;
	pthread_t thread;

	bo_fill(in_the_way, 1);
	bo_settle(device);
	bo_hold(in_the_way);
	sigaction(SIGUSR1, &sa, &old);
	zcs_assert_ok(pthread_create(&thread, NULL, pin, &p));
	while (!p.done) {
		pthread_kill(thread, SIGUSR1);
		bo_sleep_ms(1);
	}
	pthread_join(thread, NULL);
	sigaction(SIGUSR1, &old, NULL);
	bo_let_go(in_the_way);
	zcs_assert_is(bo_stats(p.bo).pinned, 0);
	assert_true(bo_is(in_the_way, 1));
	zcs_bo_put(in_the_way);
	zcs_bo_put(p.bo);
	bo_device_done(device);
	return p.err;
}

static void an_interruptible_pin_is_interrupted(void **state)
{
	(void)state;
	signals = 0;
	zcs_assert_is(pin_under_signals(true), -EINTR);
	assert_true(signals > 0);
}

static void another_is_not(void **state)
{
	(void)state;
	signals = 0;
	zcs_assert_is(pin_under_signals(false), -ENOMEM);
	assert_true(signals > 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		zcs_test(an_interruptible_pin_is_interrupted),
		zcs_test(another_is_not),
	};

	if (!bo_has_userfaultfd())
		zcs_test_skip("no userfaultfd here");
	return zcs_test_run(tests);
}
