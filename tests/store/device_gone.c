/* SPDX-License-Identifier: MIT */
/*
 * A device that is removed, or loses its link: every transfer fails from some moment on, for good.
 * Resident pages stay and can be taken, other pages are an error each time, and all of them can be
 * dropped and destroyed.
 */
#include "store_test.h"

#include "tt/tt.h"

#define NR    16u
#define ORDER 4u
#define PAGES (NR << ORDER)
#define OUT   (NR / 2) /* blocks that are written back while the device is there */

static void remove_device(int error)
{
	zcs_test_fault("read", 0, 0, error);
	zcs_test_fault("write", 0, 0, error);
	store_test_log_start();
}

static void written_ones_are_errors(struct zcs_backup *backup, struct zcs_pool *pool, int error)
{
	char page[ZCS_PAGE_SIZE];
	struct zcs_take vec[OUT];

	for (uint64_t i = 0; i < OUT; i++) {
		vec[i].handle = zcs_handle_from_index(i << ORDER);
		zcs_assert_is(store_test_take_fails(backup, pool, i << ORDER), -error);
	}
	zcs_assert_is(zcs_backup_take_folios(backup, vec, OUT, pool), -error);
	zcs_assert_is(zcs_backup_copy_page(backup, page, 7, false), -error);
	zcs_assert_is(store_test_backup_stats(backup).slot_pages, OUT << ORDER);
}

static void resident_ones_stay(struct zcs_backup *backup, struct zcs_pool *pool, int error)
{
	zcs_assert_is(zcs_backup_writeback(backup, 0, PAGES - 1, ZCS_WB_WAIT), -error);
	zcs_assert_is(store_test_backup_stats(backup).resident_pages, (NR - OUT) << ORDER);
	zcs_assert_ok(zcs_backup_check(backup));
	zcs_test_pool_ok(pool);
	for (uint64_t i = OUT; i < NR - 2; i++)
		store_test_take(backup, pool, 1, i << ORDER, ORDER);
}

static void gone(int error)
{
	struct zcs_pool *pool = zcs_test_pool(ZCS_BACKING_SMALL, 0, 1);
	struct zcs_store *store = store_test_file(8);
	struct zcs_backup *backup = zcs_test_backup(store, PAGES);

	for (uint64_t i = 0; i < NR; i++)
		store_test_insert(backup, pool, 1, i << ORDER, ORDER, 0);
	store_test_writeback(backup, 0, (OUT << ORDER) - 1);
	remove_device(error);
	written_ones_are_errors(backup, pool, error);
	resident_ones_stay(backup, pool, error);
	zcs_assert_ok(zcs_backup_check(backup));
	/* what is left, of both sorts, goes with the backup */
	store_test_backup_done(backup, pool);
	store_test_log_end();
	zcs_assert_is(store_test_stats(store).retired_slots, 0);
	store_test_done(store);
	zcs_test_pool_done(pool);
}

static void no_such_device_or_address(void **state)
{
	(void)state;
	gone(ENXIO);
}

static void no_such_device(void **state)
{
	(void)state;
	gone(ENODEV);
}

/* Writes are under way as the backup is destroyed and the store closed. */
static void while_everything_ends(void **state)
{
	struct zcs_pool *pool = zcs_test_pool(ZCS_BACKING_SMALL, 0, 1);
	struct zcs_store *store = store_test_file(8);
	struct zcs_backup *backup = zcs_test_backup(store, PAGES);

	(void)state;
	remove_device(ENXIO);
	for (uint64_t i = 0; i < NR; i++)
		store_test_insert(backup, pool, 1, i << ORDER, ORDER, ZCS_INSERT_WRITEBACK);
	zcs_store_close(store);
	zcs_backup_destroy(backup);
	store_test_log_end();
	zcs_test_pool_is_idle(pool);
	zcs_assert_is(zcs_test_arena_bytes(), 0);
	zcs_test_pool_done(pool);
}

/* Nothing of a tt is lost that was in memory, and the tt ends like any other. */
static void with_a_tt(void **state)
{
	(void)state;
	zcs_test_for_each_backing(backing)
	{
		struct zcs_pool *pool = zcs_test_pool(backing, 0, 1);
		struct zcs_store *store = store_test_file(16);
		struct zcs_tt *tt;

		zcs_assert_ok(zcs_tt_create(pool, 4 * 512, ZCS_TT_CONTIGUOUS, &tt));
		zcs_assert_ok(zcs_tt_setup_backup(tt, store));
		zcs_assert_ok(zcs_tt_populate(tt, NULL));
		store_test_fill(tt, 1, 0, 4 * 512);
		zcs_assert_is(zcs_tt_backup_range(tt, 0, 1024, ZCS_BACKUP_WRITEBACK), 1024);
		store_test_idle(tt->backup);
		remove_device(ENODEV);
		zcs_assert_is(zcs_tt_restore(tt, NULL), -ENODEV);
		zcs_assert_is(zcs_tt_backup_range(tt, 1024, 1024, ZCS_BACKUP_WRITEBACK), 1024);
		store_test_idle(tt->backup);
		zcs_assert_ok(zcs_tt_restore_range(tt, 1024, 1024, NULL));
		assert_true(store_test_is(tt, 1, 1024, 1024));
		zcs_assert_ok(zcs_tt_check(tt));
		zcs_test_tt_done(tt);
		store_test_log_end();
		store_test_done(store);
		zcs_test_pool_done(pool);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		store_test_both(no_such_device_or_address),
		store_test_both(no_such_device),
		store_test_both(while_everything_ends),
		store_test_both(with_a_tt),
	};

	return zcs_test_run(tests);
}
