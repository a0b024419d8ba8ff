/* SPDX-License-Identifier: MIT */
/* Without userfaultfd bos are used while they are pinned; the statistics say so. */
#include "bo_test.h"

static void pin_and_unpin_work(void **state)
{
	(void)state;
	zcs_test_for_each_backing(backing)
	{
		struct zcs_device *device;
		struct zcs_bo *bo;

		zcs_test_fault("userfaultfd", 0, 0, EPERM);
		device = bo_device(backing, 0, BO_FILE);
		bo = bo_new(device, BO_SIZE);
		assert_false(bo_device_stats(device).touch);
		zcs_assert_ok(zcs_bo_pin(bo, NULL));
		assert_true(bo_is_zero(bo));
		bo_fill(bo, 1);
		for (unsigned i = 0; i < 4; i++) {
			zcs_bo_unpin(bo);
			zcs_assert_is(zcs_bo_evict(bo, i % 2 ? ZCS_BACKUP_WRITEBACK : 0),
				      BO_SIZE / ZCS_PAGE_SIZE);
			if (i % 2)
				bo_wait_for(bo_stats(bo).resident_bytes == 0);
			zcs_assert_ok(zcs_bo_pin(bo, NULL));
			assert_true(bo_is(bo, 1));
		}
		zcs_bo_unpin(bo);
		zcs_assert_is(bo_stats(bo).touches, 0);
		bo_device_ok(device);
		zcs_bo_put(bo);
		bo_device_done(device);
	}
}

static void with_it_the_statistics_say_so(void **state)
{
	struct zcs_device *device = bo_device(ZCS_BACKING_SMALL, 0, NULL);
	struct zcs_bo *bo = bo_new(device, 1);

	(void)state;
	if (bo_has_userfaultfd())
		assert_true(bo_device_stats(device).touch);
	zcs_bo_put(bo);
	bo_device_done(device);
}

/*
 * A bo that does not trap would lose bytes written to it after an eviction: no bo is made, or one
 * that traps.
 */
static void what_is_short_for_now_is_an_error(void **state)
{
	static const int errors[] = { EMFILE, ENFILE, ENOMEM };

	(void)state;
	if (!bo_has_userfaultfd())
		zcs_test_skip_case("no userfaultfd here");
	zcs_test_for_each_backing(backing)
	{
		struct zcs_device *device = bo_device(backing, 0, BO_FILE);
		struct zcs_bo *bo = NULL;

		for (unsigned i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
			zcs_test_fault("userfaultfd", 0, 1, errors[i]);
			zcs_assert_is(zcs_bo_create(device, BO_SIZE, NULL, &bo), -ENOMEM);
		}
		bo = bo_new(device, BO_SIZE);
		assert_true(bo_device_stats(device).touch);
		bo_fill(bo, 1);
		assert_true(zcs_bo_evict(bo, 0) > 0);
		assert_true(bo_is(bo, 1));
		zcs_bo_put(bo);
		bo_device_done(device);
	}
}

static void what_is_missing_for_good_is_none(void **state)
{
	static const int errors[] = { EPERM, EACCES, ENOSYS, EINVAL };

	(void)state;
	for (unsigned i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
		struct zcs_device *device = bo_device(ZCS_BACKING_SMALL, 0, NULL);
		struct zcs_bo *bo;

		zcs_test_fault("userfaultfd", 0, 0, errors[i]);
		bo = bo_new(device, 1);
		assert_false(bo_device_stats(device).touch);
		zcs_bo_put(bo);
		bo_device_done(device);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		zcs_test(pin_and_unpin_work),
		zcs_test(with_it_the_statistics_say_so),
		zcs_test(what_is_short_for_now_is_an_error),
		zcs_test(what_is_missing_for_good_is_none),
	};

	return zcs_test_run(tests);
}
