/* SPDX-License-Identifier: MIT */
/*
 * The services of a bo's tt to its device: restoring the one block that was touched, and the steps
 * of an eviction that must not wait for a lock. A fault thread comes here with no lock held. A
 * reclaimer may hold another tt, and so only ever tries the lock.
 *
 * Of several touchers of a block the first one's event restores it. The others find a page
 * (ZCS_TOUCH_LATE), and resolving it once more wakes those that began to wait in between. Or they
 * find that the block was evicted again before a fault thread served their report. The first
 * restore woke them, so most have their page, and a restore for no toucher would undo an eviction.
 *
 * Cost: for a resident block the lock, a take from the backup and one map: 10 to 13 us.
 */
#include <errno.h>

#include "common/held.h"
#include "store/store.h"
#include "sys/sys.h"
#include "tt_priv.h"

void zcs_tt_commit_on_touch(struct zcs_tt *tt)
{
	tt->served = true;
	zcs_tt_lock(tt, NULL);
	tt->backed_up = true;
	zcs_tt_unlock(tt);
}

/*
 * A block that was read ahead counts as READ. As RESIDENT it would look hot to the LRU, and a loop
 * over more than memory would replace all of it in turn.
 */
static enum zcs_touch source(struct zcs_tt *tt, const struct zcs_block *blk)
{
	enum zcs_where where;

	if (blk->entry == ZCS_E_EMPTY)
		return ZCS_TOUCH_EMPTY;
	if (blk->entry != ZCS_E_HANDLE)
		return ZCS_TOUCH_LATE;
	where = zcs_backup_where(tt->backup, blk->index);
	return where == ZCS_WHERE_AHEAD || where == ZCS_WHERE_TO_READ ? ZCS_TOUCH_READ
								      : ZCS_TOUCH_RESIDENT;
}

static void lock_for_touch(struct zcs_tt *tt)
{
	atomic_fetch_add(&tt->waiting, 1);
	zcs_tt_lock(tt, NULL);
	atomic_fetch_sub(&tt->waiting, 1);
}

int zcs_tt_needs_memory(struct zcs_tt *tt, uint64_t index, bool wait)
{
	struct zcs_block blk;
	bool needs;

	if (wait)
		lock_for_touch(tt);
	else if (!zcs_tt_try_lock(tt))
		return -EBUSY;
	blk = zcs_tt_block(tt, index);
	needs = blk.entry == ZCS_E_EMPTY;
	if (blk.entry == ZCS_E_HANDLE)
		needs = zcs_backup_where(tt->backup, blk.index) >= ZCS_WHERE_STORED;
	zcs_tt_unlock(tt);
	return needs;
}

static int resolve_touch(struct zcs_tt *tt, const struct zcs_tt_event *event, enum zcs_touch *what,
			 bool (*slow)(void *arg, bool waits), void *arg)
{
	struct zcs_block blk = zcs_tt_block(tt, event->index);

	zcs_assert_held(&tt->lock);
	*what = source(tt, &blk);
	if (*what == ZCS_TOUCH_LATE) {
		if (event->write)
			zcs_tt_forget_copies(tt, blk.index, zcs_block_end(&blk));
		return zcs_tt_map(tt, blk.index, zcs_block_end(&blk));
	}
	if (tt->zapped_ns > event->asked_ns) {
		*what = ZCS_TOUCH_LATE;
		zcs_tt_wake(tt, event->index);
		return 0;
	}
	if (*what != ZCS_TOUCH_RESIDENT && !slow(arg, *what == ZCS_TOUCH_READ))
		return -EAGAIN;
	return zcs_tt_restore_locked(tt, blk.index, zcs_block_pages(&blk), &zcs_request_touch,
				     event->write);
}

int zcs_tt_touch(struct zcs_tt *tt, const struct zcs_tt_event *event, enum zcs_touch *what,
		 bool (*slow)(void *arg, bool waits), void *arg)
{
	int err;

	if (!zcs_tt_try_lock(tt)) {
		if (!slow(arg, true))
			return -EAGAIN;
		lock_for_touch(tt);
	}
	err = resolve_touch(tt, event, what, slow, arg);
	zcs_tt_unlock(tt);
	return err;
}

int zcs_tt_poison(struct zcs_tt *tt, uint64_t index)
{
	int err = -EEXIST;

	zcs_tt_lock(tt, NULL);
	if (!zcs_e_is_page(zcs_table_get(&tt->table, index).entry))
		err = zcs_arena_poison(tt->home.arena, tt->home.pfn + index);
	if (!err)
		tt->poisoned = true;
	zcs_tt_unlock(tt);
	return err;
}

void zcs_tt_wake(struct zcs_tt *tt, uint64_t index)
{
	zcs_arena_wake(tt->home.arena, tt->home.pfn + index);
}

