/* SPDX-License-Identifier: MIT */
/*
 * A bo whose address cannot be made to trap, near vm.max_map_count, is not made: what is written to
 * it would be outside every limit, could not be evicted, and counted as untouched.
 */
#include "bo_test.h"

static void is_not_made(void **state)
{
	(void)state;
	/* hugetlb is registered for life */
	for (enum zcs_backing backing = ZCS_BACKING_THP; backing <= ZCS_BACKING_SMALL; backing++) {
		struct zcs_device *dev = bo_device(backing, 0, NULL);
		struct zcs_bo *first = bo_new(dev, BO_SIZE), *bo = NULL;

		bo_fill(first, 1);
		zcs_test_fault("uffdio_register", 0, 0, ENOMEM);
		zcs_assert_is(zcs_bo_create(dev, BO_SIZE, NULL, &bo), -ENOMEM);
		assert_null(bo);
		zcs_test_faults_off();
		zcs_assert_is(bo_device_stats(dev).bos, 1);
		bo = bo_new(dev, BO_SIZE);
		assert_true(bo_is_zero(bo));
		assert_true(bo_is(first, 1));
		zcs_bo_put(bo);
		zcs_bo_put(first);
		bo_device_done(dev);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		zcs_test(is_not_made),
	};

	if (!bo_has_userfaultfd())
		zcs_test_skip("no userfaultfd here: there is no trap to set");
	return zcs_test_run(tests);
}
