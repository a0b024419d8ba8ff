/* SPDX-License-Identifier: MIT */
/* An insertion that is refused leaves the folio the caller's, unchanged, and the backup as it was.
 */
#include "backup_test.h"

static struct zcs_folio *folio;

/* A backup of 64 pages with one page at index 9, and a filled folio of order 2. */
static void open_all(enum zcs_backing backing)
{
	backup_test_open(backing, 64);
	folio = zcs_test_folio(pool, 0);
	zcs_test_fill_folio(folio, 5);
	zcs_assert_is(zcs_backup_insert_folio(backup, folio, 0, 0, 9), 10);
	folio = zcs_test_folio(pool, 2);
	zcs_test_fill_folio(folio, 6);
}

static void expect_unchanged(void)
{
	struct zcs_backup_stats st = { .struct_size = sizeof(st) };
	char page[ZCS_PAGE_SIZE];

	zcs_assert_is(zcs_folio_order(folio), 2);
	assert_true(zcs_test_folio_is(folio, 6));
	zcs_assert_is(zcs_test_active(pool, 2), 1);
	zcs_assert_is(zcs_test_inserted(pool, 2), 0);
	zcs_assert_ok(zcs_backup_stats(backup, &st));
	zcs_assert_is(st.resident_pages, 1);
	zcs_assert_ok(zcs_backup_copy_page(backup, page, 10, false));
	assert_true(zcs_test_page_is(page, 5, 0));
	zcs_assert_ok(zcs_backup_check(backup));
	zcs_test_pool_ok(pool);
}

static void close_all(void)
{
	expect_unchanged();
	zcs_folio_put(folio);
	backup_test_close();
}

static void expect(int64_t result, unsigned order, uint32_t flags, uint64_t index)
{
	zcs_assert_is(zcs_backup_insert_folio(backup, folio, order, flags, index), result);
	expect_unchanged();
}

static void null_is_refused(void **state)
{
	(void)state;
	open_all(ZCS_BACKING_SMALL);
	zcs_assert_is(zcs_backup_insert_folio(NULL, folio, 2, 0, 0), -EINVAL);
	zcs_assert_is(zcs_backup_insert_folio(backup, NULL, 2, 0, 0), -EINVAL);
	close_all();
}

static void another_order_than_the_folios_is_refused(void **state)
{
	(void)state;
	open_all(ZCS_BACKING_SMALL);
	for (unsigned order = 0; order < 80; order++)
		if (order != 2)
			expect(-EINVAL, order, 0, 0);
	expect(-EINVAL, UINT32_MAX, 0, 0);
	close_all();
}

static void case_63_an_unaligned_index_is_refused(void **state)
{
	(void)state;
	open_all(ZCS_BACKING_SMALL);
	for (uint64_t index = 0; index < 64; index++)
		if (index % 4)
			expect(-EINVAL, 2, 0, index);
	close_all();
}

static void an_index_outside_is_refused(void **state)
{
	const uint64_t index[] = { 64,
				   68,
				   512,
				   UINT64_C(1) << 52,
				   UINT64_C(1) << 62,
				   INT64_MAX - 3,
				   UINT64_MAX - 3,
				   UINT64_MAX - 7 };

	(void)state;
	open_all(ZCS_BACKING_SMALL);
	for (size_t i = 0; i < sizeof(index) / sizeof(index[0]); i++)
		expect(-EINVAL, 2, 0, index[i]);
	close_all();
}

static void a_folio_that_reaches_over_the_end_is_refused(void **state)
{
	struct zcs_backup *small;

	(void)state;
	open_all(ZCS_BACKING_SMALL);
	for (uint64_t pages = 1; pages < 4; pages++) {
		small = zcs_test_backup(store, pages);
		zcs_assert_is(zcs_backup_insert_folio(small, folio, 2, 0, 0), -EINVAL);
		zcs_test_backup_done(small);
	}
	small = zcs_test_backup(store, 7);
	zcs_assert_is(zcs_backup_insert_folio(small, folio, 2, 0, 4), -EINVAL);
	zcs_test_backup_done(small);
	close_all();
}

