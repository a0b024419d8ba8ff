/* SPDX-License-Identifier: MIT */
/*
 * Giving a tt a backup: only an empty one is replaced, and a refusal leaves the earlier one in
 * place. References to the store tell which backups live.
 */
#include "store/store.h"
#include "tt_inside.h"

static uint64_t users(const struct zcs_store *store)
{
	return store->refs - 1;
}

static void case_45_an_external_tt_cannot_have_a_backup(void **state)
{
	(void)state;
	tt_for_each_shape(backing, flags)
	{
		struct tt_case c;

		tt_case_bare(&c, backing, 9, flags | ZCS_TT_EXTERNAL);
		zcs_assert_is(zcs_tt_setup_backup(c.tt, c.store), -EINVAL);
		zcs_assert_is(users(c.store), 0);
		zcs_assert_ok(zcs_tt_populate(c.tt, NULL));
		zcs_assert_is(zcs_tt_backup(c.tt, 0), 0);
		zcs_assert_is(tt_state(c.tt), ZCS_TT_POPULATED);
		tt_case_fini(&c);
	}
}

static void case_46_the_second_backup_replaces_the_first(void **state)
{
	(void)state;
	tt_for_each_shape(backing, flags)
	{
		struct zcs_store *other = zcs_test_store();
		struct tt_case c;

		tt_case_init(&c, backing, 515, flags);
		zcs_assert_is(users(c.store), 1);
		zcs_assert_ok(zcs_tt_setup_backup(c.tt, c.store));
		zcs_assert_is(users(c.store), 1);
		zcs_assert_ok(zcs_tt_setup_backup(c.tt, other));
		zcs_assert_is(users(c.store), 0);
		zcs_assert_is(users(other), 1);
		zcs_assert_is(zcs_tt_backup(c.tt, 0), 515);
		zcs_assert_ok(zcs_tt_restore(c.tt, NULL));
		assert_true(tt_case_is(&c));
		tt_case_fini(&c);
		zcs_assert_is(users(other), 0);
		zcs_test_store_done(other);
	}
}

static void a_backup_with_content_is_not_replaced(void **state)
{
	(void)state;
	tt_for_each_shape(backing, flags)
	{
		struct zcs_store *other = zcs_test_store();
		struct tt_case c;

		tt_case_init(&c, backing, 515, flags);
		zcs_assert_is(zcs_tt_backup_range(c.tt, 512, 2, 0), 2);
		zcs_assert_is(zcs_tt_setup_backup(c.tt, other), -EBUSY);
		zcs_assert_is(users(other), 0);
		zcs_assert_is(users(c.store), 1);
		zcs_assert_is(zcs_tt_backup(c.tt, 0), 513);
		zcs_assert_ok(zcs_tt_restore(c.tt, NULL));
		assert_true(tt_case_is(&c));
		zcs_assert_ok(zcs_tt_setup_backup(c.tt, other));
		tt_case_fini(&c);
		zcs_test_store_done(other);
	}
}

static void refused_backup(enum zcs_backing backing, uint32_t flags, const char *point,
			   uint64_t space)
{
	struct zcs_store *other = zcs_test_store();
	struct tt_case c;

	tt_case_init(&c, backing, 515, flags);
	zcs_test_fault(point, space, 0, 0);
	zcs_assert_is(zcs_tt_setup_backup(c.tt, other), -ENOMEM);
	zcs_assert_is(zcs_test_fault_failed(point), 1);
	zcs_test_faults_off();
	zcs_assert_is(users(other), 0);
	zcs_assert_is(users(c.store), 1);
	zcs_assert_is(zcs_tt_backup(c.tt, 0), 515);
	zcs_assert_ok(zcs_tt_restore(c.tt, NULL));
	assert_true(tt_case_is(&c));
	tt_case_fini(&c);
	zcs_test_store_done(other);
}

/* The kernel's cause is the commit limit; here it is the index. */
static void case_47_no_memory_for_the_backup_changes_nothing(void **state)
{
	(void)state;
	tt_for_each_shape(backing, flags)
	{
		refused_backup(backing, flags, "alloc_backup", 0);
		for (uint64_t space = 0; space < 3; space++)
			refused_backup(backing, flags, "alloc_index_node", space);
	}
}

static void the_backup_may_be_replaced_once_it_is_empty(void **state)
{
	struct tt_case c;

	(void)state;
	tt_case_init(&c, ZCS_BACKING_SMALL, 9, 0);
	zcs_assert_is(zcs_tt_backup(c.tt, 0), 9);
	zcs_assert_ok(zcs_tt_drop_backup(c.tt));
	zcs_assert_ok(zcs_tt_setup_backup(c.tt, c.store));
	zcs_assert_ok(zcs_tt_populate(c.tt, NULL));
	zcs_assert_is(zcs_tt_backup(c.tt, 0), 9);
	zcs_assert_is(zcs_tt_backup(c.tt, ZCS_BACKUP_PURGE), 9);
	zcs_assert_ok(zcs_tt_setup_backup(c.tt, c.store));
	zcs_assert_is(users(c.store), 1);
	tt_case_fini(&c);
}

/* The store lives as long as its last backup. */
static void the_store_may_be_closed_before_the_tt_is_done(void **state)
{
	struct tt_case c;

	(void)state;
	tt_case_init(&c, ZCS_BACKING_SMALL, 9, ZCS_TT_CONTIGUOUS);
	zcs_store_close(c.store);
	zcs_assert_is(zcs_tt_backup(c.tt, 0), 9);
	zcs_assert_ok(zcs_tt_restore(c.tt, NULL));
	assert_true(tt_case_is(&c));
	c.store = zcs_test_store();
	tt_case_fini(&c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		zcs_test(case_45_an_external_tt_cannot_have_a_backup),
		zcs_test(case_46_the_second_backup_replaces_the_first),
		zcs_test(a_backup_with_content_is_not_replaced),
		zcs_test(case_47_no_memory_for_the_backup_changes_nothing),
		zcs_test(the_backup_may_be_replaced_once_it_is_empty),
		zcs_test(the_store_may_be_closed_before_the_tt_is_done),
	};

	return zcs_test_run(tests);
}
