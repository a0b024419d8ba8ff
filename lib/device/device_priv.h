/* SPDX-License-Identifier: MIT */
#ifndef ZCS_LIB_DEVICE_PRIV_H
#define ZCS_LIB_DEVICE_PRIV_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include <zcswap/bo.h>

#include "sys/sys.h"
#include "tt/tt.h"

#define ZCS_FAULT_THREADS 3u /* threads at the start */
#define ZCS_TOUCHERS_MAX  32u

struct zcs_store;

/*-
 * The list of the LRU that a bo is in; policy.c has the picture of the moves:
 *
 *	ACTIVE	  mapped, and taken to be in use. Oldest first
 *	FRESH	  mapped, had to be read again, and not known to be wanted twice. Oldest first
 *	INACTIVE  zapped and inserted, not written. A touch costs a few us and brings the bo back to
 *		  ACTIVE; silence makes the bo a victim
 *	OUT	  evicted: no page is left to gain. TTM's unevictable list
 *	OFF	  pinned, or being created or destroyed: in no list
 */
enum zcs_lru_list {
	ZCS_LRU_OFF,
	ZCS_LRU_ACTIVE,
	ZCS_LRU_FRESH,
	ZCS_LRU_INACTIVE,
	ZCS_LRU_OUT,
	ZCS_LRU_LISTS
};

TAILQ_HEAD(zcs_lru_head, zcs_bo);

/*
 * struct zcs_lru - every evictable bo of a device
 * @lock: innermost: no other lock is taken under it
 * @list: by list and priority; OUT uses priority 0
 * @moves: counts arrivals in lists
 * @count: bos in lists
 * @inactive: sum of the sizes of the bos in INACTIVE, in pages, by priority
 */
struct zcs_lru {
	pthread_mutex_t lock;
	struct zcs_lru_head list[ZCS_LRU_LISTS][ZCS_PRIORITIES];
	uint64_t moves;
	uint64_t count;
	uint64_t inactive[ZCS_PRIORITIES];
};

struct zcs_touch_stats {
	_Atomic uint64_t touches, ns, empty, resident, read, late, errors, waits;
	_Atomic uint64_t latency[ZCS_LATENCY_BUCKETS];
};

/*
 * struct zcs_bo - a contiguous tt with a place in the LRU
 * @life: of the process that made the bo (life.h)
 * @refs: users; walkers and fault threads hold one while they work
 * @start, @end: addresses
 * @lru: node; this and the members up to @purged are under the LRU's lock
 * @place: list
 * @moved: the LRU's @moves when the bo came to this place
 * @priority, @purgeable, @pins: set by the owner
 * @purged: the content was dropped, and the owner has not asked since
 * @bulk, @in_bulk: the bulk that the bo belongs to
 * @probed_ns: time when the bo became INACTIVE
 * @touched_ns: time of the last restore on touch
 * @failing: the last touch failed and could not be poisoned; already logged
 * @fetch: node in the prefetch queue, which holds a reference
 * @fetching: in that queue, or taken by a fault thread that restores it
 * @fetch_at: the next slot to restore
 * @dead: node in the list of bos that the background thread destroys
 */
struct zcs_bo {
	uint64_t life;
	struct zcs_device *device;
	struct zcs_tt *tt;
	_Atomic uint64_t refs;
	uintptr_t start, end;
	TAILQ_ENTRY(zcs_bo) lru;
	enum zcs_lru_list place;
	uint64_t moved;
	unsigned priority, pins;
	bool purgeable, purged;
	struct zcs_bulk *bulk;
	TAILQ_ENTRY(zcs_bo) in_bulk;
	_Atomic uint64_t probed_ns, touched_ns;
	atomic_bool failing;
	TAILQ_ENTRY(zcs_bo) fetch;
	bool fetching;
	uint64_t fetch_at;
	SLIST_ENTRY(zcs_bo) dead;
	struct zcs_touch_stats stats;
};

struct zcs_bulk {
	uint64_t life;
	struct zcs_device *device;
	TAILQ_HEAD(, zcs_bo) members;
};

