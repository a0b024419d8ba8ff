/* SPDX-License-Identifier: MIT */
#ifndef ZCS_LIB_STORE_FOREIGN_H
#define ZCS_LIB_STORE_FOREIGN_H

#include <stdint.h>

/*
 * DOC: objects over foreign memory
 *
 * An index without a pool, over a memory file that another program owns and maps, such as the arena
 * of a process that talks to a daemon. A page of the file is named by its number there (pfn).
 * Inserted ranges are the store's to write and punch (MADV_REMOVE) until they are taken or dropped.
 * All functions are thread-safe; those with an object take its lock.
 */
struct zcs_foreign;
struct zcs_object;
struct zcs_store;

/*
 * struct zcs_run - @nr blocks of 2^order pages, in a row at @index and at @pfn, multiples of
 * 2^order
 */
struct zcs_run {
	uint64_t index, pfn;
	uint32_t order, nr;
};

/*
 * Maps the first @bytes of the file, which must not shrink, and duplicates the descriptor. Moves
 * its file offset now and then. Return: 0; -EINVAL: not a multiple of 2 MiB, or over 3 TiB;
 * -ENOMEM; another error of mmap().
 */
int zcs_foreign_open(int fd, uint64_t bytes, struct zcs_foreign **foreign);
/* Closes foreign memory without objects. NULL is ignored. */
void zcs_foreign_close(struct zcs_foreign *foreign);

/*
 * Makes an empty object over a store that writes. Return: 0; -EOPNOTSUPP: the store does not write;
 * -ENOMEM.
 */
int zcs_foreign_create(struct zcs_store *store, struct zcs_foreign *foreign, uint64_t num_pages,
		       struct zcs_object **object);
/* Destroys an object and drops its blocks. Context: no lock held; waits for transfers. */
void zcs_foreign_destroy(struct zcs_object *o);

/*
 * Inserts blocks in order, last used at @used_ns (CLOCK_MONOTONIC; 0: long ago). A block that
 * overlaps another of a different order is not noticed, and harms only the content of the file's
 * owner.
 *
 * Return: the number of inserted blocks. If none: -EINVAL: order, alignment or range; -EEXIST: the
 * index is occupied; -EBUSY: the page is inserted already; -ENOMEM.
 */
int64_t zcs_foreign_insert(struct zcs_object *o, const struct zcs_run *run, size_t nr,
			   uint64_t used_ns);
/*
 * Takes blocks back in order, with their bytes in the named pages. If the block was written back
 * meanwhile, these may be other pages than the inserted ones. Blocks that were not taken stay
 * inserted.
 *
 * Context: no lock held; sleeps for reads. Return: the number of taken blocks. If none: -EINVAL;
 * -ENOENT: no block, or no whole one; -EXDEV: the block is resident in other pages; -ENOMEM: the
 * pages cannot be filled; -EIO.
 */
int64_t zcs_foreign_take(struct zcs_object *o, const struct zcs_run *run, size_t nr);
/* Copies one page of content; a hole is zeros. Sleeps for a read. */
int zcs_foreign_copy(struct zcs_object *o, uint64_t index, void *dst);
/* Forgets pages. The pages of the file keep their bytes, the only copy that is left. */
void zcs_foreign_drop(struct zcs_object *o, uint64_t index, uint64_t nr);
/* As zcs_backup_writeback(). */
int64_t zcs_foreign_write(struct zcs_object *o, uint64_t first, uint64_t last, bool wait);

struct zcs_foreign_stats {
	uint64_t resident_pages, slot_pages, same_pages;
};
void zcs_foreign_stats(struct zcs_object *o, struct zcs_foreign_stats *stats);
/* Verifies an object without transfers. Return: 0; -EUCLEAN, logged. */
int zcs_foreign_check(struct zcs_object *o);

#endif
