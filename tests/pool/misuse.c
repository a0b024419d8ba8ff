/* SPDX-License-Identifier: MIT */
/*
 * A put of a folio that is not the caller's is caught, counted and logged, and changes nothing;
 * under ZCSWAP_DEBUG it ends the program.
 */
#include <signal.h>

#include "zcs_test.h"

static struct zcs_pool *pool;

static void expect_bad_puts(uint64_t nr)
{
	zcs_assert_is(zcs_test_counter(pool, ZCS_COUNT_BAD_PUT), (int64_t)nr);
	zcs_test_pool_ok(pool);
}

static void a_second_put_is_counted(void **state)
{
	(void)state;
	zcs_test_for_each_backing(b) for (unsigned order = 0; order <= ZCS_MAX_ORDER; order += 3)
	{
		struct zcs_folio *folio;

		pool = zcs_test_pool(b, 0, 0);
		folio = zcs_test_folio(pool, order);
		zcs_folio_put(folio);
		expect_bad_puts(0);
		zcs_folio_put(folio);
		zcs_folio_put(folio);
		expect_bad_puts(2);
		zcs_assert_is(zcs_test_cached(pool, order), 1);
		zcs_test_pool_done(pool);
	}
}

static void a_put_of_what_went_to_the_system_is_counted(void **state)
{
	struct zcs_folio *folio;

	(void)state;
	pool = zcs_test_pool(ZCS_BACKING_SMALL, 0, 0);
	folio = zcs_test_folio(pool, 3);
	zcs_folio_put(folio);
	zcs_assert_is(zcs_pool_shrink(pool, -1, 8), 8);
	zcs_folio_put(folio);
	expect_bad_puts(1);
	zcs_assert_is(zcs_test_stats(pool).resident_pages, 0);
	zcs_test_pool_done(pool);
}

static void a_put_of_an_inserted_folio_is_counted(void **state)
{
	struct zcs_store *store = zcs_test_store();
	struct zcs_backup *backup = zcs_test_backup(store, 8);
	struct zcs_folio *folio;
	char page[ZCS_PAGE_SIZE];

	(void)state;
	pool = zcs_test_pool(ZCS_BACKING_SMALL, 0, 0);
	folio = zcs_test_folio(pool, 3);
	zcs_test_fill_folio(folio, 1);
	zcs_assert_is(zcs_backup_insert_folio(backup, folio, 3, 0, 0), 1);
	zcs_folio_put(folio);
	expect_bad_puts(1);
	zcs_assert_ok(zcs_backup_copy_page(backup, page, 3, false));
	assert_true(zcs_test_page_is(page, 1, 2));
	zcs_test_backup_done(backup);
	zcs_test_store_done(store);
	zcs_test_pool_done(pool);
}

static void a_put_of_a_piece_twice_is_counted(void **state)
{
	struct zcs_folio *piece[8];

	(void)state;
	pool = zcs_test_pool(ZCS_BACKING_SMALL, 0, 0);
	zcs_assert_ok(zcs_folio_split(zcs_test_folio(pool, 3), piece));
	for (unsigned i = 0; i < 8; i++) {
		zcs_folio_put(piece[i]);
		zcs_folio_put(piece[i]);
	}
	expect_bad_puts(8);
	zcs_assert_is(zcs_test_cached(pool, 0), 8);
	zcs_test_pool_done(pool);
}

static void a_folio_given_away_has_no_address(void **state)
{
	struct zcs_store *store = zcs_test_store();
	struct zcs_backup *backup = zcs_test_backup(store, 1);
	struct zcs_folio *folio;

	(void)state;
	pool = zcs_test_pool(ZCS_BACKING_SMALL, 0, 0);
	folio = zcs_test_folio(pool, 0);
	assert_non_null(zcs_folio_address(folio));
	zcs_assert_is(zcs_backup_insert_folio(backup, folio, 0, 0, 0), 1);
	assert_null(zcs_folio_address(folio));
	zcs_assert_ok(zcs_backup_take_folio(backup, 1, pool, &folio));
	assert_non_null(zcs_folio_address(folio));
	zcs_folio_put(folio);
	assert_null(zcs_folio_address(folio));
	zcs_test_backup_done(backup);
	zcs_test_store_done(store);
	zcs_test_pool_done(pool);
}

static uint64_t put_it(unsigned id, void *arg)
{
	(void)id;
	zcs_folio_put(arg);
	return 0;
}

static void of_two_threads_that_put_one_folio_one_is_wrong(void **state)
{
	unsigned rounds = zcs_test_scale(500);

	(void)state;
	pool = zcs_test_pool(ZCS_BACKING_SMALL, 0, 0);
	for (unsigned i = 0; i < rounds; i++) {
		zcs_test_threads(2, put_it, zcs_test_folio(pool, 1));
		zcs_assert_is(zcs_test_cached(pool, 1), 1);
		expect_bad_puts(i + 1);
	}
	zcs_test_pool_done(pool);
}

static void put_twice(void *arg)
{
	struct zcs_folio *folio;

	setenv("ZCSWAP_DEBUG", arg, 1);
	pool = zcs_test_pool(ZCS_BACKING_SMALL, 0, 0);
	folio = zcs_test_folio(pool, 1);
	zcs_folio_put(folio);
	fputs("before\n", stderr);
	zcs_folio_put(folio);
	fputs("after\n", stderr);
	zcs_test_pool_done(pool);
}

static void under_debug_it_ends_the_program(void **state)
{
	struct zcs_test_child c = zcs_test_in_child(put_twice, (char[]){ "1" }, 30);

	(void)state;
	zcs_assert_is(c.signal, SIGABRT);
	assert_non_null(strstr(c.out, "before\n"));
	assert_non_null(strstr(c.out, "zcswap: zcs_folio_put: folio "));
	assert_null(strstr(c.out, "after\n"));
}

static void without_it_the_program_goes_on(void **state)
{
	struct zcs_test_child c = zcs_test_in_child(put_twice, (char[]){ "0" }, 30);

	(void)state;
	zcs_test_child_passed(&c);
	assert_non_null(strstr(c.out, "zcswap: zcs_folio_put: folio "));
	assert_non_null(strstr(c.out, "after\n"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		zcs_test(a_second_put_is_counted),
		zcs_test(a_put_of_what_went_to_the_system_is_counted),
		zcs_test(a_put_of_an_inserted_folio_is_counted),
		zcs_test(a_put_of_a_piece_twice_is_counted),
		zcs_test(a_folio_given_away_has_no_address),
		zcs_test(of_two_threads_that_put_one_folio_one_is_wrong),
		zcs_test(under_debug_it_ends_the_program),
		zcs_test(without_it_the_program_goes_on),
	};

	setenv("ZCSWAP_LOG", "warn", 1);
	return zcs_test_run(tests);
}
