/* SPDX-License-Identifier: MIT */
#ifndef ZCSWAP_TT_H
#define ZCSWAP_TT_H

#include <stdint.h>

#include <zcswap/version.h>

#ifdef __cplusplus
extern "C" {
#endif

struct zcs_ctx;
struct zcs_pool;
struct zcs_store;

/**
 * DOC: tt
 *
 * A tt is the translation table of a buffer: an array of slots, each empty, a page, or a backup
 * handle. Slots of all three sorts side by side are the normal state. Pages come in blocks: whole
 * folios, each starting at a multiple of its own size. Backup and restore move whole blocks and
 * keep their place: the caller finishes a call that failed or was interrupted by calling again.
 * Kernel counterpart: struct ttm_tt with ttm_pool_backup() and ttm_pool_restore_and_alloc().
 *
 * Several threads may use a tt; its calls exclude each other. The application orders its own
 * accesses to the pages: in this version nobody may touch the address of a contiguous tt between
 * backup and restore. A thread that does so sleeps until the restore (where userfaultfd is
 * available).
 */
struct zcs_tt;

/** ZCS_TT_ZERO_ALLOC - new pages are zero. They always are: accepted as in TTM, without effect */
#define ZCS_TT_ZERO_ALLOC 1u
/** ZCS_TT_EXTERNAL - the device never swaps this tt out by itself; the tt cannot have a backup */
#define ZCS_TT_EXTERNAL 2u
/** ZCS_TT_CONTIGUOUS - one run of pages with an address for life */
#define ZCS_TT_CONTIGUOUS 4u

/**
 * zcs_tt_create - make a translation table
 * @pool: where its pages come from; the tt keeps a reference
 * @num_pages: number of slots
 * @flags: ZCS_TT_*
 * @tt: where the tt is put
 *
 * The call gives a contiguous tt its address and the kind of its memory: huge pages if @num_pages
 * is a multiple of 512 and the pool has huge pages, small pages otherwise. With ZCS_BACKING_AUTO
 * the huge pages are hugetlb pages if there are enough of them now, for all homes of this pool that
 * were made so, or for max_bytes. No slot is populated.
 *
 * If the pool has a whole run of cached folios, the tt is made over them. The folios are kept for
 * the tt (struct zcs_pool_stats.kept_pages), and count against max_bytes, until the tt is populated
 * or destroyed. A device gives up the kept memory of its bos when others need it. Without a device
 * an allocation can fail on the limit because of kept memory.
 *
 * Return: 0, and the caller owns the tt; -EINVAL: NULL, 0 pages, an unknown flag, or so many pages
 * that a byte offset overflows; -ENOMEM: no memory for the table, or no run of addresses that long.
 * Thread-safe. Kernel counterpart: ttm_tt_init().
 */
ZCS_API int zcs_tt_create(struct zcs_pool *pool, uint64_t num_pages, uint32_t flags,
			  struct zcs_tt **tt);

/**
 * zcs_tt_populate - give every slot a page
 * @tt: not backed up
 * @ctx: NULL for the defaults
 *
 * Orders start at the largest that fits and never grow again; an order that the system refuses is
 * not tried again in this call.
 *
 * Return: 0, also if the tt was populated; -EINVAL: NULL, a tt that is backed up (restore it), or a
 * wrong struct_size of the ctx; -ENOMEM: nothing changed, except that pages of a contiguous tt stay
 * if a thread may have written to them meanwhile, and the next call goes on with the rest; -EBUSY:
 * no_wait, and another call on the tt is running. Thread-safe. Kernel counterpart:
 * ttm_tt_populate(), ttm_pool_alloc().
 */
ZCS_API int zcs_tt_populate(struct zcs_tt *tt, const struct zcs_ctx *ctx);

/**
 * zcs_tt_unpopulate - free every page
 * @tt: NULL, or a tt without pages, is ignored; handles stay
 *
 * Pages go to the pool; the pages of a contiguous tt go to the system and leave holes in its home.
 * Thread-safe. Kernel counterpart: ttm_tt_unpopulate().
 */
ZCS_API void zcs_tt_unpopulate(struct zcs_tt *tt);

/**
 * zcs_tt_setup_backup - give a tt a backup in a store
 * @tt: without handles
 * @store: the backup keeps a reference
 *
 * This call and zcs_tt_populate() reserve the index that backing up needs. The new backup replaces
 * an earlier one, which must be empty.
 *
 * Return: 0; -EINVAL: NULL, or ZCS_TT_EXTERNAL; -EBUSY: the present backup has content; -ENOMEM.
 * After an error the earlier backup is still in place. Thread-safe. Kernel counterpart:
 * ttm_tt_setup_backup().
 */
ZCS_API int zcs_tt_setup_backup(struct zcs_tt *tt, struct zcs_store *store);

/**
 * ZCS_BACKUP_PURGE - drop the content: the tt's pages go to the system, and slots become empty. The
 * content of handles is dropped by zcs_backup_drop(): its memory goes to the pool, or to the system
 * if the tt is contiguous
 */
#define ZCS_BACKUP_PURGE 1u
/** ZCS_BACKUP_WRITEBACK - also start writing to the store */
#define ZCS_BACKUP_WRITEBACK 2u

/**
 * zcs_tt_backup - insert a tt's pages into its backup
 * @tt: which
 * @flags: ZCS_BACKUP_*
 *
 * The call first zaps the user map of a contiguous tt, in one atomic step. Each block is offered
 * whole. A block that is refused is split to pages, and the same index is tried again. The first
 * page that is refused ends the call. Slots that hold a handle or nothing are skipped, so that a
 * partial backup can be continued. A purge drops handles as well and needs no backup. Swapping out
 * allocates no page and, unless a block must be split, no memory.
 *
 * Return: pages that were backed up or purged; 0 if there was nothing left to do or no backup was
 * set up; -EINVAL: NULL, or an unknown flag; -EBUSY: the store is full; if no page went, the error
 * that stopped the call. Thread-safe. Kernel counterpart: ttm_tt_backup(), ttm_pool_backup().
 */
ZCS_API int64_t zcs_tt_backup(struct zcs_tt *tt, uint32_t flags);

/**
 * zcs_tt_restore - bring every slot's page back
 * @tt: backed up
 * @ctx: NULL for the defaults
 *
 * Resident blocks are taken back: same pages, nothing copied. Empty slots get zero pages. The user
 * map of a contiguous tt is resolved before the call returns.
 *
 * Return: 0, every slot is a page; -EINVAL: NULL, not backed up, or a wrong struct_size of @ctx;
 * -EBUSY: no_wait, and another call on the tt is running; -ENOMEM, -EINTR, -EIO: restored pages
 * stay restored, nothing is lost, call again. Thread-safe. Kernel counterpart: ttm_tt_restore(),
 * ttm_pool_restore_and_alloc().
 */
ZCS_API int zcs_tt_restore(struct zcs_tt *tt, const struct zcs_ctx *ctx);

/**
 * zcs_tt_backup_range - zcs_tt_backup() for some slots
 * @tt: which
 * @first: first slot
 * @count: number of slots, not 0
 * @flags: ZCS_BACKUP_*
 *
 * Only blocks that lie wholly inside the range are backed up: a block is never cut.
 *
 * Return: as zcs_tt_backup(); -EINVAL also for a range outside the tt. Thread-safe.
 */
ZCS_API int64_t zcs_tt_backup_range(struct zcs_tt *tt, uint64_t first, uint64_t count,
				    uint32_t flags);

/**
 * zcs_tt_restore_range - zcs_tt_restore() for some slots
 * @tt: which
 * @first: first slot
 * @count: number of slots, not 0
 * @ctx: NULL for the defaults
 *
 * Blocks that reach into the range are restored whole.
 *
 * Return: as zcs_tt_restore(); -EINVAL also for a range outside the tt. Thread-safe.
 */
ZCS_API int zcs_tt_restore_range(struct zcs_tt *tt, uint64_t first, uint64_t count,
				 const struct zcs_ctx *ctx);

/**
 * zcs_tt_drop_backup - drop everything of a backed-up tt
 * @tt: which
 *
 * The content of the backup is dropped by block, and the other pages are freed. All slots become
 * empty, and the tt can be populated again.
 *
 * Return: 0; -EINVAL: NULL, or not backed up. Thread-safe. Kernel counterpart:
 * ttm_pool_drop_backed_up().
 */
ZCS_API int zcs_tt_drop_backup(struct zcs_tt *tt);

/** ZCS_TT_POPULATED - every slot is a page (in zcs_tt_flags()) */
#define ZCS_TT_POPULATED 0x100u
/**
 * ZCS_TT_BACKED_UP - some slots were backed up or purged and not yet restored (in zcs_tt_flags())
 */
#define ZCS_TT_BACKED_UP 0x200u

/** zcs_tt_flags - creation flags and state; 0 for NULL. Thread-safe. */
ZCS_API uint32_t zcs_tt_flags(const struct zcs_tt *tt);
/** zcs_tt_num_pages - number of slots; 0 for NULL. Thread-safe. */
ZCS_API uint64_t zcs_tt_num_pages(const struct zcs_tt *tt);

/**
 * zcs_tt_slot - look at a slot
 * @tt: which
 * @index: slot
 *
 * Return: 0 if it is empty; a value for which zcs_slot_is_handle() holds; or the page's address in
 * the linear map (a number to compare, use zcs_tt_page_address() to access it). 0 for a bad
 * argument. Thread-safe.
 */
ZCS_API uintptr_t zcs_tt_slot(const struct zcs_tt *tt, uint64_t index);

/**
 * zcs_tt_page_address - a page's address in the linear map
 * @tt: which
 * @index: slot
 *
 * Return: the address, valid until the slot's block is backed up or freed; NULL unless a page is
 * there. The user map's dirt tracking does not see writes through this address, so the folio counts
 * as dirty from then on. Thread-safe.
 */
ZCS_API void *zcs_tt_page_address(const struct zcs_tt *tt, uint64_t index);

/**
 * zcs_tt_address - the address of a contiguous tt
 * @tt: which
 *
 * Return: its home in the user map, page-aligned (2 MiB for tts of 512 pages and more), the same
 * for the tt's whole life; NULL for other tts. Touch it only while the slot holds a page.
 * Thread-safe.
 */
ZCS_API void *zcs_tt_address(const struct zcs_tt *tt);

/**
 * zcs_tt_destroy - free a tt
 * @tt: NULL is ignored; pages go to the pool, content of the backup is dropped
 *
 * No other thread may use the tt meanwhile. Kernel counterpart: ttm_tt_fini().
 */
ZCS_API void zcs_tt_destroy(struct zcs_tt *tt);

/**
 * zcs_tt_check - walk a tt and its backup and verify every invariant
 * @tt: quiescent
 *
 * Return: 0; -EUCLEAN, logged; -EINVAL.
 */
ZCS_API int zcs_tt_check(struct zcs_tt *tt);

#ifdef __cplusplus
}
#endif

#endif
