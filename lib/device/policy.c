/* SPDX-License-Identifier: MIT */
/*-
 * Policy: which bos leave memory, in what order, and where a bo belongs in the LRU. evict.c has the
 * steps that are done to each bo.
 *
 *	             made, unpinned, touched: new pages
 *	                            │
 *	                            ▼           probe
 *	 OFF ◀───pin─── any      ACTIVE ──────────────────▶ INACTIVE ──write──▶ OUT
 *	  │                      ▲  ▲ ▲                      │  ▲                │
 *	  └──────unpin───────────┘  │ └─touched, in memory───┘  │ probe          │
 *	                            │                           │                │
 *	                            │                         FRESH ◀────────────┤ touched, read
 *	                            └─────── one in @keep_one_in ────────────────┘
 *
 *	probe    zapped and inserted, not written: a touch brings it back for some 15 us
 *	write    probed @silence_ns ago, and not touched since
 *
 * Memory is freed in passes, the cheapest first:
 *
 *	1  purgeable bos are dropped
 *	2  pages that need no I/O: cached folios; memory that bos were made with and nobody touched;
 *	   inserted folios of which the store has a copy
 *	3  inserted folios of INACTIVE bos are written, oldest first. Where there are too few,
 *	   FRESH bos and then the oldest ACTIVE ones are probed
 *
 * A lower priority goes before a higher one, whatever its lists are.
 *
 * The probe is the second chance. A bo in use is touched and becomes ACTIVE again; a silent one is
 * a victim. That is decided folio by folio: a touched folio is back in the tt, and is not written.
 * The background thread keeps a part of memory INACTIVE. So most bos are watched for as long as it
 * takes to evict that much. A bo that was read again has the same time to show that it is wanted
 * twice. So a scan of bos that are wanted once does not drive out the bos in use.
 *
 * A set in use that is larger than memory is better kept in part than replaced in turn: an LRU
 * never hits on a loop. FRESH serves that: bos that were read again leave first. A few of them
 * become ACTIVE at once, in place of ACTIVE bos that are probed, so that the kept part changes.
 *
 * Cost: a bo in use that is probed costs its toucher some 15 us; @watched_part bounds how many are.
 */
#include "device_priv.h"
#include "store/store.h"
#include "sys/sys.h"

const struct zcs_policy zcs_policy_default = {
	.silence_ns = 2000000,
	.quiet_ns = 8000000,
	.watched_part = 16,
	.hitless_probes = 128,
	.hitless_part = 4,
	.age_one_in = 32,
	.keep_one_in = 32,
};

static const struct zcs_spare spare_none = { UINT64_MAX, UINT64_MAX };

/* The bos that a caller with time leaves alone. */
static struct zcs_spare spare_some(const struct zcs_device *dev)
{
	uint64_t now = zcs_sys_now_ns();

	return (struct zcs_spare){ now - dev->policy->silence_ns, now - dev->policy->quiet_ns };
}

/* -- where a bo belongs */

void zcs_policy_touched(struct zcs_bo *bo, enum zcs_touch what)
{
	struct zcs_device *dev = bo->device;

	if (what == ZCS_TOUCH_LATE)
		return;
	bo->touched_ns = zcs_sys_now_ns();
	if (what == ZCS_TOUCH_RESIDENT && dev->hitless)
		dev->hitless = 0;
	if (what == ZCS_TOUCH_READ)
		zcs_lru_read_again(bo, zcs_device_random(dev) % dev->policy->keep_one_in == 0);
	else
		zcs_lru_move(bo, ZCS_LRU_ACTIVE);
}

/* -- pass 1 and 2 */

static uint64_t purge_bos(struct zcs_device *dev, uint64_t pages)
{
	uint64_t n = 0;

	if (!atomic_load(&dev->purgeables))
		return 0;
	for (int l = ZCS_LRU_ACTIVE; l < ZCS_LRU_LISTS && n < pages; l++)
		n += zcs_lru_walk(dev, (enum zcs_lru_list)l, pages - n, zcs_evict_purge, NULL);
	return n;
}

/* Looks in OUT as well, where new bos are after a probe. */
static uint64_t free_kept(struct zcs_device *dev, uint64_t pages)
{
	uint64_t n = 0, wanted = pages;

	for (int l = ZCS_LRU_ACTIVE; l < ZCS_LRU_LISTS && n < pages; l++)
		if (zcs_pool_kept(dev->pool))
			n += zcs_lru_walk(dev, (enum zcs_lru_list)l, pages - n, zcs_evict_kept,
					  &wanted);
	return n;
}

