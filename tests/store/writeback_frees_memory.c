/* SPDX-License-Identifier: MIT */
/*
 * A block that is written back frees its memory, to the system where the pool keeps none, takes one
 * slot a page, and reads the same. Other blocks stay.
 */
#include "store_test.h"

static const unsigned orders[] = { 0, 1, 4, 8, 9 };
#define NR_ORDERS (sizeof(orders) / sizeof(orders[0]))

static uint64_t blocks_of(unsigned order)
{
	return order == 9 ? 3 : 5;
}

struct setting {
	struct zcs_pool *pool;
	struct zcs_store *store;
	struct zcs_backup *backup;
	uint64_t blocks, pages;
	unsigned order;
};

static void start(struct setting *s, enum zcs_backing backing, unsigned order, uint32_t flags)
{
	*s = (struct setting){ .blocks = blocks_of(order), .order = order };
	s->pages = s->blocks << order;
	s->pool = zcs_test_pool(backing, 0, 1);
	s->store = store_test_file(16);
	s->backup = zcs_test_backup(s->store, s->pages);
	for (uint64_t i = 0; i < s->blocks; i++)
		store_test_insert(s->backup, s->pool, order + 1, i << order, order, flags);
}

static void all_is_out(struct setting *s)
{
	struct zcs_store_stats st = store_test_stats(s->store);
	struct zcs_backup_stats b = store_test_backup_stats(s->backup);

	zcs_assert_is(st.used_slots, (int64_t)s->pages);
	zcs_assert_is(st.written_blocks, (int64_t)s->blocks);
	zcs_assert_is(st.writes, (int64_t)s->blocks);
	zcs_assert_is(st.written_bytes, (int64_t)(s->pages * ZCS_PAGE_SIZE));
	zcs_assert_is(b.slot_pages, (int64_t)s->pages);
	zcs_assert_is(b.resident_pages, 0);
	zcs_assert_is(zcs_test_stats(s->pool).resident_pages, 0);
	zcs_assert_is(zcs_test_arena_bytes(), 0);
	zcs_assert_ok(zcs_backup_check(s->backup));
	zcs_test_pool_ok(s->pool);
}

static void take_all(struct setting *s)
{
	for (uint64_t i = 0; i < s->blocks; i++)
		store_test_take(s->backup, s->pool, s->order + 1, i << s->order, s->order);
}

static void finish(struct setting *s)
{
	zcs_assert_is(store_test_stats(s->store).used_slots, 0);
	store_test_backup_done(s->backup, s->pool);
	store_test_done(s->store);
	zcs_test_pool_done(s->pool);
}

static void case_70_written_and_waited_for(void **state)
{
	(void)state;
	zcs_test_for_each_backing(backing)
	{
		for (size_t o = 0; o < NR_ORDERS; o++) {
			struct setting s;

			start(&s, backing, orders[o], 0);
			zcs_assert_is(zcs_test_arena_bytes(), (int64_t)(s.pages * ZCS_PAGE_SIZE));
			store_test_writeback(s.backup, 0, s.pages - 1);
			all_is_out(&s);
			zcs_assert_is(zcs_backup_writeback(s.backup, 0, UINT64_MAX, ZCS_WB_WAIT),
				      0);
			take_all(&s);
			finish(&s);
		}
	}
}

static void case_70_written_as_it_is_inserted(void **state)
{
	(void)state;
	zcs_test_for_each_backing(backing)
	{
		for (size_t o = 0; o < NR_ORDERS; o++) {
			struct setting s;

			start(&s, backing, orders[o], ZCS_INSERT_WRITEBACK);
			store_test_idle(s.backup);
			all_is_out(&s);
			take_all(&s);
			finish(&s);
		}
	}
}

static void written_without_waiting(void **state)
{
	struct setting s;

	(void)state;
	start(&s, ZCS_BACKING_SMALL, 4, 0);
	zcs_assert_is(zcs_backup_writeback(s.backup, 0, s.pages - 1, 0), (int64_t)s.pages);
	store_test_idle(s.backup);
	all_is_out(&s);
	take_all(&s);
	finish(&s);
}

static void case_72_what_is_not_written_back_stays(void **state)
{
	struct setting s;

	(void)state;
	start(&s, ZCS_BACKING_SMALL, 4, 0);
	store_test_idle(s.backup);
	zcs_assert_is(store_test_backup_stats(s.backup).resident_pages, (int64_t)s.pages);
	zcs_assert_is(zcs_test_arena_bytes(), (int64_t)(s.pages * ZCS_PAGE_SIZE));
	zcs_assert_is(store_test_stats(s.store).writes, 0);
	zcs_assert_is(store_test_stats(s.store).used_slots, 0);
	take_all(&s);
	finish(&s);
}

