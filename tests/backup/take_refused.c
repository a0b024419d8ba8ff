/* SPDX-License-Identifier: MIT */
/* A take with a wrong handle or pool is refused, counted, and changes nothing. */
#include "backup_test.h"

static struct zcs_folio *folio;

/* One block of order 3 at index 16 of 64. */
static void open_all(void)
{
	backup_test_open(ZCS_BACKING_SMALL, 64);
	folio = zcs_test_folio(pool, 3);
	zcs_test_fill_folio(folio, 1);
	zcs_assert_is(zcs_backup_insert_folio(backup, folio, 3, 0, 16), 17);
}

static void close_all(void)
{
	struct zcs_folio *again = NULL;

	zcs_assert_is(zcs_test_inserted(pool, 3), 1);
	zcs_test_pool_ok(pool);
	zcs_assert_ok(zcs_backup_take_folio(backup, 17, pool, &again));
	assert_ptr_equal(again, folio);
	assert_true(zcs_test_folio_is(again, 1));
	zcs_folio_put(again);
	backup_test_close();
}

static void expect(int result, int64_t handle)
{
	struct zcs_folio *none = (struct zcs_folio *)(uintptr_t)8;
	uint64_t bad = zcs_test_counter(pool, ZCS_COUNT_BAD_TAKE);

	zcs_assert_is(zcs_backup_take_folio(backup, handle, pool, &none), result);
	assert_true((uintptr_t)none == 8);
	zcs_assert_is(zcs_test_counter(pool, ZCS_COUNT_BAD_TAKE), (int64_t)bad + 1);
}

static void forged_handles_are_refused(void **state)
{
	const int64_t forged[] = { 0, -1, INT64_MIN, 65, 66, INT64_MAX };

	(void)state;
	open_all();
	for (size_t i = 0; i < sizeof(forged) / sizeof(forged[0]); i++)
		expect(-EINVAL, forged[i]);
	close_all();
}

static void the_middle_of_a_block_is_refused(void **state)
{
	(void)state;
	open_all();
	for (int64_t handle = 18; handle <= 24; handle++)
		expect(-EINVAL, handle);
	close_all();
}

static void holes_are_enoent(void **state)
{
	(void)state;
	open_all();
	for (int64_t handle = 1; handle <= 64; handle++)
		if (handle < 17 || handle > 24)
			expect(-ENOENT, handle);
	close_all();
}

static void a_second_take_is_enoent(void **state)
{
	struct zcs_folio *again;

	(void)state;
	open_all();
	zcs_assert_ok(zcs_backup_take_folio(backup, 17, pool, &again));
	for (int64_t handle = 17; handle <= 24; handle++)
		expect(-ENOENT, handle);
	zcs_assert_is(zcs_backup_insert_folio(backup, again, 3, 0, 16), 17);
	close_all();
}

static void a_take_after_a_drop_is_enoent(void **state)
{
	(void)state;
	open_all();
	zcs_backup_drop(backup, 17, 3);
	expect(-ENOENT, 17);
	folio = zcs_test_folio(pool, 3);
	zcs_test_fill_folio(folio, 1);
	zcs_assert_is(zcs_backup_insert_folio(backup, folio, 3, 0, 16), 17);
	close_all();
}

static void null_is_refused(void **state)
{
	struct zcs_folio *none = NULL;

	(void)state;
	open_all();
	zcs_assert_is(zcs_backup_take_folio(NULL, 17, pool, &none), -EINVAL);
	zcs_assert_is(zcs_backup_take_folio(backup, 17, NULL, &none), -EINVAL);
	zcs_assert_is(zcs_backup_take_folio(backup, 17, pool, NULL), -EINVAL);
	assert_null(none);
	close_all();
}

static void an_injected_failure_changes_nothing(void **state)
{
	struct zcs_folio *none = NULL;

	(void)state;
	open_all();
	zcs_test_fault("take", 0, 0, 0);
	zcs_assert_is(zcs_backup_take_folio(backup, 17, pool, &none), -ENOMEM);
	assert_null(none);
	zcs_assert_is(zcs_test_counter(pool, ZCS_COUNT_BAD_TAKE), 0);
	zcs_assert_is(zcs_test_counter(pool, ZCS_COUNT_TAKE_MOVED), 0);
	zcs_test_faults_off();
	close_all();
}

static void another_pool_is_exdev(void **state)
{
	struct zcs_pool *other = zcs_test_pool(ZCS_BACKING_SMALL, 0, 0);
	struct zcs_folio *none = NULL;

	(void)state;
	open_all();
	zcs_assert_is(zcs_backup_take_folio(backup, 17, other, &none), -EXDEV);
	assert_null(none);
	close_all();
	zcs_test_pool_done(other);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		zcs_test(forged_handles_are_refused),
		zcs_test(the_middle_of_a_block_is_refused),
		zcs_test(holes_are_enoent),
		zcs_test(a_second_take_is_enoent),
		zcs_test(a_take_after_a_drop_is_enoent),
		zcs_test(null_is_refused),
		zcs_test(an_injected_failure_changes_nothing),
		zcs_test(another_pool_is_exdev),
	};

	return zcs_test_run(tests);
}
