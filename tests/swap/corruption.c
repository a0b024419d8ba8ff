/* SPDX-License-Identifier: MIT */
/*
 * Bytes of the swap file that are really changed: every change is -EIO, named, counted, and no
 * wrong byte is taken for right; once the bytes are back the same read succeeds.
 */
#include "swap_test.h"

#define RUN_BYTES ((size_t)ZCS_CLUSTER_BYTES)

static const char *path;
static struct zcs_swap *swap;
static char *out, *in;
static uint32_t slot;

/* The run under test is not the first, so that a message with a wrong number is seen. */
static void start(void)
{
	path = swap_test_path();
	swap = swap_test_open("file:%s?size=8M&keep=1", path);
	out = swap_test_memory(512);
	in = swap_test_memory(512);
	zcs_test_fill(out, 8, 0, 512);
	swap_test_alloc(swap, ZCS_CLUSTER_ORDER);
	slot = swap_test_alloc(swap, ZCS_CLUSTER_ORDER);
	zcs_assert_ok(swap_test_write(swap, slot, ZCS_CLUSTER_ORDER, out));
}

static void flip(size_t at, unsigned char bits)
{
	uint64_t offset = (uint64_t)slot * ZCS_SLOT_BYTES + at;
	unsigned char byte;

	swap_test_peek(path, offset, &byte, 1);
	byte ^= bits;
	swap_test_poke(path, offset, &byte, 1);
}

static void expect_bad(size_t at)
{
	char text[128];

	swap_test_log_start();
	zcs_assert_is(swap_test_read(swap, slot, ZCS_CLUSTER_ORDER, in), -EIO);
	zcs_assert_is(zcs_swap_read(swap, slot, ZCS_CLUSTER_ORDER, in), -EIO);
	snprintf(text, sizeof(text), "swap %s: slot %u does not hold what was written", path,
		 slot + (uint32_t)(at / ZCS_SLOT_BYTES));
	/* the first sixteen are told */
	if (swap_test_stats(swap).read_errors <= 16)
		swap_test_log_has(swap_test_log_end(), text);
	else
		swap_test_log_end();
}

static void one_bit_anywhere_is_noticed(void **state)
{
	unsigned nr = 0;

	(void)state;
	start();
	for (size_t at = 0; at < RUN_BYTES; at += at ? 131071 : 1, nr++) {
		flip(at, 1u << (nr % 8));
		expect_bad(at);
		zcs_assert_is(swap_test_stats(swap).bad_checksums, 2 * (nr + 1));
		zcs_assert_is(swap_test_stats(swap).read_errors, 2 * (nr + 1));
		/* the other slots of the run are sound */
		zcs_assert_ok(zcs_swap_read(swap, slot + (uint32_t)(at / ZCS_SLOT_BYTES + 1) % 512,
					    0, in));
		flip(at, 1u << (nr % 8));
		zcs_assert_ok(swap_test_read(swap, slot, ZCS_CLUSTER_ORDER, in));
		assert_true(zcs_test_is(in, 8, 0, 512));
	}
	assert_true(nr > 16);
	swap_test_done(swap);
}

static void the_last_byte_is_noticed(void **state)
{
	(void)state;
	start();
	flip(RUN_BYTES - 1, 0x80);
	expect_bad(RUN_BYTES - 1);
	swap_test_done(swap);
}

static void slots_that_changed_places_are_noticed(void **state)
{
	char *a = swap_test_memory(1), *b = swap_test_memory(1);
	uint64_t offset;

	(void)state;
	start();
	offset = (uint64_t)slot * ZCS_SLOT_BYTES;
	swap_test_peek(path, offset + 5 * ZCS_SLOT_BYTES, a, ZCS_SLOT_BYTES);
	swap_test_peek(path, offset + 6 * ZCS_SLOT_BYTES, b, ZCS_SLOT_BYTES);
	swap_test_poke(path, offset + 5 * ZCS_SLOT_BYTES, b, ZCS_SLOT_BYTES);
	swap_test_poke(path, offset + 6 * ZCS_SLOT_BYTES, a, ZCS_SLOT_BYTES);
	expect_bad((size_t)5 * ZCS_SLOT_BYTES);
	swap_test_done(swap);
}

/* A write that the device dropped: the slot still has what was written before. */
static void a_lost_write_is_noticed(void **state)
{
	char *old = swap_test_memory(512);

	(void)state;
	start();
	swap_test_peek(path, (uint64_t)slot * ZCS_SLOT_BYTES, old, RUN_BYTES);
	zcs_test_fill(out, 9, 0, 512);
	zcs_assert_ok(swap_test_write(swap, slot, ZCS_CLUSTER_ORDER, out));
	swap_test_poke(path, (uint64_t)slot * ZCS_SLOT_BYTES, old, RUN_BYTES);
	expect_bad(0);
	swap_test_done(swap);
}

static void a_mismatch_by_a_fault_point_can_be_read_again(void **state)
{
	(void)state;
	start();
	zcs_test_fault("checksum", 0, 1, 0);
	swap_test_log_start();
	zcs_assert_is(swap_test_read(swap, slot, ZCS_CLUSTER_ORDER, in), -EIO);
	swap_test_log_end();
	zcs_assert_ok(swap_test_read(swap, slot, ZCS_CLUSTER_ORDER, in));
	assert_true(zcs_test_is(in, 8, 0, 512));
	swap_test_done(swap);
}

static void zeros_have_a_checksum_too(void **state)
{
	char *zeros = swap_test_memory(512);

	(void)state;
	start();
	zcs_assert_ok(swap_test_write(swap, slot, ZCS_CLUSTER_ORDER, zeros));
	zcs_assert_ok(swap_test_read(swap, slot, ZCS_CLUSTER_ORDER, in));
	assert_true(zcs_test_is_zero(in, RUN_BYTES));
	flip(12345, 1);
	expect_bad(12345);
	swap_test_done(swap);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		swap_test_both(one_bit_anywhere_is_noticed),
		swap_test_both(the_last_byte_is_noticed),
		swap_test_both(slots_that_changed_places_are_noticed),
		swap_test_both(a_lost_write_is_noticed),
		swap_test_both(a_mismatch_by_a_fault_point_can_be_read_again),
		swap_test_both(zeros_have_a_checksum_too),
	};

	return zcs_test_run(tests);
}
