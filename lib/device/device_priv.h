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
#include "tt/tt_priv.h"

#define ZCS_FAULT_THREADS 3u /* to begin with */
#define ZCS_TOUCHERS_MAX  32u

struct zcs_store;

/*-
 * Where a bo is in the LRU; policy.c has the picture of who moves it:
 *
 *	ACTIVE	  mapped, as far as known in use. Oldest first
 *	FRESH	  mapped, had to be read again, and not known to be wanted twice. Oldest first
 *	INACTIVE  zapped and inserted, not written. A touch costs a few us and brings the bo back to
 *		  ACTIVE; silence makes it a victim
 *	OUT	  evicted: nothing to gain. TTM's unevictable list
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
 * @lock: innermost: nothing is locked under it
 * @list: by list and priority; OUT uses priority 0
 * @moves: counts arrivals in lists; @count: bos in lists; @inactive: pages of those in INACTIVE, of
 *	their size, by priority
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
 * @life: of the process that made it (life.h)
 * @refs: users; walkers and fault threads hold one while they work
 * @start, @end: addresses
 * @lru, @place, @moved: under the LRU's lock: node, list, the LRU's @moves when it came to this
 *	place
 * @priority, @purgeable, @pins: under the LRU's lock as well
 * @purged: content was dropped and the owner has not asked since
 * @bulk, @in_bulk: the bulk it belongs to
 * @probed_ns: when it was made INACTIVE; @touched_ns: when it was last restored on touch
 * @failing: its last touch could be neither resolved nor poisoned, and somebody was told
 * @fetch, @fetching, @fetch_at: node in the prefetch queue (which holds a reference); in it, or in
 *	the hands of a fetcher; the slot that is next
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
 * @life: of the process that made it (life.h)
 * @refs: the creator and each bo
 * @tree: bos by address (tsearch), under @tree_lock
 * @low, @high: pages; 0: no limit of our own
 * @cap, @cap_until: after a pressure event: what may be resident, until when; 0: no pressure
 * @epfd: userfaultfds of the arenas in use, and the prefetch event; @arenas: those in it, by slot
 * @fetch_lock: protects @fetch, @fetchers (fault threads that restore for it) and @fetch_set (the
 *	event is set)
 * @fetch_held: no thread may wait for a prefetch now
 * @dead_lock, @dead: bos whose last reference was dropped where they could not be destroyed
 * @psi, @psi_error: triggers of pressure, -1: none, and why
 * @event: wakes the background thread; @awake: it is set
 * @work_lock: held by the background thread while it works
 * @room: signalled, under @room_lock, when the background thread has freed something; @pace: when a
 *	touch waits for room, of which there are @hurry
 * @freed: pages that the background thread freed without I/O
 * @changes: counts what may make something evictable; @vain: its value when the background thread
 *	last found that nothing is, with @vain_slots bytes of free slots, at @vain_ns
 * @hot_pages, @hot_until_ns: so much may be resident until then, for all of it is in use
 * @toucher_lock: protects @toucher, @nr_touchers, @waiting (fault threads that may wait) and
 *	@parked
 * @refused: the store's refusals for want of a run of slots when it was last looked at
 * @policy: never NULL; @hitless: probes since the last touch of a bo that was in memory still
 * @busy_touchers: fault threads with work in hand. A toucher goes on before its touch is counted and
 *	its bo placed
 * @limit_failed: times that nothing could be evicted, over the limit
 * @over_no_space, @over_failed, @over_said: the background thread's: the store's refusals and
 *	failed writes that were seen then, and the reasons that were said
 * @over_changes: the background thread's: @changes when it last said that nothing goes
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
 * Where a bo belongs that had to be read again: FRESH, or ACTIVE if it is there, or was OUT and
 * @keep.
 */
void zcs_lru_read_again(struct zcs_bo *bo, bool keep);
void zcs_lru_remove(struct zcs_bo *bo);
/* A pinned bo is off the LRU. Who takes pages away looks at the pins with the tt's lock held. */
void zcs_lru_pin(struct zcs_bo *bo);
/* True if it was pinned; the last unpin puts it at the tail. */
bool zcs_lru_unpin(struct zcs_bo *bo);
unsigned zcs_lru_pins(struct zcs_bo *bo);
void zcs_lru_set_priority(struct zcs_bo *bo, unsigned priority);
/*
 * Calls @fn for each bo of a list of a priority, oldest first, until the sum of what it returns
 * reaches
 * @target. Each bo is met once, whatever happens to it meanwhile. Negative values do not count, and
 *	the bo
 * stays where it is. Returns the sum.
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
/* Drops a reference where the bo cannot be destroyed. */
void zcs_bo_put_later(struct zcs_bo *bo);
void zcs_bo_destroy_dead(struct zcs_device *dev);

