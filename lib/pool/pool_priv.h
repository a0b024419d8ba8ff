/* SPDX-License-Identifier: MIT */
#ifndef ZCS_LIB_POOL_PRIV_H
#define ZCS_LIB_POOL_PRIV_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "pool.h"

LIST_HEAD(zcs_ahead_list, zcs_ahead);
LIST_HEAD(zcs_flying_list, zcs_flying);

/*
 * How far a shard's cached pages may differ from the pool's estimate, so that puts share no line.
 */
#define ZCS_DRIFT 512

/* Free folios of one order and node in one shard: page numbers, last in first out. */
struct zcs_stack {
	uint32_t *entry;
	uint32_t nr;
};

/*
 * struct zcs_shard - the part of a pool that threads on one CPU use
 * @lock: protects all members but @inserted
 * @stack: cached folios by node and order, [node * ZCS_ORDERS + order]
 * @out: folios handed out and not given back, the same shape; negative if other threads gave them
 *	back here
 * @inserted: folios that went to backups, the same shape; active == out - inserted
 * @cached_pages: pages in @stack
 * @drift: of those, not yet in the pool's estimate
 * @counters: events
 *
 * Two threads on two CPUs never touch the same line on the fast path. Values are written under the
 * lock and read without it, hence atomic and relaxed.
 */
struct zcs_shard {
	pthread_mutex_t lock;
	_Atomic uint64_t cached_pages;
	int64_t drift;
	struct zcs_stack *stack;
	_Atomic int64_t *out;
	_Atomic int64_t *inserted;
	_Atomic uint64_t counters[ZCS_COUNT_NR];
} __attribute__((aligned(64)));

/*
 * struct zcs_pool - folios over arenas
 * @shown: the part that other rooms may read
 * @refs: creator, tts, bound backups; at 0 the pool is a zombie until its last folio comes back
 * @zombie: no references left; set with every shard locked
 * @zombie_folios: folios that a zombie still waits for
 * @nr_nodes, @node: topology when created; @node -1: the caller's
 * @outside: the only arena is over a file of the program: slot 0
 * @grow: held while an arena is made
 * @shrinkers: held shared by a running shrinker, exclusively by destroy
 * @next_order: the type that the shrinker visits next
 * @cached_estimate: cached pages, out by less than ZCS_DRIFT a shard
 * @leaving: cached and kept pages that are being given back to the system
 * @flying: writes of pages that were taken back meanwhile; these pages are not punched before the
 *	writes have ended
 * @nr_flying: entries of @flying
 * @wait_lock: protects @flying; taken last
 * @changed, @waiters: see pool_wait.c; signalled under @wait_lock
 * @home: pages (struct zcs_pool_stats)
 * @reserve_holes: pages of homes that are holes and will be filled from a reserve of the system
 * @ahead: pages that backups have read ahead, or are reading
 * @ahead_ended: generation number, bumped whenever read-ahead pages are taken or freed
 * @ahead_list: the backups that read ahead, under @ahead_lock
 * @overshot: pages that were taken over @max_pages for a touch
 * @wake_pages, @wake, @reclaim: see zcs_pool_set_hooks()
 */
struct zcs_pool {
	struct zcs_pool_shown shown;
	_Atomic uint64_t leaving, nr_flying, home, reserve_holes;
	_Atomic uint64_t refs;
	atomic_bool zombie;
	_Atomic int64_t zombie_folios;
	int nr_nodes, node;
	enum zcs_backing backing;
	unsigned beneficial_order;
	uint64_t cache_pages;
	bool outside;
	pthread_mutex_t grow;
	pthread_rwlock_t shrinkers;
	_Atomic unsigned next_order;
	_Atomic int64_t cached_estimate;
	_Atomic uint64_t ahead, ahead_ended;
	pthread_mutex_t ahead_lock;
	struct zcs_ahead_list ahead_list;
	pthread_mutex_t wait_lock;
	pthread_cond_t changed;
	_Atomic unsigned waiters;
	struct zcs_flying_list flying;
	_Atomic uint64_t overshot;
	uint64_t wake_pages;
	zcs_pool_wake_fn *wake;
	zcs_pool_reclaim_fn *reclaim;
	void *reclaim_arg;
	void *stacks;
	size_t stacks_bytes;
	uint32_t stack_room[ZCS_ORDERS];
	unsigned nr_shards;
	struct zcs_shard *shard;
};