/*
 * struct zcs_device - pool, store, LRU, policy
 * @life: of the process that made the device (life.h)
 * @refs: the creator and each bo
 * @tree: bos by address (tsearch), under @tree_lock
 * @low, @high: water marks in pages; 0: the pool has no limit
 * @cap, @cap_until: pages that may be resident after a pressure event, and until when; 0: no
 *	pressure
 * @arm_lock: protects @armed
 * @epfd: userfaultfds of the arenas in use, the prefetch event and @stop_event
 * @armed: arenas whose userfaultfd is in @epfd, by slot
 * @no_touch: an arena has no userfaultfd: its bos are not restored on touch
 * @kernel_touch: touches by system calls are restored too
 * @fetch_lock: protects @fetch, @fetchers and @fetch_set
 * @fetch: bos to restore
 * @fetchers: fault threads that restore for @fetch
 * @fetch_set: @fetch_event is set
 * @fetch_held: no thread may wait for a prefetch now
 * @dead_lock, @dead: bos whose last reference was dropped where they could not be destroyed
 * @event: wakes the background thread
 * @awake: @event is set
 * @psi, @psi_error: triggers of pressure; -1: no trigger, and why
 * @work_lock: held by the background thread while it works
 * @room_lock: protects @hurry and the two conditions
 * @room: the background thread has freed pages
 * @pace: a touch has begun to wait for room
 * @hurry: touches that wait for room
 * @freed: pages that the background thread freed without I/O
 * @changes: counts events that may make a page evictable
 * @vain, @vain_slots, @vain_ns: @changes, free bytes of the store and time when the background
 *	thread last found nothing evictable
 * @hot_pages, @hot_until_ns: pages that may be resident until then, for all of them are in use
 * @toucher_lock: protects @toucher, @nr_touchers, @waiting and @parked
 * @waiting: fault threads that may wait
 * @busy_touchers: fault threads with a touch to finish. A toucher goes on before its touch is
 *	counted and its bo placed
 * @policy: never NULL
 * @refused: the store's count of blocks without a run of slots, at the last look
 * @hitless: probes since the last touch of a bo that was still in memory
 * @limit_failed: times that no page could be evicted over the limit
 * @over_no_space, @over_failed: the store's refusals and failed writes at the last look; the
 *	background thread's
 * @over_said: reasons that were logged; the background thread's
 * @over_changes: @changes when the background thread last found that no page can go
 */
struct zcs_device {
	uint64_t life;
	_Atomic uint64_t refs;
	struct zcs_pool *pool;
	struct zcs_store *store;
	struct zcs_lru lru;
	pthread_rwlock_t tree_lock;
	void *tree;
	uint64_t low, high;
	_Atomic uint64_t cap, cap_until;
	pthread_mutex_t arm_lock;
	int epfd;
	bool armed[ZCS_MAX_SLOTS];
	atomic_bool no_touch, kernel_touch;
	pthread_mutex_t fetch_lock;
	struct zcs_lru_head fetch;
	int fetch_event;
	bool fetch_set;
	unsigned fetchers;
	pthread_mutex_t dead_lock;
	SLIST_HEAD(, zcs_bo) dead;
	atomic_bool fetch_held;
	int event, stop_event;
	atomic_bool awake, stop;
	_Atomic int psi[ZCS_PSI_NR], psi_error[ZCS_PSI_NR];
	pthread_mutex_t work_lock;
	pthread_mutex_t room_lock;
	pthread_cond_t room, pace;
	unsigned hurry;
	_Atomic uint64_t freed, changes, vain, vain_slots, vain_ns, hot_pages, hot_until_ns;
	pthread_t background;
	pthread_mutex_t toucher_lock;
	pthread_t toucher[ZCS_TOUCHERS_MAX];
	unsigned nr_touchers, waiting;
	STAILQ_HEAD(, zcs_parked) parked;
	_Atomic unsigned busy_touchers;
	bool has_background;
	const struct zcs_policy *policy;
	_Atomic uint64_t random, refused, hitless;
	_Atomic uint64_t bos, bytes, pinned, purgeables;
	struct zcs_touch_stats stats;
	_Atomic uint64_t evicted, probes, purged, reclaims, rounds, psi_events, psi_ignored, strays,
		contended;
	_Atomic uint64_t bad_unpins, limit_failed;
	uint64_t over_no_space, over_failed, over_changes;
	unsigned over_said;
};

#define zcs_count(counter) atomic_fetch_add_explicit(&(counter), 1, memory_order_relaxed)

