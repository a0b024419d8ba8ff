/* SPDX-License-Identifier: MIT */
/*
 * Transfers that fail: the error reaches done, is counted and named; a write that failed can be
 * retired or tried again, a read can be tried again, and transfers beside it are not touched.
 */
#include "swap_test.h"

static struct zcs_swap *swap;
static char *out, *in;

static void start(void)
{
	swap = swap_test_open("file:?size=8M");
	out = swap_test_memory(512);
	in = swap_test_memory(512);
	zcs_test_fill(out, 5, 0, 512);
}

/* Before the device fails: afterwards it is left alone. */
static void alloc_slots(uint32_t *slot, unsigned nr)
{
	for (unsigned i = 0; i < nr; i++)
		slot[i] = swap_test_alloc(swap, 0);
}

static void a_failed_write_is_counted_and_its_slots_retired(void **state)
{
	uint32_t slot, other;
	const char *log;

	(void)state;
	start();
	slot = swap_test_alloc(swap, ZCS_CLUSTER_ORDER);
	zcs_test_fault("write", 0, 1, 0);
	swap_test_log_start();
	zcs_assert_is(swap_test_write(swap, slot, ZCS_CLUSTER_ORDER, out), -EIO);
	log = swap_test_log_end();
	swap_test_log_has(log, "write of slot 0, order 9, at byte 0: Input/output error");
	swap_test_log_has(log, swap->dev[0].name);
	assert_true(zcs_test_is(out, 5, 0, 512));
	zcs_swap_retire(swap, slot, ZCS_CLUSTER_ORDER);
	zcs_assert_is(swap_test_stats(swap).write_errors, 1);
	zcs_assert_is(swap_test_stats(swap).retired, 512);
	zcs_assert_is(swap_test_stats(swap).writes, 0);
	other = swap_test_alloc(swap, ZCS_CLUSTER_ORDER);
	assert_int_not_equal(slot, other);
	zcs_assert_ok(swap_test_write(swap, other, ZCS_CLUSTER_ORDER, out));
	zcs_assert_ok(zcs_swap_read(swap, other, ZCS_CLUSTER_ORDER, in));
	assert_true(zcs_test_is(in, 5, 0, 512));
	swap_test_done(swap);
}

static void a_full_device_is_told_from_a_broken_one(void **state)
{
	uint32_t slot;

	(void)state;
	start();
	slot = swap_test_alloc(swap, 3);
	zcs_test_fault("write", 0, 1, ENOSPC);
	swap_test_log_start();
	zcs_assert_is(swap_test_write(swap, slot, 3, out), -ENOSPC);
	swap_test_log_has(swap_test_log_end(), "No space left");
	zcs_assert_ok(swap_test_write(swap, slot, 3, out));
	swap_test_done(swap);
}

static void a_failed_read_can_be_tried_again(void **state)
{
	uint32_t slot;

	(void)state;
	start();
	slot = swap_test_alloc(swap, ZCS_CLUSTER_ORDER);
	zcs_assert_ok(swap_test_write(swap, slot, ZCS_CLUSTER_ORDER, out));
	zcs_test_fault("read", 0, 2, 0);
	swap_test_log_start();
	zcs_assert_is(swap_test_read(swap, slot, ZCS_CLUSTER_ORDER, in), -EIO);
	zcs_assert_is(zcs_swap_read(swap, slot, ZCS_CLUSTER_ORDER, in), -EIO);
	swap_test_log_has(swap_test_log_end(),
			  "read of slot 0, order 9, at byte 0: Input/output error");
	zcs_assert_ok(swap_test_read(swap, slot, ZCS_CLUSTER_ORDER, in));
	assert_true(zcs_test_is(in, 5, 0, 512));
	zcs_assert_is(swap_test_stats(swap).read_errors, 2);
	zcs_assert_is(swap_test_stats(swap).reads, 1);
	zcs_assert_is(swap_test_stats(swap).bad_checksums, 0);
	swap_test_done(swap);
}

