/* SPDX-License-Identifier: MIT */
/*
 * ZCS_INSERT_REPLACE drops what is in the way, all of it and nothing beside it; each replacement is
 * counted and logged.
 */
#include "backup_test.h"

/* Page i of the block has content (seed, i). */
static int64_t insert(unsigned order, uint64_t seed, uint32_t flags, uint64_t index)
{
	struct zcs_folio *folio = zcs_test_folio(pool, order);
	int64_t handle;

	zcs_test_fill_folio(folio, seed);
	handle = zcs_backup_insert_folio(backup, folio, order, flags, index);
	if (handle < 0)
		zcs_folio_put(folio);
	return handle;
}

static bool page_is(uint64_t index, uint64_t seed, uint64_t nr)
{
	char page[ZCS_PAGE_SIZE];

	zcs_assert_ok(zcs_backup_copy_page(backup, page, zcs_handle_from_index(index), false));
	return seed ? zcs_test_page_is(page, seed, nr) : zcs_test_is_zero(page, sizeof(page));
}

static uint64_t replaced(void)
{
	return zcs_test_counter(pool, ZCS_COUNT_INSERT_REPLACED);
}

static void case_64_the_same_block_is_replaced_and_counted(void **state)
{
	(void)state;
	zcs_test_for_each_backing(b) for (unsigned order = 0; order <= ZCS_MAX_ORDER; order += 3)
	{
		uint64_t pages = UINT64_C(1) << order;

		backup_test_open(b, 2 * pages);
		zcs_assert_is(insert(order, 1, 0, pages), (int64_t)pages + 1);
		zcs_assert_is(insert(order, 2, 0, pages), -EEXIST);
		zcs_assert_is(insert(order, 3, ZCS_INSERT_REPLACE, pages), (int64_t)pages + 1);
		zcs_assert_is(replaced(), 1);
		assert_true(page_is(pages, 3, 0) && page_is(2 * pages - 1, 3, pages - 1));
		zcs_assert_is(zcs_test_inserted(pool, order), 1);
		zcs_assert_ok(zcs_backup_check(backup));
		backup_test_close();
	}
}

static void an_empty_range_is_not_counted_as_replaced(void **state)
{
	(void)state;
	backup_test_open(ZCS_BACKING_SMALL, 8);
	zcs_assert_is(insert(3, 1, ZCS_INSERT_REPLACE, 0), 1);
	zcs_assert_is(replaced(), 0);
	backup_test_close();
}

static void small_blocks_give_way_to_a_large_one(void **state)
{
	(void)state;
	zcs_test_for_each_backing(b)
	{
		backup_test_open(b, 1024);
		for (uint64_t i = 0; i < 1024; i += 64)
			zcs_assert_is(insert(2, 1, 0, i), (int64_t)i + 1);
		zcs_assert_is(insert(9, 2, ZCS_INSERT_REPLACE, 512), 513);
		zcs_assert_is(replaced(), 1);
		zcs_assert_is(zcs_test_inserted(pool, 2), 8);
		for (uint64_t i = 0; i < 512; i += 64)
			assert_true(page_is(i, 1, 0));
		assert_true(page_is(512, 2, 0) && page_is(1023, 2, 511));
		backup_test_close();
	}
}

/* The pages beside the range stay: the large block is split for it. */
static void part_of_a_large_block_is_replaced(void **state)
{
	(void)state;
	for (enum zcs_backing b = ZCS_BACKING_THP; b <= ZCS_BACKING_SMALL; b++) {
		backup_test_open(b, 512);
		zcs_assert_is(insert(9, 1, 0, 0), 1);
		zcs_assert_is(insert(2, 2, ZCS_INSERT_REPLACE, 100), 101);
		zcs_assert_is(replaced(), 1);
		for (uint64_t i = 0; i < 512; i++)
			assert_true(i >= 100 && i < 104 ? page_is(i, 2, i - 100)
							: page_is(i, 1, i));
		zcs_assert_is(zcs_test_stats(pool).inserted_pages, 512);
		zcs_assert_is(zcs_test_stats(pool).resident_pages,
			      512 + (int64_t)zcs_test_stats(pool).cached_pages);
		zcs_assert_ok(zcs_backup_check(backup));
		backup_test_close();
	}
}

