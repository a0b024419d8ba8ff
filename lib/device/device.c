/* SPDX-License-Identifier: MIT */
/*
 * The device: one pool, one store, the LRU over its bos, and the threads that serve them.
 *
 * The creator, each bo and each bulk hold a reference, so a device may be destroyed before its last
 * bo. The last reference may be dropped on one of the device's own threads, for example when the
 * background thread destroys a bo that died in a walk. Then a new thread takes the device down.
 *
 * Known limit: if that thread cannot be made, the device stays in memory, with a message.
 */
#include <errno.h>
#include <search.h>
#include <stdlib.h>
#include <string.h>

#include <zcswap/store.h>

#include "common/deliver.h"
#include "common/log.h"
#include "device_priv.h"
#include "store/store.h"
#include "sys/sys.h"

#define LOW_PERCENT    80u
#define HIGH_PERCENT   90u
#define SMALL_UNITS    10u
#define BUSY_POLL_US   500u
#define BUSY_POLLS_MAX 2000u
#define HEADROOM       (UINT64_C(32) << 20 >> ZCS_PAGE_SHIFT)

static const struct zcs_device_params default_params = ZCS_DEVICE_PARAMS_INIT;

/*
 * Whether the caller asks for no pool: all of the pool's parameters are 0. A caller that asks for
 * one must set struct_size.
 */
static bool is_unset(const struct zcs_pool_params *p)
{
	bool unset = !p->struct_size && !p->max_bytes && !p->cache_bytes && !p->node &&
		     !p->backing && !p->beneficial_order && !p->flags;

	for (size_t i = 0; i < sizeof(p->reserved) / sizeof(p->reserved[0]); i++)
		unset = unset && !p->reserved[i];
	return unset;
}

static bool device_params_ok(const struct zcs_device_params *params, const char *call)
{
	unsigned low_percent = params->low_percent ? params->low_percent : LOW_PERCENT,
		 high_percent = params->high_percent ? params->high_percent : HIGH_PERCENT;

	return zcs_expect_in(call, params->struct_size, == sizeof(*params)) &&
	       (is_unset(&params->pool) ||
		zcs_expect_in(call, params->pool.struct_size, == sizeof(params->pool))) &&
	       zcs_expect_in(call, params->flags & ~ZCS_DEVICE_NO_PSI, == 0) &&
	       zcs_expect_in(call, low_percent, < high_percent) &&
	       zcs_expect_in(call, high_percent, <= 100);
}

static void init_device(struct zcs_device *d)
{
	d->life = zcs_life_begin();
	d->refs = 1;
	zcs_lru_init(&d->lru);
	TAILQ_INIT(&d->fetch);
	SLIST_INIT(&d->dead);
	STAILQ_INIT(&d->parked);
	d->changes = 1;
	d->policy = &zcs_policy_default;
	pthread_rwlock_init(&d->tree_lock, NULL);
	pthread_mutex_init(&d->arm_lock, NULL);
	pthread_mutex_init(&d->fetch_lock, NULL);
	pthread_mutex_init(&d->dead_lock, NULL);
	pthread_mutex_init(&d->work_lock, NULL);
	pthread_mutex_init(&d->room_lock, NULL);
	zcs_sys_cond_init(&d->room);
	zcs_sys_cond_init(&d->pace);
	pthread_mutex_init(&d->toucher_lock, NULL);
	d->epfd = d->fetch_event = d->event = d->stop_event = -1;
	d->psi[ZCS_PSI_GROUP] = d->psi[ZCS_PSI_MACHINE] = -1;
}

static void free_device(struct zcs_device *d)
{
	zcs_touchers_stop(d);
	zcs_background_stop(d);
	zcs_pool_destroy(d->pool);
	zcs_store_close(d->store);
	zcs_sys_close(d->epfd);
	zcs_sys_close(d->fetch_event);
	zcs_sys_close(d->stop_event);
	zcs_sys_close(d->event);
	zcs_sys_close(d->psi[ZCS_PSI_GROUP]);
	zcs_sys_close(d->psi[ZCS_PSI_MACHINE]);
	pthread_mutex_destroy(&d->toucher_lock);
	pthread_cond_destroy(&d->pace);
	pthread_cond_destroy(&d->room);
	pthread_mutex_destroy(&d->room_lock);
	pthread_mutex_destroy(&d->work_lock);
	pthread_mutex_destroy(&d->dead_lock);
	pthread_mutex_destroy(&d->fetch_lock);
	pthread_mutex_destroy(&d->arm_lock);
	pthread_rwlock_destroy(&d->tree_lock);
	pthread_mutex_destroy(&d->lru.lock);
	free(d);
}

