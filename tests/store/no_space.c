/* SPDX-License-Identifier: MIT */
/*
 * A store that is full: what does not fit stays resident, the call says how much went, nothing is
 * lost, and when there is room again the rest goes.
 */
#include "store_test.h"

#include "tt/tt.h"

static void what_does_not_fit_stays(void **state)
{
	struct zcs_pool *pool = zcs_test_pool(ZCS_BACKING_SMALL, 0, 1);
	struct zcs_store *store = store_test_file(4);
	struct zcs_backup *backup = zcs_test_backup(store, 2048);

	(void)state;
	for (uint64_t i = 0; i < 4; i++)
		store_test_insert(backup, pool, 1, i * 512, 9, 0);
	zcs_assert_is(zcs_backup_writeback(backup, 0, 2047, ZCS_WB_WAIT), 1024);
	zcs_assert_is(store_test_stats(store).no_space, 2);
	zcs_assert_is(store_test_backup_stats(backup).resident_pages, 1024);
	zcs_assert_is(zcs_store_bytes_avail(store), 0);
	zcs_assert_ok(zcs_backup_check(backup));
	zcs_test_pool_ok(pool);
	zcs_assert_is(zcs_backup_writeback(backup, 1024, 2047, ZCS_WB_WAIT), -ENOSPC);
	for (uint64_t i = 0; i < 2048; i += 511)
		store_test_copy(backup, 1, i);
	/* room for one more */
	store_test_take(backup, pool, 1, 512, 9);
	zcs_assert_is(zcs_backup_writeback(backup, 0, 2047, ZCS_WB_WAIT), 512);
	zcs_assert_is(zcs_test_stats(pool).resident_pages, 512);
	zcs_assert_is(zcs_test_arena_bytes(), 512 * ZCS_PAGE_SIZE);
	zcs_backup_drop(backup, zcs_handle_from_index(0), 9);
	zcs_assert_is(zcs_backup_writeback(backup, 0, 2047, ZCS_WB_WAIT), 512);
	zcs_assert_is(zcs_test_arena_bytes(), 0);
	store_test_take(backup, pool, 1, 1024, 9);
	store_test_take(backup, pool, 1, 1536, 9);
	store_test_backup_done(backup, pool);
	store_test_done(store);
	zcs_test_pool_done(pool);
}

/* The last slots serve folios that are small enough. */
static void to_the_last_slot(void **state)
{
	struct zcs_pool *pool = zcs_test_pool(ZCS_BACKING_SMALL, 0, 1);
	struct zcs_store *store = store_test_file(2);
	struct zcs_backup *backup = zcs_test_backup(store, 2048);

	(void)state;
	store_test_insert(backup, pool, 1, 0, 8, 0);
	store_test_insert(backup, pool, 1, 512, 9, 0);
	store_test_insert(backup, pool, 1, 1024, 7, 0);
	for (uint64_t i = 0; i < 200; i++)
		store_test_insert(backup, pool, 1, 1536 + i, 0, 0);
	zcs_assert_is(zcs_backup_writeback(backup, 0, 2047, ZCS_WB_WAIT), 512);
	zcs_assert_is(zcs_store_bytes_avail(store), 0);
	zcs_assert_is(store_test_stats(store).no_space, 1 + 200 - 128);
	zcs_assert_is(store_test_backup_stats(backup).resident_pages, 512 + 200 - 128);
	zcs_assert_ok(zcs_backup_check(backup));
	store_test_take(backup, pool, 1, 512, 9);
	store_test_take(backup, pool, 1, 0, 8);
	zcs_assert_is(zcs_backup_writeback(backup, 0, 2047, ZCS_WB_WAIT), 200 - 128);
	for (uint64_t i = 200; i-- > 0;)
		store_test_take(backup, pool, 1, 1536 + i, 0);
	store_test_take(backup, pool, 1, 1024, 7);
	store_test_backup_done(backup, pool);
	store_test_done(store);
	zcs_test_pool_done(pool);
}