/* -- touchers.c */
/*
 * struct zcs_parked - a touch that has to wait, and no thread may
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
 * Whether this fault thread may wait, for there is another; then zcs_toucher_waited() is due, until
 * it returns NULL.
 */
bool zcs_toucher_may_wait(struct zcs_device *dev);
/* A touch that was parked, for the caller, who may go on waiting, to free; or NULL. */
struct zcs_parked *zcs_toucher_waited(struct zcs_device *dev);
/*
 * Takes over the caller's reference; false: not parked, there is no memory, or again a thread that
 * may wait.
 */
bool zcs_toucher_park(struct zcs_bo *bo, const struct zcs_tt_event *event);

/* -- room.c */
/* Whether a touch that needs memory should wait, and not in vain. */
bool zcs_room_is_short(struct zcs_device *dev);
/* Waits until it is not short any more, a second at most; nothing may be locked. */
void zcs_room_wait_for(struct zcs_device *dev, struct zcs_bo *bo);
/* Waits until the background thread has freed something, some milliseconds at most. */
void zcs_room_wait(struct zcs_device *dev);
/* Something may be evictable that was not. */
void zcs_room_changed(struct zcs_device *dev);
/* Pages that were freed in all; to see whether a stretch of work brought anything. */
uint64_t zcs_room_freed(struct zcs_device *dev);
/* Something was freed: it is not in vain any more. */
void zcs_room_note_progress(struct zcs_device *dev);
/* Nothing was evictable; @changes: the device's from before it was tried. */
void zcs_room_note_vain(struct zcs_device *dev, uint64_t changes);
bool zcs_room_in_vain(struct zcs_device *dev);
/* Whether the background thread should try again. */
bool zcs_room_may_try(struct zcs_device *dev);
/* Tells those who wait. */
void zcs_room_tell(struct zcs_device *dev);
/* The background thread between two rounds: less than @us if somebody begins to wait. */
void zcs_room_pause(struct zcs_device *dev, unsigned us);
/* Whether somebody waits, and nothing is being written that could make room. */
bool zcs_room_is_urgent(struct zcs_device *dev);

/* -- touch.c */
int zcs_touch_start(struct zcs_device *dev);
/* What a fault thread does; @dev is the device. */
void *zcs_touch_run(void *dev);
/* Makes the fault threads serve an arena. */
int zcs_touch_serve(struct zcs_device *dev, struct zcs_arena *arena);

/* -- fetch.c */
/* Queues a bo to be restored; it is restored from its beginning, if it was queued already. */
void zcs_fetch_bo(struct zcs_bo *bo);
/* No prefetch is begun while too many fault threads wait. */
void zcs_fetch_hold(struct zcs_device *dev, bool held);
/* Restores a folio of the first bo in the queue; may sleep. On a fault thread. */
void zcs_fetch_one(struct zcs_device *dev);

/* -- evict.c */
/*
 * Takes a bo's pages away, and moves it to where it then belongs in the LRU. Context: nothing locked;
 * may sleep in the tt's lock, unless @ctx forbids it. Return: pages; -EBUSY: pinned, or the lock is
 * held and @ctx may not wait; or as zcs_tt_backup().
 */
int64_t zcs_evict_bo(struct zcs_bo *bo, uint32_t flags, const struct zcs_ctx *ctx);

/* Bos that a walk passes over: those probed after @probed_ns, and touched after @touched_ns. */
struct zcs_spare {
	uint64_t probed_ns, touched_ns;
};

/*
 * For zcs_lru_walk(). Context: any lock of another tt and its backup may be held; they try the bo's
 * lock and do not sleep. Return: pages, or -EBUSY: the bo stays where it is.
 */
int64_t zcs_evict_purge(struct zcs_bo *bo, void *unused);
int64_t zcs_evict_clean(struct zcs_bo *bo, void *spare);
/* @wanted: a uint64_t, pages that are wanted still */
int64_t zcs_evict_kept(struct zcs_bo *bo, void *wanted);
int64_t zcs_evict_probe(struct zcs_bo *bo, void *spare);
int64_t zcs_evict_write(struct zcs_bo *bo, void *spare);
/* Of a bo in OUT: pages are in memory, for a write failed or found no room, or a touch came. 1: moved */
int64_t zcs_evict_reconsider(struct zcs_bo *bo, void *unused);
/* The store forgets its copies of clean pages: they leave memory only by another write. */
void zcs_evict_forget_copies(struct zcs_bo *bo);

