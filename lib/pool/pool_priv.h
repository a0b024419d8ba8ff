/* SPDX-License-Identifier: MIT */
#ifndef ZCS_LIB_POOL_PRIV_H
#define ZCS_LIB_POOL_PRIV_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include <zcswap/pool.h>

#include "arena/arena.h"
#include "common/life.h"

#define ZCS_ORDERS    (ZCS_MAX_ORDER + 1)
#define ZCS_MAX_NODES 64
#define ZCS_MAX_SLOTS (ZCS_MAX_NODES * ZCS_ARENA_KINDS)

/* Page numbers of a pool, over all its arenas: 1 and up to here as a table entry (table.h). */
#define ZCS_POOL_PAGES_MAX UINT64_C(0xc0000000)

/*
 * How far a shard's cached pages may be from what the pool's estimate says, so that puts share no
 * line.
 */
#define ZCS_DRIFT 512

/* Free folios of one order and node in one shard: page numbers, last in first out. */
struct zcs_stack {
	uint32_t *entry;
	uint32_t nr;
};

/*
 * struct zcs_shard - the part of a pool that threads on one CPU use
 * @lock: protects everything but @inserted
 * @stack: cached folios by node and order, [node * ZCS_ORDERS + order]
 * @out: folios handed out and not given back, the same shape; negative if others gave them back
 *	here
 * @inserted: folios that went to backups, the same shape; active == out - inserted
 * @cached_pages: pages in @stack; @drift: of those, not yet in the pool's estimate
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
 * struct zcs_ahead - a backup that reads ahead, to its pool
 * @node, @listed: in the pool's list; written with the backup's lock held
 * @pages: read ahead, or being read, and not asked for
 * @give_up: frees some without waiting, and returns how many pages; no backup's lock is held, or
 *	wanted
 */
struct zcs_ahead {
	LIST_ENTRY(zcs_ahead) node;
	bool listed;
	_Atomic uint64_t pages;
	uint64_t (*give_up)(struct zcs_ahead *ahead);
};

LIST_HEAD(zcs_ahead_list, zcs_ahead);

/* Memory that a device may still read although it was taken back. */
struct zcs_flying {
	const char *addr;
	size_t bytes;
	LIST_ENTRY(zcs_flying) link;
};

LIST_HEAD(zcs_flying_list, zcs_flying);

/*
 * struct zcs_pool - folios over arenas
 * @life: of the process that made it (life.h)
 * @refs: creator, tts, bound backups; at 0 the pool is a zombie until its last folio comes back
 * @zombie: no references left; set with every shard locked
 * @zombie_folios: folios that a zombie still waits for
 * @nr_nodes, @node: topology when created; @node -1: the caller's
 * @arena: by slot (node * ZCS_ARENA_KINDS + kind); made when first needed
 * @arena_shift: a pool page number is slot << arena_shift | pfn
 * @outside: the only arena came from outside: slot 0
 * @grow: held while an arena is made
 * @shrinkers: held shared by a running shrinker, exclusively by destroy
 * @next_order: the type that the shrinker visits next
 * @resident: pages that hold memory, limited by @max_pages (0: none)
 * @cached_estimate: cached pages, out by less than ZCS_DRIFT a shard
 * @leaving: pages of them, and of kept ones, that are just being given back to the system
 * @flying: writes of pages that were taken back meanwhile, @nr_flying of them; these pages are not
 *	punched before the writes have ended, others are; @flying_lock protects the list, and is
 *	taken last
 * @kept, @home: pages (struct zcs_pool_stats); @huge_holes: pages of hugetlb homes that are holes
 * @ahead: pages that backups have read ahead, or are reading; @ahead_ended: how often some ceased
 *	to be that
 * @ahead_list: whose they are, under @ahead_lock
 * @overshot: pages were taken over @max_pages for a touch (zcs_ctx_touch)
 * @wake_pages, @wake: called when more than that is resident; must not block
 * @reclaim: asked for pages before an allocation fails on the limit; set by the device
 */
struct zcs_pool {
	uint64_t life;
	_Atomic uint64_t refs;
	atomic_bool zombie;
	_Atomic int64_t zombie_folios;
	int nr_nodes, node;
	enum zcs_backing backing;
	unsigned beneficial_order;
	uint64_t max_pages, cache_pages;
	_Atomic(struct zcs_arena *) arena[ZCS_MAX_SLOTS];
	unsigned arena_shift;
	bool outside;
	pthread_mutex_t grow;
	pthread_rwlock_t shrinkers;
	_Atomic unsigned next_order;
	_Atomic uint64_t resident, leaving, nr_flying, kept, home, huge_holes;
	_Atomic int64_t cached_estimate;
	_Atomic uint64_t ahead, ahead_ended;
	pthread_mutex_t ahead_lock;
	struct zcs_ahead_list ahead_list;
	pthread_mutex_t flying_lock;
	struct zcs_flying_list flying;
	_Atomic uint64_t overshot;
	uint64_t wake_pages;
	void (*wake)(void *arg);
	int64_t (*reclaim)(void *arg, uint64_t nr_pages, const struct zcs_ctx *ctx);
	void *reclaim_arg;
	void *stacks;
	size_t stacks_bytes;
	uint32_t stack_room[ZCS_ORDERS];
	unsigned nr_shards;
	struct zcs_shard *shard;
};

