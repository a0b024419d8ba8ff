/* SPDX-License-Identifier: MIT */
/*
 * Same-filled folios: zero, or any word over and over, take neither slot nor I/O, give their memory
 * back and are exact when they return. The table of words holds so many and counts who uses each;
 * what it has no room for is written like anything else.
 */
#include "store_test.h"

#include "store/same.h"
#include "tt/tt.h"

static uint64_t refs(struct zcs_store *store)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < ZCS_SAME_WORDS; i++)
		sum += zcs_local(store)->same->slot[i].refs;
	return sum;
}

static uint64_t words(struct zcs_store *store)
{
	uint64_t nr = 0;

	for (unsigned i = 0; i < ZCS_SAME_WORDS; i++)
		nr += zcs_local(store)->same->slot[i].refs != 0;
	return nr;
}

static bool is_word(const void *addr, size_t bytes, uint64_t word)
{
	const uint64_t *at = addr;

	for (size_t i = 0; i < bytes / sizeof(word); i++)
		if (at[i] != word)
			return false;
	return true;
}

static void take_word(struct zcs_backup *backup, struct zcs_pool *pool, uint64_t word,
		      uint64_t index, unsigned order)
{
	struct zcs_folio *folio = NULL;

	zcs_assert_ok(zcs_backup_take_folio(backup, zcs_handle_from_index(index), pool, &folio));
	zcs_assert_is(zcs_folio_order(folio), order);
	assert_true(is_word(zcs_folio_address(folio), (size_t)ZCS_PAGE_SIZE << order, word));
	zcs_folio_put(folio);
}

static void no_slot_no_transfer_and_no_memory(void **state)
{
	static const uint64_t some[] = { 0, 1, UINT64_MAX, 0xff00000000000000, 0x0123456789abcdef };
	static const unsigned orders[] = { 0, 3, 9 };

	(void)state;
	zcs_test_for_each_backing(backing)
	{
		struct zcs_pool *pool = zcs_test_pool(backing, 0, 1);
		struct zcs_store *store = store_test_file(2);
		struct zcs_backup *backup = zcs_test_backup(store, 15 * 512);

		for (unsigned i = 0; i < 15; i++)
			store_test_insert_word(backup, pool, some[i % 5], i * 512, orders[i / 5],
					       0);
		zcs_assert_is(zcs_backup_writeback(backup, 0, UINT64_MAX, ZCS_WB_WAIT),
			      5 * (1 + 8 + 512));
		zcs_assert_is(store_test_stats(store).same_blocks, 15);
		zcs_assert_is(store_test_stats(store).used_slots, 0);
		zcs_assert_is(store_test_stats(store).writes, 0);
		zcs_assert_is(store_test_backup_stats(backup).same_pages, 5 * (1 + 8 + 512));
		zcs_assert_is(store_test_backup_stats(backup).slot_pages, 0);
		zcs_assert_is(zcs_test_arena_bytes(), 0);
		zcs_assert_ok(zcs_backup_check(backup));
		zcs_assert_is(words(store), 4);
		zcs_assert_is(refs(store), 12);
		for (unsigned i = 0; i < 15; i++)
			take_word(backup, pool, some[i % 5], i * 512, orders[i / 5]);
		zcs_assert_is(store_test_stats(store).reads, 0);
		zcs_assert_is(refs(store), 0);
		store_test_backup_done(backup, pool);
		store_test_done(store);
		zcs_test_pool_done(pool);
	}
}

