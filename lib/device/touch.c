/* SPDX-License-Identifier: MIT */
/*
 * Restore on touch: the threads that read the userfaultfds.
 *
 *	a thread touches ──▶ event ──▶ fault thread: finds the bo of the address, restores
 *	an evicted page                the block, resolves the event (which wakes the touchers)
 *
 * Several threads take one event each. A thread whose event must wait, for a read for instance,
 * first leaves another thread to serve the others (touchers.c). They take no lock that is held by a
 * thread which waits for an event.
 *
 * Waking a sleeping thread is most of the cost of a touch of a resident folio (40 to 55 us on an
 * idle CPU, measured). So a thread that just had work looks for more for SPIN_NS before it sleeps.
 * It yields between looks, for the toucher may be on this very CPU and would wait for all of
 * SPIN_NS (measured: 32 us a touch, not 11).
 *
 * Room: a touch is never refused on the pool's limit, but overshoots it. Above 9/8 of the limit, a
 * touch that needs memory first waits up to one second for the background thread, with no lock held
 * (room.c).
 *
 * When the system itself has no page, the thread evicts and tries again. If that frees no page, the
 * thread waits a little and wakes the toucher, which cannot be told of the error. The toucher's
 * next report queues behind those of others, so that no number of such touches stops one that can
 * be served.
 *
 * A page whose only copy cannot be read is poisoned: its touchers get SIGBUS. A touch that can be
 * neither resolved nor poisoned is tried again.
 */
#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

#include "common/log.h"
#include "common/probe.h"
#include "device_priv.h"
#include "store/store.h"
#include "sys/sys.h"

#define SPIN_NS	    20000u
#define RETRY_US    1000u
#define STARVED_MAX 16u

/*
 * struct turn - a thread's turn at the events of an arena
 * @arena: NULL while the thread serves a parked touch
 * @shared: other threads may read the arena's events as well
 * @may_wait: another thread serves while this one waits; zcs_toucher_waited() is due
 */
struct turn {
	struct zcs_device *dev;
	struct zcs_arena *arena;
	bool shared, may_wait;
};

/*
 * Lets another thread read the arena's events. Called before any step that takes longer than waking
 * a thread.
 */
static void share(struct turn *t)
{
	if (!t->shared)
		zcs_sys_epoll_again(t->dev->epfd, t->arena->uffd, t->arena);
	t->shared = true;
}

/*
 * Called before a slow step; @waits: the step has to wait. Return: false: this thread must not
 * wait.
 */
static bool slow(void *arg, bool waits)
{
	struct turn *t = arg;

	if (waits && !t->may_wait)
		t->may_wait = zcs_toucher_may_wait(t->dev);
	share(t);
	return !waits || t->may_wait;
}

/*
 * Waits for room if the touch needs memory. A resident block is mapped at once, for delaying its
 * touch would free nothing. Return: -EAGAIN: the thread would have to wait, and must not.
 */
static int find_room(struct turn *t, struct zcs_bo *bo, uint64_t index)
{
	int needs;

	if (!zcs_room_is_short(t->dev))
		return 0;
	needs = zcs_tt_needs_memory(bo->tt, index, false);
	if (!needs)
		return 0;
	if (!slow(t, true))
		return -EAGAIN;
	if (needs < 0 && !zcs_tt_needs_memory(bo->tt, index, true))
		return 0;
	zcs_room_wait_for(t->dev, bo);
	return 0;
}

/*
 * Evicts until the system has a page. *@what is the result of the first try, for a later one may
 * find the block restored and only not resolved.
 */
static int find_page(struct turn *t, struct zcs_bo *bo, const struct zcs_tt_event *event,
		     enum zcs_touch *what)
{
	struct zcs_device *dev = t->dev;
	enum zcs_touch again;
	int err = -ENOMEM;

	if (!slow(t, true))
		return -EAGAIN;
	for (unsigned i = 0; i < STARVED_MAX && err == -ENOMEM && !dev->stop; i++) {
		zcs_count(dev->stats.waits);
		zcs_count(bo->stats.waits);
		if (!zcs_reclaim_pages(dev, ZCS_UNIT_PAGES, true, NULL))
			break;
		err = zcs_tt_touch(bo->tt, event, &again, slow, t);
	}
	if (err != -ENOMEM)
		return err;
	zcs_room_wait(dev);
	zcs_tt_wake(bo->tt, event->index);
	*what = ZCS_TOUCH_LATE;
	return 0;
}

/* Return: -EAGAIN: the thread would have to wait, and must not. */
static int restore(struct turn *t, struct zcs_bo *bo, const struct zcs_tt_event *event,
		   enum zcs_touch *what)
{
	int err = find_room(t, bo, event->index);

