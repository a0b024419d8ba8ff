/* SPDX-License-Identifier: MIT */
/*
 * A restore that runs out of memory, or whose backup cannot hand a block over, keeps what it has
 * brought back and loses nothing; the next call finishes.
 */
#include "tt_test.h"

/* Blocks of 512, 512, 2 and 1 pages. */
#define NR 1027u
static const uint64_t starts[] = { 0, 512, 1024, 1026, 1027 };

/* The block that cannot be taken stays in the backup, the ones before are pages. */
static void case_81_a_block_that_cannot_be_taken(void **state)
{
	(void)state;
	tt_for_each_shape(backing, flags)
	{
		for (uint64_t k = 0; k < 4; k++) {
			struct tt_case c;

			tt_case_init(&c, backing, NR, flags);
			zcs_assert_is(zcs_tt_backup(c.tt, 0), NR);
			zcs_test_fault("take", k, 0, 0);
			zcs_assert_is(zcs_tt_restore(c.tt, NULL), -ENOMEM);
			assert_true(tt_all(c.tt, 0, starts[k], TT_PAGE));
			assert_true(tt_all(c.tt, starts[k], NR - starts[k], TT_HANDLE));
			assert_true(tt_is(c.tt, c.seed, 0, starts[k]));
			tt_case_ok(&c);
			zcs_test_faults_off();
			zcs_assert_ok(zcs_tt_restore(c.tt, NULL));
			assert_true(tt_case_is(&c));
			tt_case_fini(&c);
		}
	}
}

/* Pages, handles and holes: 0..511 purged, 512..1023 backed up, 1024..1026 purged. */
static void three_sorts(struct tt_case *c, enum zcs_backing backing, uint32_t flags)
{
	tt_case_init(c, backing, NR, flags);
	zcs_assert_is(zcs_tt_backup_range(c->tt, 0, 512, ZCS_BACKUP_PURGE), 512);
	zcs_assert_is(zcs_tt_backup_range(c->tt, 1024, 3, ZCS_BACKUP_PURGE), 3);
	zcs_assert_is(zcs_tt_backup(c->tt, 0), 512);
}

static void case_81_no_folio_for_a_hole_midway(void **state)
{
	(void)state;
	tt_for_each_shape(backing, flags)
	{
		struct tt_case c;

		three_sorts(&c, backing, flags);
		zcs_test_fault("folio_alloc", 1, 0, 0);
		zcs_assert_is(zcs_tt_restore(c.tt, NULL), -ENOMEM);
		/* the first hole and the handles are back, the second hole is not */
		assert_true(tt_all(c.tt, 0, 1024, TT_PAGE));
		assert_true(tt_all(c.tt, 1024, 3, TT_EMPTY));
		zcs_assert_is(tt_state(c.tt), ZCS_TT_BACKED_UP);
		assert_true(tt_is_zero(c.tt, 0, 512));
		assert_true(tt_is(c.tt, c.seed, 512, 512));
		tt_case_ok(&c);
		zcs_test_faults_off();
		zcs_assert_ok(zcs_tt_restore(c.tt, NULL));
		assert_true(tt_is_zero(c.tt, 1024, 3));
		tt_case_fini(&c);
	}
}

/* The pool is at its limit, because another tt took what was purged. */
static void case_81_over_the_limit_midway(void **state)
{
	(void)state;
	for (uint32_t flags = 0; flags <= ZCS_TT_CONTIGUOUS; flags += ZCS_TT_CONTIGUOUS) {
		struct zcs_pool *pool = zcs_test_pool(ZCS_BACKING_SMALL, 96 * ZCS_PAGE_SIZE, 0);
		struct zcs_store *store = zcs_test_store();
		struct zcs_tt *tt, *other;

		(void)state;
		zcs_assert_ok(zcs_tt_create(pool, 96, flags, &tt));
		zcs_assert_ok(zcs_tt_create(pool, 32, flags, &other));
		zcs_assert_ok(zcs_tt_populate(tt, NULL));
		zcs_assert_ok(zcs_tt_setup_backup(tt, store));
		tt_fill(tt, 5);
		zcs_assert_is(zcs_tt_backup_range(tt, 64, 32, ZCS_BACKUP_PURGE), 32);
		zcs_assert_is(zcs_tt_backup(tt, 0), 64);
		zcs_assert_ok(zcs_tt_populate(other, NULL));
		zcs_assert_is(zcs_tt_restore(tt, NULL), -ENOMEM);
		assert_true(tt_is(tt, 5, 0, 64));
		assert_true(tt_all(tt, 64, 32, TT_EMPTY));
		zcs_test_pool_ok(pool);
		zcs_tt_unpopulate(other);
		zcs_assert_ok(zcs_tt_restore(tt, NULL));
		assert_true(tt_is(tt, 5, 0, 64));
		assert_true(tt_is_zero(tt, 64, 32));
		zcs_test_tt_done(tt);
		zcs_test_tt_done(other);
		zcs_test_store_done(store);
		zcs_test_pool_done(pool);
	}
}

/* A scattered hole is filled with smaller blocks where the order that fits is refused. */
static void a_hole_is_filled_with_a_smaller_order(void **state)
{
	struct tt_case c;

	(void)state;
	three_sorts(&c, ZCS_BACKING_SMALL, 0);
	zcs_test_fault("folio_alloc", 0, 1, 0);
	zcs_assert_ok(zcs_tt_restore(c.tt, NULL));
	zcs_assert_is(zcs_test_active(c.pool, 8), 2);
	assert_true(tt_is_zero(c.tt, 0, 512));
	assert_true(tt_is(c.tt, c.seed, 512, 512));
	zcs_assert_is(zcs_tt_backup(c.tt, 0), NR);
	zcs_assert_ok(zcs_tt_restore(c.tt, NULL));
	assert_true(tt_is(c.tt, c.seed, 512, 512));
	tt_case_fini(&c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		zcs_test(case_81_a_block_that_cannot_be_taken),
		zcs_test(case_81_no_folio_for_a_hole_midway),
		zcs_test(case_81_over_the_limit_midway),
		zcs_test(a_hole_is_filled_with_a_smaller_order),
	};

	return zcs_test_run(tests);
}
