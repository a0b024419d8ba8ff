/* SPDX-License-Identifier: MIT */
/*
 * No memory for what comes back: the take changes nothing and succeeds when there is some; writing
 * back, which frees memory, needs none.
 */
#include "store_test.h"

#include "tt/tt.h"

#define BLOCK ((uint64_t)512 * ZCS_PAGE_SIZE)

static void a_take_at_the_limit(void **state)
{
	(void)state;
	zcs_test_for_each_backing(backing)
	{
		struct zcs_pool *pool = zcs_test_pool(backing, 2 * BLOCK, 1);
		struct zcs_store *store = store_test_file(8);
		struct zcs_backup *backup = zcs_test_backup(store, 1536);
		struct zcs_folio *mine[2];

		store_test_insert(backup, pool, 1, 0, 9, 0);
		store_test_insert(backup, pool, 1, 512, 9, 0);
		store_test_writeback(backup, 0, 1023);
		mine[0] = zcs_test_folio(pool, 9);
		mine[1] = zcs_test_folio(pool, 9);
		for (unsigned i = 0; i < 3; i++) {
			zcs_assert_is(store_test_take_fails(backup, pool, 512), -ENOMEM);
			zcs_assert_is(store_test_backup_stats(backup).slot_pages, 1024);
			zcs_assert_is(store_test_stats(store).used_slots, 1024);
			zcs_assert_ok(zcs_backup_check(backup));
			zcs_test_pool_ok(pool);
		}
		/* a page can be copied nevertheless */
		store_test_copy(backup, 1, 700);
		zcs_folio_put(mine[0]);
		store_test_take(backup, pool, 1, 512, 9);
		store_test_take(backup, pool, 1, 0, 9);
		zcs_folio_put(mine[1]);
		store_test_backup_done(backup, pool);
		store_test_done(store);
		zcs_test_pool_done(pool);
	}
}

/* The blocks there was memory for are handed out. */
static void a_vector_at_the_limit(void **state)
{
	struct zcs_pool *pool = zcs_test_pool(ZCS_BACKING_SMALL, 20 * ZCS_PAGE_SIZE, 1);
	struct zcs_store *store = store_test_file(2);
	struct zcs_backup *backup = zcs_test_backup(store, 40);
	struct zcs_take vec[10];

	(void)state;
	for (uint64_t i = 0; i < 10; i++) {
		store_test_insert(backup, pool, 1, i * 4, 2, 0);
		store_test_writeback(backup, i * 4, i * 4 + 3);
		vec[i].handle = zcs_handle_from_index(i * 4);
	}
	zcs_assert_is(zcs_backup_take_folios(backup, vec, 10, pool), 5);
	zcs_assert_is(store_test_backup_stats(backup).slot_pages, 20);
	zcs_assert_ok(zcs_backup_check(backup));
	for (unsigned i = 0; i < 10; i++) {
		if (i >= 5) {
			assert_null(vec[i].folio);
			continue;
		}
		assert_true(zcs_test_is(zcs_folio_address(vec[i].folio), 1, i * 4, 4));
		zcs_folio_put(vec[i].folio);
	}
	zcs_assert_is(zcs_backup_take_folios(backup, vec + 5, 5, pool), 5);
	for (unsigned i = 5; i < 10; i++) {
		assert_true(zcs_test_is(zcs_folio_address(vec[i].folio), 1, i * 4, 4));
		zcs_folio_put(vec[i].folio);
	}
	store_test_backup_done(backup, pool);
	store_test_done(store);
	zcs_test_pool_done(pool);
}

static void a_same_filled_take_at_the_limit(void **state)
{
	struct zcs_pool *pool = zcs_test_pool(ZCS_BACKING_SMALL, 4 * ZCS_PAGE_SIZE, 1);
	struct zcs_store *store = store_test_file(2);
	struct zcs_backup *backup = zcs_test_backup(store, 4);
	struct zcs_folio *mine, *folio;

	(void)state;
	store_test_insert_word(backup, pool, 5, 0, 2, ZCS_INSERT_WRITEBACK);
	store_test_idle(backup);
	mine = zcs_test_folio(pool, 0);
	zcs_assert_is(store_test_take_fails(backup, pool, 0), -ENOMEM);
	zcs_assert_is(store_test_backup_stats(backup).same_pages, 4);
	zcs_folio_put(mine);
	zcs_assert_ok(zcs_backup_take_folio(backup, 1, pool, &folio));
	assert_int_equal(((uint64_t *)zcs_folio_address(folio))[2000], 5);
	zcs_folio_put(folio);
	store_test_backup_done(backup, pool);
	store_test_done(store);
	zcs_test_pool_done(pool);
}