static int open_events(struct zcs_device *d)
{
	d->epfd = zcs_sys_epoll();
	d->fetch_event = d->epfd < 0 ? d->epfd : zcs_sys_event();
	d->stop_event = d->fetch_event < 0 ? d->fetch_event : zcs_sys_event();
	d->event = d->stop_event < 0 ? d->stop_event : zcs_sys_event();
	return d->event < 0 ? d->event : 0;
}

/* Wakes the background thread, but not for each page over a limit that cannot be kept. */
static void wake_background(void *arg)
{
	if (zcs_room_may_try(arg))
		zcs_background_wake(arg);
}

/*
 * Sets the water marks. Touches take the room above the high mark while the background thread wakes
 * up, watches and writes: 10 ms at 3 GiB/s. A larger room of a large pool would never be used. A
 * pool of a few huge folios would lose whole ones.
 */
static void set_marks(struct zcs_device *d, const struct zcs_device_params *p, uint64_t max)
{
	d->low = max * (p->low_percent ? p->low_percent : LOW_PERCENT) / 100;
	d->high = max * (p->high_percent ? p->high_percent : HIGH_PERCENT) / 100;
	if (p->low_percent || p->high_percent)
		return;
	if (max < SMALL_UNITS * ZCS_UNIT_PAGES)
		d->low = d->high = max;
	if (d->low + 2 * HEADROOM < max)
		d->low = max - 2 * HEADROOM;
	if (d->high + HEADROOM < max)
		d->high = max - HEADROOM;
}

/* Sets the water marks by the pool's limit, and connects the pool's hooks. */
static void connect_pool(struct zcs_device *d, const struct zcs_device_params *p)
{
	uint64_t max = zcs_pool_max(d->pool);

	set_marks(d, p, max);
	zcs_pool_set_hooks(d->pool, zcs_reclaim_hook, max ? wake_background : NULL, d->high, d);
}

/* The store first: it may demand where the pool's memory is. */
static int open_store_and_pool(struct zcs_device *d, const struct zcs_device_params *p)
{
	struct zcs_pool_params params = p->pool;
	int err = zcs_store_open(p->store ? p->store : "mem:", &d->store);

	if (!err && d->store->ops->demand)
		err = d->store->ops->demand(d->store, &params, &d->pool);
	if (err || d->pool)
		return err;
	return zcs_pool_create(params.struct_size ? &params : NULL, &d->pool);
}

static int start_device(struct zcs_device *d, const struct zcs_device_params *p)
{
	int err = open_store_and_pool(d, p);

	if (!err)
		err = open_events(d);
	if (err)
		return err;
	connect_pool(d, p);
	if (!(p->flags & ZCS_DEVICE_NO_PSI))
		zcs_pressure_watch(d);
	err = zcs_touch_start(d);
	return err ? err : zcs_background_start(d);
}

int zcs_device_create(const struct zcs_device_params *params, struct zcs_device **device)
{
	struct zcs_device *d;
	int err;

	if (!params)
		params = &default_params;
	if (!zcs_expect(device, != NULL) || !device_params_ok(params, __func__))
		return -EINVAL;
	d = zcs_sys_calloc(ZCS_FAULT_ALLOC_DEVICE, 1, sizeof(*d));
	if (!d)
		return -ENOMEM;
	init_device(d);
	err = start_device(d, params);
	if (err)
		free_device(d);
	else
		*device = d;
	return err;
}

void zcs_device_get(struct zcs_device *dev)
{
	atomic_fetch_add(&dev->refs, 1);
}

static bool on_own_thread(struct zcs_device *d)
{
	return zcs_touchers_are_me(d) ||
	       (d->has_background && pthread_equal(pthread_self(), d->background));
}

static void *take_down(void *arg)
{
	zcs_sys_own_thread("zcs-down");
	free_device(arg);
	return NULL;
}