/* One byte, the first, the last or in the middle, makes it an ordinary folio. */
static void almost_is_not_same(void **state)
{
	static const size_t at[] = { 0, 7, 8, 4095, 4096, 32767 };
	struct zcs_pool *pool = zcs_test_pool(ZCS_BACKING_SMALL, 0, 1);
	struct zcs_store *store = store_test_file(2);
	struct zcs_backup *backup = zcs_test_backup(store, 48);

	(void)state;
	for (unsigned i = 0; i < 6; i++) {
		struct zcs_folio *folio = zcs_test_folio(pool, 3);

		memset(zcs_folio_address(folio), 0x55, 32768);
		((char *)zcs_folio_address(folio))[at[i]] = 0x54;
		zcs_assert_is(zcs_backup_insert_folio(backup, folio, 3, 0, i * 8),
			      zcs_handle_from_index(i * 8));
	}
	store_test_writeback(backup, 0, 47);
	zcs_assert_is(store_test_stats(store).same_blocks, 0);
	zcs_assert_is(store_test_stats(store).used_slots, 48);
	for (unsigned i = 6; i-- > 0;) {
		struct zcs_folio *folio;
		char *bytes;

		zcs_assert_ok(
			zcs_backup_take_folio(backup, zcs_handle_from_index(i * 8), pool, &folio));
		bytes = zcs_folio_address(folio);
		assert_int_equal(bytes[at[i]], 0x54);
		bytes[at[i]] = 0x55;
		assert_true(is_word(bytes, 32768, 0x5555555555555555));
		zcs_folio_put(folio);
	}
	store_test_backup_done(backup, pool);
	store_test_done(store);
	zcs_test_pool_done(pool);
}

#define WORDS 5000u

static uint64_t word_of(unsigned i)
{
	return (uint64_t)(i + 1) * UINT64_C(0x100000001b3);
}

static void more_words_than_the_table_holds(void **state)
{
	struct zcs_pool *pool = zcs_test_pool(ZCS_BACKING_SMALL, 0, 1);
	struct zcs_store *store = store_test_file(32);
	struct zcs_backup *backup = zcs_test_backup(store, WORDS);
	struct zcs_store_stats st;

	(void)state;
	for (unsigned i = 0; i < WORDS; i++)
		store_test_insert_word(backup, pool, word_of(i), i, 0, 0);
	store_test_writeback(backup, 0, WORDS - 1);
	st = store_test_stats(store);
	zcs_assert_is(st.same_blocks + st.written_blocks, WORDS);
	assert_true(st.same_blocks > ZCS_SAME_WORDS / 2 && st.same_blocks < ZCS_SAME_WORDS);
	zcs_assert_is(st.used_slots, (int64_t)st.written_blocks);
	zcs_assert_is(refs(store), (int64_t)st.same_blocks);
	zcs_assert_is(words(store), (int64_t)st.same_blocks);
	for (unsigned i = WORDS; i-- > 0;)
		take_word(backup, pool, word_of(i), i, 0);
	zcs_assert_is(refs(store), 0);
	/* there is room again */
	store_test_insert_word(backup, pool, word_of(WORDS), 0, 0, ZCS_INSERT_WRITEBACK);
	store_test_idle(backup);
	zcs_assert_is(store_test_stats(store).same_blocks, (int64_t)st.same_blocks + 1);
	zcs_assert_is(refs(store), 1);
	store_test_backup_done(backup, pool);
	zcs_assert_is(refs(store), 0);
	store_test_done(store);
	zcs_test_pool_done(pool);
}

static void references_are_exact_after_drops(void **state)
{
	struct zcs_pool *pool = zcs_test_pool(ZCS_BACKING_SMALL, 0, 1);
	struct zcs_store *store = store_test_file(2);
	struct zcs_backup *backup = zcs_test_backup(store, 512),
			  *other = zcs_test_backup(store, 64);

	(void)state;
	for (uint64_t i = 0; i < 512; i += 64)
		store_test_insert_word(backup, pool, 3, i, 6, ZCS_INSERT_WRITEBACK);
	store_test_insert_word(other, pool, 3, 0, 6, ZCS_INSERT_WRITEBACK);
	store_test_idle(backup);
	store_test_idle(other);
	zcs_assert_is(words(store), 1);
	zcs_assert_is(refs(store), 9);
	zcs_backup_drop(backup, zcs_handle_from_index(0), 6);
	zcs_assert_is(refs(store), 8);
	zcs_backup_drop(backup, zcs_handle_from_index(128), 7);
	zcs_assert_is(refs(store), 6);
	/* a part: the rest becomes pages */
	zcs_backup_drop(backup, zcs_handle_from_index(64), 5);
	zcs_assert_is(refs(store), 5 + 32);
	zcs_assert_ok(zcs_backup_check(backup));
	store_test_insert_word(backup, pool, 4, 256, 6, ZCS_INSERT_REPLACE | ZCS_INSERT_WRITEBACK);
	store_test_idle(backup);
	zcs_assert_is(words(store), 2);
	zcs_assert_is(refs(store), 5 + 32);
	store_test_backup_done(backup, pool);
	zcs_assert_is(refs(store), 1);
	store_test_backup_done(other, pool);
	zcs_assert_is(refs(store), 0);
	store_test_done(store);
	zcs_test_pool_done(pool);
}

