/* SPDX-License-Identifier: MIT */
/*
 * Populating gives blocks of the largest order that fits, then of what is left, each at a multiple
 * of its own size; an order that was refused is not tried again in the same call.
 */
#include "tt_inside.h"

/*
 * Every block starts at a multiple of its size, inside a backing folio of the same order and
 * alignment.
 */
static void assert_blocks_are_aligned(struct zcs_tt *tt)
{
	unsigned last = ZCS_MAX_ORDER;

	for (uint64_t i = 0; i < tt->nr; i += UINT64_C(1) << last) {
		uint64_t nr = UINT64_C(1) << tt_order(tt, i);

		assert_int_equal(tt_start(tt, i), i);
		assert_true(tt_order(tt, i) <= last);
		assert_int_equal(i % nr, 0);
		assert_int_equal(zcs_folio_pfn(tt_folio(tt, i)) % nr, 0);
		assert_int_equal(zcs_folio_order(tt_folio(tt, i)), tt_order(tt, i));
		last = tt_order(tt, i);
	}
}

static void assert_orders(struct tt_case *c)
{
	for (unsigned order = 0; order <= ZCS_MAX_ORDER; order++)
		zcs_assert_is(zcs_test_active(c->pool, order), (int64_t)tt_blocks(c->nr, order));
	assert_blocks_are_aligned(c->tt);
}

static void populate_shape(enum zcs_backing backing, uint64_t nr, uint32_t flags)
{
	struct tt_case c;

	tt_case_bare(&c, backing, nr, flags);
	zcs_assert_ok(zcs_tt_populate(c.tt, NULL));
	zcs_assert_is(tt_state(c.tt), ZCS_TT_POPULATED);
	assert_true(tt_all(c.tt, 0, nr, TT_PAGE));
	assert_orders(&c);
	tt_case_fini(&c);
}

static void case_02_four_pages_are_one_block(void **state)
{
	(void)state;
	tt_for_each_shape(backing, flags) populate_shape(backing, 4, flags);
}

static void case_03_1024_pages_are_two_blocks_of_the_largest_order(void **state)
{
	(void)state;
	tt_for_each_shape(backing, flags) populate_shape(backing, 1024, flags);
}

static void case_15_seven_pages_are_blocks_of_order_2_1_and_0(void **state)
{
	(void)state;
	tt_for_each_shape(backing, flags) populate_shape(backing, 7, flags);
}

static void case_15_odd_lengths_go_down_in_orders(void **state)
{
	(void)state;
	tt_for_each_shape(backing, flags) for (size_t i = 0; i < tt_nr_sizes; i++)
		populate_shape(backing, tt_sizes[i], flags);
}

static void case_16_a_refused_order_is_not_tried_again(void **state)
{
	struct tt_case c;

	(void)state;
	tt_case_bare(&c, ZCS_BACKING_SMALL, 1024, 0);
	zcs_test_fault("folio_alloc", 0, 2, 0);
	zcs_assert_ok(zcs_tt_populate(c.tt, NULL));
	zcs_assert_is(zcs_test_fault_calls("folio_alloc"), 2 + 1024 / 128);
	zcs_assert_is(zcs_test_active(c.pool, 7), 1024 / 128);
	zcs_assert_is(zcs_test_counter(c.pool, ZCS_COUNT_ORDER_FALLBACK), 2);
	assert_blocks_are_aligned(c.tt);
	tt_case_fini(&c);
}

static void case_16_a_refusal_midway_lowers_the_rest(void **state)
{
	struct tt_case c;

	(void)state;
	tt_case_bare(&c, ZCS_BACKING_SMALL, 1024 + 8, 0);
	zcs_test_fault("folio_alloc", 1, 1, 0);
	zcs_assert_ok(zcs_tt_populate(c.tt, NULL));
	zcs_assert_is(zcs_test_active(c.pool, 9), 1);
	zcs_assert_is(zcs_test_active(c.pool, 8), 2);
	zcs_assert_is(zcs_test_active(c.pool, 3), 1);
	assert_blocks_are_aligned(c.tt);
	tt_case_fini(&c);
}

/* The next call starts from the top again. */
static void case_16_the_refusal_is_forgotten_after_the_call(void **state)
{
	struct tt_case c;

	(void)state;
	tt_case_bare(&c, ZCS_BACKING_SMALL, 512, 0);
	zcs_test_fault("folio_alloc", 0, 1, 0);
	zcs_assert_ok(zcs_tt_populate(c.tt, NULL));
	zcs_assert_is(zcs_test_active(c.pool, 8), 2);
	zcs_tt_unpopulate(c.tt);
	zcs_assert_ok(zcs_tt_populate(c.tt, NULL));
	zcs_assert_is(zcs_test_active(c.pool, 9), 1);
	tt_case_fini(&c);
}

/* Of order 10 there is nothing to cap: the largest folio is what one swap cluster takes. */
static void case_76_no_block_is_larger_than_order_9(void **state)
{
	(void)state;
	tt_for_each_shape(backing, flags)
	{
		struct tt_case c;

		tt_case_init(&c, backing, 2048, flags);
		zcs_assert_is(zcs_test_active(c.pool, 9), 4);
		zcs_assert_is(zcs_tt_backup(c.tt, 0), 2048);
		zcs_assert_is(zcs_test_inserted(c.pool, 9), 4);
		zcs_assert_is(zcs_test_counter(c.pool, ZCS_COUNT_INSERT_REFUSED), 0);
		tt_case_fini(&c);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		zcs_test(case_02_four_pages_are_one_block),
		zcs_test(case_03_1024_pages_are_two_blocks_of_the_largest_order),
		zcs_test(case_15_seven_pages_are_blocks_of_order_2_1_and_0),
		zcs_test(case_15_odd_lengths_go_down_in_orders),
		zcs_test(case_16_a_refused_order_is_not_tried_again),
		zcs_test(case_16_a_refusal_midway_lowers_the_rest),
		zcs_test(case_16_the_refusal_is_forgotten_after_the_call),
		zcs_test(case_76_no_block_is_larger_than_order_9),
	};

	return zcs_test_run(tests);
}
