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

/* A backup whose lock the case holds while its blocks are to be written, and another one. */
struct setting {
	struct zcs_pool *pool;
	struct zcs_store *store;
	struct zcs_backup *busy, *other;
};

/* The other backup is written although the thread could not have the busy one. */
static void open_all(struct setting *s)
{
	uint64_t begun;

	s->pool = zcs_test_pool(ZCS_BACKING_SMALL, 0, 1);
	s->store = store_test_file(2);
	s->busy = zcs_test_backup(s->store, NR);
	s->other = zcs_test_backup(s->store, NR);
	fill(s->busy, s->pool, 1);
	fill(s->other, s->pool, 100);
	zcs_object_lock(&s->busy->o);
	zcs_assert_is(s->store->ops->writeback(&s->busy->o, 0, NR - 1, &begun), NR);
	zcs_assert_is(begun, NR);
	zcs_assert_is(zcs_backup_writeback(s->other, 0, NR - 1, ZCS_WB_WAIT), NR);
	zcs_assert_is(s->busy->o.slot_pages, 0);
	assert_true(s->busy->o.busy);
}

static void close_all(struct setting *s)
{
	store_test_backup_done(s->busy, s->pool);
	store_test_backup_done(s->other, s->pool);
	store_test_done(s->store);
	zcs_test_pool_done(s->pool);
}

static void a_busy_backup_holds_up_no_other(void **state)
{
	struct setting s;

	(void)state;
	open_all(&s);
	zcs_object_unlock(&s.busy->o);
	store_test_idle(s.busy);
	zcs_assert_is(store_test_backup_stats(s.busy).slot_pages, NR);
	close_all(&s);
}

/* A waiter for a transfer gives the lock up as well. */
static void waiting_gives_the_work_back(void **state)
{
	struct setting s;

	(void)state;
	open_all(&s);
	zcs_assert_is(s.store->ops->wait(&s.busy->o, 0, NR - 1), NR);
	zcs_object_unlock(&s.busy->o);
	close_all(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		store_test(a_busy_backup_holds_up_no_other),
		store_test(waiting_gives_the_work_back),
	};

	return zcs_test_run(tests);
}
