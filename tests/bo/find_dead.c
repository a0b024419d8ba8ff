/* SPDX-License-Identifier: MIT */
/*
 * A bo whose last reference is gone is found by nobody, although it is still in the tree: a touch
 * that gets a reference then would use what is freed next. The moment is when its destroyer asks
 * for the tree's lock, and the linker leads that here.
 */
#include "bo_inside.h"

static struct zcs_device *device;
static uintptr_t address;
static bool looked;

int __real_pthread_rwlock_wrlock(pthread_rwlock_t *lock);
int __wrap_pthread_rwlock_wrlock(pthread_rwlock_t *lock);

int __wrap_pthread_rwlock_wrlock(pthread_rwlock_t *lock)
{
	if (device && lock == &device->tree_lock) {
		assert_null(zcs_bo_find(device, address));
		looked = true;
	}
	return __real_pthread_rwlock_wrlock(lock);
}

static void a_bo_without_references_is_not_found(void **state)
{
	struct zcs_device *d = bo_device(ZCS_BACKING_SMALL, 0, NULL);
	struct zcs_bo *bo = bo_new(d, BO_SIZE), *same;

	(void)state;
	address = (uintptr_t)zcs_bo_address(bo) + BO_SIZE / 2;
	same = zcs_bo_find(d, address);
	assert_ptr_equal(same, bo);
	zcs_bo_put(same);
	device = d;
	zcs_bo_put(bo);
	device = NULL;
	assert_true(looked);
	bo_device_done(d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		zcs_test(a_bo_without_references_is_not_found),
	};

	return zcs_test_run(tests);
}