/* -- lru.c */
void zcs_lru_init(struct zcs_lru *lru);
static inline void zcs_lru_lock(struct zcs_lru *lru)
{
	zcs_sys_hold_signals();
	pthread_mutex_lock(&lru->lock);
}

static inline void zcs_lru_unlock(struct zcs_lru *lru)
{
	pthread_mutex_unlock(&lru->lock);
	zcs_sys_let_signals();
}

/* Moves a bo to a list's tail, unless it is pinned (then it stays off). */
void zcs_lru_move(struct zcs_bo *bo, enum zcs_lru_list place);
/*
 * Places a bo that had to be read again in FRESH. It stays in ACTIVE if it is there, and becomes
 * ACTIVE if it was OUT and @keep.
 */
void zcs_lru_read_again(struct zcs_bo *bo, bool keep);
void zcs_lru_remove(struct zcs_bo *bo);
/*
 * Pins a bo, which leaves the LRU. A step that takes pages away checks the pins with the tt's lock
 * held.
 */
void zcs_lru_pin(struct zcs_bo *bo);
/* Unpins a bo; the last unpin puts it at the tail of ACTIVE. Return: false: it was not pinned. */
bool zcs_lru_unpin(struct zcs_bo *bo);
unsigned zcs_lru_pins(struct zcs_bo *bo);
void zcs_lru_set_priority(struct zcs_bo *bo, unsigned priority);
/*
 * Calls @fn for each bo of a list and priority, oldest first, until the sum of the results reaches
 * @target. Each bo is met once, whatever happens to it meanwhile. A negative result does not count,
 *	and leaves the bo where it is.
 *
 * Context: no LRU lock; @fn runs without it, on a reference. Return: the sum.
 */
uint64_t zcs_lru_walk_one(struct zcs_device *dev, enum zcs_lru_list place, unsigned priority,
			  uint64_t target, int64_t (*fn)(struct zcs_bo *bo, void *arg), void *arg);
/* The same for one priority after the other. */
uint64_t zcs_lru_walk(struct zcs_device *dev, enum zcs_lru_list place, uint64_t target,
		      int64_t (*fn)(struct zcs_bo *bo, void *arg), void *arg);
uint64_t zcs_lru_count(struct zcs_lru *lru);
uint64_t zcs_lru_inactive(struct zcs_lru *lru, unsigned priority);
/* Whether nothing is in ACTIVE, FRESH or INACTIVE. */
bool zcs_lru_is_idle(struct zcs_lru *lru);
int zcs_lru_check(struct zcs_device *dev);

/* -- bo.c */
struct zcs_bo *zcs_bo_find(struct zcs_device *dev, uintptr_t addr);
/*
 * Drops a reference where the bo cannot be destroyed; the background thread destroys it. Context:
 * any lock of a tt; does not sleep.
 */
void zcs_bo_put_later(struct zcs_bo *bo);
void zcs_bo_destroy_dead(struct zcs_device *dev);

/* -- touchers.c */
/*
 * struct zcs_parked - a touch that has to wait while no fault thread may
 * @bo: with a reference
 */
struct zcs_parked {
	struct zcs_bo *bo;
	struct zcs_tt_event event;
	STAILQ_ENTRY(zcs_parked) next;
};
int zcs_touchers_start(struct zcs_device *dev);
/* Ends all threads of the device that look at @stop, and waits for the fault threads. */
void zcs_touchers_stop(struct zcs_device *dev);
/* Whether the caller is one of the device's fault threads. */
bool zcs_touchers_are_me(struct zcs_device *dev);
/*
 * Whether this fault thread may wait, because another one is left to serve. Then the caller must
 * call zcs_toucher_waited() until that returns NULL. May make a thread.
 */
bool zcs_toucher_may_wait(struct zcs_device *dev);
/*
 * Ends a wait, or takes a parked touch. Return: a parked touch that the caller serves and frees,
 * and the caller may still wait; NULL: no touch is parked.
 */
struct zcs_parked *zcs_toucher_waited(struct zcs_device *dev);
/*
 * Parks a touch. Return: true: the caller's reference is taken over; false: not parked, because
 * memory is short or a thread may wait again.
 */
bool zcs_toucher_park(struct zcs_bo *bo, const struct zcs_tt_event *event);

