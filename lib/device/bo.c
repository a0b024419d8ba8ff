/* SPDX-License-Identifier: MIT */
/*
 * Buffer objects: a contiguous tt whose home is the address, a place in the LRU, a pin count.
 *
 * A bo has no pages until it is touched: its tt starts as if it had been purged, and a touch of an
 * empty slot commits a zero page. Sizes from 2 MiB on are rounded up to huge pages. Smaller sizes
 * are rounded up to pages, which the small-page arena packs.
 *
 * Bos are found by address in a tree (tsearch), which the fault threads read. A walker that holds
 * another bo's lock may drop a last reference, but must not destroy the bo: the background thread
 * does that.
 *
 * Known limit: creating and destroying a bo takes the tree's lock for writing, which stops all
 * touches for that moment.
 */
#include <errno.h>
#include <search.h>
#include <stdlib.h>

#include <zcswap/store.h>

#include "common/log.h"
#include "device_priv.h"
#include "sys/sys.h"

#define UNIT_BYTES  ((uint64_t)ZCS_UNIT_PAGES * ZCS_PAGE_SIZE)
#define PIN_RETRIES 256
#define PIN_US	    1000u

static uint64_t rounded(uint64_t size)
{
	uint64_t to = size >= UNIT_BYTES ? UNIT_BYTES : ZCS_PAGE_SIZE;

	return (size + to - 1) & ~(to - 1);
}

/*
 * Compares addresses. Ranges that overlap are equal, so a key of one address finds the bo around
 * it.
 */
static int compare_bos(const void *a, const void *b)
{
	const struct zcs_bo *x = a, *y = b;

	if (x->end <= y->start)
		return -1;
	return x->start >= y->end;
}

static int add_to_tree(struct zcs_bo *bo)
{
	struct zcs_device *dev = bo->device;
	void *node;

	pthread_rwlock_wrlock(&dev->tree_lock);
	node = zcs_fault(ZCS_FAULT_ALLOC_BO) ? NULL : tsearch(bo, &dev->tree, compare_bos);
	pthread_rwlock_unlock(&dev->tree_lock);
	return node ? 0 : -ENOMEM;
}

struct zcs_bo *zcs_bo_find(struct zcs_device *dev, uintptr_t addr)
{
	struct zcs_bo key = { .start = addr, .end = addr + 1 }, **node, *bo = NULL;

	pthread_rwlock_rdlock(&dev->tree_lock);
	node = tfind(&key, &dev->tree, compare_bos);
	if (node) {
		uint64_t refs = atomic_load(&(*node)->refs);

		while (refs && !atomic_compare_exchange_weak(&(*node)->refs, &refs, refs + 1))
			;
		bo = refs ? *node : NULL;
	}
	pthread_rwlock_unlock(&dev->tree_lock);
	return bo;
}

/* Makes the tt and its backup, and has the fault threads serve its address. */
static int make_tt(struct zcs_bo *bo, uint64_t size)
{
	struct zcs_device *dev = bo->device;
	int err = zcs_tt_create(dev->pool, size / ZCS_PAGE_SIZE, ZCS_TT_CONTIGUOUS, &bo->tt);

	if (err)
		return err;
	bo->start = (uintptr_t)zcs_tt_address(bo->tt);
	bo->end = bo->start + size;
	/*
	 * near vm.max_map_count a home does not trap: its pages would be outside every limit, and
	 * could never be evicted
	 */
	if (bo->tt->home.traps == ZCS_HOME_UNTRAPPED)
		err = -ENOMEM;
	if (!err)
		err = zcs_tt_setup_backup(bo->tt, dev->store);
	if (!err)
		err = zcs_touch_serve(dev, bo->tt->home.arena);
	if (!err) {
		zcs_tt_commit_on_touch(bo->tt);
		err = add_to_tree(bo);
	}
	if (err)
		zcs_tt_destroy(bo->tt);
	return err;
}

/* The caller holds the LRU's lock, or is the only user of the bo. */
static void make_purgeable(struct zcs_bo *bo, bool purgeable)
{
	if (bo->purgeable != purgeable)
		atomic_fetch_add(&bo->device->purgeables, purgeable ? 1 : UINT64_MAX);
	bo->purgeable = purgeable;
}

static int new_bo(struct zcs_device *dev, uint64_t size, const struct zcs_bo_params *params,
		  struct zcs_bo **bo)
{
	struct zcs_bo *b = zcs_sys_calloc(ZCS_FAULT_ALLOC_BO, 1, sizeof(*b));
	int err;

	if (!b)
		return -ENOMEM;
	b->life = zcs_life_begin();
	b->device = dev;
	b->refs = 1;
	b->priority = params->priority;
	err = make_tt(b, size);
	if (err) {
		free(b);
		return err;
	}
	zcs_device_get(dev);
	make_purgeable(b, params->flags & ZCS_BO_PURGEABLE);
	atomic_fetch_add(&dev->bos, 1);
	atomic_fetch_add(&dev->bytes, size);
	zcs_lru_move(b, ZCS_LRU_ACTIVE);
	*bo = b;
	return 0;
}

