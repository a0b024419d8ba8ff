/* SPDX-License-Identifier: MIT */
/*
 * Writes that fail: the folio stays resident and whole, the failure is counted, and the next
 * attempt goes elsewhere. What becomes of the slots: see outage.c of the swap.
 */
#include <unistd.h>

#include "store_test.h"

#define NR    8u
#define ORDER STORE_TEST_ORDER
#define PAGES (NR << ORDER)

static int64_t writeback(struct store_test_filled *s)
{
	int64_t n;

	store_test_log_start();
	n = zcs_backup_writeback(s->backup, 0, PAGES - 1, ZCS_WB_WAIT);
	store_test_log_end();
	zcs_assert_ok(zcs_backup_check(s->backup));
	zcs_assert_ok(zcs_store_check(s->store));
	zcs_test_pool_ok(s->pool);
	return n;
}

static void finish(struct store_test_filled *s)
{
	zcs_test_faults_off();
	store_test_finish(s);
}

static void all_of_them(void **state)
{
	struct zcs_store_stats st;
	struct store_test_filled s;

	(void)state;
	store_test_start(&s, NR, "file:?size=4M");
	zcs_test_fault("write", 0, 0, EIO);
	zcs_assert_is(writeback(&s), -EIO);
	zcs_test_faults_off();
	st = store_test_stats(s.store);
	zcs_assert_is(st.write_errors, NR);
	zcs_assert_is(st.retired_slots, 0);
	zcs_assert_is(st.used_slots, 0);
	zcs_assert_is(st.written_blocks, 0);
	zcs_assert_is(zcs_test_stats(s.pool).inserted_pages, PAGES);
	zcs_assert_is(zcs_store_bytes_avail(s.store), (int64_t)(st.slots * ZCS_PAGE_SIZE));
	/*
	 * a device that failed so often is left alone for a moment, and then one write tells how it
	 * is
	 */
	while (store_test_backup_stats(s.backup).resident_pages)
		writeback(&s);
	zcs_assert_is(zcs_test_arena_bytes(), 0);
	zcs_assert_is(store_test_stats(s.store).retired_slots, 0);
	finish(&s);
}

static void one_of_them(void **state)
{
	struct store_test_filled s;

	(void)state;
	store_test_start(&s, NR, "file:?size=4M");
	zcs_test_fault("write", 3, 1, EIO);
	zcs_assert_is(writeback(&s), PAGES - (1 << ORDER));
	zcs_assert_is(store_test_stats(s.store).write_errors, 1);
	zcs_assert_is(store_test_stats(s.store).retired_slots, 0);
	zcs_assert_is(zcs_test_stats(s.pool).inserted_pages, 1 << ORDER);
	zcs_assert_is(writeback(&s), 1 << ORDER);
	finish(&s);
}

/* The caller did not wait: nobody is told, and the block is where it was. */
static void as_it_is_inserted(void **state)
{
	struct store_test_filled s;

	(void)state;
	store_test_start(&s, NR, "file:?size=4M");
	store_test_take(s.backup, s.pool, 1, 0, ORDER);
	zcs_test_fault("write", 0, 0, EIO);
	store_test_log_start();
	store_test_insert(s.backup, s.pool, 1, 0, ORDER, ZCS_INSERT_WRITEBACK);
	store_test_idle(s.backup);
	store_test_log_end();
	zcs_assert_is(store_test_stats(s.store).write_errors, 1);
	zcs_assert_is(zcs_test_stats(s.pool).inserted_pages, PAGES);
	finish(&s);
}

/* Written through the page cache: the error shows when it is forced out. */
static void of_a_buffered_device(void **state)
{
	struct store_test_filled s;

	(void)state;
	store_test_start(&s, NR, "file:?size=4M&direct=0");
	zcs_assert_is(store_test_stats(s.store).buffered_devices, 1);
	zcs_assert_is(store_test_stats(s.store).direct_devices, 0);
	zcs_test_fault("sync_file_range", 2, 1, 0);
	zcs_assert_is(writeback(&s), PAGES - (1 << ORDER));
	zcs_assert_is(store_test_stats(s.store).write_errors, 1);
	zcs_assert_is(writeback(&s), 1 << ORDER);
	finish(&s);
}

/*
 * A file system that was full for a moment, or a kernel without memory, says nothing against the
 * slots: they serve again.
 */
static void for_want_of_room(void **state)
{
	static const struct {
		int error, no_space;
	} cases[] = { { ENOSPC, NR }, { EDQUOT, NR }, { ENOMEM, 0 } };
	struct zcs_store_stats st;
	struct store_test_filled s;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		store_test_start(&s, NR, "file:?size=4M&discard=1");
		zcs_test_fault("write", 0, 0, cases[i].error);
		zcs_assert_is(writeback(&s), -cases[i].error);
		zcs_test_faults_off();
		st = store_test_stats(s.store);
		zcs_assert_is(st.write_errors, NR);
		zcs_assert_is(st.no_space, cases[i].no_space);
		zcs_assert_is(st.retired_slots, 0);
		zcs_assert_is(st.used_slots, 0);
		zcs_assert_is(zcs_test_stats(s.pool).inserted_pages, PAGES);
		zcs_assert_is(writeback(&s), PAGES);
		zcs_assert_is(zcs_test_arena_bytes(), 0);
		finish(&s);
	}
}

