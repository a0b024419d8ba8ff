/* SPDX-License-Identifier: MIT */
/*-
 * The background thread keeps memory below the marks, so that a thread that needs memory finds
 * some.
 *
 *	sleeps ──▶ the pool passed the high mark      balances down to the low mark
 *	           a pressure event of the kernel     balances down to the event's cap (pressure.c)
 *	           a bo died where it could not       destroys it
 *	           be destroyed
 *
 * A balance is a sequence of rounds. A round frees without I/O, begins to write as many pages as
 * are missing, and probes bos that a later round can write (policy.c). Then it wakes the touches
 * that wait (room.c) and pauses for STEP_US.
 *
 * A round that finds only bos that were probed just now makes no progress. After a few of these,
 * bos in use are taken too. The thread gives up when that does not help either. It logs that once
 * if no page can be evicted (over.c), and tries again by itself later.
 *
 * Cost: about one round for each STEP_US while memory is short, more while a touch waits. Below the
 * marks of the pool there is no round.
 */
#include "device_priv.h"
#include "store/store.h"
#include "sys/sys.h"

#define STEP_US	   1000u
#define AGAIN_MS   50
#define IN_VAIN_MS 1000

void zcs_background_wake(struct zcs_device *dev)
{
	if (!atomic_exchange(&dev->awake, true))
		zcs_sys_event_add(dev->event);
}

/* While a touch waits, takes bos without patience, as many as make room for that touch. */
static uint64_t write_some(struct zcs_device *dev, uint64_t pages, bool stuck)
{
	uint64_t max = zcs_pool_max(dev->pool), resident = zcs_pool_resident(dev->pool), over;

	if (!max || resident <= max || !zcs_room_is_urgent(dev))
		return zcs_policy_write_silent(dev, pages, stuck);
	over = resident - max + ZCS_UNIT_PAGES;
	return zcs_policy_write_now(dev, over < pages ? over : pages);
}

/*
 * Does one round towards @target resident pages. @stuck: the rounds before made no progress.
 * Return: false: nothing can be done, or nothing is left to do.
 */
static bool round_towards(struct zcs_device *dev, uint64_t target, bool stuck)
{
	bool frees = zcs_store_frees(dev->store);
	uint64_t resident = zcs_pool_resident(dev->pool), pending = zcs_store_pending(dev->store);
	uint64_t excess = resident > target ? resident - target : 0, n;

	if (!excess)
		return false;
	zcs_count(dev->rounds);
	n = zcs_policy_free(dev, excess, true);
	atomic_fetch_add(&dev->freed, n);
	if (frees && n + pending < excess) {
		zcs_reclaim_store(dev, excess - n - pending);
		n += write_some(dev, excess - n - pending, stuck);
	}
	return n || pending || (frees && zcs_lru_count(&dev->lru));
}

/*
 * Whether the pool is over its limit and no page can be evicted, even without patience: no page is
 * left, or the store accepts none. A bo whose lock is held, or that is touched each time before it
 * goes, still counts as evictable.
 */
static bool nothing_goes(struct zcs_device *dev)
{
	uint64_t max = zcs_pool_max(dev->pool), resident = zcs_pool_resident(dev->pool),
		 contended = dev->contended, refused = zcs_store_refused(dev->store);

	if (!max || resident <= max || zcs_reclaim_pages(dev, resident - max, true, NULL) ||
	    contended != dev->contended)
		return false;
	return !zcs_reclaim_may(dev) || refused != zcs_store_refused(dev->store) ||
	       (zcs_store_frees(dev->store) && !zcs_store_room(dev->store));
}

/*
 * Notes the failure once, until @changes moves on. A touch that waited in vain may have noted it
 * first.
 */
static void note_nothing_goes(struct zcs_device *dev, uint64_t changes)
{
	zcs_room_note_vain(dev, changes);
	if (dev->over_changes == changes)
		return;
	dev->over_changes = changes;
	zcs_over_note(dev);
}

/*
 * Does rounds until @target is reached or no round frees a page. A probed bo is a victim after as
 * many rounds without progress as its silence lasts, and a bo in use after as many again.
 */