static uint64_t free_clean_bos(struct zcs_device *dev, uint64_t pages, struct zcs_spare spare)
{
	uint64_t n = zcs_cache_shrink(dev->pool, -1, pages);

	if (n < pages)
		n += free_kept(dev, pages - n);
	if (n < pages && dev->store->ops->reclaim)
		n += zcs_lru_walk(dev, ZCS_LRU_INACTIVE, pages - n, zcs_evict_clean, &spare);
	return n;
}

uint64_t zcs_policy_free_clean(struct zcs_device *dev, uint64_t pages)
{
	return free_clean_bos(dev, pages, spare_none);
}

uint64_t zcs_policy_free(struct zcs_device *dev, uint64_t pages, bool patient)
{
	uint64_t n = purge_bos(dev, pages);

	if (n >= pages)
		return n;
	return n + free_clean_bos(dev, pages - n, patient ? spare_some(dev) : spare_none);
}

/* -- pass 3 */

/* Counts a probe as hitless, until a touch finds a bo still in memory. */
static int64_t probe_one(struct zcs_bo *bo, void *spare)
{
	int64_t n = zcs_evict_probe(bo, spare);

	if (n > 0)
		zcs_count(bo->device->hitless);
	return n;
}

/* Makes @pages more of a priority INACTIVE. */
static uint64_t probe_bos(struct zcs_device *dev, unsigned priority, uint64_t pages, bool patient)
{
	struct zcs_spare none = spare_none, spare = patient ? spare_some(dev) : none;
	uint64_t n = 0;

	/* some ACTIVE bos are probed out of turn, about as many as become ACTIVE without a probe */
	if (patient && zcs_device_random(dev) % dev->policy->age_one_in == 0)
		n = zcs_lru_walk_one(dev, ZCS_LRU_ACTIVE, priority, 1, probe_one, &none);
	if (n < pages)
		n += zcs_lru_walk_one(dev, ZCS_LRU_FRESH, priority, pages - n, probe_one, &spare);
	if (n < pages)
		n += zcs_lru_walk_one(dev, ZCS_LRU_ACTIVE, priority, pages - n, probe_one, &none);
	return n;
}

static uint64_t write_inactive(struct zcs_device *dev, unsigned priority, uint64_t pages,
			       struct zcs_spare spare)
{
	return zcs_lru_walk_one(dev, ZCS_LRU_INACTIVE, priority, pages, zcs_evict_write, &spare);
}

uint64_t zcs_policy_write_now(struct zcs_device *dev, uint64_t pages)
{
	uint64_t n = 0, probed;

	for (unsigned p = 0; p < ZCS_PRIORITIES && n < pages; p++) {
		n += write_inactive(dev, p, pages - n, spare_none);
		if (n >= pages)
			break;
		probed = probe_bos(dev, p, pages - n, false);
		/* pages that a probe gave to an owning store are free */
		n += zcs_store_owns(dev->store) ? probed
						: write_inactive(dev, p, pages - n, spare_none);
	}
	return n;
}

/*
 * Pages to keep INACTIVE. They cost hits, for a watched bo is about to leave. After many probes
 * without a hit, as in a loop over more than memory, a smaller part is enough: it still notices a
 * change.
 */
static uint64_t to_watch(struct zcs_device *dev)
{
	const struct zcs_policy *policy = dev->policy;
	uint64_t pages =
		(dev->low ? dev->low : zcs_pool_resident(dev->pool)) / policy->watched_part;

	return dev->hitless < policy->hitless_probes ? pages : pages / policy->hitless_part;
}

uint64_t zcs_policy_write_silent(struct zcs_device *dev, uint64_t pages, bool stuck)
{
	uint64_t watch = to_watch(dev), n = 0, have = 0, want;

	for (unsigned p = 0; p < ZCS_PRIORITIES; p++) {
		/* INACTIVE bos of lower priorities spare the higher ones, unless they are in use */
		if (stuck)
			have = 0;
		if (n + have < pages)
			n += write_inactive(dev, p, pages - n - have, spare_some(dev));
		have += zcs_lru_inactive(&dev->lru, p);
		want = (n < pages ? pages - n : 0) + watch;
		/* pages that a probe gave to an owning store are free, and need not be watched */
		if (zcs_store_owns(dev->store))
			n += n < pages ? probe_bos(dev, p, pages - n, true) : 0;
		else if (have < want)
			have += probe_bos(dev, p, want - have, true);
	}
	return n;
}

uint64_t zcs_policy_reconsider(struct zcs_device *dev)
{
	return zcs_lru_walk(dev, ZCS_LRU_OUT, UINT64_MAX, zcs_evict_reconsider, NULL);
}