/* A tt that was never written to is zero: nothing of it is written. */
static void a_whole_tt(void **state)
{
	(void)state;
	zcs_test_for_each_backing(backing)
	{
		struct zcs_pool *pool = zcs_test_pool(backing, 0, 1);
		struct zcs_store *store = store_test_file(2);
		struct zcs_tt *tt;
		char *at;

		zcs_assert_ok(zcs_tt_create(pool, 2048, ZCS_TT_CONTIGUOUS, &tt));
		zcs_assert_ok(zcs_tt_setup_backup(tt, store));
		zcs_assert_ok(zcs_tt_populate(tt, NULL));
		at = zcs_tt_address(tt);
		memset(at + 512 * ZCS_PAGE_SIZE, 'w', 512 * ZCS_PAGE_SIZE);
		for (unsigned i = 0; i < 2; i++) {
			zcs_assert_is(zcs_tt_backup(tt, ZCS_BACKUP_WRITEBACK), 2048);
			store_test_idle(tt->backup);
			zcs_assert_is(zcs_test_arena_bytes(), 0);
			zcs_assert_is(refs(store), 1);
			zcs_assert_ok(zcs_tt_check(tt));
			zcs_assert_ok(zcs_tt_restore(tt, NULL));
			assert_true(zcs_test_is_zero(at, 512 * ZCS_PAGE_SIZE));
			assert_true(is_word(at + 512 * ZCS_PAGE_SIZE, 512 * ZCS_PAGE_SIZE,
					    0x7777777777777777));
			assert_true(
				zcs_test_is_zero(at + 1024 * ZCS_PAGE_SIZE, 1024 * ZCS_PAGE_SIZE));
		}
		zcs_assert_is(store_test_stats(store).writes, 0);
		zcs_assert_is(store_test_stats(store).same_blocks, 8);
		zcs_test_tt_done(tt);
		store_test_done(store);
		zcs_test_pool_done(pool);
	}
}

/* A same-filled block needs no room. */
static void in_a_store_that_is_full(void **state)
{
	struct zcs_pool *pool = zcs_test_pool(ZCS_BACKING_SMALL, 0, 1);
	struct zcs_store *store = store_test_file(2);
	struct zcs_backup *backup = zcs_test_backup(store, 1024);

	(void)state;
	store_test_insert(backup, pool, 1, 0, 9, 0);
	store_test_insert_word(backup, pool, 9, 512, 9, 0);
	store_test_writeback(backup, 0, 511);
	zcs_assert_is(zcs_store_bytes_avail(store), 0);
	store_test_writeback(backup, 512, 1023);
	zcs_assert_is(store_test_stats(store).no_space, 0);
	zcs_assert_is(zcs_test_arena_bytes(), 0);
	store_test_backup_done(backup, pool);
	store_test_done(store);
	zcs_test_pool_done(pool);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		store_test(no_slot_no_transfer_and_no_memory),
		store_test(almost_is_not_same),
		store_test(more_words_than_the_table_holds),
		store_test(references_are_exact_after_drops),
		store_test(a_whole_tt),
		store_test(in_a_store_that_is_full),
	};

	return zcs_test_run(tests);
}