static void go_round(struct zcs_device *dev, uint64_t target)
{
	uint64_t patience = dev->policy->silence_ns / (STEP_US * 1000), last = UINT64_MAX, same = 0;

	while (!dev->stop && same < 2 * patience && round_towards(dev, target, same > patience)) {
		uint64_t now = zcs_pool_resident(dev->pool);
		bool moving = now < last || zcs_store_pending(dev->store);

		same = moving ? 0 : same + 1;
		last = now;
		zcs_room_tell(dev);
		zcs_bo_destroy_dead(dev);
		zcs_room_pause(dev, STEP_US);
	}
}

static void balance(struct zcs_device *dev, uint64_t target)
{
	uint64_t changes = atomic_load(&dev->changes), freed = zcs_room_freed(dev);

	go_round(dev, target);
	if (zcs_room_freed(dev) != freed)
		zcs_room_note_progress(dev);
	else if (nothing_goes(dev))
		note_nothing_goes(dev, changes);
	if (zcs_store_frees(dev->store) && zcs_pool_resident(dev->pool) > target)
		zcs_policy_reconsider(dev);
	zcs_room_tell(dev);
}

void zcs_background_on_pressure(struct zcs_device *dev, enum zcs_psi whose)
{
	if (zcs_pressure_event(dev, whose))
		balance(dev, dev->cap);
}

static bool is_over_high(struct zcs_device *dev)
{
	return dev->high && zcs_pool_resident(dev->pool) > dev->high;
}

/*
 * Sleeps until there is work. A balance may end over the mark because all bos were in use, so the
 * thread tries again by itself. A cap also needs that, for passing it wakes nobody.
 */
static void wait_for_work(struct zcs_device *dev, struct zcs_sys_polled *polled)
{
	int psi[ZCS_PSI_NR] = { dev->psi[ZCS_PSI_GROUP], dev->psi[ZCS_PSI_MACHINE] };
	int ms = -1;

	if (is_over_high(dev) && zcs_reclaim_may(dev))
		ms = zcs_room_in_vain(dev) ? IN_VAIN_MS : AGAIN_MS;
	if (dev->cap)
		ms = AGAIN_MS;

	zcs_sys_poll(dev->event, psi, ms, polled);
	for (unsigned i = 0; i < ZCS_PSI_NR; i++)
		if (polled->gone[i])
			zcs_pressure_lost(dev, (enum zcs_psi)i);
}

/*
 * Answers one event of pressure. A process that waits in its own control group waits in the machine
 * too: the second event is the same one.
 */
static void answer_pressure(struct zcs_device *dev, const struct zcs_sys_polled *polled)
{
	if (polled->pressed[ZCS_PSI_GROUP])
		zcs_background_on_pressure(dev, ZCS_PSI_GROUP);
	else if (polled->pressed[ZCS_PSI_MACHINE])
		zcs_background_on_pressure(dev, ZCS_PSI_MACHINE);
}

static void work(struct zcs_device *dev, const struct zcs_sys_polled *polled)
{
	if (polled->woken)
		zcs_sys_event_clear(dev->event);
	atomic_store(&dev->awake, false);
	zcs_bo_destroy_dead(dev);
	answer_pressure(dev, polled);
	if (is_over_high(dev) && zcs_room_may_try(dev))
		balance(dev, dev->low);
	else if (zcs_pressure_is_over_cap(dev))
		balance(dev, dev->cap);
	else
		zcs_room_tell(dev);
}

static void *background_main(void *arg)
{
	struct zcs_device *dev = arg;

	zcs_sys_own_thread("zcs-evict");
	while (!dev->stop) {
		struct zcs_sys_polled polled;

		wait_for_work(dev, &polled);
		pthread_mutex_lock(&dev->work_lock);
		work(dev, &polled);
		pthread_mutex_unlock(&dev->work_lock);
	}
	return NULL;
}

int zcs_background_start(struct zcs_device *dev)
{
	int err = zcs_sys_thread(&dev->background, background_main, dev);

	dev->has_background = !err;
	return err;
}

void zcs_background_stop(struct zcs_device *dev)
{
	dev->stop = true;
	zcs_sys_event_add(dev->event);
	if (dev->has_background)
		pthread_join(dev->background, NULL);
	dev->has_background = false;
}
