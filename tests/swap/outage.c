/* SPDX-License-Identifier: MIT */
/*
 * A device that takes no writes for a while keeps its slots: it is left alone, tried again, and
 * comes back. Slots are retired when their writes fail twice while others succeed. Which writes
 * fail says the test, in the place of pwrite().
 */
#include <unistd.h>

#include "swap_test.h"

#include "sys/sys.h"

#define NR 40u

int64_t __real_zcs_sys_pwrite(int fd, const void *addr, size_t bytes, uint64_t offset);
int64_t __wrap_zcs_sys_pwrite(int fd, const void *addr, size_t bytes, uint64_t offset);

/* Writes to @fd (any: -1) that begin in [first, end) fail. */
static struct {
	_Atomic int fd;
	_Atomic uint64_t first, end;
	atomic_uint failed;
} bad;

int64_t __wrap_zcs_sys_pwrite(int fd, const void *addr, size_t bytes, uint64_t offset)
{
	if ((bad.fd >= 0 && bad.fd != fd) || offset < bad.first || offset >= bad.end)
		return __real_zcs_sys_pwrite(fd, addr, bytes, offset);
	bad.failed++;
	return -EIO;
}

static struct zcs_swap *swap;
static char *out, *in;

static void start(const char *spec)
{
	bad.fd = -1;
	bad.first = bad.end = 0;
	bad.failed = 0;
	swap = swap_test_open("%s", spec);
	out = swap_test_memory(1);
	in = swap_test_memory(1);
	zcs_test_fill(out, 5, 0, 1);
}

static void slots_fail(uint64_t first, uint64_t end)
{
	bad.first = first * ZCS_SLOT_BYTES;
	bad.end = end * ZCS_SLOT_BYTES;
}

/* Allocates, writes, and frees again if that failed: where it was written, or the error. */
static int64_t write_one(void)
{
	uint32_t slot;
	int err = zcs_swap_alloc(swap, 0, &slot);

	if (err)
		return err;
	err = swap_test_write(swap, slot, 0, out);
	if (!err)
		return slot;
	zcs_swap_free_failed(swap, slot, 0);
	return err;
}

/* The same until it is no error. */
static int64_t write_at_last(void)
{
	int64_t slot = write_one();

	for (unsigned left = 10000; slot < 0 && left; left--) {
		usleep(1000);
		slot = write_one();
	}
	return slot;
}

/* Fails until the attempt in the middle of it has failed too. */
static void until_away(void)
{
	for (unsigned left = 10000; !swap_test_stats(swap).away && left; left--) {
		zcs_assert_is(write_one(), -EIO);
		usleep(1000);
	}
	zcs_assert_is(swap_test_stats(swap).away, 1);
}

static void an_outage_retires_nothing(void **state)
{
	uint32_t before;
	const char *log;

	(void)state;
	start("file:?size=8M");
	before = swap_test_alloc(swap, 0);
	zcs_assert_ok(swap_test_write(swap, before, 0, out));
	slots_fail(0, UINT32_MAX);
	zcs_test_fault("write", 0, 0, EIO);
	swap_test_log_start();
	until_away();
	/* by and by */
	for (unsigned i = 0; i < 100; i++) {
		zcs_assert_is(write_one(), -EIO);
		usleep(1000);
	}
	zcs_assert_is(swap_test_stats(swap).retired, 0);
	zcs_assert_is(swap_test_stats(swap).used, 1);
	assert_true(swap_test_stats(swap).write_errors < 30);
	zcs_assert_ok(zcs_swap_check(swap));
	/* reads are none of its business */
	zcs_assert_ok(zcs_swap_read(swap, before, 0, in));
	slots_fail(0, 0);
	zcs_test_faults_off();
	assert_true(write_at_last() >= 0);
	for (unsigned i = 0; i < 100; i++)
		assert_true(write_one() >= 0);
	log = swap_test_log_end();
	zcs_assert_is(zcs_test_occurrences(log, "takes no writes: Input/output error"), 1);
	zcs_assert_is(zcs_test_occurrences(log, "takes writes again"), 1);
	zcs_assert_is(swap_test_stats(swap).outages, 1);
	zcs_assert_is(swap_test_stats(swap).away, 0);
	zcs_assert_is(swap_test_stats(swap).retired, 0);
	zcs_assert_is(swap_test_stats(swap).used, 102);
	swap_test_done(swap);
}

