/* SPDX-License-Identifier: MIT */
/*
 * Eviction of one bo: the steps that every way to free memory is made of. policy.c chooses the bos
 * and their order. reclaim.c and background.c ask for memory and wait for it.
 *
 *	zcs_evict_bo()		zaps and inserts, writes or drops, as the owner asks
 *	zcs_evict_purge()	drops the content of a purgeable bo
 *	zcs_evict_clean()	frees inserted folios of which the store has a copy
 *	zcs_evict_kept()	gives up memory that the home was made with and that nobody touched
 *	zcs_evict_probe()	zaps and inserts, without a write: is the bo in use?
 *	zcs_evict_write()	begins to write the inserted folios
 *	zcs_evict_reconsider()	takes back a bo that left memory only in part
 *
 * All but the first are for walks of the LRU. A walker may hold another tt and its backup, so these
 * steps only ever try the bo's lock. A bo whose lock is held counts as contended and is passed
 * over. The bo moves in the LRU with its tt's lock held, so that a later touch finds the bo at its
 * new place.
 *
 * Cost: a probe of a resident folio takes 3 us of zap and insert on hugetlb, 6 us on huge shmem
 * pages. If the bo is in use after all, its touch takes 10 to 13 us.
 */
#include <errno.h>

#include "common/held.h"
#include "device_priv.h"
#include "store/store.h"
#include "sys/sys.h"

static const struct zcs_ctx try_only = { .struct_size = sizeof(try_only), .no_wait = true };

static int try_lock(struct zcs_bo *bo)
{
	int err = zcs_tt_lock(bo->tt, &try_only);

	if (err)
		zcs_count(bo->device->contended);
	return err;
}

/*
 * Places a bo after a step, with the tt's lock held. OUT means that no page is left to be freed: a
 * bo in OUT is not looked at again.
 */
static void place_evicted(struct zcs_bo *bo, bool written)
{
	struct zcs_tt *tt = bo->tt;
	enum zcs_lru_list to = ZCS_LRU_ACTIVE;

	zcs_assert_held(&bo->tt->lock);
	/* what a store owns is not the device's to evict any more */
	if (zcs_store_owns(bo->device->store))
		written = true;
	if (!tt->pages)
		to = tt->handles && !written ? ZCS_LRU_INACTIVE : ZCS_LRU_OUT;
	zcs_lru_move(bo, to);
}

/* Folios that an earlier probe inserted are written too, even if the store refuses the others. */
static int64_t back_up(struct zcs_tt *tt, uint32_t flags)
{
	int64_t n, older = 0;

	/* first, or a page whose write fails at once would be counted twice */
	if ((flags & ZCS_BACKUP_WRITEBACK) && !(flags & ZCS_BACKUP_PURGE))
		older = zcs_tt_write_older_locked(tt);
	n = zcs_tt_backup_locked(tt, 0, tt->nr, flags);
	if (older < 0)
		return n ? n : older;
	return older && n < 0 ? older : older + n;
}

int64_t zcs_evict_bo(struct zcs_bo *bo, uint32_t flags, const struct zcs_ctx *ctx)
{
	int64_t n = zcs_tt_lock(bo->tt, ctx);

	if (n)
		return n;
	bo->tt->used_ns = bo->touched_ns;
	n = zcs_lru_pins(bo) ? -EBUSY : back_up(bo->tt, flags);
	if (n > 0)
		place_evicted(bo, flags & ZCS_BACKUP_WRITEBACK);
	zcs_tt_unlock(bo->tt);
	return n;
}

/*
 * Whether the owner allows a purge. The caller holds the tt's lock, under which the owner changes
 * that.
 */
static bool may_purge(struct zcs_bo *bo)
{
	struct zcs_lru *lru = &bo->device->lru;
	bool may;

	zcs_assert_held(&bo->tt->lock);
	zcs_lru_lock(lru);
	may = bo->purgeable && !bo->pins;
	zcs_lru_unlock(lru);
	return may;
}

static void note_purge(struct zcs_bo *bo)
{
	zcs_lru_lock(&bo->device->lru);
	bo->purged = true;
	zcs_lru_unlock(&bo->device->lru);
	zcs_count(bo->device->purged);
}

int64_t zcs_evict_purge(struct zcs_bo *bo, void *unused)
{
	int64_t n = try_lock(bo);
	uint64_t resident;

	(void)unused;
	if (n)
		return n;
	n = -EBUSY;
	resident = zcs_tt_resident(bo->tt);
	if (may_purge(bo))
		n = zcs_tt_backup_locked(bo->tt, 0, bo->tt->nr, ZCS_BACKUP_PURGE);
	if (n > 0) {
		note_purge(bo);
		place_evicted(bo, true);
		/* purged copies in the store do not count, for they are no memory */
		n = (int64_t)(resident - zcs_tt_resident(bo->tt));
	}
	zcs_tt_unlock(bo->tt);
	return n;
}

int64_t zcs_evict_clean(struct zcs_bo *bo, void *spare)
{
	const struct zcs_spare *s = spare;

	return bo->probed_ns > s->probed_ns ? -EBUSY : zcs_tt_try_free_clean(bo->tt);
}

int64_t zcs_evict_kept(struct zcs_bo *bo, void *wanted)
{
	uint64_t *left = wanted, n;

	if (try_lock(bo))
		return -EBUSY;
	n = zcs_tt_release_kept_locked(bo->tt, *left);
	*left -= n < *left ? n : *left;
	zcs_tt_unlock(bo->tt);
	return (int64_t)n;
}

int64_t zcs_evict_probe(struct zcs_bo *bo, void *spare)
{
	const struct zcs_spare *s = spare;
	int64_t n;

	if (bo->touched_ns > s->touched_ns)
		return -EBUSY;
	n = try_lock(bo);
	if (n)
		return n;
	bo->tt->used_ns = bo->touched_ns;
	n = zcs_lru_pins(bo) ? -EBUSY : zcs_tt_backup_locked(bo->tt, 0, bo->tt->nr, 0);
	if (n >= 0) {
		bo->probed_ns = zcs_sys_now_ns();
		place_evicted(bo, false);
	}
	zcs_tt_unlock(bo->tt);
	if (n > 0)
		zcs_count(bo->device->probes);
	/* the store frees it, and asks nobody */
	if (n > 0 && zcs_store_owns(bo->device->store))
		zcs_count(bo->device->evicted);
	return n;
}

int64_t zcs_evict_write(struct zcs_bo *bo, void *spare)
{
	const struct zcs_spare *s = spare;
	int64_t n = bo->probed_ns > s->probed_ns ? -EBUSY : try_lock(bo);

	if (n)
		return n;
	n = zcs_tt_writeback_locked(bo->tt);
	place_evicted(bo, true);
	zcs_tt_unlock(bo->tt);
	if (n)
		zcs_count(bo->device->evicted);
	return n;
}

int64_t zcs_evict_reconsider(struct zcs_bo *bo, void *unused)
{
	int64_t moved = 0;

	(void)unused;
	if (try_lock(bo))
		return -EBUSY;
	if (bo->tt->pages || zcs_tt_is_stuck(bo->tt)) {
		zcs_lru_move(bo, bo->tt->pages ? ZCS_LRU_ACTIVE : ZCS_LRU_INACTIVE);
		moved = 1;
	}
	zcs_tt_unlock(bo->tt);
	return moved;
}

void zcs_evict_forget_copies(struct zcs_bo *bo)
{
	if (try_lock(bo))
		return;
	zcs_tt_forget_copies(bo->tt, 0, bo->tt->nr);
	zcs_tt_unlock(bo->tt);
}