/* -- room.c */
/* Whether a touch that needs memory should wait, and can hope for room. */
bool zcs_room_is_short(struct zcs_device *dev);
/* Waits until room is no longer short, at most a second. Context: no lock held; sleeps. */
void zcs_room_wait_for(struct zcs_device *dev, struct zcs_bo *bo);
/*
 * Waits until the background thread has freed pages, at most some milliseconds. Context: no lock
 * held; sleeps.
 */
void zcs_room_wait(struct zcs_device *dev);
/* Notes that a page may be evictable that was not before. */
void zcs_room_changed(struct zcs_device *dev);
/* Pages freed in all. A caller compares two values to learn whether its work freed any. */
uint64_t zcs_room_freed(struct zcs_device *dev);
/* Notes that pages were freed, so that waiting is no longer in vain. */
void zcs_room_note_progress(struct zcs_device *dev);
/* Notes that no page was evictable; @changes is the device's from before the attempt. */
void zcs_room_note_vain(struct zcs_device *dev, uint64_t changes);
bool zcs_room_in_vain(struct zcs_device *dev);
/* Whether the background thread should try again. */
bool zcs_room_may_try(struct zcs_device *dev);
/* Wakes the touches that wait for room. */
void zcs_room_tell(struct zcs_device *dev);
/* Pauses the background thread between two rounds: @us, or less if a touch begins to wait. */
void zcs_room_pause(struct zcs_device *dev, unsigned us);
/* Whether a touch waits and no write is under way that could make room. */
bool zcs_room_is_urgent(struct zcs_device *dev);

/* -- touch.c */
int zcs_touch_start(struct zcs_device *dev);
/* The main function of a fault thread; @dev is the device. */
void *zcs_touch_run(void *dev);
/* Makes the fault threads serve an arena. */
int zcs_touch_serve(struct zcs_device *dev, struct zcs_arena *arena);

/* -- fetch.c */
/* Queues a bo to be restored. A bo that is queued already is restored from its beginning. */
void zcs_fetch_bo(struct zcs_bo *bo);
/* Begins no prefetch while @held: too many fault threads wait. */
void zcs_fetch_hold(struct zcs_device *dev, bool held);
/* Restores a folio of the first bo in the queue; may sleep. On a fault thread. */
void zcs_fetch_one(struct zcs_device *dev);

/* -- evict.c */
/*
 * Takes a bo's pages away, and moves the bo to its new place in the LRU. Context: no lock held; may
 * sleep in the tt's lock, unless @ctx forbids it. Return: pages; -EBUSY: pinned, or the lock is
 * held and @ctx may not wait; or as zcs_tt_backup().
 */
int64_t zcs_evict_bo(struct zcs_bo *bo, uint32_t flags, const struct zcs_ctx *ctx);

/* struct zcs_spare - a walk passes over bos that were probed or touched after these times */
struct zcs_spare {
	uint64_t probed_ns, touched_ns;
};

/*
 * For zcs_lru_walk(). Context: any lock of another tt and its backup may be held; they try the bo's
 * lock and do not sleep. Return: pages, or -EBUSY: the bo stays where it is.
 */
int64_t zcs_evict_purge(struct zcs_bo *bo, void *unused);
int64_t zcs_evict_clean(struct zcs_bo *bo, void *spare);
/* @wanted: a uint64_t, the pages that are still wanted */
int64_t zcs_evict_kept(struct zcs_bo *bo, void *wanted);
int64_t zcs_evict_probe(struct zcs_bo *bo, void *spare);
int64_t zcs_evict_write(struct zcs_bo *bo, void *spare);
/*
 * For a bo in OUT that has pages in memory, because a write failed or found no room, or a touch
 * came. Return: 1: the bo was moved.
 */
int64_t zcs_evict_reconsider(struct zcs_bo *bo, void *unused);
/*
 * Makes the store forget its copies of clean pages, which then need another write to leave memory.
 */
void zcs_evict_forget_copies(struct zcs_bo *bo);

/* -- policy.c */
/*
 * struct zcs_policy - numbers that decide which bos leave memory
 * @silence_ns: a probed bo is a victim if no touch came for so long
 * @quiet_ns: a FRESH bo is not probed for so long after a touch. It is being restored piece by
 *	piece, and the touch of the next piece would make it look in use
 * @watched_part: one part in so many of the resident pages is kept INACTIVE
 * @hitless_probes: probes without a hit before the watched part shrinks
 * @hitless_part: factor by which it shrinks
 * @age_one_in: one time in so many, the oldest ACTIVE bo is probed before the FRESH ones
 * @keep_one_in: one in so many bos that were read again becomes ACTIVE at once
 */
