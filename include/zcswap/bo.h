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
 * A device is a pool, a store, an LRU and a pressure policy. Its pool has lists for each NUMA node.
 * A bo is a contiguous tt with an address for life. The device evicts a bo when memory is short.
 * The bo comes back when any thread touches it: the touch sleeps in a page fault until one of the
 * device's fault threads has restored the folio. The first touch of a page commits it, and the page
 * is zero then. Therefore a bo may be larger than the pool's limit.
 *
 * Memory that the kernel itself accesses (read(2) into a bo, O_DIRECT, vmsplice) must be pinned
 * first. Without privilege (vm.unprivileged_userfaultfd, CAP_SYS_PTRACE) a system call that meets
 * an evicted page fails with EFAULT. Where userfaultfd is not available (struct zcs_stats.touch is
 * false), a bo may be touched only while it is pinned. A child of fork() does not inherit bos:
 * their addresses are not mapped there, and a call on a bo or device of the parent does nothing
 * (DOC: pool).
 *
 * The pool's limit never refuses a touch. A touch may exceed the limit, and each time is counted.
 * Above 9/8 of max_bytes, a touch that needs new memory waits up to one second for eviction. Pages
 * that are being written do not count for that, up to another eighth of max_bytes, and up to 4 MiB
 * in small pools. A touch does not wait where nothing can be evicted: the store frees nothing or is
 * full, or everything is pinned. A touch that waits for room, for a read or for a lock does not
 * hold up touches that need not wait.
 *
 * A page whose only copy cannot be read is poisoned: a thread that touches it gets SIGBUS. Only the
 * page that was touched is poisoned, which is 4 KiB on shmem and 2 MiB on hugetlb. Other pages of
 * its folio are read again when they are touched. A zcs_bo_pin() that succeeds ends the poisoning.
 *
 * A signal handler may touch bos. While a call holds a lock that such a touch needs, the signals of
 * the calling thread wait. If the call reads from the store meanwhile, they wait until it has read.
 * Signals that a thread's own instructions raise (SIGSEGV, SIGBUS and so on) do not wait.
 */
struct zcs_device;
struct zcs_bo;

/**
 * struct zcs_device_params - how to make a device
 * @struct_size: sizeof(struct zcs_device_params)
 * @pool: the device's pool; all fields 0: the defaults
 * @store: spec (zcs_store_open()); NULL: "mem:", which frees nothing but purged content
 * @low_percent, @high_percent: water marks, in per cent of the pool's max_bytes; 0: 80 and 90.
 *	Eviction in the background begins above the high mark and ends below the low mark. If both
 *	fields are 0, the marks are at most 64 and 32 MiB under max_bytes; with max_bytes under
 *	20 MiB, where a tenth would be less than a folio, both marks are max_bytes. Without
 *	max_bytes only memory pressure starts eviction in the background
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
 * ZCS_DEVICE_PARAMS_INIT - initializer of a struct zcs_device_params: the defaults; the caller then
 * sets the fields that differ
 */
#define ZCS_DEVICE_PARAMS_INIT                                                        \
	{                                                                             \
		sizeof(struct zcs_device_params), ZCS_POOL_PARAMS_INIT, NULL, 0, 0, 0 \
	}

/**
 * ZCS_DEVICE_NO_PSI - do not evict on memory pressure
 *
 * Without this flag a pressure event evicts bos if memory is short as well. An event means that
 * some task of the process's control group (memory.pressure), or of the machine
 * (/proc/pressure/memory), has waited for memory for 150 ms of the last 2 s. Memory is short if
 * MemAvailable, or the room under the limit of a control group around the process, is under an
 * eighth; if a task of the process's own group waits, it is a quarter.
 *
 * The device then evicts as much as is missing, and at most an eighth of its resident memory.
 * Hugetlb pages do not count, because no task that waits for memory can use them. The rest is a cap
 * until 10 s have passed without another such event, or until there is room again. If neither file
 * can be opened, struct zcs_stats has the reason.
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
 * under high, high over 100; the errors of zcs_pool_create() and zcs_store_open(); -ENOMEM,
 * -EAGAIN: no threads. Thread-safe. Kernel counterpart: ttm_device_init().
 */