int zcs_bo_create(struct zcs_device *device, uint64_t size, const struct zcs_bo_params *params,
		  struct zcs_bo **bo)
{
	static const struct zcs_bo_params defaults = ZCS_BO_PARAMS_INIT;
	int err;

	if (!params)
		params = &defaults;
	if (!zcs_expect(device, != NULL) || !zcs_expect(bo, != NULL) || !zcs_expect(size, != 0) ||
	    !zcs_expect(size, <= INT64_MAX - UNIT_BYTES) ||
	    !zcs_expect(params->struct_size, == sizeof(*params)) ||
	    !zcs_expect(params->priority, < ZCS_PRIORITIES) ||
	    !zcs_expect(params->flags & ~ZCS_BO_PURGEABLE, == 0))
		return -EINVAL;
	if (zcs_inherited(device))
		return -ECHILD;
	zcs_sys_hold_signals();
	err = new_bo(device, rounded(size), params, bo);
	zcs_sys_let_signals();
	return err;
}

static void destroy_bo(struct zcs_bo *bo)
{
	struct zcs_device *dev = bo->device;

	zcs_sys_hold_signals();
	pthread_rwlock_wrlock(&dev->tree_lock);
	tdelete(bo, &dev->tree, compare_bos);
	pthread_rwlock_unlock(&dev->tree_lock);
	zcs_bulk_remove(bo);
	zcs_lru_remove(bo);
	make_purgeable(bo, false);
	if (bo->pins)
		atomic_fetch_sub(&dev->pinned, 1);
	zcs_tt_destroy(bo->tt);
	zcs_room_changed(dev);
	atomic_fetch_sub(&dev->bytes, bo->end - bo->start);
	atomic_fetch_sub(&dev->bos, 1);
	free(bo);
	zcs_sys_let_signals();
	zcs_device_unref(dev);
}

struct zcs_bo *zcs_bo_get(struct zcs_bo *bo)
{
	if (bo && !zcs_inherited(bo))
		atomic_fetch_add(&bo->refs, 1);
	return bo;
}

void zcs_bo_put(struct zcs_bo *bo)
{
	if (bo && !zcs_inherited(bo) && atomic_fetch_sub(&bo->refs, 1) == 1)
		destroy_bo(bo);
}

void zcs_bo_put_later(struct zcs_bo *bo)
{
	struct zcs_device *dev = bo->device;

	if (atomic_fetch_sub(&bo->refs, 1) != 1)
		return;
	pthread_mutex_lock(&dev->dead_lock);
	SLIST_INSERT_HEAD(&dev->dead, bo, dead);
	pthread_mutex_unlock(&dev->dead_lock);
	zcs_background_wake(dev);
}

void zcs_bo_destroy_dead(struct zcs_device *dev)
{
	for (;;) {
		struct zcs_bo *bo;

		pthread_mutex_lock(&dev->dead_lock);
		bo = SLIST_FIRST(&dev->dead);
		if (bo)
			SLIST_REMOVE_HEAD(&dev->dead, dead);
		pthread_mutex_unlock(&dev->dead_lock);
		if (!bo)
			return;
		destroy_bo(bo);
	}
}

void *zcs_bo_address(struct zcs_bo *bo)
{
	return bo && !zcs_inherited(bo) ? (void *)bo->start : NULL;
}

uint64_t zcs_bo_size(struct zcs_bo *bo)
{
	return bo && !zcs_inherited(bo) ? bo->end - bo->start : 0;
}

static uint64_t missing(struct zcs_bo *bo)
{
	struct zcs_tt_pages pages;

	zcs_tt_count(bo->tt, &pages);
	return bo->tt->nr - pages.mapped;
}

/*
 * Makes room for a pin. Return: false: no page can be evicted. A page whose bo is locked just now
 * counts as evictable.
 */
static bool make_room_for_pin(struct zcs_device *dev, bool *interrupted)
{
	uint64_t contended = dev->contended;

	if (zcs_reclaim_pages(dev, ZCS_UNIT_PAGES, true, interrupted))
		return true;
	if (!zcs_reclaim_may(dev) && contended == dev->contended)
		return false;
	if (zcs_sys_sleep_us(PIN_US))
		*interrupted = true;
	return true;
}

/*
 * Restores a bo from slot *@at on, as many blocks at a time as are read at once. So a touch of the
 * bo need not wait for all of it. Restored blocks stay, for the bo is pinned. A caller that may not
 * wait for the lock takes it once.
 */