	if (!err)
		err = zcs_tt_touch(bo->tt, event, what, slow, t);
	return err == -ENOMEM ? find_page(t, bo, event, what) : err;
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

/*
 * Wakes the toucher, which faults again and causes another event. One message is enough for all of
 * them.
 */
static void try_again(struct turn *t, struct zcs_bo *bo, uint64_t index, int err)
{
	if (!atomic_exchange(&bo->failing, true))
		zcs_warn("touch of page %llu of bo %p: %s; tried again until it succeeds",
			 (unsigned long long)index, (void *)bo, strerror(-err));
	share(t);
	zcs_sys_sleep_us(RETRY_US);
	zcs_tt_wake(bo->tt, index);
}

static void fail_touch(struct turn *t, struct zcs_bo *bo, uint64_t index, int err)
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

static void note(struct zcs_bo *bo, const struct zcs_tt_event *event, enum zcs_touch what)
{
	uint64_t ns = zcs_sys_now_ns() - event->asked_ns;

	count_touch(&bo->device->stats, what, ns);
	count_touch(&bo->stats, what, ns);
	ZCS_PROBE3(fault, bo->start + event->index * ZCS_PAGE_SIZE, what, ns);
}

/*
 * Leaves the touch to a thread that may wait. If that needs memory and none is left, the toucher
 * asks again.
 */
static void park(struct zcs_bo *bo, const struct zcs_tt_event *event)
{
	if (zcs_toucher_park(bo, event))
		return;
	zcs_tt_wake(bo->tt, event->index);
	zcs_bo_put_later(bo);
}

/* Takes over the caller's reference. */
static void serve_touch(struct turn *t, struct zcs_bo *bo, const struct zcs_tt_event *event)
{
	enum zcs_touch what = ZCS_TOUCH_LATE;
	int err = restore(t, bo, event, &what);

	/* the touch has to wait, or has failed, after which the thread has to wait as well */
	if (err && !t->may_wait) {
		if (!slow(t, true)) {
			park(bo, event);
			return;
		}
		err = restore(t, bo, event, &what);
	}
	if (err)
		fail_touch(t, bo, event->index, err);
	note(bo, event, what);
	if (!err && bo->failing)
		bo->failing = false;
	if (!err)
		zcs_policy_touched(bo, what);
	zcs_bo_put_later(bo);
}

/* -- touches */

/* Serves the touches that were parked while this thread waited. */
static void end_waiting(struct turn *t)
{
	while (t->may_wait) {
		struct zcs_parked *parked = zcs_toucher_waited(t->dev);

		if (parked) {
			serve_touch(t, parked->bo, &parked->event);
			atomic_fetch_sub(&t->dev->busy_touchers, 1);
			free(parked);
		} else {
			t->may_wait = false;
			if (t->dev->fetch_held)
				zcs_fetch_hold(t->dev, false);
		}
	}
}

/*
 * Notes a touch beyond a bo or after its last put. The toucher cannot be given a page, and sleeps
 * until the address belongs to a bo again. Logged at each power of two.
 */
static void note_stray(struct zcs_device *dev, uintptr_t addr)
{
	uint64_t n = atomic_fetch_add(&dev->strays, 1) + 1;

	if (!(n & (n - 1)))
		zcs_warn("touch of %p: no bo is there (beyond its end, or after its put); the "
			 "thread sleeps",
			 (void *)addr);
}

static void handle(struct turn *t, const struct zcs_sys_touch *touch, uint64_t asked_ns)
{
	struct zcs_tt_event event = { .asked_ns = asked_ns, .write = touch->write };
	struct zcs_bo *bo = zcs_bo_find(t->dev, touch->addr);

	if (!bo) {
		note_stray(t->dev, touch->addr);
		return;
	}
	event.index = (touch->addr - bo->start) / ZCS_PAGE_SIZE;
	serve_touch(t, bo, &event);
	end_waiting(t);
}

/*
 * Serves the events of one arena, also those that come within SPIN_NS. No other thread is woken for
 * them meanwhile: it would find nothing, on the CPU that the toucher needs. The turn ends once it
 * is shared.
 */
static void serve_arena(struct zcs_device *dev, struct zcs_arena *arena)
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

/* Serves the prefetch queue. A prefetch waits, so none begins while too many threads wait. */
static void serve_fetch(struct zcs_device *dev)
{
	struct turn turn = { .dev = dev, .shared = true };

	if (!slow(&turn, true)) {
		zcs_fetch_hold(dev, true);
		/* the threads that waited may all have gone on just before */
		if (!slow(&turn, true))
			return;
		zcs_fetch_hold(dev, false);
	}
	zcs_fetch_one(dev);
	end_waiting(&turn);
}

/* -- threads */

void *zcs_touch_run(void *arg)
{
	struct zcs_device *dev = arg;

	zcs_sys_own_thread("zcs-touch");
	while (!dev->stop) {
		void *what = NULL;

		if (!zcs_sys_epoll_wait(dev->epfd, -1, &what) || dev->stop)
			continue;
		atomic_fetch_add(&dev->busy_touchers, 1);
		if (what == dev)
			serve_fetch(dev);
		else if (what)
			serve_arena(dev, what);
		atomic_fetch_sub(&dev->busy_touchers, 1);
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

	return err ? err : zcs_touchers_start(dev);
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
