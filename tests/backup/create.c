/* SPDX-License-Identifier: MIT */
/* Making a backup, for itself and for a tt: what is refused leaves nothing behind. */
#include <malloc.h>

#include "zcs_test.h"

static void wrong_arguments_are_refused(void **state)
{
	struct zcs_store *store = zcs_test_store();
	struct zcs_backup *backup = NULL;

	(void)state;
	zcs_assert_is(zcs_backup_create(NULL, 1, &backup), -EINVAL);
	zcs_assert_is(zcs_backup_create(store, 1, NULL), -EINVAL);
	zcs_assert_is(zcs_backup_create(store, 0, &backup), -EINVAL);
	zcs_assert_is(zcs_backup_create(store, (uint64_t)INT64_MAX / ZCS_PAGE_SIZE + 1, &backup),
		      -EINVAL);
	zcs_assert_is(zcs_backup_create(store, INT64_MAX, &backup), -EINVAL);
	zcs_assert_is(zcs_backup_create(store, UINT64_MAX, &backup), -EINVAL);
	assert_null(backup);
	zcs_test_store_done(store);
}

static void every_length_is_had(void **state)
{
	const uint64_t lengths[] = { 1, 2, 511, 512, 513, 8192, 8193, 1u << 22 };
	struct zcs_store *store = zcs_test_store();

	(void)state;
	for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
		struct zcs_backup *backup = zcs_test_backup(store, lengths[i]);
		struct zcs_backup_stats st = { .struct_size = sizeof(st) };

		zcs_assert_ok(zcs_backup_stats(backup, &st));
		zcs_assert_is(st.num_pages, (int64_t)lengths[i]);
		zcs_assert_is(st.resident_pages, 0);
		zcs_test_backup_done(backup);
	}
	zcs_test_store_done(store);
}

static void case_47_without_memory_it_is_enomem(void **state)
{
	static const char *const points[] = { "alloc_backup", "alloc_index_node", "mmap" };
	const uint64_t lengths[] = { 100, 5000, 100000 };
	struct zcs_store *store = zcs_test_store();
	unsigned refused = 0;

	(void)state;
	for (size_t p = 0; p < 3; p++)
		for (size_t l = 0; l < 3; l++)
			for (uint64_t at = 0;; at++) {
				struct zcs_backup *backup = NULL;
				int err;

				zcs_test_fault(points[p], at, 1, 0);
				err = zcs_backup_create(store, lengths[l], &backup);
				if (!err) {
					zcs_test_backup_done(backup);
					break;
				}
				zcs_assert_is(err, -ENOMEM);
				assert_null(backup);
				refused++;
			}
	/* each had at least: the object, two levels of each length, and the large reservation */
	assert_true(refused >= 3 + 6 + 1);
	zcs_test_faults_off();
	zcs_test_store_done(store);
}

static void case_47_a_tt_is_as_before(void **state)
{
	struct zcs_pool *pool = zcs_test_pool(ZCS_BACKING_SMALL, 0, 0);
	struct zcs_store *store = zcs_test_store();
	struct zcs_tt *tt = NULL;

	(void)state;
	zcs_assert_ok(zcs_tt_create(pool, 700, 0, &tt));
	zcs_assert_ok(zcs_tt_populate(tt, NULL));
	for (uint64_t at = 0;; at++) {
		int err;

		zcs_test_fault(at % 2 ? "alloc_index_node" : "alloc_backup", at / 2, 1, 0);
		err = zcs_tt_setup_backup(tt, store);
		if (!err && at > 1)
			break;
		zcs_assert_is(err, err ? -ENOMEM : 0);
		zcs_test_faults_off();
		zcs_assert_is(zcs_tt_flags(tt), ZCS_TT_POPULATED);
		zcs_assert_ok(zcs_tt_check(tt));
	}
	zcs_test_faults_off();
	zcs_assert_is(zcs_tt_backup(tt, 0), 700);
	zcs_test_tt_done(tt);
	zcs_test_store_done(store);
	zcs_test_pool_done(pool);
}

static size_t in_use(void)
{
	struct mallinfo2 m = mallinfo2();

	return m.uordblks + m.hblkhd;
}

