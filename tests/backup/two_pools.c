/* SPDX-License-Identifier: MIT */
/* The folios in one backup are of one pool; when it is empty it may change to another. */
#include "zcs_test.h"

static void a_folio_of_another_pool_is_exdev(void **state)
{
	struct zcs_pool *a = zcs_test_pool(ZCS_BACKING_SMALL, 0, 0);
	struct zcs_pool *b = zcs_test_pool(ZCS_BACKING_SMALL, 0, 0);
	struct zcs_store *store = zcs_test_store();
	struct zcs_backup *backup = zcs_test_backup(store, 8);
	struct zcs_folio *fa = zcs_test_folio(a, 0), *fb = zcs_test_folio(b, 0), *again = NULL;

	(void)state;
	zcs_test_fill_folio(fa, 1);
	zcs_test_fill_folio(fb, 2);
	zcs_assert_is(zcs_backup_insert_folio(backup, fa, 0, 0, 3), 4);
	zcs_assert_is(zcs_backup_insert_folio(backup, fb, 0, 0, 5), -EXDEV);
	/* nor in the place of what is there */
	zcs_assert_is(zcs_backup_insert_folio(backup, fb, 0, ZCS_INSERT_REPLACE, 3), -EXDEV);
	assert_true(zcs_test_folio_is(fb, 2));
	zcs_assert_is(zcs_test_counter(b, ZCS_COUNT_INSERT_REFUSED), 2);
	zcs_assert_is(zcs_backup_take_folio(backup, 4, b, &again), -EXDEV);
	assert_null(again);
	zcs_assert_ok(zcs_backup_take_folio(backup, 4, a, &again));
	assert_true(zcs_test_folio_is(again, 1));
	/* empty: the other pool's turn */
	zcs_assert_is(zcs_backup_insert_folio(backup, fb, 0, 0, 5), 6);
	zcs_assert_is(zcs_backup_insert_folio(backup, again, 0, 0, 3), -EXDEV);
	zcs_folio_put(again);
	zcs_test_backup_done(backup);
	zcs_test_store_done(store);
	zcs_test_pool_done(a);
	zcs_test_pool_done(b);
}

static void a_vector_over_two_pools_ends_at_the_second(void **state)
{
	struct zcs_pool *a = zcs_test_pool(ZCS_BACKING_SMALL, 0, 0);
	struct zcs_pool *b = zcs_test_pool(ZCS_BACKING_SMALL, 0, 0);
	struct zcs_store *store = zcs_test_store();
	struct zcs_backup *backup = zcs_test_backup(store, 8);
	struct zcs_insert vec[3] = { { .folio = zcs_test_folio(a, 0), .index = 0 },
				     { .folio = zcs_test_folio(b, 0), .index = 1 },
				     { .folio = zcs_test_folio(a, 0), .index = 2 } };

	(void)state;
	zcs_assert_is(zcs_backup_insert_folios(backup, vec, 3, 0), 1);
	zcs_assert_is(vec[0].handle, 1);
	zcs_assert_is(vec[1].handle, -EXDEV);
	zcs_assert_is(vec[2].handle, 0);
	zcs_folio_put(vec[1].folio);
	zcs_folio_put(vec[2].folio);
	zcs_test_backup_done(backup);
	zcs_test_store_done(store);
	zcs_test_pool_done(a);
	zcs_test_pool_done(b);
}

static void an_emptied_backup_does_not_hold_the_last_pool_for_the_next(void **state)
{
	struct zcs_store *store = zcs_test_store();
	struct zcs_backup *backup = zcs_test_backup(store, 8);

	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		struct zcs_pool *pool = zcs_test_pool(ZCS_BACKING_SMALL, 0, 0);

		zcs_assert_is(zcs_backup_insert_folio(backup, zcs_test_folio(pool, 3), 3, 0, 0), 1);
		zcs_backup_drop(backup, 1, 3);
		zcs_test_pool_done(pool);
		/* the backup's reference keeps this one, and has let go of the one before */
		zcs_assert_is(zcs_test_arenas(), 1);
	}
	zcs_test_backup_done(backup);
	zcs_assert_is(zcs_test_arenas(), 0);
	zcs_test_store_done(store);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		zcs_test(a_folio_of_another_pool_is_exdev),
		zcs_test(a_vector_over_two_pools_ends_at_the_second),
		zcs_test(an_emptied_backup_does_not_hold_the_last_pool_for_the_next),
	};

	return zcs_test_run(tests);
}