static void a_device_that_is_gone_fails_everything_and_nothing_hangs(void **state)
{
	struct swap_test_io io[20];
	uint32_t slot[20];

	(void)state;
	start();
	alloc_slots(slot, 20);
	zcs_test_fault("read", 0, 0, ENXIO);
	zcs_test_fault("write", 0, 0, ENXIO);
	swap_test_log_start();
	for (unsigned i = 0; i < 20; i++)
		swap_test_submit(swap, &io[i], i % 2 ? ZCS_SWAP_READ : ZCS_SWAP_WRITE, slot[i], 0,
				 (i % 2 ? in : out) + i * ZCS_PAGE_SIZE);
	for (unsigned i = 0; i < 20; i++)
		zcs_assert_is(swap_test_wait(&io[i]), -ENXIO);
	swap_test_log_end();
	zcs_assert_is(swap_test_stats(swap).read_errors, 10);
	zcs_assert_is(swap_test_stats(swap).write_errors, 10);
	swap_test_done(swap);
}

static void a_failure_does_not_touch_its_neighbours(void **state)
{
	struct swap_test_io io[40];
	uint32_t slot[40];
	unsigned failed = 0;

	(void)state;
	start();
	zcs_test_fault_every("write", 5);
	swap_test_log_start();
	for (unsigned i = 0; i < 40; i++) {
		slot[i] = swap_test_alloc(swap, 3);
		swap_test_submit(swap, &io[i], ZCS_SWAP_WRITE, slot[i], 3,
				 out + i * 8 * ZCS_PAGE_SIZE);
	}
	for (unsigned i = 0; i < 40; i++)
		swap_test_wait(&io[i]);
	swap_test_log_end();
	zcs_test_faults_off();
	for (unsigned i = 0; i < 40; i++) {
		failed += io[i].err == -EIO;
		if (io[i].err)
			continue;
		zcs_assert_ok(zcs_swap_read(swap, slot[i], 3, in));
		assert_true(zcs_test_is(in, 5, i * 8, 8));
	}
	zcs_assert_is(failed, 8);
	swap_test_done(swap);
}

static void messages_of_a_dying_device_end(void **state)
{
	uint32_t slot[100];
	unsigned lines = 0;
	const char *log;

	(void)state;
	start();
	alloc_slots(slot, 100);
	zcs_test_fault("write", 0, 0, 0);
	swap_test_log_start();
	for (unsigned i = 0; i < 100; i++)
		zcs_assert_is(swap_test_write(swap, slot[i], 0, out), -EIO);
	log = swap_test_log_end();
	swap_test_log_has(log, "further ones are only counted");
	for (; *log; log++)
		lines += *log == '\n';
	zcs_assert_is(lines, 17);
	zcs_assert_is(swap_test_stats(swap).write_errors, 100);
	swap_test_done(swap);
}

/*
 * So that the one message about corruption is not lost among those of a device that is full of
 * errors.
 */
static void each_kind_of_message_has_its_own_end(void **state)
{
	uint32_t slot, bad[20];

	(void)state;
	start();
	slot = swap_test_alloc(swap, 0);
	alloc_slots(bad, 20);
	zcs_assert_ok(swap_test_write(swap, slot, 0, out));
	zcs_test_fault("write", 0, 0, 0);
	swap_test_log_start();
	for (unsigned i = 0; i < 20; i++)
		zcs_assert_is(swap_test_write(swap, bad[i], 0, out), -EIO);
	zcs_test_faults_off();
	zcs_test_fault("read", 0, 20, 0);
	for (unsigned i = 0; i < 20; i++)
		zcs_assert_is(swap_test_read(swap, slot, 0, in), -EIO);
	zcs_test_faults_off();
	zcs_test_fault("checksum", 0, 1, 0);
	zcs_assert_is(swap_test_read(swap, slot, 0, in), -EIO);
	zcs_test_faults_off();
	swap_test_log_has(swap_test_log_end(), "does not hold what was written");
	swap_test_done(swap);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		swap_test_both(a_failed_write_is_counted_and_its_slots_retired),
		swap_test_both(a_full_device_is_told_from_a_broken_one),
		swap_test_both(a_failed_read_can_be_tried_again),
		swap_test_both(a_device_that_is_gone_fails_everything_and_nothing_hangs),
		swap_test_both(a_failure_does_not_touch_its_neighbours),
		swap_test_both(messages_of_a_dying_device_end),
		swap_test_both(each_kind_of_message_has_its_own_end),
	};

	return zcs_test_run(tests);
}