ZCS_API int zcs_device_create(const struct zcs_device_params *params, struct zcs_device **device);

/**
 * zcs_device_destroy - drop the caller's reference
 * @device: NULL is ignored; the device lives until its last bo is gone
 *
 * A thread of the device may hold the last reference to a bo at that moment. Then the device ends a
 * little later, on a thread of the library, and so do its files, its store and its pool. The
 * library is never unloaded, so dlclose() at that time is harmless. Thread-safe. Kernel
 * counterpart: ttm_device_fini().
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
 * ZCS_BO_PARAMS_INIT - initializer of a struct zcs_bo_params: the defaults; the caller then sets
 * the fields that differ
 */
#define ZCS_BO_PARAMS_INIT                         \
	{                                          \
		sizeof(struct zcs_bo_params), 1, 0 \
	}

/** ZCS_BO_PURGEABLE - the bo is purgeable from the start, see zcs_bo_set_purgeable() */
#define ZCS_BO_PURGEABLE 1u

/**
 * zcs_bo_create - make a bo
 * @device: the bo keeps a reference
 * @size: bytes, rounded up to pages; from 2 MiB on, rounded up to multiples of 2 MiB
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

/** zcs_bo_get - take one more reference; returns @bo, also NULL. Thread-safe. */
ZCS_API struct zcs_bo *zcs_bo_get(struct zcs_bo *bo);
/**
 * zcs_bo_put - drop a reference
 * @bo: NULL is ignored; the content is gone with the last reference
 *
 * Thread-safe.
 */
ZCS_API void zcs_bo_put(struct zcs_bo *bo);

/** zcs_bo_address - the bo's address, the same for its whole life; NULL for NULL. Thread-safe. */
ZCS_API void *zcs_bo_address(struct zcs_bo *bo);
/** zcs_bo_size - the bo's size in bytes, as rounded; 0 for NULL. Thread-safe. */
ZCS_API uint64_t zcs_bo_size(struct zcs_bo *bo);

/**
 * zcs_bo_pin - bring a bo back and keep it
 * @bo: which
 * @ctx: NULL for the defaults
 *
 * Pins nest. A pinned bo is resident, off the LRU, and never evicted.
 *
 * Return: 0; -EINVAL: NULL, or a wrong struct_size of @ctx; -ENOMEM: over the limit and nothing can
 * be evicted, or no memory; -EIO: a page's only copy cannot be read, the caller may try again;
 * -EINTR, -EBUSY as @ctx says. After an error the call has not pinned the bo. Thread-safe. Kernel
 * counterpart: ttm_bo_pin() with ttm_bo_populate().
 */
ZCS_API int zcs_bo_pin(struct zcs_bo *bo, const struct zcs_ctx *ctx);

/**
 * zcs_bo_unpin - undo one zcs_bo_pin()
 * @bo: NULL is ignored; a call for a bo that is not pinned changes nothing, is counted (struct
 *	zcs_stats.bad_unpins) and logged
 *
 * The last unpin moves the bo to the LRU's tail. Thread-safe. Kernel counterpart: ttm_bo_unpin().
 */
ZCS_API void zcs_bo_unpin(struct zcs_bo *bo);

/**
 * zcs_bo_evict - evict a bo now
 * @bo: which
 * @flags: ZCS_BACKUP_PURGE or ZCS_BACKUP_WRITEBACK (tt.h)
 *
 * The eviction is one atomic step for a thread that writes to the bo at that moment. The device may
 * have inserted pages of the bo before, to see whether they are used. With ZCS_BACKUP_WRITEBACK
 * these pages are written as well.
 *
 * Return: the number of pages that went or are being written; 0: the bo is out, or all of it was
 * being written; -EBUSY: the bo is pinned, or nothing went because the store is full or takes no
 * writes now; -EINVAL; the errors of zcs_tt_backup(). If a write fails later, its pages stay in
 * memory, and the store's statistics count the failure. Thread-safe.
 */
ZCS_API int64_t zcs_bo_evict(struct zcs_bo *bo, uint32_t flags);