static void an_unknown_flag_is_refused(void **state)
{
	(void)state;
	open_all(ZCS_BACKING_SMALL);
	for (unsigned bit = 2; bit < 32; bit++)
		expect(-EINVAL, 2, 1u << bit, 0);
	close_all();
}

static void an_occupied_range_is_eexist(void **state)
{
	(void)state;
	open_all(ZCS_BACKING_SMALL);
	/* page 9 lies in the middle of it */
	expect(-EEXIST, 2, 0, 8);
	zcs_assert_is(zcs_test_counter(pool, ZCS_COUNT_INSERT_REFUSED), 1);
	close_all();
}

static void a_range_inside_a_larger_block_is_eexist(void **state)
{
	(void)state;
	zcs_test_for_each_backing(b)
	{
		struct zcs_backup *large;

		open_all(b);
		large = zcs_test_backup(store, 1024);
		zcs_assert_is(zcs_backup_insert_folio(large, zcs_test_folio(pool, 9), 9, 0, 512),
			      513);
		for (uint64_t index = 512; index < 1024; index += 4)
			zcs_assert_is(zcs_backup_insert_folio(large, folio, 2, 0, index), -EEXIST);
		zcs_test_backup_done(large);
		close_all();
	}
}

static void case_61_a_refusal_by_the_store_changes_nothing(void **state)
{
	(void)state;
	zcs_test_for_each_backing(b)
	{
		open_all(b);
		zcs_test_fault("insert", 0, 0, 0);
		expect(-ENOMEM, 2, 0, 16);
		zcs_test_fault("insert", 0, 0, EIO);
		expect(-EIO, 2, 0, 16);
		zcs_test_faults_off();
		zcs_test_fault("insert_large", 0, 0, 0);
		expect(-ENOMEM, 2, 0, 16);
		zcs_assert_is(zcs_test_counter(pool, ZCS_COUNT_INSERT_REFUSED), 3);
		close_all();
	}
}

static void single_pages_pass_where_large_folios_are_refused(void **state)
{
	struct zcs_folio *page;

	(void)state;
	open_all(ZCS_BACKING_SMALL);
	zcs_test_fault("insert_large", 0, 0, 0);
	page = zcs_test_folio(pool, 0);
	zcs_assert_is(zcs_backup_insert_folio(backup, page, 0, 0, 16), 17);
	zcs_backup_drop(backup, 17, 0);
	expect(-ENOMEM, 2, 0, 20);
	close_all();
}

static void a_folio_of_another_owner_is_refused(void **state)
{
	struct zcs_folio *mine;

	(void)state;
	open_all(ZCS_BACKING_SMALL);
	mine = folio;
	/* put, and inserted somewhere else */
	folio = zcs_test_folio(pool, 2);
	zcs_folio_put(folio);
	zcs_assert_is(zcs_backup_insert_folio(backup, folio, 2, 0, 0), -EINVAL);
	folio = zcs_test_folio(pool, 2);
	zcs_assert_is(zcs_backup_insert_folio(backup, folio, 2, 0, 0), 1);
	zcs_assert_is(zcs_backup_insert_folio(backup, folio, 2, 0, 4), -EINVAL);
	zcs_assert_is(zcs_backup_insert_folio(backup, folio, 2, 0, 0), -EINVAL);
	zcs_backup_drop(backup, 1, 2);
	folio = mine;
	close_all();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		zcs_test(null_is_refused),
		zcs_test(another_order_than_the_folios_is_refused),
		zcs_test(case_63_an_unaligned_index_is_refused),
		zcs_test(an_index_outside_is_refused),
		zcs_test(a_folio_that_reaches_over_the_end_is_refused),
		zcs_test(an_unknown_flag_is_refused),
		zcs_test(an_occupied_range_is_eexist),
		zcs_test(a_range_inside_a_larger_block_is_eexist),
		zcs_test(case_61_a_refusal_by_the_store_changes_nothing),
		zcs_test(single_pages_pass_where_large_folios_are_refused),
		zcs_test(a_folio_of_another_owner_is_refused),
	};

	return zcs_test_run(tests);
}
