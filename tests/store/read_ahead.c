/* SPDX-License-Identifier: MIT */
/*
 * Reading ahead: blocks taken one by one in order are read before they are asked for; in any other
 * order no block is. A block that was read in vain is counted and costs only its memory. It never
 * makes another page leave, and its errors are reported to no caller.
 */
#include <stdatomic.h>
#include <unistd.h>

#include "store_test.h"

#include "tt/tt.h"

#define ORDER  3u
#define NR     32u
#define PAGES  (NR << ORDER)
#define SETTLE 8u /* blocks in a row after which it is at its farthest */

struct setting {
	struct zcs_pool *pool;
	struct zcs_store *store;
	struct zcs_backup *backup;
};

static void start(struct setting *s, uint64_t max_bytes)
{
	s->pool = zcs_test_pool(ZCS_BACKING_SMALL, max_bytes, 1);
	s->store = store_test_file(4);
	s->backup = zcs_test_backup(s->store, PAGES);
	for (uint64_t i = 0; i < NR; i++) {
		store_test_insert(s->backup, s->pool, 1, i << ORDER, ORDER, 0);
		if (max_bytes)
			store_test_writeback(s->backup, i << ORDER, ((i + 1) << ORDER) - 1);
	}
	if (!max_bytes)
		store_test_writeback(s->backup, 0, PAGES - 1);
}

static void finish(struct setting *s)
{
	struct zcs_store_stats st;

	store_test_backup_done(s->backup, s->pool);
	st = store_test_stats(s->store);
	assert_true(st.ra_hits + st.ra_wasted <= st.ra_read);
	store_test_done(s->store);
	zcs_test_pool_done(s->pool);
}

static void take(struct setting *s, uint64_t block)
{
	store_test_take(s->backup, s->pool, 1, block << ORDER, ORDER);
	zcs_assert_ok(zcs_store_check(s->store));
}

static void in_order(void **state)
{
	struct zcs_store_stats st;
	struct setting s;

	(void)state;
	start(&s, 0);
	for (uint64_t i = 0; i < NR; i++) {
		take(&s, i);
		store_test_idle(s.backup);
		zcs_assert_ok(zcs_backup_check(s.backup));
	}
	st = store_test_stats(s.store);
	assert_true(st.ra_read > NR / 2);
	zcs_assert_is(st.ra_hits, (int64_t)st.ra_read);
	zcs_assert_is(st.ra_wasted, 0);
	zcs_assert_is(st.reads, NR);
	zcs_assert_is(st.used_slots, 0);
	finish(&s);
}

/* A take that comes while a block is being read ahead gets that read. */
static void without_a_pause(void **state)
{
	struct setting s;

	(void)state;
	start(&s, 0);
	for (uint64_t i = 0; i < NR; i++)
		take(&s, i);
	store_test_idle(s.backup);
	zcs_assert_is(store_test_stats(s.store).reads, NR);
	assert_true(store_test_stats(s.store).ra_hits > 0);
	finish(&s);
}

/* The first index may be where somebody begins who goes on in order: it comes last here. */
static void in_any_other_order(void **state)
{
	struct setting s;

	(void)state;
	start(&s, 0);
	for (uint64_t i = 1; i <= NR; i++)
		take(&s, i * 13 % NR);
	store_test_idle(s.backup);
	zcs_assert_is(store_test_stats(s.store).ra_read, 0);
	zcs_assert_is(store_test_stats(s.store).reads, NR);
	finish(&s);
}

static void backwards(void **state)
{
	struct setting s;

	(void)state;
	start(&s, 0);
	for (uint64_t i = NR; i-- > 0;)
		take(&s, i);
	store_test_idle(s.backup);
	zcs_assert_is(store_test_stats(s.store).ra_read, 0);
	finish(&s);
}

