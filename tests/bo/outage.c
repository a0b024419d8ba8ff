/* SPDX-License-Identifier: MIT */
/*
 * The device of a store takes no writes for a while, as memory is short: bos stay in memory, over
 * the limit where it must be, nothing is lost, and when the device is back the limit holds again.
 */
#include "bo_test.h"

#include "device/device_priv.h"

#define LIMIT (8 * ZCS_TEST_MIB)
#define SIZE  (2 * ZCS_TEST_MIB)
#define NR    8u

static void the_limit_holds_again_after_an_outage(void **state)
{
	struct zcs_store_stats st = { .struct_size = sizeof(st) };
	struct zcs_device *device;
	struct zcs_bo *bo[NR];

	(void)state;
	device = bo_device(ZCS_BACKING_SMALL, LIMIT, BO_FILE);
	zcs_test_fault("write", 0, 0, EIO);
	for (unsigned i = 0; i < NR; i++) {
		bo[i] = bo_new(device, SIZE);
		bo_fill(bo[i], i);
	}
	bo_wait_for(!zcs_store_stats(device->store, &st) && st.devices_away);
	assert_true(bo_device_stats(device).resident_bytes > LIMIT);
	zcs_test_faults_off();
	bo_wait_for(bo_device_stats(device).resident_bytes <= LIMIT);
	for (unsigned i = 0; i < NR; i++) {
		assert_true(bo_is(bo[i], i));
		zcs_bo_put(bo[i]);
	}
	zcs_assert_ok(zcs_store_stats(device->store, &st));
	zcs_assert_is(st.retired_slots, 0);
	zcs_assert_is(st.devices_away, 0);
	bo_device_done(device);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		zcs_test(the_limit_holds_again_after_an_outage),
	};

	if (!bo_has_userfaultfd())
		zcs_test_skip("needs userfaultfd");
	return zcs_test_run(tests);
}
