/* SPDX-License-Identifier: MIT */
/*
 * A transfer that hangs delays only its own waiters. Other reads and writes of the store go on, and
 * the result of the hung one shows when the device answers at last.
 */
#include <pthread.h>

#include "store_test.h"

#define ORDER 4u
#define NR    4u
#define PAGES (NR << ORDER)

static struct zcs_pool *pool;
static struct zcs_store *store;
static struct zcs_backup *one, *other;

static struct zcs_backup *new_backup(uint64_t seed)
{
	struct zcs_backup *b = zcs_test_backup(store, PAGES);

	for (uint64_t i = 0; i < NR; i++)
		store_test_insert(b, pool, seed, i << ORDER, ORDER, 0);
	return b;
}

static void start(void)
{
	pool = zcs_test_pool(ZCS_BACKING_SMALL, 0, 1);
	store = store_test_file(8);
	one = new_backup(1);
	other = new_backup(2);
}

static void take_all(struct zcs_backup *b, uint64_t seed)
{
	for (uint64_t i = 0; i < NR; i++)
		store_test_take(b, pool, seed, i << ORDER, ORDER);
}

static void finish(void)
{
	zcs_test_backup_done(one);
	store_test_backup_done(other, pool);
	store_test_done(store);
	zcs_test_pool_done(pool);
}

static void *copy(void *arg)
{
	static _Alignas(8) char page[ZCS_PAGE_SIZE];
	int *err = arg;

	*err = zcs_backup_copy_page(one, page, 1, false);
	if (!*err && !zcs_test_page_is(page, 1, 0))
		*err = 1;
	return NULL;
}

static void hang_a_read(int error)
{
	pthread_t thread;
	int err = 1;

	start();
	store_test_writeback(one, 0, PAGES - 1);
	store_test_writeback(other, 0, PAGES - 1);
	zcs_test_hang("read", 0, 1, error);
	zcs_assert_ok(pthread_create(&thread, NULL, copy, &err));
	zcs_test_wait_hung("read", 1);
	take_all(other, 2);
	store_test_insert(other, pool, 2, 0, ORDER, 0);
	store_test_writeback(other, 0, (1 << ORDER) - 1);
	store_test_take(other, pool, 2, 0, ORDER);
	store_test_log_start();
	zcs_test_fault_off("read");
	zcs_assert_ok(pthread_join(thread, NULL));
	store_test_log_end();
	zcs_assert_is(err, -error);
	take_all(one, 1);
	finish();
}

static void a_hung_read(void **state)
{
	(void)state;
	hang_a_read(0);
	hang_a_read(EIO);
}

/*
 * The write of a block hangs, and its folio is taken back. Pages that the device may still read
 * must not be punched; all others are freed.
 */
static void a_hung_write(void **state)
{
	struct zcs_folio *folio;

	(void)state;
	start();
	store_test_writeback(other, 0, PAGES - 1);
	zcs_test_hang("write", 0, 1, 0);
	zcs_assert_is(zcs_backup_writeback(one, 0, (1 << ORDER) - 1, 0), 1 << ORDER);
	zcs_test_wait_hung("write", 1);
	zcs_assert_ok(zcs_backup_take_folio(one, 1, pool, &folio));
	assert_true(zcs_test_folio_is(folio, 1));
	zcs_assert_is(store_test_stats(store).abandoned, 1);
	take_all(other, 2);
	/* of buffered writes the next one waits for the one that hangs */
	if (store_test_stats(store).direct_devices)
		store_test_writeback(one, 1 << ORDER, PAGES - 1);
	zcs_assert_is(zcs_backup_insert_folio(one, folio, ORDER, 0, 0), 1);
	zcs_test_fault_off("write");
	store_test_idle(one);
	store_test_writeback(one, 0, (1 << ORDER) - 1);
	take_all(one, 1);
	finish();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		store_test_both(a_hung_read),
		store_test_both(a_hung_write),
	};

	return zcs_test_run(tests);
}
