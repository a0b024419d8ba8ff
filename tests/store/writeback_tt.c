/* SPDX-License-Identifier: MIT */
/*
 * Tts that go to a store on a file and come back: every shape, by pages and by address; and what
 * case 70 to 76 ask of ttm_tt_backup().
 */
#include "store_test.h"

#include "tt/tt.h"

static const uint64_t sizes[] = { 1, 7, 512, 515, 1283 };
#define NR_SIZES (sizeof(sizes) / sizeof(sizes[0]))

struct setting {
	struct zcs_pool *pool;
	struct zcs_store *store;
	struct zcs_tt *tt;
	uint64_t nr;
};

static void fill(struct setting *s, uint64_t seed)
{
	for (uint64_t i = 0; i < s->nr; i++)
		zcs_test_fill_page(zcs_tt_page_address(s->tt, i), seed, i);
}

static bool is(struct setting *s, uint64_t seed)
{
	if (zcs_tt_address(s->tt) && !store_test_is(s->tt, seed, 0, s->nr))
		return false;
	for (uint64_t i = 0; i < s->nr; i++)
		if (!zcs_test_page_is(zcs_tt_page_address(s->tt, i), seed, i))
			return false;
	return true;
}

static void start(struct setting *s, enum zcs_backing backing, uint64_t nr, uint32_t flags)
{
	*s = (struct setting){ .nr = nr };
	s->pool = zcs_test_pool(backing, 0, 1);
	s->store = store_test_file(16);
	zcs_assert_ok(zcs_tt_create(s->pool, nr, flags, &s->tt));
	zcs_assert_ok(zcs_tt_setup_backup(s->tt, s->store));
	zcs_assert_ok(zcs_tt_populate(s->tt, NULL));
	fill(s, nr);
}

static void finish(struct setting *s)
{
	zcs_test_tt_done(s->tt);
	zcs_test_pool_is_idle(s->pool);
	zcs_assert_is(zcs_test_arena_bytes(), 0);
	store_test_done(s->store);
	zcs_test_pool_done(s->pool);
}

static void ok(struct setting *s)
{
	zcs_assert_ok(zcs_tt_check(s->tt));
	zcs_assert_ok(zcs_store_check(s->store));
	zcs_test_pool_ok(s->pool);
}

static void out_and_back(struct setting *s)
{
	zcs_assert_is(zcs_tt_backup(s->tt, ZCS_BACKUP_WRITEBACK), (int64_t)s->nr);
	store_test_idle(s->tt->backup);
	zcs_assert_is(store_test_stats(s->store).used_slots, (int64_t)s->nr);
	zcs_assert_is(zcs_test_stats(s->pool).resident_pages, 0);
	zcs_assert_is(zcs_test_arena_bytes(), 0);
	ok(s);
	zcs_assert_ok(zcs_tt_restore(s->tt, NULL));
	zcs_assert_is(zcs_test_stats(s->pool).active_pages, (int64_t)s->nr);
	ok(s);
}

static void case_70_every_shape_comes_back(void **state)
{
	static const uint32_t shapes[] = { 0, ZCS_TT_CONTIGUOUS };

	(void)state;
	zcs_test_for_each_backing(backing)
	{
		for (size_t i = 0; i < 2 * NR_SIZES; i++) {
			struct setting s;

			start(&s, backing, sizes[i / 2], shapes[i % 2]);
			out_and_back(&s);
			assert_true(is(&s, s.nr));
			fill(&s, s.nr + 1);
			out_and_back(&s);
			assert_true(is(&s, s.nr + 1));
			finish(&s);
		}
	}
}

/* Content that is out is dropped with the tt. */
static void destroyed_while_it_is_out(void **state)
{
	struct setting s;

	(void)state;
	start(&s, ZCS_BACKING_THP, 1283, ZCS_TT_CONTIGUOUS);
	zcs_assert_is(zcs_tt_backup(s.tt, ZCS_BACKUP_WRITEBACK), 1283);
	store_test_idle(s.tt->backup);
	zcs_assert_is(store_test_stats(s.store).used_slots, 1283);
	finish(&s);
}

