/* SPDX-License-Identifier: MIT */
#ifndef ZCS_LIB_STORE_FOREIGN_H
#define ZCS_LIB_STORE_FOREIGN_H

#include <stdint.h>

/*
 * DOC: objects over foreign memory
 *
 * An index without a pool: over a memory file that somebody else owns and maps, such as the arena of
 * a process that talks to a daemon. The file's pages are named by their number in it (pfn). Ranges of
 * them are inserted, and are the store's to write and punch (MADV_REMOVE) until they are taken or
 * dropped. All functions are thread-safe; those with an object take its lock.
 */
struct zcs_foreign;
struct zcs_object;
struct zcs_store;

/* @nr blocks of 2^order pages, in a row on both sides: at index and at pfn, multiples of 2^order. */
struct zcs_run {
	uint64_t index, pfn;
	uint32_t order, nr;
};

/*
 * Maps the first @bytes of the file, whose descriptor is duplicated; its file offset is moved now and
 * then. It must not shrink. 0; -EINVAL: no multiple of 2 MiB, or over 3 TiB; -ENOMEM; what mmap says.
 */
int zcs_foreign_open(int fd, uint64_t bytes, struct zcs_foreign **foreign);
/* No object is left over it. NULL is ignored. */
void zcs_foreign_close(struct zcs_foreign *foreign);

/* An empty object over a store that writes (-EOPNOTSUPP else); -ENOMEM. */
int zcs_foreign_create(struct zcs_store *store, struct zcs_foreign *foreign, uint64_t num_pages,
		       struct zcs_object **object);
/* Blocks that are inserted are dropped. Waits for transfers. */
void zcs_foreign_destroy(struct zcs_object *o);

/*
 * Inserts blocks in order; those that were last used at @used_ns (CLOCK_MONOTONIC; 0: long ago). The
 * blocks that were inserted; if none, -EINVAL: order, alignment or range; -EEXIST: the index is
 * occupied; -EBUSY: the page is inserted already; -ENOMEM. Blocks that overlap by another order are
 * not noticed: that harms the content of the file's owner alone.
 */
int64_t zcs_foreign_insert(struct zcs_object *o, const struct zcs_run *run, size_t nr,
			   uint64_t used_ns);
/*
 * Takes blocks back in order, with their bytes in the pages named, which need not be those that were
 * inserted if the block was written back meanwhile. The blocks that were taken; if none, -EINVAL;
 * -ENOENT: nothing is there, or no whole block; -EXDEV: it is resident in other pages; -ENOMEM: the
 * pages cannot be filled; -EIO. Blocks that were not taken stay inserted.
 */
int64_t zcs_foreign_take(struct zcs_object *o, const struct zcs_run *run, size_t nr);
/* One page of content, a hole being zeros. */
int zcs_foreign_copy(struct zcs_object *o, uint64_t index, void *dst);
/* Forgets pages; the pages of the file keep their bytes, which is all that is left of them. */
void zcs_foreign_drop(struct zcs_object *o, uint64_t index, uint64_t nr);
/* As zcs_backup_writeback(). */
int64_t zcs_foreign_write(struct zcs_object *o, uint64_t first, uint64_t last, bool wait);

struct zcs_foreign_stats {
	uint64_t resident_pages, slot_pages, same_pages;
};
void zcs_foreign_stats(struct zcs_object *o, struct zcs_foreign_stats *stats);
/* Quiescent. 0; -EUCLEAN, logged. */
int zcs_foreign_check(struct zcs_object *o);

#endif
