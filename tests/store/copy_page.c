/* SPDX-License-Identifier: MIT */
/*
 * Reading a page of a backup wherever it is: any page of a block in the store, same-filled, a hole,
 * or in a block whose write or read is under way. The content stays where it is.
 */
#include "store_test.h"

static void any_page_of_a_block_in_the_store(void **state)
{
	static const unsigned orders[] = { 0, 3, 9 };

	(void)state;
	zcs_test_for_each_backing(backing)
	{
		for (unsigned o = 0; o < 3; o++) {
			uint64_t nr = UINT64_C(2) << orders[o], step = nr > 64 ? 37 : 1;
			struct zcs_pool *pool = zcs_test_pool(backing, 0, 1);
			struct zcs_store *store = store_test_file(8);
			struct zcs_backup *backup = zcs_test_backup(store, nr);

			store_test_insert(backup, pool, 5, 0, orders[o], 0);
			store_test_insert(backup, pool, 5, nr / 2, orders[o], 0);
			store_test_writeback(backup, 0, nr - 1);
			for (uint64_t i = 0; i < nr; i += step)
				store_test_copy(backup, 5, i);
			store_test_copy(backup, 5, nr - 1);
			store_test_copy(backup, 5, 0);
			zcs_assert_is(store_test_stats(store).used_slots, (int64_t)nr);
			zcs_assert_is(store_test_backup_stats(backup).slot_pages, (int64_t)nr);
			zcs_assert_is(zcs_test_arena_bytes(), 0);
			store_test_take(backup, pool, 5, 0, orders[o]);
			store_test_take(backup, pool, 5, nr / 2, orders[o]);
			store_test_backup_done(backup, pool);
			store_test_done(store);
			zcs_test_pool_done(pool);
		}
	}
}

/* Nothing is asked of the caller's buffer. */
static void to_any_address(void **state)
{
	struct zcs_pool *pool = zcs_test_pool(ZCS_BACKING_SMALL, 0, 1);
	struct zcs_store *store = store_test_file(2);
	struct zcs_backup *backup = zcs_test_backup(store, 4);
	char buf[ZCS_PAGE_SIZE + 16], page[ZCS_PAGE_SIZE];

	(void)state;
	store_test_insert(backup, pool, 5, 0, 2, 0);
	store_test_writeback(backup, 0, 3);
	for (unsigned offset = 1; offset < 16; offset += 6) {
		zcs_assert_ok(zcs_backup_copy_page(backup, buf + offset, 4, false));
		memcpy(page, buf + offset, sizeof(page));
		assert_true(zcs_test_page_is(page, 5, 3));
	}
	store_test_backup_done(backup, pool);
	store_test_done(store);
	zcs_test_pool_done(pool);
}

static void holes_and_same_filled_pages(void **state)
{
	struct zcs_pool *pool = zcs_test_pool(ZCS_BACKING_SMALL, 0, 1);
	struct zcs_store *store = store_test_file(2);
	struct zcs_backup *backup = zcs_test_backup(store, 12);
	uint64_t page[ZCS_PAGE_SIZE / 8];

	(void)state;
	store_test_insert_word(backup, pool, 0x1122334455667788, 4, 2, 0);
	store_test_insert_word(backup, pool, 0, 8, 2, 0);
	store_test_writeback(backup, 4, 11);
	for (int64_t i = 0; i < 12; i++) {
		memset(page, 0xee, sizeof(page));
		zcs_assert_ok(zcs_backup_copy_page(backup, page, i + 1, false));
		for (unsigned w = 0; w < ZCS_PAGE_SIZE / 8; w++)
			assert_int_equal(page[w], i / 4 == 1 ? 0x1122334455667788 : 0);
	}
	zcs_assert_is(store_test_stats(store).reads, 0);
	store_test_backup_done(backup, pool);
	store_test_done(store);
	zcs_test_pool_done(pool);
}

/* It does not wait for the write. */
static void of_a_block_that_is_being_written(void **state)
{
	struct zcs_pool *pool = zcs_test_pool(ZCS_BACKING_SMALL, 0, 1);
	struct zcs_store *store = store_test_file(4);
	struct zcs_backup *backup = zcs_test_backup(store, 48);
	struct store_test_hold hold;

	(void)state;
	store_test_hold(store, &hold);
	for (uint64_t i = 0; i < 48; i += 16)
		store_test_insert(backup, pool, 5, i, 4, ZCS_INSERT_WRITEBACK);
	store_test_wait_queued(store, 3);
	for (uint64_t i = 0; i < 48; i++)
		store_test_copy(backup, 5, i);
	if (hold.nr == 1) {
		store_test_log_start();
		store_test_hold_flying(&hold);
		store_test_log_end();
		for (uint64_t i = 0; i < 48; i++)
			store_test_copy(backup, 5, i);
	}
	store_test_let_go(&hold);
	store_test_idle(backup);
	for (uint64_t i = 0; i < 48; i++)
		store_test_copy(backup, 5, i);
	zcs_assert_is(store_test_stats(store).written_blocks, 3);
	zcs_assert_is(store_test_stats(store).cancelled, 0);
	store_test_backup_done(backup, pool);
	store_test_done(store);
	zcs_test_pool_done(pool);
}

static void wrong_arguments_and_interruption(void **state)
{
	struct zcs_pool *pool = zcs_test_pool(ZCS_BACKING_SMALL, 0, 1);
	struct zcs_store *store = store_test_file(2);
	struct zcs_backup *backup = zcs_test_backup(store, 4);
	char page[ZCS_PAGE_SIZE];

	(void)state;
	store_test_insert(backup, pool, 5, 0, 2, 0);
	store_test_writeback(backup, 0, 3);
	zcs_assert_is(zcs_backup_copy_page(backup, page, 0, false), -EINVAL);
	zcs_assert_is(zcs_backup_copy_page(backup, page, -1, false), -EINVAL);
	zcs_assert_is(zcs_backup_copy_page(backup, page, 5, false), -EINVAL);
	zcs_assert_is(zcs_backup_copy_page(backup, NULL, 1, false), -EINVAL);
	zcs_test_fault("copy_page", 0, 0, 0);
	zcs_assert_is(zcs_backup_copy_page(backup, page, 1, true), -EINTR);
	zcs_assert_ok(zcs_backup_copy_page(backup, page, 1, false));
	zcs_test_faults_off();
	store_test_copy(backup, 5, 0);
	store_test_backup_done(backup, pool);
	store_test_done(store);
	zcs_test_pool_done(pool);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		store_test(any_page_of_a_block_in_the_store),
		store_test(to_any_address),
		store_test(holes_and_same_filled_pages),
		store_test_both(of_a_block_that_is_being_written),
		store_test(wrong_arguments_and_interruption),
	};

	return zcs_test_run(tests);
}