/*
 * A home: a run of pages that a contiguous tt holds for life. Its blocks are those that
 * zcs_block_order() gives; each is a folio with ZCS_FF_HOMED.
 * @kept: some of them may be KEPT
 * @untrapped: at some time a hole, or a KEPT block, did not trap. A thread may have written to it
 *	without our knowledge. Such blocks are neither punched nor given up while the home lives,
 *	unless the owner purges them
 */
struct zcs_home {
	struct zcs_arena *arena;
	uint64_t pfn, nr;
	bool kept, untrapped;
};

/* The order of the block at @index of a table of @nr pages: as TTM's allocator, never over @max. */
static inline unsigned zcs_block_order(uint64_t index, uint64_t nr, unsigned max)
{
	uint64_t left = nr - index;
	unsigned order = 63u - (unsigned)__builtin_clzll(left);

	return order < max ? order : max;
}

/* -- pool.c: life, folios, counting */
void zcs_pool_get(struct zcs_pool *pool);
void zcs_pool_unref(struct zcs_pool *pool);
void zcs_pool_count_event(struct zcs_pool *pool, enum zcs_counter counter, uint64_t nr);
struct zcs_shard *zcs_pool_shard(struct zcs_pool *pool);
/* zcs_folio_alloc() with a context */
int zcs_pool_alloc(struct zcs_pool *pool, unsigned order, uint32_t flags, const struct zcs_ctx *ctx,
		   struct zcs_folio **folio);
/* A folio in BUSY, without a home: zeroed and to the pool's list; to the system. */
void zcs_pool_give(struct zcs_folio *folio);
void zcs_pool_discard(struct zcs_folio *folio);
/*
 * Folios of one type were handed out (+) or came back (-). The last that comes back frees a zombie.
 */
void zcs_pool_account(struct zcs_pool *pool, int node, unsigned order, int64_t delta);
/* Folios of one type went to backups (+) or came back from them (-). */
void zcs_pool_account_inserted(struct zcs_pool *pool, int node, unsigned order, int64_t delta);
/*
 * Splits into order 0; the folio is in @state and its pieces will be. -EOPNOTSUPP, -ENOMEM
 * (injected).
 */
int zcs_pool_split(struct zcs_folio *folio, enum zcs_folio_state state);
/* The node that an allocation starts with. */
int zcs_pool_local_node(const struct zcs_pool *pool);

static inline size_t zcs_type(int node, unsigned order)
{
	return (size_t)node * ZCS_ORDERS + order;
}

/* -- pool_mem.c: memory and the limit */
/* The context of a touch: it is not refused on the pool's limit, which it may pass. */
extern const struct zcs_ctx zcs_ctx_touch;
/*
 * That of read-ahead: memory that is free and within the limit, and no other. No list is shrunk for
 * it, no page that was put by is used, and being refused is not counted.
 */
extern const struct zcs_ctx zcs_ctx_ahead;

int zcs_pool_charge(struct zcs_pool *pool, uint64_t nr, const struct zcs_ctx *ctx, bool effort);
void zcs_pool_uncharge(struct zcs_pool *pool, uint64_t nr);
int zcs_pool_arena(struct zcs_pool *pool, int node, enum zcs_arena_kind kind,
		   struct zcs_arena **arena);
bool zcs_pool_effort(const struct zcs_pool *pool, unsigned order);
/* ZCS_POPULATE_* for a folio of @order. */
uint32_t zcs_pool_populate_flags(const struct zcs_pool *pool, unsigned order,
				 const struct zcs_ctx *ctx);
int zcs_pool_new_folio(struct zcs_pool *pool, int node, unsigned order, const struct zcs_ctx *ctx,
		       struct zcs_folio **folio);
/* A write of memory that its owner may have back before it has ended: begins, and ends. */
void zcs_pool_fly(struct zcs_pool *pool, struct zcs_flying *write, const void *addr, size_t bytes);
void zcs_pool_landed(struct zcs_pool *pool, struct zcs_flying *write);
/* Whether such a write of the folio's memory is under way. */
bool zcs_pool_is_flying(struct zcs_pool *pool, struct zcs_folio *folio);
/* Punches a folio's memory and uncharges it. If it cannot be punched it is zeroed, and counted. */
void zcs_pool_punch(struct zcs_pool *pool, struct zcs_folio *folio);
/* The same, and its pfns are free address space: BUSY -> FREE. */
void zcs_pool_free_folio(struct zcs_pool *pool, struct zcs_folio *folio);

