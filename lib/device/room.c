/* SPDX-License-Identifier: MIT */
/*
 * Room: how a touch over the pool's limit and the background thread wait for each other.
 *
 *	touch, fault thread                              background thread (background.c)
 *	over the limit by more than OVER_PART  ──hurry──▶ does not pause between two rounds
 *	waits, WAIT_MS at a time               ◀──room──  woken after each round
 *
 * Pages that are being written count as free already, up to a bound. A wait for a write of 2 MiB
 * would be as long as the read that follows it. In a pool of a few folios each touch would wait so.
 *
 * The set in use may be larger than the limit and smaller than a few milliseconds of touches. Then
 * pages are touched again before they are written, and no page is freed. For HOT_NS such a set may
 * pass the limit by one part more.
 *
 * A wait can be in vain: the store is full or is "mem:", or everything is pinned. The background
 * thread finds that out, once. From then on no touch waits, and the background thread tries again
 * once in VAIN_NS until something changes: an unpin, a bo that dies or becomes purgeable, free
 * slots. So a limit that cannot be kept costs nothing.
 *
 * Known limit: a touch waits at most WAITS_MAX times WAIT_MS, one second, and then goes on above
 * the limit.
 */
#include "device_priv.h"
#include "store/store.h"
#include "sys/sys.h"

#define OVER_PART   8u /* one part in */
#define PART_LEAST  (2u * ZCS_UNIT_PAGES)
#define SMALL_POOL  (16u * ZCS_UNIT_PAGES)
#define WAIT_MS	    20u
#define WAITS_MAX   50u
#define VAIN_NS	    UINT64_C(1000000000)
#define HOT_RECALLS 2u
#define HOT_NS	    UINT64_C(100000000)

/* Pages freed by the background thread and by the store, in all. */
uint64_t zcs_room_freed(struct zcs_device *dev)
{
	return atomic_load(&dev->freed) + zcs_store_freed(dev->store);
}

bool zcs_room_in_vain(struct zcs_device *dev)
{
	return atomic_load(&dev->vain) == atomic_load(&dev->changes) &&
	       zcs_store_room(dev->store) <= atomic_load(&dev->vain_slots);
}

void zcs_room_note_vain(struct zcs_device *dev, uint64_t changes)
{
	atomic_store(&dev->vain_slots, zcs_store_room(dev->store));
	atomic_store(&dev->vain_ns, zcs_sys_now_ns());
	atomic_store(&dev->vain, changes);
}

void zcs_room_note_progress(struct zcs_device *dev)
{
	if (zcs_room_in_vain(dev))
		atomic_fetch_add(&dev->changes, 1);
}

bool zcs_room_may_try(struct zcs_device *dev)
{
	return !zcs_room_in_vain(dev) || zcs_sys_now_ns() - atomic_load(&dev->vain_ns) >= VAIN_NS;
}

void zcs_room_changed(struct zcs_device *dev)
{
	atomic_fetch_add(&dev->changes, 1);
	if (dev->high && zcs_pool_resident(dev->pool) > dev->high)
		zcs_background_wake(dev);
}

/* The pages by which the limit may be passed: a part of it, and at least a few folios. */
static uint64_t part_of(const struct zcs_device *dev)
{
	uint64_t part = zcs_pool_max(dev->pool) / OVER_PART;

	return part > PART_LEAST ? part : PART_LEAST;
}

static uint64_t being_written(struct zcs_device *dev)
{
	uint64_t pages = zcs_store_pending(dev->store), most = part_of(dev);

	return pages < most ? pages : most;
}

/* Whether all of a set a little larger than the limit is touched faster than it can be written. */
static bool is_all_in_use(struct zcs_device *dev, uint64_t resident)
{
	return resident <= atomic_load(&dev->hot_pages) &&
	       zcs_sys_now_ns() < atomic_load(&dev->hot_until_ns);
}

static void note_all_in_use(struct zcs_device *dev)
{
	atomic_store(&dev->hot_pages, zcs_pool_resident(dev->pool) + part_of(dev));
	atomic_store(&dev->hot_until_ns, zcs_sys_now_ns() + HOT_NS);
}

