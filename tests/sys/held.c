/* SPDX-License-Identifier: MIT */
/*
 * zcs_assert_held(): silent for the thread that holds the lock, and the end of the process for any
 * other, the one that does not hold it and the one whose lock another thread holds.
 */
#include <signal.h>

#include "common/held.h"
#include "zcs_test.h"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static void check(void *unused)
{
	(void)unused;
	zcs_assert_held(&lock);
}

static void lock_and_check(void *unused)
{
	pthread_mutex_lock(&lock);
	check(unused);
	pthread_mutex_unlock(&lock);
}

static int signal_of(void (*body)(void *))
{
	struct zcs_test_child child = zcs_test_in_child(body, NULL, 10);

	return child.signal;
}

static void caller_holds_it(void **state)
{
	(void)state;
	zcs_assert_is(signal_of(lock_and_check), 0);
	/* the id of this thread is known by now, a child's is another */
	pthread_mutex_lock(&lock);
	assert_true(zcs_is_held(&lock));
	pthread_mutex_unlock(&lock);
	zcs_assert_is(signal_of(lock_and_check), 0);
}

static void nobody_holds_it(void **state)
{
	(void)state;
	zcs_assert_is(signal_of(check), SIGABRT);
	assert_false(zcs_is_held(&lock));
}

static void *is_held(void *unused)
{
	(void)unused;
	return (void *)(intptr_t)zcs_is_held(&lock);
}

static void another_thread_holds_it(void **state)
{
	pthread_t thread;
	void *held;

	(void)state;
	pthread_mutex_lock(&lock);
	assert_int_equal(pthread_create(&thread, NULL, is_held, NULL), 0);
	pthread_join(thread, &held);
	pthread_mutex_unlock(&lock);
	assert_null(held);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		zcs_test(caller_holds_it),
		zcs_test(nobody_holds_it),
		zcs_test(another_thread_holds_it),
	};

#if defined(NDEBUG) || !defined(__GLIBC__)
	zcs_test_skip("built without assertions, or not with glibc");
#endif
	return zcs_test_run(tests);
}