/* Each outage is one, and those that came before say nothing against a slot that is hit again. */
static void many_outages_retire_nothing(void **state)
{
	(void)state;
	start("file:?size=2M");
	swap_test_log_start();
	for (unsigned i = 0; i < 5; i++) {
		int64_t slot;

		slots_fail(0, UINT32_MAX);
		until_away();
		slots_fail(0, 0);
		slot = write_at_last();
		assert_true(slot >= 0);
		zcs_swap_free(swap, (uint32_t)slot, 0);
	}
	swap_test_log_end();
	zcs_assert_is(swap_test_stats(swap).outages, 5);
	zcs_assert_is(swap_test_stats(swap).retired, 0);
	zcs_assert_is(swap_test_stats(swap).free, 512);
	swap_test_done(swap);
}

static void a_slot_that_fails_twice_is_retired(void **state)
{
	(void)state;
	start("file:?size=8M");
	slots_fail(0, 1);
	swap_test_log_start();
	zcs_assert_is(write_one(), -EIO);
	zcs_assert_is(swap_test_stats(swap).free, swap_test_stats(swap).slots);
	/* another slot, for the first is set aside; it tells that the device works */
	zcs_assert_is(write_one(), 1);
	zcs_assert_is(swap_test_stats(swap).retired, 0);
	zcs_assert_is(write_one(), -EIO);
	zcs_assert_is(write_one(), 2);
	swap_test_log_end();
	zcs_assert_is(bad.failed, 2);
	zcs_assert_is(swap_test_stats(swap).retired, 1);
	zcs_assert_is(swap_test_stats(swap).outages, 0);
	slots_fail(0, 0);
	zcs_assert_is(write_one(), 3);
	swap_test_done(swap);
}

static void a_slot_that_failed_once_and_then_worked_is_as_good_as_any(void **state)
{
	(void)state;
	start("file:?size=8M");
	swap_test_log_start();
	for (unsigned i = 0; i < 4; i++) {
		slots_fail(0, 1);
		zcs_assert_is(write_one(), -EIO);
		slots_fail(0, 0);
		zcs_assert_is(write_one(), 1);
		zcs_assert_is(write_one(), 0);
		zcs_swap_free(swap, 0, 0);
		zcs_swap_free(swap, 1, 0);
	}
	swap_test_log_end();
	zcs_assert_is(swap_test_stats(swap).retired, 0);
	swap_test_done(swap);
}

/*
 * Slots are given out from the lowest on: a bad area at the start must not look like an outage for
 * ever.
 */
static void a_large_bad_area_is_no_outage(void **state)
{
	unsigned good = 0, calls = 0;

	(void)state;
	start("file:?size=8M");
	slots_fail(0, 500);
	swap_test_log_start();
	for (; good < 1000 && calls < 60000; calls++) {
		if (write_one() >= 0)
			good++;
		else
			usleep(100);
	}
	swap_test_log_end();
	zcs_assert_is(good, 1000);
	zcs_assert_is(swap_test_stats(swap).away, 0);
	zcs_assert_is(swap_test_stats(swap).used, 1000);
	swap_test_done(swap);
}

/*
 * Where nothing else is free the bad ones are met again and again, and are retired, for those that
 * are freed work.
 */
static void bad_slots_of_a_full_device_are_retired(void **state)
{
	(void)state;
	start("file:?size=2M");
	slots_fail(3, 5);
	swap_test_log_start();
	for (unsigned left = 60000; swap_test_stats(swap).retired < 2 && left; left--) {
		int64_t at = write_one();

		/* the lowest 100 fill up, all others are free at once */
		if (at >= 100)
			zcs_swap_free(swap, (uint32_t)at, 0);
		else if (at < 0)
			usleep(100);
	}
	swap_test_log_end();
	zcs_assert_is(swap_test_stats(swap).retired, 2);
	zcs_assert_is(swap_test_stats(swap).outages, 0);
	swap_test_done(swap);
}

