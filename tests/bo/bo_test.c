/* SPDX-License-Identifier: MIT */
/* Functions that the tests of devices and bos share, see bo_test.h. */
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "bo_test.h"

#ifndef UFFD_USER_MODE_ONLY
#define UFFD_USER_MODE_ONLY 1
#endif

struct zcs_device_params bo_device_params(enum zcs_backing backing, uint64_t max_bytes,
					  const char *store)
{
	return (struct zcs_device_params){
		.struct_size = sizeof(struct zcs_device_params),
		.pool = zcs_test_params(backing, max_bytes, 0),
		.store = store,
		.flags = ZCS_DEVICE_NO_PSI,
	};
}

struct zcs_device *bo_device_with(const struct zcs_device_params *params)
{
	struct zcs_device *device = NULL;

	zcs_assert_ok(zcs_device_create(params, &device));
	assert_non_null(device);
	return device;
}

struct zcs_device *bo_device(enum zcs_backing backing, uint64_t max_bytes, const char *store)
{
	struct zcs_device_params params = bo_device_params(backing, max_bytes, store);

	return bo_device_with(&params);
}

struct zcs_stats bo_device_stats(struct zcs_device *device)
{
	struct zcs_stats st = { .struct_size = sizeof(st) };

	zcs_assert_ok(zcs_device_stats(device, &st));
	return st;
}

/*
 * The background thread and the store's may be at work: an error stays, a state on its way does
 * not.
 */
void bo_device_ok(struct zcs_device *device)
{
	for (unsigned ms = 1; ms < 1000 && zcs_device_check(device); ms *= 2)
		bo_sleep_ms(ms);
	zcs_assert_ok(zcs_device_check(device));
}

/* By their names alone: a device that goes on a thread of its own closes them meanwhile. */
bool bo_arenas_are_gone(void)
{
	return zcs_test_arenas() <= zcs_test_arenas_before();
}

void bo_device_done(struct zcs_device *device)
{
	struct zcs_stats st;

	zcs_test_faults_off();
	/* one that died on a thread of the device's is destroyed a little later */
	bo_wait_for(bo_device_stats(device).bos == 0);
	bo_device_ok(device);
	st = bo_device_stats(device);
	zcs_assert_is(st.size_bytes, 0);
	zcs_assert_is(st.pinned, 0);
	zcs_assert_is(st.lru, 0);
	zcs_assert_is(st.inserted_bytes, 0);
	zcs_assert_is(st.mapped_bytes, 0);
	zcs_device_destroy(device);
	bo_wait_for(bo_arenas_are_gone());
}

struct zcs_bo *bo_new_with(struct zcs_device *device, uint64_t size, unsigned priority,
			   uint32_t flags)
{
	struct zcs_bo_params params = { .struct_size = sizeof(params),
					.priority = priority,
					.flags = flags };
	struct zcs_bo *bo = NULL;

	zcs_assert_ok(zcs_bo_create(device, size, &params, &bo));
	assert_non_null(bo);
	return bo;
}

struct zcs_bo *bo_new(struct zcs_device *device, uint64_t size)
{
	return bo_new_with(device, size, 1, 0);
}

struct zcs_stats bo_stats(struct zcs_bo *bo)
{
	struct zcs_stats st = { .struct_size = sizeof(st) };

	zcs_assert_ok(zcs_bo_stats(bo, &st));
	return st;
}

unsigned char *bo_at(struct zcs_bo *bo, uint64_t offset)
{
	return (unsigned char *)zcs_bo_address(bo) + offset;
}

void bo_fill(struct zcs_bo *bo, uint64_t seed)
{
	zcs_test_fill(zcs_bo_address(bo), seed, 0, zcs_bo_size(bo) / ZCS_PAGE_SIZE);
}

bool bo_is(struct zcs_bo *bo, uint64_t seed)
{
	return zcs_test_is(zcs_bo_address(bo), seed, 0, zcs_bo_size(bo) / ZCS_PAGE_SIZE);
}

bool bo_is_zero(struct zcs_bo *bo)
{
	return zcs_test_is_zero(zcs_bo_address(bo), zcs_bo_size(bo));
}

void bo_write_out(struct zcs_bo *bo)
{
	int64_t n = zcs_bo_evict(bo, ZCS_BACKUP_WRITEBACK);

	if (n < 0)
		fail_msg("zcs_bo_evict: %" PRId64, n);
	/* an event of a touch that another restore had served already may bring a folio back */
	bo_wait_for(bo_stats(bo).resident_bytes == 0 || zcs_bo_evict(bo, ZCS_BACKUP_WRITEBACK) < 0);
}

void bo_sleep_ms(unsigned ms)
{
	usleep(ms * 1000);
}

uint64_t bo_now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

bool bo_has_userfaultfd(void)
{
	return zcs_test_has_userfaultfd();
}