/* -- pool.c: life, folios, counting */
struct zcs_shard *zcs_pool_shard(struct zcs_pool *pool);
/* The node that an allocation starts with. */
int zcs_pool_local_node(const struct zcs_pool *pool);

static inline size_t zcs_type(int node, unsigned order)
{
	return (size_t)node * ZCS_ORDERS + order;
}

/* -- pool_mem.c: memory and the limit */
int zcs_pool_arena(struct zcs_pool *pool, int node, enum zcs_arena_kind kind,
		   struct zcs_arena **arena);
bool zcs_pool_effort(const struct zcs_pool *pool, unsigned order);
/* ZCS_POPULATE_* for a folio of @order. */
uint32_t zcs_pool_populate_flags(const struct zcs_pool *pool, unsigned order,
				 const struct zcs_request *req);
int zcs_pool_new_folio(struct zcs_pool *pool, int node, unsigned order,
		       const struct zcs_request *req, struct zcs_folio **folio);
/* Punches a folio's memory and uncharges it. If it cannot be punched it is zeroed, and counted. */
void zcs_pool_punch(struct zcs_pool *pool, struct zcs_folio *folio);
/* The same, and its pfns become free address space: BUSY -> FREE. */
void zcs_pool_free_folio(struct zcs_pool *pool, struct zcs_folio *folio);

/* -- pool_kinds.c */
/* struct zcs_kinds - kinds to try from @best on, in the order of enum zcs_arena_kind, to @last */
struct zcs_kinds {
	enum zcs_arena_kind best, last;
};
struct zcs_kinds zcs_kinds_for_folio(const struct zcs_pool *pool, unsigned order);
/* For a home of @nr pages. */
struct zcs_kinds zcs_kinds_for_home(const struct zcs_pool *pool, uint64_t nr);
/* For a file of the program. */
enum zcs_arena_kind zcs_kind_for_file(enum zcs_backing backing, bool huge_pages);

/* -- pool_cache.c: the shards' stacks */
/*
 * Puts a folio in a stack. @was_out: it had been handed out, and is counted in the same step.
 * Return: false: no room, nothing done.
 */
bool zcs_cache_push(struct zcs_pool *pool, struct zcs_folio *folio, bool was_out);
/* Pages by which @nr more cached pages would pass the pool's cache limit. */
uint64_t zcs_cache_excess(struct zcs_pool *pool, uint64_t nr);
struct zcs_folio *zcs_cache_pop(struct zcs_pool *pool, int node, unsigned order);
/*
 * Takes a particular folio out of its stack; it is BUSY then. Return: false: another thread has it.
 */
bool zcs_cache_remove(struct zcs_pool *pool, struct zcs_folio *folio);

/* -- for a shard's owner: plain additions that others may read */
#define zcs_bump(p, n)                                                                    \
	atomic_store_explicit((p), atomic_load_explicit((p), memory_order_relaxed) + (n), \
			      memory_order_relaxed)

/* -- pool_wait.c */
void zcs_pool_wait_init(struct zcs_pool *pool);
void zcs_pool_wait_fini(struct zcs_pool *pool);
/*
 * Sleeps if @must says so, until zcs_pool_tell() or for @ns, if that is not 0. @must runs under the
 * pool's wait lock. Context: any lock but that one may be held. The caller looks again, and loops.
 */
void zcs_pool_wait(struct zcs_pool *pool, bool (*must)(struct zcs_pool *pool, const void *arg),
		   const void *arg, uint64_t ns);
/* Something changed that a thread may wait for. Context: any lock but the wait lock. */
void zcs_pool_tell(struct zcs_pool *pool);
/* Sleeps until no abandoned write of the folio's memory, or none at all, is under way. */
void zcs_pool_wait_landed(struct zcs_pool *pool, struct zcs_folio *folio);
void zcs_pool_wait_all_landed(struct zcs_pool *pool);

#endif
