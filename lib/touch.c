/* SPDX-License-Identifier: MIT */
/*
 * Restore on touch: the threads that read the userfaultfds.
 *
 *	a thread touches ──▶ event ──▶ fault thread: whose is the address, restore the block, resolve
 *	an evicted page                               (which wakes whoever waits for it)
 *
 * Several threads, so that a slow read does not hold up a folio that is resident; each takes one event at a
 * time. They take no lock under which anybody waits for an event. Waking a sleeping thread is most of what a
 * touch of a resident folio costs (40 to 55 us on an idle CPU, measured), therefore a thread that just had
 * work looks for more, for SPIN_NS, before it sleeps. It yields between looks: the toucher may have been put
 * on this very CPU, and would wait for all of SPIN_NS (measured: 32 us a touch, not 11).
 *
 * Room: a touch is never refused on the pool's limit, it overshoots; when the overshoot is over an eighth, and the
 * touch is of what is not in memory, the fault thread waits, with nothing locked, until the background thread has caught up a little. When the
 * system itself has no page the thread evicts and tries again, for as long as it takes: the toucher cannot
 * be told. A page whose only copy cannot be read is poisoned: its touchers get SIGBUS. What can be neither resolved nor
 * poisoned is tried again.
 */
#include <errno.h>
#include <sched.h>
#include <string.h>

#include "device_priv.h"
#include "log.h"
#include "probe.h"
#include "store_priv.h"
#include "sys.h"
#include "sys_dev.h"
#include "sys_io.h"
#include "writeback.h"

#define SPIN_NS	      20000u
#define OVERSHOOT_MAX 8u /* one part in */
#define WAIT_MS	      10u
#define WAITS_MAX     100u
#define KEEP_ONE_IN   32u
#define RETRY_US      1000u
#define IDLE_MAX      24u /* waits that brought nothing: a little more than the background's patience */

/*
 * struct turn - a thread's turn at the events of an arena
 * @shared: others may read them as well
 */
struct turn {
	struct zcs_device *dev;
	struct zcs_arena *arena;
	bool shared;
};

/* Before anything that takes longer than waking another thread. */
static void share(void *arg)
{
	struct turn *t = arg;

	if (!t->shared)
		zcs_sys_epoll_again(t->dev->epfd, t->arena->uffd, t->arena);
	t->shared = true;
}

static bool is_far_over(const struct zcs_device *dev)
{
	uint64_t max = dev->pool->max_pages;

	return max && atomic_load(&dev->pool->resident) > max + max / OVERSHOOT_MAX;
}

/*
 * Waits for the background thread, unless that gets nowhere: everything may be pinned. What is in memory is given
 * back at any time: holding its touchers up would free nothing.
 */
static void throttle(struct turn *t, struct zcs_bo *bo, uint64_t index)
{
	struct zcs_device *dev = t->dev;
	struct zcs_wb *wb = dev->store->wb;
	uint64_t last = UINT64_MAX;

	if (!is_far_over(dev))
		return;
	share(t);
	if (!zcs_tt_needs_memory(bo->tt, index))
		return;
	for (unsigned i = 0, idle = 0; i < WAITS_MAX && idle < IDLE_MAX && is_far_over(dev); i++) {
		uint64_t now = atomic_load(&dev->pool->resident);

		idle = now < last || (wb && zcs_wb_pending(wb)) ? 0 : idle + 1;
		last = now;
		zcs_count(dev->stats.waits);
		zcs_count(bo->stats.waits);
		zcs_evict_wake(dev);
		zcs_evict_wait_for_room(dev, WAIT_MS);
	}
}

/*
 * Restores, however long it takes to find a page; other errors are returned. *what is what the first try met: a
 * later one may find the block restored and only not resolved.
 */
static int restore(struct turn *t, struct zcs_bo *bo, const struct zcs_tt_event *event,
		   enum zcs_touch *what)
{
	struct zcs_device *dev = t->dev;
	enum zcs_touch again;
	int err;

	throttle(t, bo, event->index);
	err = zcs_tt_touch(bo->tt, event, what, share, t);
	while (err == -ENOMEM && !dev->stop) {
		share(t);
		zcs_count(dev->stats.waits);
		zcs_count(bo->stats.waits);
		if (!zcs_evict_pages(dev, ZCS_UNIT_PAGES, true, NULL))
			zcs_sys_sleep_us(1000);
		err = zcs_tt_touch(bo->tt, event, &again, share, t);
	}
	return err;
}

