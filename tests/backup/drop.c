/* SPDX-License-Identifier: MIT */
/*
 * Drop forgets 2^order pages and no neighbour: whole blocks go to the pool, a part is split off,
 * and where the arena cannot split it is zeroed in place. Wrong drops are counted and change
 * nothing.
 */
#include <signal.h>

#include "backup_test.h"

static void insert(unsigned order, uint64_t index)
{
	struct zcs_folio *folio = zcs_test_folio(pool, order);

	zcs_test_fill(zcs_folio_address(folio), 1, index, UINT64_C(1) << order);
	zcs_assert_is(zcs_backup_insert_folio(backup, folio, order, 0, index), (int64_t)index + 1);
}

/* Pages [first, end) read as zeros, the others as they were inserted. */
static void expect_dropped(uint64_t pages, uint64_t first, uint64_t end)
{
	char page[ZCS_PAGE_SIZE];

	for (uint64_t i = 0; i < pages; i++) {
		bool ok;

		zcs_assert_ok(zcs_backup_copy_page(backup, page, zcs_handle_from_index(i), false));
		ok = i >= first && i < end ? zcs_test_is_zero(page, sizeof(page))
					   : zcs_test_page_is(page, 1, i);
		if (!ok)
			fail_msg("page %" PRIu64 " after a drop of [%" PRIu64 ", %" PRIu64 ")", i,
				 first, end);
	}
	zcs_assert_ok(zcs_backup_check(backup));
	zcs_test_pool_ok(pool);
}

static void case_41_neighbours_are_unchanged(void **state)
{
	(void)state;
	zcs_test_for_each_backing(b) for (unsigned order = 0; order <= ZCS_MAX_ORDER; order += 3)
	{
		uint64_t pages = UINT64_C(1) << order;

		backup_test_open(b, 3 * pages);
		for (uint64_t i = 0; i < 3; i++)
			insert(order, i * pages);
		zcs_backup_drop(backup, (int64_t)pages + 1, order);
		expect_dropped(3 * pages, pages, 2 * pages);
		zcs_assert_is(zcs_test_inserted(pool, order), 2);
		zcs_assert_is(zcs_test_cached(pool, order), 1);
		backup_test_close();
	}
}

static void case_42_a_page_inside_a_block_goes_alone(void **state)
{
	const uint64_t page[] = { 0, 1, 100, 511 };

	(void)state;
	for (enum zcs_backing b = ZCS_BACKING_THP; b <= ZCS_BACKING_SMALL; b++)
		for (size_t i = 0; i < 4; i++) {
			backup_test_open(b, 512);
			insert(9, 0);
			zcs_backup_drop(backup, (int64_t)page[i] + 1, 0);
			expect_dropped(512, page[i], page[i] + 1);
			zcs_assert_is(zcs_test_stats(pool).inserted_pages, 511);
			zcs_assert_is(zcs_test_stats(pool).cached_pages, 1);
			zcs_assert_is(zcs_test_counter(pool, ZCS_COUNT_DROP_ZEROED), 0);
			backup_test_close();
		}
}

static void case_42_a_page_inside_a_hugetlb_block_is_zeroed(void **state)
{
	struct zcs_folio *folio;

	(void)state;
	if (!zcs_test_backing_works(ZCS_BACKING_HUGETLB))
		zcs_test_skip_case("no hugetlb pages");
	backup_test_open(ZCS_BACKING_HUGETLB, 512);
	insert(9, 0);
	zcs_backup_drop(backup, 101, 0);
	expect_dropped(512, 100, 101);
	zcs_assert_is(zcs_test_counter(pool, ZCS_COUNT_DROP_ZEROED), 1);
	zcs_assert_is(zcs_test_inserted(pool, 9), 1);
	zcs_backup_drop(backup, 65, 5);
	zcs_assert_is(zcs_test_counter(pool, ZCS_COUNT_DROP_ZEROED), 2);
	/* the block is whole, and comes back with the zeros in it */
	zcs_assert_ok(zcs_backup_take_folio(backup, 1, pool, &folio));
	assert_true(zcs_test_is_zero((char *)zcs_folio_address(folio) + 64 * ZCS_PAGE_SIZE,
				     32 * ZCS_PAGE_SIZE));
	zcs_folio_put(folio);
	backup_test_close();
}

static void part_of_a_block_goes_at_every_order(void **state)
{
	(void)state;
	zcs_test_for_each_backing(b) for (unsigned order = 0; order < ZCS_MAX_ORDER; order++)
	{
		uint64_t pages = UINT64_C(1) << order, first = 512 - 2 * pages;

		backup_test_open(b, 512);
		insert(9, 0);
		zcs_backup_drop(backup, (int64_t)first + 1, order);
		expect_dropped(512, first, first + pages);
		backup_test_close();
	}
}

static void a_split_that_is_refused_zeroes_in_place(void **state)
{
	(void)state;
	backup_test_open(ZCS_BACKING_SMALL, 64);
	insert(6, 0);
	zcs_test_fault("split", 0, 0, 0);
	zcs_backup_drop(backup, 9, 3);
	zcs_test_faults_off();
	expect_dropped(64, 8, 16);
	zcs_assert_is(zcs_test_counter(pool, ZCS_COUNT_DROP_ZEROED), 1);
	zcs_assert_is(zcs_test_inserted(pool, 6), 1);
	backup_test_close();
}

