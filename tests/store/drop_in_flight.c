/* SPDX-License-Identifier: MIT */
/*
 * Dropping blocks whose writes are queued, or with the I/O thread: nothing is waited for, the slot
 * is freed, and the memory of the block is freed once and stays free: a transfer that still comes
 * to its pages must not bring them back.
 */
#include <pthread.h>
#include <unistd.h>

#include "store_test.h"

#define NR 3u

static void start(struct zcs_store *store, struct zcs_pool *pool, struct zcs_backup **backup,
		  struct store_test_hold *hold, unsigned order)
{
	*backup = zcs_test_backup(store, (uint64_t)NR << order);
	store_test_hold(store, hold);
	for (unsigned i = 0; i < NR; i++)
		store_test_insert(*backup, pool, 1, (uint64_t)i << order, order,
				  ZCS_INSERT_WRITEBACK);
	store_test_wait_queued(store, NR);
}

static void drop_all(struct zcs_backup *backup, struct zcs_pool *pool, unsigned order)
{
	for (unsigned i = 0; i < NR; i++)
		zcs_backup_drop(backup, zcs_handle_from_index((uint64_t)i << order), order);
	zcs_assert_is(zcs_test_stats(pool).inserted_pages, 0);
	zcs_assert_is(zcs_test_stats(pool).active_pages, 0);
	zcs_assert_is(store_test_backup_stats(backup).resident_pages, 0);
}

static void queued(void **state)
{
	(void)state;
	zcs_test_for_each_backing(backing)
	{
		struct zcs_pool *pool = zcs_test_pool(backing, 0, ZCS_PAGE_SIZE);
		struct zcs_store *store = store_test_file(16);
		struct store_test_hold hold;
		struct zcs_backup *backup;

		start(store, pool, &backup, &hold, 9);
		drop_all(backup, pool, 9);
		zcs_assert_is(store_test_stats(store).cancelled, NR);
		zcs_assert_is(store_test_stats(store).used_slots, hold.nr);
		zcs_assert_is(zcs_test_arena_bytes(), 0);
		store_test_let_go(&hold);
		store_test_backup_done(backup, pool);
		zcs_assert_is(store_test_stats(store).written_blocks, 0);
		zcs_assert_is(zcs_test_arena_bytes(), 0);
		store_test_done(store);
		zcs_test_pool_done(pool);
	}
}

struct dropper {
	pthread_t thread;
	struct zcs_backup *backup;
	struct zcs_folio *folio[NR];
};

static void *drop_thread(void *arg)
{
	struct dropper *d = arg;

	for (unsigned i = 0; i < NR; i++)
		zcs_backup_drop(d->backup, zcs_handle_from_index((uint64_t)i << 9), 9);
	return NULL;
}

static void *put_thread(void *arg)
{
	struct dropper *d = arg;

	for (unsigned i = 0; i < NR; i++)
		zcs_folio_put(d->folio[i]);
	return NULL;
}

/*
 * Time for the thread to give memory back before the transfers look at it, if it does not wait for
 * them.
 */
static void let_go_later(struct zcs_store *store, struct store_test_hold *hold, unsigned abandoned)
{
	while (store_test_stats(store).abandoned < abandoned)
		usleep(1000);
	usleep(20000);
	store_test_let_go(hold);
}

/* The memory goes to the system, while the transfers have yet to come to it. */
static void flying(void **state)
{
	(void)state;
	zcs_test_for_each_backing(backing)
	{
		struct zcs_pool *pool = zcs_test_pool(backing, 0, ZCS_PAGE_SIZE);
		struct zcs_store *store = store_test_file(16);
		struct store_test_hold hold;
		struct dropper d;

		start(store, pool, &d.backup, &hold, 9);
		store_test_hold_flying(&hold);
		zcs_assert_ok(pthread_create(&d.thread, NULL, drop_thread, &d));
		let_go_later(store, &hold, 1);
		pthread_join(d.thread, NULL);
		store_test_idle(d.backup);
		zcs_assert_is(zcs_test_arena_bytes(), 0);
		store_test_backup_done(d.backup, pool);
		store_test_done(store);
		zcs_test_pool_done(pool);
	}
}

/* Taking does not wait for the transfers; giving the memory back to the system does. */
static void flying_taken_and_put(void **state)
{
	(void)state;
	zcs_test_for_each_backing(backing)
	{
		struct zcs_pool *pool = zcs_test_pool(backing, 0, ZCS_PAGE_SIZE);
		struct zcs_store *store = store_test_file(16);
		struct store_test_hold hold;
		struct dropper d;

		start(store, pool, &d.backup, &hold, 9);
		store_test_hold_flying(&hold);
		for (unsigned i = 0; i < NR; i++)
			zcs_assert_ok(zcs_backup_take_folio(d.backup,
							    zcs_handle_from_index((uint64_t)i << 9),
							    pool, &d.folio[i]));
		zcs_assert_is(store_test_stats(store).abandoned, NR);
		zcs_assert_ok(pthread_create(&d.thread, NULL, put_thread, &d));
		let_go_later(store, &hold, NR);
		pthread_join(d.thread, NULL);
		store_test_idle(d.backup);
		zcs_assert_is(store_test_stats(store).written_blocks, 0);
		zcs_assert_is(zcs_test_arena_bytes(), 0);
		store_test_backup_done(d.backup, pool);
		store_test_done(store);
		zcs_test_pool_done(pool);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		store_test_both(queued),
		store_test_uring(flying),
		store_test_uring(flying_taken_and_put),
	};

	return zcs_test_run(tests);
}