static void count_touch(struct zcs_touch_stats *s, enum zcs_touch what, uint64_t ns)
{
	unsigned bucket = ns < 2000 ? 0 : 63u - (unsigned)__builtin_clzll(ns / 1000);

	zcs_count(s->touches);
	atomic_fetch_add_explicit(&s->ns, ns, memory_order_relaxed);
	zcs_count(s->latency[bucket < ZCS_LATENCY_BUCKETS ? bucket : ZCS_LATENCY_BUCKETS - 1]);
	if (what == ZCS_TOUCH_EMPTY)
		zcs_count(s->empty);
	else if (what == ZCS_TOUCH_RESIDENT)
		zcs_count(s->resident);
	else if (what == ZCS_TOUCH_READ)
		zcs_count(s->read);
	else
		zcs_count(s->late);
}

uint64_t zcs_device_random(struct zcs_device *dev)
{
	uint64_t x = atomic_fetch_add_explicit(&dev->random, UINT64_C(0x9e3779b97f4a7c15),
					       memory_order_relaxed);

	x ^= x >> 31;
	x *= UINT64_C(0xbf58476d1ce4e5b9);
	return x ^ x >> 29;
}

/*
 * Where a touched bo goes. What was silent and is wanted again is in use: ACTIVE. What had to be read again is
 * FRESH, and soon probed: if the set in use is larger than memory, keeping some of it beats replacing all of
 * it in turn (LRU on a loop never hits). One in 32 is taken for ACTIVE at once, in the place of one that is
 * probed there, so that what is kept changes.
 */
static void place(struct zcs_bo *bo, enum zcs_touch what)
{
	if (what == ZCS_TOUCH_LATE)
		return;
	bo->touched_ns = zcs_sys_now_ns();
	if (what == ZCS_TOUCH_RESIDENT && bo->device->silent)
		bo->device->silent = 0;
	if (what == ZCS_TOUCH_READ)
		zcs_lru_read_again(bo, zcs_device_random(bo->device) % KEEP_ONE_IN == 0);
	else
		zcs_lru_move(bo, ZCS_LRU_ACTIVE);
}

/* Woken, the toucher faults anew, and there is another event; as long as that goes on one message is enough. */
static void try_again(struct turn *t, struct zcs_bo *bo, uint64_t index, int err)
{
	if (!atomic_exchange(&bo->failing, true))
		zcs_warn("touch of page %llu of bo %p: %s; tried again until it succeeds",
			 (unsigned long long)index, (void *)bo, strerror(-err));
	share(t);
	zcs_sys_sleep_us(RETRY_US);
	zcs_tt_wake(bo->tt, index);
}

static void failed(struct turn *t, struct zcs_bo *bo, uint64_t index, int err)
{
	if (zcs_tt_poison(bo->tt, index)) {
		try_again(t, bo, index, err);
		return;
	}
	zcs_warn("touch of %p, page %llu of bo %p: %s", (void *)(bo->start + index * ZCS_PAGE_SIZE),
		 (unsigned long long)index, (void *)bo, strerror(-err));
	zcs_count(t->dev->stats.errors);
	zcs_count(bo->stats.errors);
}

static void handle(struct turn *t, const struct zcs_sys_touch *touch, uint64_t asked_ns)
{
	struct zcs_device *dev = t->dev;
	struct zcs_tt_event event = { .asked_ns = asked_ns, .write = touch->write };
	struct zcs_bo *bo = zcs_bo_find(dev, touch->addr);
	enum zcs_touch what = ZCS_TOUCH_LATE;
	uint64_t ns;
	int err;

	/* between the last reference and the unmapping of its home: nobody may touch it any more */
	if (!bo)
		return;
	event.index = (touch->addr - bo->start) / ZCS_PAGE_SIZE;
	err = restore(t, bo, &event, &what);
	if (err)
		failed(t, bo, event.index, err);
	ns = zcs_sys_now_ns() - asked_ns;
	count_touch(&dev->stats, what, ns);
	count_touch(&bo->stats, what, ns);
	ZCS_PROBE3(fault, touch->addr, what, ns);
	if (!err && bo->failing)
		bo->failing = false;
	if (!err)
		place(bo, what);
	zcs_bo_put_later(bo);
}

/*
 * What one arena has to tell, and what comes within SPIN_NS after it. Nobody else is told of it meanwhile: a second
 * thread woken for each event finds nothing, on the CPU that the toucher needs. Once the turn is shared it ends.
 */
