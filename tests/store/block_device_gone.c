/* SPDX-License-Identifier: MIT */
/*
 * The same as device_gone.c with a real block device: a loop device that shrinks to nothing under
 * the store. Resident pages stay and can be taken, other pages are an error, and all of them can be
 * destroyed.
 */
#include <linux/loop.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "store_test.h"
#include "zcs_test_loop.h"

#define MIB   8u
#define NR    16u
#define ORDER 4u
#define PAGES (NR << ORDER)
#define OUT   (NR / 2)

static struct zcs_test_loop loop;

static void resize(uint64_t bytes)
{
	zcs_assert_ok(ftruncate(loop.file, (off_t)bytes));
	zcs_assert_ok(ioctl(loop.fd, LOOP_SET_CAPACITY));
}

static void it_shrinks_to_nothing(void **state)
{
	struct zcs_pool *pool = zcs_test_pool(ZCS_BACKING_SMALL, 0, 1);
	struct zcs_store *store = store_test_open("%s", loop.device);
	struct zcs_backup *backup = zcs_test_backup(store, PAGES);
	char page[ZCS_PAGE_SIZE];

	(void)state;
	for (uint64_t i = 0; i < NR; i++)
		store_test_insert(backup, pool, 1, i << ORDER, ORDER, 0);
	store_test_writeback(backup, 0, (OUT << ORDER) - 1);
	resize(0);
	store_test_log_start();
	for (uint64_t i = 0; i < OUT; i++)
		assert_true(store_test_take_fails(backup, pool, i << ORDER) < 0);
	assert_true(zcs_backup_copy_page(backup, page, 7, false) < 0);
	assert_true(zcs_backup_writeback(backup, 0, PAGES - 1, ZCS_WB_WAIT) < 0);
	zcs_assert_is(store_test_backup_stats(backup).slot_pages, OUT << ORDER);
	zcs_assert_is(store_test_backup_stats(backup).resident_pages, (NR - OUT) << ORDER);
	assert_true(store_test_stats(store).read_errors > 0);
	assert_true(store_test_stats(store).write_errors > 0);
	zcs_assert_ok(zcs_backup_check(backup));
	for (uint64_t i = OUT; i < NR - 2; i++)
		store_test_take(backup, pool, 1, i << ORDER, ORDER);
	store_test_backup_done(backup, pool);
	store_test_log_end();
	store_test_done(store);
	zcs_test_pool_done(pool);
	resize(MIB << 20);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		store_test_both(it_shrinks_to_nothing),
	};
	const char *why_not = zcs_test_loop_open(&loop, store_test_path(), MIB, 512);

	if (why_not)
		zcs_test_skip(why_not);
	return zcs_test_run(tests);
}