static int restore_from(struct zcs_tt *tt, uint64_t *at, const struct zcs_ctx *ctx)
{
	uint64_t most = ctx && ctx->no_wait ? tt->nr : ZCS_VEC * ZCS_UNIT_PAGES;
	int err = 0;

	while (*at < tt->nr && !err)
		err = zcs_tt_restore_step(tt, at, most, ctx);
	return err;
}

/*
 * Restores all of a pinned bo. Room is made with no lock held: a restore at the limit holds the
 * tt's lock, under which only pages that need no wait are freed. Attempts that restore no page are
 * counted, for touches may take the freed pages.
 */
static int restore_all(struct zcs_bo *bo, const struct zcs_ctx *ctx)
{
	bool room = true, interrupted = false;
	uint64_t least = UINT64_MAX, at = 0;
	int err, idle = 0;

	for (;;) {
		uint64_t left;

		err = restore_from(bo->tt, &at, ctx);
		if (err == -EINVAL && (zcs_tt_flags(bo->tt) & ZCS_TT_POPULATED))
			return 0;
		if (err != -ENOMEM || (ctx && ctx->no_wait))
			return err;
		left = missing(bo);
		idle = left < least ? 0 : idle + 1;
		least = left < least ? left : least;
		/*
		 * one more attempt after the last one found nothing to evict: a write may have
		 * ended meanwhile
		 */
		if (!room || idle >= PIN_RETRIES)
			return err;
		if (interrupted && ctx && ctx->interruptible)
			return -EINTR;
		room = make_room_for_pin(bo->device, &interrupted);
	}
}

int zcs_bo_pin(struct zcs_bo *bo, const struct zcs_ctx *ctx)
{
	int err, cancel;

	if (!bo || (ctx && !zcs_expect(ctx->struct_size, == sizeof(*ctx))))
		return -EINVAL;
	if (zcs_inherited(bo))
		return -ECHILD;
	cancel = zcs_sys_hold_cancel();
	zcs_lru_pin(bo);
	err = restore_all(bo, ctx);
	if (err)
		zcs_lru_unpin(bo);
	zcs_sys_let_cancel(cancel);
	return err;
}

void zcs_bo_unpin(struct zcs_bo *bo)
{
	if (!bo || zcs_inherited(bo))
		return;
	if (zcs_lru_unpin(bo)) {
		zcs_room_changed(bo->device);
		return;
	}
	zcs_count(bo->device->bad_unpins);
	zcs_misuse("zcs_bo_unpin: bo %p is not pinned; nothing done", (void *)bo);
}

static void note_evicted(struct zcs_bo *bo)
{
	zcs_count(bo->device->evicted);
	zcs_room_changed(bo->device);
}

int64_t zcs_bo_evict(struct zcs_bo *bo, uint32_t flags)
{
	int64_t n;

	if (!bo || (flags & ~(ZCS_BACKUP_PURGE | ZCS_BACKUP_WRITEBACK)))
		return -EINVAL;
	if (zcs_inherited(bo))
		return -ECHILD;
	n = zcs_evict_bo(bo, flags, NULL);
	if (n > 0)
		note_evicted(bo);
	return n;
}

int64_t zcs_bo_shrink(struct zcs_bo *bo, const struct zcs_ctx *ctx, uint32_t flags)
{
	int64_t n;

	if (!bo || (ctx && !zcs_expect(ctx->struct_size, == sizeof(*ctx))) ||
	    (flags & ~(ZCS_BACKUP_PURGE | ZCS_BACKUP_WRITEBACK)))
		return -EINVAL;
	if (zcs_inherited(bo))
		return -ECHILD;
	n = zcs_evict_bo(bo, flags, ctx);
	if (n > 0)
		note_evicted(bo);
	return n < 0 && n != -EINTR ? -EBUSY : n;
}

int zcs_bo_prefetch(struct zcs_bo *bo)
{
	if (!bo)
		return -EINVAL;
	if (zcs_inherited(bo))
		return -ECHILD;
	zcs_fetch_bo(bo);
	return 0;
}

int zcs_bo_set_priority(struct zcs_bo *bo, unsigned priority)
{
	if (!bo || priority >= ZCS_PRIORITIES)
		return -EINVAL;
	if (zcs_inherited(bo))
		return -ECHILD;
	zcs_lru_set_priority(bo, priority);
	return 0;
}

int zcs_bo_set_purgeable(struct zcs_bo *bo, bool purgeable)
{
	int purged;

	if (!bo)
		return -EINVAL;
	if (zcs_inherited(bo))
		return -ECHILD;
	/* under the tt's lock, or the owner could be told "not dropped" during a purge */
	zcs_tt_lock(bo->tt, NULL);
	zcs_lru_lock(&bo->device->lru);
	make_purgeable(bo, purgeable);
	purged = bo->purged;
	bo->purged = false;
	zcs_lru_unlock(&bo->device->lru);
	zcs_tt_unlock(bo->tt);
	if (purgeable)
		zcs_room_changed(bo->device);
	return purged;
}
