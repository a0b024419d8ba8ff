/* SPDX-License-Identifier: MIT */
/*
 * A swap file that is truncated under the swap: reads are errors, nobody crashes, and writes mend
 * it.
 */
#include <unistd.h>

#include "swap_test.h"

static void truncated_to(off_t bytes, int expected)
{
	const char *path = swap_test_path(), *log;
	struct zcs_swap *swap = swap_test_open("file:%s?size=4M&keep=1", path);
	char *out = swap_test_memory(512), *in = swap_test_memory(512);
	uint32_t slot = swap_test_alloc(swap, ZCS_CLUSTER_ORDER);

	zcs_test_fill(out, 2, 0, 512);
	zcs_assert_ok(swap_test_write(swap, slot, ZCS_CLUSTER_ORDER, out));
	zcs_assert_ok(truncate(path, bytes));
	swap_test_log_start();
	zcs_assert_is(swap_test_read(swap, slot, ZCS_CLUSTER_ORDER, in), expected);
	zcs_assert_is(zcs_swap_read(swap, slot, ZCS_CLUSTER_ORDER, in), expected);
	log = swap_test_log_end();
	swap_test_log_has(log, "ended early; was the file truncated?");
	zcs_assert_is(swap_test_stats(swap).read_errors, 2);
	zcs_assert_ok(swap_test_write(swap, slot, ZCS_CLUSTER_ORDER, out));
	zcs_assert_ok(swap_test_read(swap, slot, ZCS_CLUSTER_ORDER, in));
	assert_true(zcs_test_is(in, 2, 0, 512));
	swap_test_done(swap);
}

static void to_nothing(void **state)
{
	(void)state;
	truncated_to(0, -EIO);
}

static void in_the_middle_of_a_run(void **state)
{
	(void)state;
	truncated_to(1 << 20, -EIO);
}

static void in_the_middle_of_a_sector(void **state)
{
	(void)state;
	truncated_to((1 << 20) + 700, -EIO);
}

/* Grown again, it has zeros where the data was. */
static void and_grown_again(void **state)
{
	const char *path = swap_test_path();
	struct zcs_swap *swap = swap_test_open("file:%s?size=4M&keep=1", path);
	char *out = swap_test_memory(1), *in = swap_test_memory(1);
	uint32_t slot = swap_test_alloc(swap, 0);

	(void)state;
	zcs_test_fill(out, 2, 0, 1);
	zcs_assert_ok(swap_test_write(swap, slot, 0, out));
	zcs_assert_ok(truncate(path, 0));
	zcs_assert_ok(truncate(path, 4 << 20));
	swap_test_log_start();
	zcs_assert_is(swap_test_read(swap, slot, 0, in), -EIO);
	swap_test_log_has(swap_test_log_end(), "does not hold what was written");
	swap_test_done(swap);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		swap_test_both(to_nothing),
		swap_test_both(in_the_middle_of_a_run),
		swap_test_both(in_the_middle_of_a_sector),
		swap_test_both(and_grown_again),
	};

	return zcs_test_run(tests);
}