/* A jump ends it; what was read by then stays until it is taken, written back or dropped. */
static void abandoned(void **state)
{
	struct zcs_store_stats st;
	uint64_t ahead, resident;
	struct setting s;

	(void)state;
	start(&s, 0);
	for (uint64_t i = 0; i < SETTLE; i++)
		take(&s, i);
	store_test_idle(s.backup);
	st = store_test_stats(s.store);
	ahead = st.ra_read - st.ra_hits;
	resident = store_test_backup_stats(s.backup).resident_pages;
	assert_true(ahead > 0);
	zcs_assert_is(resident, (int64_t)(ahead << ORDER));
	take(&s, NR - 1);
	take(&s, NR - 3);
	store_test_idle(s.backup);
	zcs_assert_is(store_test_stats(s.store).ra_read, (int64_t)st.ra_read);
	/* one is dropped, the others go out again: their slots are good */
	zcs_backup_drop(s.backup, zcs_handle_from_index(SETTLE << ORDER), ORDER);
	zcs_assert_is(store_test_stats(s.store).ra_wasted, 1);
	zcs_assert_is(zcs_backup_writeback(s.backup, 0, PAGES - 1, ZCS_WB_WAIT),
		      (int64_t)((ahead - 1) << ORDER));
	zcs_assert_is(store_test_stats(s.store).ra_wasted, (int64_t)ahead);
	zcs_assert_is(store_test_stats(s.store).clean_blocks, (int64_t)(ahead - 1));
	zcs_assert_is(store_test_stats(s.store).writes, NR);
	zcs_assert_is(zcs_test_arena_bytes(), 0);
	finish(&s);
}

/* A block that was read ahead is one block, also when it is dropped page by page. */
static void abandoned_in_parts(void **state)
{
	struct zcs_store_stats st;
	struct setting s;

	(void)state;
	start(&s, 0);
	for (uint64_t i = 0; i < SETTLE; i++)
		take(&s, i);
	store_test_idle(s.backup);
	st = store_test_stats(s.store);
	for (uint64_t i = 0; i < 1u << ORDER; i++)
		zcs_backup_drop(s.backup, zcs_handle_from_index((SETTLE << ORDER) + i), 0);
	zcs_assert_is(store_test_stats(s.store).ra_wasted, 1);
	zcs_assert_is(store_test_stats(s.store).ra_hits, (int64_t)st.ra_hits);
	finish(&s);
}

/*
 * Takes blocks in a row until some are being read ahead, and their reads wait behind the held
 * request.
 */
static uint64_t ahead_and_held(struct setting *s, struct store_test_hold *hold)
{
	uint64_t reads;

	for (uint64_t i = 0; i < SETTLE; i++)
		take(s, i);
	store_test_idle(s->backup);
	reads = store_test_stats(s->store).ra_read;
	store_test_hold(s->store, hold);
	take(s, SETTLE);
	store_test_wait_queued(s->store, 1);
	zcs_assert_is(store_test_stats(s->store).ra_read, (int64_t)reads);
	return SETTLE + 8;
}

static void dropped_while_it_is_read(void **state)
{
	struct store_test_hold hold;
	struct setting s;
	uint64_t block;

	(void)state;
	start(&s, 0);
	block = ahead_and_held(&s, &hold);
	zcs_backup_drop(s.backup, zcs_handle_from_index(block << ORDER), ORDER);
	zcs_assert_ok(zcs_backup_check(s.backup));
	store_test_let_go(&hold);
	store_test_idle(s.backup);
	zcs_assert_is(store_test_stats(s.store).used_slots, (NR - SETTLE - 2) << ORDER);
	store_test_insert(s.backup, s.pool, 2, block << ORDER, ORDER, 0);
	store_test_copy(s.backup, 2, block << ORDER);
	finish(&s);
}

struct helper {
	pthread_t thread;
	struct setting *s;
	uint64_t block;
	struct zcs_folio *folio;
	int64_t result;
	atomic_bool over;
};

static void *take_thread(void *arg)
{
	struct helper *h = arg;

	h->result = zcs_backup_take_folio(h->s->backup, zcs_handle_from_index(h->block << ORDER),
					  h->s->pool, &h->folio);
	return NULL;
}

static void *replace_thread(void *arg)
{
	struct helper *h = arg;

	h->result = zcs_backup_insert_folio(h->s->backup, h->folio, 0, ZCS_INSERT_REPLACE,
					    (h->block << ORDER) + 2);
	return NULL;
}

static void taken_while_it_is_read(void **state)
{
	struct store_test_hold hold;
	struct setting s;
	struct helper h = { .s = &s };

	(void)state;
	start(&s, 0);
	h.block = ahead_and_held(&s, &hold);
	store_test_copy(s.backup, 1, (h.block << ORDER) + 3);
	zcs_assert_ok(pthread_create(&h.thread, NULL, take_thread, &h));
	usleep(20000);
	store_test_let_go(&hold);
	pthread_join(h.thread, NULL);
	zcs_assert_is(h.result, 0);
	assert_true(zcs_test_is(zcs_folio_address(h.folio), 1, h.block << ORDER, 1u << ORDER));
	zcs_folio_put(h.folio);
	store_test_idle(s.backup);
	/* and one for the copy */
	zcs_assert_is(store_test_stats(s.store).reads, (int64_t)(h.block + 2));
	finish(&s);
}

