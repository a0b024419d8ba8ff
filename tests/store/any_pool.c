/* SPDX-License-Identifier: MIT */
/*
 * A block that was written back comes into a folio of any pool that the taker names. A resident
 * block is a folio of its own pool, and comes into no other.
 */
#include "store_test.h"

#include "tt/tt.h"

#define ORDER 3u
#define NR    16u
#define PAGES (NR << ORDER)

struct setting {
	struct zcs_pool *pool, *other;
	struct zcs_store *store;
	struct zcs_backup *backup;
};

static void start(struct setting *s, uint64_t other_bytes)
{
	s->pool = zcs_test_pool(ZCS_BACKING_SMALL, 0, 1);
	s->other = zcs_test_pool(ZCS_BACKING_SMALL, other_bytes, 1);
	s->store = store_test_file(4);
	s->backup = zcs_test_backup(s->store, PAGES);
	for (uint64_t i = 0; i < NR; i++)
		store_test_insert(s->backup, s->pool, 1, i << ORDER, ORDER, 0);
}

static void write_back(struct setting *s)
{
	store_test_writeback(s->backup, 0, PAGES - 1);
	zcs_assert_is(zcs_test_stats(s->pool).resident_pages, 0);
}

static void finish(struct setting *s)
{
	zcs_assert_is(zcs_test_stats(s->other).resident_pages, 0);
	store_test_backup_done(s->backup, s->pool);
	store_test_done(s->store);
	zcs_test_pool_done(s->pool);
	zcs_test_pool_done(s->other);
}

static void take_other(struct setting *s, uint64_t block)
{
	store_test_take(s->backup, s->other, 1, block << ORDER, ORDER);
}

static void a_written_block_comes_into_any_pool(void **state)
{
	struct zcs_folio *folio;
	struct setting s;

	(void)state;
	start(&s, 0);
	write_back(&s);
	zcs_assert_ok(zcs_backup_take_folio(s.backup, zcs_handle_from_index(5 << ORDER), s.other,
					    &folio));
	assert_ptr_equal(zcs_folio_pool(folio), s.other);
	zcs_assert_is(zcs_test_stats(s.other).resident_pages, 1 << ORDER);
	zcs_assert_is(zcs_test_stats(s.pool).resident_pages, 0);
	zcs_folio_put(folio);
	zcs_assert_is(store_test_stats(s.store).used_slots, PAGES - (1 << ORDER));
	for (uint64_t i = 0; i < NR; i++)
		if (i != 5)
			take_other(&s, i);
	zcs_assert_is(store_test_stats(s.store).ra_read, 0);
	finish(&s);
}

/* It was never the caller's doing that it is here. */
static void what_was_read_ahead_is_read_again(void **state)
{
	uint64_t resident;
	struct setting s;

	(void)state;
	start(&s, 0);
	write_back(&s);
	for (uint64_t i = 0; i < 4; i++)
		store_test_take(s.backup, s.pool, 1, i << ORDER, ORDER);
	store_test_idle(s.backup);
	resident = store_test_backup_stats(s.backup).resident_pages;
	assert_true(resident > 0);
	for (uint64_t i = 4; i < NR; i++)
		take_other(&s, i);
	zcs_assert_is(store_test_stats(s.store).ra_wasted, resident >> ORDER);
	zcs_assert_is(zcs_test_stats(s.pool).resident_pages, 0);
	finish(&s);
}

static void a_resident_block_stays_in_its_pool(void **state)
{
	struct setting s;

	(void)state;
	start(&s, 0);
	for (uint64_t i = 0; i < NR; i++)
		zcs_assert_is(store_test_take_fails(s.backup, s.other, i << ORDER), -EXDEV);
	zcs_assert_is(zcs_test_stats(s.other).resident_pages, 0);
	for (uint64_t i = 0; i < NR; i++)
		store_test_take(s.backup, s.pool, 1, i << ORDER, ORDER);
	finish(&s);
}

