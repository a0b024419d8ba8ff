/* SPDX-License-Identifier: MIT */
#ifndef BO_INSIDE_H
#define BO_INSIDE_H

#include "bo_test.h"

/* For tests that link with the library's own objects. */
#include "device/device_priv.h"

static inline enum zcs_lru_list bo_place(struct zcs_bo *bo)
{
	enum zcs_lru_list place;

	pthread_mutex_lock(&bo->device->lru.lock);
	place = bo->place;
	pthread_mutex_unlock(&bo->device->lru.lock);
	return place;
}

/*
 * Waits until the fault threads have no touch to finish. A toucher goes on before its touch is
 * counted and the bo has its place in the LRU. A hole of THP is even resolved before it is
 * populated and charged.
 */
static inline void bo_settle(struct zcs_device *device)
{
	bo_wait_for(device->busy_touchers == 0);
}

/* As long as this is held, restores and evictions of the bo wait. */
static inline void bo_hold(struct zcs_bo *bo)
{
	pthread_mutex_lock(&bo->tt->lock);
}

static inline void bo_let_go(struct zcs_bo *bo)
{
	pthread_mutex_unlock(&bo->tt->lock);
}

/*
 * The answer to pressure events: memory is short; there is room; or, the last, the machine's own.
 */
static inline void bo_memory_is_short(void)
{
	zcs_sys_fake_room(0, UINT64_C(64) << 30);
}

static inline void bo_memory_is_free(void)
{
	zcs_sys_fake_room(UINT64_C(32) << 30, UINT64_C(64) << 30);
}

static inline void bo_memory_is_as_it_is(void)
{
	zcs_sys_fake_room(0, 0);
}

#endif
