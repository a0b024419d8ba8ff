/* SPDX-License-Identifier: MIT */
#ifndef BO_INSIDE_H
#define BO_INSIDE_H

#include "bo_test.h"

/* For tests that link with the library's own objects. */
#include "device_priv.h"

static inline enum zcs_lru_list bo_place(struct zcs_bo *bo)
{
	enum zcs_lru_list place;

	pthread_mutex_lock(&bo->device->lru.lock);
	place = bo->place;
	pthread_mutex_unlock(&bo->device->lru.lock);
	return place;
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

#endif
