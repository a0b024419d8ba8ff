/* SPDX-License-Identifier: MIT */
/*
 * Eviction: who goes when memory is short, and the thread that sees to it.
 *
 *	pass 1  purgeable bos are dropped
 *	pass 2  what needs no I/O: cached folios, memory that bos were made with and that nobody
 *	touched yet,
 *	        inserted folios whose slot is still good
 *	pass 3  inserted folios of INACTIVE bos are written back, oldest first; where there are too
 *	few, FRESH
 *	        bos and then the oldest ACTIVE ones are probed: zapped and inserted, which makes
 *	        them INACTIVE. A lower priority goes before a higher one, whatever is known of its
 *	        bos
 *
 * A probe is the second chance: a bo in use is touched and is ACTIVE again, at the cost of one
 * resident touch a folio; one that stays silent is a victim, folio by folio, for what was touched
 * in between is back in its tt and is not written. Silence lasts PROBE_NS at least. The background
 * thread keeps a part of memory INACTIVE, so that most are watched for as long as it takes to evict
 * that much: a bo that is read again gets as long to show that it is wanted twice, and what is
 * wanted once does not drive out what is in use.
 *
 * Three ways in: an allocation at the limit (zcs_evict_hook(), which may hold a tt and a backup:
 * pass 2 only, trying every lock, for purging waits for reads under way), the background thread
 * (above high until below low, and on the machine's memory pressure), and zcs_device_shrink(). Who
 * pins, and finds no room, comes here once more with nothing locked.
 */
#include <errno.h>
#include <search.h>
#include <string.h>

#include "common/log.h"
#include "device_priv.h"
#include "store/store.h"
#include "sys/sys.h"

#define PROBE_NS      2000000u
#define QUIET_NS      8000000u
#define PROBED_PART   16u /* of what may be resident is kept INACTIVE: one part in */
#define IN_VAIN	      128u /* probes, and a part that is so much smaller is enough: */
#define IN_VAIN_PART  4u
#define AGE_ONE_IN    32u /* probings begin with an ACTIVE bo: as many as come there unprobed */
#define STEP_US	      1000u
#define SILENT_ROUNDS (PROBE_NS / 1000u / STEP_US)
#define SHRINK_TRIES  3u
#define AGAIN_MS      50
#define IN_VAIN_MS    1000
#define WAIT_NS	      UINT64_C(5000000000)

/* -- what is done to one bo */

static const struct zcs_ctx try_only = { .struct_size = sizeof(try_only), .no_wait = true };

static int try_lock(struct zcs_bo *bo)
{
	int err = zcs_tt_lock(bo->tt, &try_only);

	if (err)
		zcs_count(bo->device->contended);
	return err;
}

/*
 * With the tt's lock held, so that a touch that comes after it finds the bo where this put it: OUT
 * must mean that nothing is left to be taken, a bo in there is not looked at again.
 */
static void place(struct zcs_bo *bo, bool written)
{
	struct zcs_tt *tt = bo->tt;
	enum zcs_lru_list to = ZCS_LRU_ACTIVE;

	if (!tt->pages)
		to = tt->handles && !written ? ZCS_LRU_INACTIVE : ZCS_LRU_OUT;
	zcs_lru_move(bo, to);
}

/*
 * What was inserted before, by a probe for instance, is written with the rest, and if the rest is
 * refused.
 */
static int64_t back_up(struct zcs_tt *tt, uint32_t flags)
{
	int64_t n, older = 0;

	/* first: a page whose write fails at once would be counted twice */
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
	n = zcs_lru_pins(bo) ? -EBUSY : back_up(bo->tt, flags);
	if (n > 0)
		place(bo, flags & ZCS_BACKUP_WRITEBACK);
	zcs_tt_unlock(bo->tt);
	return n;
}

