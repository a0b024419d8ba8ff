/* SPDX-License-Identifier: MIT */
#ifndef ZCS_LIB_STORE_PRIV_H
#define ZCS_LIB_STORE_PRIV_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <zcswap/store.h>

#include "common/life.h"

/*
 * A block that changes owner: 2^order pages at @pfn of the arena's file, at page @index of the
 * object.
 */
struct zcs_extent {
	uint64_t index;
	uint64_t pfn;
	uint32_t order;
	uint32_t reserved;
};

/*
 * DOC: the interface between backup and store
 *
 * A backup keeps the index: which block lies where. The store is told of every change, in vectors,
 * so that a store in another process needs one round trip for many folios. While a block is
 * inserted its pfns stay its own; a store may write the pages out and punch them, if take() brings
 * them back in place.
 *
 * Calls for one object never overlap (the backup's lock is held); calls for different objects do.
 * No call may take a lock that a caller of the library's public functions can hold.
 *
 * @name: as in the spec
 * @bytes_avail: room left, in bytes
 * @close: the last reference is gone; frees what open() made, not the struct zcs_store
 *
 * The following are optional, all or none; NULL for a store without objects of its own ("mem:"):
 *
 * @create: a new object of @num_pages; what it returns in *object goes to every other call
 * @destroy: the object is forgotten with all that is left in it
 * @insert: accepts extents in order, returns how many (the first that many), or -errno if none.
 *	@flags are ZCS_INSERT_*; an occupied range comes only with ZCS_INSERT_REPLACE, and is to be
 *	dropped
 * @take: the extents' bytes are in their pages again and no longer the store's; returns how many,
 *	or -errno if none; after -EINTR, -EIO, -ENOMEM the rest is still the store's and whole
 * @copy: one page of an inserted block into @dst; 0 or -errno
 * @writeback: as zcs_backup_writeback(), for page indexes
 * @drop: 2^order pages from @index are forgotten, whole blocks or part of one
 */
struct zcs_store;
struct zcs_swap;
struct zcs_wb;
struct zcs_same;

struct zcs_store_ops {
	const char *name;
	int64_t (*bytes_avail)(struct zcs_store *store);
	void (*close)(struct zcs_store *store);
	int (*create)(struct zcs_store *store, uint64_t num_pages, void **object);
	void (*destroy)(struct zcs_store *store, void *object);
	int64_t (*insert)(struct zcs_store *store, void *object, const struct zcs_extent *vec,
			  size_t nr, uint32_t flags);
	int64_t (*take)(struct zcs_store *store, void *object, const struct zcs_extent *vec,
			size_t nr);
	int (*copy)(struct zcs_store *store, void *object, uint64_t index, void *dst,
		    bool interruptible);
	int64_t (*writeback)(struct zcs_store *store, void *object, uint64_t first, uint64_t last,
			     uint32_t flags);
	void (*drop)(struct zcs_store *store, void *object, uint64_t index, unsigned order);
};

/*
 * struct zcs_store - what every store has
 * @life: of the process that opened it (life.h)
 * @refs: the opener, and each backup
 * @swap: slots; NULL for stores that never write, or that keep objects of their own
 * @wb: writeback over @swap; @same: the words of same-filled folios
 * @priv: the implementation's
 */
struct zcs_store {
	const struct zcs_store_ops *ops;
	uint64_t life;
	_Atomic uint64_t refs;
	struct zcs_swap *swap;
	struct zcs_wb *wb;
	struct zcs_same *same;
	void *priv;
};

/* A store of other making, with one reference; tests and the mount's client use it. */
int zcs_store_new(const struct zcs_store_ops *ops, void *priv, struct zcs_store **store);
void zcs_store_get(struct zcs_store *store);

#endif
