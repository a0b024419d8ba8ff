/* SPDX-License-Identifier: MIT */
#ifndef ZCS_LIB_ARENA_H
#define ZCS_LIB_ARENA_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "arena_ops.h"
#include "memmap.h"
#include "reserve.h"
#include "runs.h"
#include "traps.h"

struct zcs_pool;

enum zcs_arena_kind { ZCS_ARENA_HUGETLB, ZCS_ARENA_THP, ZCS_ARENA_SMALL, ZCS_ARENA_KINDS };

/*
 * struct zcs_arena - address space and the memory in it, mapped twice
 * @pool: the owner; set once by the pool
 * @id: place in the process's table of arenas (in every descriptor's meta), not 0
 * @slot: place in its pool; the pool's page number of pfn p is (slot << arena_shift) + p
 * @kind, @ops: the kind of its memory, and the functions of that kind
 * @node: NUMA node
 * @fd: the file; -1 for a kind without files
 * @offset: start of the arena in the file
 * @bytes: size of the address space
 * @outside: the file belongs to the program, not to the library
 * @opened: pages from the start on that are accessible in the maps and have descriptors; under
 *	@lock
 * @linear: the linear map: I/O, zeroing, refilling
 * @user: the user map: addresses of homes
 * @uffd: -1: no userfaultfd
 * @uffd_kernel: touches by system calls are resolved as well
 * @served: fault threads of a device answer the traps, at any time
 * @tracks: the arena can tell whether a mapped page was written to
 * @pagemap: the page map that tells
 * @units, @pages: descriptors (memmap.h); @pages is NULL for hugetlb
 * @lock: protects @runs
 * @scan_from: start of the next search for a run that holds memory
 * @huge_pages: pages of huge folios that are resident
 * @reserve: hugetlb only, filled by evictions
 * @traps: shmem only: registered pages
 *
 * In the user map an address of a home traps (userfaultfd, MISSING|MINOR) unless its page is
 * populated, so that a page is always populated before it is mapped: home_trap.h.
 */
struct zcs_arena {
	struct zcs_pool *pool;
	unsigned id, slot;
	enum zcs_arena_kind kind;
	const struct zcs_arena_ops *ops;
	int node;
	int fd;
	bool outside;
	uint64_t offset, bytes, opened;
	char *linear, *user;
	int uffd;
	bool uffd_kernel;
	atomic_bool served;
	bool tracks;
	int pagemap;
	struct zcs_folio *units, *pages;
	pthread_mutex_t lock;
	struct zcs_runs runs;
	_Atomic uint64_t scan_from;
	_Atomic uint64_t huge_pages;
	struct zcs_reserve reserve;
	struct zcs_traps traps;
};

/*
 * Makes an arena of at most @max_pages (a multiple of 512), or of the address space that is left.
 * Context: allocates; system calls. Return: 0, -errno.
 */
int zcs_arena_create(enum zcs_arena_kind kind, int node, uint64_t max_pages,
		     struct zcs_arena **arena);
/*
 * Makes an arena over a range of a file that belongs to the program; the content of the range is
 * discarded. Context: allocates. Return: 0, -errno; after an error the file is unchanged.
 */
int zcs_arena_adopt(int fd, enum zcs_arena_kind kind, int node, uint64_t offset, uint64_t bytes,
		    struct zcs_arena **arena);
void zcs_arena_destroy(struct zcs_arena *arena);
struct zcs_arena *zcs_arena_by_id(unsigned id);
/* The constants of a kind; there may be no arena of that kind yet. */
const struct zcs_arena_ops *zcs_arena_kind_ops(enum zcs_arena_kind kind);
/* Bytes of descriptors and bits for the pages that were ever used. Takes the arena's lock. */
uint64_t zcs_arena_metadata(struct zcs_arena *arena);

/*
 * Address space: whole runs of pfns. Context: takes the arena's lock; may open more of the maps by
 * a system call. Return: 0; -ENOMEM.
 */
int zcs_arena_get_run(struct zcs_arena *arena, uint64_t nr, uint64_t *pfn);
void zcs_arena_put_run(struct zcs_arena *arena, uint64_t pfn, uint64_t nr);

