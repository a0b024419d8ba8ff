/* SPDX-License-Identifier: MIT */
/*
 * Taking blocks back while their writes are queued, or with the I/O thread: the very folios, at
 * once. A queued write is cancelled, any other is abandoned, and its slot is never read.
 */
#include <pthread.h>

#include "store_test.h"

#include "tt/tt.h"

#define NR    3u
#define ORDER 6u

struct setting {
	struct zcs_pool *pool;
	struct zcs_store *store;
	struct zcs_backup *backup;
	struct store_test_hold hold;
	struct zcs_folio *folio[NR];
	uint64_t pfn[NR];
};

static void start(struct setting *s, enum zcs_backing backing, bool flying)
{
	s->pool = zcs_test_pool(backing, 0, 1);
	s->store = store_test_file(8);
	s->backup = zcs_test_backup(s->store, NR << ORDER);
	store_test_hold(s->store, &s->hold);
	for (unsigned i = 0; i < NR; i++) {
		struct zcs_folio *folio = zcs_test_folio(s->pool, ORDER);

		s->pfn[i] = zcs_folio_pfn(folio);
		zcs_test_fill_folio(folio, i);
		zcs_assert_is(zcs_backup_insert_folio(s->backup, folio, ORDER, ZCS_INSERT_WRITEBACK,
						      (uint64_t)i << ORDER),
			      zcs_handle_from_index((uint64_t)i << ORDER));
	}
	store_test_wait_queued(s->store, NR);
	if (flying) {
		store_test_log_start();
		store_test_hold_flying(&s->hold);
		store_test_log_end();
	}
}

static void take_all(struct setting *s)
{
	struct zcs_take vec[NR];

	for (unsigned i = 0; i < NR; i++)
		vec[i].handle = zcs_handle_from_index((uint64_t)i << ORDER);
	zcs_assert_is(zcs_backup_take_folios(s->backup, vec, NR, s->pool), NR);
	for (unsigned i = 0; i < NR; i++) {
		s->folio[i] = vec[i].folio;
		assert_int_equal(zcs_folio_pfn(vec[i].folio), s->pfn[i]);
		assert_true(zcs_test_folio_is(vec[i].folio, i));
	}
	zcs_assert_is(store_test_backup_stats(s->backup).resident_pages, 0);
}

static void finish(struct setting *s)
{
	store_test_backup_done(s->backup, s->pool);
	store_test_done(s->store);
	zcs_test_pool_done(s->pool);
}

static void a_queued_write_is_cancelled(void **state)
{
	(void)state;
	zcs_test_for_each_backing(backing)
	{
		struct setting s;

		start(&s, backing, false);
		take_all(&s);
		zcs_assert_is(store_test_stats(s.store).cancelled, NR);
		zcs_assert_is(store_test_stats(s.store).abandoned, 0);
		zcs_assert_is(store_test_stats(s.store).used_slots, s.hold.nr);
		store_test_let_go(&s.hold);
		for (unsigned i = 0; i < NR; i++) {
			assert_true(zcs_test_folio_is(s.folio[i], i));
			zcs_folio_put(s.folio[i]);
		}
		zcs_assert_is(store_test_stats(s.store).written_blocks, 0);
		finish(&s);
	}
}

/*
 * The owner writes to the pages while the device reads them, and gives them back; only the last
 * bytes count.
 */
static void a_flying_write_is_abandoned(void **state)
{
	(void)state;
	zcs_test_for_each_backing(backing)
	{
		struct setting s;

		start(&s, backing, true);
		take_all(&s);
		zcs_assert_is(store_test_stats(s.store).cancelled, 0);
		zcs_assert_is(store_test_stats(s.store).abandoned, NR);
		for (unsigned i = 0; i < NR; i++) {
			uint64_t index = (uint64_t)i << ORDER;

			zcs_test_fill(zcs_folio_address(s.folio[i]), 100, index, 1u << ORDER);
			zcs_assert_is(zcs_backup_insert_folio(s.backup, s.folio[i], ORDER,
							      ZCS_INSERT_WRITEBACK, index),
				      zcs_handle_from_index(index));
		}
		store_test_let_go(&s.hold);
		store_test_idle(s.backup);
		zcs_assert_is(store_test_stats(s.store).written_blocks, NR);
		zcs_assert_is(store_test_stats(s.store).used_slots, NR << ORDER);
		zcs_assert_is(store_test_stats(s.store).bad_checksums, 0);
		zcs_assert_is(zcs_test_arena_bytes(), 0);
		for (unsigned i = 0; i < NR; i++)
			store_test_take(s.backup, s.pool, 100, (uint64_t)i << ORDER, ORDER);
		finish(&s);
	}
}