uint64_t zcs_device_random(struct zcs_device *dev)
{
	uint64_t x = atomic_fetch_add_explicit(&dev->random, UINT64_C(0x9e3779b97f4a7c15),
					       memory_order_relaxed);

	x ^= x >> 31;
	x *= UINT64_C(0xbf58476d1ce4e5b9);
	return x ^ x >> 29;
}

void zcs_device_unref(struct zcs_device *dev)
{
	pthread_t thread;

	if (atomic_fetch_sub(&dev->refs, 1) != 1)
		return;
	if (!on_own_thread(dev)) {
		free_device(dev);
		return;
	}
	if (zcs_sys_thread(&thread, take_down, dev))
		zcs_warn("device %p: no thread to take it down; its memory is not freed",
			 (void *)dev);
	else
		pthread_detach(thread);
}

void zcs_device_destroy(struct zcs_device *device)
{
	if (device && !zcs_inherited(device))
		zcs_device_unref(device);
}

static void fill_touches(struct zcs_stats *st, const struct zcs_touch_stats *t)
{
	st->touches = t->touches;
	st->touch_ns = t->ns;
	st->touch_empty = t->empty;
	st->touch_resident = t->resident;
	st->touch_read = t->read;
	st->touch_late = t->late;
	st->touch_errors = t->errors;
	st->touch_waits = t->waits;
	for (unsigned i = 0; i < ZCS_LATENCY_BUCKETS; i++)
		st->latency[i] = t->latency[i];
}

static void fill_events(struct zcs_stats *st, const struct zcs_device *d)
{
	st->overshoots = zcs_pool_overshot(d->pool);
	st->evicted = d->evicted;
	st->probes = d->probes;
	st->purged = d->purged;
	st->reclaims = d->reclaims;
	st->background = d->rounds;
	st->psi_events = d->psi_events;
	st->psi_ignored = d->psi_ignored;
	st->touch_strays = d->strays;
	st->mappings = zcs_traps_mappings();
	st->mappings_refused = zcs_traps_refused();
	st->psi = zcs_pressure_is_watched(d);
	st->psi_error = st->psi ? 0 : d->psi_error[ZCS_PSI_MACHINE];
	st->touch = !d->no_touch;
	st->kernel_touch = d->kernel_touch;
	st->bad_unpins = d->bad_unpins;
	st->over_bytes = zcs_over_pages(d) * ZCS_PAGE_SIZE;
	st->limit_failed = d->limit_failed;
}

/*
 * Adds a bo's pages that are not in memory. Does not need the tt's lock, which a restore holds for
 * long.
 */
static void add_absent(const void *node, VISIT visit, void *arg)
{
	struct zcs_backup_stats backup = { .struct_size = sizeof(backup) };
	struct zcs_bo *const *bo = node;
	struct zcs_stats *st = arg;

	if (visit != postorder && visit != leaf)
		return;
	zcs_backup_stats((*bo)->tt->backup, &backup);
	st->written_bytes += backup.slot_pages * ZCS_PAGE_SIZE;
	st->same_bytes += backup.same_pages * ZCS_PAGE_SIZE;
}

/* Sets the clean and dirty bytes. @clean was counted at another moment than the resident bytes. */
static void set_clean(struct zcs_stats *st, uint64_t clean)
{
	st->clean_bytes = clean < st->resident_bytes ? clean : st->resident_bytes;
	st->dirty_bytes = st->resident_bytes - st->clean_bytes;
}

/*
 * Bytes of slots that resident pages keep or writes fill: all used slots without those of pages
 * that are only in the store.
 */
static uint64_t kept_in_slots(struct zcs_store *store, uint64_t written)
{
	struct zcs_store_stats s = { .struct_size = sizeof(s) };
	uint64_t used;

	zcs_store_stats(store, &s);
	used = s.used_slots * ZCS_PAGE_SIZE;
	return used > written ? used - written : 0;
}

static void fill_sizes(struct zcs_stats *st, struct zcs_device *d)
{
	/* pages that a store owns are inserted, and are not resident */
	uint64_t inserted = st->pool.inserted_pages, lent = zcs_pool_lent(d->pool);

	st->size_bytes = d->bytes;
	st->mapped_bytes = st->pool.active_pages * ZCS_PAGE_SIZE;
	st->inserted_bytes = inserted > lent ? (inserted - lent) * ZCS_PAGE_SIZE : 0;
	st->resident_bytes = st->mapped_bytes + st->inserted_bytes;
	pthread_rwlock_rdlock(&d->tree_lock);
	twalk_r(d->tree, add_absent, st);
	pthread_rwlock_unlock(&d->tree_lock);
	set_clean(st, kept_in_slots(d->store, st->written_bytes));
}

