/* SPDX-License-Identifier: MIT */
#ifndef ZCSWAP_POOL_H
#define ZCSWAP_POOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <zcswap/version.h>

#ifdef __cplusplus
extern "C" {
#endif

/**
 * DOC: pool
 *
 * A pool hands out folios. A folio is 2^order naturally aligned pages of 4 KiB, order 0 to
 * ZCS_MAX_ORDER, from one or more arenas (large sparse memfds). The pool zeroes a folio that is
 * given back and keeps it, with its memory, in a list of its order and NUMA node. Memory over the
 * cache limit goes to the system. Every folio that a pool hands out is zero. Kernel counterpart:
 * struct ttm_pool.
 *
 * Lock order inside the library: tt, backup, pool, store. No lock is held while a caller's code
 * runs, except the function of zcs_set_log().
 *
 * In a child of fork() a call on an object that its parent made (pool, folio, store, backup, tt,
 * device, bo, bulk) does nothing. It returns -ECHILD if the function returns an int or a count, and
 * otherwise the value for NULL. The child may make objects of its own.
 */

/** ZCS_PAGE_SIZE - bytes in a page; the unit of every page count and index */
#define ZCS_PAGE_SHIFT 12
#define ZCS_PAGE_SIZE  4096u
/** ZCS_MAX_ORDER - the largest folio: 2 MiB, what one huge page and one swap cluster hold */
#define ZCS_MAX_ORDER 9

/**
 * struct zcs_ctx - how far a call may go (struct ttm_operation_ctx)
 * @struct_size: sizeof(struct zcs_ctx)
 * @interruptible: return -EINTR if a signal handler ran while the call slept until there is room.
 *	Only zcs_bo_pin() sleeps for that. Waiting for a read is not interrupted. The fault points
 *	"restore" and "copy_page" also return -EINTR
 * @no_wait: return -EBUSY instead of waiting for another call, and -ENOMEM instead of evicting
 *	others or waiting for a read-ahead to end. Folios that were written back are still read
 * @retry_mayfail: accepted as in TTM, without effect: every allocation may fail with -ENOMEM
 */
struct zcs_ctx {
	size_t struct_size;
	bool interruptible, no_wait, retry_mayfail;
};

/** ZCS_CTX_INIT - initializer of a struct zcs_ctx: the same as NULL; set the fields that differ */
#define ZCS_CTX_INIT                                        \
	{                                                   \
		sizeof(struct zcs_ctx), false, false, false \
	}

/**
 * enum zcs_backing - the kind of memory of a pool's arenas
 * @ZCS_BACKING_AUTO: at each allocation the first kind that works: hugetlb, then THP, then small.
 *	For a contiguous tt see zcs_tt_create()
 * @ZCS_BACKING_HUGETLB: 2 MiB pages of the hugetlb reserve (vm.nr_hugepages). Folios of a smaller
 *	order come from a small-page arena of the same pool
 * @ZCS_BACKING_THP: shmem made huge by the policy of a tmpfs of its own, by MADV_HUGEPAGE or by
 *	MADV_COLLAPSE. Where the kernel refuses, the folio has small pages, and that is counted
 * @ZCS_BACKING_SMALL: shmem in 4 KiB pages
 */
enum zcs_backing { ZCS_BACKING_AUTO, ZCS_BACKING_HUGETLB, ZCS_BACKING_THP, ZCS_BACKING_SMALL };

/**
 * struct zcs_pool_params - how to make a pool
 * @struct_size: sizeof(struct zcs_pool_params)
 * @max_bytes: bound on resident memory, in bytes: active, inserted and cached; 0: no bound. The
 *	pool gives up cached folios and read-ahead pages before an allocation fails on the bound.
 *	Reserved hugetlb pages (at most 8 MiB per node and 1/64 of this), which the pool takes once
 *	something was evicted, are not counted
 * @cache_bytes: bound on the memory of free folios that the pool keeps, in bytes; 0: half of the
 *	node's RAM, or half of @max_bytes if that is less (TTM's page_pool_size)
 * @node: NUMA node to take memory from; -1: at each allocation the node of the caller's CPU.
 *	Zeroed params ask for node 0
 * @backing: see enum zcs_backing
 * @beneficial_order: if not 0, the pool makes an effort (collapsing, reclaim) only for this order
 *	and for order 0
 * @flags: 0
 * @reserved: 0; its size never changes
 */
struct zcs_pool_params {
	size_t struct_size;
	uint64_t max_bytes;
	uint64_t cache_bytes;
	int node;
	enum zcs_backing backing;
	unsigned beneficial_order;
	uint32_t flags;
	uint64_t reserved[8];
};

/**
 * ZCS_POOL_PARAMS_INIT - initializer of a struct zcs_pool_params: the defaults; the caller then
 * sets the fields that differ
 */
#define ZCS_POOL_PARAMS_INIT                                                      \
	{                                                                         \
		sizeof(struct zcs_pool_params), 0, 0, -1, ZCS_BACKING_AUTO, 0, 0, \
		{                                                                 \
			0                                                         \
		}                                                                 \
	}

struct zcs_pool;
struct zcs_folio;

/**
 * zcs_pool_create - make a pool
 * @params: NULL for the defaults (AUTO, the node of the caller's CPU, no bound)
 * @pool: where the pool is put
 *
 * Arenas are made when they are first needed. A new pool takes memory only for its descriptors.
 *
 * Return: 0, and the caller holds a reference; -EINVAL: a NULL @pool, a wrong struct_size, an
 * unknown backing or flag, a node that does not exist, a beneficial order over ZCS_MAX_ORDER, a
 * max_bytes under one page, a reserved field that is not 0; -ENOMEM. Thread-safe. Kernel
 * counterpart: ttm_pool_init().
 */
ZCS_API int zcs_pool_create(const struct zcs_pool_params *params, struct zcs_pool **pool);

/**
 * zcs_pool_create_from_fd - make a pool over an arena given from outside
 * @params: as for zcs_pool_create(); @backing must be the kind of the file, or AUTO
 * @fd: a shmem or hugetlb file (memfd, tmpfs, hugetlbfs, a file of a mount that passes through);
 *	the library duplicates the descriptor, and the caller keeps its own
 * @offset: where the pool's part of the file starts, in bytes, a multiple of 2 MiB
 * @bytes: size of the pool's part, a multiple of 2 MiB, at most 4 TiB
 * @pool: where the pool is put
 *
 * The whole pool lives in that range. It never grows, and it never changes the size of the file.
 * The call discards the content of the range, unless the call fails. Over a hugetlb file the pool
 * has folios of ZCS_MAX_ORDER only: other orders, and tts that need them, are -ENOMEM.
 *
 * Nobody else may write to that range while the pool lives. Over a hugetlb file a page that this
 * process did not write to counts as clean, and is evicted without being written.
 *
 * Return: 0, and the caller holds a reference; -EINVAL as zcs_pool_create(), or a bad @fd, a range
 * that is unaligned, empty, over 4 TiB or outside the file, a backing that is not the file's;
 * -EOPNOTSUPP: the pages of the file cannot be mapped shared and punched; -ENOMEM. Thread-safe.
 */
ZCS_API int zcs_pool_create_from_fd(const struct zcs_pool_params *params, int fd, uint64_t offset,
				    uint64_t bytes, struct zcs_pool **pool);

/**
 * zcs_pool_destroy - drop the caller's reference
 * @pool: NULL is ignored
 *
 * Frees every cached folio and waits for running zcs_pool_shrink() calls. The pool itself is freed
 * when the last folio, tt and backup that uses it is gone. Thread-safe. Kernel counterpart:
 * ttm_pool_fini().
 */
ZCS_API void zcs_pool_destroy(struct zcs_pool *pool);

/** ZCS_ALLOC_NOWAIT - only from the pool's lists: no system call, -ENOMEM if they are empty */
#define ZCS_ALLOC_NOWAIT 1u

/**
 * zcs_folio_alloc - take a folio from the pool
 * @pool: where from
 * @order: 2^order pages; 0 to ZCS_MAX_ORDER
 * @flags: 0 or ZCS_ALLOC_NOWAIT
 * @folio: where the folio is put; zero, resident, owned by the caller
 *
 * The pool takes a folio of exactly this order from the list of its node. If the list is empty, the
 * pool takes new memory from the system. It splits no folio and touches no list of another order,
 * except that it gives cached folios back to the system when it is at its limit. Before the call
 * fails, it frees the pages that backups have read ahead into the pool's memory, and waits for such
 * reads under way.
 *
 * Return: 0; -EINVAL: NULL, an order over ZCS_MAX_ORDER, an unknown flag; -ENOMEM: over max_bytes
 * with nothing cached or read ahead, or no memory (never SIGBUS). Thread-safe. Kernel counterpart:
 * ttm_pool_type_take(), ttm_pool_alloc_page().
 */
ZCS_API int zcs_folio_alloc(struct zcs_pool *pool, unsigned order, uint32_t flags,
			    struct zcs_folio **folio);

/**
 * zcs_folio_put - give a folio back to its pool
 * @folio: owned by the caller; NULL is ignored
 *
 * The pool zeroes and keeps the folio, or punches it if the pool is over its cache limit. A folio
 * that the caller does not own (put twice, inserted, a tt's) is refused: counted, logged, no
 * change. Thread-safe. Kernel counterpart: ttm_pool_type_give().
 */
ZCS_API void zcs_folio_put(struct zcs_folio *folio);

/**
 * zcs_folio_split - split a folio into pages
 * @folio: owned by the caller
 * @pieces: room for 2^order pointers; on success folios of order 0 in address order, pieces[0] ==
 *	folio
 *
 * No memory is allocated. When all pieces have come back to the pool, they merge again as they are
 * given back to the system.
 *
 * Return: 0, the caller owns every piece; -EINVAL: NULL, or not owned by the caller; -EOPNOTSUPP:
 * the arena cannot (hugetlb), the folio is unchanged. An order-0 folio is its only piece.
 * Thread-safe. Kernel counterpart: ttm_pool_split_for_swap().
 */
ZCS_API int zcs_folio_split(struct zcs_folio *folio, struct zcs_folio **pieces);

/**
 * zcs_folio_address - where a folio's bytes are
 * @folio: owned by the caller
 *
 * Return: its address in the linear map, valid while the caller owns it; NULL if it is not the
 * caller's. Thread-safe; the owner orders the calls on one folio.
 */
ZCS_API void *zcs_folio_address(const struct zcs_folio *folio);

/** zcs_folio_pfn - a folio's first page in its arena's file; UINT64_MAX for NULL. Thread-safe. */
ZCS_API uint64_t zcs_folio_pfn(const struct zcs_folio *folio);
/** zcs_folio_order - the order of a folio: it has 2^order pages; 0 for NULL. Thread-safe. */
ZCS_API unsigned zcs_folio_order(const struct zcs_folio *folio);
/** zcs_folio_node - the NUMA node of a folio's arena; -1 for NULL. Thread-safe. */
ZCS_API int zcs_folio_node(const struct zcs_folio *folio);

/**
 * zcs_pool_shrink - give cached folios back to the system
 * @pool: which
 * @node: NUMA node, or -1 for all
 * @nr_pages: how many pages to free at least; whole folios are freed, so it may be more
 *
 * Visits the orders in turn, as TTM's shrinker does. Never waits for I/O.
 *
 * Return: pages freed, 0 if nothing was cached there; -EINVAL: NULL, no such node. Thread-safe.
 * Kernel counterpart: ttm_pool_shrinker_scan().
 */
ZCS_API int64_t zcs_pool_shrink(struct zcs_pool *pool, int node, uint64_t nr_pages);

/**
 * zcs_pool_count - pages that zcs_pool_shrink() could free
 * @pool: which
 * @node: NUMA node, or -1 for all
 *
 * Return: pages; -EINVAL. Thread-safe. Kernel counterpart: ttm_pool_shrinker_count().
 */
ZCS_API int64_t zcs_pool_count(struct zcs_pool *pool, int node);

/**
 * ZCS_STATS_NODES - NUMA nodes that struct zcs_pool_stats has room for; further nodes are added to
 * the last one
 */
#define ZCS_STATS_NODES 8

/**
 * enum zcs_counter - events that a pool counts
 *
 * zcs_counter_name() gives the word that the text dump and the man page use for each.
 */
enum zcs_counter {
	ZCS_COUNT_ALLOC_HIT, /* folios taken from a list */
	ZCS_COUNT_ALLOC_NEW, /* folios taken from the system */
	ZCS_COUNT_SPLIT, /* folios split */
	ZCS_COUNT_SHRUNK, /* pages the shrinker freed */
	ZCS_COUNT_RUN_REUSED, /* homes made of cached memory */
	ZCS_COUNT_HUGETLB_FALLBACK, /* hugetlb had no page, or too few: the next kind was used */
	ZCS_COUNT_THP_FALLBACK, /* no huge shmem page: small pages were used */
	ZCS_COUNT_ORDER_FALLBACK, /* a tt had to go to a smaller order */
	ZCS_COUNT_NODE_FALLBACK, /* a page of another node was taken */
	ZCS_COUNT_LIMIT_HIT, /* max_bytes was reached */
	ZCS_COUNT_LIMIT_REFUSED, /* refused because of max_bytes, even if read-ahead gave way */
	ZCS_COUNT_SYSTEM_REFUSED, /* refused because the system had no memory, the same */
	ZCS_COUNT_INSERT_REFUSED, /* folios a backup refused */
	ZCS_COUNT_INSERT_SPLIT, /* folios split because they were refused whole */
	ZCS_COUNT_INSERT_REPLACED, /* insertions that replaced other content (ZCS_INSERT_REPLACE) */
	ZCS_COUNT_TAKE_MOVED, /* resident folios taken back: nothing copied */
	ZCS_COUNT_DROP_ZEROED, /* part of a folio dropped where it could not be split */
	ZCS_COUNT_ZAP_FAILED, /* the user map could not be zapped or re-armed */
	ZCS_COUNT_MAP_FAILED, /* the user map could not be resolved, or only page by page */
	ZCS_COUNT_PUNCH_FAILED, /* memory could not be given back */
	ZCS_COUNT_BAD_PUT, /* put of a folio that is not the caller's */
	ZCS_COUNT_BAD_TAKE, /* stale or forged handles */
	ZCS_COUNT_BAD_DROP, /* drop of a forged handle, or of an unaligned range */
	ZCS_COUNT_NR
};

/**
 * struct zcs_pool_stats - where a pool's pages are
 * @struct_size: sizeof(struct zcs_pool_stats), set by the caller
 * @max_pages: limit on @resident_pages, 0 for none
 * @cache_limit_pages: limit on @cached_pages
 * @resident_pages: pages that hold memory; == active + inserted + cached + kept at quiescence
 * @active_pages: owned by callers and by tts (NR_GPU_ACTIVE)
 * @inserted_pages: owned by backups and resident
 * @cached_pages: free, zero, in a list (NR_GPU_RECLAIM)
 * @kept_pages: memory that a home run was created with and that its tt has not populated yet
 * @home_pages: pages of address space that contiguous tts hold, resident or not
 * @huge_bytes: resident bytes that really are huge pages
 * @hugetlb_bytes: the part of @huge_bytes from the hugetlb reserve
 * @arena_bytes: address space of all arenas
 * @metadata_bytes: resident bytes of descriptors and lists, estimated from the part that
 *	was touched
 * @nr_nodes: NUMA nodes in use
 * @active: folios by node and order; @inserted, @cached: the same
 * @counters: see enum zcs_counter
 *
 * Fields are read one after the other while others work: sums hold at quiescence.
 */
struct zcs_pool_stats {
	size_t struct_size;
	uint64_t max_pages, cache_limit_pages;
	uint64_t resident_pages, active_pages, inserted_pages, cached_pages, kept_pages, home_pages;
	uint64_t huge_bytes, hugetlb_bytes, arena_bytes, metadata_bytes;
	uint32_t nr_nodes;
	uint64_t active[ZCS_STATS_NODES][ZCS_MAX_ORDER + 1];
	uint64_t inserted[ZCS_STATS_NODES][ZCS_MAX_ORDER + 1];
	uint64_t cached[ZCS_STATS_NODES][ZCS_MAX_ORDER + 1];
	uint64_t counters[ZCS_COUNT_NR];
};

/**
 * zcs_pool_stats - read a pool's counters
 * @pool: which
 * @stats: struct_size set by the caller; no more than that is written
 *
 * Return: 0; -EINVAL: NULL or a struct_size under the first field's. Thread-safe.
 */
ZCS_API int zcs_pool_stats(struct zcs_pool *pool, struct zcs_pool_stats *stats);

/** zcs_counter_name - the word for a counter; NULL past the last one. Thread-safe. */
ZCS_API const char *zcs_counter_name(enum zcs_counter counter);

/**
 * zcs_pool_dump - the statistics as text, in the manner of TTM's debugfs page_pool file
 * @pool: which
 * @buf: at least @size bytes; may be NULL if @size is 0
 * @size: bytes at @buf; the text is cut there and always ends in NUL
 *
 * Return: bytes of the whole text without its NUL (snprintf's rule); -EINVAL. Thread-safe.
 */
ZCS_API int64_t zcs_pool_dump(struct zcs_pool *pool, char *buf, size_t size);

/**
 * zcs_pool_check - walk a pool and verify every invariant
 * @pool: quiescent: no other thread may use it meanwhile
 *
 * Return: 0; -EUCLEAN: an invariant is broken, and each breach was logged; -EINVAL.
 */
ZCS_API int zcs_pool_check(struct zcs_pool *pool);

#ifdef __cplusplus
}
#endif

#endif