bool zcs_room_is_short(struct zcs_device *dev)
{
	uint64_t max = zcs_pool_max(dev->pool), over = max + max / OVER_PART,
		 resident = zcs_pool_resident(dev->pool);

	return max && resident > over && resident > over + being_written(dev) &&
	       !is_all_in_use(dev, resident) && !zcs_room_in_vain(dev);
}

/*
 * struct wait - counters when a waiter began to wait
 * @freed: pages freed
 * @recalled: writes that a touch took back
 */
struct wait {
	struct zcs_device *dev;
	uint64_t freed, recalled;
};

static bool is_enough(const struct wait *w)
{
	return w->dev->stop || !zcs_room_is_short(w->dev);
}

static bool has_freed(const struct wait *w)
{
	return zcs_room_freed(w->dev) != w->freed;
}

/* Whether pages were touched again before their write, and no other page was freed. */
static bool is_hot(const struct wait *w)
{
	return !has_freed(w) && zcs_store_recalled(w->dev->store) >= w->recalled + HOT_RECALLS;
}

/*
 * Waits until the deadline, or until @enough() is true. Asks @enough() after each round of the
 * background thread.
 */
static void wait_until(const struct wait *w, bool (*enough)(const struct wait *w))
{
	struct timespec until = zcs_sys_deadline(WAIT_MS * UINT64_C(1000000));
	struct zcs_device *dev = w->dev;
	int err = 0;

	zcs_background_wake(dev);
	pthread_mutex_lock(&dev->room_lock);
	dev->hurry++;
	pthread_cond_signal(&dev->pace);
	while (!err && !dev->stop && !enough(w))
		err = pthread_cond_timedwait(&dev->room, &dev->room_lock, &until);
	dev->hurry--;
	pthread_mutex_unlock(&dev->room_lock);
}

static bool is_enough_or_hot(const struct wait *w)
{
	return is_enough(w) || is_hot(w);
}

void zcs_room_wait(struct zcs_device *dev)
{
	struct wait w = { .dev = dev, .freed = zcs_room_freed(dev) };

	wait_until(&w, has_freed);
}

void zcs_room_wait_for(struct zcs_device *dev, struct zcs_bo *bo)
{
	struct wait w = { .dev = dev,
			  .freed = zcs_room_freed(dev),
			  .recalled = zcs_store_recalled(dev->store) };
	uint64_t changes = atomic_load(&dev->changes);
	unsigned i;

	for (i = 0; i < WAITS_MAX && !is_enough(&w); i++) {
		zcs_count(dev->stats.waits);
		zcs_count(bo->stats.waits);
		wait_until(&w, is_enough_or_hot);
		if (is_hot(&w))
			note_all_in_use(dev);
	}
	/* the device does not answer: the next touch need not find that out again */
	if (i == WAITS_MAX && !has_freed(&w))
		zcs_room_note_vain(dev, changes);
}

void zcs_room_tell(struct zcs_device *dev)
{
	pthread_mutex_lock(&dev->room_lock);
	pthread_cond_broadcast(&dev->room);
	pthread_mutex_unlock(&dev->room_lock);
}

void zcs_room_pause(struct zcs_device *dev, unsigned us)
{
	struct timespec until = zcs_sys_deadline(us * UINT64_C(1000));

	pthread_mutex_lock(&dev->room_lock);
	pthread_cond_timedwait(&dev->pace, &dev->room_lock, &until);
	pthread_mutex_unlock(&dev->room_lock);
}

/*
 * Whether writes begin as soon as the limit is passed, unless all pages are in use. In a pool of a
 * few folios each touch would otherwise have to wait for a write.
 */
static bool begins_early(struct zcs_device *dev)
{
	return zcs_pool_max(dev->pool) < SMALL_POOL &&
	       !is_all_in_use(dev, zcs_pool_resident(dev->pool));
}

bool zcs_room_is_urgent(struct zcs_device *dev)
{
	bool urgent;

	if (begins_early(dev))
		return true;
	pthread_mutex_lock(&dev->room_lock);
	urgent = dev->hurry > 0;
	pthread_mutex_unlock(&dev->room_lock);
	return urgent && !zcs_store_pending(dev->store);
}