/*
 * ZCS_POPULATE_EFFORT: a huge page is worth a compaction of memory. _RESERVE: a page of @reserve
 * may be used. _MAY_HOLD: the range did not trap at some time, so that a thread may have written to
 * it.
 */
enum {
	ZCS_POPULATE_EFFORT = 1,
	ZCS_POPULATE_RESERVE = 2,
	ZCS_POPULATE_MAY_HOLD = 4,
};
/*
 * Gives memory to 2^order pages by the kind's populate(). After an error the pages are holes again,
 * unless they may hold bytes of a thread. Return: 0; -ENOMEM.
 */
int zcs_arena_populate(struct zcs_arena *arena, uint64_t pfn, unsigned order, uint32_t flags,
		       bool *huge);

/* -- arena_ops.h has the contract of each of these */
static inline int zcs_arena_punch(struct zcs_arena *arena, uint64_t pfn, uint64_t nr)
{
	return arena->ops->punch(arena, pfn, nr);
}

static inline char *zcs_arena_bytes(const struct zcs_arena *arena, uint64_t pfn)
{
	return arena->ops->bytes ? arena->ops->bytes(arena, pfn) : arena->linear + (pfn << 12);
}

static inline int zcs_arena_zap(struct zcs_arena *arena, uint64_t pfn, uint64_t nr)
{
	return arena->ops->zap(arena, pfn, nr);
}

static inline bool zcs_arena_may_zap(struct zcs_arena *arena, uint64_t pfn, uint64_t nr)
{
	return arena->ops->may_zap(arena, pfn, nr);
}

static inline int zcs_arena_map(struct zcs_arena *arena, uint64_t pfn, uint64_t nr, bool armed)
{
	return arena->ops->map(arena, pfn, nr, armed);
}

static inline bool zcs_arena_is_clean(const struct zcs_arena *arena, uint64_t pfn)
{
	return arena->ops->is_clean(arena, pfn);
}

static inline int zcs_arena_poison(struct zcs_arena *arena, uint64_t pfn)
{
	return arena->ops->poison(arena, pfn);
}

static inline void zcs_arena_unpoison(struct zcs_arena *arena, uint64_t pfn, uint64_t nr)
{
	arena->ops->unpoison(arena, pfn, nr);
}

static inline void zcs_arena_wake(struct zcs_arena *arena, uint64_t pfn)
{
	arena->ops->wake(arena, pfn);
}

static inline int zcs_arena_disarm(struct zcs_arena *arena, uint64_t pfn, uint64_t nr)
{
	return arena->ops->disarm(arena, pfn, nr);
}

static inline struct zcs_folio *zcs_arena_folio(const struct zcs_arena *arena, uint64_t pfn)
{
	return pfn % ZCS_UNIT_PAGES ? arena->pages + pfn : arena->units + pfn / ZCS_UNIT_PAGES;
}

static inline struct zcs_arena *zcs_folio_arena(const struct zcs_folio *folio)
{
	return zcs_arena_by_id(ZCS_META_ARENA(zcs_folio_meta(folio)));
}

static inline uint64_t zcs_arena_pfn(const struct zcs_arena *arena, const struct zcs_folio *folio)
{
	uintptr_t unit = ((uintptr_t)folio - (uintptr_t)arena->units) / sizeof(*folio);

	if (unit < arena->bytes >> (ZCS_UNIT_ORDER + 12))
		return unit * ZCS_UNIT_PAGES;
	return (uint64_t)(folio - arena->pages);
}

/* The address of the folio's bytes: arena_ops.h, bytes(). */
static inline char *zcs_folio_bytes(const struct zcs_folio *folio)
{
	const struct zcs_arena *arena = zcs_folio_arena(folio);

	return zcs_arena_bytes(arena, zcs_arena_pfn(arena, folio));
}

static inline char *zcs_arena_user(const struct zcs_arena *arena, uint64_t pfn)
{
	return arena->user + (pfn << 12);
}

#endif
