/* SPDX-License-Identifier: MIT */
/*
 * A backup whose lock is held, as by a take that reads slowly, holds up no other: the store's
 * thread leaves the work with it, and has it back when the lock is given up.
 */
#include "store_test.h"

#include "backup/backup.h"

#define NR 20u

static void fill(struct zcs_backup *backup, struct zcs_pool *pool, uint64_t seed)
{
	for (uint64_t i = 0; i < NR; i++) {
		struct zcs_folio *folio = zcs_test_folio(pool, 0);

		zcs_test_fill_folio(folio, seed + i);
		zcs_assert_is(zcs_backup_insert_folio(backup, folio, 0, 0, i), i + 1);
	}
}

static void a_busy_backup_holds_up_no_other(void **state)
{
	struct zcs_pool *pool = zcs_test_pool(ZCS_BACKING_SMALL, 0, 1);
	struct zcs_store *store = store_test_file(2);
	struct zcs_backup *busy = zcs_test_backup(store, NR), *other = zcs_test_backup(store, NR);
	uint64_t begun;

	(void)state;
	fill(busy, pool, 1);
	fill(other, pool, 100);
	zcs_object_lock(&busy->o);
	zcs_assert_is(store->ops->writeback(&busy->o, 0, NR - 1, &begun), NR);
	zcs_assert_is(begun, NR);
	zcs_assert_is(zcs_backup_writeback(other, 0, NR - 1, ZCS_WB_WAIT), NR);
	zcs_assert_is(busy->o.slot_pages, 0);
	assert_true(busy->o.busy);
	zcs_object_unlock(&busy->o);
	store_test_idle(busy);
	zcs_assert_is(store_test_backup_stats(busy).slot_pages, NR);
	store_test_backup_done(busy, pool);
	store_test_backup_done(other, pool);
	store_test_done(store);
	zcs_test_pool_done(pool);
}

/* A waiter for a transfer gives the lock up as well. */
static void waiting_gives_the_work_back(void **state)
{
	struct zcs_pool *pool = zcs_test_pool(ZCS_BACKING_SMALL, 0, 1);
	struct zcs_store *store = store_test_file(2);
	struct zcs_backup *busy = zcs_test_backup(store, NR), *other = zcs_test_backup(store, NR);
	uint64_t begun;

	(void)state;
	fill(busy, pool, 1);
	fill(other, pool, 100);
	zcs_object_lock(&busy->o);
	store->ops->writeback(&busy->o, 0, NR - 1, &begun);
	zcs_assert_is(zcs_backup_writeback(other, 0, NR - 1, ZCS_WB_WAIT), NR);
	assert_true(busy->o.busy);
	zcs_assert_is(store->ops->wait(&busy->o, 0, NR - 1), NR);
	zcs_object_unlock(&busy->o);
	store_test_backup_done(busy, pool);
	store_test_backup_done(other, pool);
	store_test_done(store);
	zcs_test_pool_done(pool);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		store_test(a_busy_backup_holds_up_no_other),
		store_test(waiting_gives_the_work_back),
	};

	return zcs_test_run(tests);
}