/* There is no other slot that could tell whether these are bad: they are used again. */
static void of_the_only_slots(void **state)
{
	struct zcs_pool *pool = zcs_test_pool(ZCS_BACKING_SMALL, 0, 1);
	struct zcs_store *store = store_test_file(2);
	struct zcs_backup *backup = zcs_test_backup(store, 512);

	(void)state;
	store_test_insert(backup, pool, 1, 0, 9, 0);
	zcs_test_fault("write", 0, 3, EIO);
	store_test_log_start();
	for (unsigned i = 0; i < 3; i++)
		zcs_assert_is(zcs_backup_writeback(backup, 0, 511, ZCS_WB_WAIT), -EIO);
	store_test_log_end();
	zcs_assert_is(store_test_stats(store).retired_slots, 0);
	zcs_assert_is(zcs_store_bytes_avail(store), 512 * ZCS_PAGE_SIZE);
	zcs_assert_is(zcs_backup_writeback(backup, 0, 511, ZCS_WB_WAIT), 512);
	store_test_take(backup, pool, 1, 0, 9);
	store_test_backup_done(backup, pool);
	store_test_done(store);
	zcs_test_pool_done(pool);
}

/*
 * The ring is lost with a write in it that nobody wants any more, and the write fails by other
 * means too.
 */
static void of_an_abandoned_write(void **state)
{
	struct store_test_hold hold;
	struct zcs_folio *folio;
	struct store_test_filled s;

	(void)state;
	store_test_start(&s, NR, "file:?size=4M");
	store_test_hold(s.store, &hold);
	zcs_assert_is(zcs_backup_writeback(s.backup, 0, (1 << ORDER) - 1, 0), 1 << ORDER);
	store_test_wait_queued(s.store, 1);
	store_test_log_start();
	store_test_hold_flying(&hold);
	zcs_assert_ok(zcs_backup_take_folio(s.backup, 1, s.pool, &folio));
	zcs_test_fault("uring_submit", 0, 0, ENODEV);
	zcs_test_fault("write", 0, 0, EIO);
	store_test_let_go(&hold);
	store_test_idle(s.backup);
	/*
	 * the write may have been over before: then the ring is lost as its thread waits for the
	 * next one
	 */
	while (store_test_stats(s.store).io_uring)
		usleep(1000);
	store_test_log_end();
	zcs_test_faults_off();
	zcs_assert_ok(zcs_store_check(s.store));
	zcs_assert_is(store_test_stats(s.store).abandoned, 1);
	zcs_assert_is(store_test_stats(s.store).used_slots, 0);
	zcs_assert_is(store_test_stats(s.store).retired_slots, 0);
	zcs_assert_is(zcs_backup_insert_folio(s.backup, folio, ORDER, 0, 0), 1);
	zcs_assert_is(writeback(&s), PAGES);
	finish(&s);
}

/*
 * Half of a write is done, nobody wants it any more, and the other half fails: what the device did
 * to the slots is not known, so they are not for the next one.
 */
static bool rest_of_an_abandoned_write(void)
{
	struct store_test_hold hold;
	struct zcs_folio *folio;
	struct store_test_filled s;
	uint64_t failed;

	store_test_start(&s, NR, "file:?size=4M");
	store_test_hold(s.store, &hold);
	zcs_assert_is(zcs_backup_writeback(s.backup, 0, (1 << ORDER) - 1, 0), 1 << ORDER);
	store_test_wait_queued(s.store, 1);
	store_test_log_start();
	zcs_test_fault("short_write", 0, 1, 0);
	store_test_hold_flying(&hold);
	zcs_assert_ok(zcs_backup_take_folio(s.backup, 1, s.pool, &folio));
	zcs_test_fault("write", 0, 0, EIO);
	store_test_let_go(&hold);
	store_test_idle(s.backup);
	store_test_log_end();
	zcs_test_faults_off();
	zcs_assert_ok(zcs_store_check(s.store));
	zcs_assert_is(store_test_stats(s.store).abandoned, 1);
	zcs_assert_is(store_test_stats(s.store).used_slots, 0);
	/* one error is of the request that held the thread */
	failed = store_test_stats(s.store).write_errors;
	failed -= failed > 0;
	zcs_assert_is(store_test_stats(s.store).retired_slots, 0);
	zcs_assert_is(zcs_backup_insert_folio(s.backup, folio, ORDER, 0, 0), 1);
	zcs_assert_is(writeback(&s), PAGES);
	finish(&s);
	return failed;
}

/* The rest may have been done before it was to fail: then once more. */
static void of_the_rest_of_an_abandoned_write(void **state)
{
	unsigned left = 100;

	(void)state;
	while (!rest_of_an_abandoned_write() && --left)
		;
	assert_true(left);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		store_test_both(all_of_them),
		store_test_both(one_of_them),
		store_test_both(as_it_is_inserted),
		store_test_both(of_a_buffered_device),
		store_test_both(for_want_of_room),
		store_test(of_the_only_slots),
		store_test_uring(of_an_abandoned_write),
		store_test_uring(of_the_rest_of_an_abandoned_write),
	};

	return zcs_test_run(tests);
}
