/* SPDX-License-Identifier: MIT */
/* Handles and slots: index + 1, shifted left with bit 0 set in a slot; 0 is none, and pages are
 * even. */
#include "zcs_test.h"

/* The largest index that a backup can have: byte offsets are 63 bits. */
#define LAST ((uint64_t)INT64_MAX / ZCS_PAGE_SIZE - 1)

static void case_37_index_0_is_handle_1(void **state)
{
	(void)state;
	zcs_assert_is(zcs_handle_from_index(0), 1);
	zcs_assert_is(zcs_handle_to_index(1), 0);
	zcs_assert_is(zcs_handle_from_index(511), 512);
}

static void case_38_a_slot_has_bit_0_set_and_comes_back(void **state)
{
	const uint64_t index[] = { 0, 1, 2, 511, 512, 1u << 20, UINT64_C(1) << 40, LAST };

	(void)state;
	for (size_t i = 0; i < sizeof(index) / sizeof(index[0]); i++) {
		int64_t handle = zcs_handle_from_index(index[i]);
		uintptr_t slot = zcs_handle_to_slot(handle);

		assert_true(handle > 0);
		assert_true(slot & 1);
		assert_true(zcs_slot_is_handle(slot));
		zcs_assert_is(zcs_slot_to_handle(slot), handle);
		assert_true(zcs_handle_to_index(zcs_slot_to_handle(slot)) == index[i]);
	}
}

static void case_38_the_largest_index_does_not_overflow(void **state)
{
	(void)state;
	zcs_assert_is(zcs_handle_from_index(LAST), (int64_t)LAST + 1);
	zcs_assert_is(zcs_slot_to_handle(zcs_handle_to_slot((int64_t)LAST + 1)), (int64_t)LAST + 1);
}

static void case_40_a_page_is_no_handle(void **state)
{
	static char page[2 * ZCS_PAGE_SIZE] __attribute__((aligned(4096)));

	(void)state;
	assert_false(zcs_slot_is_handle((uintptr_t)page));
	assert_false(zcs_slot_is_handle((uintptr_t)(page + ZCS_PAGE_SIZE)));
	assert_false(zcs_slot_is_handle(0));
}

static void case_40_slot_1_is_handle_0(void **state)
{
	(void)state;
	assert_true(zcs_slot_is_handle(1));
	zcs_assert_is(zcs_slot_to_handle(1), 0);
	assert_true(zcs_handle_to_slot(0) == 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		zcs_test(case_37_index_0_is_handle_1),
		zcs_test(case_38_a_slot_has_bit_0_set_and_comes_back),
		zcs_test(case_38_the_largest_index_does_not_overflow),
		zcs_test(case_40_a_page_is_no_handle),
		zcs_test(case_40_slot_1_is_handle_0),
	};

	return zcs_test_run(tests);
}
