/* SPDX-License-Identifier: MIT */
/*
 * A bo that is put while its prefetch is queued or under way is not read back any further: nobody
 * could see it. It used to be read to its end, and then destroyed.
 */
#include "bo_inside.h"

#define FOLIOS 8u
#define SIZE   (FOLIOS * ZCS_TEST_HUGE_BYTES)

static uint64_t reads(struct zcs_device *device)
{
	struct zcs_store_stats st = { .struct_size = sizeof(st) };

	zcs_assert_ok(zcs_store_stats(device->store, &st));
	return st.reads;
}

static struct zcs_bo *written_out(struct zcs_device *device)
{
	struct zcs_bo *bo = bo_new(device, SIZE);

	bo_fill(bo, 1);
	bo_settle(device);
	bo_write_out(bo);
	return bo;
}

static void its_first_read_hangs(void **state)
{
	struct zcs_device *device = bo_device(ZCS_BACKING_SMALL, 0, BO_FILE);
	struct zcs_bo *bo = written_out(device);

	(void)state;
	zcs_test_hang("read", 0, 1, 0);
	zcs_assert_ok(zcs_bo_prefetch(bo));
	zcs_test_wait_hung("read", 1);
	zcs_bo_put(bo);
	zcs_test_fault_off("read");
	bo_wait_for(bo_device_stats(device).bos == 0);
	/* the one that hung, and one that was read ahead */
	assert_in_range(reads(device), 1, 2);
	bo_device_done(device);
}

/* Behind those of bos whose first reads hang, with which all threads that prefetch are busy. */
static void it_is_still_queued(void **state)
{
	struct zcs_device *device = bo_device(ZCS_BACKING_SMALL, 0, BO_FILE);
	struct zcs_bo *busy[ZCS_FAULT_THREADS - 1], *bo;

	(void)state;
	for (unsigned i = 0; i < ZCS_FAULT_THREADS - 1; i++)
		busy[i] = written_out(device);
	bo = written_out(device);
	zcs_test_hang("read", 0, 0, 0);
	for (unsigned i = 0; i < ZCS_FAULT_THREADS - 1; i++)
		zcs_assert_ok(zcs_bo_prefetch(busy[i]));
	zcs_test_wait_hung("read", ZCS_FAULT_THREADS - 1);
	zcs_assert_ok(zcs_bo_prefetch(bo));
	zcs_bo_put(bo);
	for (unsigned i = 0; i < ZCS_FAULT_THREADS - 1; i++)
		zcs_bo_put(busy[i]);
	zcs_test_fault_off("read");
	bo_wait_for(bo_device_stats(device).bos == 0);
	assert_in_range(reads(device), ZCS_FAULT_THREADS - 1, 2 * (ZCS_FAULT_THREADS - 1));
	bo_device_done(device);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		zcs_test(its_first_read_hangs),
		zcs_test(it_is_still_queued),
	};

	if (!bo_has_userfaultfd())
		zcs_test_skip("no userfaultfd here");
	return zcs_test_run(tests);
}
