/* SPDX-License-Identifier: MIT */
/*
 * Signals, and the end of a thread, while it waits in a touch. The touch is held up by holding the
 * bo.
 */
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <time.h>

#include "bo_inside.h"

static _Atomic unsigned handled;

static void on_signal(int sig)
{
	(void)sig;
	handled++;
}

struct toucher {
	struct zcs_bo *bo;
	_Atomic bool started;
	bool right;
};

static void *touch(void *arg)
{
	struct toucher *t = arg;

	pthread_setcanceltype(PTHREAD_CANCEL_ASYNCHRONOUS, NULL);
	t->started = true;
	t->right = zcs_test_page_is(bo_at(t->bo, 9 * ZCS_PAGE_SIZE), 1, 9);
	return NULL;
}

struct sample {
	struct zcs_device *device;
	struct toucher toucher;
	pthread_t thread;
};

/* A thread that is in a touch which goes on when the bo is let go. */
static void start(struct sample *s, enum zcs_backing backing)
{
	*s = (struct sample){ .device = bo_device(backing, 0, BO_FILE) };
	s->toucher.bo = bo_new(s->device, BO_SIZE);
	bo_fill(s->toucher.bo, 1);
	bo_settle(s->device);
	bo_write_out(s->toucher.bo);
	bo_hold(s->toucher.bo);
	zcs_assert_ok(pthread_create(&s->thread, NULL, touch, &s->toucher));
	bo_wait_for(s->toucher.started);
	bo_sleep_ms(5);
}

static void end(struct sample *s)
{
	assert_true(bo_is(s->toucher.bo, 1));
	bo_device_ok(s->device);
	zcs_bo_put(s->toucher.bo);
	bo_device_done(s->device);
}

static void signals_are_handled_and_the_touch_goes_on(void **state)
{
	struct sigaction sa = { .sa_handler = on_signal }, old;

	(void)state;
	sigaction(SIGUSR1, &sa, &old);
	zcs_test_for_each_backing(backing)
	{
		struct sample s;

		start(&s, backing);
		for (unsigned i = 0; i < 20; i++) {
			handled = 0;
			zcs_assert_ok(pthread_kill(s.thread, SIGUSR1));
			bo_wait_for(handled == 1);
		}
		bo_let_go(s.toucher.bo);
		pthread_join(s.thread, NULL);
		assert_true(s.toucher.right);
		end(&s);
	}
	sigaction(SIGUSR1, &old, NULL);
}

static void a_thread_is_cancelled_in_a_touch(void **state)
{
	(void)state;
	zcs_test_for_each_backing(backing)
	{
		struct sample s;
		void *result;

		start(&s, backing);
		zcs_assert_ok(pthread_cancel(s.thread));
		/* it ends while nobody has served it */
		zcs_assert_ok(pthread_join(s.thread, &result));
		assert_ptr_equal(result, PTHREAD_CANCELED);
		bo_let_go(s.toucher.bo);
		end(&s);
	}
}

static void exit_in_a_touch(void *arg)
{
	struct sample s;

	start(&s, *(enum zcs_backing *)arg);
	exit(0);
}

static void the_process_ends_in_a_touch(void **state)
{
	(void)state;
	zcs_test_for_each_backing(backing)
	{
		struct zcs_test_child child = zcs_test_in_child(exit_in_a_touch, &backing, 20);

		zcs_test_child_passed(&child);
	}
}

/* While one bo's touch is held up, others' go on. */
static void a_slow_touch_does_not_hold_up_others(void **state)
{
	(void)state;
	zcs_test_for_each_backing(backing)
	{
		struct zcs_bo *other;
		struct sample s;

		start(&s, backing);
		other = bo_new(s.device, BO_SIZE);
		for (unsigned i = 0; i < 10; i++) {
			bo_fill(other, i);
			assert_true(zcs_bo_evict(other, 0) > 0);
			assert_true(bo_is(other, i));
		}
		assert_false(s.toucher.right);
		bo_let_go(s.toucher.bo);
		pthread_join(s.thread, NULL);
		assert_true(s.toucher.right);
		zcs_bo_put(other);
		end(&s);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		zcs_test(signals_are_handled_and_the_touch_goes_on),
		zcs_test(a_thread_is_cancelled_in_a_touch),
		zcs_test(the_process_ends_in_a_touch),
		zcs_test(a_slow_touch_does_not_hold_up_others),
	};

#ifdef __SANITIZE_THREAD__
	zcs_test_skip("ThreadSanitizer delivers signals late, not in a page fault");
#endif
	if (!bo_has_userfaultfd())
		zcs_test_skip("no userfaultfd here");
	return zcs_test_run(tests);
}