static void fill_tt(struct zcs_tt *tt, uint64_t seed)
{
	for (uint64_t i = 0; i < zcs_tt_num_pages(tt); i++)
		zcs_test_fill_page(zcs_tt_page_address(tt, i), seed, i);
}

static bool tt_is(struct zcs_tt *tt, uint64_t seed)
{
	for (uint64_t i = 0; i < zcs_tt_num_pages(tt); i++)
		if (!zcs_test_page_is(zcs_tt_page_address(tt, i), seed, i))
			return false;
	return true;
}

static struct zcs_tt *make_tt(struct zcs_pool *pool, struct zcs_store *store, uint64_t nr,
			      uint32_t flags, uint64_t seed)
{
	struct zcs_tt *tt;

	zcs_assert_ok(zcs_tt_create(pool, nr, flags, &tt));
	zcs_assert_ok(zcs_tt_setup_backup(tt, store));
	zcs_assert_ok(zcs_tt_populate(tt, NULL));
	fill_tt(tt, seed);
	return tt;
}

static void a_tt_goes_as_far_as_there_is_room(void **state)
{
	(void)state;
	zcs_test_for_each_backing(backing)
	{
		struct zcs_pool *pool = zcs_test_pool(backing, 0, 1);
		struct zcs_store *store = store_test_file(4);
		struct zcs_tt *one = make_tt(pool, store, 512, ZCS_TT_CONTIGUOUS, 1);
		struct zcs_tt *two = make_tt(pool, store, 1024, ZCS_TT_CONTIGUOUS, 2);

		zcs_assert_is(zcs_tt_backup(one, ZCS_BACKUP_WRITEBACK), 512);
		store_test_idle(one->backup);
		zcs_assert_is(zcs_tt_backup(two, ZCS_BACKUP_WRITEBACK), 1024);
		store_test_idle(two->backup);
		zcs_assert_is(zcs_test_stats(pool).inserted_pages, 512);
		zcs_assert_ok(zcs_tt_check(two));
		/* room again: the rest goes */
		zcs_assert_ok(zcs_tt_restore(one, NULL));
		assert_true(tt_is(one, 1));
		zcs_tt_unpopulate(one);
		zcs_assert_is(zcs_backup_writeback(two->backup, 0, 1023, ZCS_WB_WAIT), 512);
		zcs_assert_is(zcs_test_arena_bytes(), 0);
		zcs_assert_ok(zcs_tt_restore(two, NULL));
		assert_true(tt_is(two, 2));
		zcs_test_tt_done(one);
		zcs_test_tt_done(two);
		store_test_done(store);
		zcs_test_pool_done(pool);
	}
}

/* TTM's answer, before anything is touched; purging needs no room. */
static void a_full_store_refuses_a_tt(void **state)
{
	struct zcs_pool *pool = zcs_test_pool(ZCS_BACKING_SMALL, 0, 1);
	struct zcs_store *store = store_test_file(2);
	struct zcs_tt *one = make_tt(pool, store, 512, 0, 1), *two = make_tt(pool, store, 7, 0, 2);

	(void)state;
	zcs_assert_is(zcs_tt_backup(one, ZCS_BACKUP_WRITEBACK), 512);
	store_test_idle(one->backup);
	zcs_assert_is(zcs_store_bytes_avail(store), 0);
	zcs_assert_is(zcs_tt_backup(two, ZCS_BACKUP_WRITEBACK), -EBUSY);
	zcs_assert_is(zcs_tt_backup(two, 0), -EBUSY);
	zcs_assert_is(zcs_tt_flags(two), ZCS_TT_POPULATED);
	assert_true(tt_is(two, 2));
	zcs_assert_ok(zcs_tt_check(two));
	zcs_assert_is(zcs_tt_backup(two, ZCS_BACKUP_PURGE), 7);
	zcs_assert_ok(zcs_tt_restore(one, NULL));
	assert_true(tt_is(one, 1));
	zcs_test_tt_done(one);
	zcs_test_tt_done(two);
	store_test_done(store);
	zcs_test_pool_done(pool);
}

