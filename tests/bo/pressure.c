/* SPDX-License-Identifier: MIT */
/* The pool's own limit, and the machine's memory pressure. */
#include "bo_inside.h"

#define LIMIT (32 * ZCS_TEST_MIB)

static void assert_words(struct zcs_bo *bo, uint64_t add)
{
	for (uint64_t i = 0; i < zcs_bo_size(bo); i += ZCS_PAGE_SIZE)
		if (*(uint64_t *)(void *)bo_at(bo, i) != i + add)
			fail_msg("page %" PRIu64, i / ZCS_PAGE_SIZE);
}

static void write_words(struct zcs_bo *bo, uint64_t add)
{
	for (uint64_t i = 0; i < zcs_bo_size(bo); i += ZCS_PAGE_SIZE)
		*(uint64_t *)(void *)bo_at(bo, i) = i + add;
}

/*
 * A set three times the limit is walked and changed: memory stays around the limit, and comes below
 * high.
 */
static void residency_stays_near_the_limit(void **state)
{
	(void)state;
	zcs_test_for_each_backing(backing)
	{
		struct zcs_device *device = bo_device(backing, LIMIT, BO_FILE);
		struct zcs_bo *bo[12];
		uint64_t most = 0;

		for (unsigned i = 0; i < 12; i++)
			bo[i] = bo_new(device, 8 * ZCS_TEST_MIB);
		for (unsigned turn = 0; turn < 3; turn++) {
			for (unsigned i = 0; i < 12; i++) {
				uint64_t now;

				if (turn)
					assert_words(bo[i], i + turn - 1);
				write_words(bo[i], i + turn);
				now = bo_device_stats(device).resident_bytes;
				most = now > most ? now : most;
			}
		}
		print_message("# %s: %" PRIu64 " MiB at most, limit %" PRIu64 ", %" PRIu64
			      " overshoots, %" PRIu64 " waits\n",
			      zcs_test_backing_name(backing), most >> 20, (uint64_t)LIMIT >> 20,
			      bo_device_stats(device).overshoots,
			      bo_device_stats(device).touch_waits);
		/* an eighth over the limit a touch waits before it takes memory */
		assert_true(most <= LIMIT + LIMIT / 8 + 4 * ZCS_TEST_HUGE_BYTES);
		bo_wait_for(bo_device_stats(device).resident_bytes <= LIMIT * 9 / 10);
		assert_true(bo_device_stats(device).background > 0);
		bo_device_ok(device);
		for (unsigned i = 0; i < 12; i++) {
			assert_words(bo[i], i + 2);
			zcs_bo_put(bo[i]);
		}
		bo_device_done(device);
	}
}

/*
 * Everything is pinned: a touch goes over the limit, is counted, and does not hang; it is made good
 * later.
 */
static void a_touch_overshoots_rather_than_fails(void **state)
{
	(void)state;
	zcs_test_for_each_backing(backing)
	{
		struct zcs_device *device = bo_device(backing, 8 * ZCS_TEST_MIB, BO_FILE);
		struct zcs_bo *pinned = bo_new(device, 8 * ZCS_TEST_MIB),
			      *bo = bo_new(device, BO_SIZE);
		uint64_t begin;

		zcs_assert_ok(zcs_bo_pin(pinned, NULL));
		bo_fill(pinned, 1);
		begin = bo_now_ms();
		bo_fill(bo, 2);
		assert_true(bo_now_ms() - begin < 5000);
		assert_true(bo_device_stats(device).overshoots > 0);
		zcs_bo_unpin(pinned);
		bo_read(bo, 0);
		zcs_assert_ok(zcs_bo_pin(bo, NULL));
		zcs_bo_unpin(bo);
		zcs_device_shrink(device, BO_SIZE, 0);
		bo_wait_for(bo_device_stats(device).resident_bytes <= 8 * ZCS_TEST_MIB);
		assert_true(bo_is(pinned, 1));
		assert_true(bo_is(bo, 2));
		zcs_bo_put(pinned);
		zcs_bo_put(bo);
		bo_device_done(device);
	}
}

static void a_pool_of_one_folio_works(void **state)
{
	(void)state;
	zcs_test_for_each_backing(backing)
	{
		struct zcs_device *device = bo_device(backing, ZCS_TEST_HUGE_BYTES, BO_FILE);
		struct zcs_bo *bo[3];

		for (unsigned i = 0; i < 3; i++) {
			bo[i] = bo_new(device, ZCS_TEST_HUGE_BYTES);
			bo_fill(bo[i], i);
		}
		for (unsigned turn = 0; turn < 10; turn++)
			for (unsigned i = 0; i < 3; i++)
				assert_true(bo_is(bo[i], i));
		/* it can hold one */
		bo_settle(device);
		zcs_assert_ok(zcs_bo_pin(bo[1], NULL));
		bo_wait_for(bo_device_stats(device).resident_bytes <= ZCS_TEST_HUGE_BYTES);
		zcs_bo_unpin(bo[1]);
		bo_sleep_ms(20);
		zcs_assert_is(bo_stats(bo[1]).mapped_bytes, ZCS_TEST_HUGE_BYTES);
		for (unsigned i = 0; i < 3; i++)
			zcs_bo_put(bo[i]);
		bo_device_done(device);
	}
}

/* Nothing can leave: neither touches nor pins wait for long, and the pin is refused. */
static void nothing_can_be_evicted_on_mem(void **state)
{
	struct zcs_device *device = bo_device(ZCS_BACKING_SMALL, ZCS_TEST_HUGE_BYTES, NULL);
	struct zcs_bo *bo = bo_new(device, 16 * ZCS_TEST_HUGE_BYTES);
	uint64_t begin = bo_now_ms();

	(void)state;
	bo_fill(bo, 1);
	assert_true(bo_is(bo, 1));
	zcs_assert_ok(zcs_bo_pin(bo, NULL)); /* all is there */
	zcs_bo_unpin(bo);
	assert_true(bo_now_ms() - begin < 10000);
	zcs_bo_put(bo);
	bo_device_done(device);
}