/* With the tt's lock held, under which the owner's word changes. */
static bool may_purge(struct zcs_bo *bo)
{
	struct zcs_lru *lru = &bo->device->lru;
	bool may;

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

/* Returns what it freed: slots and same-filled pages are dropped too, but are no memory. */
static int64_t purge_one(struct zcs_bo *bo, void *arg)
{
	int64_t n = try_lock(bo);
	uint64_t resident;

	(void)arg;
	if (n)
		return n;
	n = -EBUSY;
	resident = zcs_tt_resident(bo->tt);
	if (may_purge(bo))
		n = zcs_tt_backup_locked(bo->tt, 0, bo->tt->nr, ZCS_BACKUP_PURGE);
	if (n > 0) {
		note_purge(bo);
		place(bo, true);
		n = (int64_t)(resident - zcs_tt_resident(bo->tt));
	}
	zcs_tt_unlock(bo->tt);
	return n;
}

/* @patient: whether to be patient with what was probed just now */
static bool is_watched(const struct zcs_bo *bo, const bool *patient)
{
	return *patient && zcs_sys_now_ns() - bo->probed_ns < PROBE_NS;
}

static int64_t clean_one(struct zcs_bo *bo, void *arg)
{
	return is_watched(bo, arg) ? -EBUSY : zcs_tt_try_free_clean(bo->tt);
}

/* @arg: how many pages are still wanted */
static int64_t give_kept_one(struct zcs_bo *bo, void *arg)
{
	uint64_t *wanted = arg, n;

	if (try_lock(bo))
		return -EBUSY;
	n = zcs_tt_release_kept_locked(bo->tt, *wanted);
	*wanted -= n < *wanted ? n : *wanted;
	zcs_tt_unlock(bo->tt);
	return (int64_t)n;
}

/*
 * @arg: whether to leave alone what is being restored piece by piece: a probe of it would say it is
 *	in use
 */
static int64_t probe_one(struct zcs_bo *bo, void *arg)
{
	const bool *patient = arg;
	int64_t n;

	if (*patient && zcs_sys_now_ns() - bo->touched_ns < QUIET_NS)
		return -EBUSY;
	n = try_lock(bo);
	if (n)
		return n;
	n = zcs_lru_pins(bo) ? -EBUSY : zcs_tt_backup_locked(bo->tt, 0, bo->tt->nr, 0);
	if (n >= 0) {
		bo->probed_ns = zcs_sys_now_ns();
		place(bo, false);
	}
	zcs_tt_unlock(bo->tt);
	if (n > 0) {
		zcs_count(bo->device->probes);
		zcs_count(bo->device->silent);
	}
	return n;
}

static int64_t write_one(struct zcs_bo *bo, void *arg)
{
	int64_t n = is_watched(bo, arg) ? -EBUSY : try_lock(bo);

	if (n)
		return n;
	n = zcs_tt_writeback_locked(bo->tt);
	place(bo, true);
	zcs_tt_unlock(bo->tt);
	if (n)
		zcs_count(bo->device->evicted);
	return n;
}

/*
 * What is OUT and yet has pages in memory: a write failed, or found no room; or a touch has just
 * restored something, and its thread did not come to say so.
 */
static int64_t reconsider_one(struct zcs_bo *bo, void *arg)
{
	int64_t moved = 0;

	(void)arg;
	if (try_lock(bo))
		return -EBUSY;
	if (bo->tt->pages || zcs_tt_is_stuck(bo->tt)) {
		zcs_lru_move(bo, bo->tt->pages ? ZCS_LRU_ACTIVE : ZCS_LRU_INACTIVE);
		moved = 1;
	}
	zcs_tt_unlock(bo->tt);
	return moved;
}

/* -- passes */

static uint64_t pass_purge(struct zcs_device *dev, uint64_t pages)
{
	uint64_t n = 0;

	if (!atomic_load(&dev->purgeables))
		return 0;
	for (int l = ZCS_LRU_ACTIVE; l < ZCS_LRU_LISTS && n < pages; l++)
		n += zcs_lru_walk(dev, (enum zcs_lru_list)l, pages - n, purge_one, NULL);
	return n;
}

/* New bos that were probed are OUT. */
static uint64_t give_kept(struct zcs_device *dev, uint64_t pages)
{
	uint64_t n = 0, wanted = pages;

	for (int l = ZCS_LRU_ACTIVE; l < ZCS_LRU_LISTS && n < pages; l++)
		if (zcs_pool_kept(dev->pool))
			n += zcs_lru_walk(dev, (enum zcs_lru_list)l, pages - n, give_kept_one,
					  &wanted);
	return n;
}

static uint64_t pass_clean(struct zcs_device *dev, uint64_t pages, bool patient)
{
	uint64_t n = zcs_cache_shrink(dev->pool, -1, pages);

	if (n < pages)
		n += give_kept(dev, pages - n);
	if (n < pages && dev->store->ops->reclaim)
		n += zcs_lru_walk(dev, ZCS_LRU_INACTIVE, pages - n, clean_one, &patient);
	return n;
}

/* Makes @pages more of a priority INACTIVE. */
static uint64_t probe_some(struct zcs_device *dev, unsigned priority, uint64_t pages, bool patient)
{
	uint64_t n = 0;
	bool now = false;

	if (patient && zcs_device_random(dev) % AGE_ONE_IN == 0)
		n = zcs_lru_walk_one(dev, ZCS_LRU_ACTIVE, priority, 1, probe_one, &now);
	if (n < pages)
		n += zcs_lru_walk_one(dev, ZCS_LRU_FRESH, priority, pages - n, probe_one, &patient);
	if (n < pages)
		n += zcs_lru_walk_one(dev, ZCS_LRU_ACTIVE, priority, pages - n, probe_one, &now);
	return n;
}

/* Begins to write; pages that will be free when that has ended. */
static uint64_t write_now(struct zcs_device *dev, uint64_t pages)
{
	uint64_t n = 0;
	bool patient = false;

	for (unsigned p = 0; p < ZCS_PRIORITIES && n < pages; p++) {
		n += zcs_lru_walk_one(dev, ZCS_LRU_INACTIVE, p, pages - n, write_one, &patient);
		if (n >= pages)
			break;
		probe_some(dev, p, pages - n, false);
		n += zcs_lru_walk_one(dev, ZCS_LRU_INACTIVE, p, pages - n, write_one, &patient);
	}
	return n;
}

/*
 * What is to be watched. It costs the room of what would be hit: where nothing that was watched has
 * been touched for many probes, as in a loop over more than memory, less will do, and tells as well
 * if that changes.
 */
static uint64_t to_watch(struct zcs_device *dev)
{
	uint64_t pages = (dev->low ? dev->low : zcs_pool_resident(dev->pool)) / PROBED_PART;

	return dev->silent < IN_VAIN ? pages : pages / IN_VAIN_PART;
}

/*
 * The same for who can wait until silence has lasted: it probes what can be written in a later
 * round, and as much again as should be watched. What a priority has INACTIVE leaves the higher
 * ones alone, as far as it will do; @stuck: for a while it did not, for it is in use.
 */
static uint64_t write_silent(struct zcs_device *dev, uint64_t pages, bool stuck)
{
	uint64_t watch = to_watch(dev), n = 0, have = 0, want;
	bool patient = true;

	for (unsigned p = 0; p < ZCS_PRIORITIES; p++) {
		if (stuck)
			have = 0;
		if (n + have < pages)
			n += zcs_lru_walk_one(dev, ZCS_LRU_INACTIVE, p, pages - n - have, write_one,
					      &patient);
		have += zcs_lru_inactive(&dev->lru, p);
		want = (n < pages ? pages - n : 0) + watch;
		if (have < want)
			have += probe_some(dev, p, want - have, true);
	}
	return n;
}

static uint64_t free_slots(struct zcs_device *dev)
{
	return zcs_store_room(dev->store) / ZCS_PAGE_SIZE;
}

struct slots_wanted {
	struct zcs_device *dev;
	uint64_t pages;
};

static void free_kept_slots(const void *node, VISIT visit, void *arg)
{
	struct zcs_bo *bo = *(struct zcs_bo *const *)node;
	struct slots_wanted *want = arg;

	if ((visit != postorder && visit != leaf) || !zcs_lru_pins(bo) ||
	    free_slots(want->dev) >= want->pages || try_lock(bo))
		return;
	zcs_tt_forget_copies(bo->tt, 0, bo->tt->nr);
	zcs_tt_unlock(bo->tt);
}

/*
 * A clean page keeps its slot so that it can go again without I/O; of a pinned bo it cannot go, and
 * where slots are short others need them more. Bos that are not pinned are left alone: what is
 * clean of them goes for nothing. Slots count, and not the runs that they make: what is refused for
 * want of a run asks for as many again.
 */
static void make_room_in_store(struct zcs_device *dev, uint64_t pages)
{
	struct slots_wanted want = { .dev = dev, .pages = pages };
	uint64_t refused = dev->store->counts.no_space;

	if (!dev->store->ops->block)
		return;
	if (atomic_exchange(&dev->refused, refused) != refused)
		want.pages += free_slots(dev);
	if (free_slots(dev) >= want.pages || !atomic_load(&dev->pinned))
		return;
	pthread_rwlock_rdlock(&dev->tree_lock);
	twalk_r(dev->tree, free_kept_slots, &want);
	pthread_rwlock_unlock(&dev->tree_lock);
}

static uint64_t pass_write(struct zcs_device *dev, uint64_t pages)
{
	uint64_t n;

	make_room_in_store(dev, pages);
	n = write_now(dev, pages);
	if (n >= pages || !zcs_lru_walk(dev, ZCS_LRU_OUT, UINT64_MAX, reconsider_one, NULL))
		return n;
	return n + write_now(dev, pages - n);
}

static uint64_t without_io(struct zcs_device *dev, uint64_t pages, bool patient)
{
	uint64_t n = pass_purge(dev, pages);

	return n < pages ? n + pass_clean(dev, pages - n, patient) : n;
}

/* Until @pages more are free than @before says, or nothing is left to wait for. */
static uint64_t wait_for_writes(struct zcs_device *dev, uint64_t before, uint64_t pages,
				bool *interrupted)
{
	uint64_t end = zcs_sys_now_ns() + WAIT_NS;

	/* in this order: what is no longer pending is counted as freed */
	while (zcs_store_pending(dev->store) && zcs_store_freed(dev->store) - before < pages &&
	       zcs_sys_now_ns() < end) {
		if (zcs_sys_sleep_us(STEP_US / 2) && interrupted) {
			*interrupted = true;
			break;
		}
	}
	return zcs_store_freed(dev->store) - before;
}

/*
 * Frees what is free at once, and begins to write, with signals held. Returns the pages, and in
 * *before what writes had freed before the first that was begun.
 */
static uint64_t begin_eviction(struct zcs_device *dev, uint64_t pages, bool writes,
			       uint64_t *before)
{
	uint64_t n;

	zcs_sys_hold_signals();
	n = without_io(dev, pages, false);
	*before = zcs_store_freed(dev->store);
	if (writes && n < pages)
		pass_write(dev, pages - n);
	zcs_sys_let_signals();
	return n;
}

uint64_t zcs_evict_pages(struct zcs_device *dev, uint64_t pages, bool writeback, bool *interrupted)
{
	bool writes = writeback && zcs_store_frees(dev->store);
	uint64_t before, n = begin_eviction(dev, pages, writes, &before);

	return writes && n < pages ? n + wait_for_writes(dev, before, pages - n, interrupted) : n;
}

bool zcs_evict_may(struct zcs_device *dev)
{
	return zcs_cache_pages(dev->pool) || zcs_pool_kept(dev->pool) ||
	       atomic_load(&dev->purgeables) || zcs_store_pending(dev->store) ||
	       (zcs_store_frees(dev->store) && !zcs_lru_is_idle(&dev->lru));
}

int64_t zcs_evict_hook(void *arg, uint64_t nr_pages)
{
	struct zcs_device *dev = arg;

	zcs_count(dev->reclaims);
	if (zcs_room_in_vain(dev))
		return 0;
	zcs_evict_wake(dev);
	return (int64_t)pass_clean(dev, nr_pages, false);
}

int64_t zcs_device_shrink(struct zcs_device *device, uint64_t bytes, uint32_t flags)
{
	uint64_t pages = bytes / ZCS_PAGE_SIZE + (bytes % ZCS_PAGE_SIZE != 0), n = 0, busy;
	bool writeback = !(flags & ZCS_SHRINK_NO_WRITEBACK);

	if (!device || (flags & ~ZCS_SHRINK_NO_WRITEBACK))
		return -EINVAL;
	if (zcs_inherited(device))
		return -ECHILD;
	/* what was in somebody's hands is offered once more */
	for (unsigned i = 0; i < SHRINK_TRIES && n < pages; i++) {
		busy = device->contended;
		n += zcs_evict_pages(device, pages - n, writeback, NULL);
		if (device->contended == busy)
			break;
		zcs_sys_sleep_us(STEP_US);
	}
	return (int64_t)(n * ZCS_PAGE_SIZE);
}

/* -- the background thread */

void zcs_evict_wake(struct zcs_device *dev)
{
	if (!atomic_exchange(&dev->awake, true))
		zcs_sys_event_add(dev->event);
}

/*
 * A touch that waits for room is worth what there is no patience for otherwise; only as much as
 * makes room.
 */
static uint64_t write_some(struct zcs_device *dev, uint64_t pages, bool stuck)
{
	uint64_t max = zcs_pool_max(dev->pool), resident = zcs_pool_resident(dev->pool), over;

	if (!max || resident <= max || !zcs_room_is_urgent(dev))
		return write_silent(dev, pages, stuck);
	over = resident - max + ZCS_UNIT_PAGES;
	return write_now(dev, over < pages ? over : pages);
}

/*
 * One round towards @target resident pages; false: nothing can be done, or nothing is left to do.
 * @stuck: those before it brought nothing.
 */
static bool round_towards(struct zcs_device *dev, uint64_t target, bool stuck)
{
	bool frees = zcs_store_frees(dev->store);
	uint64_t resident = zcs_pool_resident(dev->pool), pending = zcs_store_pending(dev->store);
	uint64_t excess = resident > target ? resident - target : 0, n;

	if (!excess)
		return false;
	zcs_count(dev->rounds);
	n = without_io(dev, excess, true);
	atomic_fetch_add(&dev->freed, n);
	if (frees && n + pending < excess) {
		make_room_in_store(dev, excess - n - pending);
		n += write_some(dev, excess - n - pending, stuck);
	}
	return n || pending || (frees && zcs_lru_count(&dev->lru));
}

/*
 * Over the limit, and nothing can be evicted without any patience: there is nothing, or the store
 * takes nothing. What is in somebody's hands, or is touched each time that it is about to go, can
 * be evicted.
 */
static bool nothing_goes(struct zcs_device *dev)
{
	uint64_t max = zcs_pool_max(dev->pool), resident = zcs_pool_resident(dev->pool),
		 contended = dev->contended, refused = zcs_store_refused(dev->store);

	if (!max || resident <= max || zcs_evict_pages(dev, resident - max, true, NULL) ||
	    contended != dev->contended)
		return false;
	return !zcs_evict_may(dev) || refused != zcs_store_refused(dev->store) ||
	       (zcs_store_frees(dev->store) && !zcs_store_room(dev->store));
}

/* Told once, until something changes; a touch that waited in vain may have noted it before. */
static void note_nothing_goes(struct zcs_device *dev, uint64_t changes)
{
	zcs_room_note_vain(dev, changes);
	if (dev->over_changes == changes)
		return;
	dev->over_changes = changes;
	zcs_over_note(dev);
}

/*
 * A round that finds only bos it has just probed makes no progress; a few such rounds are patience.
 */
static void balance(struct zcs_device *dev, uint64_t target)
{
	uint64_t last = UINT64_MAX, same = 0, changes = atomic_load(&dev->changes),
		 freed = zcs_room_freed(dev);

	while (!dev->stop && same < 2 * SILENT_ROUNDS &&
	       round_towards(dev, target, same > SILENT_ROUNDS)) {
		uint64_t now = zcs_pool_resident(dev->pool);
		bool moving = now < last || zcs_store_pending(dev->store);

		same = moving ? 0 : same + 1;
		last = now;
		zcs_room_tell(dev);
		zcs_bo_destroy_dead(dev);
		zcs_room_pause(dev, STEP_US);
	}
	if (zcs_room_freed(dev) != freed)
		zcs_room_note_progress(dev);
	else if (nothing_goes(dev))
		note_nothing_goes(dev, changes);
	if (zcs_store_frees(dev->store) && zcs_pool_resident(dev->pool) > target)
		zcs_lru_walk(dev, ZCS_LRU_OUT, UINT64_MAX, reconsider_one, NULL);
	zcs_room_tell(dev);
}

void zcs_evict_on_pressure(struct zcs_device *dev, enum zcs_psi whose)
{
	if (zcs_pressure_event(dev, whose))
		balance(dev, dev->cap);
}

static bool is_over(struct zcs_device *dev)
{
	return dev->high && zcs_pool_resident(dev->pool) > dev->high;
}

/*
 * A balance that ended over the mark, because everything was in use just then, is taken up again by
 * itself. Nobody wakes the thread when a cap is passed.
 */
static void wait_for_work(struct zcs_device *dev, struct zcs_sys_polled *polled)
{
	int psi[ZCS_PSI_NR] = { dev->psi[ZCS_PSI_GROUP], dev->psi[ZCS_PSI_MACHINE] };
	int ms = -1;

	if (is_over(dev) && zcs_evict_may(dev))
		ms = zcs_room_in_vain(dev) ? IN_VAIN_MS : AGAIN_MS;
	if (dev->cap)
		ms = AGAIN_MS;

	zcs_sys_poll(dev->event, psi, ms, polled);
	for (unsigned i = 0; i < ZCS_PSI_NR; i++)
		if (polled->gone[i])
			zcs_pressure_lost(dev, (enum zcs_psi)i);
}

/* Who waits in our own control group waits in the machine too: that is one event. */
static void answer_pressure(struct zcs_device *dev, const struct zcs_sys_polled *polled)
{
	if (polled->pressed[ZCS_PSI_GROUP])
		zcs_evict_on_pressure(dev, ZCS_PSI_GROUP);
	else if (polled->pressed[ZCS_PSI_MACHINE])
		zcs_evict_on_pressure(dev, ZCS_PSI_MACHINE);
}

static void *run(void *arg)
{
	struct zcs_device *dev = arg;

	zcs_sys_own_thread("zcs-evict");
	while (!dev->stop) {
		struct zcs_sys_polled polled;

		wait_for_work(dev, &polled);
		pthread_mutex_lock(&dev->work_lock);
		if (polled.woken)
			zcs_sys_event_clear(dev->event);
		atomic_store(&dev->awake, false);
		zcs_bo_destroy_dead(dev);
		answer_pressure(dev, &polled);
		if (is_over(dev) && zcs_room_may_try(dev))
			balance(dev, dev->low);
		else if (zcs_pressure_is_over_cap(dev))
			balance(dev, dev->cap);
		else
			zcs_room_tell(dev);
		pthread_mutex_unlock(&dev->work_lock);
	}
	return NULL;
}

int zcs_evict_start(struct zcs_device *dev)
{
	int err = zcs_sys_thread(&dev->background, run, dev);

	dev->has_background = !err;
	return err;
}

void zcs_evict_stop(struct zcs_device *dev)
{
	dev->stop = true;
	zcs_sys_event_add(dev->event);
	if (dev->has_background)
		pthread_join(dev->background, NULL);
	dev->has_background = false;
}