/* Its own clean pages hold every slot: clean ones go without one, dirty ones free theirs first. */
static void a_tt_that_fills_the_store_goes_again(void **state)
{
	(void)state;
	zcs_test_for_each_backing(backing)
	{
		struct zcs_pool *pool = zcs_test_pool(backing, 0, 1);
		struct zcs_store *store = store_test_file(4);
		struct zcs_tt *tt = make_tt(pool, store, 1024, ZCS_TT_CONTIGUOUS, 1);
		volatile uint64_t *word = zcs_tt_address(tt);

		for (unsigned i = 0; i < 4; i++) {
			zcs_assert_is(zcs_tt_backup(tt, ZCS_BACKUP_WRITEBACK), 1024);
			store_test_idle(tt->backup);
			zcs_assert_is(zcs_test_arena_bytes(), 0);
			zcs_assert_is(zcs_store_bytes_avail(store), 0);
			zcs_assert_ok(zcs_tt_restore(tt, NULL));
			assert_true(store_test_is(tt, 1, 0, 1024));
			/* dirty, with the same bytes: every second time */
			if (i % 2)
				*word = *word;
		}
		zcs_test_tt_done(tt);
		store_test_done(store);
		zcs_test_pool_done(pool);
	}
}

/* The slots that clean pages keep are free when the pages are. */
static void slots_of_clean_pages_come_back(void **state)
{
	struct zcs_pool *pool;
	struct zcs_store *store;
	struct zcs_tt *tt;

	(void)state;
	if (!zcs_test_backing_works(ZCS_BACKING_HUGETLB)) {
		zcs_test_skip_case("without hugetlb pages nothing is kept");
		return;
	}
	pool = zcs_test_pool(ZCS_BACKING_HUGETLB, 0, 1);
	store = store_test_file(2);
	tt = make_tt(pool, store, 512, ZCS_TT_CONTIGUOUS, 1);
	zcs_assert_is(zcs_tt_backup(tt, ZCS_BACKUP_WRITEBACK), 512);
	store_test_idle(tt->backup);
	zcs_assert_ok(zcs_tt_restore(tt, NULL));
	/* without write protection by userfaultfd all of them count as dirty */
	zcs_assert_is(zcs_store_bytes_avail(store), tt->backup->tracked ? 0 : 2 * ZCS_TEST_MIB);
	zcs_assert_is(zcs_tt_backup(tt, ZCS_BACKUP_PURGE), 512);
	zcs_assert_is(zcs_store_bytes_avail(store), 2 * ZCS_TEST_MIB);
	zcs_test_tt_done(tt);
	store_test_done(store);
	zcs_test_pool_done(pool);
}

/* By fault point: every third block finds no slot. */
static void now_and_then(void **state)
{
	struct zcs_pool *pool = zcs_test_pool(ZCS_BACKING_SMALL, 0, 1);
	struct zcs_store *store = store_test_file(8);
	struct zcs_backup *backup = zcs_test_backup(store, 90);

	(void)state;
	for (uint64_t i = 0; i < 90; i++)
		store_test_insert(backup, pool, 1, i, 0, 0);
	zcs_test_fault_every("swap_slot", 3);
	zcs_assert_is(zcs_backup_writeback(backup, 0, 89, ZCS_WB_WAIT), 60);
	zcs_assert_is(store_test_stats(store).no_space, 30);
	zcs_test_faults_off();
	zcs_assert_ok(zcs_backup_check(backup));
	zcs_assert_is(zcs_backup_writeback(backup, 0, 89, ZCS_WB_WAIT), 30);
	zcs_assert_is(zcs_test_arena_bytes(), 0);
	for (uint64_t i = 90; i-- > 0;)
		store_test_take(backup, pool, 1, i, 0);
	store_test_backup_done(backup, pool);
	store_test_done(store);
	zcs_test_pool_done(pool);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		store_test_both(what_does_not_fit_stays),
		store_test(to_the_last_slot),
		store_test(a_tt_goes_as_far_as_there_is_room),
		store_test(a_full_store_refuses_a_tt),
		store_test(a_tt_that_fills_the_store_goes_again),
		store_test(slots_of_clean_pages_come_back),
		store_test(now_and_then),
	};

	return zcs_test_run(tests);
}
