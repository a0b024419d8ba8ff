/* SPDX-License-Identifier: MIT */
/*
 * Evicting small bos that are not neighbours leaves the program its half of vm.max_map_count; what
 * is refused goes when a neighbour is out, and all comes back.
 */
#include "bo_inside.h"

#define BOS   1000u
#define LIMIT 400u

static struct zcs_bo *bo[BOS];

static uint64_t maps_of_arenas(void)
{
	char line[512];
	FILE *f = fopen("/proc/self/maps", "re");
	uint64_t n = 0;

	assert_non_null(f);
	while (fgets(line, sizeof(line), f))
		n += strstr(line, "zcswap arena") != NULL;
	fclose(f);
	return n;
}

static struct zcs_device *device_of_small_bos(void)
{
	struct zcs_device *device = bo_device(ZCS_BACKING_SMALL, 0, BO_FILE);

	for (unsigned i = 0; i < BOS; i++) {
		bo[i] = bo_new(device, ZCS_PAGE_SIZE);
		zcs_assert_ok(zcs_bo_pin(bo[i], NULL));
		zcs_bo_unpin(bo[i]);
		bo_fill(bo[i], i);
	}
	return device;
}

static void done(struct zcs_device *device)
{
	for (unsigned i = 0; i < BOS; i++) {
		assert_true(bo_is(bo[i], i));
		zcs_bo_put(bo[i]);
	}
	bo_device_done(device);
	zcs_traps_fake_limit(0);
}

/* Evicts each @step-th; how many went. */
static unsigned evict_each(unsigned step)
{
	unsigned n = 0;

	for (unsigned i = 0; i < BOS; i += step) {
		int64_t ret = zcs_bo_evict(bo[i], 0);

		if (ret < 0)
			zcs_assert_is(ret, -ENOMEM);
		n += ret > 0;
	}
	return n;
}

static void half_of_them_are_left_to_the_program(void **state)
{
	struct zcs_device *device = device_of_small_bos();
	uint64_t before = maps_of_arenas(), refused = bo_device_stats(device).mappings_refused;
	unsigned went;

	(void)state;
	zcs_traps_fake_limit(LIMIT);
	went = evict_each(2);
	assert_true(went > LIMIT / 8 && went <= LIMIT / 4);
	zcs_assert_is(bo_device_stats(device).mappings_refused - refused, BOS / 2 - went);
	assert_true(bo_device_stats(device).mappings <= LIMIT / 2);
	assert_true(maps_of_arenas() <= before + LIMIT / 2);
	zcs_assert_is(bo_device_stats(device).pool.counters[ZCS_COUNT_ZAP_FAILED], 0);
	done(device);
}

static void what_is_beside_others_goes_all_the_same(void **state)
{
	struct zcs_device *device = device_of_small_bos();

	(void)state;
	zcs_traps_fake_limit(LIMIT);
	evict_each(2);
	while (evict_each(1))
		;
	zcs_assert_is(bo_device_stats(device).mapped_bytes, 0);
	/* back one by one, with others out on both sides */
	for (unsigned i = 0; i < BOS; i += 2)
		assert_true(bo_is(bo[i], i));
	assert_true(bo_device_stats(device).mappings <= LIMIT / 2);
	for (unsigned i = 1; i < BOS; i += 2)
		zcs_assert_ok(zcs_bo_pin(bo[i], NULL));
	for (unsigned i = 1; i < BOS; i += 2)
		zcs_bo_unpin(bo[i]);
	assert_true(bo_device_stats(device).mappings <= LIMIT / 2);
	done(device);
}

static void what_ends_between_others_takes_none(void **state)
{
	struct zcs_device *device = device_of_small_bos();

	(void)state;
	evict_each(1);
	zcs_traps_fake_limit(LIMIT);
	for (unsigned i = 0; i < BOS; i += 2) {
		zcs_bo_put(bo[i]);
		bo[i] = NULL;
	}
	assert_true(bo_device_stats(device).mappings <= LIMIT / 2);
	for (unsigned i = 0; i < BOS; i += 2) {
		bo[i] = bo_new(device, ZCS_PAGE_SIZE);
		assert_true(bo_is_zero(bo[i]));
		bo_fill(bo[i], i);
	}
	zcs_assert_is(bo_device_stats(device).pool.counters[ZCS_COUNT_ZAP_FAILED], 0);
	done(device);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		zcs_test(half_of_them_are_left_to_the_program),
		zcs_test(what_is_beside_others_goes_all_the_same),
		zcs_test(what_ends_between_others_takes_none),
	};

	if (!bo_has_userfaultfd())
		zcs_test_skip("no userfaultfd here");
	return zcs_test_run(tests);
}
