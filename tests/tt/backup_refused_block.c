/* SPDX-License-Identifier: MIT */
/*
 * A block that the backup refuses whole is split to pages, and the same index is tried again; a
 * page that is refused ends the call. What was not inserted is as it was, and a later call goes on
 * from there.
 *
 * The fault point "insert" is passed by every offer, and "insert_large" by the offers of more than
 * a page: a call that refuses one block of 8 pages and then takes them singly passes "insert" 1 + 8
 * times.
 */
#include "tt_inside.h"

static void assert_restores(struct tt_case *c)
{
	zcs_test_faults_off();
	zcs_assert_ok(zcs_tt_restore(c->tt, NULL));
	zcs_assert_is(tt_state(c->tt), ZCS_TT_POPULATED);
	assert_true(tt_case_is(c));
	tt_case_ok(c);
}

static void case_58_refused_block_is_split_and_inserted_page_by_page(void **state)
{
	(void)state;
	tt_for_each_splittable(backing, flags)
	{
		struct tt_case c;

		tt_case_init(&c, backing, 8, flags);
		zcs_test_fault("insert_large", 0, 0, 0);
		zcs_test_fault("insert", 1000, 0, 0);
		zcs_assert_is(zcs_tt_backup(c.tt, 0), 8);
		zcs_assert_is(zcs_test_fault_calls("insert"), 1 + 8);
		zcs_assert_is(zcs_test_fault_failed("insert_large"), 1);
		assert_true(tt_all(c.tt, 0, 8, TT_HANDLE));
		zcs_assert_is(zcs_test_inserted(c.pool, 0), 8);
		zcs_assert_is(zcs_test_inserted(c.pool, 3), 0);
		zcs_assert_is(zcs_test_counter(c.pool, ZCS_COUNT_INSERT_SPLIT), 1);
		zcs_assert_is(zcs_test_counter(c.pool, ZCS_COUNT_INSERT_REFUSED), 1);
		assert_true(tt_backup_is(c.tt, c.seed, 0, 8));
		assert_restores(&c);
		tt_case_fini(&c);
	}
}

/* Only the block that was refused is split. */
static void case_58_other_blocks_stay_whole(void **state)
{
	(void)state;
	tt_for_each_splittable(backing, flags)
	{
		struct tt_case c;

		tt_case_init(&c, backing, 1536, flags);
		zcs_test_fault("insert_large", 1, 1, 0);
		zcs_assert_is(zcs_tt_backup(c.tt, 0), 1536);
		zcs_assert_is(zcs_test_inserted(c.pool, 9), 2);
		zcs_assert_is(zcs_test_inserted(c.pool, 0), 512);
		zcs_assert_is(tt_order(c.tt, 0), 9);
		zcs_assert_is(tt_order(c.tt, 512), 0);
		zcs_assert_is(tt_order(c.tt, 1024), 9);
		assert_restores(&c);
		tt_case_fini(&c);
	}
}

static void case_59_page_five_refused_leaves_pages_zero_to_four_backed_up(void **state)
{
	(void)state;
	tt_for_each_splittable(backing, flags)
	{
		struct tt_case c;

		tt_case_init(&c, backing, 8, flags);
		zcs_test_fault("insert_large", 0, 0, 0);
		zcs_test_fault("insert", 1 + 5, 0, 0);
		zcs_assert_is(zcs_tt_backup(c.tt, 0), 5);
		assert_true(tt_all(c.tt, 0, 5, TT_HANDLE));
		assert_true(tt_all(c.tt, 5, 3, TT_PAGE));
		assert_true(tt_backup_is(c.tt, c.seed, 0, 5));
		assert_true(tt_is(c.tt, c.seed, 5, 3));
		zcs_assert_is(tt_state(c.tt), ZCS_TT_BACKED_UP);
		zcs_assert_is(zcs_test_stats(c.pool).active_pages, 3);
		tt_case_ok(&c);
		zcs_test_faults_off();
		zcs_assert_is(zcs_tt_backup(c.tt, 0), 3);
		assert_restores(&c);
		tt_case_fini(&c);
	}
}

