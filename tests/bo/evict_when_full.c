/* SPDX-License-Identifier: MIT */
/*
 * zcs_bo_evict() with writeback of a bo that was inserted before, where nothing can be written: it
 * says so. It used to return pages, as if they were on their way.
 */
#include "bo_inside.h"

#define SIZE  (2 * ZCS_TEST_MIB)
#define PAGES (SIZE / ZCS_PAGE_SIZE)

static struct zcs_bo *inserted(struct zcs_device *device, uint64_t seed)
{
	struct zcs_bo *bo = bo_new(device, SIZE);

	bo_fill(bo, seed);
	bo_settle(device);
	zcs_assert_is(zcs_bo_evict(bo, 0), PAGES);
	return bo;
}

static uint64_t resident(struct zcs_bo *bo)
{
	return bo_stats(bo).resident_bytes;
}

static void a_full_store_is_busy(void **state)
{
	(void)state;
	zcs_test_for_each_backing(backing)
	{
		struct zcs_device *device = bo_device(backing, 0, "file:?size=2M");
		struct zcs_bo *bo = inserted(device, 1), *other = bo_new(device, SIZE);

		bo_fill(other, 2);
		bo_write_out(other);
		zcs_assert_is(zcs_store_bytes_avail(device->store), 0);
		for (unsigned i = 0; i < 3; i++)
			zcs_assert_is(zcs_bo_evict(bo, ZCS_BACKUP_WRITEBACK), -EBUSY);
		zcs_assert_is(resident(bo), SIZE);
		zcs_bo_put(other);
		bo_wait_for(zcs_store_bytes_avail(device->store) > 0);
		zcs_assert_is(zcs_bo_evict(bo, ZCS_BACKUP_WRITEBACK), PAGES);
		bo_wait_for(!resident(bo));
		assert_true(bo_is(bo, 1));
		bo_settle(device);
		zcs_bo_put(bo);
		bo_device_done(device);
	}
}

/* Pages that need no slot leave, and are counted. */
static void what_needs_no_slot_goes(void **state)
{
	struct zcs_device *device = bo_device(ZCS_BACKING_SMALL, 0, "file:?size=2M");
	struct zcs_bo *bo = bo_new(device, 2 * SIZE), *other = bo_new(device, SIZE);

	(void)state;
	bo_fill(bo, 1);
	memset(bo_at(bo, SIZE), 0x55, SIZE);
	bo_settle(device);
	zcs_assert_is(zcs_bo_evict(bo, 0), 2 * PAGES);
	bo_fill(other, 2);
	bo_write_out(other);
	zcs_assert_is(zcs_bo_evict(bo, ZCS_BACKUP_WRITEBACK), PAGES);
	zcs_assert_is(resident(bo), SIZE);
	zcs_assert_is(zcs_bo_evict(bo, ZCS_BACKUP_WRITEBACK), -EBUSY);
	zcs_assert_is(*bo_at(bo, SIZE + 5), 0x55);
	bo_settle(device);
	zcs_bo_put(bo);
	zcs_bo_put(other);
	bo_device_done(device);
}

/* Neither does a device that takes no writes just now. */
static void an_outage_is_busy(void **state)
{
	struct zcs_store_stats st = { .struct_size = sizeof(st) };
	struct zcs_device *device = bo_device(ZCS_BACKING_SMALL, 0, BO_FILE);
	struct zcs_bo *bo = inserted(device, 1);
	int64_t n = 0;

	(void)state;
	zcs_test_fault("write", 0, 0, EIO);
	for (unsigned left = 10000; n != -EBUSY && left; left--) {
		n = zcs_bo_evict(bo, ZCS_BACKUP_WRITEBACK);
		bo_sleep_ms(1);
	}
	zcs_assert_is(n, -EBUSY);
	zcs_test_faults_off();
	bo_wait_for(zcs_bo_evict(bo, ZCS_BACKUP_WRITEBACK) == 0 && !resident(bo));
	zcs_assert_ok(zcs_store_stats(device->store, &st));
	zcs_assert_is(st.retired_slots, 0);
	assert_true(bo_is(bo, 1));
	bo_settle(device);
	zcs_bo_put(bo);
	bo_device_done(device);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		zcs_test(a_full_store_is_busy),
		zcs_test(what_needs_no_slot_goes),
		zcs_test(an_outage_is_busy),
	};

	if (!bo_has_userfaultfd())
		zcs_test_skip("no userfaultfd here");
	return zcs_test_run(tests);
}