static void purged_and_dropped_while_it_is_out(void **state)
{
	(void)state;
	for (int purge = 0; purge < 2; purge++) {
		struct setting s;

		start(&s, ZCS_BACKING_SMALL, 515, ZCS_TT_CONTIGUOUS);
		zcs_assert_is(zcs_tt_backup(s.tt, ZCS_BACKUP_WRITEBACK), 515);
		store_test_idle(s.tt->backup);
		if (purge)
			zcs_assert_is(zcs_tt_backup(s.tt, ZCS_BACKUP_PURGE), 515);
		else
			zcs_assert_ok(zcs_tt_drop_backup(s.tt));
		zcs_assert_is(store_test_stats(s.store).used_slots, 0);
		ok(&s);
		if (purge)
			zcs_assert_ok(zcs_tt_restore(s.tt, NULL));
		else
			zcs_assert_ok(zcs_tt_populate(s.tt, NULL));
		for (uint64_t i = 0; i < s.nr; i++)
			assert_true(zcs_test_is_zero(zcs_tt_page_address(s.tt, i), ZCS_PAGE_SIZE));
		finish(&s);
	}
}

static void a_range_comes_back_alone(void **state)
{
	struct setting s;

	(void)state;
	start(&s, ZCS_BACKING_SMALL, 1283, ZCS_TT_CONTIGUOUS);
	zcs_assert_is(zcs_tt_backup(s.tt, ZCS_BACKUP_WRITEBACK), 1283);
	store_test_idle(s.tt->backup);
	zcs_assert_ok(zcs_tt_restore_range(s.tt, 600, 1, NULL));
	assert_true(store_test_is(s.tt, 1283, 512, 512));
	zcs_assert_is(zcs_test_stats(s.pool).resident_pages, 512);
	zcs_assert_is(zcs_tt_backup_range(s.tt, 512, 512, ZCS_BACKUP_WRITEBACK), 512);
	store_test_idle(s.tt->backup);
	zcs_assert_is(zcs_test_arena_bytes(), 0);
	ok(&s);
	zcs_assert_ok(zcs_tt_restore(s.tt, NULL));
	assert_true(is(&s, 1283));
	finish(&s);
}

/* The store counts the failure; the lock is free, as the next caller finds. */
static void case_71_writeback_fails_and_the_backup_succeeds(void **state)
{
	struct setting s;

	(void)state;
	start(&s, ZCS_BACKING_SMALL, 515, 0);
	zcs_test_fault("write", 0, 0, EIO);
	zcs_assert_is(zcs_tt_backup(s.tt, ZCS_BACKUP_WRITEBACK), 515);
	store_test_idle(s.tt->backup);
	zcs_assert_is(store_test_stats(s.store).write_errors, 3);
	zcs_assert_is(store_test_stats(s.store).retired_slots, 0);
	zcs_assert_is(store_test_stats(s.store).used_slots, 0);
	zcs_assert_is(zcs_test_stats(s.pool).inserted_pages, 515);
	zcs_test_faults_off();
	ok(&s);
	zcs_assert_ok(zcs_tt_restore(s.tt, NULL));
	assert_true(is(&s, 515));
	finish(&s);
}

static void case_72_without_the_flag_nothing_is_written(void **state)
{
	struct setting s;

	(void)state;
	start(&s, ZCS_BACKING_SMALL, 515, 0);
	zcs_assert_is(zcs_tt_backup(s.tt, 0), 515);
	store_test_idle(s.tt->backup);
	zcs_assert_is(zcs_test_stats(s.pool).inserted_pages, 515);
	zcs_assert_is(store_test_stats(s.store).writes, 0);
	zcs_assert_ok(zcs_tt_restore(s.tt, NULL));
	assert_true(is(&s, 515));
	finish(&s);
}

