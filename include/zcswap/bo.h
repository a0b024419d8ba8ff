/* SPDX-License-Identifier: MIT */
#ifndef ZCSWAP_BO_H
#define ZCSWAP_BO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <zcswap/pool.h>
#include <zcswap/version.h>

#ifdef __cplusplus
extern "C" {
#endif

/**
 * DOC: buffer objects
 *
 * A device is a pool, a store, an LRU and a pressure policy; the pool has lists for each NUMA node.
 * A bo is a contiguous tt with an address for life. It is evicted when memory is short, and comes
 * back when any thread touches it: the touch sleeps in a page fault until one of the device's fault
 * threads has restored the folio. Pages are committed by the first touch and are zero then, so a bo
 * may be larger than the pool's limit.
 *
 * What the kernel itself accesses (read(2) into a bo, O_DIRECT, vmsplice) must be pinned first:
 * without privilege (vm.unprivileged_userfaultfd, CAP_SYS_PTRACE) a system call that meets an
 * evicted page gets EFAULT. Where userfaultfd is not to be had at all (struct zcs_stats.touch is
 * false), a bo may be touched only while it is pinned. A fork()ed child does not inherit bos: their
 * addresses are unmapped there, and what it calls for a bo or device of its parent does nothing
 * (DOC: pool).
 *
 * A touch is never refused on the pool's limit. It may exceed the limit; each time is counted. Once
 * the pool is 12.5 % over, not counting what is being written (up to as much again, and up to 4 MiB
 * in small pools), touching a page that is not in memory waits for eviction, for at most 1 s. It
 * does not wait where nothing can be evicted: the store frees nothing or is full, or everything is
 * pinned. Touches that wait, for room, for a read or for a lock, do not hold up touches that need
 * not. A page whose only copy cannot be read is poisoned: whoever touches it gets SIGBUS. That is
 * the page that was touched, 4 KiB on shmem and 2 MiB on hugetlb; other pages of its folio are read
 * again when they are touched. A zcs_bo_pin() that succeeds makes it good.
 *
 * A signal handler may touch bos. While a call holds a lock that such a touch needs, the calling
 * thread's signals wait, but for those that a thread raises by what it does (SIGSEGV, SIGBUS and so
 * on). If the call reads from the store meanwhile, they wait until it has read.
 */
struct zcs_device;
struct zcs_bo;

/**
 * struct zcs_device_params - how to make a device
 * @struct_size: sizeof(struct zcs_device_params)
 * @pool: its pool; all 0: the defaults
 * @store: spec (zcs_store_open()); NULL: "mem:", which frees nothing but what is purged
 * @low_percent, @high_percent: of the pool's max_bytes: eviction in the background begins above
 *	high and ends below low; 0: 80 and 90. If both are 0 they are never more than 64 and 32 MiB
 *	under max_bytes, and with less than 20 MiB, where a tenth would be less than a folio, both
 *	are max_bytes. Without max_bytes only memory pressure starts it
 * @flags: ZCS_DEVICE_*
 */
struct zcs_device_params {
	size_t struct_size;
	struct zcs_pool_params pool;
	const char *store;
	unsigned low_percent, high_percent;
	uint32_t flags;
};

/**
 * ZCS_DEVICE_PARAMS_INIT - initializer of a struct zcs_device_params: the defaults; then set what
 * differs
 */
#define ZCS_DEVICE_PARAMS_INIT                                                        \
	{                                                                             \
		sizeof(struct zcs_device_params), ZCS_POOL_PARAMS_INIT, NULL, 0, 0, 0 \
	}

/**
 * ZCS_DEVICE_NO_PSI - do not evict on memory pressure
 *
 * Otherwise bos are evicted when some task of the process's control group (memory.pressure), or of
 * the machine (/proc/pressure/memory), has waited for memory for 150 ms of 2 s, and memory is short
 * as well: MemAvailable, or what the limit of a control group around the process leaves, is under
 * an eighth (a quarter if it is the process's own group that waits). As much is evicted as lacks,
 * and an eighth of what is resident at most; hugetlb pages do not count, for nobody who waits for
 * memory gets them. What is left is a cap until 10 s have passed without another such event, or
 * there is room again. If neither file can be opened, struct zcs_stats says why.
 */
#define ZCS_DEVICE_NO_PSI 1u

/**
 * zcs_device_create - make a device
 * @params: NULL for the defaults
 * @device: where the device is put
 *
 * Starts the fault threads and the background thread.
 *
 * Return: 0, and the caller holds a reference; -EINVAL: NULL, a wrong struct_size or flag, low not
 * under high, high over 100; what zcs_pool_create() and zcs_store_open() return; -ENOMEM, -EAGAIN:
 * no threads. Kernel counterpart: ttm_device_init().
 */
ZCS_API int zcs_device_create(const struct zcs_device_params *params, struct zcs_device **device);

/**
 * zcs_device_destroy - drop the caller's reference
 * @device: NULL is ignored; it lives until its last bo is gone
 *
 * A thread of the device may hold the last reference to a bo just then: the device then ends a
 * little later, on a thread of the library, and with it its files, its store and its pool. The
 * library is never unloaded, so dlclose() at that time is harmless.
 */
ZCS_API void zcs_device_destroy(struct zcs_device *device);

/** ZCS_PRIORITIES - priorities 0 to 3; lower ones are evicted first */
#define ZCS_PRIORITIES 4u

/**
 * struct zcs_bo_params - how to make a bo
 * @struct_size: sizeof(struct zcs_bo_params)
 * @priority: 0 to 3
 * @flags: ZCS_BO_*
 */
struct zcs_bo_params {
	size_t struct_size;
	unsigned priority;
	uint32_t flags;
};

/**
 * ZCS_BO_PARAMS_INIT - initializer of a struct zcs_bo_params: the defaults; then set what differs
 */
#define ZCS_BO_PARAMS_INIT                         \
	{                                          \
		sizeof(struct zcs_bo_params), 1, 0 \
	}

/** ZCS_BO_PURGEABLE - begins purgeable, see zcs_bo_set_purgeable() */
#define ZCS_BO_PURGEABLE 1u

/**
 * zcs_bo_create - make a bo
 * @device: it keeps a reference
 * @size: bytes, rounded up to pages; from 2 MiB on to multiples of 2 MiB
 * @params: NULL for the defaults (priority 1)
 * @bo: where the bo is put
 *
 * Takes address space and descriptors, no pages.
 *
 * Return: 0, and the caller holds a reference; -EINVAL: NULL, 0 or an overflowing size, a wrong
 * struct_size or flag, a priority over 3; -ENOMEM: no memory for descriptors, no run of addresses
 * that long, or no file descriptor or kernel memory for a userfaultfd.
 * Thread-safe. Kernel counterpart: ttm_bo_init_reserved().
 */
ZCS_API int zcs_bo_create(struct zcs_device *device, uint64_t size,
			  const struct zcs_bo_params *params, struct zcs_bo **bo);

/** zcs_bo_get - one more reference; returns @bo. Thread-safe. */
ZCS_API struct zcs_bo *zcs_bo_get(struct zcs_bo *bo);
/**
 * zcs_bo_put - drop a reference
 * @bo: NULL is ignored; with its last reference the content is gone
 *
 * Thread-safe.
 */
ZCS_API void zcs_bo_put(struct zcs_bo *bo);

/** zcs_bo_address - the bo's address, the same for its whole life; NULL for NULL. Thread-safe. */
ZCS_API void *zcs_bo_address(struct zcs_bo *bo);
/** zcs_bo_size - its size in bytes, as rounded; 0 for NULL. Thread-safe. */
ZCS_API uint64_t zcs_bo_size(struct zcs_bo *bo);

/**
 * zcs_bo_pin - bring a bo back and keep it
 * @bo: which
 * @ctx: NULL for the defaults
 *
 * Nests. While pinned a bo is resident, off the LRU, and never evicted.
 *
 * Return: 0; -EINVAL; -ENOMEM: over the limit and nothing can be evicted, or no memory; -EIO: a
 * page's only copy cannot be read, try again; -EINTR, -EBUSY as @ctx says. After an error it is not
 * pinned. Thread-safe. Kernel counterpart: ttm_bo_pin() with ttm_bo_populate().
 */
ZCS_API int zcs_bo_pin(struct zcs_bo *bo, const struct zcs_ctx *ctx);

/**
 * zcs_bo_unpin - undo one zcs_bo_pin()
 * @bo: which; NULL is ignored; if it is not pinned that is counted (struct zcs_stats.bad_unpins)
 *	and logged
 *
 * With the last one the bo goes to the LRU's tail. Thread-safe. Kernel counterpart: ttm_bo_unpin().
 */
ZCS_API void zcs_bo_unpin(struct zcs_bo *bo);

/**
 * zcs_bo_evict - evict a bo now
 * @bo: which
 * @flags: ZCS_BACKUP_PURGE or ZCS_BACKUP_WRITEBACK (tt.h)
 *
 * One atomic step for whoever writes to it at that moment. The device may have inserted pages of
 * the bo before, to see whether they are used: with ZCS_BACKUP_WRITEBACK they are written as well.
 *
 * Return: pages that went, or are being written; 0 if it is out, or all of it was being written;
 * -EBUSY: pinned, or nothing went, for the store is full or takes no writes now; -EINVAL; as
 * zcs_tt_backup(). A write that fails later leaves its pages in memory, and the store's statistics
 * tell. Thread-safe.
 */
ZCS_API int64_t zcs_bo_evict(struct zcs_bo *bo, uint32_t flags);

/**
 * zcs_bo_shrink - offer one bo to the shrinker
 * @bo: which
 * @ctx: no_wait: -EBUSY if somebody is just using the bo's pages
 * @flags: as zcs_bo_evict()
 *
 * Return: pages; 0: nothing to do; -EBUSY: pinned, busy, or no memory or room for it now; -EINTR;
 * -EINVAL. Thread-safe. Kernel counterpart: ttm_bo_shrink().
 */
ZCS_API int64_t zcs_bo_shrink(struct zcs_bo *bo, const struct zcs_ctx *ctx, uint32_t flags);

/**
 * zcs_bo_prefetch - begin to bring a bo back
 * @bo: which
 *
 * A fault thread restores it. What cannot be had now, for errors or for want of room, comes when it
 * is touched. Of a bo that is put meanwhile no more is restored.
 *
 * Return: 0; -EINVAL: NULL. Thread-safe.
 */
ZCS_API int zcs_bo_prefetch(struct zcs_bo *bo);

/** zcs_bo_set_priority - 0 to 3; the bo goes to that LRU's tail; 0 or -EINVAL. Thread-safe. */
ZCS_API int zcs_bo_set_priority(struct zcs_bo *bo, unsigned priority);

/**
 * zcs_bo_set_purgeable - say whether a bo's content may be dropped
 * @bo: which
 * @purgeable: true: under pressure it is dropped, before anything is evicted, and comes back zero
 *
 * Return: 1 if the content was dropped since this was last asked, else 0; -EINVAL. Thread-safe.
 * What was dropped by zcs_bo_evict() and zcs_bo_shrink() with ZCS_BACKUP_PURGE does not count.
 */
ZCS_API int zcs_bo_set_purgeable(struct zcs_bo *bo, bool purgeable);

/**
 * DOC: bulk moves
 *
 * Bos that are used together, and move to the LRU's tail together in one step.
 */
struct zcs_bulk;
/** zcs_bulk_create - an empty bulk for a device's bos; 0, -EINVAL, -ENOMEM. Thread-safe. */
ZCS_API int zcs_bulk_create(struct zcs_device *device, struct zcs_bulk **bulk);
/**
 * zcs_bulk_add - put a bo in a bulk, at its end
 * @bulk: of the bo's device
 * @bo: in no bulk
 *
 * Return: 0; -EINVAL: NULL; -EBUSY: it is in one; -EXDEV: another device's. Thread-safe.
 */
ZCS_API int zcs_bulk_add(struct zcs_bulk *bulk, struct zcs_bo *bo);
/** zcs_bulk_remove - take a bo out of its bulk; 0; -ENOENT: it is in none. Thread-safe. */
ZCS_API int zcs_bulk_remove(struct zcs_bo *bo);
/** zcs_bulk_move_tail - move every member that is on the LRU to the tail, in order; 0, -EINVAL. */
ZCS_API int zcs_bulk_move_tail(struct zcs_bulk *bulk);
/** zcs_bulk_destroy - NULL is ignored; members leave it. Thread-safe. */
ZCS_API void zcs_bulk_destroy(struct zcs_bulk *bulk);

/** ZCS_SHRINK_NO_WRITEBACK - only what can be freed without I/O */
#define ZCS_SHRINK_NO_WRITEBACK 1u

/**
 * zcs_device_shrink - free memory
 * @device: which
 * @bytes: how much
 * @flags: ZCS_SHRINK_*
 *
 * Three passes, each only if the one before did not reach the target: purge what is purgeable; free
 * without waiting and without writing (cached folios, memory that bos were made with and that
 * nobody touched yet, clean folios); write back and wait. Each bo is met once a pass.
 *
 * Return: bytes freed, 0 if nothing could be; -EINVAL. Thread-safe. Kernel counterpart:
 * xe_shrinker_scan().
 */
ZCS_API int64_t zcs_device_shrink(struct zcs_device *device, uint64_t bytes, uint32_t flags);

/**
 * ZCS_LATENCY_BUCKETS - touches by duration: bucket i counts 2^i to 2^(i+1) us, the ends all beyond
 */
#define ZCS_LATENCY_BUCKETS 24u

/**
 * struct zcs_stats - what a device, or a bo, holds and did
 * @struct_size: sizeof(struct zcs_stats), set by the caller
 * @bos: number of bos; @pinned: of them pinned, or how often a bo is; @lru: of them in the LRU's
 *	lists, evicted ones included
 * @size_bytes: address space of bos == @resident_bytes + @written_bytes + @same_bytes + what was
 *	never touched, or purged
 * @resident_bytes: in memory == @mapped_bytes, pages of tts, + @inserted_bytes, resident in
 *	backups. What the device's pool holds beside that, as cached folios, is in @pool
 * @written_bytes: only in slots; @same_bytes: same-filled, without memory or slots
 * @touches: faults handled; @touch_ns: their duration in all; @latency: see ZCS_LATENCY_BUCKETS
 * @touch_empty, @touch_resident, @touch_read: pages committed; taken back without I/O; read
 * @touch_late: somebody else had restored it
 * @touch_errors: faults that ended in SIGBUS; @touch_waits: times that faults waited for room or
 *	memory, 20 ms at most each time
 * @overshoots: folios taken over the limit for a touch
 * @evicted: evictions by zcs_bo_evict() and zcs_bo_shrink(), and bos that were written back for
 *	want of memory;
 *	@probes: bos zapped to see whether they are used; @purged: bos dropped for want of memory
 * @reclaims: allocations that had to evict; @background: rounds of the background thread
 * @psi_events: pressure events; @psi: whether pressure is watched; @psi_error: else why not (errno;
 *	0: not asked for)
 * @touch: whether a touch of an evicted page restores it; true until the first bo is made, which
 *	tries
 * @kernel_touch: also one by the kernel; false until then
 * @pool: the pool's statistics
 * @clean_bytes: of @resident_bytes, those that are in slots too and need no I/O to be freed. What
 *	was written to is found at the next eviction and counts as clean until then
 * @dirty_bytes: the rest of @resident_bytes
 * @bad_unpins: zcs_bo_unpin() of what was not pinned
 * @psi_ignored: of @psi_events, those that came while memory was not short
 * @over_bytes: what the pool holds over its max_bytes
 * @limit_failed: times that the background thread found it so and nothing to evict, since the store
 *	is full or is "mem:", or all the rest is pinned; counted again only after something changed.
 *	That it is the store is also logged, once
 * @mappings: mappings of the process that evicted addresses of shmem were split into, by all
 *	devices; at half of vm.max_map_count only what is beside others is evicted:
 *	@mappings_refused
 * @touch_strays: touches of addresses of the device's arenas where no bo is; who does that sleeps,
 *	and it is logged
 *
 * Of a bo, what follows @touch_waits is 0 but for @clean_bytes and @dirty_bytes, and so is @lru.
 * Fields are read one after the other while others work: sums hold at quiescence.
 */
struct zcs_stats {
	size_t struct_size;
	uint64_t bos, pinned, lru;
	uint64_t size_bytes, resident_bytes, mapped_bytes, inserted_bytes, written_bytes,
		same_bytes;
	uint64_t touches, touch_ns, latency[ZCS_LATENCY_BUCKETS];
	uint64_t touch_empty, touch_resident, touch_read, touch_late, touch_errors, touch_waits;
	uint64_t overshoots, evicted, probes, purged, reclaims, background;
	uint64_t psi_events;
	int psi_error;
	bool psi, touch, kernel_touch;
	struct zcs_pool_stats pool;
	uint64_t clean_bytes, dirty_bytes, bad_unpins;
	uint64_t psi_ignored;
	uint64_t over_bytes, limit_failed;
	uint64_t mappings, mappings_refused;
	uint64_t touch_strays;
};

/**
 * zcs_device_stats - read a device's counters
 * @device: which
 * @stats: struct_size set by the caller; no more than that is written
 *
 * Looks at each bo, and may wait for a read from the store that is under way.
 *
 * Return: 0; -EINVAL: NULL, or a struct_size that does not reach past itself. Thread-safe.
 */
ZCS_API int zcs_device_stats(struct zcs_device *device, struct zcs_stats *stats);
/** zcs_bo_stats - the same for one bo: sizes, and touches by sort; 0 or -EINVAL. Thread-safe. */
ZCS_API int zcs_bo_stats(struct zcs_bo *bo, struct zcs_stats *stats);

/**
 * zcs_device_check - verify every invariant of a device, its pool, its store and its bos
 * @device: quiescent; what its own threads have in hand is waited for
 *
 * Return: 0; -EUCLEAN, logged; -EINVAL.
 */
ZCS_API int zcs_device_check(struct zcs_device *device);

#ifdef __cplusplus
}
#endif

#endif
