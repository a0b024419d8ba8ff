/* SPDX-License-Identifier: MIT */
#ifndef ZCSWAP_BACKUP_H
#define ZCSWAP_BACKUP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <zcswap/version.h>

#ifdef __cplusplus
extern "C" {
#endif

struct zcs_folio;
struct zcs_pool;
struct zcs_store;

/**
 * DOC: backup
 *
 * A backup is like a shmem file: it maps a page index to a resident folio, a swap entry, a
 * same-filled value, or a hole. A folio is *inserted*: it changes owner, and no byte is copied. It
 * is
 * *taken* back the same way. A block is the content of one insertion: 2^order indexes, the first a
 * multiple of 2^order. All folios in one backup are of one pool. Kernel counterpart: ttm_backup
 * over a shmem file.
 */
struct zcs_backup;

/**
 * DOC: handles
 *
 * The handle of page index i is i + 1, so that 0 can mean "none" and a negative value an error; the
 * pages of a block have consecutive handles. In a tt's slot a handle is shifted left by one with
 * bit 0 set; a page address has bit 0 clear.
 */

/** zcs_handle_from_index - the handle of page @index */
static inline int64_t zcs_handle_from_index(uint64_t index)
{
	return (int64_t)(index + 1);
}

/** zcs_handle_to_index - the page index of @handle, which must be positive */
static inline uint64_t zcs_handle_to_index(int64_t handle)
{
	return (uint64_t)handle - 1;
}

/** zcs_handle_to_slot - @handle as a tt keeps it in a slot */
static inline uintptr_t zcs_handle_to_slot(int64_t handle)
{
	return ((uintptr_t)handle << 1) | 1u;
}

/** zcs_slot_to_handle - the handle in a slot for which zcs_slot_is_handle() holds */
static inline int64_t zcs_slot_to_handle(uintptr_t slot)
{
	return (int64_t)(slot >> 1);
}

/** zcs_slot_is_handle - whether a slot holds a backup handle; slot value 1 is handle 0 */
static inline bool zcs_slot_is_handle(uintptr_t slot)
{
	return (slot & 1u) != 0;
}

/**
 * zcs_backup_create - make an empty backup
 * @store: where the backup is written back to; the backup keeps a reference
 * @num_pages: number of page indexes
 * @backup: where the backup is put
 *
 * The call reserves the index, so that an insertion allocates nothing.
 *
 * Return: 0, and the caller holds a reference; -EINVAL: NULL, 0 pages, or so many that a byte
 * offset or a handle overflows; -ENOMEM. Thread-safe. Kernel counterpart:
 * ttm_backup_shmem_create().
 */
ZCS_API int zcs_backup_create(struct zcs_store *store, uint64_t num_pages,
			      struct zcs_backup **backup);

/** ZCS_INSERT_WRITEBACK - start writing the folio to the store at once; best effort */
#define ZCS_INSERT_WRITEBACK 1u
/** ZCS_INSERT_REPLACE - first drop the content of the range; counted and logged */
#define ZCS_INSERT_REPLACE 2u

/**
 * zcs_backup_insert_folio - give a folio to a backup
 * @backup: new owner
 * @folio: owned by the caller, in no user map
 * @order: the order of the folio, as a check
 * @flags: ZCS_INSERT_*
 * @index: page index, a multiple of 2^order
 *
 * No byte is copied and nothing is allocated.
 *
 * Return: the handle of @index, and the pointer is consumed. After an error the folio is still the
 * caller's, unchanged: -EINVAL: NULL, a wrong order, an unaligned or out-of-range index, an unknown
 * flag, a folio that is not the caller's; -EEXIST: the range is occupied; -EXDEV: the backup holds
 * folios of another pool; -ENOMEM: the store has no room for its index. Thread-safe. Kernel
 * counterpart: ttm_backup_insert_folio().
 */
ZCS_API int64_t zcs_backup_insert_folio(struct zcs_backup *backup, struct zcs_folio *folio,
					unsigned order, uint32_t flags, uint64_t index);

/**
 * struct zcs_insert - one element of zcs_backup_insert_folios()
 * @folio: owned by the caller
 * @index: page index
 * @order: the order of the folio
 * @reserved: 0
 * @handle: out: the handle, or -errno; 0 for elements that were not tried
 */
struct zcs_insert {
	struct zcs_folio *folio;
	uint64_t index;
	uint32_t order;
	uint32_t reserved;
	int64_t handle;
};

/**
 * zcs_backup_insert_folios - give many folios to a backup in one call
 * @backup: new owner
 * @vec: @nr elements, each as for zcs_backup_insert_folio(); their handle is set
 * @nr: number of elements
 * @flags: ZCS_INSERT_*, for all
 *
 * Elements are inserted in order; the first that is refused ends the call. One call is one round
 * trip to a store in another process. Such a store says only how many elements it accepted. If it
 * accepted some, the handle of the next element is -ENOMEM, whatever the reason.
 *
 * Return: how many were inserted (the first that many of @vec); -errno of the first if none was.
 * Thread-safe.
 */
ZCS_API int64_t zcs_backup_insert_folios(struct zcs_backup *backup, struct zcs_insert *vec,
					 size_t nr, uint32_t flags);

/**
 * zcs_backup_take_folio - take a folio back
 * @backup: present owner
 * @handle: the first handle of a block
 * @pool: the pool of the folios in the backup; for a block that was written back, any pool
 * @folio: where the folio is put; owned by the caller
 *
 * A resident block is the very folio that was inserted: nothing is allocated or copied. A block
 * that was written back is read into a folio of @pool.
 *
 * Return: 0; -EINVAL: NULL, a handle that is forged, or not the first of its block; -ENOENT:
 * nothing is there (taken or dropped before, or never inserted); -EXDEV: the block is a folio of
 * another pool, and not written back; -ENOMEM: no memory to read into; -EIO, or another error of
 * the device: the block cannot be read, or its checksum does not match. After an error the block
 * still belongs to the backup. Thread-safe.
 */
ZCS_API int zcs_backup_take_folio(struct zcs_backup *backup, int64_t handle, struct zcs_pool *pool,
				  struct zcs_folio **folio);

/**
 * struct zcs_take - one element of zcs_backup_take_folios()
 * @handle: the first handle of a block
 * @folio: out: the folio, NULL if it was not taken
 */
struct zcs_take {
	int64_t handle;
	struct zcs_folio *folio;
};

/**
 * zcs_backup_take_folios - take many folios back in one call
 * @backup: present owner
 * @vec: @nr elements; their folio is set
 * @nr: number of elements
 * @pool: as for zcs_backup_take_folio()
 *
 * Blocks behind the first that fails still belong to the backup. Blocks that had been read by then
 * are resident, and count against @pool until they are taken, dropped or written back, or until a
 * take needs their memory.
 *
 * Return: how many were taken (the first that many of @vec); -errno of the first if none was.
 * Thread-safe.
 */
ZCS_API int64_t zcs_backup_take_folios(struct zcs_backup *backup, struct zcs_take *vec, size_t nr,
				       struct zcs_pool *pool);

/**
 * zcs_backup_copy_page - read one page of a backup
 * @backup: which
 * @dst: ZCS_PAGE_SIZE bytes
 * @handle: of any page, not only of a block's first page
 * @interruptible: as in struct zcs_ctx (pool.h)
 *
 * The content stays where it is. A hole reads as zeros, as in a shmem file.
 *
 * Return: 0; -EINVAL: NULL, a handle outside the backup; -EINTR; -EIO. Thread-safe. Kernel
 * counterpart: ttm_backup_copy_page().
 */
ZCS_API int zcs_backup_copy_page(struct zcs_backup *backup, void *dst, int64_t handle,
				 bool interruptible);

/** ZCS_WB_WAIT - return when the pages have been written and freed */
#define ZCS_WB_WAIT 1u

/**
 * zcs_backup_writeback - write pages to the store
 * @backup: which
 * @first: first page index
 * @last: last page index, inclusive; it is clamped to the backup's size
 * @flags: ZCS_WB_WAIT or 0
 *
 * Only whole blocks inside the range are written. ZCS_WB_WAIT waits for these blocks only, for each
 * until it was seen with no write pending. It counts all pages of the range that were written
 * meanwhile, also for other callers.
 *
 * Return: pages written; 0 if there was nothing to write, if others took the pages meanwhile, or if
 * the store never writes ("mem:"); -EINVAL: NULL, @first outside the backup or over @last, an
 * unknown flag; if no page could be written, the last error of the range. Thread-safe.
 */
ZCS_API int64_t zcs_backup_writeback(struct zcs_backup *backup, uint64_t first, uint64_t last,
				     uint32_t flags);

/**
 * zcs_backup_drop - forget 2^order pages
 * @backup: which
 * @handle: of the first page; its index is a multiple of 2^order
 * @order: 0 to ZCS_MAX_ORDER
 *
 * A whole block is freed to its pool in one step. Part of a block is split off if the arena can
 * split, and otherwise zeroed in place and counted. Dropping a hole does nothing. A forged handle,
 * or a range that is unaligned or outside the backup, is counted and logged. Thread-safe. Kernel
 * counterpart: ttm_backup_drop().
 */
ZCS_API void zcs_backup_drop(struct zcs_backup *backup, int64_t handle, unsigned order);

/**
 * zcs_backup_destroy - drop the caller's reference
 * @backup: NULL is ignored; every folio in it is freed to its pool
 *
 * Thread-safe. Kernel counterpart: ttm_backup_fini().
 */
ZCS_API void zcs_backup_destroy(struct zcs_backup *backup);

/**
 * zcs_backup_check - walk a backup and verify every invariant
 * @backup: quiescent
 *
 * Return: 0; -EUCLEAN, logged; -EINVAL.
 */
ZCS_API int zcs_backup_check(struct zcs_backup *backup);

/**
 * struct zcs_backup_stats - what a backup holds
 * @struct_size: sizeof(struct zcs_backup_stats), set by the caller
 * @num_pages: indexes
 * @resident_pages: pages of inserted folios
 * @metadata_bytes: resident bytes of the index
 * @slot_pages: pages written back and not resident
 * @same_pages: pages of same-filled folios, which take no slot and no memory
 */
struct zcs_backup_stats {
	size_t struct_size;
	uint64_t num_pages, resident_pages, metadata_bytes, slot_pages, same_pages;
};

/** zcs_backup_stats - read what a backup holds; 0 or -EINVAL. Thread-safe. */
ZCS_API int zcs_backup_stats(struct zcs_backup *backup, struct zcs_backup_stats *stats);

#ifdef __cplusplus
}
#endif

#endif