static void case_73_without_a_backup_nothing_happens(void **state)
{
	struct zcs_pool *pool = zcs_test_pool(ZCS_BACKING_SMALL, 0, 1);
	struct zcs_tt *tt;

	(void)state;
	zcs_assert_ok(zcs_tt_create(pool, 7, 0, &tt));
	zcs_assert_ok(zcs_tt_populate(tt, NULL));
	zcs_assert_is(zcs_tt_backup(tt, ZCS_BACKUP_WRITEBACK), 0);
	zcs_assert_is(zcs_tt_flags(tt), ZCS_TT_POPULATED);
	zcs_test_tt_done(tt);
	zcs_test_pool_done(pool);
}

static void case_74_part_of_it_went(void **state)
{
	struct setting s;

	(void)state;
	start(&s, ZCS_BACKING_SMALL, 515, 0);
	/* blocks of 512, 2 and 1 */
	zcs_test_fault("insert", 2, 0, 0);
	zcs_assert_is(zcs_tt_backup(s.tt, ZCS_BACKUP_WRITEBACK), 514);
	zcs_test_faults_off();
	zcs_assert_is(zcs_tt_flags(s.tt), ZCS_TT_BACKED_UP);
	store_test_idle(s.tt->backup);
	zcs_assert_is(store_test_stats(s.store).used_slots, 514);
	ok(&s);
	zcs_assert_is(zcs_tt_backup(s.tt, ZCS_BACKUP_WRITEBACK), 1);
	zcs_assert_ok(zcs_tt_restore(s.tt, NULL));
	assert_true(is(&s, 515));
	finish(&s);
}

/*
 * While a block is in the store nobody else can put it; when its pages are gone it is no folio at
 * all.
 */
static void case_75_the_store_holds_the_only_reference(void **state)
{
	struct zcs_pool *pool = zcs_test_pool(ZCS_BACKING_SMALL, 0, 1);
	struct zcs_store *store = store_test_file(4);
	struct zcs_backup *backup = zcs_test_backup(store, 16);
	struct zcs_folio *folio = zcs_test_folio(pool, 4);

	(void)state;
	zcs_test_fill(zcs_folio_address(folio), 1, 0, 16);
	zcs_assert_is(zcs_backup_insert_folio(backup, folio, 4, 0, 0), 1);
	store_test_log_start();
	zcs_folio_put(folio);
	zcs_assert_is(zcs_test_counter(pool, ZCS_COUNT_BAD_PUT), 1);
	store_test_writeback(backup, 0, 15);
	zcs_assert_is(zcs_test_stats(pool).resident_pages, 0);
	zcs_folio_put(folio);
	store_test_log_end();
	zcs_assert_is(zcs_test_counter(pool, ZCS_COUNT_BAD_PUT), 2);
	store_test_take(backup, pool, 1, 0, 4);
	store_test_backup_done(backup, pool);
	store_test_done(store);
	zcs_test_pool_done(pool);
}

/* No block is larger than a cluster of slots. */
static void case_76_no_block_is_over_order_9(void **state)
{
	(void)state;
	zcs_test_for_each_backing(backing)
	{
		struct setting s;

		start(&s, backing, 2048, ZCS_TT_CONTIGUOUS);
		out_and_back(&s);
		assert_true(is(&s, 2048));
		zcs_assert_is(store_test_stats(s.store).written_blocks, 4);
		zcs_assert_is(store_test_stats(s.store).no_space, 0);
		finish(&s);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		store_test_both(case_70_every_shape_comes_back),
		store_test(destroyed_while_it_is_out),
		store_test(purged_and_dropped_while_it_is_out),
		store_test(a_range_comes_back_alone),
		store_test_both(case_71_writeback_fails_and_the_backup_succeeds),
		store_test(case_72_without_the_flag_nothing_is_written),
		store_test(case_73_without_a_backup_nothing_happens),
		store_test(case_74_part_of_it_went),
		store_test(case_75_the_store_holds_the_only_reference),
		store_test(case_76_no_block_is_over_order_9),
	};

	return zcs_test_run(tests);
}