/* All of it: this swap is lost, but nobody hangs, and nothing is counted twice. */
static void a_device_of_bad_slots_only(void **state)
{
	(void)state;
	start("file:?size=2M");
	slots_fail(0, 512);
	swap_test_log_start();
	for (unsigned i = 0; i < 300; i++) {
		assert_true(write_one() < 0);
		usleep(100);
	}
	swap_test_log_end();
	zcs_assert_ok(zcs_swap_check(swap));
	zcs_assert_is(swap_test_stats(swap).used, 0);
	swap_test_done(swap);
}

/* Of two devices the one that takes no writes is the better, or as good. */
static void beside(int prio)
{
	unsigned on_other = 0;
	char spec[100];

	snprintf(spec, sizeof(spec), "file:?size=8M&prio=%d;file:?size=8M", prio);
	start(spec);
	bad.fd = swap->dev[0].fd;
	slots_fail(0, UINT32_MAX);
	swap_test_log_start();
	for (unsigned left = 10000; !swap_test_stats(swap).away && left; left--) {
		on_other += write_one() >= (int64_t)swap->dev[1].first;
		usleep(1000);
	}
	zcs_assert_is(swap_test_stats(swap).away, 1);
	for (unsigned i = 0; i < 200; i++)
		on_other += write_one() >= (int64_t)swap->dev[1].first;
	assert_true(on_other > 190);
	slots_fail(0, 0);
	for (unsigned left = 10000; swap_test_stats(swap).away && left; left--) {
		write_one();
		usleep(1000);
	}
	swap_test_log_end();
	zcs_assert_is(swap_test_stats(swap).away, 0);
	zcs_assert_is(swap_test_stats(swap).retired, 0);
	if (prio)
		assert_true(write_one() < (int64_t)swap->dev[1].first);
	swap_test_done(swap);
}

static void the_other_device_is_used_meanwhile(void **state)
{
	(void)state;
	beside(5);
	beside(0);
}

/* A write that was taken back says nothing: the next one is the attempt. */
static void an_attempt_that_is_cancelled(void **state)
{
	struct swap_test_hold hold;
	struct swap_test_io io;
	uint32_t slot;

	(void)state;
	start("file:?size=8M");
	swap_test_hold(swap, &hold);
	swap_test_let_go(&hold);
	slots_fail(0, UINT32_MAX);
	swap_test_log_start();
	until_away();
	slots_fail(0, 0);
	while (zcs_swap_alloc(swap, 0, &slot))
		usleep(1000);
	swap_test_prepare(&io, ZCS_SWAP_WRITE, slot, 0, out);
	/* nobody else gets one meanwhile */
	zcs_assert_is(write_one(), -EIO);
	zcs_swap_free(swap, slot, 0);
	assert_true(write_one() >= 0);
	swap_test_log_end();
	zcs_assert_is(swap_test_stats(swap).away, 0);
	swap_test_done(swap);
}

/* The file system is full: that is neither an outage nor a bad slot. */
static void no_room_is_no_outage(void **state)
{
	(void)state;
	start("file:?size=8M");
	zcs_test_fault("write", 0, NR, ENOSPC);
	swap_test_log_start();
	for (unsigned i = 0; i < NR; i++) {
		uint32_t slot = swap_test_alloc(swap, 0);

		zcs_assert_is(slot, 0);
		zcs_assert_is(swap_test_write(swap, slot, 0, out), -ENOSPC);
		zcs_swap_free_failed(swap, slot, 0);
	}
	swap_test_log_end();
	zcs_assert_is(write_one(), 0);
	zcs_assert_is(swap_test_stats(swap).outages, 0);
	zcs_assert_is(swap_test_stats(swap).retired, 0);
	swap_test_done(swap);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		swap_test_threads(an_outage_retires_nothing),
		swap_test_threads(many_outages_retire_nothing),
		swap_test_threads(a_slot_that_fails_twice_is_retired),
		swap_test_threads(a_slot_that_failed_once_and_then_worked_is_as_good_as_any),
		swap_test_threads(a_large_bad_area_is_no_outage),
		swap_test_threads(bad_slots_of_a_full_device_are_retired),
		swap_test_threads(a_device_of_bad_slots_only),
		swap_test_threads(the_other_device_is_used_meanwhile),
		swap_test_threads(an_attempt_that_is_cancelled),
		swap_test_both(no_room_is_no_outage),
	};

	return zcs_test_run(tests);
}