static void one_drop_takes_many_blocks(void **state)
{
	(void)state;
	backup_test_open(ZCS_BACKING_SMALL, 64);
	for (uint64_t i = 0; i < 64; i += 4)
		insert(2, i);
	zcs_backup_drop(backup, 33, 5);
	expect_dropped(64, 32, 64);
	zcs_assert_is(zcs_test_cached(pool, 2), 8);
	backup_test_close();
}

static void a_hole_is_nothing_to_drop(void **state)
{
	(void)state;
	backup_test_open(ZCS_BACKING_SMALL, 1024);
	/* of a backup that never held anything */
	zcs_backup_drop(backup, 1, 9);
	insert(3, 8);
	zcs_backup_drop(backup, 1, 3);
	zcs_backup_drop(backup, 513, 9);
	zcs_assert_is(zcs_test_stats(pool).inserted_pages, 8);
	zcs_backup_drop(backup, 9, 3);
	zcs_backup_drop(backup, 9, 3);
	zcs_assert_is(zcs_test_stats(pool).inserted_pages, 0);
	zcs_assert_is(zcs_test_counter(pool, ZCS_COUNT_BAD_DROP), 0);
	backup_test_close();
}

static void a_dropped_place_is_free(void **state)
{
	(void)state;
	for (enum zcs_backing b = ZCS_BACKING_THP; b <= ZCS_BACKING_SMALL; b++) {
		backup_test_open(b, 512);
		insert(9, 0);
		zcs_backup_drop(backup, 101, 2);
		insert(2, 100);
		expect_dropped(512, 0, 0);
		zcs_backup_drop(backup, 1, 9);
		insert(9, 0);
		expect_dropped(512, 0, 0);
		backup_test_close();
	}
}

static void dropped_folios_are_zero_for_the_next_owner(void **state)
{
	(void)state;
	zcs_test_for_each_backing(b)
	{
		struct zcs_folio *folio;

		backup_test_open(b, 512);
		insert(9, 0);
		zcs_backup_drop(backup, 1, 9);
		folio = zcs_test_folio(pool, 9);
		zcs_assert_is(zcs_test_counter(pool, ZCS_COUNT_ALLOC_HIT), 1);
		assert_true(zcs_test_folio_is_zero(folio));
		zcs_folio_put(folio);
		backup_test_close();
	}
}

static void wrong_drops_are_counted_and_change_nothing(void **state)
{
	static const struct {
		int64_t handle;
		unsigned order;
	} wrong[] = {
		{ 0, 0 },  { -1, 0 }, { INT64_MIN, 0 }, { INT64_MAX, 0 },  { 65, 0 },
		{ 66, 0 }, { 2, 1 },  { 4, 2 },		{ 1, 7 },	   { 1, 9 },
		{ 1, 10 }, { 1, 63 }, { 1, 64 },	{ 1, UINT32_MAX }, { 33, 6 },
	};
	const size_t nr = sizeof(wrong) / sizeof(wrong[0]);

	(void)state;
	backup_test_open(ZCS_BACKING_SMALL, 64);
	insert(6, 0);
	for (size_t i = 0; i < nr; i++) {
		zcs_backup_drop(backup, wrong[i].handle, wrong[i].order);
		zcs_assert_is(zcs_test_counter(pool, ZCS_COUNT_BAD_DROP), (int64_t)i + 1);
	}
	zcs_backup_drop(NULL, 1, 0);
	expect_dropped(64, 0, 0);
	zcs_assert_is(zcs_test_inserted(pool, 6), 1);
	backup_test_close();
}

static void wrong_drops_of_an_empty_backup_are_harmless(void **state)
{
	(void)state;
	backup_test_open(ZCS_BACKING_SMALL, 64);
	zcs_backup_drop(backup, 0, 0);
	zcs_backup_drop(backup, 65, 0);
	backup_test_close();
}

static void drop_a_forged_handle(void *arg)
{
	setenv("ZCSWAP_DEBUG", arg, 1);
	backup_test_open(ZCS_BACKING_SMALL, 64);
	zcs_backup_drop(backup, 65, 0);
	fputs("after\n", stderr);
	backup_test_close();
}

static void a_wrong_drop_is_logged_and_under_debug_the_end(void **state)
{
	struct zcs_test_child c = zcs_test_in_child(drop_a_forged_handle, (char[]){ "0" }, 30);

	(void)state;
	zcs_test_child_passed(&c);
	assert_non_null(strstr(c.out, "zcswap: zcs_backup_drop: handle 65, order 0: "));
	assert_non_null(strstr(c.out, "after\n"));
	c = zcs_test_in_child(drop_a_forged_handle, (char[]){ "1" }, 30);
	zcs_assert_is(c.signal, SIGABRT);
	assert_null(strstr(c.out, "after\n"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		zcs_test(case_41_neighbours_are_unchanged),
		zcs_test(case_42_a_page_inside_a_block_goes_alone),
		zcs_test(case_42_a_page_inside_a_hugetlb_block_is_zeroed),
		zcs_test(part_of_a_block_goes_at_every_order),
		zcs_test(a_split_that_is_refused_zeroes_in_place),
		zcs_test(one_drop_takes_many_blocks),
		zcs_test(a_hole_is_nothing_to_drop),
		zcs_test(a_dropped_place_is_free),
		zcs_test(dropped_folios_are_zero_for_the_next_owner),
		zcs_test(wrong_drops_are_counted_and_change_nothing),
		zcs_test(wrong_drops_of_an_empty_backup_are_harmless),
		zcs_test(a_wrong_drop_is_logged_and_under_debug_the_end),
	};

	setenv("ZCSWAP_LOG", "warn", 1);
	return zcs_test_run(tests);
}