/* The block that had been read is the other pool's memory, and must not become the backup's. */
static void a_vector_that_fails_leaves_nothing_behind(void **state)
{
	struct zcs_take vec[NR];
	struct setting s;
	int64_t n;

	(void)state;
	start(&s, 0);
	write_back(&s);
	for (uint64_t i = 0; i < NR; i++)
		vec[i].handle = zcs_handle_from_index(i << ORDER);
	zcs_test_fault("read", 6, 1, EIO);
	store_test_log_start();
	n = zcs_backup_take_folios(s.backup, vec, NR, s.other);
	store_test_log_end();
	zcs_test_faults_off();
	assert_true(n > 0 && n < (int64_t)NR);
	zcs_assert_is(store_test_backup_stats(s.backup).slot_pages, PAGES - (n << ORDER));
	zcs_assert_is(zcs_test_stats(s.other).resident_pages, n << ORDER);
	zcs_assert_is(zcs_test_stats(s.pool).resident_pages, 0);
	for (int64_t i = 0; i < n; i++)
		zcs_folio_put(vec[i].folio);
	for (uint64_t i = (uint64_t)n; i < NR; i++)
		take_other(&s, i);
	finish(&s);
}

static void a_full_pool_is_refused_and_nothing_changes(void **state)
{
	struct zcs_folio *folio;
	struct setting s;

	(void)state;
	start(&s, (UINT64_C(1) << ORDER) * ZCS_PAGE_SIZE);
	write_back(&s);
	zcs_assert_ok(zcs_folio_alloc(s.other, ORDER, 0, &folio));
	zcs_assert_is(store_test_take_fails(s.backup, s.other, 0), -ENOMEM);
	zcs_assert_is(store_test_backup_stats(s.backup).slot_pages, PAGES);
	zcs_folio_put(folio);
	for (uint64_t i = 0; i < NR; i++)
		take_other(&s, i);
	finish(&s);
}

static void one_word_comes_into_any_pool(void **state)
{
	struct zcs_folio *folio;
	struct setting s;
	uint64_t word;

	(void)state;
	start(&s, 0);
	store_test_take(s.backup, s.pool, 1, 0, ORDER);
	store_test_insert_word(s.backup, s.pool, 0x1234, 0, ORDER, 0);
	write_back(&s);
	zcs_assert_ok(zcs_backup_take_folio(s.backup, zcs_handle_from_index(0), s.other, &folio));
	memcpy(&word, (char *)zcs_folio_address(folio) + ZCS_PAGE_SIZE, sizeof(word));
	zcs_assert_is(word, 0x1234);
	zcs_folio_put(folio);
	finish(&s);
}

static void what_has_a_home_comes_back_to_it(void **state)
{
	struct zcs_pool *pool = zcs_test_pool(ZCS_BACKING_SMALL, 0, 1),
			*other = zcs_test_pool(ZCS_BACKING_SMALL, 0, 1);
	struct zcs_store *store = store_test_file(4);
	struct zcs_tt *tt;

	(void)state;
	zcs_assert_ok(zcs_tt_create(pool, 8, ZCS_TT_CONTIGUOUS, &tt));
	zcs_assert_ok(zcs_tt_setup_backup(tt, store));
	zcs_assert_ok(zcs_tt_populate(tt, NULL));
	store_test_fill(tt, 1, 0, 8);
	zcs_assert_is(zcs_tt_backup(tt, ZCS_BACKUP_WRITEBACK), 8);
	store_test_idle(tt->backup);
	zcs_assert_is(store_test_take_fails(tt->backup, other, 0), -EXDEV);
	zcs_assert_ok(zcs_tt_restore(tt, NULL));
	assert_true(store_test_is(tt, 1, 0, 8));
	zcs_tt_destroy(tt);
	store_test_done(store);
	zcs_test_pool_done(pool);
	zcs_test_pool_done(other);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		store_test_both(a_written_block_comes_into_any_pool),
		store_test_both(what_was_read_ahead_is_read_again),
		store_test(a_resident_block_stays_in_its_pool),
		store_test_both(a_vector_that_fails_leaves_nothing_behind),
		store_test(a_full_pool_is_refused_and_nothing_changes),
		store_test(one_word_comes_into_any_pool),
		store_test(what_has_a_home_comes_back_to_it),
	};

	return zcs_test_run(tests);
}
