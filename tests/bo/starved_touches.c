/* SPDX-License-Identifier: MIT */
/*
 * Touches that have to wait, for memory, for a lock, or for a device that does not answer, stop no
 * touch that need not wait, however many they are. Three of them are as many as the fault threads
 * at the start. When their waiting ends, each is served.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <unistd.h>

#include "bo_inside.h"

#define TOUCHERS (ZCS_TOUCHERS_MAX + 8u)
#define SMALL	 (4 * ZCS_PAGE_SIZE)

struct sample {
	struct zcs_device *device;
	struct zcs_bo *bo[TOUCHERS], *here;
	pthread_t thread[TOUCHERS];
	_Atomic unsigned served;
};

struct toucher {
	struct sample *s;
	unsigned nr;
};

static void *touch(void *arg)
{
	struct toucher *t = arg;
	struct zcs_bo *bo = t->s->bo[t->nr];
	/* those of one bo touch pages that are not served together */
	uint64_t offset = t->nr * SMALL % zcs_bo_size(bo);

	bo_read(bo, offset);
	atomic_fetch_add(&t->s->served, 1);
	free(t);
	return NULL;
}

static struct sample *sample(const char *store)
{
	struct sample *s = calloc(1, sizeof(*s));

	assert_non_null(s);
	s->device = bo_device(ZCS_BACKING_SMALL, 0, store);
	for (unsigned i = 0; i < TOUCHERS; i++)
		s->bo[i] = bo_new(s->device, SMALL);
	s->here = bo_new(s->device, BO_SIZE);
	bo_fill(s->here, 1);
	bo_settle(s->device);
	return s;
}

static void start_touches(struct sample *s)
{
	for (unsigned i = 0; i < TOUCHERS; i++) {
		struct toucher *t = malloc(sizeof(*t));

		assert_non_null(t);
		*t = (struct toucher){ s, i };
		assert_int_equal(pthread_create(&s->thread[i], NULL, touch, t), 0);
	}
}

/* A resident page is served while the others wait; a touch that is not ends the program. */
static void assert_others_are_served(struct sample *s, bool new_pages)
{
	struct zcs_bo *fresh = bo_new(s->device, SMALL);

	alarm(60);
	for (unsigned i = 0; i < 20; i++) {
		assert_true(zcs_bo_evict(s->here, 0) > 0);
		assert_true(bo_is(s->here, 1));
	}
	if (new_pages)
		assert_true(bo_is_zero(fresh));
	alarm(0);
	zcs_bo_put(fresh);
	zcs_assert_is(s->served, 0);
}

/* Fault threads that wait. */
static unsigned waiting(struct zcs_device *device)
{
	unsigned n;

	pthread_mutex_lock(&device->toucher_lock);
	n = device->waiting;
	pthread_mutex_unlock(&device->toucher_lock);
	return n;
}

static void finish(struct sample *s)
{
	alarm(60);
	for (unsigned i = 0; i < TOUCHERS; i++)
		pthread_join(s->thread[i], NULL);
	alarm(0);
	zcs_assert_is(s->served, TOUCHERS);
	bo_settle(s->device);
	assert_true(STAILQ_EMPTY(&s->device->parked));
	zcs_assert_is(waiting(s->device), 0);
	for (unsigned i = 0; i < TOUCHERS; i++)
		zcs_bo_put(s->bo[i]);
	zcs_bo_put(s->here);
	bo_device_done(s->device);
	free(s);
}

static void they_wait_for_memory(void **state)
{
	struct sample *s = sample(NULL);

	(void)state;
	zcs_test_fault("madvise_populate_write", 0, 0, ENOMEM);
	start_touches(s);
	bo_wait_for(s->device->stats.waits >= TOUCHERS);
	assert_others_are_served(s, false);
	zcs_test_faults_off();
	finish(s);
}

/* So many as there may be threads that wait; the others are parked. */
static void wait_until_all_wait(struct sample *s)
{
	bo_wait_for(waiting(s->device) == ZCS_TOUCHERS_MAX - 1 &&
		    s->device->busy_touchers >= TOUCHERS);
}

static void they_wait_for_a_device_that_hangs(void **state)
{
	struct sample *s = sample(BO_FILE);

	(void)state;
	for (unsigned i = 0; i < TOUCHERS; i++) {
		bo_fill(s->bo[i], i + 2);
		bo_settle(s->device);
		bo_write_out(s->bo[i]);
	}
	zcs_test_hang("read", 0, 0, 0);
	start_touches(s);
	wait_until_all_wait(s);
	assert_others_are_served(s, true);
	zcs_test_faults_off();
	finish(s);
}

static void they_wait_for_a_lock(void **state)
{
	struct sample *s = sample(BO_FILE);
	struct zcs_bo *held = bo_new(s->device, TOUCHERS * SMALL);

	(void)state;
	for (unsigned i = 0; i < TOUCHERS; i++) {
		zcs_bo_put(s->bo[i]);
		s->bo[i] = zcs_bo_get(held);
	}
	bo_hold(held);
	start_touches(s);
	wait_until_all_wait(s);
	assert_others_are_served(s, true);
	bo_let_go(held);
	zcs_bo_put(held);
	finish(s);
}

/* A prefetch waits too; it is put off, and not forgotten. */
static void a_prefetch_is_put_off(void **state)
{
	struct sample *s = sample(BO_FILE);
	struct zcs_bo *wanted = bo_new(s->device, BO_SIZE);

	(void)state;
	bo_fill(wanted, 7);
	for (unsigned i = 0; i < TOUCHERS; i++)
		bo_fill(s->bo[i], i + 2);
	bo_settle(s->device);
	for (unsigned i = 0; i < TOUCHERS; i++)
		bo_write_out(s->bo[i]);
	bo_write_out(wanted);
	zcs_test_hang("read", 0, 0, 0);
	start_touches(s);
	wait_until_all_wait(s);
	zcs_assert_ok(zcs_bo_prefetch(wanted));
	assert_others_are_served(s, true);
	zcs_test_faults_off();
	bo_wait_for(bo_stats(wanted).mapped_bytes == BO_SIZE);
	assert_true(bo_is(wanted, 7));
	zcs_bo_put(wanted);
	finish(s);
}

/* One thread is all there is: it must wait itself. */
static void threads_cannot_be_made(void **state)
{
	struct zcs_device *device;
	struct zcs_bo *bo;

	(void)state;
	/* the store's threads come first where there is no io_uring */
	device = bo_device(ZCS_BACKING_SMALL, 0, NULL);
	zcs_test_fault("io_thread", 0, 0, EAGAIN);
	bo = bo_new(device, BO_SIZE);
	bo_fill(bo, 1);
	assert_true(zcs_bo_evict(bo, 0) > 0);
	assert_true(bo_is(bo, 1));
	zcs_test_faults_off();
	zcs_bo_put(bo);
	bo_device_done(device);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		zcs_test(they_wait_for_memory),	  zcs_test(they_wait_for_a_device_that_hangs),
		zcs_test(they_wait_for_a_lock),	  zcs_test(a_prefetch_is_put_off),
		zcs_test(threads_cannot_be_made),
	};

	if (!bo_has_userfaultfd())
		zcs_test_skip("no userfaultfd here");
	return zcs_test_run(tests);
}
