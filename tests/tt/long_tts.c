/* SPDX-License-Identifier: MIT */
/*
 * Tts of more blocks than fit in one vector or in a few index nodes: thousands of pages, and
 * hundreds of blocks, keep their content and their order.
 */
#include "tt_test.h"

static void three_rounds(struct tt_case *c)
{
	for (int i = 0; i < 3; i++) {
		zcs_assert_is(zcs_tt_backup(c->tt, 0), (int64_t)c->nr);
		assert_true(tt_all(c->tt, 0, c->nr, TT_HANDLE));
		tt_case_ok(c);
		zcs_assert_ok(zcs_tt_restore(c->tt, NULL));
		assert_true(tt_case_is(c));
		tt_case_ok(c);
	}
}

static void thousands_of_pages(void **state)
{
	(void)state;
	tt_for_each_shape(backing, flags)
	{
		struct tt_case c;

		tt_case_init(&c, backing, 1024 + 4096 + 3, flags);
		three_rounds(&c);
		tt_case_fini(&c);
		tt_case_init(&c, backing, 8 * 512, flags);
		three_rounds(&c);
		tt_case_fini(&c);
	}
}

/* Every order down to @order is refused once, so that all blocks are of that order. */
static void many_small_blocks(void **state)
{
	(void)state;
	for (unsigned order = 0; order < ZCS_MAX_ORDER; order++) {
		uint64_t nr = UINT64_C(512) << (order > 3 ? 3 : order);
		struct tt_case c;

		tt_case_bare(&c, ZCS_BACKING_SMALL, nr, 0);
		zcs_test_fault("folio_alloc", 0, ZCS_MAX_ORDER - order, 0);
		zcs_assert_ok(zcs_tt_populate(c.tt, NULL));
		zcs_test_faults_off();
		zcs_assert_is(zcs_test_active(c.pool, order), (int64_t)(nr >> order));
		zcs_assert_ok(zcs_tt_setup_backup(c.tt, c.store));
		tt_fill(c.tt, c.seed);
		three_rounds(&c);
		tt_case_fini(&c);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		zcs_test(thousands_of_pages),
		zcs_test(many_small_blocks),
	};

	return zcs_test_run(tests);
}
