/* SPDX-License-Identifier: MIT */
/*
 * A pool that was destroyed lives until the last folio, tt and backup that uses it is gone, and
 * then it is gone with its arenas.
 */
#include "zcs_test.h"

static void destroy(struct zcs_pool *pool)
{
	zcs_test_pool_ok(pool);
	zcs_test_pool_forget(pool);
	zcs_pool_destroy(pool);
}

static void a_folio_outlives_its_pool(void **state)
{
	(void)state;
	zcs_test_for_each_backing(b) for (unsigned order = 0; order <= ZCS_MAX_ORDER; order += 3)
	{
		struct zcs_pool *pool = zcs_test_pool(b, 0, 0);
		struct zcs_folio *folio = zcs_test_folio(pool, order);

		zcs_test_fill_folio(folio, 1);
		destroy(pool);
		assert_true(zcs_test_folio_is(folio, 1));
		zcs_test_fill_folio(folio, 2);
		assert_true(zcs_test_folio_is(folio, 2));
		zcs_folio_put(folio);
		zcs_assert_is(zcs_test_arenas(), 0);
	}
}

static void the_last_of_many_folios_ends_it(void **state)
{
	struct zcs_pool *pool = zcs_test_pool(ZCS_BACKING_SMALL, 0, 0);
	struct zcs_folio *folio[50];

	(void)state;
	for (unsigned i = 0; i < 50; i++)
		folio[i] = zcs_test_folio(pool, i % 5);
	destroy(pool);
	for (unsigned i = 0; i < 50; i++) {
		zcs_assert_is(zcs_test_arenas(), 1);
		zcs_folio_put(folio[i]);
	}
	zcs_assert_is(zcs_test_arenas(), 0);
}

static void what_comes_back_late_is_not_kept(void **state)
{
	struct zcs_pool *pool = zcs_test_pool(ZCS_BACKING_SMALL, 0, 0);
	struct zcs_folio *a = zcs_test_folio(pool, 5), *b = zcs_test_folio(pool, 5);

	(void)state;
	destroy(pool);
	zcs_folio_put(a);
	zcs_assert_is(zcs_test_arena_bytes(), 32 * ZCS_PAGE_SIZE);
	zcs_folio_put(b);
	zcs_assert_is(zcs_test_arenas(), 0);
}

static void a_folio_may_be_split_after_the_end(void **state)
{
	struct zcs_pool *pool = zcs_test_pool(ZCS_BACKING_SMALL, 0, 0);
	struct zcs_folio *folio = zcs_test_folio(pool, 3), *piece[8];

	(void)state;
	destroy(pool);
	zcs_assert_ok(zcs_folio_split(folio, piece));
	for (unsigned i = 0; i < 8; i++) {
		zcs_assert_is(zcs_test_arenas(), 1);
		zcs_folio_put(piece[i]);
	}
	zcs_assert_is(zcs_test_arenas(), 0);
}

static void a_tt_outlives_its_pool(void **state)
{
	(void)state;
	zcs_test_for_each_backing(b) for (uint32_t flags = 0; flags <= ZCS_TT_CONTIGUOUS;
					  flags += ZCS_TT_CONTIGUOUS)
	{
		struct zcs_pool *pool = zcs_test_pool(b, 0, 0);
		struct zcs_tt *tt = NULL;

		zcs_assert_ok(zcs_tt_create(pool, 512, flags, &tt));
		destroy(pool);
		zcs_assert_ok(zcs_tt_populate(tt, NULL));
		zcs_test_fill(zcs_tt_page_address(tt, 0), 1, 0, 512);
		assert_true(zcs_test_is(zcs_tt_page_address(tt, 0), 1, 0, 512));
		zcs_test_tt_done(tt);
		zcs_assert_is(zcs_test_arenas(), 0);
	}
}

static void a_backup_with_content_outlives_its_pool(void **state)
{
	struct zcs_pool *pool = zcs_test_pool(ZCS_BACKING_SMALL, 0, 0);
	struct zcs_store *store = zcs_test_store();
	struct zcs_backup *backup = zcs_test_backup(store, 8);
	struct zcs_folio *folio = zcs_test_folio(pool, 3);
	char page[ZCS_PAGE_SIZE];

	(void)state;
	zcs_test_fill_folio(folio, 4);
	zcs_assert_is(zcs_backup_insert_folio(backup, folio, 3, 0, 0), 1);
	destroy(pool);
	zcs_assert_ok(zcs_backup_copy_page(backup, page, 8, false));
	assert_true(zcs_test_page_is(page, 4, 7));
	/* the backup holds a reference, so the pool may still be named */
	zcs_assert_ok(zcs_backup_take_folio(backup, 1, pool, &folio));
	assert_true(zcs_test_folio_is(folio, 4));
	zcs_folio_put(folio);
	zcs_test_backup_done(backup);
	zcs_assert_is(zcs_test_arenas(), 0);
	zcs_test_store_done(store);
}

static uint64_t put_half(unsigned id, void *arg)
{
	struct zcs_folio **folio = arg;

	for (unsigned i = id; i < 200; i += 2)
		zcs_folio_put(folio[i]);
	return 0;
}

static void a_folio_may_be_put_by_another_thread_meanwhile(void **state)
{
	(void)state;
	for (unsigned round = 0; round < zcs_test_scale(50); round++) {
		struct zcs_pool *pool = zcs_test_pool(ZCS_BACKING_SMALL, 0, 0);
		struct zcs_folio *folio[200];

		for (unsigned i = 0; i < 200; i++)
			folio[i] = zcs_test_folio(pool, i % 3);
		destroy(pool);
		zcs_test_threads(2, put_half, folio);
		zcs_assert_is(zcs_test_arenas(), 0);
	}
}

struct race {
	struct zcs_pool *pool;
	struct zcs_folio *folio[200];
};

static uint64_t put_or_destroy(unsigned id, void *arg)
{
	struct race *r = arg;

	if (id) {
		zcs_pool_destroy(r->pool);
		return 0;
	}
	for (unsigned i = 0; i < 200; i++)
		zcs_folio_put(r->folio[i]);
	return 0;
}

static void the_pool_may_be_destroyed_while_folios_come_back(void **state)
{
	(void)state;
	for (unsigned round = 0; round < zcs_test_scale(100); round++) {
		struct race r = { .pool = zcs_test_pool(ZCS_BACKING_SMALL, 0, 0) };

		for (unsigned i = 0; i < 200; i++)
			r.folio[i] = zcs_test_folio(r.pool, i % 3);
		zcs_test_pool_forget(r.pool);
		zcs_test_threads(2, put_or_destroy, &r);
		zcs_assert_is(zcs_test_arenas(), 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		zcs_test(a_folio_outlives_its_pool),
		zcs_test(the_last_of_many_folios_ends_it),
		zcs_test(what_comes_back_late_is_not_kept),
		zcs_test(a_folio_may_be_split_after_the_end),
		zcs_test(a_tt_outlives_its_pool),
		zcs_test(a_backup_with_content_outlives_its_pool),
		zcs_test(a_folio_may_be_put_by_another_thread_meanwhile),
		zcs_test(the_pool_may_be_destroyed_while_folios_come_back),
	};

	return zcs_test_run(tests);
}