static void serve(struct zcs_device *dev, struct zcs_arena *arena)
{
	struct turn turn = { .dev = dev, .arena = arena };
	struct zcs_sys_touch touch;
	uint64_t now = zcs_sys_now_ns(), last = 0;

	do {
		while (!turn.shared && !zcs_sys_uffd_read(arena->uffd, &touch)) {
			handle(&turn, &touch, now);
			last = now = zcs_sys_now_ns();
		}
		if (turn.shared)
			return;
		if (last)
			sched_yield();
		now = zcs_sys_now_ns();
	} while (last && now - last < SPIN_NS && !dev->stop);
	share(&turn);
}

/* -- prefetch: one folio a turn, and one thread for touches whatever is prefetched */

/* With the lock held: whether there is work, and a thread that may do it. The event wakes as long as it is set. */
static void set_fetch_event(struct zcs_device *dev)
{
	bool set = !TAILQ_EMPTY(&dev->fetch) && dev->fetchers < ZCS_FAULT_THREADS - 1;

	if (set && !dev->fetch_set)
		zcs_sys_event_add(dev->fetch_event);
	if (!set && dev->fetch_set)
		zcs_sys_event_clear(dev->fetch_event);
	dev->fetch_set = set;
}

void zcs_touch_fetch(struct zcs_bo *bo)
{
	struct zcs_device *dev = bo->device;

	pthread_mutex_lock(&dev->fetch_lock);
	bo->fetch_at = 0;
	if (!bo->fetching) {
		bo->fetching = true;
		zcs_bo_get(bo);
		TAILQ_INSERT_TAIL(&dev->fetch, bo, fetch);
	}
	set_fetch_event(dev);
	pthread_mutex_unlock(&dev->fetch_lock);
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

/* What was begun is finished first, in the order in which it was asked for. False: that was all of it. */
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

static void fetch(struct zcs_device *dev)
{
	uint64_t at;
	struct zcs_bo *bo = pop_fetch(dev, &at);
	int err;

	if (!bo)
		return;
	/* what cannot be had now comes when it is touched; some of it may be there all the same */
	err = zcs_tt_restore_step(bo->tt, &at, ZCS_UNIT_PAGES, NULL);
	zcs_lru_move(bo, ZCS_LRU_ACTIVE);
	if (!push_again(bo, !err))
		zcs_bo_put_later(bo);
}

/* -- threads */

static void *run(void *arg)
{
	struct zcs_device *dev = arg;

	while (!dev->stop) {
		void *what = NULL;

		if (!zcs_sys_epoll_wait(dev->epfd, -1, &what) || dev->stop)
			continue;
		atomic_fetch_add(&dev->serving, 1);
		if (what == dev)
			fetch(dev);
		else if (what)
			serve(dev, what);
		atomic_fetch_sub(&dev->serving, 1);
	}
	return NULL;
}

static int add_events(struct zcs_device *dev)
{
	int err = zcs_sys_epoll_add(dev->epfd, dev->fetch_event, dev, false);

	return err ? err : zcs_sys_epoll_add(dev->epfd, dev->stop_event, NULL, false);
}

int zcs_touch_start(struct zcs_device *dev)
{
	int err = add_events(dev);

	while (!err && dev->nr_touchers < ZCS_FAULT_THREADS) {
		err = zcs_sys_thread(&dev->toucher[dev->nr_touchers], "zcs-touch", run, dev);
		if (!err)
			dev->nr_touchers++;
	}
	/* one is enough to work */
	return dev->nr_touchers ? 0 : err;
}

void zcs_touch_stop(struct zcs_device *dev)
{
	dev->stop = true;
	zcs_sys_event_add(dev->stop_event);
	while (dev->nr_touchers)
		pthread_join(dev->toucher[--dev->nr_touchers], NULL);
}

int zcs_touch_serve(struct zcs_device *dev, struct zcs_arena *arena)
{
	int err = 0;

	pthread_mutex_lock(&dev->arm_lock);
	if (arena->uffd < 0) {
		dev->no_touch = true;
	} else if (!dev->armed[arena->slot]) {
		err = zcs_sys_epoll_add(dev->epfd, arena->uffd, arena, true);
		dev->armed[arena->slot] = !err;
		arena->served = !err;
		dev->kernel_touch = arena->uffd_kernel;
	}
	pthread_mutex_unlock(&dev->arm_lock);
	return err;
}