struct taker {
	pthread_t thread;
	struct zcs_backup *backup;
	struct zcs_pool *pool;
	struct zcs_take vec[7];
	int64_t taken;
};

static void *taker_main(void *arg)
{
	struct taker *t = arg;

	t->taken = zcs_backup_take_folios(t->backup, t->vec, 7, t->pool);
	return NULL;
}

/*
 * Where the blocks of one vector lie: two flying, one queued, one resident, one same-filled, two in
 * slots.
 */
static const struct {
	uint64_t index;
	unsigned order;
} sorts[7] = { { 4, 2 }, { 20, 1 }, { 22, 1 }, { 24, 0 }, { 16, 2 }, { 0, 2 }, { 8, 3 } };

static void make_sorts(struct zcs_store *store, struct zcs_pool *pool, struct zcs_backup *backup,
		       struct store_test_hold *hold)
{
	store_test_insert(backup, pool, 1, 0, 2, 0);
	store_test_insert(backup, pool, 1, 8, 3, 0);
	store_test_insert_word(backup, pool, 7, 16, 2, 0);
	store_test_writeback(backup, 0, 3);
	store_test_writeback(backup, 8, 19);
	store_test_hold(store, hold);
	store_test_insert(backup, pool, 1, 4, 2, ZCS_INSERT_WRITEBACK);
	store_test_insert(backup, pool, 1, 20, 1, ZCS_INSERT_WRITEBACK);
	store_test_wait_queued(store, 2);
	store_test_log_start();
	store_test_hold_flying(hold);
	store_test_log_end();
	store_test_insert(backup, pool, 1, 22, 1, ZCS_INSERT_WRITEBACK);
	store_test_insert(backup, pool, 1, 24, 0, 0);
	store_test_wait_queued(store, 1);
}

static bool sort_is(unsigned i, struct zcs_folio *folio)
{
	const uint64_t *at = zcs_folio_address(folio);

	if (sorts[i].index != 16)
		return zcs_test_is(at, 1, sorts[i].index, UINT64_C(1) << sorts[i].order);
	for (unsigned w = 0; w < 4 * ZCS_PAGE_SIZE / 8; w++)
		if (at[w] != 7)
			return false;
	return true;
}

static void a_vector_of_every_sort(void **state)
{
	struct zcs_pool *pool = zcs_test_pool(ZCS_BACKING_SMALL, 0, 1);
	struct zcs_store *store = store_test_file(8);
	struct taker t = { .backup = zcs_test_backup(store, 64), .pool = pool };
	struct store_test_hold hold;

	(void)state;
	make_sorts(store, pool, t.backup, &hold);
	for (unsigned i = 0; i < 7; i++)
		t.vec[i].handle = zcs_handle_from_index(sorts[i].index);
	zcs_assert_ok(pthread_create(&t.thread, NULL, taker_main, &t));
	/* the reads are asked for last: the I/O thread may go on when they are there */
	store_test_wait_queued(store, 2);
	zcs_assert_is(store_test_stats(store).abandoned, 2);
	zcs_assert_is(store_test_stats(store).cancelled, 1);
	store_test_let_go(&hold);
	pthread_join(t.thread, NULL);
	zcs_assert_is(t.taken, 7);
	for (unsigned i = 0; i < 7; i++) {
		zcs_assert_is(zcs_folio_order(t.vec[i].folio), sorts[i].order);
		assert_true(sort_is(i, t.vec[i].folio));
		zcs_folio_put(t.vec[i].folio);
	}
	store_test_idle(t.backup);
	store_test_backup_done(t.backup, pool);
	store_test_done(store);
	zcs_test_pool_done(pool);
}

