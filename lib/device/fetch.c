/* SPDX-License-Identifier: MIT */
/*
 * Prefetch: bos that the application wants back before it touches them. The fault threads restore
 * them, a folio a turn, in the order of the calls. At most ZCS_FAULT_THREADS - 1 threads do so at a
 * time, so that one is left to touches.
 *
 * The queue is an eventfd in the epoll set of the fault threads. It is set as long as there is work
 * and a thread that may do it, so that no thread sleeps on work and none spins.
 *
 * Cost: a turn for each folio, with the queue's lock taken twice.
 */
#include "common/held.h"
#include "device_priv.h"
#include "sys/sys.h"

/* The caller holds the lock. */
static void set_fetch_event(struct zcs_device *dev)
{
	bool set = !TAILQ_EMPTY(&dev->fetch) && dev->fetchers < ZCS_FAULT_THREADS - 1 &&
		   !dev->fetch_held;

	zcs_assert_held(&dev->fetch_lock);
	if (set && !dev->fetch_set)
		zcs_sys_event_add(dev->fetch_event);
	if (!set && dev->fetch_set)
		zcs_sys_event_clear(dev->fetch_event);
	dev->fetch_set = set;
}

void zcs_fetch_hold(struct zcs_device *dev, bool held)
{
	pthread_mutex_lock(&dev->fetch_lock);
	dev->fetch_held = held;
	set_fetch_event(dev);
	pthread_mutex_unlock(&dev->fetch_lock);
}

void zcs_fetch_bo(struct zcs_bo *bo)
{
	struct zcs_device *dev = bo->device;

	zcs_sys_hold_signals();
	pthread_mutex_lock(&dev->fetch_lock);
	bo->fetch_at = 0;
	if (!bo->fetching) {
		bo->fetching = true;
		zcs_bo_get(bo);
		TAILQ_INSERT_TAIL(&dev->fetch, bo, fetch);
	}
	set_fetch_event(dev);
	pthread_mutex_unlock(&dev->fetch_lock);
	zcs_sys_let_signals();
}

static struct zcs_bo *pop_fetch(struct zcs_device *dev, uint64_t *at)
{
	struct zcs_bo *bo = NULL;

	pthread_mutex_lock(&dev->fetch_lock);
	if (dev->fetch_set)
		bo = TAILQ_FIRST(&dev->fetch);
	if (bo) {
		TAILQ_REMOVE(&dev->fetch, bo, fetch);
		*at = bo->fetch_at;
		bo->fetch_at += ZCS_UNIT_PAGES;
		dev->fetchers++;
	}
	set_fetch_event(dev);
	pthread_mutex_unlock(&dev->fetch_lock);
	return bo;
}

/*
 * Puts a bo back at the head of the queue, so that a bo that was begun is finished before the next
 * one. Return: false: all of it is restored, or @go_on is false.
 */
static bool push_again(struct zcs_bo *bo, bool go_on)
{
	struct zcs_device *dev = bo->device;
	bool more;

	pthread_mutex_lock(&dev->fetch_lock);
	more = go_on && bo->fetch_at < bo->tt->nr;
	bo->fetching = more;
	if (more)
		TAILQ_INSERT_HEAD(&dev->fetch, bo, fetch);
	dev->fetchers--;
	set_fetch_event(dev);
	pthread_mutex_unlock(&dev->fetch_lock);
	return more;
}

/*
 * Whether the bo has a user besides the queue. Without one its owner has put it, and it dies here.
 */
static bool is_wanted(struct zcs_bo *bo)
{
	return atomic_load(&bo->refs) > 1;
}

void zcs_fetch_one(struct zcs_device *dev)
{
	uint64_t at;
	struct zcs_bo *bo = pop_fetch(dev, &at);
	bool go_on;

	if (!bo)
		return;
	go_on = is_wanted(bo);
	if (go_on) {
		/* a failed restore is left to the touch; some pages may be restored nevertheless */
		go_on = !zcs_tt_restore_step(bo->tt, &at, ZCS_UNIT_PAGES, NULL);
		zcs_lru_move(bo, ZCS_LRU_ACTIVE);
	}
	if (!push_again(bo, go_on))
		zcs_bo_put_later(bo);
}