/* A pool that keeps free folios keeps these: they are the next ones to be handed out. */
static void a_pool_with_a_cache_keeps_the_memory(void **state)
{
	struct zcs_pool *pool = zcs_test_pool(ZCS_BACKING_SMALL, 0, ZCS_TEST_MIB);
	struct zcs_store *store = store_test_file(4);
	struct zcs_backup *backup = zcs_test_backup(store, 32);

	(void)state;
	store_test_insert(backup, pool, 1, 0, 4, 0);
	store_test_insert(backup, pool, 1, 16, 4, 0);
	store_test_writeback(backup, 0, 31);
	zcs_assert_is(zcs_test_cached(pool, 4), 2);
	zcs_assert_is(zcs_test_arena_bytes(), 32 * ZCS_PAGE_SIZE);
	store_test_take(backup, pool, 1, 0, 4);
	store_test_take(backup, pool, 1, 16, 4);
	zcs_assert_is(zcs_test_counter(pool, ZCS_COUNT_ALLOC_NEW), 2);
	store_test_backup_done(backup, pool);
	store_test_done(store);
	zcs_test_pool_done(pool);
}

/* The kernel's huge page is pinned by the transfers of other pieces while one is given back. */
static void pieces_of_a_split_folio(void **state)
{
	(void)state;
	for (enum zcs_backing backing = ZCS_BACKING_THP; backing <= ZCS_BACKING_SMALL; backing++) {
		struct zcs_pool *pool = zcs_test_pool(backing, 0, 1);
		struct zcs_store *store = store_test_file(4);
		struct zcs_backup *backup = zcs_test_backup(store, 512);
		struct zcs_folio *piece[512];

		zcs_assert_ok(zcs_folio_split(zcs_test_folio(pool, 9), piece));
		for (uint64_t i = 0; i < 512; i++) {
			zcs_test_fill_page(zcs_folio_address(piece[i]), 6, i);
			zcs_assert_is(zcs_backup_insert_folio(backup, piece[i], 0, 0, i),
				      zcs_handle_from_index(i));
		}
		store_test_writeback(backup, 0, 511);
		zcs_assert_is(zcs_test_stats(pool).resident_pages, 0);
		zcs_assert_is(zcs_test_arena_bytes(), 0);
		zcs_assert_is(zcs_test_counter(pool, ZCS_COUNT_PUNCH_FAILED), 0);
		for (uint64_t i = 0; i < 512; i++)
			store_test_copy(backup, 6, i);
		store_test_backup_done(backup, pool);
		store_test_done(store);
		zcs_test_pool_done(pool);
	}
}

static void only_whole_blocks_in_the_range_are_written(void **state)
{
	struct setting s;

	(void)state;
	start(&s, ZCS_BACKING_SMALL, 4, 0);
	zcs_assert_is(zcs_backup_writeback(s.backup, 1, 46, ZCS_WB_WAIT), 16);
	zcs_assert_is(store_test_backup_stats(s.backup).slot_pages, 16);
	zcs_assert_is(zcs_backup_writeback(s.backup, 0, 14, ZCS_WB_WAIT), 0);
	zcs_assert_is(zcs_backup_writeback(s.backup, 64, UINT64_MAX, ZCS_WB_WAIT), 16);
	zcs_assert_is(store_test_stats(s.store).used_slots, 32);
	store_test_writeback(s.backup, 0, 15);
	take_all(&s);
	finish(&s);
}

static void wrong_arguments_change_nothing(void **state)
{
	struct setting s;

	(void)state;
	start(&s, ZCS_BACKING_SMALL, 0, 0);
	zcs_assert_is(zcs_backup_writeback(NULL, 0, 0, 0), -EINVAL);
	zcs_assert_is(zcs_backup_writeback(s.backup, s.pages, s.pages, 0), -EINVAL);
	zcs_assert_is(zcs_backup_writeback(s.backup, 1, 0, 0), -EINVAL);
	zcs_assert_is(zcs_backup_writeback(s.backup, 0, 0, 2), -EINVAL);
	zcs_assert_is(store_test_stats(s.store).writes, 0);
	take_all(&s);
	finish(&s);
}

static void mem_never_writes(void **state)
{
	struct zcs_pool *pool = zcs_test_pool(ZCS_BACKING_SMALL, 0, 1);
	struct zcs_store *store = zcs_test_store();
	struct zcs_backup *backup = zcs_test_backup(store, 16);

	(void)state;
	store_test_insert(backup, pool, 1, 0, 4, ZCS_INSERT_WRITEBACK);
	zcs_assert_is(zcs_backup_writeback(backup, 0, 15, ZCS_WB_WAIT), 0);
	zcs_assert_is(store_test_backup_stats(backup).resident_pages, 16);
	store_test_take(backup, pool, 1, 0, 4);
	store_test_backup_done(backup, pool);
	zcs_test_store_done(store);
	zcs_test_pool_done(pool);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		store_test_both(case_70_written_and_waited_for),
		store_test_both(case_70_written_as_it_is_inserted),
		store_test_both(written_without_waiting),
		store_test(case_72_what_is_not_written_back_stays),
		store_test(a_pool_with_a_cache_keeps_the_memory),
		store_test_both(pieces_of_a_split_folio),
		store_test(only_whole_blocks_in_the_range_are_written),
		store_test(wrong_arguments_change_nothing),
		store_test(mem_never_writes),
	};

	return zcs_test_run(tests);
}
