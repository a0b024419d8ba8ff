/* SPDX-License-Identifier: MIT */
#ifndef ZCS_LIB_POOL_H
#define ZCS_LIB_POOL_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include <zcswap/pool.h>

#include "arena/arena.h"
#include "arena/home_trap.h"
#include "common/life.h"
#include "request.h"

/*
 * The pool, for the rooms above it: folios and their page numbers, the limit, homes, read-ahead,
 * and writes of memory that was taken back. The public functions are in <zcswap/pool.h>.
 *
 * Context of all functions, unless their comment says more: the locks of a tt and of an object may
 * be held. The functions take the pool's locks for a moment, and neither allocate nor sleep.
 */
#define ZCS_ORDERS    (ZCS_MAX_ORDER + 1)
#define ZCS_MAX_NODES 64
#define ZCS_MAX_SLOTS (ZCS_MAX_NODES * ZCS_ARENA_KINDS)

/* Page numbers of a pool, over all its arenas: 1 and up to here as a table entry (table.h). */
#define ZCS_POOL_PAGES_MAX UINT64_C(0xc0000000)

/*
 * struct zcs_pool_shown - the part of a pool that is read without a call; the pool's first member
 * @life: of the process that made it (life.h)
 * @max_pages: the limit; 0: none
 * @arena_shift: a pool page number is slot << arena_shift | pfn
 * @arena: by slot (node * ZCS_ARENA_KINDS + kind); made when first needed
 * @resident: pages that hold memory, limited by @max_pages
 * @kept: as in struct zcs_pool_stats
 * @lent: pages that a store owns
 */
struct zcs_pool_shown {
	uint64_t life;
	uint64_t max_pages;
	unsigned arena_shift;
	_Atomic(struct zcs_arena *) arena[ZCS_MAX_SLOTS];
	_Atomic uint64_t resident, kept, lent;
};

static inline struct zcs_pool_shown *zcs_pool_shown(const struct zcs_pool *pool)
{
	return (struct zcs_pool_shown *)(uintptr_t)pool;
}

static inline bool zcs_pool_inherited(const struct zcs_pool *pool)
{
	return zcs_inherited(zcs_pool_shown(pool));
}

/* Pages; 0: there is no limit. */
static inline uint64_t zcs_pool_max(const struct zcs_pool *pool)
{
	return zcs_pool_shown(pool)->max_pages;
}

static inline uint64_t zcs_pool_resident(const struct zcs_pool *pool)
{
	return atomic_load(&zcs_pool_shown(pool)->resident);
}

/* Pages of homes that hold memory and are not populated yet. */
static inline uint64_t zcs_pool_kept(const struct zcs_pool *pool)
{
	return atomic_load(&zcs_pool_shown(pool)->kept);
}

/* How often pages were taken over the limit for a touch. */
uint64_t zcs_pool_overshot(const struct zcs_pool *pool);
/* Resident pages that come from a reserve of the system, whatever they are used for. */
uint64_t zcs_pool_hugetlb_pages(const struct zcs_pool *pool);

/*
 * Sets the device's functions. They run on any thread that allocates, with that thread's locks
 * held.
 * @reclaim: asked for pages before an allocation fails on the limit; returns how many it freed
 * @wake: called when more than @wake_pages are resident; must not block. NULL: not called
 *
 * Context: before a second thread uses the pool.
 */
typedef int64_t zcs_pool_reclaim_fn(void *arg, uint64_t nr_pages);
typedef void zcs_pool_wake_fn(void *arg);
void zcs_pool_set_hooks(struct zcs_pool *pool, zcs_pool_reclaim_fn *reclaim, zcs_pool_wake_fn *wake,
			uint64_t wake_pages, void *arg);

/*
 * -- life, folios, counting. zcs_pool_unref(): the last reference frees the pool, by system calls
 */
void zcs_pool_get(struct zcs_pool *pool);
void zcs_pool_unref(struct zcs_pool *pool);
void zcs_pool_count_event(struct zcs_pool *pool, enum zcs_counter counter, uint64_t nr);
/*
 * One try of zcs_folio_alloc(); a caller without a backup's lock tries again as zcs_retry() says.
 * Context: takes a shard's lock; may evict, and wait for that, as the request says.
 * Return: 0, and the folio is OWNED; -ENOMEM.
 */
int zcs_pool_alloc(struct zcs_pool *pool, unsigned order, uint32_t flags,
		   const struct zcs_request *req, struct zcs_folio **folio);
