/* SPDX-License-Identifier: MIT */
/*
 * A fault point with a delay is slow and does not fail: a call sleeps for that long, or until the
 * point is set again or switched off, and then goes on, or fails if an error is named.
 */
#include <pthread.h>

#include "zcs_test.h"

static struct zcs_store *store;
static struct zcs_backup *backup;

static int copy(void)
{
	char page[ZCS_PAGE_SIZE];

	return zcs_backup_copy_page(backup, page, 1, true);
}

static void *run(void *arg)
{
	*(int *)arg = copy();
	return NULL;
}

static void open_backup(void)
{
	store = zcs_test_store();
	backup = zcs_test_backup(store, 1);
}

static void close_backup(void)
{
	zcs_test_backup_done(backup);
	zcs_test_store_done(store);
}

static void a_delay_ends_by_itself(void **state)
{
	struct zcs_fault_attr attr = { .struct_size = sizeof(attr), .delay_ms = 20, .times = 2 };

	(void)state;
	open_backup();
	zcs_assert_ok(zcs_fault_set("copy_page", &attr));
	zcs_assert_ok(copy());
	zcs_assert_is(zcs_test_fault_failed("copy_page"), 1);
	zcs_assert_ok(copy());
	zcs_assert_ok(copy());
	zcs_assert_is(zcs_test_fault_failed("copy_page"), 2);
	close_backup();
}

static void after_a_delay_it_fails_if_an_error_is_named(void **state)
{
	struct zcs_fault_attr attr = { .struct_size = sizeof(attr), .delay_ms = 1, .error = EIO };

	(void)state;
	open_backup();
	zcs_assert_ok(zcs_fault_set("copy_page", &attr));
	zcs_assert_is(copy(), -EIO);
	close_backup();
}

/*
 * Hangs a call, lets others pass meanwhile, ends the hang by @end, and the call's result is
 * @result.
 */
static void hang_until(int error, void (*end)(void), int result)
{
	pthread_t thread;
	int err = 1;

	open_backup();
	zcs_test_hang("copy_page", 0, 1, error);
	zcs_assert_ok(pthread_create(&thread, NULL, run, &err));
	zcs_test_wait_hung("copy_page", 1);
	for (unsigned i = 0; i < 100; i++)
		zcs_assert_ok(copy());
	end();
	zcs_assert_ok(pthread_join(thread, NULL));
	zcs_assert_is(err, result);
	close_backup();
}

static void switch_off(void)
{
	zcs_test_fault_off("copy_page");
}

static void switch_all_off(void)
{
	zcs_test_faults_off();
}

static void set_again(void)
{
	zcs_test_fault("copy_page", 1000, 0, 0);
}

static void a_hang_ends_when_the_point_is_set_again_or_off(void **state)
{
	(void)state;
	hang_until(0, switch_off, 0);
	hang_until(0, switch_all_off, 0);
	hang_until(0, set_again, 0);
	hang_until(EIO, switch_off, -EIO);
}

/* As a program passes it that was built before there were delays. */
static void the_struct_without_a_delay_is_understood(void **state)
{
	struct zcs_fault_attr attr = { .error = EIO, .times = 1, .delay_ms = ZCS_FAULT_HANG };

	(void)state;
	open_backup();
	attr.struct_size = offsetof(struct zcs_fault_attr, delay_ms);
	zcs_assert_ok(zcs_fault_set("copy_page", &attr));
	zcs_assert_is(copy(), -EIO);
	zcs_assert_ok(copy());
	close_backup();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		zcs_test(a_delay_ends_by_itself),
		zcs_test(after_a_delay_it_fails_if_an_error_is_named),
		zcs_test(a_hang_ends_when_the_point_is_set_again_or_off),
		zcs_test(the_struct_without_a_delay_is_understood),
	};

	return zcs_test_run(tests);
}
