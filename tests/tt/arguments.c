/* SPDX-License-Identifier: MIT */
/*
 * Wrong arguments of every function of tt.h: the error that the header names, and nothing changes.
 */
#include "tt_test.h"

#define NR 9u

/* One call with one thing wrong. */
struct wrong {
	const char *what;
	int64_t (*call)(struct tt_case *c);
	int64_t expected;
};

static const struct zcs_ctx bad_ctx = { .struct_size = sizeof(struct zcs_ctx) - 1 };
static const struct zcs_ctx empty_ctx = { .struct_size = 0 };
static struct zcs_tt *out;

#define WRONG(name, expr)                      \
	static int64_t name(struct tt_case *c) \
	{                                      \
		(void)c;                       \
		return (int64_t)(expr);        \
	}

WRONG(create_without_pool, zcs_tt_create(NULL, NR, 0, &out))
WRONG(create_without_pointer, zcs_tt_create(c->pool, NR, 0, NULL))
WRONG(create_of_nothing, zcs_tt_create(c->pool, 0, 0, &out))
WRONG(create_too_long, zcs_tt_create(c->pool, UINT64_C(1) << 51, 0, &out))
WRONG(create_with_flag, zcs_tt_create(c->pool, NR, 1u << 31, &out))
WRONG(populate_null, zcs_tt_populate(NULL, NULL))
WRONG(populate_ctx, zcs_tt_populate(c->tt, &bad_ctx))
WRONG(populate_empty_ctx, zcs_tt_populate(c->tt, &empty_ctx))
WRONG(setup_null, zcs_tt_setup_backup(NULL, c->store))
WRONG(setup_without_store, zcs_tt_setup_backup(c->tt, NULL))
WRONG(backup_null, zcs_tt_backup(NULL, 0))
WRONG(backup_flag, zcs_tt_backup(c->tt, 4))
WRONG(backup_all_flags, zcs_tt_backup(c->tt, UINT32_MAX))
WRONG(restore_null, zcs_tt_restore(NULL, NULL))
WRONG(restore_ctx, zcs_tt_restore(c->tt, &bad_ctx))
WRONG(backup_range_null, zcs_tt_backup_range(NULL, 0, 1, 0))
WRONG(backup_range_empty, zcs_tt_backup_range(c->tt, 0, 0, 0))
WRONG(backup_range_first, zcs_tt_backup_range(c->tt, NR, 1, 0))
WRONG(backup_range_count, zcs_tt_backup_range(c->tt, 0, NR + 1, 0))
WRONG(backup_range_both, zcs_tt_backup_range(c->tt, NR - 1, 2, 0))
WRONG(backup_range_wraps, zcs_tt_backup_range(c->tt, 2, UINT64_MAX, 0))
WRONG(backup_range_far, zcs_tt_backup_range(c->tt, UINT64_MAX, 1, 0))
WRONG(backup_range_flag, zcs_tt_backup_range(c->tt, 0, NR, 8))
WRONG(purge_range_wraps, zcs_tt_backup_range(c->tt, 2, UINT64_MAX, ZCS_BACKUP_PURGE))
WRONG(restore_range_null, zcs_tt_restore_range(NULL, 0, 1, NULL))
WRONG(restore_range_empty, zcs_tt_restore_range(c->tt, 0, 0, NULL))
WRONG(restore_range_first, zcs_tt_restore_range(c->tt, NR, 1, NULL))
WRONG(restore_range_count, zcs_tt_restore_range(c->tt, 0, NR + 1, NULL))
WRONG(restore_range_wraps, zcs_tt_restore_range(c->tt, 2, UINT64_MAX, NULL))
WRONG(restore_range_ctx, zcs_tt_restore_range(c->tt, 0, 1, &bad_ctx))
WRONG(drop_null, zcs_tt_drop_backup(NULL))
WRONG(flags_null, zcs_tt_flags(NULL))
WRONG(num_pages_null, zcs_tt_num_pages(NULL))
WRONG(slot_null, zcs_tt_slot(NULL, 0))
WRONG(slot_past, zcs_tt_slot(c->tt, NR))
WRONG(slot_far, zcs_tt_slot(c->tt, UINT64_MAX))
WRONG(page_address_null, (uintptr_t)zcs_tt_page_address(NULL, 0))
WRONG(page_address_past, (uintptr_t)zcs_tt_page_address(c->tt, NR))
WRONG(address_null, (uintptr_t)zcs_tt_address(NULL))
WRONG(check_null, zcs_tt_check(NULL))
WRONG(unpopulate_null, (zcs_tt_unpopulate(NULL), 0))
WRONG(destroy_null, (zcs_tt_destroy(NULL), 0))