/**
 * zcs_bo_shrink - offer one bo to the shrinker
 * @bo: which
 * @ctx: no_wait: -EBUSY if another thread is just using the bo's pages
 * @flags: as zcs_bo_evict()
 *
 * Return: pages; 0: nothing to do; -EBUSY: the bo is pinned or busy, or there is no memory or room
 * for it now; -EINTR; -EINVAL. Thread-safe. Kernel counterpart: ttm_bo_shrink().
 */
ZCS_API int64_t zcs_bo_shrink(struct zcs_bo *bo, const struct zcs_ctx *ctx, uint32_t flags);

/**
 * zcs_bo_prefetch - begin to bring a bo back
 * @bo: which
 *
 * A fault thread restores the bo. Pages that cannot be restored now, because of an error or because
 * there is no room, come when they are touched. If the bo is put meanwhile, no more of it is
 * restored.
 *
 * Return: 0; -EINVAL: NULL. Thread-safe.
 */
ZCS_API int zcs_bo_prefetch(struct zcs_bo *bo);

/** zcs_bo_set_priority - 0 to 3; moves the bo to that LRU's tail; 0 or -EINVAL. Thread-safe. */
ZCS_API int zcs_bo_set_priority(struct zcs_bo *bo, unsigned priority);

/**
 * zcs_bo_set_purgeable - say whether a bo's content may be dropped
 * @bo: which
 * @purgeable: true: under pressure the content is dropped before anything is evicted, and the bo
 *	comes back zero
 *
 * Return: 1 if the content was dropped since the last call, else 0; -EINVAL. Content that
 * zcs_bo_evict() or zcs_bo_shrink() dropped with ZCS_BACKUP_PURGE does not count. Thread-safe.
 */
ZCS_API int zcs_bo_set_purgeable(struct zcs_bo *bo, bool purgeable);

/**
 * DOC: bulk moves
 *
 * A bulk is a set of bos that are used together. They move to the LRU's tail together, in one step.
 */
struct zcs_bulk;
/** zcs_bulk_create - an empty bulk for a device's bos; 0, -EINVAL, -ENOMEM. Thread-safe. */
ZCS_API int zcs_bulk_create(struct zcs_device *device, struct zcs_bulk **bulk);
/**
 * zcs_bulk_add - put a bo in a bulk, at its end
 * @bulk: a bulk of the bo's device
 * @bo: a bo that is in no bulk
 *
 * Return: 0; -EINVAL: NULL; -EBUSY: the bo is in a bulk; -EXDEV: the bo is of another device.
 * Thread-safe.
 */
ZCS_API int zcs_bulk_add(struct zcs_bulk *bulk, struct zcs_bo *bo);
/** zcs_bulk_remove - take a bo out of its bulk; 0; -ENOENT: the bo is in none. Thread-safe. */
ZCS_API int zcs_bulk_remove(struct zcs_bo *bo);
/**
 * zcs_bulk_move_tail - move every member that is on the LRU to the tail, in order
 * @bulk: which
 *
 * Return: 0; -EINVAL: NULL. Thread-safe. Kernel counterpart: ttm_lru_bulk_move_tail().
 */
ZCS_API int zcs_bulk_move_tail(struct zcs_bulk *bulk);
/**
 * zcs_bulk_destroy - free a bulk
 * @bulk: NULL is ignored; its members leave it; no other thread may use it meanwhile
 */
ZCS_API void zcs_bulk_destroy(struct zcs_bulk *bulk);

/** ZCS_SHRINK_NO_WRITEBACK - free only memory that needs no I/O to be freed */
#define ZCS_SHRINK_NO_WRITEBACK 1u

/**
 * zcs_device_shrink - free memory
 * @device: which
 * @bytes: how much
 * @flags: ZCS_SHRINK_*
 *
 * There are three passes. Each runs only if the one before did not reach the target:
 *
 * 1. purge purgeable bos;
 * 2. free without waiting and without writing: cached folios, memory that bos were made with and
 *    that nobody has touched yet, and clean folios;
 * 3. write back and wait.
 *
 * A pass meets each bo once.
 *
 * Return: bytes freed, 0 if nothing could be freed; -EINVAL. Thread-safe. Kernel counterpart:
 * xe_shrinker_scan().
 */
ZCS_API int64_t zcs_device_shrink(struct zcs_device *device, uint64_t bytes, uint32_t flags);

