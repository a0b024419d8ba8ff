/* SPDX-License-Identifier: MIT */
/*
 * Backing up a whole tt: every slot becomes the handle of its index, the folios change owner as
 * they are, and no byte of them moves.
 */
#include "tt_inside.h"

static void case_52_every_slot_becomes_its_handle(void **state)
{
	(void)state;
	tt_for_each_shape(backing, flags)
	{
		for (size_t i = 0; i < tt_nr_sizes; i++) {
			uint64_t nr = tt_sizes[i];
			struct tt_case c;

			tt_case_init(&c, backing, nr, flags);
			zcs_assert_is(zcs_tt_backup(c.tt, 0), (int64_t)nr);
			assert_true(tt_all(c.tt, 0, nr, TT_HANDLE));
			zcs_assert_is(tt_state(c.tt), ZCS_TT_BACKED_UP);
			zcs_assert_is(zcs_test_stats(c.pool).active_pages, 0);
			zcs_assert_is(zcs_test_stats(c.pool).inserted_pages, (int64_t)nr);
			for (unsigned order = 0; order <= ZCS_MAX_ORDER; order++)
				zcs_assert_is(zcs_test_inserted(c.pool, order),
					      (int64_t)tt_blocks(nr, order));
			assert_null(zcs_tt_page_address(c.tt, 0));
			tt_case_fini(&c);
		}
	}
}

/* The same folio, at the same pfn, readable by handle; and nothing was allocated for it. */
static void case_57_a_block_of_order_9_changes_owner_without_a_copy(void **state)
{
	(void)state;
	tt_for_each_shape(backing, flags)
	{
		struct zcs_folio *folio;
		uint64_t pfn;
		const void *linear;
		struct tt_case c;

		tt_case_init(&c, backing, 512, flags);
		folio = tt_folio(c.tt, 0);
		pfn = zcs_folio_pfn(folio);
		linear = zcs_tt_page_address(c.tt, 0);
		zcs_assert_is(zcs_tt_backup(c.tt, 0), 512);
		assert_ptr_equal(tt_folio(c.tt, 0), folio);
		assert_int_equal(zcs_folio_pfn(folio), pfn);
		assert_int_equal(zcs_folio_order(folio), 9);
		assert_true(zcs_test_is(linear, c.seed, 0, 512));
		assert_true(tt_backup_is(c.tt, c.seed, 0, 512));
		zcs_assert_is(zcs_test_stats(c.pool).resident_pages, 512);
		tt_case_fini(&c);
	}
}

/*
 * A folio has one owner: the tt's and the backup's cannot be put, split or inserted by anybody
 * else.
 */
static void assert_nobody_elses(struct tt_case *c, struct zcs_folio *folio)
{
	uint64_t bad = zcs_test_counter(c->pool, ZCS_COUNT_BAD_PUT);
	struct zcs_folio *pieces[512];
	struct zcs_backup *other = zcs_test_backup(c->store, 512);

	zcs_folio_put(folio);
	zcs_assert_is(zcs_test_counter(c->pool, ZCS_COUNT_BAD_PUT), (int64_t)bad + 1);
	zcs_assert_is(zcs_folio_split(folio, pieces), -EINVAL);
	zcs_assert_is(zcs_backup_insert_folio(other, folio, 9, 0, 0), -EINVAL);
	assert_null(zcs_folio_address(folio));
	zcs_test_backup_done(other);
	tt_case_ok(c);
}

static void case_75_the_folio_is_the_backups_alone(void **state)
{
	(void)state;
	tt_for_each_shape(backing, flags)
	{
		struct tt_case c;

		tt_case_init(&c, backing, 512, flags);
		assert_nobody_elses(&c, tt_folio(c.tt, 0));
		zcs_assert_is(zcs_tt_backup(c.tt, 0), 512);
		assert_nobody_elses(&c, tt_folio(c.tt, 0));
		zcs_assert_is(zcs_test_inserted(c.pool, 9), 1);
		tt_case_fini(&c);
	}
}

/* "mem:" never writes: the flag is accepted and the pages stay where they are. */
static void writeback_to_a_store_that_never_writes_changes_nothing(void **state)
{
	(void)state;
	tt_for_each_shape(backing, flags)
	{
		struct tt_case c;

		tt_case_init(&c, backing, 515, flags);
		zcs_assert_is(zcs_tt_backup(c.tt, ZCS_BACKUP_WRITEBACK), 515);
		assert_true(tt_all(c.tt, 0, 515, TT_HANDLE));
		zcs_assert_is(zcs_test_stats(c.pool).resident_pages, 515);
		assert_true(tt_backup_is(c.tt, c.seed, 0, 515));
		zcs_assert_ok(zcs_tt_restore(c.tt, NULL));
		assert_true(tt_case_is(&c));
		tt_case_fini(&c);
	}
}

static void an_unpopulated_tt_has_nothing_to_back_up(void **state)
{
	struct tt_case c;

	(void)state;
	tt_case_bare(&c, ZCS_BACKING_SMALL, 9, 0);
	zcs_assert_ok(zcs_tt_setup_backup(c.tt, c.store));
	zcs_assert_is(zcs_tt_backup(c.tt, 0), 0);
	zcs_assert_is(tt_state(c.tt), 0);
	tt_case_fini(&c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		zcs_test(case_52_every_slot_becomes_its_handle),
		zcs_test(case_57_a_block_of_order_9_changes_owner_without_a_copy),
		zcs_test(case_75_the_folio_is_the_backups_alone),
		zcs_test(writeback_to_a_store_that_never_writes_changes_nothing),
		zcs_test(an_unpopulated_tt_has_nothing_to_back_up),
	};

	return zcs_test_run(tests);
}