/* The kernel leaks the new file here. */
static void case_45_an_external_tt_is_refused_and_nothing_leaks(void **state)
{
	struct zcs_pool *pool = zcs_test_pool(ZCS_BACKING_SMALL, 0, 0);
	struct zcs_store *store = zcs_test_store();
	struct zcs_tt *tt = NULL;
	size_t before;

	(void)state;
	zcs_assert_ok(zcs_tt_create(pool, 100, ZCS_TT_EXTERNAL, &tt));
	before = in_use();
	for (unsigned i = 0; i < 100; i++)
		zcs_assert_is(zcs_tt_setup_backup(tt, store), -EINVAL);
	zcs_assert_is(in_use(), (int64_t)before);
	zcs_assert_is(zcs_tt_setup_backup(NULL, store), -EINVAL);
	zcs_assert_is(zcs_tt_setup_backup(tt, NULL), -EINVAL);
	zcs_test_tt_done(tt);
	zcs_test_store_done(store);
	zcs_test_pool_done(pool);
}

static void case_46_a_second_setup_replaces_the_first(void **state)
{
	struct zcs_pool *pool = zcs_test_pool(ZCS_BACKING_SMALL, 0, 0);
	struct zcs_store *store = zcs_test_store();
	struct zcs_tt *tt = NULL;
	size_t before;

	(void)state;
	zcs_assert_ok(zcs_tt_create(pool, 100, 0, &tt));
	zcs_assert_ok(zcs_tt_setup_backup(tt, store));
	before = in_use();
	for (unsigned i = 0; i < 50; i++)
		zcs_assert_ok(zcs_tt_setup_backup(tt, store));
	/*
	 * each released the one before it; what malloc() hands out is at times a little more than
	 * was asked for
	 */
	assert_in_range(in_use(), 0, before + 64);
	zcs_assert_ok(zcs_tt_populate(tt, NULL));
	zcs_test_fill(zcs_tt_page_address(tt, 0), 1, 0, 64);
	zcs_assert_is(zcs_tt_backup(tt, 0), 100);
	zcs_assert_is(zcs_tt_setup_backup(tt, store), -EBUSY);
	zcs_assert_ok(zcs_tt_restore(tt, NULL));
	zcs_assert_ok(zcs_tt_setup_backup(tt, store));
	assert_true(zcs_test_is(zcs_tt_page_address(tt, 0), 1, 0, 64));
	zcs_test_tt_done(tt);
	zcs_test_store_done(store);
	zcs_test_pool_done(pool);
}

static void statistics_write_no_more_than_struct_size(void **state)
{
	struct zcs_store *store = zcs_test_store();
	struct zcs_backup *backup = zcs_test_backup(store, 600);
	struct zcs_backup_stats st = { .struct_size = 0 };

	(void)state;
	zcs_assert_is(zcs_backup_stats(backup, &st), -EINVAL);
	zcs_assert_is(zcs_backup_stats(backup, NULL), -EINVAL);
	zcs_assert_is(zcs_backup_stats(NULL, &st), -EINVAL);
	memset(&st, 0xa5, sizeof(st));
	st.struct_size = 2 * sizeof(uint64_t);
	zcs_assert_ok(zcs_backup_stats(backup, &st));
	zcs_assert_is(st.num_pages, 600);
	zcs_assert_is(st.resident_pages, (int64_t)0xa5a5a5a5a5a5a5a5);
	st.struct_size = sizeof(st);
	zcs_assert_ok(zcs_backup_stats(backup, &st));
	zcs_assert_is(st.resident_pages, 0);
	assert_true(st.metadata_bytes >= 600 * 4);
	zcs_assert_is(zcs_backup_check(NULL), -EINVAL);
	zcs_backup_destroy(NULL);
	zcs_test_backup_done(backup);
	zcs_test_store_done(store);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		zcs_test(wrong_arguments_are_refused),
		zcs_test(every_length_is_had),
		zcs_test(case_47_without_memory_it_is_enomem),
		zcs_test(case_47_a_tt_is_as_before),
		zcs_test(case_45_an_external_tt_is_refused_and_nothing_leaks),
		zcs_test(case_46_a_second_setup_replaces_the_first),
		zcs_test(statistics_write_no_more_than_struct_size),
	};

	return zcs_test_run(tests);
}
