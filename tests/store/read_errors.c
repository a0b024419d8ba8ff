/* SPDX-License-Identifier: MIT */
/*
 * Reads that fail: an error to the caller, the entry is what it was, and trying again succeeds. In
 * a vector the blocks before the bad one are handed out; those behind it that were read stay
 * resident, clean.
 */
#include "store_test.h"

#include "tt/tt.h"

#define NR    64u
#define ORDER 2u
#define PAGES (NR << ORDER)

struct setting {
	struct zcs_pool *pool;
	struct zcs_store *store;
	struct zcs_backup *backup;
};

static void start(struct setting *s)
{
	s->pool = zcs_test_pool(ZCS_BACKING_SMALL, 0, 1);
	s->store = store_test_file(4);
	s->backup = zcs_test_backup(s->store, PAGES);
	for (uint64_t i = 0; i < NR; i++)
		store_test_insert(s->backup, s->pool, 1, i << ORDER, ORDER, 0);
	store_test_writeback(s->backup, 0, PAGES - 1);
}

static void ok(struct setting *s)
{
	zcs_assert_ok(zcs_backup_check(s->backup));
	zcs_assert_ok(zcs_store_check(s->store));
	zcs_test_pool_ok(s->pool);
}

static void finish(struct setting *s)
{
	store_test_backup_done(s->backup, s->pool);
	store_test_done(s->store);
	zcs_test_pool_done(s->pool);
}

static void of_one_block(void **state)
{
	struct setting s;

	(void)state;
	start(&s);
	zcs_test_fault("read", 0, 0, EIO);
	store_test_log_start();
	for (unsigned i = 0; i < 3; i++) {
		zcs_assert_is(store_test_take_fails(s.backup, s.pool, 5 << ORDER), -EIO);
		zcs_assert_is(zcs_test_stats(s.pool).resident_pages, 0);
		ok(&s);
	}
	store_test_log_end();
	zcs_test_faults_off();
	zcs_assert_is(store_test_stats(s.store).read_errors, 3);
	zcs_assert_is(store_test_stats(s.store).used_slots, PAGES);
	zcs_assert_is(store_test_backup_stats(s.backup).slot_pages, PAGES);
	store_test_take(s.backup, s.pool, 1, 5 << ORDER, ORDER);
	finish(&s);
}

static void of_a_page(void **state)
{
	char page[ZCS_PAGE_SIZE], before[ZCS_PAGE_SIZE];
	struct setting s;

	(void)state;
	start(&s);
	memset(before, 0x77, sizeof(before));
	memset(page, 0x77, sizeof(page));
	zcs_test_fault("read", 0, 1, EIO);
	store_test_log_start();
	zcs_assert_is(zcs_backup_copy_page(s.backup, page, 11, false), -EIO);
	store_test_log_end();
	assert_memory_equal(page, before, sizeof(page));
	zcs_assert_ok(zcs_backup_copy_page(s.backup, page, 11, false));
	assert_true(zcs_test_page_is(page, 1, 10));
	finish(&s);
}

static void vector(struct zcs_take *vec)
{
	for (unsigned i = 0; i < NR; i++)
		vec[i] = (struct zcs_take){ .handle = zcs_handle_from_index(i << ORDER) };
}

static void put_all(struct zcs_take *vec, unsigned from, unsigned to)
{
	for (unsigned i = from; i < to; i++) {
		assert_true(
			zcs_test_is(zcs_folio_address(vec[i].folio), 1, i << ORDER, 1u << ORDER));
		zcs_folio_put(vec[i].folio);
	}
}

/* Reads end in any order: the handed-out blocks tell which one failed. */
static void in_the_middle_of_a_vector(void **state)
{
	struct zcs_take vec[NR];
	struct zcs_store_stats st;
	struct setting s;
	int64_t n;

	(void)state;
	start(&s);
	vector(vec);
	zcs_test_fault("read", NR / 2, 1, EIO);
	store_test_log_start();
	n = zcs_backup_take_folios(s.backup, vec, NR, s.pool);
	store_test_log_end();
	zcs_test_faults_off();
	assert_true((n > 0 && n < NR) || n == -EIO);
	n = n < 0 ? 0 : n;
	ok(&s);
	for (unsigned i = (unsigned)n; i < NR; i++)
		assert_null(vec[i].folio);
	/* the bad one is a slot still, all behind it are resident and keep theirs */
	zcs_assert_is(store_test_backup_stats(s.backup).slot_pages, 1 << ORDER);
	zcs_assert_is(store_test_backup_stats(s.backup).resident_pages, (NR - n - 1) << ORDER);
	zcs_assert_is(store_test_stats(s.store).used_slots, (NR - n) << ORDER);
	put_all(vec, 0, (unsigned)n);
	/* clean: out again without I/O */
	st = store_test_stats(s.store);
	zcs_assert_is(zcs_backup_writeback(s.backup, 0, PAGES - 1, ZCS_WB_WAIT), (NR - n - 1)
											 << ORDER);
	zcs_assert_is(store_test_stats(s.store).writes, (int64_t)st.writes);
	zcs_assert_is(store_test_stats(s.store).clean_blocks, NR - n - 1);
	zcs_assert_is(zcs_test_arena_bytes(), 0);
	zcs_assert_is(zcs_backup_take_folios(s.backup, vec + n, NR - n, s.pool), NR - n);
	put_all(vec, (unsigned)n, NR);
	zcs_assert_is(store_test_stats(s.store).used_slots, 0);
	finish(&s);
}

