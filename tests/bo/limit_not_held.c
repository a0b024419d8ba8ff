/* SPDX-License-Identifier: MIT */
/*
 * A limit that holds nothing back, because the store is "mem:" or full, is said once and stands in
 * the statistics. Where the store takes what is evicted nothing is said.
 */
#include <pthread.h>

#include "bo_test.h"

#define LIMIT (8 * ZCS_TEST_MIB)
#define NR    12u

static struct {
	pthread_mutex_t lock;
	unsigned of_limits;
	char text[512];
} said = { .lock = PTHREAD_MUTEX_INITIALIZER };

static void receive(enum zcs_log_level level, const char *message, void *user)
{
	(void)user;
	if (level != ZCS_LOG_WARN || !strstr(message, "over max_bytes"))
		return;
	pthread_mutex_lock(&said.lock);
	said.of_limits++;
	snprintf(said.text, sizeof(said.text), "%s", message);
	pthread_mutex_unlock(&said.lock);
}

static unsigned times_said(const char *text)
{
	unsigned n;

	pthread_mutex_lock(&said.lock);
	n = strstr(said.text, text) ? said.of_limits : 0;
	pthread_mutex_unlock(&said.lock);
	return n;
}

static struct zcs_device *fill(const char *store, struct zcs_bo **bo)
{
	struct zcs_device *device = bo_device(ZCS_BACKING_SMALL, LIMIT, store);

	said.of_limits = 0;
	*said.text = '\0';
	zcs_set_log(receive, NULL);
	for (unsigned i = 0; i < NR; i++) {
		bo[i] = bo_new(device, ZCS_TEST_HUGE_BYTES);
		bo_fill(bo[i], i);
	}
	return device;
}

static void put_all(struct zcs_device *device, struct zcs_bo **bo)
{
	for (unsigned i = 0; i < NR; i++) {
		assert_true(bo_is(bo[i], i));
		zcs_bo_put(bo[i]);
	}
	bo_wait_for(bo_device_stats(device).over_bytes == 0);
	zcs_set_log(NULL, NULL);
	bo_device_done(device);
}

static void is_said_once(const char *store, const char *reason, uint64_t store_bytes)
{
	struct zcs_bo *bo[NR];
	struct zcs_device *device = fill(store, bo);
	uint64_t over = NR * ZCS_TEST_HUGE_BYTES - LIMIT - store_bytes;

	bo_wait_for(times_said(reason) == 1);
	bo_wait_for(bo_device_stats(device).limit_failed > 0);
	assert_true(bo_device_stats(device).over_bytes >= over);
	/* an unpin lets it try again, in vain again */
	zcs_assert_ok(zcs_bo_pin(bo[NR - 1], NULL));
	zcs_bo_unpin(bo[NR - 1]);
	bo_wait_for(bo_device_stats(device).limit_failed > 1);
	zcs_assert_is(times_said(reason), 1);
	put_all(device, bo);
}

static void mem_frees_nothing(void **state)
{
	(void)state;
	is_said_once(NULL, "the store is mem:", 0);
}

static void a_full_store_frees_nothing(void **state)
{
	(void)state;
	is_said_once("file:?size=4M", "the store is full", 4 * ZCS_TEST_MIB);
}

static void a_store_with_room_is_not_mentioned(void **state)
{
	struct zcs_bo *bo[NR];
	struct zcs_device *device;

	(void)state;
	device = fill("file:?size=64M", bo);
	bo_wait_for(bo_device_stats(device).over_bytes == 0);
	zcs_assert_is(said.of_limits, 0);
	put_all(device, bo);
}

static void no_limit_is_never_passed(void **state)
{
	struct zcs_device *device = bo_device(ZCS_BACKING_SMALL, 0, NULL);
	struct zcs_bo *bo = bo_new(device, ZCS_TEST_HUGE_BYTES);

	(void)state;
	bo_fill(bo, 1);
	zcs_assert_is(bo_device_stats(device).over_bytes, 0);
	zcs_assert_is(bo_device_stats(device).limit_failed, 0);
	zcs_bo_put(bo);
	bo_device_done(device);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		zcs_test(mem_frees_nothing),
		zcs_test(a_full_store_frees_nothing),
		zcs_test(a_store_with_room_is_not_mentioned),
		zcs_test(no_limit_is_never_passed),
	};

	if (!bo_has_userfaultfd())
		zcs_test_skip("no userfaultfd here");
	return zcs_test_run(tests);
}