static void case_60_page_zero_refused_returns_the_error_and_changes_nothing(void **state)
{
	(void)state;
	tt_for_each_splittable(backing, flags)
	{
		for (uint64_t nr = 1; nr <= 8; nr += 7) {
			struct tt_case c;

			tt_case_init(&c, backing, nr, flags);
			zcs_test_fault("insert", 0, 0, EIO);
			zcs_assert_is(zcs_tt_backup(c.tt, 0), -EIO);
			zcs_assert_is(tt_state(c.tt), ZCS_TT_POPULATED);
			assert_true(tt_all(c.tt, 0, nr, TT_PAGE));
			assert_true(tt_case_is(&c));
			zcs_assert_is(zcs_test_stats(c.pool).active_pages, (int64_t)nr);
			zcs_assert_is(zcs_test_stats(c.pool).inserted_pages, 0);
			zcs_test_faults_off();
			zcs_assert_is(zcs_tt_backup(c.tt, 0), (int64_t)nr);
			assert_restores(&c);
			tt_case_fini(&c);
		}
	}
}

/* The refused block, as every reader sees it. */
struct look {
	struct zcs_folio *folio;
	uint32_t meta;
	uint64_t pfn;
	unsigned order;
};

static struct look look_at(struct tt_case *c)
{
	struct zcs_folio *folio = tt_folio(c->tt, 0);
	struct look look;

	memset(&look, 0, sizeof(look));
	look.folio = folio;
	look.meta = zcs_folio_meta(folio);
	look.pfn = zcs_folio_pfn(folio);
	look.order = zcs_folio_order(folio);
	return look;
}

static void refused_and_not_split(enum zcs_backing backing, uint32_t flags)
{
	struct look before, after;
	struct tt_case c;

	tt_case_init(&c, backing, 512, flags);
	before = look_at(&c);
	zcs_test_fault("insert_large", 0, 0, ENOSPC);
	zcs_test_fault("split", 0, 0, 0);
	zcs_assert_is(zcs_tt_backup(c.tt, 0), -ENOSPC);
	after = look_at(&c);
	assert_memory_equal(&before, &after, sizeof(before));
	assert_int_equal(tt_order(c.tt, 0), 9);
	zcs_assert_is(zcs_test_counter(c.pool, ZCS_COUNT_INSERT_SPLIT), 0);
	zcs_assert_is(tt_state(c.tt), ZCS_TT_POPULATED);
	assert_true(tt_case_is(&c));
	zcs_test_faults_off();
	zcs_assert_is(zcs_tt_backup(c.tt, 0), 512);
	assert_restores(&c);
	tt_case_fini(&c);
}

/* Where the block cannot be split either (hugetlb never can) it is exactly as before. */
static void case_61_a_refused_block_is_exactly_as_before(void **state)
{
	(void)state;
	tt_for_each_shape(backing, flags) refused_and_not_split(backing, flags);
}

static void case_61_hugetlb_is_not_split(void **state)
{
	struct tt_case c;

	(void)state;
	if (!zcs_test_backing_works(ZCS_BACKING_HUGETLB))
		zcs_test_skip_case("no hugetlb pages");
	tt_case_init(&c, ZCS_BACKING_HUGETLB, 1024, ZCS_TT_CONTIGUOUS);
	zcs_test_fault("insert_large", 1, 0, 0);
	zcs_assert_is(zcs_tt_backup(c.tt, 0), 512);
	assert_true(tt_all(c.tt, 512, 512, TT_PAGE));
	assert_true(tt_is(c.tt, c.seed, 512, 512));
	assert_restores(&c);
	tt_case_fini(&c);
}

/*
 * Every turn of the loop goes on, splits or stops: with refusals strewn over it the call still
 * ends.
 */
static void backing_up_ends_whatever_is_refused(void **state)
{
	(void)state;
	tt_for_each_splittable(backing, flags)
	{
		for (unsigned every = 2; every < 5; every++) {
			uint64_t done = 0;
			struct tt_case c;

			tt_case_init(&c, backing, 771, flags);
			zcs_test_fault_every("insert", every);
			for (unsigned calls = 0; done < 771; calls++) {
				int64_t ret = zcs_tt_backup(c.tt, 0);

				assert_true(ret >= 0 || ret == -ENOMEM);
				done += ret < 0 ? 0 : (uint64_t)ret;
				zcs_assert_is(tt_count(c.tt, TT_HANDLE), (int64_t)done);
				assert_true(calls < 5000);
			}
			assert_restores(&c);
			tt_case_fini(&c);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		zcs_test(case_58_refused_block_is_split_and_inserted_page_by_page),
		zcs_test(case_58_other_blocks_stay_whole),
		zcs_test(case_59_page_five_refused_leaves_pages_zero_to_four_backed_up),
		zcs_test(case_60_page_zero_refused_returns_the_error_and_changes_nothing),
		zcs_test(case_61_a_refused_block_is_exactly_as_before),
		zcs_test(case_61_hugetlb_is_not_split),
		zcs_test(backing_up_ends_whatever_is_refused),
	};

	return zcs_test_run(tests);
}