static void *take_and_tell(void *arg)
{
	struct helper *h = arg;

	take_thread(h);
	h->over = true;
	return NULL;
}

/*
 * Whether the block is read by its taker's own thread: the device's are held, and nothing is queued
 * for them.
 */
static bool is_read_by_its_taker(struct setting *s, uint64_t block)
{
	struct helper h = { .s = s, .block = block };
	struct store_test_hold hold;
	struct zcs_swap_stats st;
	bool over;

	store_test_hold(s->store, &hold);
	zcs_assert_ok(pthread_create(&h.thread, NULL, take_and_tell, &h));
	do {
		usleep(1000);
		over = h.over;
		zcs_swap_stats(zcs_local(s->store)->swap, &st);
	} while (!over && !st.queued);
	store_test_let_go(&hold);
	pthread_join(h.thread, NULL);
	zcs_assert_is(h.result, 0);
	zcs_folio_put(h.folio);
	return over;
}

/* Two threads' waking is spared where there is nothing that might be read ahead. */
static void with_nothing_behind_it(void **state)
{
	struct setting s;

	(void)state;
	start(&s, 0);
	assert_false(is_read_by_its_taker(&s, 0));
	store_test_idle(s.backup);
	/* the end of the backup, in order */
	zcs_backup_drop(s.backup, zcs_handle_from_index(1 << ORDER), ORDER);
	take(&s, NR - 2);
	s.backup->o.local.ra_next = (NR - 1) << ORDER;
	assert_true(is_read_by_its_taker(&s, NR - 1));
	/* and the last that is left, at the first index */
	zcs_backup_drop(s.backup, zcs_handle_from_index(0), 8);
	store_test_insert(s.backup, s.pool, 1, 0, ORDER, 0);
	store_test_insert(s.backup, s.pool, 1, 1 << ORDER, ORDER, 0);
	store_test_writeback(s.backup, 0, (1 << ORDER) - 1);
	assert_true(is_read_by_its_taker(&s, 0));
	finish(&s);
}

/* A page is put in the middle of a block that is just being read. */
static void replaced_in_part_while_it_is_read(void **state)
{
	struct store_test_hold hold;
	struct setting s;
	struct helper h = { .s = &s };

	(void)state;
	start(&s, 0);
	h.block = ahead_and_held(&s, &hold);
	h.folio = zcs_test_folio(s.pool, 0);
	zcs_test_fill_page(zcs_folio_address(h.folio), 7, 2);
	store_test_log_start();
	zcs_assert_ok(pthread_create(&h.thread, NULL, replace_thread, &h));
	usleep(20000);
	store_test_let_go(&hold);
	pthread_join(h.thread, NULL);
	store_test_log_end();
	store_test_idle(s.backup);
	zcs_assert_is(h.result, zcs_handle_from_index((h.block << ORDER) + 2));
	zcs_assert_ok(zcs_backup_check(s.backup));
	zcs_assert_ok(zcs_store_check(s.store));
	zcs_test_pool_ok(s.pool);
	for (uint64_t i = 0; i < 1u << ORDER; i++)
		if (i != 2)
			store_test_copy(s.backup, 1, (h.block << ORDER) + i);
	finish(&s);
}

/* A pool that is full keeps what it has: no cached folio leaves and nobody is asked to. */
static void within_the_limit(void **state)
{
	struct zcs_folio *mine;
	struct setting s;

	(void)state;
	/* room for two blocks, one of which is the caller's */
	start(&s, 2 * (ZCS_PAGE_SIZE << ORDER));
	mine = zcs_test_folio(s.pool, ORDER);
	for (uint64_t i = 0; i < NR; i++) {
		take(&s, i);
		store_test_idle(s.backup);
		assert_true(zcs_test_stats(s.pool).resident_pages <= 2u << ORDER);
		zcs_test_pool_ok(s.pool);
	}
	zcs_assert_is(zcs_test_counter(s.pool, ZCS_COUNT_SYSTEM_REFUSED), 0);
	zcs_assert_is(store_test_stats(s.store).ra_hits,
		      (int64_t)store_test_stats(s.store).ra_read);
	zcs_folio_put(mine);
	finish(&s);
}

