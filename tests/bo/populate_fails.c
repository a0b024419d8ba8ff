/* SPDX-License-Identifier: MIT */
/*
 * The system refuses a page while a touch restores a bo: the toucher meets the bo's content
 * nevertheless. Shmem that is made huge of a page that nobody has cleared would be cleared by the
 * kernel after the slot was read.
 */
#include "bo_test.h"

#define ROUNDS 4u

static void touch_meets_bytes(enum zcs_backing backing, const char *point, uint64_t space)
{
	struct zcs_device *dev = bo_device(backing, 0, BO_FILE);
	struct zcs_bo *bo = bo_new(dev, BO_SIZE);

	for (unsigned i = 0; i < ROUNDS; i++) {
		bo_fill(bo, i + 1);
		bo_write_out(bo);
		zcs_test_fault(point, space, 1, EFAULT);
		assert_true(bo_is(bo, i + 1));
		zcs_test_fault_off(point);
	}
	zcs_bo_put(bo);
	bo_device_done(dev);
}

static void whatever_is_refused(const char *elsewhere)
{
	static const char *const points[] = { "madvise_populate_write", "fallocate",
					      "madvise_collapse" };

	zcs_test_for_each_backing(backing) for (size_t p = 0; p < 3; p++) for (uint64_t space = 0;
									       space < 3; space++)
	{
		if (elsewhere)
			zcs_test_fault(elsewhere, 0, 0, 0);
		touch_meets_bytes(backing, points[p], space);
		zcs_test_faults_off();
	}
}

static void a_touch_meets_the_bytes(void **state)
{
	(void)state;
	whatever_is_refused(NULL);
}

static void a_touch_meets_the_bytes_where_shmem_is_not_born_huge(void **state)
{
	(void)state;
	whatever_is_refused("huge_file");
}

/* The bytes of a huge page's last owner: everybody's next bo is zero. */
static void a_new_bo_is_zero(void **state)
{
	(void)state;
	zcs_test_for_each_backing(backing)
	{
		struct zcs_device *dev = bo_device(backing, 0, NULL);

		for (unsigned i = 0; i < ROUNDS; i++) {
			struct zcs_bo *old = bo_new(dev, BO_SIZE), *bo;

			bo_fill(old, i + 1);
			zcs_bo_put(old);
			zcs_device_shrink(dev, UINT64_MAX / 2, 0);
			bo = bo_new(dev, BO_SIZE);
			zcs_test_fault("madvise_populate_write", i % 2, 1, EFAULT);
			assert_true(bo_is_zero(bo));
			zcs_test_fault_off("madvise_populate_write");
			zcs_bo_put(bo);
		}
		bo_device_done(dev);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		zcs_test(a_touch_meets_the_bytes),
		zcs_test(a_touch_meets_the_bytes_where_shmem_is_not_born_huge),
		zcs_test(a_new_bo_is_zero),
	};

	if (!bo_has_userfaultfd())
		zcs_test_skip("no userfaultfd here: a touch does not restore");
	return zcs_test_run(tests);
}
