/* SPDX-License-Identifier: MIT */
/*
 * A device on a store that owns what is inserted: inserting is freeing there, so that the device
 * keeps its limit although it never writes itself.
 */
#include "bo_test.h"

#include "../remote_store.h"
#include "device/device_priv.h"

#define LIMIT (16 * ZCS_TEST_MIB)
#define NR    16u
#define SIZE  (4 * ZCS_TEST_MIB)

static struct zcs_bo *bo[NR];

static struct zcs_device *open_filled(enum zcs_backing backing)
{
	struct zcs_device *device = bo_device(backing, LIMIT, BO_FILE);

	for (unsigned i = 0; i < NR; i++) {
		bo[i] = bo_new(device, SIZE);
		bo_fill(bo[i], i);
	}
	return device;
}

static void done(struct zcs_device *device)
{
	for (unsigned i = 0; i < NR; i++)
		zcs_bo_put(bo[i]);
	bo_device_done(device);
}

static void a_device_evicts_under_its_limit(void **state)
{
	(void)state;
	zcs_test_for_each_backing(backing)
	{
		struct zcs_device *device = open_filled(backing);

		bo_wait_for(bo_device_stats(device).resident_bytes <= LIMIT);
		for (unsigned round = 0; round < 2; round++) {
			for (unsigned i = 0; i < NR; i++)
				assert_true(bo_is(bo[i], i));
			bo_wait_for(bo_device_stats(device).resident_bytes <= LIMIT);
		}
		remote_store_wait(device->store);
		assert_true(remote_store_counts(device->store).brought > 0);
		zcs_assert_is(bo_device_stats(device).limit_failed, 0);
		bo_device_ok(device);
		done(device);
	}
}

static void what_the_store_owns_is_not_resident(void **state)
{
	struct zcs_device *device = bo_device(ZCS_BACKING_SMALL, 0, BO_FILE);
	struct zcs_bo *one = bo_new(device, SIZE);
	struct zcs_pool_stats st;

	(void)state;
	bo_fill(one, 1);
	zcs_assert_is(zcs_bo_evict(one, 0), SIZE / ZCS_PAGE_SIZE);
	st = zcs_test_stats(device->pool);
	zcs_assert_is(st.resident_pages, st.cached_pages);
	zcs_assert_is(bo_stats(one).resident_bytes, 0);
	zcs_assert_is(bo_stats(one).written_bytes, SIZE);
	assert_true(bo_is(one, 1));
	zcs_assert_is(bo_stats(one).resident_bytes, SIZE);
	zcs_bo_put(one);
	bo_device_done(device);
}

static void the_time_of_last_use_goes_with_it(void **state)
{
	struct zcs_device *device = bo_device(ZCS_BACKING_SMALL, 0, BO_FILE);
	struct zcs_bo *one = bo_new(device, SIZE);

	(void)state;
	bo_fill(one, 1);
	zcs_assert_is(zcs_bo_evict(one, 0), SIZE / ZCS_PAGE_SIZE);
	assert_true(one->touched_ns > 0);
	zcs_assert_is(remote_store_counts(device->store).used_ns, one->touched_ns);
	zcs_bo_put(one);
	bo_device_done(device);
}

/* Nothing is lost where a store refuses one call in four. */
static void refusals_lose_nothing(void **state)
{
	(void)state;
	zcs_test_for_each_backing(backing)
	{
		struct zcs_device *device = open_filled(backing);
		struct zcs_ctx ctx = { .struct_size = sizeof(ctx) };

		remote_store_refuse(device->store, 4);
		for (unsigned i = 0; i < NR; i++) {
			zcs_bo_evict(bo[i], 0);
			while (zcs_bo_pin(bo[i], &ctx))
				;
			assert_true(bo_is(bo[i], i));
			zcs_bo_unpin(bo[i]);
		}
		assert_true(remote_store_counts(device->store).refused > 0);
		remote_store_refuse(device->store, 0);
		done(device);
	}
}

static void a_full_store_is_found_out(void **state)
{
	struct zcs_device *device = bo_device(ZCS_BACKING_SMALL, LIMIT, BO_FILE);

	(void)state;
	remote_store_fill(device->store, true);
	for (unsigned i = 0; i < NR; i++) {
		bo[i] = bo_new(device, SIZE);
		bo_fill(bo[i], i);
	}
	bo_wait_for(bo_device_stats(device).limit_failed > 0);
	remote_store_fill(device->store, false);
	bo_wait_for(bo_device_stats(device).resident_bytes <= LIMIT);
	for (unsigned i = 0; i < NR; i++)
		assert_true(bo_is(bo[i], i));
	done(device);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		zcs_test(a_device_evicts_under_its_limit),
		zcs_test(what_the_store_owns_is_not_resident),
		zcs_test(the_time_of_last_use_goes_with_it),
		zcs_test(refusals_lose_nothing),
		zcs_test(a_full_store_is_found_out),
	};

	if (!bo_has_userfaultfd())
		zcs_test_skip("no userfaultfd");
	setenv("ZCSWAP_LOG", "off", 1);
	return zcs_test_run(tests);
}
