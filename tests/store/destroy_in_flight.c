/* SPDX-License-Identifier: MIT */
/*
 * Backups, tts and stores that go while transfers are queued, or with the I/O thread: the end waits
 * for what cannot be cancelled, and then nothing is left.
 */
#include <pthread.h>
#include <unistd.h>

#include "store_test.h"

#define NR 3u

struct end {
	pthread_t thread;
	struct zcs_pool *pool;
	struct zcs_store *store;
	struct zcs_backup *backup;
	struct zcs_tt *tt;
	struct store_test_hold hold;
};

static void *end_thread(void *arg)
{
	struct end *e = arg;

	zcs_backup_destroy(e->backup);
	zcs_tt_destroy(e->tt);
	return NULL;
}

static void hold_again(struct end *e)
{
	store_test_wait_queued(e->store, NR);
	if (e->hold.nr != 1)
		return;
	store_test_log_start();
	store_test_hold_flying(&e->hold);
	store_test_log_end();
}

/* The thread has come as far as it can without the transfers. */
static void end_while_held(struct end *e)
{
	bool flying = e->hold.nr == 2;

	zcs_assert_ok(pthread_create(&e->thread, NULL, end_thread, e));
	while (store_test_stats(e->store).cancelled + store_test_stats(e->store).abandoned < 1)
		usleep(1000);
	usleep(20000);
	store_test_let_go(&e->hold);
	pthread_join(e->thread, NULL);
	if (flying)
		assert_true(store_test_stats(e->store).abandoned > 0);
	zcs_test_pool_is_idle(e->pool);
	zcs_assert_is(zcs_test_arena_bytes(), 0);
	store_test_done(e->store);
	zcs_test_pool_done(e->pool);
}

static void a_backup(void **state)
{
	(void)state;
	zcs_test_for_each_backing(backing)
	{
		for (int flying = 0; flying < 2; flying++) {
			struct end e = { .pool = zcs_test_pool(backing, 0, 1) };

			e.store = store_test_file(16);
			e.backup = zcs_test_backup(e.store, NR * 512);
			store_test_hold(e.store, &e.hold);
			for (unsigned i = 0; i < NR; i++)
				store_test_insert(e.backup, e.pool, 1, i * 512, 9,
						  ZCS_INSERT_WRITEBACK);
			if (flying)
				hold_again(&e);
			else
				store_test_wait_queued(e.store, NR);
			end_while_held(&e);
		}
	}
}

static void a_tt(void **state)
{
	static const uint32_t shapes[] = { 0, ZCS_TT_CONTIGUOUS };

	(void)state;
	zcs_test_for_each_backing(backing)
	{
		for (int i = 0; i < 2; i++) {
			struct end e = { .pool = zcs_test_pool(backing, 0, 1) };

			e.store = store_test_file(16);
			zcs_assert_ok(zcs_tt_create(e.pool, NR * 512, shapes[i], &e.tt));
			zcs_assert_ok(zcs_tt_setup_backup(e.tt, e.store));
			zcs_assert_ok(zcs_tt_populate(e.tt, NULL));
			for (uint64_t p = 0; p < NR * 512; p++)
				zcs_test_fill_page(zcs_tt_page_address(e.tt, p), 1, p);
			store_test_hold(e.store, &e.hold);
			zcs_assert_is(zcs_tt_backup(e.tt, ZCS_BACKUP_WRITEBACK), NR * 512);
			hold_again(&e);
			end_while_held(&e);
		}
	}
}

/* The opener's reference is gone before the backup is; the store ends with it. */
static void a_store_that_was_closed_first(void **state)
{
	struct zcs_pool *pool = zcs_test_pool(ZCS_BACKING_SMALL, 0, 1);
	struct zcs_store *store = store_test_file(16);
	struct zcs_backup *backup = zcs_test_backup(store, 2048);

	(void)state;
	zcs_store_close(store);
	for (unsigned i = 0; i < 4; i++)
		store_test_insert(backup, pool, 1, i * 512, 9, ZCS_INSERT_WRITEBACK);
	store_test_copy(backup, 1, 700);
	zcs_backup_destroy(backup);
	zcs_test_pool_is_idle(pool);
	zcs_assert_is(zcs_test_arena_bytes(), 0);
	zcs_test_pool_done(pool);
}

static void *destroy_pool(void *arg)
{
	zcs_pool_destroy(arg);
	return NULL;
}

/* Their pool goes, and with it the memory that they are read from: not before they have ended. */
static void the_pool_of_abandoned_writes(void **state)
{
	struct end e = { .pool = zcs_test_pool(ZCS_BACKING_SMALL, 0, ZCS_TEST_MIB) };
	struct zcs_pool *other = zcs_test_pool(ZCS_BACKING_SMALL, 0, ZCS_TEST_MIB);
	struct zcs_folio *folio[NR], *last = zcs_test_folio(other, 0);

	(void)state;
	zcs_test_fill_folio(last, 9);
	e.store = store_test_file(16);
	e.backup = zcs_test_backup(e.store, 64);
	store_test_hold(e.store, &e.hold);
	for (unsigned i = 0; i < NR; i++)
		store_test_insert(e.backup, e.pool, 1, i * 16, 4, ZCS_INSERT_WRITEBACK);
	hold_again(&e);
	for (unsigned i = 0; i < NR; i++)
		zcs_assert_ok(zcs_backup_take_folio(e.backup, zcs_handle_from_index(i * 16), e.pool,
						    &folio[i]));
	zcs_assert_is(store_test_stats(e.store).abandoned, NR);
	for (unsigned i = 0; i < NR; i++)
		zcs_folio_put(folio[i]);
	/* the backup's reference goes to the other pool */
	zcs_assert_is(zcs_backup_insert_folio(e.backup, last, 0, 0, 0), 1);
	zcs_test_pool_is_idle(e.pool);
	zcs_test_pool_forget(e.pool);
	zcs_assert_ok(pthread_create(&e.thread, NULL, destroy_pool, e.pool));
	usleep(20000);
	store_test_let_go(&e.hold);
	pthread_join(e.thread, NULL);
	store_test_idle(e.backup);
	store_test_copy(e.backup, 9, 0);
	store_test_backup_done(e.backup, other);
	store_test_done(e.store);
	zcs_test_pool_done(other);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		store_test_both(a_backup),
		store_test(a_tt),
		store_test_both(a_store_that_was_closed_first),
		store_test_uring(the_pool_of_abandoned_writes),
	};

	return zcs_test_run(tests);
}
