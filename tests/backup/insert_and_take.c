/* SPDX-License-Identifier: MIT */
/*
 * Insert and take move no byte: the folio is the same, its pfn is, and so is each physical page, as
 * /proc/self/pagemap tells; in between the content is read through the backup.
 */
#include "backup_test.h"

static void frames_of(const struct zcs_folio *folio, uint64_t *frame)
{
	const char *at = zcs_folio_address(folio);

	for (uint64_t i = 0; i < UINT64_C(1) << zcs_folio_order(folio); i++)
		frame[i] = zcs_test_frame(at + i * ZCS_PAGE_SIZE);
}

static void insert_and_take(enum zcs_backing backing, unsigned order)
{
	static uint64_t before[512], after[512];
	uint64_t pages = UINT64_C(1) << order, index = 3 * pages, pfn;
	struct zcs_folio *folio, *again = NULL;
	void *at;

	backup_test_open(backing, 5 * pages);
	folio = zcs_test_folio(pool, order);
	zcs_test_fill_folio(folio, order);
	at = zcs_folio_address(folio);
	pfn = zcs_folio_pfn(folio);
	frames_of(folio, before);
	zcs_assert_is(zcs_backup_insert_folio(backup, folio, order, 0, index), (int64_t)index + 1);
	zcs_assert_is(zcs_test_arena_bytes(), (int64_t)(pages * ZCS_PAGE_SIZE));
	zcs_test_pool_ok(pool);
	zcs_assert_ok(zcs_backup_check(backup));
	zcs_assert_ok(zcs_backup_take_folio(backup, (int64_t)index + 1, pool, &again));
	assert_ptr_equal(again, folio);
	assert_ptr_equal(zcs_folio_address(again), at);
	zcs_assert_is(zcs_folio_pfn(again), (int64_t)pfn);
	frames_of(again, after);
	assert_memory_equal(before, after, pages * sizeof(before[0]));
	assert_true(!zcs_test_sees_frames() || before[pages - 1]);
	assert_true(zcs_test_folio_is(again, order));
	zcs_assert_is(zcs_test_counter(pool, ZCS_COUNT_TAKE_MOVED), 1);
	zcs_folio_put(again);
	backup_test_close();
}

static void case_57_nothing_is_moved_and_nothing_allocated(void **state)
{
	(void)state;
	if (!zcs_test_sees_frames())
		print_message("# physical pages may not be seen here: only pfns are compared\n");
	zcs_test_for_each_backing(b) for (unsigned order = 0; order <= ZCS_MAX_ORDER; order++)
		insert_and_take(b, order);
}

static void case_39_handles_follow_each_other(void **state)
{
	char page[ZCS_PAGE_SIZE];

	(void)state;
	zcs_test_for_each_backing(b) for (unsigned order = 0; order <= ZCS_MAX_ORDER; order++)
	{
		uint64_t pages = UINT64_C(1) << order;
		struct zcs_folio *folio;

		backup_test_open(b, 4 * pages);
		folio = zcs_test_folio(pool, order);
		zcs_test_fill_folio(folio, 7);
		zcs_assert_is(zcs_backup_insert_folio(backup, folio, order, 0, 2 * pages),
			      (int64_t)(2 * pages) + 1);
		for (uint64_t i = 0; i < pages; i++) {
			int64_t handle = zcs_handle_from_index(2 * pages + i);

			zcs_assert_ok(zcs_backup_copy_page(backup, page, handle, false));
			assert_true(zcs_test_page_is(page, 7, i));
		}
		backup_test_close();
	}
}