/* Two tts that do not fit into memory together take turns. */
static void two_tts_take_turns(void **state)
{
	(void)state;
	zcs_test_for_each_backing(backing)
	{
		struct zcs_pool *pool = zcs_test_pool(backing, 3 * BLOCK, 1);
		struct zcs_store *store = store_test_file(16);
		struct zcs_tt *tt[2];

		for (unsigned i = 0; i < 2; i++) {
			zcs_assert_ok(zcs_tt_create(pool, 1024, ZCS_TT_CONTIGUOUS, &tt[i]));
			zcs_assert_ok(zcs_tt_setup_backup(tt[i], store));
			zcs_assert_ok(zcs_tt_populate(tt[i], NULL));
			store_test_fill(tt[i], i + 1, 0, 1024);
			zcs_assert_is(zcs_tt_backup(tt[i], ZCS_BACKUP_WRITEBACK), 1024);
			store_test_idle(tt[i]->backup);
		}
		for (unsigned i = 0; i < 4; i++) {
			struct zcs_tt *in = tt[i % 2], *out = tt[1 - i % 2];

			zcs_assert_ok(zcs_tt_restore(in, NULL));
			/* half of it: that half stays */
			zcs_assert_is(zcs_tt_restore(out, NULL), -ENOMEM);
			zcs_assert_ok(zcs_tt_check(out));
			zcs_test_pool_ok(pool);
			assert_true(store_test_is(out, 2 - i % 2, 0, 512));
			assert_true(store_test_is(in, i % 2 + 1, 0, 1024));
			zcs_assert_is(zcs_tt_backup(in, ZCS_BACKUP_WRITEBACK), 1024);
			zcs_assert_is(zcs_tt_backup(out, ZCS_BACKUP_WRITEBACK), 512);
			store_test_idle(in->backup);
			store_test_idle(out->backup);
			zcs_assert_is(zcs_test_arena_bytes(), 0);
		}
		zcs_test_tt_done(tt[0]);
		zcs_test_tt_done(tt[1]);
		store_test_done(store);
		zcs_test_pool_done(pool);
	}
}

/* Going out allocates nothing of the pool's and nothing of the heap's. */
static void writing_back_needs_none(void **state)
{
	struct zcs_pool *pool = zcs_test_pool(ZCS_BACKING_SMALL, 16 * ZCS_PAGE_SIZE, 1);
	struct zcs_store *store = store_test_file(2);
	struct zcs_backup *backup = zcs_test_backup(store, 16);

	(void)state;
	for (uint64_t i = 0; i < 16; i += 4)
		store_test_insert(backup, pool, 1, i, 2, 0);
	zcs_test_fault("folio_alloc", 0, 0, 0);
	zcs_test_fault("alloc_index_node", 0, 0, 0);
	zcs_test_fault("alloc_backup", 0, 0, 0);
	zcs_test_fault("alloc_store", 0, 0, 0);
	zcs_test_fault("alloc_swap", 0, 0, 0);
	zcs_test_fault("mmap", 0, 0, 0);
	store_test_writeback(backup, 0, 15);
	zcs_test_faults_off();
	zcs_assert_is(zcs_test_arena_bytes(), 0);
	for (uint64_t i = 16; i > 0; i -= 4)
		store_test_take(backup, pool, 1, i - 4, 2);
	store_test_backup_done(backup, pool);
	store_test_done(store);
	zcs_test_pool_done(pool);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		store_test_both(a_take_at_the_limit),	     store_test(a_vector_at_the_limit),
		store_test(a_same_filled_take_at_the_limit), store_test(two_tts_take_turns),
		store_test(writing_back_needs_none),
	};

	return zcs_test_run(tests);
}