#define EINVAL_IS(name)              \
	{                            \
#name, name, -EINVAL \
	}
#define NOTHING_IS(name)       \
	{                      \
#name, name, 0 \
	}

static const struct wrong wrongs[] = {
	EINVAL_IS(create_without_pool), EINVAL_IS(create_without_pointer),
	EINVAL_IS(create_of_nothing),	EINVAL_IS(create_too_long),
	EINVAL_IS(create_with_flag),	EINVAL_IS(populate_null),
	EINVAL_IS(populate_ctx),	EINVAL_IS(populate_empty_ctx),
	EINVAL_IS(setup_null),		EINVAL_IS(setup_without_store),
	EINVAL_IS(backup_null),		EINVAL_IS(backup_flag),
	EINVAL_IS(backup_all_flags),	EINVAL_IS(restore_null),
	EINVAL_IS(restore_ctx),		EINVAL_IS(backup_range_null),
	EINVAL_IS(backup_range_empty),	EINVAL_IS(backup_range_first),
	EINVAL_IS(backup_range_count),	EINVAL_IS(backup_range_both),
	EINVAL_IS(backup_range_wraps),	EINVAL_IS(backup_range_far),
	EINVAL_IS(backup_range_flag),	EINVAL_IS(purge_range_wraps),
	EINVAL_IS(restore_range_null),	EINVAL_IS(restore_range_empty),
	EINVAL_IS(restore_range_first), EINVAL_IS(restore_range_count),
	EINVAL_IS(restore_range_wraps), EINVAL_IS(restore_range_ctx),
	EINVAL_IS(drop_null),		EINVAL_IS(check_null),
	NOTHING_IS(flags_null),		NOTHING_IS(num_pages_null),
	NOTHING_IS(slot_null),		NOTHING_IS(slot_past),
	NOTHING_IS(slot_far),		NOTHING_IS(page_address_null),
	NOTHING_IS(page_address_past),	NOTHING_IS(address_null),
	NOTHING_IS(unpopulate_null),	NOTHING_IS(destroy_null),
};

/* All of them in a row, on a tt that is as @c. */
static void refuse_all(struct tt_case *c)
{
	struct zcs_pool_stats before = zcs_test_stats(c->pool), after;
	struct zcs_tt *const untouched = (void *)c;
	uint32_t was = zcs_tt_flags(c->tt);
	uintptr_t slots[NR];

	for (uint64_t i = 0; i < NR; i++)
		slots[i] = zcs_tt_slot(c->tt, i);
	out = untouched;
	for (size_t i = 0; i < sizeof(wrongs) / sizeof(wrongs[0]); i++)
		zcs_test_assert_result(wrongs[i].call(c), wrongs[i].expected, wrongs[i].what,
				       __FILE__, __LINE__);
	assert_ptr_equal(out, untouched);
	after = zcs_test_stats(c->pool);
	assert_memory_equal(&before, &after, sizeof(before));
	assert_int_equal(zcs_tt_flags(c->tt), was);
	for (uint64_t i = 0; i < NR; i++)
		assert_int_equal(zcs_tt_slot(c->tt, i), slots[i]);
	tt_case_ok(c);
}

static void wrong_arguments_change_nothing_in_any_state(void **state)
{
	(void)state;
	for (uint32_t flags = 0; flags <= ZCS_TT_CONTIGUOUS; flags += ZCS_TT_CONTIGUOUS) {
		struct tt_case c;

		tt_case_bare(&c, ZCS_BACKING_SMALL, NR, flags);
		refuse_all(&c);
		zcs_assert_ok(zcs_tt_setup_backup(c.tt, c.store));
		zcs_assert_ok(zcs_tt_populate(c.tt, NULL));
		tt_fill(c.tt, c.seed);
		refuse_all(&c);
		zcs_assert_is(zcs_tt_backup_range(c.tt, 8, 1, 0), 1);
		refuse_all(&c);
		zcs_assert_is(zcs_tt_backup(c.tt, 0), 8);
		refuse_all(&c);
		zcs_assert_ok(zcs_tt_restore(c.tt, NULL));
		assert_true(tt_case_is(&c));
		tt_case_fini(&c);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		zcs_test(wrong_arguments_change_nothing_in_any_state),
	};

	return zcs_test_run(tests);
}
