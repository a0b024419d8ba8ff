/* SPDX-License-Identifier: MIT */
/*
 * Without userfaultfd the user map does not trap, and everything else works: backup and restore
 * that nobody races with keep every byte.
 */
#include "zcs_test.h"

#define NR 1024u

static void backup_and_restore(enum zcs_backing backing, const char *point, int error)
{
	struct zcs_pool *pool = zcs_test_pool(backing, 0, 0);
	struct zcs_store *store = zcs_test_store();
	struct zcs_tt *tt = NULL;

	zcs_test_fault(point, 0, 0, error);
	zcs_assert_ok(zcs_tt_create(pool, NR, ZCS_TT_CONTIGUOUS, &tt));
	zcs_assert_ok(zcs_tt_setup_backup(tt, store));
	zcs_assert_ok(zcs_tt_populate(tt, NULL));
	zcs_test_fill(zcs_tt_address(tt), 5, 0, NR);
	for (unsigned i = 0; i < 3; i++) {
		zcs_assert_is(zcs_tt_backup(tt, 0), NR);
		zcs_assert_is(zcs_test_present_pages(zcs_tt_address(tt), NR), 0);
		zcs_assert_ok(zcs_tt_restore(tt, NULL));
		assert_true(zcs_test_is(zcs_tt_address(tt), 5, 0, NR));
	}
	assert_true(zcs_test_fault_failed(point) > 0);
	zcs_test_tt_done(tt);
	zcs_test_store_done(store);
	zcs_test_pool_done(pool);
}

static void without_it_backup_and_restore_work(void **state)
{
	(void)state;
	zcs_test_for_each_backing(b) backup_and_restore(b, "userfaultfd", EPERM);
}

static void a_hugetlb_range_that_cannot_be_registered_does_not_trap(void **state)
{
	(void)state;
	if (!zcs_test_backing_works(ZCS_BACKING_HUGETLB))
		zcs_test_skip_case("no hugetlb pages");
	if (!zcs_test_has_userfaultfd())
		zcs_test_skip_case("no userfaultfd here: nothing to refuse");
	backup_and_restore(ZCS_BACKING_HUGETLB, "uffdio_register", EINVAL);
}

/* Such an arena would never trap. */
static void a_hugetlb_range_that_cannot_be_registered_now_is_an_error(void **state)
{
	struct zcs_pool *pool;
	struct zcs_tt *tt = NULL;

	(void)state;
	if (!zcs_test_backing_works(ZCS_BACKING_HUGETLB))
		zcs_test_skip_case("no hugetlb pages");
	if (!zcs_test_has_userfaultfd())
		zcs_test_skip_case("no userfaultfd here: nothing to refuse");
	pool = zcs_test_pool(ZCS_BACKING_HUGETLB, 0, 0);
	zcs_test_fault("uffdio_register", 0, 1, ENOMEM);
	zcs_assert_is(zcs_tt_create(pool, NR, ZCS_TT_CONTIGUOUS, &tt), -ENOMEM);
	assert_null(tt);
	zcs_assert_ok(zcs_tt_create(pool, NR, ZCS_TT_CONTIGUOUS, &tt));
	zcs_test_tt_done(tt);
	zcs_test_pool_done(pool);
}

/* On shmem the range is registered as it goes out: a refusal is an error, and nothing has happened.
 */
static void a_shmem_range_that_cannot_be_registered_stays(void **state)
{
	struct zcs_pool *pool;
	struct zcs_store *store;
	struct zcs_tt *tt = NULL;

	(void)state;
	if (!zcs_test_has_userfaultfd())
		zcs_test_skip_case("no userfaultfd here: nothing to refuse");
	pool = zcs_test_pool(ZCS_BACKING_THP, 0, 0);
	store = zcs_test_store();
	zcs_assert_ok(zcs_tt_create(pool, NR, ZCS_TT_CONTIGUOUS, &tt));
	zcs_assert_ok(zcs_tt_setup_backup(tt, store));
	zcs_assert_ok(zcs_tt_populate(tt, NULL));
	zcs_test_fill(zcs_tt_address(tt), 5, 0, NR);
	zcs_test_fault("uffdio_register", 0, 0, 0);
	zcs_assert_is(zcs_tt_backup(tt, 0), -ENOMEM);
	zcs_test_faults_off();
	zcs_assert_ok(zcs_tt_check(tt));
	if (zcs_tt_flags(tt) & ZCS_TT_BACKED_UP)
		zcs_assert_ok(zcs_tt_restore(tt, NULL));
	assert_true(zcs_test_is(zcs_tt_address(tt), 5, 0, NR));
	zcs_test_tt_done(tt);
	zcs_test_store_done(store);
	zcs_test_pool_done(pool);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		zcs_test(without_it_backup_and_restore_work),
		zcs_test(a_hugetlb_range_that_cannot_be_registered_does_not_trap),
		zcs_test(a_hugetlb_range_that_cannot_be_registered_now_is_an_error),
		zcs_test(a_shmem_range_that_cannot_be_registered_stays),
	};

	if (zcs_test_under_valgrind())
		zcs_test_skip("valgrind does not know userfaultfd");
	return zcs_test_run(tests);
}
