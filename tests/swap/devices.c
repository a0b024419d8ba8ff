/* SPDX-License-Identifier: MIT */
/*
 * Several devices in one swap: one space of slot numbers, a higher priority filled first, equal
 * ones striped by 2 MiB, and each transfer goes to the device that its slot belongs to.
 */
#include "swap_test.h"

#define CLUSTER(slot) ((slot) / ZCS_CLUSTER_SLOTS)

/* The device of a slot by its place in the specification, told by its size. */
static uint64_t mib_of(struct zcs_swap *swap, uint32_t slot)
{
	return zcs_swap_dev_of(swap, slot, 0)->bytes >> 20;
}

static void a_higher_priority_is_filled_first(void **state)
{
	struct zcs_swap *swap =
		swap_test_open("file:?size=4M;file:?size=6M&prio=5;file:?size=8M&prio=-1");
	uint64_t expected[] = { 6, 6, 6, 4, 4, 8, 8, 8, 8 };
	uint32_t slot;

	(void)state;
	zcs_assert_is(zcs_swap_avail(swap), 18 << 20);
	for (size_t i = 0; i < sizeof(expected) / sizeof(expected[0]); i++) {
		slot = swap_test_alloc(swap, ZCS_CLUSTER_ORDER);
		zcs_assert_is(slot, i * ZCS_CLUSTER_SLOTS);
		zcs_assert_is(mib_of(swap, slot), expected[i]);
	}
	zcs_assert_is(zcs_swap_alloc(swap, 0, &slot), -ENOSPC);
	/* and again when there is room */
	zcs_swap_free(swap, 8 * ZCS_CLUSTER_SLOTS, ZCS_CLUSTER_ORDER);
	zcs_swap_free(swap, 0, ZCS_CLUSTER_ORDER);
	zcs_assert_is(mib_of(swap, swap_test_alloc(swap, 0)), 6);
	swap_test_done(swap);
}

static void equal_priorities_take_turns_by_two_mib(void **state)
{
	struct zcs_swap *swap = swap_test_open("file:?size=8M;file:?size=10M;file:?size=4M");
	uint64_t expected[] = { 8, 10, 4, 8, 10, 4, 8, 10, 8, 10, 10 };

	(void)state;
	for (size_t i = 0; i < sizeof(expected) / sizeof(expected[0]); i++)
		zcs_assert_is(mib_of(swap, swap_test_alloc(swap, ZCS_CLUSTER_ORDER)), expected[i]);
	zcs_assert_is(zcs_swap_avail(swap), 0);
	swap_test_done(swap);
}

static void small_runs_stay_together(void **state)
{
	struct zcs_swap *swap = swap_test_open("file:?size=8M;file:?size=10M");
	unsigned changes = 0;
	uint64_t last = 0;

	(void)state;
	for (unsigned i = 0; i < 4 * ZCS_CLUSTER_SLOTS; i++) {
		uint64_t mib = mib_of(swap, swap_test_alloc(swap, 0));

		changes += mib != last;
		last = mib;
	}
	zcs_assert_is(changes, 4);
	swap_test_done(swap);
}

static void transfers_go_to_the_right_device(void **state)
{
	char *page = swap_test_memory(1), *back = swap_test_memory(1), disk[ZCS_PAGE_SIZE];
	const char *a = swap_test_path(), *b = swap_test_path();
	struct zcs_swap *swap =
		swap_test_open("file:%s?size=4M&keep=1;file:%s?size=4M&keep=1&prio=1", a, b);
	uint32_t last = 4 * ZCS_CLUSTER_SLOTS - 1;

	(void)state;
	for (unsigned i = 0; i < 4 * ZCS_CLUSTER_SLOTS; i++)
		swap_test_alloc(swap, 0);
	for (uint32_t i = 0; i < 2; i++) {
		uint32_t slot = i ? last : 3;

		zcs_test_fill(page, 9, slot, 1);
		zcs_assert_ok(swap_test_write(swap, slot, 0, page));
		zcs_assert_ok(swap_test_read(swap, slot, 0, back));
		assert_memory_equal(page, back, ZCS_PAGE_SIZE);
		swap_test_peek(i ? a : b,
			       (uint64_t)(slot % (2 * ZCS_CLUSTER_SLOTS)) * ZCS_SLOT_BYTES, disk,
			       sizeof(disk));
		assert_memory_equal(page, disk, ZCS_PAGE_SIZE);
	}
	swap_test_done(swap);
}

static void more_than_the_slot_numbers_reach_is_refused(void **state)
{
	const char *log;

	(void)state;
	/* the file is sparse: nothing is reserved for it */
	zcs_test_fault("fallocate", 0, 0, EOPNOTSUPP);
	swap_test_log_start();
	zcs_assert_is(swap_test_try("file:?size=3T;file:?size=3T"), -EFBIG);
	log = swap_test_log_end();
	swap_test_log_has(log, "more than 3968 GiB in all");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		swap_test(a_higher_priority_is_filled_first),
		swap_test(equal_priorities_take_turns_by_two_mib),
		swap_test(small_runs_stay_together),
		swap_test_both(transfers_go_to_the_right_device),
		swap_test(more_than_the_slot_numbers_reach_is_refused),
	};

	return zcs_test_run(tests);
}