/* Blocks that the vector read in vain count against the pool, but hinder no caller there. */
static void what_a_vector_read_in_vain_gives_way(void **state)
{
	struct zcs_take vec[NR], four[4];
	struct setting s;
	int64_t n;

	(void)state;
	s.pool = zcs_test_pool(ZCS_BACKING_SMALL, 4 * (ZCS_PAGE_SIZE << ORDER), 1);
	s.store = store_test_file(4);
	s.backup = zcs_test_backup(s.store, PAGES);
	for (uint64_t i = 0; i < NR; i++) {
		store_test_insert(s.backup, s.pool, 1, i << ORDER, ORDER, 0);
		store_test_writeback(s.backup, i << ORDER, ((i + 1) << ORDER) - 1);
	}
	vector(vec);
	zcs_test_fault("read", 0, 1, EIO);
	store_test_log_start();
	n = zcs_backup_take_folios(s.backup, vec, 4, s.pool);
	store_test_log_end();
	zcs_test_faults_off();
	assert_true(n == -EIO || (n > 0 && n < 4));
	n = n < 0 ? 0 : n;
	put_all(vec, 0, (unsigned)n);
	zcs_assert_is(store_test_backup_stats(s.backup).resident_pages, (3 - n) << ORDER);
	memcpy(four, vec + 20, sizeof(four));
	for (unsigned i = 0; i < 4; i++)
		zcs_assert_is(zcs_backup_take_folios(s.backup, &four[i], 1, s.pool), 1);
	zcs_assert_is(store_test_backup_stats(s.backup).resident_pages, 0);
	zcs_assert_is(store_test_take_fails(s.backup, s.pool, 40 << ORDER), -ENOMEM);
	memcpy(vec + 20, four, sizeof(four));
	put_all(vec, 20, 24);
	ok(&s);
	finish(&s);
}

static void of_a_whole_vector(void **state)
{
	struct zcs_take vec[NR];
	struct setting s;

	(void)state;
	start(&s);
	vector(vec);
	zcs_test_fault("read", 0, 0, EIO);
	store_test_log_start();
	zcs_assert_is(zcs_backup_take_folios(s.backup, vec, NR, s.pool), -EIO);
	store_test_log_end();
	zcs_test_faults_off();
	zcs_assert_is(store_test_stats(s.store).read_errors, NR);
	zcs_assert_is(zcs_test_stats(s.pool).resident_pages, 0);
	ok(&s);
	zcs_assert_is(zcs_backup_take_folios(s.backup, vec, NR, s.pool), NR);
	put_all(vec, 0, NR);
	finish(&s);
}

/* Stale and repeated handles in a vector of slots. */
static void of_a_vector_that_names_a_block_twice(void **state)
{
	struct zcs_take vec[3] = { { .handle = 1 }, { .handle = 5 }, { .handle = 1 } };
	struct setting s;

	(void)state;
	start(&s);
	zcs_assert_is(zcs_backup_take_folios(s.backup, vec, 3, s.pool), 2);
	assert_null(vec[2].folio);
	put_all(vec, 0, 2);
	zcs_assert_is(store_test_take_fails(s.backup, s.pool, 0), -ENOENT);
	zcs_assert_is(store_test_take_fails(s.backup, s.pool, 9), -EINVAL);
	ok(&s);
	finish(&s);
}

/*
 * Blocks that came back stay, the others are still out; nothing is mapped too early, nothing is
 * lost.
 */
static void of_a_tt(void **state)
{
	(void)state;
	zcs_test_for_each_backing(backing)
	{
		struct zcs_pool *pool = zcs_test_pool(backing, 0, 1);
		struct zcs_store *store = store_test_file(32);
		struct zcs_tt *tt;
		int err = -EIO;

		zcs_assert_ok(zcs_tt_create(pool, 4096, ZCS_TT_CONTIGUOUS, &tt));
		zcs_assert_ok(zcs_tt_setup_backup(tt, store));
		zcs_assert_ok(zcs_tt_populate(tt, NULL));
		store_test_fill(tt, 1, 0, 4096);
		zcs_assert_is(zcs_tt_backup(tt, ZCS_BACKUP_WRITEBACK), 4096);
		store_test_idle(tt->backup);
		store_test_log_start();
		zcs_test_fault("read", 0, 0, EIO);
		zcs_assert_is(zcs_tt_restore(tt, NULL), -EIO);
		zcs_assert_ok(zcs_tt_check(tt));
		zcs_assert_is(zcs_tt_flags(tt) & ZCS_TT_BACKED_UP, ZCS_TT_BACKED_UP);
		zcs_test_fault_every("read", 3);
		for (unsigned i = 0; err && i < 100; i++) {
			err = zcs_tt_restore(tt, NULL);
			zcs_assert_ok(zcs_tt_check(tt));
			zcs_test_pool_ok(pool);
			assert_true(!err || err == -EIO);
		}
		zcs_test_faults_off();
		store_test_log_end();
		zcs_assert_ok(err);
		assert_true(store_test_is(tt, 1, 0, 4096));
		zcs_test_tt_done(tt);
		store_test_done(store);
		zcs_test_pool_done(pool);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		store_test_both(of_one_block),
		store_test_both(of_a_page),
		store_test_both(in_the_middle_of_a_vector),
		store_test(what_a_vector_read_in_vain_gives_way),
		store_test_both(of_a_whole_vector),
		store_test(of_a_vector_that_names_a_block_twice),
		store_test_both(of_a_tt),
	};

	return zcs_test_run(tests);
}