/*
 * Frees a folio in BUSY, without a home. The first function zeroes it and puts it in the pool's
 * list, the second gives its memory to the system. Context: may punch folios: system calls.
 */
void zcs_pool_give(struct zcs_folio *folio);
void zcs_pool_discard(struct zcs_folio *folio);
/*
 * Counts folios of one type that were handed out (+) or came back (-). The last one that comes back
 * frees a zombie.
 */
void zcs_pool_account(struct zcs_pool *pool, int node, unsigned order, int64_t delta);
/* Counts folios of one type that went to backups (+) or came back from them (-). */
void zcs_pool_account_inserted(struct zcs_pool *pool, int node, unsigned order, int64_t delta);
/*
 * Splits a folio into order 0; it is in @state and its pieces will be. Return: 0; -EOPNOTSUPP;
 * -ENOMEM (injected).
 */
int zcs_pool_split(struct zcs_folio *folio, enum zcs_folio_state state);
/* Pages in the lists. */
uint64_t zcs_cache_pages(struct zcs_pool *pool);
/*
 * Frees cached folios until at least @nr pages are free or the lists are empty. Context: system
 * calls. Return: pages.
 */
uint64_t zcs_cache_shrink(struct zcs_pool *pool, int node, uint64_t nr);

/* -- the limit, for memory that somebody else owns for a while */
/*
 * Counts @nr pages against the limit. @effort: may ask the device to make room. Context: may evict,
 * and wait for that, as @req says. Return: 0; -ENOMEM.
 */
int zcs_pool_charge(struct zcs_pool *pool, uint64_t nr, const struct zcs_request *req, bool effort);
void zcs_pool_uncharge(struct zcs_pool *pool, uint64_t nr);
/* Uncharges inserted pages that a store owns from now on. The store accounts for their memory. */
static inline void zcs_pool_lend(struct zcs_pool *pool, uint64_t nr)
{
	atomic_fetch_add(&zcs_pool_shown(pool)->lent, nr);
	atomic_fetch_sub(&zcs_pool_shown(pool)->resident, nr);
}

static inline uint64_t zcs_pool_lent(const struct zcs_pool *pool)
{
	return atomic_load(&zcs_pool_shown(pool)->lent);
}

/*
 * Charges lent pages again, within the limit (0, -ENOMEM), or without it for pages that are about
 * to be freed.
 */
static inline int zcs_pool_take_back(struct zcs_pool *pool, uint64_t nr,
				     const struct zcs_request *req)
{
	int err = zcs_pool_charge(pool, nr, req, true);

	if (!err)
		atomic_fetch_sub(&zcs_pool_shown(pool)->lent, nr);
	return err;
}

static inline void zcs_pool_take_back_to_free(struct zcs_pool *pool, uint64_t nr)
{
	atomic_fetch_add(&zcs_pool_shown(pool)->resident, nr);
	atomic_fetch_sub(&zcs_pool_shown(pool)->lent, nr);
}

/* -- writes of memory that was taken back */
/* struct zcs_flying - memory that a device may still read although it was taken back */
struct zcs_flying {
	const char *addr;
	size_t bytes;
	LIST_ENTRY(zcs_flying) link;
};

/*
 * Notes the beginning and the end of a write whose memory the owner may take back before the end.
 */
void zcs_pool_fly(struct zcs_pool *pool, struct zcs_flying *write, const void *addr, size_t bytes);
void zcs_pool_landed(struct zcs_pool *pool, struct zcs_flying *write);
/* Whether such a write of the folio's memory is under way. */
bool zcs_pool_is_flying(struct zcs_pool *pool, struct zcs_folio *folio);

/* -- read-ahead */
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

/*
 * The first notes that @nr pages are about to be read ahead; the second that they are so no longer:
 * taken, freed, or refused by the pool. Context: the lock of @ahead's backup is held, as for the
 * next.
 */
void zcs_ahead_add(struct zcs_pool *pool, struct zcs_ahead *ahead, uint64_t nr);
void zcs_ahead_end(struct zcs_pool *pool, struct zcs_ahead *ahead, uint64_t nr);
/* Notes that the backup leaves the pool. */
void zcs_ahead_forget(struct zcs_pool *pool, struct zcs_ahead *ahead);
/*
 * struct zcs_retry - an allocation that is tried until read-ahead has nothing left to give
 * @seen: the pool's ahead_ended before the last try
 */
