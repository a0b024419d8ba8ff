/* SPDX-License-Identifier: MIT */
/*
 * Every write of a store fails for a while: what was to be written stays in memory and whole, the
 * store is not used up, is asked seldom, says once that the device is away and once that it is
 * back, and then writes everything.
 */
#include <unistd.h>

#include "store_test.h"
#include "zcs_test_loop.h"

#define NR    64u
#define ORDER STORE_TEST_ORDER
#define PAGES (NR << ORDER)

static int64_t writeback(struct store_test_filled *s)
{
	return zcs_backup_writeback(s->backup, 0, PAGES - 1, ZCS_WB_WAIT);
}

/* Pressure goes on and on, as from a background thread. */
static void until_away(struct store_test_filled *s, int error)
{
	for (unsigned left = 10000; !store_test_stats(s->store).devices_away && left; left--) {
		zcs_assert_is(writeback(s), -error);
		usleep(1000);
	}
	for (unsigned i = 0; i < 200; i++)
		zcs_assert_is(writeback(s), -error);
}

static void until_written(struct store_test_filled *s)
{
	for (unsigned left = 10000; store_test_backup_stats(s->backup).resident_pages && left;
	     left--) {
		writeback(s);
		usleep(1000);
	}
	zcs_assert_is(store_test_backup_stats(s->backup).resident_pages, 0);
}

static void outage(const char *spec, const char *point, int error)
{
	struct zcs_store_stats st;
	struct store_test_filled s;
	const char *log;

	store_test_start(&s, NR, spec);
	store_test_writeback(s.backup, 0, (1 << ORDER) - 1);
	zcs_test_fault(point, 0, 0, error);
	store_test_log_start();
	until_away(&s, error);
	st = store_test_stats(s.store);
	zcs_assert_is(st.retired_slots, 0);
	zcs_assert_is(st.used_slots, 1 << ORDER);
	zcs_assert_is(st.outages, 1);
	zcs_assert_is(st.no_space, 0);
	assert_true(st.held_back > 100 * NR);
	assert_true(st.write_errors < 100);
	zcs_assert_is(zcs_test_stats(s.pool).inserted_pages, PAGES - (1 << ORDER));
	zcs_assert_ok(zcs_backup_check(s.backup));
	zcs_assert_ok(zcs_store_check(s.store));
	/* what is out can be read, and what stayed can be copied */
	store_test_copy(s.backup, 1, 1);
	store_test_copy(s.backup, 1, PAGES - 1);
	zcs_test_faults_off();
	until_written(&s);
	log = store_test_log_end();
	st = store_test_stats(s.store);
	zcs_assert_is(zcs_test_occurrences(log, "takes no writes"), 1);
	zcs_assert_is(zcs_test_occurrences(log, "takes writes again"), 1);
	zcs_assert_is(st.retired_slots, 0);
	zcs_assert_is(st.used_slots, PAGES);
	zcs_assert_is(st.devices_away, 0);
	zcs_assert_is(st.outages, 1);
	store_test_finish(&s);
}

static void of_a_file(void **state)
{
	(void)state;
	outage("file:?size=8M", "write", EIO);
	outage("file:?size=8M", "write", ETIMEDOUT);
	outage("file:?size=8M&discard=1", "write", EIO);
}

static void of_a_buffered_file(void **state)
{
	(void)state;
	outage("file:?size=8M&direct=0", "sync_file_range", EIO);
}

/* Blocks of all sizes, and the store is nearly full. */
static void of_a_store_that_is_nearly_full(void **state)
{
	(void)state;
	outage("file:?size=4M", "write", EIO);
}

static void of_a_block_device(void **state)
{
	struct zcs_test_loop loop;
	const char *why_not = zcs_test_loop_open(&loop, store_test_path(), 8, 512);

	(void)state;
	if (why_not)
		zcs_test_skip_case(why_not);
	outage(loop.device, "write", EIO);
	zcs_test_loop_close(&loop);
}

/* Nothing of the store is gone when it is closed in the middle of it, and nothing hangs. */
static void closed_meanwhile(void **state)
{
	struct store_test_filled s;

	(void)state;
	store_test_start(&s, NR, "file:?size=8M");
	zcs_test_fault("write", 0, 0, EIO);
	store_test_log_start();
	until_away(&s, EIO);
	zcs_assert_is(zcs_backup_writeback(s.backup, 0, PAGES - 1, 0), PAGES);
	store_test_backup_done(s.backup, s.pool);
	store_test_log_end();
	store_test_done(s.store);
	zcs_test_pool_done(s.pool);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		store_test_both(of_a_file),
		store_test_both(of_a_buffered_file),
		store_test_both(of_a_store_that_is_nearly_full),
		store_test_both(of_a_block_device),
		store_test_both(closed_meanwhile),
	};

	return zcs_test_run(tests);
}
