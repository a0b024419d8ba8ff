/* SPDX-License-Identifier: MIT */
/*
 * zcs_set_log(): the receiver gets each message, without prefix and newline, and nothing is written
 * to stderr. When the call has returned, no call of the former receiver is left. NULL gives stderr
 * its messages back.
 */
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>

#include "zcs_test.h"

struct receiver {
	atomic_bool set, wrong;
	_Atomic unsigned calls;
	enum zcs_log_level level;
	char message[1024];
};

static void receive(enum zcs_log_level level, const char *message, void *user)
{
	struct receiver *r = user;

	r->calls++;
	r->level = level;
	snprintf(r->message, sizeof(r->message), "%s", message);
}

static void make_mistake(void)
{
	zcs_backup_drop(NULL, 1, 0);
}

static void in_and_out(void *arg)
{
	struct receiver r = { .calls = 0 };

	(void)arg;
	zcs_set_log(receive, &r);
	make_mistake();
	zcs_assert_is(r.calls, 1);
	zcs_assert_is(r.level, ZCS_LOG_WARN);
	assert_string_equal(r.message, "zcs_backup_drop: backup is NULL");
	zcs_set_log(NULL, NULL);
	make_mistake();
	zcs_assert_is(r.calls, 1);
}

static void a_receiver_takes_the_place_of_stderr(void **state)
{
	static const char line[] = "zcswap: zcs_backup_drop: backup is NULL\n";
	struct zcs_test_child c = zcs_test_in_child(in_and_out, NULL, 20);

	(void)state;
	zcs_test_child_passed(&c);
	assert_string_equal(c.out, line);
}

static void a_long_message_is_cut(void **state)
{
	struct receiver r = { .calls = 0 };
	struct zcs_store *store = NULL;
	char spec[2000];

	(void)state;
	memset(spec, 'x', sizeof(spec) - 1);
	spec[sizeof(spec) - 1] = '\0';
	zcs_set_log(receive, &r);
	zcs_assert_is(zcs_store_open(spec, &store), -EPROTONOSUPPORT);
	zcs_set_log(NULL, NULL);
	zcs_assert_is(r.calls, 1);
	assert_true(strlen(r.message) > 400 && strlen(r.message) < 512);
	assert_null(strchr(r.message, '\n'));
}

/* -- a receiver that is replaced is through */

#define CALLS 500u

static struct receiver two[2];
static atomic_bool over;

static void receive_while_set(enum zcs_log_level level, const char *message, void *user)
{
	struct receiver *r = user;

	(void)level;
	(void)message;
	if (!r->set)
		r->wrong = true;
	sched_yield();
	if (!r->set)
		r->wrong = true;
	r->calls++;
}

static uint64_t replace(void)
{
	for (unsigned i = 1; two[0].calls + two[1].calls < zcs_test_scale(CALLS); i++) {
		two[i % 2].set = true;
		zcs_set_log(receive_while_set, &two[i % 2]);
		two[(i + 1) % 2].set = false;
		sched_yield();
	}
	over = true;
	return two[0].wrong + two[1].wrong;
}

static uint64_t replace_or_complain(unsigned id, void *arg)
{
	(void)arg;
	if (!id)
		return replace();
	while (!over)
		make_mistake();
	return 0;
}

static void one_that_is_replaced_is_through(void **state)
{
	(void)state;
	two[0].set = true;
	zcs_set_log(receive_while_set, &two[0]);
	zcs_assert_is(zcs_test_threads(3, replace_or_complain, NULL), 0);
	zcs_set_log(NULL, NULL);
}

/* -- a fork in the middle of a message */

static pthread_barrier_t inside, outside;

static void receive_and_wait(enum zcs_log_level level, const char *message, void *user)
{
	(void)level;
	(void)message;
	(void)user;
	pthread_barrier_wait(&inside);
	pthread_barrier_wait(&outside);
}

static void *complain(void *arg)
{
	make_mistake();
	return arg;
}

static void a_child_is_not_held_up(void **state)
{
	struct zcs_test_child c;
	pthread_t thread;

	(void)state;
	pthread_barrier_init(&inside, NULL, 2);
	pthread_barrier_init(&outside, NULL, 2);
	zcs_set_log(receive_and_wait, NULL);
	zcs_assert_ok(pthread_create(&thread, NULL, complain, NULL));
	pthread_barrier_wait(&inside);
	c = zcs_test_in_child(in_and_out, NULL, 20);
	pthread_barrier_wait(&outside);
	pthread_join(thread, NULL);
	zcs_set_log(NULL, NULL);
	zcs_test_child_passed(&c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		zcs_test(a_receiver_takes_the_place_of_stderr),
		zcs_test(a_long_message_is_cut),
		zcs_test(one_that_is_replaced_is_through),
		zcs_test(a_child_is_not_held_up),
	};

	return zcs_test_run(tests);
}
