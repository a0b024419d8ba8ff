/* SPDX-License-Identifier: MIT */
/*
 * Bulk moves. A bulk is a list of bos in the order in which they were added. Moving a bulk moves
 * each evictable member to its LRU's tail, under one hold of the lock. Evicted and pinned members
 * stay in the bulk and are passed over, so that no pointer into a list is left when a member leaves
 * the LRU.
 *
 * Cost: one step for each member, evicted members included, with the LRU's lock held.
 */
#include <errno.h>
#include <stdlib.h>

#include "common/log.h"
#include "device_priv.h"
#include "sys/sys.h"

int zcs_bulk_create(struct zcs_device *device, struct zcs_bulk **bulk)
{
	struct zcs_bulk *b;

	if (!zcs_expect(device, != NULL) || !zcs_expect(bulk, != NULL))
		return -EINVAL;
	if (zcs_inherited(device))
		return -ECHILD;
	b = zcs_sys_calloc(ZCS_FAULT_ALLOC_BO, 1, sizeof(*b));
	if (!b)
		return -ENOMEM;
	TAILQ_INIT(&b->members);
	b->life = zcs_life_begin();
	b->device = device;
	zcs_device_get(device);
	*bulk = b;
	return 0;
}

int zcs_bulk_add(struct zcs_bulk *bulk, struct zcs_bo *bo)
{
	int err = 0;

	if (!bulk || !bo)
		return -EINVAL;
	if (zcs_inherited(bulk) || zcs_inherited(bo))
		return -ECHILD;
	if (bo->device != bulk->device)
		return -EXDEV;
	zcs_lru_lock(&bo->device->lru);
	if (bo->bulk) {
		err = -EBUSY;
	} else {
		bo->bulk = bulk;
		TAILQ_INSERT_TAIL(&bulk->members, bo, in_bulk);
	}
	zcs_lru_unlock(&bo->device->lru);
	return err;
}

int zcs_bulk_remove(struct zcs_bo *bo)
{
	int err = 0;

	if (!bo)
		return -EINVAL;
	if (zcs_inherited(bo))
		return -ECHILD;
	zcs_lru_lock(&bo->device->lru);
	if (bo->bulk) {
		TAILQ_REMOVE(&bo->bulk->members, bo, in_bulk);
		bo->bulk = NULL;
	} else {
		err = -ENOENT;
	}
	zcs_lru_unlock(&bo->device->lru);
	return err;
}

static void move_tail(struct zcs_lru *lru, struct zcs_bo *bo)
{
	struct zcs_lru_head *head = &lru->list[bo->place][bo->priority];

	TAILQ_REMOVE(head, bo, lru);
	TAILQ_INSERT_TAIL(head, bo, lru);
	bo->moved = ++lru->moves;
}

int zcs_bulk_move_tail(struct zcs_bulk *bulk)
{
	struct zcs_lru *lru;
	struct zcs_bo *bo;

	if (!bulk)
		return -EINVAL;
	if (zcs_inherited(bulk))
		return -ECHILD;
	lru = &bulk->device->lru;
	zcs_lru_lock(lru);
	TAILQ_FOREACH(bo, &bulk->members, in_bulk)
	if (bo->place != ZCS_LRU_OFF && bo->place != ZCS_LRU_OUT)
		move_tail(lru, bo);
	zcs_lru_unlock(lru);
	return 0;
}

void zcs_bulk_destroy(struct zcs_bulk *bulk)
{
	struct zcs_bo *bo;

	if (!bulk || zcs_inherited(bulk))
		return;
	zcs_lru_lock(&bulk->device->lru);
	TAILQ_FOREACH(bo, &bulk->members, in_bulk)
	bo->bulk = NULL;
	zcs_lru_unlock(&bulk->device->lru);
	zcs_device_unref(bulk->device);
	free(bulk);
}
