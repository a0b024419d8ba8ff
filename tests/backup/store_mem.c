/* SPDX-License-Identifier: MIT */
/* "mem:" cannot be full and never writes; other specs are refused; how a full store is told. */
#include "zcs_test.h"

static void wrong_specs_are_refused(void **state)
{
	struct zcs_store *store = NULL;

	(void)state;
	zcs_assert_is(zcs_store_open(NULL, &store), -EINVAL);
	zcs_assert_is(zcs_store_open("mem:", NULL), -EINVAL);
	zcs_assert_is(zcs_store_open("", &store), -EINVAL);
	zcs_assert_is(zcs_store_open("mem:size=1G", &store), -EINVAL);
	zcs_assert_is(zcs_store_open("mem", &store), -EPROTONOSUPPORT);
	zcs_assert_is(zcs_store_open("tape:/dev/st0", &store), -EPROTONOSUPPORT);
	assert_null(store);
	zcs_store_close(NULL);
	zcs_assert_is(zcs_store_bytes_avail(NULL), -EINVAL);
	zcs_assert_is(zcs_store_check(NULL), -EINVAL);
}

static void without_memory_it_is_enomem(void **state)
{
	struct zcs_store *store = NULL;

	(void)state;
	zcs_test_fault("alloc_store", 0, 1, 0);
	zcs_assert_is(zcs_store_open("mem:", &store), -ENOMEM);
	assert_null(store);
}

static void case_44_mem_is_never_full_and_a_full_store_has_0(void **state)
{
	struct zcs_store *store = zcs_test_store();

	(void)state;
	zcs_assert_is(zcs_store_bytes_avail(store), INT64_MAX);
	zcs_test_fault("store_full", 0, 0, 0);
	zcs_assert_is(zcs_store_bytes_avail(store), 0);
	zcs_test_faults_off();
	zcs_assert_is(zcs_store_bytes_avail(store), INT64_MAX);
	zcs_test_store_done(store);
}

static void case_44_a_full_store_takes_no_tt(void **state)
{
	struct zcs_pool *pool = zcs_test_pool(ZCS_BACKING_SMALL, 0, 0);
	struct zcs_store *store = zcs_test_store();
	struct zcs_tt *tt = NULL;

	(void)state;
	zcs_assert_ok(zcs_tt_create(pool, 16, 0, &tt));
	zcs_assert_ok(zcs_tt_populate(tt, NULL));
	zcs_assert_ok(zcs_tt_setup_backup(tt, store));
	zcs_test_fault("store_full", 0, 0, 0);
	zcs_assert_is(zcs_tt_backup(tt, 0), -EBUSY);
	zcs_assert_is(zcs_tt_flags(tt), ZCS_TT_POPULATED);
	zcs_test_faults_off();
	zcs_assert_is(zcs_tt_backup(tt, 0), 16);
	zcs_test_tt_done(tt);
	zcs_test_store_done(store);
	zcs_test_pool_done(pool);
}

static void writing_back_to_mem_writes_nothing(void **state)
{
	struct zcs_pool *pool = zcs_test_pool(ZCS_BACKING_SMALL, 0, 0);
	struct zcs_store *store = zcs_test_store();
	struct zcs_backup *backup = zcs_test_backup(store, 64);
	struct zcs_folio *folio = zcs_test_folio(pool, 6);

	(void)state;
	zcs_test_fill_folio(folio, 1);
	zcs_assert_is(zcs_backup_insert_folio(backup, folio, 6, ZCS_INSERT_WRITEBACK, 0), 1);
	zcs_assert_is(zcs_backup_writeback(backup, 0, 63, 0), 0);
	zcs_assert_is(zcs_backup_writeback(backup, 0, 63, ZCS_WB_WAIT), 0);
	zcs_assert_is(zcs_backup_writeback(backup, 5, UINT64_MAX, 0), 0);
	zcs_assert_is(zcs_test_stats(pool).inserted_pages, 64);
	zcs_assert_is(zcs_test_stats(pool).resident_pages, 64);
	zcs_assert_ok(zcs_backup_take_folio(backup, 1, pool, &folio));
	assert_true(zcs_test_folio_is(folio, 1));
	zcs_folio_put(folio);
	zcs_test_backup_done(backup);
	zcs_test_store_done(store);
	zcs_test_pool_done(pool);
}

static void wrong_ranges_of_writeback_are_refused(void **state)
{
	struct zcs_store *store = zcs_test_store();
	struct zcs_backup *backup = zcs_test_backup(store, 64);

	(void)state;
	zcs_assert_is(zcs_backup_writeback(NULL, 0, 0, 0), -EINVAL);
	zcs_assert_is(zcs_backup_writeback(backup, 1, 0, 0), -EINVAL);
	zcs_assert_is(zcs_backup_writeback(backup, 64, 64, 0), -EINVAL);
	zcs_assert_is(zcs_backup_writeback(backup, UINT64_MAX, UINT64_MAX, 0), -EINVAL);
	for (unsigned bit = 1; bit < 32; bit++)
		zcs_assert_is(zcs_backup_writeback(backup, 0, 63, 1u << bit), -EINVAL);
	zcs_test_backup_done(backup);
	zcs_test_store_done(store);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		zcs_test(wrong_specs_are_refused),
		zcs_test(without_memory_it_is_enomem),
		zcs_test(case_44_mem_is_never_full_and_a_full_store_has_0),
		zcs_test(case_44_a_full_store_takes_no_tt),
		zcs_test(writing_back_to_mem_writes_nothing),
		zcs_test(wrong_ranges_of_writeback_are_refused),
	};

	setenv("ZCSWAP_LOG", "off", 1);
	return zcs_test_run(tests);
}
