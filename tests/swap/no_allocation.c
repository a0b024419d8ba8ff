/* SPDX-License-Identifier: MIT */
/*
 * Once a swap is open it allocates nothing: not for slots, transfers, errors, discards or its
 * closing; and its maps and checksums have their pages. The program is linked with the allocation
 * calls of the library's objects wrapped.
 */
#include "swap_test.h"
#include "zcs_test_malloc.h"

static void nothing_is_allocated_after_open(void **state)
{
	char *out = swap_test_memory(512), *in = swap_test_memory(512);
	struct zcs_swap *swap;
	char text[1024];
	uint32_t slot[3];
	unsigned before;

	(void)state;
	before = zcs_test_mallocs();
	swap = swap_test_open("file:?size=16M&discard=1;file:?size=16M&direct=0");
	/* the wrapping works */
	assert_true(zcs_test_mallocs() - before >= 2);
	zcs_test_fill(out, 1, 0, 512);
	before = zcs_test_mallocs();
	zcs_test_malloc_refuse(true);
	for (unsigned i = 0; i < 30; i++) {
		for (unsigned k = 0; k < 3; k++) {
			slot[k] = swap_test_alloc(swap, 9 - 4 * k);
			zcs_assert_ok(swap_test_write(swap, slot[k], 9 - 4 * k, out));
			zcs_assert_ok(swap_test_read(swap, slot[k], 9 - 4 * k, in));
			zcs_assert_ok(zcs_swap_read(swap, slot[k], 9 - 4 * k, in));
		}
		for (unsigned k = 0; k < 3; k++)
			zcs_swap_free(swap, slot[k], 9 - 4 * k);
	}
	zcs_test_fault("write", 0, 1, 0);
	swap_test_log_start();
	slot[0] = swap_test_alloc(swap, 0);
	zcs_assert_is(swap_test_write(swap, slot[0], 0, out), -EIO);
	zcs_swap_retire(swap, slot[0], 0);
	swap_test_log_end();
	zcs_swap_text(swap, text, sizeof(text));
	swap_test_done(swap);
	zcs_test_malloc_refuse(false);
	zcs_assert_is(zcs_test_mallocs() - before, 0);
}

static void maps_and_checksums_have_their_pages(void **state)
{
	struct zcs_swap *swap = swap_test_open("file:?size=64M");
	const struct zcs_slots *slots = &swap->dev[0].slots;
	uint64_t sums = swap->nr_slots * sizeof(*swap->sum) / ZCS_PAGE_SIZE;

	(void)state;
	zcs_assert_is(zcs_test_present_pages(swap->sum, sums), (int64_t)sums);
	zcs_assert_is(zcs_test_present_pages(slots->memory, slots->memory_bytes / ZCS_PAGE_SIZE),
		      (int64_t)(slots->memory_bytes / ZCS_PAGE_SIZE));
	swap_test_done(swap);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		swap_test_both(nothing_is_allocated_after_open),
		swap_test(maps_and_checksums_have_their_pages),
	};

	return zcs_test_run(tests);
}