/**
 * ZCS_LATENCY_BUCKETS - touches by duration: bucket i counts 2^i to 2^(i+1) us; the first bucket
 * counts shorter touches too, the last one longer touches
 */
#define ZCS_LATENCY_BUCKETS 24u

/**
 * struct zcs_stats - what a device, or a bo, holds and did
 * @struct_size: sizeof(struct zcs_stats), set by the caller
 * @bos: number of bos; @pinned: number of bos that are pinned, or how often the bo is pinned; @lru:
 *	number of bos in the LRU's lists, evicted ones included
 * @size_bytes: address space of bos == @resident_bytes + @written_bytes + @same_bytes + pages that
 *	were never touched, or were purged
 * @resident_bytes: in memory == @mapped_bytes, pages of tts, + @inserted_bytes, resident in
 *	backups. @pool has the other memory of the device's pool, such as cached folios
 * @written_bytes: only in slots; @same_bytes: same-filled, without memory or slots
 * @touches: faults handled; @touch_ns: their total duration in ns; @latency: see
 *	ZCS_LATENCY_BUCKETS
 * @touch_empty, @touch_resident, @touch_read: faults that committed pages; that took folios back
 *	without I/O; that read folios
 * @touch_late: faults for which another thread had restored the page
 * @touch_errors: faults that ended in SIGBUS; @touch_waits: times that faults waited for room or
 *	memory, each at most 20 ms
 * @overshoots: folios taken over the limit for a touch
 * @evicted: evictions by zcs_bo_evict() and zcs_bo_shrink(), and bos that were written back for
 *	lack of memory; @probes: bos zapped to see whether they are used; @purged: bos whose content
 *	was dropped for lack of memory
 * @reclaims: allocations that had to evict; @background: rounds of the background thread
 * @psi_events: pressure events; @psi: whether pressure is watched; @psi_error: if not, the reason
 *	(errno; 0: ZCS_DEVICE_NO_PSI)
 * @touch: whether a touch of an evicted page restores it; true until the first bo is made, which
 *	finds out
 * @kernel_touch: whether a touch by the kernel does so too; false until then
 * @pool: the pool's statistics
 * @clean_bytes: part of @resident_bytes that is in slots too and needs no I/O to be freed. Written
 *	pages are found at the next eviction, and count as clean until then
 * @dirty_bytes: the rest of @resident_bytes
 * @bad_unpins: zcs_bo_unpin() calls for a bo that was not pinned
 * @psi_ignored: part of @psi_events that came while memory was not short
 * @over_bytes: bytes that the pool holds over its max_bytes
 * @limit_failed: times that the background thread found the pool over its limit and nothing to
 *	evict: the store is full or is "mem:", or all the rest is pinned. Counted again only after
 *	something changed. If the store is the reason, that is also logged, once
 * @mappings: mappings of the process that evicted addresses of shmem were split into, by all
 *	devices
 * @mappings_refused: how often another mapping was refused. At half of vm.max_map_count only
 *	ranges beside other evicted ranges are evicted
 * @touch_strays: touches of addresses of the device's arenas where no bo is; the thread sleeps, and
 *	the address is logged
 *
 * For a bo, the fields after @touch_waits are 0 except @clean_bytes and @dirty_bytes, and @lru is 0
 * too. Fields are read one after the other while other threads work: sums hold at quiescence.
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
 * Looks at each bo. May wait for a read from the store that is under way.
 *
 * Return: 0; -EINVAL: NULL, or a struct_size that does not reach past itself. Thread-safe.
 */
ZCS_API int zcs_device_stats(struct zcs_device *device, struct zcs_stats *stats);
/** zcs_bo_stats - the same for one bo: sizes, and touches by sort; 0 or -EINVAL. Thread-safe. */
ZCS_API int zcs_bo_stats(struct zcs_bo *bo, struct zcs_stats *stats);

/**
 * zcs_device_check - verify every invariant of a device, its pool, its store and its bos
 * @device: quiescent; the call waits for work of the device's own threads
 *
 * Return: 0; -EUCLEAN: an invariant is broken, and each breach was logged; -EINVAL.
 */
ZCS_API int zcs_device_check(struct zcs_device *device);

#ifdef __cplusplus
}
#endif

#endif