/* Cached pages of another order fill the pool: they stay, and nothing counts as refused. */
static void no_cached_folio_leaves(void **state)
{
	struct zcs_folio *page[2u << ORDER], *taken;
	struct setting s;

	(void)state;
	s.pool = zcs_test_pool(ZCS_BACKING_SMALL, 3 * (ZCS_PAGE_SIZE << ORDER),
			       3 * (ZCS_PAGE_SIZE << ORDER));
	s.store = store_test_file(4);
	s.backup = zcs_test_backup(s.store, PAGES);
	for (uint64_t i = 0; i < NR; i++) {
		store_test_insert(s.backup, s.pool, 1, i << ORDER, ORDER, 0);
		store_test_writeback(s.backup, i << ORDER, ((i + 1) << ORDER) - 1);
	}
	for (unsigned i = 0; i < 2u << ORDER; i++)
		page[i] = zcs_test_folio(s.pool, 0);
	for (unsigned i = 0; i < 2u << ORDER; i++)
		zcs_folio_put(page[i]);
	zcs_assert_is(zcs_test_stats(s.pool).resident_pages, 3u << ORDER);
	/* into the folio that the last block left */
	zcs_assert_ok(zcs_backup_take_folio(s.backup, zcs_handle_from_index(0), s.pool, &taken));
	store_test_idle(s.backup);
	zcs_assert_is(store_test_stats(s.store).ra_read, 0);
	zcs_assert_is(zcs_test_cached(s.pool, 0), 2u << ORDER);
	zcs_assert_is(zcs_test_counter(s.pool, ZCS_COUNT_SHRUNK), 0);
	zcs_assert_is(zcs_test_counter(s.pool, ZCS_COUNT_LIMIT_HIT), 0);
	zcs_assert_is(zcs_test_counter(s.pool, ZCS_COUNT_LIMIT_REFUSED), 0);
	zcs_folio_put(taken);
	finish(&s);
}

/* Hugetlb pages that evictions hold back are for threads that wait for one. */
static void nothing_put_by_is_used(void **state)
{
	struct zcs_reserve *reserve;
	struct zcs_store *store;
	struct zcs_pool *pool;
	struct zcs_tt *tt;
	unsigned held;

	(void)state;
	if (!zcs_test_backing_works(ZCS_BACKING_HUGETLB))
		zcs_test_skip_case("no free hugetlb pages");
	pool = zcs_test_pool(ZCS_BACKING_HUGETLB, 0, 1);
	store = store_test_file(32);
	zcs_assert_ok(zcs_tt_create(pool, 8 * 512, ZCS_TT_CONTIGUOUS, &tt));
	zcs_assert_ok(zcs_tt_setup_backup(tt, store));
	zcs_assert_ok(zcs_tt_populate(tt, NULL));
	store_test_fill(tt, 1, 0, 8 * 512);
	zcs_assert_is(zcs_tt_backup(tt, ZCS_BACKUP_WRITEBACK), 8 * 512);
	store_test_idle(tt->backup);
	reserve = &tt->home.arena->reserve;
	held = reserve->held;
	assert_true(held > 0);
	/* the taken block gets a page of the system's; no page is left for the one behind it */
	zcs_test_fault("fallocate", 1, 1, ENOSPC);
	zcs_assert_ok(zcs_tt_restore_range(tt, 0, 512, NULL));
	zcs_assert_is(zcs_test_fault_failed("fallocate"), 1);
	zcs_test_faults_off();
	store_test_idle(tt->backup);
	zcs_assert_is(reserve->held, held);
	zcs_assert_is(store_test_stats(store).ra_read, 0);
	zcs_assert_is(zcs_test_counter(pool, ZCS_COUNT_SYSTEM_REFUSED), 0);
	zcs_assert_ok(zcs_tt_restore(tt, NULL));
	assert_true(store_test_is(tt, 1, 0, 8 * 512));
	zcs_test_tt_done(tt);
	store_test_done(store);
	zcs_test_pool_done(pool);
}

static void an_error_is_nobodys(void **state)
{
	struct setting s;
	uint64_t read;

	(void)state;
	start(&s, 0);
	for (uint64_t i = 0; i < SETTLE; i++)
		take(&s, i);
	store_test_idle(s.backup);
	read = store_test_stats(s.store).ra_read;
	/* all that is asked for now is read ahead */
	zcs_test_fault("read", 0, 0, EIO);
	store_test_log_start();
	for (uint64_t i = SETTLE; i < SETTLE + 4; i++) {
		take(&s, i);
		store_test_idle(s.backup);
	}
	store_test_log_end();
	assert_true(store_test_stats(s.store).read_errors > 0);
	zcs_assert_is(store_test_stats(s.store).ra_read, (int64_t)read);
	zcs_test_faults_off();
	for (uint64_t i = SETTLE + 4; i < NR; i++)
		take(&s, i);
	store_test_idle(s.backup);
	zcs_assert_is(store_test_stats(s.store).used_slots, 0);
	finish(&s);
}