struct zcs_policy {
	uint64_t silence_ns, quiet_ns, watched_part, hitless_probes, hitless_part;
	uint64_t age_one_in, keep_one_in;
};
extern const struct zcs_policy zcs_policy_default;

/* Places a bo whose touch was served. Context: no lock held; does not sleep. */
void zcs_policy_touched(struct zcs_bo *bo, enum zcs_touch what);
/*
 * Free about @pages pages without I/O, or begin to write so many. @patient: spares bos that were
 * probed just now. @stuck: sparing brought no pages for a while.
 *
 * Context: signals held, no lock held; do not wait for writes. zcs_policy_free_clean() may also be
 * called under the locks of a tt and its backup, for it purges nothing. Return: pages that are
 * free, or will be when the writes have ended.
 */
uint64_t zcs_policy_free_clean(struct zcs_device *dev, uint64_t pages);
uint64_t zcs_policy_free(struct zcs_device *dev, uint64_t pages, bool patient);
uint64_t zcs_policy_write_now(struct zcs_device *dev, uint64_t pages);
uint64_t zcs_policy_write_silent(struct zcs_device *dev, uint64_t pages, bool stuck);
/* Looks for bos in OUT that have pages in memory. Return: bos moved. */
uint64_t zcs_policy_reconsider(struct zcs_device *dev);

/* -- reclaim.c */
/*
 * Frees pages. Context: no lock held; with @writeback sleeps until the writes have ended, at most 5
 * s. Return: pages; *@interrupted, unless NULL, is set if a signal ended the wait.
 */
uint64_t zcs_reclaim_pages(struct zcs_device *dev, uint64_t pages, bool writeback,
			   bool *interrupted);
/*
 * Makes room in the store for @pages pages, by giving up copies of clean pages of pinned bos. Such
 * a copy lets a page leave memory without I/O, but the pages of a pinned bo cannot leave. The
 * copies of other bos stay, for their pages can leave at once.
 */
void zcs_reclaim_store(struct zcs_device *dev, uint64_t pages);
/* Whether a page is left that might be evicted, now or when the lock of its bo is free. */
bool zcs_reclaim_may(struct zcs_device *dev);
/*
 * The pool's hook: frees pages without waiting. Context: the caller may hold a tt's lock and its
 * backup's. Return: pages.
 */
int64_t zcs_reclaim_hook(void *arg, uint64_t nr_pages);

/* -- background.c */
int zcs_background_start(struct zcs_device *dev);
void zcs_background_stop(struct zcs_device *dev);
/* Wakes the background thread. Context: any thread and lock; does not sleep. */
void zcs_background_wake(struct zcs_device *dev);
/* Answers a pressure event, on the background thread. */
void zcs_background_on_pressure(struct zcs_device *dev, enum zcs_psi whose);

/* -- pressure.c */
void zcs_pressure_watch(struct zcs_device *dev);
bool zcs_pressure_is_watched(const struct zcs_device *dev);
/* Makes a new trigger for one that is gone. */
void zcs_pressure_lost(struct zcs_device *dev, enum zcs_psi whose);
/*
 * Counts a pressure event and sets the cap. Return: false: memory is not short, no page need be
 * evicted.
 */
bool zcs_pressure_event(struct zcs_device *dev, enum zcs_psi whose);
/*
 * Whether more pages are resident than the cap of the last event allows, if that cap still holds.
 */
bool zcs_pressure_is_over_cap(struct zcs_device *dev);

/* -- over.c */
/* Pages over the pool's limit. */
uint64_t zcs_over_pages(const struct zcs_device *dev);
/* Notes, on the background thread, that the pool is over its limit and no page can be evicted. */
void zcs_over_note(struct zcs_device *dev);

/* -- device.c */
/* A pseudo-random number. Context: any thread; takes no lock. */
uint64_t zcs_device_random(struct zcs_device *dev);
void zcs_device_get(struct zcs_device *dev);
/*
 * Drops a reference; the last one frees the device. On a thread of the device itself, a new thread
 * does that.
 */
void zcs_device_unref(struct zcs_device *dev);

#endif
