/* SPDX-License-Identifier: MIT */
/*
 * The order of ends: a backup that is destroyed gives its folios to their pool, zeroed; one that
 * outlives its store and its pool goes on working.
 */
#include "zcs_test.h"

static void destroy_gives_the_folios_to_the_pool(void **state)
{
	(void)state;
	zcs_test_for_each_backing(b)
	{
		struct zcs_pool *pool = zcs_test_pool(b, 0, 0);
		struct zcs_store *store = zcs_test_store();
		struct zcs_backup *backup = zcs_test_backup(store, 1024);
		struct zcs_folio *folio[10];

		for (unsigned order = 0; order <= ZCS_MAX_ORDER; order++) {
			folio[order] = zcs_test_folio(pool, order);
			zcs_test_fill_folio(folio[order], order);
			zcs_assert_is(zcs_backup_insert_folio(backup, folio[order], order, 0,
							      1u << order),
				      (1 << order) + 1);
		}
		zcs_test_backup_done(backup);
		zcs_assert_is(zcs_test_stats(pool).inserted_pages, 0);
		for (unsigned order = 0; order <= ZCS_MAX_ORDER; order++) {
			zcs_assert_is(zcs_test_cached(pool, order), 1);
			assert_ptr_equal(zcs_test_folio(pool, order), folio[order]);
			assert_true(zcs_test_folio_is_zero(folio[order]));
		}
		for (unsigned order = 0; order <= ZCS_MAX_ORDER; order++)
			zcs_folio_put(folio[order]);
		zcs_test_store_done(store);
		zcs_test_pool_done(pool);
	}
}

static void a_backup_outlives_its_store(void **state)
{
	struct zcs_pool *pool = zcs_test_pool(ZCS_BACKING_SMALL, 0, 0);
	struct zcs_store *store = zcs_test_store();
	struct zcs_backup *backup = zcs_test_backup(store, 8);
	struct zcs_folio *folio = zcs_test_folio(pool, 3);

	(void)state;
	zcs_test_fill_folio(folio, 1);
	zcs_store_close(store);
	zcs_assert_is(zcs_backup_insert_folio(backup, folio, 3, 0, 0), 1);
	zcs_assert_is(zcs_backup_writeback(backup, 0, 7, 0), 0);
	zcs_assert_ok(zcs_backup_take_folio(backup, 1, pool, &folio));
	assert_true(zcs_test_folio_is(folio, 1));
	zcs_folio_put(folio);
	zcs_test_backup_done(backup);
	zcs_test_pool_done(pool);
}

static void a_backup_outlives_its_pool(void **state)
{
	(void)state;
	zcs_test_for_each_backing(b)
	{
		struct zcs_pool *pool = zcs_test_pool(b, 0, 0);
		struct zcs_store *store = zcs_test_store();
		struct zcs_backup *backup = zcs_test_backup(store, 512);
		struct zcs_folio *folio = zcs_test_folio(pool, 9);
		char page[ZCS_PAGE_SIZE];

		zcs_test_fill_folio(folio, 1);
		zcs_assert_is(zcs_backup_insert_folio(backup, folio, 9, 0, 0), 1);
		zcs_test_pool_forget(pool);
		zcs_pool_destroy(pool);
		zcs_store_close(store);
		zcs_assert_ok(zcs_backup_copy_page(backup, page, 512, false));
		assert_true(zcs_test_page_is(page, 1, 511));
		/* a part, so that there is something to split or to zero */
		zcs_backup_drop(backup, 257, 8);
		zcs_assert_ok(zcs_backup_copy_page(backup, page, 256, false));
		assert_true(zcs_test_page_is(page, 1, 255));
		zcs_assert_is(zcs_test_arenas(), 1);
		zcs_test_backup_done(backup);
		zcs_assert_is(zcs_test_arenas(), 0);
	}
}

static void a_tts_backup_outlives_the_callers_store(void **state)
{
	struct zcs_pool *pool = zcs_test_pool(ZCS_BACKING_SMALL, 0, 0);
	struct zcs_store *store = zcs_test_store();
	struct zcs_tt *tt = NULL;

	(void)state;
	zcs_assert_ok(zcs_tt_create(pool, 100, 0, &tt));
	zcs_assert_ok(zcs_tt_setup_backup(tt, store));
	zcs_store_close(store);
	zcs_assert_ok(zcs_tt_populate(tt, NULL));
	zcs_assert_is(zcs_tt_backup(tt, 0), 100);
	zcs_assert_ok(zcs_tt_restore(tt, NULL));
	zcs_test_tt_done(tt);
	zcs_test_pool_done(pool);
}

static void many_backups_share_a_store_and_a_pool(void **state)
{
	struct zcs_pool *pool = zcs_test_pool(ZCS_BACKING_SMALL, 0, 0);
	struct zcs_store *store = zcs_test_store();
	struct zcs_backup *backup[20];
	char page[ZCS_PAGE_SIZE];

	(void)state;
	for (unsigned i = 0; i < 20; i++) {
		struct zcs_folio *folio = zcs_test_folio(pool, 2);

		zcs_test_fill_folio(folio, i + 1);
		backup[i] = zcs_test_backup(store, 4);
		zcs_assert_is(zcs_backup_insert_folio(backup[i], folio, 2, 0, 0), 1);
	}
	zcs_store_close(store);
	for (unsigned i = 0; i < 20; i += 2)
		zcs_test_backup_done(backup[i]);
	for (unsigned i = 1; i < 20; i += 2) {
		zcs_assert_ok(zcs_backup_copy_page(backup[i], page, 4, false));
		assert_true(zcs_test_page_is(page, i + 1, 3));
		zcs_test_backup_done(backup[i]);
	}
	zcs_test_pool_done(pool);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		zcs_test(destroy_gives_the_folios_to_the_pool),
		zcs_test(a_backup_outlives_its_store),
		zcs_test(a_backup_outlives_its_pool),
		zcs_test(a_tts_backup_outlives_the_callers_store),
		zcs_test(many_backups_share_a_store_and_a_pool),
	};

	return zcs_test_run(tests);
}