/* -- policy.c */
/*
 * struct zcs_policy - numbers that decide which bos go
 * @silence_ns: a bo that was probed is a victim if it was not touched for so long
 * @quiet_ns: a FRESH bo that was touched so recently is being restored piece by piece, and is not
 *	probed: the next piece would say that it is in use
 * @watched_part: of what may be resident, one part in so many is kept INACTIVE
 * @hitless_probes, @hitless_part: after so many probes without a touch of a bo that is in memory,
 *	the watched part is smaller, by this factor
 * @age_one_in: so rarely the oldest ACTIVE bo is probed before the FRESH ones
 * @keep_one_in: so rarely a bo that was read again becomes ACTIVE at once
 */
struct zcs_policy {
	uint64_t silence_ns, quiet_ns, watched_part, hitless_probes, hitless_part;
	uint64_t age_one_in, keep_one_in;
};
extern const struct zcs_policy zcs_policy_default;

/* A touch of the bo was served: where it belongs now. Context: nothing locked; does not sleep. */
void zcs_policy_touched(struct zcs_bo *bo, enum zcs_touch what);
/*
 * Free about @pages pages without I/O, or begin to write so many. @patient: bos that were probed just
 * now are spared. @stuck: sparing brought nothing for a while. Context: signals held, nothing locked;
 * do not wait for writes. zcs_policy_free_clean(): also under the locks of a tt and its backup, purges
 * nothing. Return: pages that are free, or will be when the writes ended.
 */
uint64_t zcs_policy_free_clean(struct zcs_device *dev, uint64_t pages);
uint64_t zcs_policy_free(struct zcs_device *dev, uint64_t pages, bool patient);
uint64_t zcs_policy_write_now(struct zcs_device *dev, uint64_t pages);
uint64_t zcs_policy_write_silent(struct zcs_device *dev, uint64_t pages, bool stuck);
/* Looks for bos in OUT that have pages in memory; how many it moved. */
uint64_t zcs_policy_reconsider(struct zcs_device *dev);

/* -- reclaim.c */
/*
 * Frees pages. Context: no lock held; sleeps until writes ended, if @writeback, 5 s at most. Return:
 * pages; *interrupted, unless NULL, is set if a signal ended the waiting.
 */
uint64_t zcs_reclaim_pages(struct zcs_device *dev, uint64_t pages, bool writeback,
			   bool *interrupted);
/*
 * Room in the store for @pages pages, as far as clean pages of pinned bos keep copies there. Such a
 * copy lets a page go again without I/O, but a pinned bo's pages cannot go. The copies of other bos
 * stay: their pages can go at once.
 */
void zcs_reclaim_store(struct zcs_device *dev, uint64_t pages);
/* Whether something is left that might be evicted, now or when its lock is free. */
bool zcs_reclaim_may(struct zcs_device *dev);
/* The pool's hook: frees without waiting, whatever the caller holds. */
int64_t zcs_reclaim_hook(void *arg, uint64_t nr_pages);

/* -- background.c */
int zcs_background_start(struct zcs_device *dev);
void zcs_background_stop(struct zcs_device *dev);
/* Wakes the background thread, from any thread; does not sleep. */
void zcs_background_wake(struct zcs_device *dev);
/* What the background thread does on a pressure event. */
void zcs_background_on_pressure(struct zcs_device *dev, enum zcs_psi whose);

/* -- pressure.c */
void zcs_pressure_watch(struct zcs_device *dev);
bool zcs_pressure_is_watched(const struct zcs_device *dev);
/* A trigger is gone: tries again. */
void zcs_pressure_lost(struct zcs_device *dev, enum zcs_psi whose);
/* Counts an event, and sets the cap; false: there is room, nothing need be evicted. */
bool zcs_pressure_event(struct zcs_device *dev, enum zcs_psi whose);
/* Whether what is resident has grown over the cap of the last event, if that still holds. */
bool zcs_pressure_is_over_cap(struct zcs_device *dev);

/* -- over.c */
/* Pages over the pool's limit. */
uint64_t zcs_over_pages(const struct zcs_device *dev);
/* On the background thread: over the limit, and nothing can be evicted. */
void zcs_over_note(struct zcs_device *dev);

/* -- device.c */
/* A number, another one each time; by any thread, without a lock. */
uint64_t zcs_device_random(struct zcs_device *dev);
void zcs_device_get(struct zcs_device *dev);
/*
 * The last reference frees the device; on the background thread it ends that thread's loop instead.
 */
void zcs_device_unref(struct zcs_device *dev);

#endif
