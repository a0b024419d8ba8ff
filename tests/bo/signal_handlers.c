/* SPDX-License-Identifier: MIT */
/*
 * A signal handler that touches a bo, as those of profilers and garbage collectors may, whatever
 * the thread that it interrupted is doing: no call holds a lock that the touch needs while signals
 * come. It was a deadlock.
 */
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <unistd.h>

#include "bo_test.h"

#define ROUNDS	150u
#define SECONDS 60u

static volatile unsigned char *at;
static _Atomic unsigned handled;
static _Atomic bool over;
static pthread_t interrupted;

static void on_signal(int sig)
{
	(void)sig;
	(void)*at;
	handled++;
}

static void *send_signals(void *arg)
{
	(void)arg;
	while (!over) {
		pthread_kill(interrupted, SIGUSR1);
		usleep(50);
	}
	return NULL;
}

/* Evicted all the time by another thread, so that each handler meets a fault. */
static void *evict(void *arg)
{
	while (!over)
		zcs_bo_evict(arg, 0);
	return NULL;
}

/* The calls of an application's thread on bos, the touched one among them. */
static void use(struct zcs_device *device, struct zcs_bo *touched, unsigned i)
{
	struct zcs_bo *bo = bo_new(device, (i % 3 + 1) * 300 * 1024);
	struct zcs_bulk *bulk = NULL;

	bo_fill(bo, i);
	zcs_bo_evict(touched, i % 2 ? ZCS_BACKUP_WRITEBACK : 0);
	if (!zcs_bo_pin(touched, NULL))
		zcs_bo_unpin(touched);
	zcs_bo_evict(bo, 0);
	zcs_bo_prefetch(bo);
	zcs_bo_set_priority(touched, i % ZCS_PRIORITIES);
	zcs_bo_set_purgeable(bo, true);
	zcs_bo_set_purgeable(bo, false);
	bo_stats(touched);
	bo_device_stats(device);
	zcs_device_shrink(device, ZCS_TEST_MIB, 0);
	zcs_assert_ok(zcs_bulk_create(device, &bulk));
	zcs_assert_ok(zcs_bulk_add(bulk, bo));
	zcs_assert_ok(zcs_bulk_move_tail(bulk));
	zcs_bulk_destroy(bulk);
	zcs_bo_put(bo);
}

static void handlers_touch(enum zcs_backing backing)
{
	struct sigaction sa = { .sa_handler = on_signal }, old;
	struct zcs_device *device = bo_device(backing, 16 * ZCS_TEST_MIB, BO_FILE);
	struct zcs_bo *touched = bo_new(device, BO_SIZE);
	pthread_t sender, evictor;
	unsigned before = handled;

	bo_fill(touched, 1);
	at = bo_at(touched, 0);
	interrupted = pthread_self();
	over = false;
	sigaction(SIGUSR1, &sa, &old);
	/* a deadlock ends the program */
	alarm(SECONDS);
	assert_int_equal(pthread_create(&sender, NULL, send_signals, NULL), 0);
	assert_int_equal(pthread_create(&evictor, NULL, evict, touched), 0);
	for (unsigned i = 0; i < zcs_test_scale(ROUNDS); i++)
		use(device, touched, i);
	over = true;
	pthread_join(sender, NULL);
	pthread_join(evictor, NULL);
	alarm(0);
	sigaction(SIGUSR1, &old, NULL);
	assert_true(handled > before);
	assert_true(bo_is(touched, 1));
	zcs_bo_put(touched);
	bo_device_done(device);
}

static void a_handler_may_touch_a_bo(void **state)
{
	(void)state;
	zcs_test_for_each_backing(backing) handlers_touch(backing);
}

/* The calls leave the thread's mask as it was. */
static void the_mask_is_as_before(void **state)
{
	struct zcs_device *device = bo_device(ZCS_BACKING_SMALL, 0, NULL);
	struct zcs_bo *touched = bo_new(device, BO_SIZE);
	sigset_t blocked, mask;

	(void)state;
	bo_fill(touched, 1);
	sigemptyset(&blocked);
	sigaddset(&blocked, SIGUSR2);
	sigaddset(&blocked, SIGRTMAX);
	pthread_sigmask(SIG_SETMASK, &blocked, NULL);
	for (unsigned i = 0; i < 8; i++)
		use(device, touched, i);
	zcs_assert_is(zcs_bo_pin(touched, NULL), 0);
	zcs_assert_is(zcs_bo_evict(touched, 0), -EBUSY);
	zcs_bo_unpin(touched);
	pthread_sigmask(SIG_SETMASK, NULL, &mask);
	for (int sig = 1; sig <= SIGRTMAX; sig++)
		zcs_assert_is(sigismember(&mask, sig), sig == SIGUSR2 || sig == SIGRTMAX);
	sigemptyset(&blocked);
	pthread_sigmask(SIG_SETMASK, &blocked, NULL);
	zcs_bo_put(touched);
	bo_device_done(device);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		zcs_test(a_handler_may_touch_a_bo),
		zcs_test(the_mask_is_as_before),
	};

	if (!bo_has_userfaultfd())
		zcs_test_skip("no userfaultfd here");
	return zcs_test_run(tests);
}