int zcs_device_stats(struct zcs_device *device, struct zcs_stats *stats)
{
	struct zcs_stats st = { .pool.struct_size = sizeof(st.pool) };

	if (!device || !zcs_can_deliver(stats))
		return -EINVAL;
	if (zcs_inherited(device))
		return -ECHILD;
	zcs_sys_hold_signals();
	zcs_pool_stats(device->pool, &st.pool);
	st.bos = device->bos;
	st.pinned = device->pinned;
	st.lru = zcs_lru_count(&device->lru);
	fill_sizes(&st, device);
	fill_touches(&st, &device->stats);
	fill_events(&st, device);
	zcs_sys_let_signals();
	zcs_deliver(stats, &st, sizeof(st));
	return 0;
}

static bool has_copy(const struct zcs_tt *tt, const struct zcs_block *blk)
{
	return zcs_e_is_page(blk->entry) && zcs_folio_flag(zcs_tt_folio(tt, blk), ZCS_FF_COPY);
}

/*
 * Pages, mapped or inserted, that also have a copy in a slot, as far as known before the next zap.
 */
static uint64_t clean_pages(struct zcs_tt *tt)
{
	uint64_t pages = 0;

	zcs_tt_lock(tt, NULL);
	for (uint64_t i = 0; i < tt->nr;) {
		struct zcs_block blk = zcs_table_get(&tt->table, i);

		if (blk.entry == ZCS_E_HANDLE)
			blk = zcs_backup_block(tt->backup, i);
		if (has_copy(tt, &blk))
			pages += zcs_block_pages(&blk);
		i = zcs_block_end(&blk);
	}
	zcs_tt_unlock(tt);
	return pages;
}

int zcs_bo_stats(struct zcs_bo *bo, struct zcs_stats *stats)
{
	struct zcs_stats st = { .bos = 1 };
	struct zcs_tt_pages pages;

	if (!bo || !zcs_can_deliver(stats))
		return -EINVAL;
	if (zcs_inherited(bo))
		return -ECHILD;
	zcs_tt_count(bo->tt, &pages);
	st.pinned = zcs_lru_pins(bo);
	st.size_bytes = bo->end - bo->start;
	st.mapped_bytes = pages.mapped * ZCS_PAGE_SIZE;
	st.inserted_bytes = pages.inserted * ZCS_PAGE_SIZE;
	st.resident_bytes = st.mapped_bytes + st.inserted_bytes;
	st.written_bytes = pages.written * ZCS_PAGE_SIZE;
	st.same_bytes = pages.same * ZCS_PAGE_SIZE;
	set_clean(&st, clean_pages(bo->tt) * ZCS_PAGE_SIZE);
	fill_touches(&st, &bo->stats);
	zcs_deliver(stats, &st, sizeof(st));
	return 0;
}

/* Checks a bo, after its writes and reads ahead have ended. */
static void check_bo(const void *node, VISIT visit, void *err)
{
	struct zcs_tt *tt = (*(struct zcs_bo *const *)node)->tt;

	if (visit != postorder && visit != leaf)
		return;
	zcs_object_drain(&tt->backup->o);
	if (zcs_tt_check(tt))
		*(int *)err = -EUCLEAN;
}

int zcs_device_check(struct zcs_device *device)
{
	int err = 0;

	if (!device)
		return -EINVAL;
	if (zcs_inherited(device))
		return -ECHILD;
	/* a toucher goes on before its fault thread has finished the touch */
	for (unsigned i = 0; device->busy_touchers && i < BUSY_POLLS_MAX; i++)
		zcs_sys_sleep_us(BUSY_POLL_US);
	zcs_sys_hold_signals();
	pthread_mutex_lock(&device->work_lock);
	pthread_rwlock_rdlock(&device->tree_lock);
	twalk_r(device->tree, check_bo, &err);
	pthread_rwlock_unlock(&device->tree_lock);
	if (zcs_lru_check(device) || zcs_pool_check(device->pool) || zcs_store_check(device->store))
		err = -EUCLEAN;
	pthread_mutex_unlock(&device->work_lock);
	zcs_sys_let_signals();
	return err;
}