/* hugetlb cannot be split: a part of it cannot be replaced */
static void part_of_a_hugetlb_block_is_eexist(void **state)
{
	(void)state;
	if (!zcs_test_backing_works(ZCS_BACKING_HUGETLB))
		zcs_test_skip_case("no hugetlb pages");
	backup_test_open(ZCS_BACKING_HUGETLB, 512);
	zcs_assert_is(insert(9, 1, 0, 0), 1);
	zcs_assert_is(insert(2, 2, ZCS_INSERT_REPLACE, 100), -EEXIST);
	zcs_assert_is(replaced(), 0);
	for (uint64_t i = 0; i < 512; i++)
		assert_true(page_is(i, 1, i));
	backup_test_close();
}

static void a_split_that_is_refused_is_eexist(void **state)
{
	(void)state;
	backup_test_open(ZCS_BACKING_SMALL, 512);
	zcs_assert_is(insert(9, 1, 0, 0), 1);
	zcs_test_fault("split", 0, 0, 0);
	zcs_assert_is(insert(2, 2, ZCS_INSERT_REPLACE, 100), -EEXIST);
	zcs_test_faults_off();
	zcs_assert_is(replaced(), 0);
	assert_true(page_is(100, 1, 100));
	zcs_assert_is(zcs_test_inserted(pool, 9), 1);
	backup_test_close();
}

static void a_refused_replacement_keeps_the_old_content(void **state)
{
	(void)state;
	backup_test_open(ZCS_BACKING_SMALL, 8);
	zcs_assert_is(insert(3, 1, 0, 0), 1);
	zcs_test_fault("insert", 0, 0, 0);
	zcs_assert_is(insert(3, 2, ZCS_INSERT_REPLACE, 0), -ENOMEM);
	zcs_test_faults_off();
	zcs_assert_is(replaced(), 0);
	for (uint64_t i = 0; i < 8; i++)
		assert_true(page_is(i, 1, i));
	backup_test_close();
}

static void what_was_replaced_is_zero_for_the_next_owner(void **state)
{
	struct zcs_folio *folio;

	(void)state;
	backup_test_open(ZCS_BACKING_SMALL, 8);
	zcs_assert_is(insert(3, 1, 0, 0), 1);
	zcs_assert_is(insert(3, 2, ZCS_INSERT_REPLACE, 0), 1);
	zcs_assert_is(zcs_test_cached(pool, 3), 1);
	folio = zcs_test_folio(pool, 3);
	assert_true(zcs_test_folio_is_zero(folio));
	zcs_folio_put(folio);
	backup_test_close();
}

static void replace_one(void *arg)
{
	(void)arg;
	backup_test_open(ZCS_BACKING_SMALL, 16);
	zcs_assert_is(insert(3, 1, 0, 8), 9);
	zcs_assert_is(insert(3, 2, ZCS_INSERT_REPLACE, 8), 9);
	backup_test_close();
}

static void case_64_it_is_logged(void **state)
{
	struct zcs_test_child c = zcs_test_in_child(replace_one, NULL, 30);

	(void)state;
	zcs_test_child_passed(&c);
	assert_non_null(strstr(c.out, "zcswap: insert: index 8, order 3: content replaced\n"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		zcs_test(case_64_the_same_block_is_replaced_and_counted),
		zcs_test(case_64_it_is_logged),
		zcs_test(an_empty_range_is_not_counted_as_replaced),
		zcs_test(small_blocks_give_way_to_a_large_one),
		zcs_test(part_of_a_large_block_is_replaced),
		zcs_test(part_of_a_hugetlb_block_is_eexist),
		zcs_test(a_split_that_is_refused_is_eexist),
		zcs_test(a_refused_replacement_keeps_the_old_content),
		zcs_test(what_was_replaced_is_zero_for_the_next_owner),
	};

	setenv("ZCSWAP_LOG", "warn", 1);
	return zcs_test_run(tests);
}