/* -- pool_ahead.c: the first three with the lock of @ahead's backup held */
/* @nr pages are about to be read ahead; they are not any more: taken, freed, or not to be had. */
void zcs_ahead_add(struct zcs_pool *pool, struct zcs_ahead *ahead, uint64_t nr);
void zcs_ahead_end(struct zcs_pool *pool, struct zcs_ahead *ahead, uint64_t nr);
/* Its backup leaves the pool. */
void zcs_ahead_forget(struct zcs_pool *pool, struct zcs_ahead *ahead);
/* What zcs_ahead_forgo() wants to know from before the allocation that failed. */
static inline uint64_t zcs_ahead_ended(struct zcs_pool *pool)
{
	return atomic_load(&pool->ahead_ended);
}
/*
 * After -ENOMEM, with no backup's lock held: what was read ahead is freed, reads under way are
 * waited for unless @ctx forbids. Whether it is worth trying again.
 */
bool zcs_ahead_forgo(struct zcs_pool *pool, uint64_t seen, const struct zcs_ctx *ctx);

/* -- pool_cache.c: the shards' stacks */
/* @was_out: it had been handed out; counted in the same step. False: no room, nothing done. */
bool zcs_cache_push(struct zcs_pool *pool, struct zcs_folio *folio, bool was_out);
/* By how much @nr more cached pages would pass the pool's cache limit. */
uint64_t zcs_cache_excess(struct zcs_pool *pool, uint64_t nr);
struct zcs_folio *zcs_cache_pop(struct zcs_pool *pool, int node, unsigned order);
/* Takes one particular folio out of its stack; false if somebody else has it. It is BUSY then. */
bool zcs_cache_remove(struct zcs_pool *pool, struct zcs_folio *folio);
uint64_t zcs_cache_pages(struct zcs_pool *pool);
/* Frees cached folios until at least @nr pages are free or there is none left. */
uint64_t zcs_cache_shrink(struct zcs_pool *pool, int node, uint64_t nr);

/* -- pool_home.c */
int zcs_home_create(struct zcs_pool *pool, uint64_t nr, struct zcs_home *home);
/* Gives a block of a home memory: HOME or KEPT -> TT. */
int zcs_home_populate(struct zcs_pool *pool, const struct zcs_home *home, struct zcs_folio *folio,
		      const struct zcs_ctx *ctx);
/*
 * Gives the memory of a block that is not populated yet to the system: KEPT -> HOME. Pages; 0: it
 * is not KEPT.
 */
uint64_t zcs_home_give_kept(struct zcs_pool *pool, struct zcs_folio *folio);
/* Takes its memory away: TT or BUSY -> HOME. The user map must have been zapped. */
void zcs_home_depopulate(struct zcs_pool *pool, struct zcs_folio *folio);
/*
 * Pages of a block that did not trap while it was HOME or KEPT, if it is still: what was written
 * there goes.
 */
void zcs_home_wipe(struct zcs_pool *pool, struct zcs_folio *folio, uint64_t pfn, uint64_t nr);
/* Every block is HOME, KEPT or TT. */
void zcs_home_destroy(struct zcs_pool *pool, struct zcs_home *home);

/* -- page numbers of the pool */
static inline uint64_t zcs_pool_ppn(const struct zcs_pool *pool, const struct zcs_folio *folio)
{
	const struct zcs_arena *a = zcs_folio_arena(folio);

	return ((uint64_t)a->slot << pool->arena_shift) + zcs_arena_pfn(a, folio);
}

static inline struct zcs_arena *zcs_pool_ppn_arena(const struct zcs_pool *pool, uint64_t ppn)
{
	return atomic_load_explicit(&pool->arena[ppn >> pool->arena_shift], memory_order_acquire);
}

static inline uint64_t zcs_pool_ppn_pfn(const struct zcs_pool *pool, uint64_t ppn)
{
	return ppn & ((UINT64_C(1) << pool->arena_shift) - 1);
}

static inline struct zcs_folio *zcs_pool_folio(const struct zcs_pool *pool, uint64_t ppn)
{
	return zcs_arena_folio(zcs_pool_ppn_arena(pool, ppn), zcs_pool_ppn_pfn(pool, ppn));
}

static inline char *zcs_pool_linear(const struct zcs_pool *pool, uint64_t ppn)
{
	return zcs_arena_linear(zcs_pool_ppn_arena(pool, ppn), zcs_pool_ppn_pfn(pool, ppn));
}

static inline struct zcs_pool *zcs_folio_pool(const struct zcs_folio *folio)
{
	return zcs_folio_arena(folio)->pool;
}

/* As zcs_inherited(); free address space belongs to nobody. */
static inline bool zcs_folio_inherited(const struct zcs_folio *folio)
{
	const struct zcs_arena *arena = zcs_life_is_first() ? NULL : zcs_folio_arena(folio);

	return arena && zcs_inherited(arena->pool);
}

static inline unsigned zcs_folio_ord(const struct zcs_folio *folio)
{
	return ZCS_META_ORDER(zcs_folio_meta(folio));
}

/* -- for a shard's owner: plain additions that others may read */
#define zcs_bump(p, n)                                                                    \
	atomic_store_explicit((p), atomic_load_explicit((p), memory_order_relaxed) + (n), \
			      memory_order_relaxed)

#endif