/*
 * More blocks than there are requests: the others wait for one, and do no longer when they are
 * gone.
 */
static void blocks_that_wait_for_a_request(void **state)
{
	struct zcs_pool *pool = zcs_test_pool(ZCS_BACKING_SMALL, 0, 1);
	struct zcs_store *store = store_test_file(8);
	struct zcs_backup *backup = zcs_test_backup(store, 256);
	struct store_test_hold hold;

	(void)state;
	store_test_hold(store, &hold);
	for (uint64_t i = 0; i < 256; i += 2)
		store_test_insert(backup, pool, 1, i, 1, ZCS_INSERT_WRITEBACK);
	store_test_wait_queued(store, 64);
	/* from the end: those that wait, and some that are queued */
	for (uint64_t i = 254; i >= 64; i -= 6) {
		store_test_take(backup, pool, 1, i, 1);
		zcs_backup_drop(backup, zcs_handle_from_index(i - 2), 1);
		zcs_backup_drop(backup, zcs_handle_from_index(i - 4), 0);
		zcs_assert_ok(zcs_backup_check(backup));
	}
	store_test_let_go(&hold);
	store_test_idle(backup);
	zcs_assert_is(store_test_backup_stats(backup).resident_pages +
			      store_test_backup_stats(backup).slot_pages,
		      256 - 32 * 5);
	for (uint64_t i = 0; i < 64; i += 2)
		store_test_copy(backup, 1, i);
	zcs_assert_is(zcs_backup_writeback(backup, 0, 255, ZCS_WB_WAIT) >= 0, true);
	zcs_assert_is(zcs_test_arena_bytes(), 0);
	store_test_backup_done(backup, pool);
	store_test_done(store);
	zcs_test_pool_done(pool);
}

static void a_tt_is_restored_while_it_is_written(void **state)
{
	(void)state;
	zcs_test_for_each_backing(backing)
	{
		struct zcs_pool *pool = zcs_test_pool(backing, 0, 1);
		struct zcs_store *store = store_test_file(16);
		struct store_test_hold hold;
		struct zcs_tt *tt;

		zcs_assert_ok(zcs_tt_create(pool, 1536, ZCS_TT_CONTIGUOUS, &tt));
		zcs_assert_ok(zcs_tt_setup_backup(tt, store));
		zcs_assert_ok(zcs_tt_populate(tt, NULL));
		store_test_fill(tt, 1, 0, 1536);
		store_test_hold(store, &hold);
		zcs_assert_is(zcs_tt_backup(tt, ZCS_BACKUP_WRITEBACK), 1536);
		store_test_wait_queued(store, 3);
		store_test_log_start();
		store_test_hold_flying(&hold);
		store_test_log_end();
		zcs_assert_ok(zcs_tt_restore(tt, NULL));
		zcs_assert_is(store_test_stats(store).abandoned, 3);
		assert_true(store_test_is(tt, 1, 0, 1536));
		store_test_fill(tt, 2, 0, 1536);
		zcs_assert_is(zcs_tt_backup(tt, ZCS_BACKUP_WRITEBACK), 1536);
		store_test_let_go(&hold);
		store_test_idle(tt->backup);
		zcs_assert_is(zcs_test_arena_bytes(), 0);
		zcs_assert_ok(zcs_tt_restore(tt, NULL));
		assert_true(store_test_is(tt, 2, 0, 1536));
		zcs_test_tt_done(tt);
		store_test_done(store);
		zcs_test_pool_done(pool);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		store_test_both(a_queued_write_is_cancelled),
		store_test_uring(a_flying_write_is_abandoned),
		store_test_uring(a_vector_of_every_sort),
		store_test_both(blocks_that_wait_for_a_request),
		store_test_uring(a_tt_is_restored_while_it_is_written),
	};

	return zcs_test_run(tests);
}