static void refused_pressure_is_reported(void **state)
{
	struct zcs_device_params params = bo_device_params(ZCS_BACKING_SMALL, 0, BO_FILE);
	struct zcs_device *device;
	struct zcs_bo *bo;

	(void)state;
	params.flags = 0;
	zcs_test_fault("psi", 0, 0, EACCES);
	device = bo_device_with(&params);
	assert_false(bo_device_stats(device).psi);
	zcs_assert_is(bo_device_stats(device).psi_error, EACCES);
	bo = bo_new(device, BO_SIZE);
	bo_fill(bo, 1);
	bo_write_out(bo);
	assert_true(bo_is(bo, 1));
	zcs_bo_put(bo);
	bo_device_done(device);
}

static void not_asked_for_it_is_not_watched(void **state)
{
	struct zcs_device *device = bo_device(ZCS_BACKING_SMALL, 0, NULL);

	(void)state;
	assert_false(bo_device_stats(device).psi);
	zcs_assert_is(bo_device_stats(device).psi_error, 0);
	bo_device_done(device);
}

static void watched_pressure_is_reported(void **state)
{
	struct zcs_device_params params = bo_device_params(ZCS_BACKING_SMALL, 0, NULL);
	struct zcs_device *device;
	struct zcs_stats st;

	(void)state;
	params.flags = 0;
	device = bo_device_with(&params);
	st = bo_device_stats(device);
	/* one or the other, never silence */
	assert_true(st.psi ? !st.psi_error : st.psi_error > 0);
	print_message("# psi: %s\n", st.psi ? "watched" : strerror(st.psi_error));
	bo_device_done(device);
}

/*
 * An event frees a part of the resident pages, without a limit of the pool; on the caller's thread
 * here.
 */
static void a_pressure_event_evicts_a_part(void **state)
{
	(void)state;
	bo_memory_is_short();
	zcs_test_for_each_backing(backing)
	{
		struct zcs_device *device;
		struct zcs_bo *bo[8];
		uint64_t before, after;

		if (backing == ZCS_BACKING_HUGETLB)
			continue;
		device = bo_device(backing, 0, BO_FILE);
		for (unsigned i = 0; i < 8; i++) {
			bo[i] = bo_new(device, BO_SIZE);
			bo_fill(bo[i], i);
		}
		bo_settle(device);
		before = bo_device_stats(device).resident_bytes;
		zcs_background_on_pressure(device, ZCS_PSI_MACHINE);
		bo_wait_for(bo_device_stats(device).resident_bytes <= before - before / 8);
		after = bo_device_stats(device).resident_bytes;
		zcs_assert_is(bo_device_stats(device).psi_events, 1);
		assert_true(after <= before - before / 8);
		assert_true(after >= before / 2);
		for (unsigned i = 0; i < 8; i++) {
			assert_true(bo_is(bo[i], i));
			zcs_bo_put(bo[i]);
		}
		bo_device_done(device);
	}
	bo_memory_is_as_it_is();
}

static void assert_marks(uint64_t limit, unsigned low_percent, unsigned high_percent, uint64_t low,
			 uint64_t high)
{
	struct zcs_device_params p = bo_device_params(ZCS_BACKING_SMALL, limit, NULL);
	struct zcs_device *device;

	p.low_percent = low_percent;
	p.high_percent = high_percent;
	device = bo_device_with(&p);
	zcs_assert_is(device->low * ZCS_PAGE_SIZE, low);
	zcs_assert_is(device->high * ZCS_PAGE_SIZE, high);
	bo_device_done(device);
}

static void marks_are_parts_of_the_limit_and_near_a_large_one(void **state)
{
	const uint64_t gib = 1024 * ZCS_TEST_MIB;

	(void)state;
	assert_marks(18 * ZCS_TEST_MIB, 0, 0, 18 * ZCS_TEST_MIB, 18 * ZCS_TEST_MIB);
	assert_marks(100 * ZCS_TEST_MIB, 0, 0, 80 * ZCS_TEST_MIB, 90 * ZCS_TEST_MIB);
	assert_marks(8 * gib, 0, 0, 8 * gib - 64 * ZCS_TEST_MIB, 8 * gib - 32 * ZCS_TEST_MIB);
	assert_marks(gib, 50, 0, gib / 2, gib / 10 * 9 / ZCS_PAGE_SIZE * ZCS_PAGE_SIZE);
	assert_marks(gib, 0, 100, gib / 5 * 4 / ZCS_PAGE_SIZE * ZCS_PAGE_SIZE, gib);
	assert_marks(10 * ZCS_TEST_MIB, 50, 100, 5 * ZCS_TEST_MIB, 10 * ZCS_TEST_MIB);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		zcs_test(residency_stays_near_the_limit),
		zcs_test(a_touch_overshoots_rather_than_fails),
		zcs_test(a_pool_of_one_folio_works),
		zcs_test(nothing_can_be_evicted_on_mem),
		zcs_test(refused_pressure_is_reported),
		zcs_test(not_asked_for_it_is_not_watched),
		zcs_test(watched_pressure_is_reported),
		zcs_test(a_pressure_event_evicts_a_part),
		zcs_test(marks_are_parts_of_the_limit_and_near_a_large_one),
	};

	if (!bo_has_userfaultfd())
		zcs_test_skip("no userfaultfd here");
	return zcs_test_run(tests);
}
