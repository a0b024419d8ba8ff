/* SPDX-License-Identifier: MIT */
/*-
 * Reclaim: the ways in for a caller that needs memory now, and for whom pages are freed at once.
 *
 *	zcs_reclaim_hook()	an allocation at the pool's limit. The caller may hold a tt and a
 *				backup, so every lock is only tried. Nothing is written, and
 *				nothing purged, for a purge waits for reads under way
 *	zcs_reclaim_pages()	with no lock held: frees, writes, and waits for the writes. For a
 *				pin that found no room, and for a touch when the system has no page
 *	zcs_device_shrink()	the same for the application
 *
 * The background thread (background.c) frees ahead of these, so that they are rare.
 */
#include <errno.h>
#include <search.h>

#include "device_priv.h"
#include "store/store.h"
#include "sys/sys.h"

#define LOOK_US	     500u
#define WAIT_NS	     UINT64_C(5000000000)
#define SHRINK_TRIES 3u
#define AGAIN_US     1000u

/* Pages for which the store has room. */
static uint64_t store_room(struct zcs_device *dev)
{
	return zcs_store_room(dev->store) / ZCS_PAGE_SIZE;
}

struct room_wanted {
	struct zcs_device *dev;
	uint64_t pages;
};

static void forget_copies(const void *node, VISIT visit, void *arg)
{
	struct zcs_bo *bo = *(struct zcs_bo *const *)node;
	struct room_wanted *want = arg;

	if ((visit == postorder || visit == leaf) && zcs_lru_pins(bo) &&
	    store_room(want->dev) < want->pages)
		zcs_evict_forget_copies(bo);
}

void zcs_reclaim_store(struct zcs_device *dev, uint64_t pages)
{
	struct room_wanted want = { .dev = dev, .pages = pages };
	uint64_t refused = dev->store->counts.no_space;

	if (!dev->store->ops->block)
		return;
	/* room is counted in pages: a block that found no run of slots asks for as many again */
	if (atomic_exchange(&dev->refused, refused) != refused)
		want.pages += store_room(dev);
	if (store_room(dev) >= want.pages || !atomic_load(&dev->pinned))
		return;
	pthread_rwlock_rdlock(&dev->tree_lock);
	twalk_r(dev->tree, forget_copies, &want);
	pthread_rwlock_unlock(&dev->tree_lock);
}

static void write_pages(struct zcs_device *dev, uint64_t pages)
{
	uint64_t n;

	zcs_reclaim_store(dev, pages);
	n = zcs_policy_write_now(dev, pages);
	if (n < pages && zcs_policy_reconsider(dev))
		zcs_policy_write_now(dev, pages - n);
}

/*
 * Waits until @pages more are free than @before says, or no write is under way. Sleeps and looks: a
 * condition cannot be interrupted by a signal, as a pin wants, and writes take longer than LOOK_US.
 */
static uint64_t wait_for_writes(struct zcs_device *dev, uint64_t before, uint64_t pages,
				bool *interrupted)
{
	uint64_t end = zcs_sys_now_ns() + WAIT_NS;

	/* in this order: pages that are no longer pending are counted as freed */
	while (zcs_store_pending(dev->store) && zcs_store_freed(dev->store) - before < pages &&
	       zcs_sys_now_ns() < end) {
		if (zcs_sys_sleep_us(LOOK_US) && interrupted) {
			*interrupted = true;
			break;
		}
	}
	return zcs_store_freed(dev->store) - before;
}

/*
 * Frees without I/O and begins to write, with signals held. Return: the pages freed. *@before:
 * pages that writes had freed before the first of these began.
 */
static uint64_t begin_reclaim(struct zcs_device *dev, uint64_t pages, bool writes, uint64_t *before)
{
	uint64_t n;

	zcs_sys_hold_signals();
	n = zcs_policy_free(dev, pages, false);
	*before = zcs_store_freed(dev->store);
	if (writes && n < pages)
		write_pages(dev, pages - n);
	zcs_sys_let_signals();
	return n;
}

uint64_t zcs_reclaim_pages(struct zcs_device *dev, uint64_t pages, bool writeback,
			   bool *interrupted)
{
	bool writes = writeback && zcs_store_frees(dev->store);
	uint64_t before, n = begin_reclaim(dev, pages, writes, &before);

	return writes && n < pages ? n + wait_for_writes(dev, before, pages - n, interrupted) : n;
}

bool zcs_reclaim_may(struct zcs_device *dev)
{
	return zcs_cache_pages(dev->pool) || zcs_pool_kept(dev->pool) ||
	       atomic_load(&dev->purgeables) || zcs_store_pending(dev->store) ||
	       (zcs_store_frees(dev->store) && !zcs_lru_is_idle(&dev->lru));
}

int64_t zcs_reclaim_hook(void *arg, uint64_t nr_pages)
{
	struct zcs_device *dev = arg;

	zcs_count(dev->reclaims);
	if (zcs_room_in_vain(dev))
		return 0;
	zcs_background_wake(dev);
	return (int64_t)zcs_policy_free_clean(dev, nr_pages);
}

int64_t zcs_device_shrink(struct zcs_device *device, uint64_t bytes, uint32_t flags)
{
	uint64_t pages = bytes / ZCS_PAGE_SIZE + (bytes % ZCS_PAGE_SIZE != 0), n = 0, busy;
	bool writeback = !(flags & ZCS_SHRINK_NO_WRITEBACK);

	if (!device || (flags & ~ZCS_SHRINK_NO_WRITEBACK))
		return -EINVAL;
	if (zcs_inherited(device))
		return -ECHILD;
	/* one more attempt if the lock of a bo was held */
	for (unsigned i = 0; i < SHRINK_TRIES && n < pages; i++) {
		busy = device->contended;
		n += zcs_reclaim_pages(device, pages - n, writeback, NULL);
		if (device->contended == busy)
			break;
		zcs_sys_sleep_us(AGAIN_US);
	}
	return (int64_t)(n * ZCS_PAGE_SIZE);
}
