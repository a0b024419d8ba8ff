/* SPDX-License-Identifier: MIT */
/*
 * Transfers that are short are continued where they ended, and those that were interrupted begun
 * again.
 */
#include "swap_test.h"

static struct zcs_swap *swap;
static char *out, *in;
static uint32_t slot;

static void start(void)
{
	swap = swap_test_open("file:?size=8M");
	out = swap_test_memory(512);
	in = swap_test_memory(512);
	zcs_test_fill(out, 5, 0, 512);
	slot = swap_test_alloc(swap, ZCS_CLUSTER_ORDER);
}

static void round_trip(unsigned order)
{
	memset(in, 0, 512 * ZCS_PAGE_SIZE);
	zcs_assert_ok(swap_test_write(swap, slot, order, out));
	zcs_assert_ok(swap_test_read(swap, slot, order, in));
	assert_true(zcs_test_is(in, 5, 0, 1u << order));
	memset(in, 0, 512 * ZCS_PAGE_SIZE);
	zcs_assert_ok(zcs_swap_read(swap, slot, order, in));
	assert_true(zcs_test_is(in, 5, 0, 1u << order));
}

static void short_writes_and_reads_are_continued(void **state)
{
	(void)state;
	start();
	zcs_test_fault("short_write", 0, 5, 0);
	zcs_test_fault("short_read", 0, 7, 0);
	round_trip(ZCS_CLUSTER_ORDER);
	zcs_assert_is(zcs_test_fault_failed("short_write"), 5);
	zcs_assert_is(zcs_test_fault_failed("short_read"), 7);
	zcs_assert_is(swap_test_stats(swap).shorts, 12);
	swap_test_done(swap);
}

/* Half of what is left each time, down to a sector. */
static void every_transfer_may_be_short(void **state)
{
	(void)state;
	start();
	zcs_test_fault("short_write", 0, 0, 0);
	zcs_test_fault("short_read", 0, 0, 0);
	round_trip(0);
	round_trip(4);
	round_trip(ZCS_CLUSTER_ORDER);
	swap_test_done(swap);
}

static void interrupted_transfers_are_begun_again(void **state)
{
	(void)state;
	start();
	zcs_test_fault("write", 0, 20, EINTR);
	zcs_test_fault("read", 0, 30, EAGAIN);
	round_trip(ZCS_CLUSTER_ORDER);
	zcs_assert_is(swap_test_stats(swap).retries, 50);
	zcs_test_fault("write", 0, 20, EAGAIN);
	zcs_test_fault("read", 0, 30, EINTR);
	round_trip(3);
	zcs_assert_is(swap_test_stats(swap).retries, 100);
	zcs_assert_is(swap_test_stats(swap).write_errors, 0);
	swap_test_done(swap);
}

static void what_is_interrupted_for_ever_fails(void **state)
{
	(void)state;
	start();
	zcs_test_fault("write", 0, 0, EINTR);
	swap_test_log_start();
	zcs_assert_is(swap_test_write(swap, slot, 9, out), -EIO);
	swap_test_log_has(swap_test_log_end(), "interrupted too often");
	zcs_test_faults_off();
	round_trip(9);
	zcs_test_fault("read", 0, 0, EAGAIN);
	swap_test_log_start();
	zcs_assert_is(zcs_swap_read(swap, slot, 9, in), -EIO);
	zcs_assert_is(swap_test_read(swap, slot, 9, in), -EIO);
	swap_test_log_end();
	swap_test_done(swap);
}

static void an_error_after_a_short_transfer_is_an_error(void **state)
{
	(void)state;
	start();
	zcs_test_fault("short_write", 0, 1, 0);
	zcs_test_fault("write", 1, 1, EIO);
	swap_test_log_start();
	zcs_assert_is(swap_test_write(swap, slot, 9, out), -EIO);
	swap_test_log_end();
	zcs_test_faults_off();
	round_trip(9);
	swap_test_done(swap);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		swap_test_both(short_writes_and_reads_are_continued),
		swap_test_both(every_transfer_may_be_short),
		swap_test_both(interrupted_transfers_are_begun_again),
		swap_test_both(what_is_interrupted_for_ever_fails),
		swap_test_both(an_error_after_a_short_transfer_is_an_error),
	};

	return zcs_test_run(tests);
}