static void blocks_of_all_orders_lie_side_by_side(void **state)
{
	struct zcs_folio *folio[10], *again;

	(void)state;
	zcs_test_for_each_backing(b)
	{
		backup_test_open(b, 1024);
		for (unsigned order = 0; order <= ZCS_MAX_ORDER; order++) {
			folio[order] = zcs_test_folio(pool, order);
			zcs_test_fill_folio(folio[order], order);
			zcs_assert_is(zcs_backup_insert_folio(backup, folio[order], order, 0,
							      1u << order),
				      (1 << order) + 1);
		}
		zcs_assert_ok(zcs_backup_check(backup));
		for (unsigned order = 0; order <= ZCS_MAX_ORDER; order++) {
			zcs_assert_ok(
				zcs_backup_take_folio(backup, (1 << order) + 1, pool, &again));
			assert_ptr_equal(again, folio[order]);
			assert_true(zcs_test_folio_is(again, order));
			zcs_folio_put(again);
		}
		backup_test_close();
	}
}

static void case_75_the_folio_is_the_backups_alone(void **state)
{
	struct zcs_folio *folio, *again;

	(void)state;
	backup_test_open(ZCS_BACKING_SMALL, 8);
	folio = zcs_test_folio(pool, 3);
	zcs_assert_is(zcs_test_stats(pool).active_pages, 8);
	zcs_assert_is(zcs_backup_insert_folio(backup, folio, 3, 0, 0), 1);
	zcs_assert_is(zcs_test_stats(pool).active_pages, 0);
	zcs_assert_is(zcs_test_inserted(pool, 3), 1);
	assert_null(zcs_folio_address(folio));
	zcs_assert_is(zcs_backup_insert_folio(backup, folio, 3, ZCS_INSERT_REPLACE, 0), -EINVAL);
	zcs_assert_ok(zcs_backup_take_folio(backup, 1, pool, &again));
	zcs_assert_is(zcs_test_stats(pool).active_pages, 8);
	zcs_assert_is(zcs_test_inserted(pool, 3), 0);
	zcs_folio_put(again);
	backup_test_close();
}

static void a_place_is_free_again_after_a_take(void **state)
{
	struct zcs_folio *folio;

	(void)state;
	backup_test_open(ZCS_BACKING_SMALL, 512);
	for (unsigned round = 0; round < 3; round++) {
		for (unsigned order = 0; order <= ZCS_MAX_ORDER; order++) {
			folio = zcs_test_folio(pool, order);
			zcs_assert_is(zcs_backup_insert_folio(backup, folio, order, 0, 0), 1);
			zcs_assert_ok(zcs_backup_take_folio(backup, 1, pool, &folio));
			zcs_folio_put(folio);
		}
		for (unsigned i = 0; i < 512; i++)
			zcs_assert_is(zcs_backup_insert_folio(backup, zcs_test_folio(pool, 0), 0, 0,
							      i),
				      (int64_t)i + 1);
		for (unsigned i = 0; i < 512; i++) {
			zcs_assert_ok(zcs_backup_take_folio(backup, (int64_t)i + 1, pool, &folio));
			zcs_folio_put(folio);
		}
	}
	backup_test_close();
}

static void writeback_is_best_effort_on_a_store_that_never_writes(void **state)
{
	struct zcs_folio *folio;

	(void)state;
	backup_test_open(ZCS_BACKING_SMALL, 8);
	folio = zcs_test_folio(pool, 3);
	zcs_test_fill_folio(folio, 1);
	zcs_assert_is(zcs_backup_insert_folio(backup, folio, 3, ZCS_INSERT_WRITEBACK, 0), 1);
	zcs_assert_ok(zcs_backup_take_folio(backup, 1, pool, &folio));
	assert_true(zcs_test_folio_is(folio, 1));
	zcs_folio_put(folio);
	backup_test_close();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		zcs_test(case_57_nothing_is_moved_and_nothing_allocated),
		zcs_test(case_39_handles_follow_each_other),
		zcs_test(blocks_of_all_orders_lie_side_by_side),
		zcs_test(case_75_the_folio_is_the_backups_alone),
		zcs_test(a_place_is_free_again_after_a_take),
		zcs_test(writeback_is_best_effort_on_a_store_that_never_writes),
	};

	return zcs_test_run(tests);
}
