/* SPDX-License-Identifier: MIT */
/* Copying a page out leaves it where it is; holes are zeros; reading never allocates. */
#include "backup_test.h"

static char page[ZCS_PAGE_SIZE];

static void open_all(enum zcs_backing backing, unsigned order)
{
	struct zcs_folio *folio;

	backup_test_open(backing, 1024);
	folio = zcs_test_folio(pool, order);
	zcs_test_fill_folio(folio, 3);
	zcs_assert_is(zcs_backup_insert_folio(backup, folio, order, 0, 512), 513);
}

static void case_43_twice_the_same_and_zeros_after_a_drop(void **state)
{
	(void)state;
	zcs_test_for_each_backing(b) for (unsigned order = 0; order <= ZCS_MAX_ORDER; order++)
	{
		uint64_t pages = UINT64_C(1) << order;

		open_all(b, order);
		for (uint64_t i = 0; i < 2 * pages; i++) {
			memset(page, 0xee, sizeof(page));
			zcs_assert_ok(zcs_backup_copy_page(backup, page, (int64_t)(513 + i % pages),
							   false));
			assert_true(zcs_test_page_is(page, 3, i % pages));
		}
		zcs_backup_drop(backup, 513, order);
		for (uint64_t i = 0; i < pages; i++) {
			memset(page, 0xee, sizeof(page));
			zcs_assert_ok(
				zcs_backup_copy_page(backup, page, (int64_t)(513 + i), false));
			assert_true(zcs_test_is_zero(page, sizeof(page)));
		}
		backup_test_close();
	}
}

static void holes_are_zeros_and_stay_holes(void **state)
{
	uint64_t bytes;

	(void)state;
	zcs_test_for_each_backing(b)
	{
		open_all(b, 3);
		bytes = zcs_test_arena_bytes();
		for (int64_t handle = 1; handle <= 1024; handle++) {
			if (handle >= 513 && handle < 521)
				continue;
			memset(page, 0xee, sizeof(page));
			zcs_assert_ok(zcs_backup_copy_page(backup, page, handle, false));
			assert_true(zcs_test_is_zero(page, sizeof(page)));
		}
		zcs_assert_is(zcs_test_arena_bytes(), (int64_t)bytes);
		backup_test_close();
	}
}

static void the_block_stays_whole(void **state)
{
	struct zcs_folio *folio;

	(void)state;
	open_all(ZCS_BACKING_SMALL, 9);
	zcs_assert_ok(zcs_backup_copy_page(backup, page, 600, false));
	zcs_assert_is(zcs_test_inserted(pool, 9), 1);
	zcs_assert_ok(zcs_backup_take_folio(backup, 513, pool, &folio));
	assert_true(zcs_test_folio_is(folio, 3));
	zcs_folio_put(folio);
	backup_test_close();
}

static void forged_handles_are_refused(void **state)
{
	const int64_t wrong[] = { 0, -1, -513, INT64_MIN, 1025, 1026, INT64_MAX };

	(void)state;
	open_all(ZCS_BACKING_SMALL, 0);
	memset(page, 0xee, sizeof(page));
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		zcs_assert_is(zcs_backup_copy_page(backup, page, wrong[i], false), -EINVAL);
	zcs_assert_is(zcs_backup_copy_page(NULL, page, 1, false), -EINVAL);
	zcs_assert_is(zcs_backup_copy_page(backup, NULL, 1, false), -EINVAL);
	for (size_t i = 0; i < sizeof(page); i++)
		assert_true((unsigned char)page[i] == 0xee);
	backup_test_close();
}

static void only_an_interruptible_copy_is_interrupted(void **state)
{
	(void)state;
	open_all(ZCS_BACKING_SMALL, 0);
	zcs_test_fault("copy_page", 0, 0, 0);
	memset(page, 0xee, sizeof(page));
	zcs_assert_is(zcs_backup_copy_page(backup, page, 513, true), -EINTR);
	zcs_assert_ok(zcs_backup_copy_page(backup, page, 513, false));
	assert_true(zcs_test_page_is(page, 3, 0));
	zcs_test_faults_off();
	zcs_assert_ok(zcs_backup_copy_page(backup, page, 513, true));
	backup_test_close();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		zcs_test(case_43_twice_the_same_and_zeros_after_a_drop),
		zcs_test(holes_are_zeros_and_stay_holes),
		zcs_test(the_block_stays_whole),
		zcs_test(forged_handles_are_refused),
		zcs_test(only_an_interruptible_copy_is_interrupted),
	};

	return zcs_test_run(tests);
}
