/* SPDX-License-Identifier: MIT */
/* A bo's life: sizes, its address, zero pages on first touch, more of it than the pool may hold. */
#include "bo_test.h"

static void sizes_are_rounded(void **state)
{
	static const uint64_t mib2 = ZCS_TEST_HUGE_BYTES;
	static const struct {
		uint64_t asked, got;
	} size[] = {
		{ 1, ZCS_PAGE_SIZE },
		{ ZCS_PAGE_SIZE, ZCS_PAGE_SIZE },
		{ 4097, 2 * 4096 },
		{ ZCS_TEST_MIB - 1, ZCS_TEST_MIB },
		{ mib2 - 1, mib2 },
		{ mib2, mib2 },
		{ mib2 + 1, 2 * mib2 },
		{ 5 * ZCS_TEST_MIB, 6 * ZCS_TEST_MIB },
		{ UINT64_C(1) << 30, UINT64_C(1) << 30 },
	};

	(void)state;
	zcs_test_for_each_backing(backing)
	{
		struct zcs_device *device = bo_device(backing, 0, NULL);

		for (size_t i = 0; i < sizeof(size) / sizeof(*size); i++) {
			struct zcs_bo *bo = bo_new(device, size[i].asked);

			zcs_assert_is(zcs_bo_size(bo), (int64_t)size[i].got);
			zcs_assert_is(bo_stats(bo).size_bytes, (int64_t)size[i].got);
			zcs_assert_is((uintptr_t)zcs_bo_address(bo) % ZCS_PAGE_SIZE, 0);
			zcs_assert_is(bo_stats(bo).resident_bytes, 0);
			zcs_bo_put(bo);
		}
		bo_device_done(device);
	}
}

static void the_address_is_the_same_for_life(void **state)
{
	(void)state;
	zcs_test_for_each_backing(backing)
	{
		struct zcs_device *device = bo_device(backing, 0, BO_FILE);
		struct zcs_bo *bo = bo_new(device, BO_SIZE);
		void *address = zcs_bo_address(bo);

		bo_fill(bo, 1);
		for (unsigned i = 0; i < 4; i++) {
			if (i % 2)
				bo_write_out(bo);
			else
				assert_true(zcs_bo_evict(bo, 0) > 0);
			assert_ptr_equal(zcs_bo_address(bo), address);
			assert_true(bo_is(bo, 1));
			zcs_assert_ok(zcs_bo_pin(bo, NULL));
			assert_ptr_equal(zcs_bo_address(bo), address);
			zcs_bo_unpin(bo);
		}
		bo_device_ok(device);
		zcs_bo_put(bo);
		bo_device_done(device);
	}
}

/* The pages of the first bo, with its content, are likely to be the second one's. */
static void pages_are_zero_on_first_touch(void **state)
{
	(void)state;
	zcs_test_for_each_backing(backing)
	{
		struct zcs_device *device = bo_device(backing, 0, BO_FILE);

		for (unsigned i = 0; i < 3; i++) {
			struct zcs_bo *bo = bo_new(device, BO_SIZE);

			assert_true(bo_is_zero(bo));
			bo_fill(bo, i);
			if (i == 1)
				bo_write_out(bo);
			zcs_bo_put(bo);
		}
		bo_device_done(device);
	}
}

static void a_bo_may_be_larger_than_the_limit(void **state)
{
	(void)state;
	zcs_test_for_each_backing(backing)
	{
		struct zcs_device *device = bo_device(backing, 8 * ZCS_TEST_MIB, BO_FILE);
		struct zcs_bo *bo = bo_new(device, 32 * ZCS_TEST_MIB);

		bo_fill(bo, 5);
		assert_true(bo_is(bo, 5));
		bo_wait_for(bo_device_stats(device).resident_bytes <= 8 * ZCS_TEST_MIB);
		zcs_assert_is(zcs_bo_pin(bo, NULL), -ENOMEM);
		assert_true(bo_is(bo, 5));
		bo_device_ok(device);
		zcs_bo_put(bo);
		bo_device_done(device);
	}
}

static void a_bo_lives_as_long_as_its_references(void **state)
{
	struct zcs_device *device = bo_device(ZCS_BACKING_SMALL, 0, NULL);
	struct zcs_bo *bo = bo_new(device, BO_SIZE);

	(void)state;
	assert_ptr_equal(zcs_bo_get(bo), bo);
	bo_fill(bo, 6);
	zcs_bo_put(bo);
	assert_true(bo_is(bo, 6));
	zcs_assert_is(bo_device_stats(device).bos, 1);
	zcs_bo_put(bo);
	bo_device_done(device);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		zcs_test(sizes_are_rounded),
		zcs_test(the_address_is_the_same_for_life),
		zcs_test(pages_are_zero_on_first_touch),
		zcs_test(a_bo_may_be_larger_than_the_limit),
		zcs_test(a_bo_lives_as_long_as_its_references),
	};

	if (!bo_has_userfaultfd())
		zcs_test_skip("no userfaultfd here");
	return zcs_test_run(tests);
}
