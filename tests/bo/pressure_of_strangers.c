/* SPDX-License-Identifier: MIT */
/*
 * Pressure events while memory is not short take no page away, however many there are; otherwise no
 * more pages go than are missing. The machine's memory is made up here; psi.c has real pressure.
 */
#include "bo_inside.h"

#define BOS 16u
#define ALL (BOS * BO_SIZE)
#define GIB (UINT64_C(1) << 30)

static struct zcs_bo *bo[BOS];

static struct zcs_device *full_device(enum zcs_backing backing)
{
	struct zcs_device *device = bo_device(backing, 0, BO_FILE);

	for (unsigned i = 0; i < BOS; i++) {
		bo[i] = bo_new(device, BO_SIZE);
		bo_fill(bo[i], i);
	}
	bo_settle(device);
	zcs_assert_is(bo_device_stats(device).resident_bytes, ALL);
	return device;
}

static void done(struct zcs_device *device)
{
	for (unsigned i = 0; i < BOS; i++) {
		assert_true(bo_is(bo[i], i));
		zcs_bo_put(bo[i]);
	}
	bo_memory_is_as_it_is();
	bo_device_done(device);
}

static void while_there_is_room_nothing_goes(void **state)
{
	struct zcs_device *device = full_device(ZCS_BACKING_SMALL);

	(void)state;
	bo_memory_is_free();
	for (unsigned i = 0; i < 20; i++)
		zcs_background_on_pressure(device, i % 2 ? ZCS_PSI_GROUP : ZCS_PSI_MACHINE);
	zcs_assert_is(device->cap, 0);
	zcs_assert_is(bo_device_stats(device).psi_events, 20);
	zcs_assert_is(bo_device_stats(device).psi_ignored, 20);
	zcs_assert_is(bo_device_stats(device).resident_bytes, ALL);
	done(device);
}

static void no_more_goes_than_lacks(void **state)
{
	struct zcs_device *device = full_device(ZCS_BACKING_SMALL);

	(void)state;
	zcs_sys_fake_room(2 * GIB - 4 * ZCS_TEST_MIB, 16 * GIB);
	zcs_background_on_pressure(device, ZCS_PSI_MACHINE);
	zcs_assert_is(device->cap * ZCS_PAGE_SIZE, ALL - 4 * ZCS_TEST_MIB);
	bo_wait_for(bo_device_stats(device).resident_bytes <= ALL - 4 * ZCS_TEST_MIB);
	zcs_assert_is(bo_device_stats(device).psi_ignored, 0);
	done(device);
}

/*
 * A task that waits in the process's own group is heard when a quarter is not free, a stranger only
 * at an eighth.
 */
static void the_own_group_is_heard_earlier(void **state)
{
	struct zcs_device *device = full_device(ZCS_BACKING_SMALL);

	(void)state;
	zcs_sys_fake_room(3 * GIB, 16 * GIB);
	zcs_background_on_pressure(device, ZCS_PSI_MACHINE);
	zcs_assert_is(device->cap, 0);
	zcs_background_on_pressure(device, ZCS_PSI_GROUP);
	zcs_assert_is(device->cap * ZCS_PAGE_SIZE, ALL - ALL / 8);
	done(device);
}

/* An eighth of a terabyte is not little. */
static void a_large_machine_is_not_short_with_gigabytes_free(void **state)
{
	struct zcs_device *device = full_device(ZCS_BACKING_SMALL);

	(void)state;
	zcs_sys_fake_room(8 * GIB, 1024 * GIB);
	zcs_background_on_pressure(device, ZCS_PSI_MACHINE);
	zcs_background_on_pressure(device, ZCS_PSI_GROUP);
	zcs_assert_is(bo_device_stats(device).psi_ignored, 2);
	done(device);
}

static void what_cannot_be_told_is_short(void **state)
{
	struct zcs_device *device = full_device(ZCS_BACKING_SMALL);

	(void)state;
	zcs_test_fault("memory_room", 0, 0, 0);
	zcs_background_on_pressure(device, ZCS_PSI_MACHINE);
	zcs_assert_is(device->cap * ZCS_PAGE_SIZE, ALL - ALL / 8);
	zcs_test_faults_off();
	done(device);
}

static void hugetlb_pages_help_nobody(void **state)
{
	struct zcs_device *device;

	(void)state;
	if (!zcs_test_backing_works(ZCS_BACKING_HUGETLB) || zcs_test_hugetlb_free() < BOS * 2)
		zcs_test_skip_case("no hugetlb pages");
	device = full_device(ZCS_BACKING_HUGETLB);
	bo_memory_is_short();
	zcs_background_on_pressure(device, ZCS_PSI_MACHINE);
	zcs_assert_is(device->cap, 0);
	zcs_assert_is(bo_device_stats(device).psi_ignored, 1);
	done(device);
}

static void with_room_again_the_cap_is_lifted(void **state)
{
	struct zcs_device *device = full_device(ZCS_BACKING_SMALL);

	(void)state;
	bo_memory_is_short();
	zcs_background_on_pressure(device, ZCS_PSI_MACHINE);
	bo_wait_for(bo_device_stats(device).resident_bytes <= ALL - ALL / 8);
	bo_memory_is_free();
	for (unsigned i = 0; i < BOS; i++)
		assert_true(bo_is(bo[i], i));
	bo_settle(device);
	assert_false(zcs_pressure_is_over_cap(device));
	zcs_assert_is(device->cap, 0);
	zcs_assert_is(bo_device_stats(device).resident_bytes, ALL);
	done(device);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		zcs_test(while_there_is_room_nothing_goes),
		zcs_test(no_more_goes_than_lacks),
		zcs_test(the_own_group_is_heard_earlier),
		zcs_test(a_large_machine_is_not_short_with_gigabytes_free),
		zcs_test(what_cannot_be_told_is_short),
		zcs_test(hugetlb_pages_help_nobody),
		zcs_test(with_room_again_the_cap_is_lifted),
	};

	if (!bo_has_userfaultfd())
		zcs_test_skip("no userfaultfd here");
	return zcs_test_run(tests);
}
