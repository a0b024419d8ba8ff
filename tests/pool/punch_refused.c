/* SPDX-License-Identifier: MIT */
/*
 * Memory that cannot be given back is counted and zeroed: the next owner of those pages must not
 * see what was there, and nothing fails.
 */
#include "zcs_test.h"

static void a_folio_that_cannot_be_punched_is_zero(void **state)
{
	(void)state;
	zcs_test_for_each_backing(b)
	{
		struct zcs_pool *pool = zcs_test_pool(b, 0, 0);
		struct zcs_folio *folio = zcs_test_folio(pool, 9);
		uint64_t pfn = zcs_folio_pfn(folio);

		zcs_test_fill_folio(folio, 1);
		zcs_folio_put(folio);
		zcs_test_fault("punch_hole", 0, 1, 0);
		zcs_assert_is(zcs_pool_shrink(pool, -1, 1), 512);
		zcs_assert_is(zcs_test_counter(pool, ZCS_COUNT_PUNCH_FAILED), 1);
		zcs_test_pool_ok(pool);
		folio = zcs_test_folio(pool, 9);
		zcs_assert_is(zcs_folio_pfn(folio), (int64_t)pfn);
		assert_true(zcs_test_folio_is_zero(folio));
		zcs_folio_put(folio);
		zcs_test_pool_done(pool);
	}
}

/* Pages that go straight to the system were not zeroed before. */
static void a_home_that_cannot_be_punched_is_zero(void **state)
{
	(void)state;
	zcs_test_for_each_backing(b)
	{
		struct zcs_pool *pool = zcs_test_pool(b, 0, 0);
		struct zcs_tt *tt = NULL;
		uint64_t failed;

		zcs_assert_ok(zcs_tt_create(pool, 1024, ZCS_TT_CONTIGUOUS, &tt));
		zcs_assert_ok(zcs_tt_populate(tt, NULL));
		zcs_test_fill(zcs_tt_address(tt), 1, 0, 1024);
		zcs_test_fault("punch_hole", 0, 0, 0);
		zcs_tt_unpopulate(tt);
		zcs_test_faults_off();
		/* what does not trap is wiped once more: without userfaultfd there are four */
		failed = zcs_test_counter(pool, ZCS_COUNT_PUNCH_FAILED);
		assert_true(failed == 2 || failed == 4);
		zcs_assert_ok(zcs_tt_populate(tt, NULL));
		assert_true(zcs_test_is_zero(zcs_tt_address(tt), 1024 * ZCS_PAGE_SIZE));
		zcs_test_tt_done(tt);
		zcs_test_pool_done(pool);
	}
}

static void a_purged_tt_that_cannot_be_punched_leaves_zeros(void **state)
{
	struct zcs_pool *pool = zcs_test_pool(ZCS_BACKING_SMALL, 0, 0);
	struct zcs_tt *tt = NULL;

	(void)state;
	zcs_assert_ok(zcs_tt_create(pool, 64, 0, &tt));
	for (unsigned round = 0; round < 2; round++) {
		zcs_assert_ok(zcs_tt_populate(tt, NULL));
		assert_true(zcs_test_is_zero(zcs_tt_page_address(tt, 0), 64 * ZCS_PAGE_SIZE));
		zcs_test_fill(zcs_tt_page_address(tt, 0), 1, 0, 64);
		zcs_test_fault("punch_hole", 0, 0, 0);
		zcs_assert_is(zcs_tt_backup(tt, ZCS_BACKUP_PURGE), 64);
		zcs_test_faults_off();
		zcs_assert_ok(zcs_tt_drop_backup(tt));
	}
	zcs_assert_is(zcs_test_counter(pool, ZCS_COUNT_PUNCH_FAILED), 2);
	zcs_test_tt_done(tt);
	zcs_test_pool_done(pool);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		zcs_test(a_folio_that_cannot_be_punched_is_zero),
		zcs_test(a_home_that_cannot_be_punched_is_zero),
		zcs_test(a_purged_tt_that_cannot_be_punched_leaves_zeros),
	};

	return zcs_test_run(tests);
}