static void no_memory_is_nobodys(void **state)
{
	struct setting s;

	(void)state;
	start(&s, 0);
	for (uint64_t i = 0; i < SETTLE; i++)
		take(&s, i);
	store_test_idle(s.backup);
	zcs_test_fault("folio_alloc", 0, 0, 0);
	take(&s, SETTLE);
	zcs_test_faults_off();
	store_test_idle(s.backup);
	for (uint64_t i = SETTLE + 1; i < NR; i++)
		take(&s, i);
	finish(&s);
}

/* By the ranges of a tt, as a device restores it touch by touch; read-ahead goes to its home. */
static void in_a_contiguous_tt(void **state)
{
	(void)state;
	zcs_test_for_each_backing(backing)
	{
		struct zcs_pool *pool = zcs_test_pool(backing, 0, 1);
		struct zcs_store *store = store_test_file(32);
		struct zcs_tt *tt;

		zcs_assert_ok(zcs_tt_create(pool, 8 * 512, ZCS_TT_CONTIGUOUS, &tt));
		zcs_assert_ok(zcs_tt_setup_backup(tt, store));
		zcs_assert_ok(zcs_tt_populate(tt, NULL));
		store_test_fill(tt, 1, 0, 8 * 512);
		zcs_assert_is(zcs_tt_backup(tt, ZCS_BACKUP_WRITEBACK), 8 * 512);
		store_test_idle(tt->backup);
		for (uint64_t i = 0; i < 6 * 512; i += 512) {
			zcs_assert_ok(zcs_tt_restore_range(tt, i, 512, NULL));
			assert_true(store_test_is(tt, 1, i, 512));
			store_test_idle(tt->backup);
			zcs_assert_ok(zcs_tt_check(tt));
			zcs_test_pool_ok(pool);
		}
		assert_true(store_test_stats(store).ra_hits > 0);
		assert_true(zcs_test_stats(pool).inserted_pages > 0);
		/* out it goes again, the read-ahead block as well */
		zcs_assert_is(zcs_tt_backup(tt, ZCS_BACKUP_WRITEBACK), 6 * 512);
		zcs_backup_writeback(tt->backup, 0, UINT64_MAX, ZCS_WB_WAIT);
		zcs_assert_is(zcs_test_arena_bytes(), 0);
		zcs_assert_ok(zcs_tt_restore(tt, NULL));
		assert_true(store_test_is(tt, 1, 0, 8 * 512));
		zcs_test_tt_done(tt);
		store_test_done(store);
		zcs_test_pool_done(pool);
	}
}

static void a_tt_is_destroyed_while_it_is_read(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 8; i++) {
		struct zcs_pool *pool = zcs_test_pool(ZCS_BACKING_THP, 0, 1);
		struct zcs_store *store = store_test_file(32);
		struct zcs_tt *tt;

		zcs_assert_ok(zcs_tt_create(pool, 8 * 512, ZCS_TT_CONTIGUOUS, &tt));
		zcs_assert_ok(zcs_tt_setup_backup(tt, store));
		zcs_assert_ok(zcs_tt_populate(tt, NULL));
		store_test_fill(tt, 1, 0, 8 * 512);
		zcs_assert_is(zcs_tt_backup(tt, ZCS_BACKUP_WRITEBACK), 8 * 512);
		store_test_idle(tt->backup);
		for (uint64_t b = 0; b < 4 + i % 3; b++)
			zcs_assert_ok(zcs_tt_restore_range(tt, b * 512, 512, NULL));
		if (i % 2)
			zcs_assert_is(zcs_tt_backup(tt, ZCS_BACKUP_PURGE), 8 * 512);
		zcs_tt_destroy(tt);
		zcs_test_pool_is_idle(pool);
		zcs_assert_is(zcs_test_arena_bytes(), 0);
		store_test_done(store);
		zcs_test_pool_done(pool);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		store_test_both(in_order),
		store_test_both(without_a_pause),
		store_test(in_any_other_order),
		store_test(backwards),
		store_test(abandoned),
		store_test(abandoned_in_parts),
		store_test(dropped_while_it_is_read),
		store_test_both(taken_while_it_is_read),
		store_test_both(with_nothing_behind_it),
		store_test(replaced_in_part_while_it_is_read),
		store_test(within_the_limit),
		store_test(no_cached_folio_leaves),
		store_test(nothing_put_by_is_used),
		store_test_both(an_error_is_nobodys),
		store_test(no_memory_is_nobodys),
		store_test(in_a_contiguous_tt),
		store_test(a_tt_is_destroyed_while_it_is_read),
	};

	return zcs_test_run(tests);
}