/*
 * Frees a few clean blocks from index *@at on and moves *@at. With the lock held. Return: pages; 0:
 * the end.
 */
static uint64_t free_some_clean(struct zcs_tt *tt, uint64_t *at)
{
	struct zcs_object *o = &tt->backup->o;
	uint64_t pages;
	bool left;

	if (!tt->handles || !o->store->ops->reclaim || pthread_mutex_trylock(&o->lock)) {
		*at = UINT64_MAX;
		return 0;
	}
	pages = o->store->ops->reclaim(o, at, 0, &left);
	zcs_object_unlock(o);
	/* a waiter would lose the lock to this thread again and again */
	if (*at >= o->num_pages || atomic_load(&o->waiting) || atomic_load(&tt->waiting))
		*at = UINT64_MAX;
	return pages;
}

int64_t zcs_tt_try_free_clean(struct zcs_tt *tt)
{
	uint64_t at = 0, pages = 0;

	while (at != UINT64_MAX) {
		if (!zcs_tt_try_lock(tt))
			return pages ? (int64_t)pages : -EBUSY;
		pages += free_some_clean(tt, &at);
		zcs_tt_unlock(tt);
	}
	return (int64_t)pages;
}

uint64_t zcs_tt_release_kept_locked(struct zcs_tt *tt, uint64_t pages)
{
	uint64_t n = 0, i = 0;

	zcs_assert_held(&tt->lock);
	/* a thread may have written to a block that did not trap */
	if (zcs_home_may_hold(&tt->home))
		return 0;
	while (tt->home.kept && i < tt->nr && n < pages) {
		struct zcs_block blk = zcs_tt_block(tt, i);

		if (blk.entry == ZCS_E_EMPTY)
			n += zcs_home_release(tt->pool, zcs_arena_folio(tt->home.arena,
									tt->home.pfn + blk.index));
		i = zcs_block_end(&blk);
	}
	if (i == tt->nr)
		tt->home.kept = false;
	return n;
}

int64_t zcs_tt_writeback_locked(struct zcs_tt *tt)
{
	struct zcs_object *o;
	uint64_t begun = 0;

	zcs_assert_held(&tt->lock);
	if (tt->handles && tt->backup->o.store->ops->writeback) {
		o = &tt->backup->o;
		pthread_mutex_lock(&o->lock);
		o->store->ops->writeback(o, 0, o->num_pages - 1, &begun);
		zcs_object_unlock(o);
	}
	return (int64_t)begun;
}

int64_t zcs_tt_write_older_locked(struct zcs_tt *tt)
{
	struct zcs_object *o = tt->backup ? &tt->backup->o : NULL;
	int64_t pages = 0;
	bool left = false;

	zcs_assert_held(&tt->lock);
	if (!tt->handles || !o->store->ops->reclaim || zcs_store_has_room(o->store))
		return zcs_tt_writeback_locked(tt);
	for (uint64_t at = 0; at < o->num_pages;) {
		pthread_mutex_lock(&o->lock);
		pages += (int64_t)o->store->ops->reclaim(o, &at, ZCS_RECLAIM_NO_COPY, &left);
		zcs_object_unlock(o);
	}
	return left && !pages ? -EBUSY : pages;
}

bool zcs_tt_is_stuck(struct zcs_tt *tt)
{
	struct zcs_object *o = &tt->backup->o;
	bool stuck;

	zcs_assert_held(&tt->lock);
	pthread_mutex_lock(&o->lock);
	stuck = o->resident_pages && !zcs_store_owns(o->store) && !zcs_object_is_writing(o);
	zcs_object_unlock(o);
	return stuck;
}

uint64_t zcs_tt_resident(struct zcs_tt *tt)
{
	uint64_t pages = tt->pages;

	zcs_assert_held(&tt->lock);
	if (tt->backup) {
		pthread_mutex_lock(&tt->backup->o.lock);
		pages += zcs_object_in_pool(&tt->backup->o);
		zcs_object_unlock(&tt->backup->o);
	}
	return pages;
}

void zcs_tt_count(struct zcs_tt *tt, struct zcs_tt_pages *pages)
{
	zcs_tt_lock(tt, NULL);
	*pages = (struct zcs_tt_pages){ .mapped = tt->pages };
	if (tt->backup) {
		pthread_mutex_lock(&tt->backup->o.lock);
		pages->inserted = zcs_object_in_pool(&tt->backup->o);
		pages->written = tt->backup->o.slot_pages;
		pages->same = tt->backup->o.same_pages;
		if (zcs_store_owns(tt->backup->o.store))
			pages->written += tt->backup->o.resident_pages;
		zcs_object_unlock(&tt->backup->o);
	}
	zcs_tt_unlock(tt);
}