struct zcs_retry {
	struct zcs_pool *pool;
	const struct zcs_request *req;
	uint64_t seen;
};

/* Begins an allocation that may be tried several times. */
struct zcs_retry zcs_retry_begin(struct zcs_pool *pool, const struct zcs_request *req);
/*
 * Whether a try that ended with @err is worth another one: it lacked memory, and since it began
 * pages that were read ahead were freed, by this call or by another.
 * Context: no backup's lock is held, a tt's may be; sleeps until a read has ended, if the request
 * may wait.
 */
bool zcs_retry(struct zcs_retry *retry, int err);

/* -- homes */
/* The order of the block at @index of a table of @nr pages: as TTM's allocator, never over @max. */
static inline unsigned zcs_block_order(uint64_t index, uint64_t nr, unsigned max)
{
	uint64_t left = nr - index;
	unsigned order = 63u - (unsigned)__builtin_clzll(left);

	return order < max ? order : max;
}

/*
 * Makes a home of @nr pages. Context: system calls; allocates for the first home of a kind. Return:
 * 0; -ENOMEM, or another error of making the arena.
 */
int zcs_home_create(struct zcs_pool *pool, uint64_t nr, struct zcs_home *home);
/*
 * Gives a block of a home memory: HOME or KEPT -> TT. Context: may evict, and wait for that, as
 * @req says; system calls. Return: 0; -ENOMEM.
 */
int zcs_home_populate(struct zcs_pool *pool, const struct zcs_home *home, struct zcs_folio *folio,
		      const struct zcs_request *req);
/*
 * Gives the memory of a block that is not populated yet to the system: KEPT -> HOME. Context:
 * system calls. Return: pages; 0: the block is not KEPT.
 */
uint64_t zcs_home_release(struct zcs_pool *pool, struct zcs_folio *folio);
/*
 * Takes a block's memory away: TT or BUSY -> HOME. The user map must have been zapped. Context:
 * system calls.
 */
void zcs_home_depopulate(struct zcs_pool *pool, struct zcs_folio *folio);
/* Frees a home, of which every block is HOME, KEPT or TT. Context: system calls. */
void zcs_home_destroy(struct zcs_pool *pool, struct zcs_home *home);

/*
 * -- page numbers
 * Page numbers of a pool, over all its arenas: an arena's slot, shifted, and the pfn in there.
 */
static inline uint64_t zcs_pool_ppn(const struct zcs_pool *pool, const struct zcs_folio *folio)
{
	const struct zcs_arena *a = zcs_folio_arena(folio);
	unsigned shift = zcs_pool_shown(pool)->arena_shift;

	return ((uint64_t)a->slot << shift) + zcs_arena_pfn(a, folio);
}

static inline struct zcs_arena *zcs_pool_ppn_arena(const struct zcs_pool *pool, uint64_t ppn)
{
	struct zcs_pool_shown *shown = zcs_pool_shown(pool);

	return atomic_load_explicit(&shown->arena[ppn >> shown->arena_shift], memory_order_acquire);
}

static inline uint64_t zcs_pool_ppn_pfn(const struct zcs_pool *pool, uint64_t ppn)
{
	return ppn & ((UINT64_C(1) << zcs_pool_shown(pool)->arena_shift) - 1);
}

static inline struct zcs_folio *zcs_pool_folio(const struct zcs_pool *pool, uint64_t ppn)
{
	return zcs_arena_folio(zcs_pool_ppn_arena(pool, ppn), zcs_pool_ppn_pfn(pool, ppn));
}

static inline char *zcs_pool_bytes(const struct zcs_pool *pool, uint64_t ppn)
{
	return zcs_arena_bytes(zcs_pool_ppn_arena(pool, ppn), zcs_pool_ppn_pfn(pool, ppn));
}

static inline struct zcs_pool *zcs_folio_pool(const struct zcs_folio *folio)
{
	return zcs_folio_arena(folio)->pool;
}

/* As zcs_inherited(); free address space has no owner. */
static inline bool zcs_folio_inherited(const struct zcs_folio *folio)
{
	const struct zcs_arena *arena = zcs_life_is_first() ? NULL : zcs_folio_arena(folio);

	return arena && zcs_pool_inherited(arena->pool);
}

static inline unsigned zcs_folio_ord(const struct zcs_folio *folio)
{
	return ZCS_META_ORDER(zcs_folio_meta(folio));
}

#endif
