/* SPDX-License-Identifier: MIT */
/*
 * The address of a contiguous tt is the same for its whole life, and shows the same content as the
 * linear map whenever the slots are pages.
 */
#include "tt_test.h"

static char *user_page(struct tt_case *c, uint64_t index)
{
	return (char *)zcs_tt_address(c->tt) + index * ZCS_PAGE_SIZE;
}

static void write_by_address(struct tt_case *c, uint64_t seed)
{
	for (uint64_t i = 0; i < c->nr; i++)
		zcs_test_fill_page(user_page(c, i), seed, i);
}

static void out_and_in(struct tt_case *c)
{
	zcs_assert_is(zcs_tt_backup(c->tt, 0), (int64_t)c->nr);
	zcs_assert_ok(zcs_tt_restore(c->tt, NULL));
}

static void the_address_stays(void **state)
{
	(void)state;
	tt_for_each_backing(backing)
	{
		struct tt_case c;
		void *home;

		tt_case_init(&c, backing, 1024, ZCS_TT_CONTIGUOUS);
		home = zcs_tt_address(c.tt);
		out_and_in(&c);
		assert_ptr_equal(zcs_tt_address(c.tt), home);
		zcs_assert_is(zcs_tt_backup(c.tt, ZCS_BACKUP_PURGE), 1024);
		assert_ptr_equal(zcs_tt_address(c.tt), home);
		zcs_assert_ok(zcs_tt_drop_backup(c.tt));
		zcs_assert_ok(zcs_tt_populate(c.tt, NULL));
		zcs_tt_unpopulate(c.tt);
		assert_ptr_equal(zcs_tt_address(c.tt), home);
		zcs_assert_ok(zcs_tt_populate(c.tt, NULL));
		assert_true(zcs_test_is_zero(home, 1024 * ZCS_PAGE_SIZE));
		tt_case_fini(&c);
	}
}

/* Both maps show the same memory, before and after, whichever was written to. */
static void what_is_written_by_address_comes_back(void **state)
{
	(void)state;
	tt_for_each_backing(backing) for (size_t i = 0; i < tt_nr_sizes; i++)
	{
		struct tt_case c;

		tt_case_init(&c, backing, tt_sizes[i], ZCS_TT_CONTIGUOUS);
		out_and_in(&c);
		assert_true(tt_case_is(&c));
		write_by_address(&c, ++c.seed);
		assert_true(tt_case_is(&c));
		out_and_in(&c);
		assert_true(tt_case_is(&c));
		tt_fill(c.tt, ++c.seed);
		assert_true(zcs_test_is(user_page(&c, 0), c.seed, 0, c.nr));
		tt_case_fini(&c);
	}
}

/* A neighbour's coming and going is not seen. */
static void neighbours_do_not_disturb_each_other(void **state)
{
	(void)state;
	tt_for_each_backing(backing)
	{
		struct zcs_pool *pool = zcs_test_pool(backing, 0, 0);
		struct zcs_store *store = zcs_test_store();
		struct zcs_tt *tt[4];

		for (size_t i = 0; i < 4; i++) {
			zcs_assert_ok(
				zcs_tt_create(pool, i % 2 ? 512 : 9, ZCS_TT_CONTIGUOUS, &tt[i]));
			zcs_assert_ok(zcs_tt_setup_backup(tt[i], store));
			zcs_assert_ok(zcs_tt_populate(tt[i], NULL));
			tt_fill(tt[i], 70 + i);
		}
		for (size_t out = 0; out < 4; out++) {
			zcs_assert_is(zcs_tt_backup(tt[out], 0),
				      (int64_t)zcs_tt_num_pages(tt[out]));
			for (size_t i = 0; i < 4; i++)
				if (i != out)
					assert_true(
						tt_is(tt[i], 70 + i, 0, zcs_tt_num_pages(tt[i])));
			zcs_assert_ok(zcs_tt_restore(tt[out], NULL));
		}
		for (size_t i = 0; i < 4; i++) {
			assert_true(tt_is(tt[i], 70 + i, 0, zcs_tt_num_pages(tt[i])));
			zcs_test_tt_done(tt[i]);
		}
		zcs_test_store_done(store);
		zcs_test_pool_done(pool);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		zcs_test(the_address_stays),
		zcs_test(what_is_written_by_address_comes_back),
		zcs_test(neighbours_do_not_disturb_each_other),
	};

	return zcs_test_run(tests);
}
