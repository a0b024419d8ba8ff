/* SPDX-License-Identifier: MIT */
#ifndef ZCS_LIB_STORE_STORE_H
#define ZCS_LIB_STORE_STORE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include <zcswap/store.h>

#include "common/life.h"
#include "store/object.h"

/*
 * DOC: the store interface
 *
 * The rooms above, the backup, the tt and the device, know a store by this header. Three kinds
 * implement it: "mem" (store.c), "local" (slots on files and devices: local.c, writeback.c), and
 * stores whose objects live elsewhere, in another process for instance.
 *
 *	device    pending, freed, refused: zcs_store_counts()     may anything be freed there?
 *	backup    an object for each: index, lock, counters       (object.h)
 *	            │ insert, take, drop, writeback, reclaim  ▲
 *	            ▼                                         │ owner->written(object, block)
 *	store     where the bytes of a block are when they are not in memory
 *
 * Ownership of the bytes. When a block is inserted, its pages stay where they are, and its entry in
 * the object's index is PAGE. Once the store holds the bytes it raises the event written(). The
 * object's owner then uncharges the pages and frees them, and the entry is STORED with a token that
 * only the store understands.
 *
 * A store that OWNS inserted blocks needs no such event. Its pages are uncharged at the insertion
 * and charged again at the take, and the entry stays PAGE. Such a store may write and punch the
 * pages meanwhile, if take() brings the bytes back in place.
 *
 * After success of insert() the store may read, write out and (OWNS) punch the pages; after failure
 * it has forgotten them. After success of take() and drop() it neither reads nor writes them any
 * more; after failure of take() it holds the whole block as before.
 *
 * Locks. A call with an object comes with the object's lock held, unless its line says otherwise.
 * So calls for one object never overlap, and calls for different objects do. No call takes a lock
 * that a caller of the library's public functions can hold. Only calls whose line says so sleep,
 * and only those that "give the lock up" do so. Only create() allocates, for swapping out must need
 * no memory.
 */

struct zcs_fetch;
struct zcs_pool_params;

/* The store owns what is inserted: see above. */
#define ZCS_STORE_OWNS 1u

/*
 * struct zcs_extent - a block that changes its owner
 * @index: page of the object
 * @pfn, @order: 2^@order pages at @pfn of the arena's file
 * @folio: the same, for a store in this process
 */
struct zcs_extent {
	uint64_t index;
	uint64_t pfn;
	uint32_t order;
	uint32_t reserved;
	struct zcs_folio *folio;
};

/*
 * struct zcs_block_ops - for a store that keeps blocks by token in the object's index
 *
 * A store without these never calls written(), so that no entry is STORED and no folio has
 * ZCS_FF_COPY, _WB or _RA.
 *
 * @needs_io: whether a STORED entry has to be read; called without a lock
 * @await_ahead: waits for a read-ahead of the block at @index. Sleeps, gives the lock up. True:
 *	there was one, and earlier knowledge of the index may be wrong
 * @recall: takes back a resident block that is being written: INSERTED at once, without waiting
 * @withdraw: removes the marks of a resident block that is taken (@hit), dropped or split. True:
 *	the block had been read ahead, and zcs_ahead_end() is due once its pages are free or in use
 * @begin: a take of @nr blocks of object @fetch->object begins, the first of them at @index
 * @fetch: starts to bring the bytes of element @i, a STORED block, to @addr
 * @ahead: one block was asked for: the blocks behind it may be read ahead; may allocate folios
 * @fetched: sleeps until all fetches have ended, with the lock held; the errors are in @fetch. The
 *	fetched blocks are still STORED
 * @taken: a STORED block was brought to @folio, which is handed out. The folio may keep the token
 *	(ZCS_FF_COPY) until zcs_object_forget_copy()
 * @attach: a STORED block was brought to @folio and is not handed out: it is PAGE now, and
 *	INSERTED. False: refused, and the caller keeps the folio
 * @leave: frees the pages of a resident block of which the store has a copy (ZCS_FF_COPY), as
 *	reclaim() does; false: no copy, or the pages are in use
 * @forget: frees a token that a folio kept
 * @free: frees a STORED entry
 * @split: the block's entry is about to become one for each page
 * @piece: the entry of page @i after the split
 * @copy: copies page @at of a STORED block into @dst; sleeps, with the lock held
 * @drain: sleeps until no transfer of the object is under way; gives the lock up
 */
struct zcs_block_ops {
	bool (*needs_io)(uint32_t entry);
	bool (*await_ahead)(struct zcs_object *o, uint64_t index);
	void (*recall)(struct zcs_object *o, struct zcs_folio *folio);
	bool (*withdraw)(struct zcs_object *o, struct zcs_folio *folio, bool hit);
	void (*begin)(struct zcs_fetch *fetch, size_t nr, uint64_t index, bool elsewhere);
	void (*fetch)(struct zcs_fetch *fetch, size_t i, const struct zcs_block *blk, void *addr);
	void (*ahead)(struct zcs_object *o, const struct zcs_block *blk);
	void (*fetched)(struct zcs_fetch *fetch);
	void (*taken)(struct zcs_object *o, const struct zcs_block *blk, struct zcs_folio *folio);
	bool (*attach)(struct zcs_object *o, const struct zcs_block *blk, struct zcs_folio *folio);
	bool (*leave)(struct zcs_object *o, const struct zcs_block *blk);
	void (*forget)(struct zcs_object *o, uint32_t token, unsigned order);
	void (*free)(struct zcs_object *o, const struct zcs_block *blk);
	void (*split)(struct zcs_object *o, const struct zcs_block *blk);
	uint32_t (*piece)(const struct zcs_block *blk, uint64_t i);
	int (*copy)(struct zcs_object *o, const struct zcs_block *blk, uint64_t at, void *dst);
	void (*drain)(struct zcs_object *o);
};

/* The blocks that reclaim() may free, besides those that the store holds already. */
#define ZCS_RECLAIM_NO_COPY 1u /* blocks that need no copy, for they are one word */

/*
 * struct zcs_store_ops - a kind of store
 * @name: as in the spec
 * @flags: ZCS_STORE_OWNS
 *
 * Functions of the store, called without a lock. All but the first two may be NULL:
 *
 * @bytes_avail: room left, in bytes
 * @close: the last reference is gone; frees the things that open() made, but not the struct
 *	zcs_store
 * @has_room: whether a write could begin now; NULL: always
 * @stats, @check, @dump: for the public functions of that name
 * @demand: the pool that a device on this store must use: changes the params, or makes the pool
 *	itself and puts it in *pool. 0 or -errno. NULL: any pool will do
 *
 * Functions of an object. A store whose objects live elsewhere sets create, destroy, insert, take,
 * copy and drop; other stores leave all of them NULL:
 *
 * @create: makes an object, and may set its @priv; may sleep
 * @destroy: forgets the object with all blocks that are left in it; called before its pages are
 *	free
 * @insert: accepts extents in order. Returns how many (the first that many), or -errno if none.
 *	@flags are ZCS_INSERT_*; an occupied range comes only with ZCS_INSERT_REPLACE, and is to be
 *	dropped. The object's @used_ns is the time of their last use. NULL: accepts all, and learns
 *	of them by writeback()
 * @take: brings the extents' bytes back to their pages, which are no longer the store's; sleeps.
 *	Returns how many, or -errno if none; after -EINTR, -EIO, -ENOMEM the store still has the
 *	rest, whole
 * @copy: copies one page of an inserted block into @dst; sleeps. 0 or -errno
 * @drop: forgets 2^order pages from @index on, whole blocks or part of one
 *
 * Functions of an object, for stores that write:
 *
 * @writeback: begins to write the blocks that lie in [first, last]; does not sleep. Returns pages
 *	of them that are in memory, or -errno; @begun: of those, pages that were not under way
 *	before
 * @wait: sleeps until each block in [first, last] was seen not under way; gives the lock up.
 *	Returns pages that were written meanwhile; if there are no such pages, the error of one of
 *	them, or 0
 * @reclaim: frees a few blocks that need no I/O, from index *at on. Moves *at to its end, at last
 *	the size of the object. @how is ZCS_RECLAIM_*; *left becomes true for a block that has to be
 *	written. Returns pages
 *
 * @block: see there; or NULL
 */
struct zcs_store_ops {
	const char *name;
	uint32_t flags;
	int64_t (*bytes_avail)(struct zcs_store *store);
	void (*close)(struct zcs_store *store);
	bool (*has_room)(struct zcs_store *store);
	void (*stats)(struct zcs_store *store, struct zcs_store_stats *stats);
	int (*check)(struct zcs_store *store);
	int64_t (*dump)(struct zcs_store *store, char *buf, size_t size);
	int (*demand)(struct zcs_store *store, struct zcs_pool_params *params,
		      struct zcs_pool **pool);
	int (*create)(struct zcs_object *o);
	void (*destroy)(struct zcs_object *o);
	int64_t (*insert)(struct zcs_object *o, const struct zcs_extent *vec, size_t nr,
			  uint32_t flags);
	int64_t (*take)(struct zcs_object *o, const struct zcs_extent *vec, size_t nr);
	int (*copy)(struct zcs_object *o, uint64_t index, void *dst, bool interruptible);
	void (*drop)(struct zcs_object *o, uint64_t index, unsigned order);
	int64_t (*writeback)(struct zcs_object *o, uint64_t first, uint64_t last, uint64_t *begun);
	int64_t (*wait)(struct zcs_object *o, uint64_t first, uint64_t last);
	uint64_t (*reclaim)(struct zcs_object *o, uint64_t *at, unsigned how, bool *left);
	const struct zcs_block_ops *block;
};

/*
 * struct zcs_store_counts - counters of a store, written by the store and read by any thread
 * without a lock
 * @pending: pages that are to be written, or are being written
 * @freed: pages of the pools that were freed because the store holds them
 * @no_space: writes that were refused because no room was left
 * @failed: writes that failed
 * @held_back: writes that were not tried because the device takes none
 * @recalled: writes that ended because their block was taken back
 */
struct zcs_store_counts {
	_Atomic uint64_t pending, freed, no_space, failed, held_back, recalled;
};

/*
 * struct zcs_store - common part of all stores
 * @life: of the process that opened the store (life.h)
 * @refs: the opener, and each object
 * @priv: the implementation's
 * @objects: all of it, under @objects_lock; @unpinned: an object is not looked at any more
 * @shrink_lock: held by a shrink, before any object's; @walks: their number
 */
struct zcs_store {
	const struct zcs_store_ops *ops;
	uint64_t life;
	_Atomic uint64_t refs;
	void *priv;
	struct zcs_store_counts counts;
	pthread_mutex_t shrink_lock;
	uint64_t walks;
	pthread_mutex_t objects_lock;
	pthread_cond_t unpinned;
	TAILQ_HEAD(, zcs_object) objects;
};

/* Makes a store of another kind, with one reference; for tests and the mount's client. */
int zcs_store_new(const struct zcs_store_ops *ops, void *priv, struct zcs_store **store);
void zcs_store_get(struct zcs_store *store);

static inline bool zcs_store_owns(const struct zcs_store *store)
{
	return store->ops->flags & ZCS_STORE_OWNS;
}

/* Whether pages that are inserted become free at all, at once or once they are written. */
static inline bool zcs_store_frees(const struct zcs_store *store)
{
	return zcs_store_owns(store) || store->ops->writeback;
}

static inline uint64_t zcs_store_pending(const struct zcs_store *store)
{
	return atomic_load_explicit(&store->counts.pending, memory_order_relaxed);
}

static inline uint64_t zcs_store_freed(const struct zcs_store *store)
{
	return atomic_load_explicit(&store->counts.freed, memory_order_relaxed);
}

/*
 * Writes that the store did not take, in all: it had no room, or the device failed or is left
 * alone.
 */
static inline uint64_t zcs_store_refused(const struct zcs_store *store)
{
	return atomic_load(&store->counts.no_space) + atomic_load(&store->counts.failed) +
	       atomic_load(&store->counts.held_back);
}

static inline uint64_t zcs_store_recalled(const struct zcs_store *store)
{
	return atomic_load(&store->counts.recalled);
}

/* Whether a write could begin now. */
static inline bool zcs_store_has_room(struct zcs_store *store)
{
	return !store->ops->has_room || store->ops->has_room(store);
}

/* Bytes that could be written; 0 for a store that frees nothing. */
static inline uint64_t zcs_store_room(struct zcs_store *store)
{
	int64_t bytes = zcs_store_frees(store) ? store->ops->bytes_avail(store) : 0;

	return bytes > 0 ? (uint64_t)bytes : 0;
}

/* Pages of the object that count against their pool. Lock held, as for the following. */
static inline uint64_t zcs_object_in_pool(const struct zcs_object *o)
{
	return zcs_store_owns(o->store) ? 0 : o->resident_pages;
}

/* Whether blocks of it are to be written. */
static inline bool zcs_object_is_writing(const struct zcs_object *o)
{
	return o->local.pending || o->local.queued;
}

/* Takes back a resident block that is being written. */
static inline void zcs_object_recall(struct zcs_object *o, struct zcs_folio *folio)
{
	if (zcs_folio_state(folio) == ZCS_FS_WRITING)
		o->store->ops->block->recall(o, folio);
}

/* Removes a block's marks: see withdraw() of struct zcs_block_ops. */
static inline bool zcs_object_withdraw(struct zcs_object *o, struct zcs_folio *folio, bool hit)
{
	return zcs_folio_flag(folio, ZCS_FF_WB | ZCS_FF_RA) &&
	       o->store->ops->block->withdraw(o, folio, hit);
}

/* Frees the store's copy of a folio, which is dirty or about to go. Needs no lock. */
static inline void zcs_object_forget_copy(struct zcs_object *o, struct zcs_folio *folio)
{
	if (!zcs_folio_flag(folio, ZCS_FF_COPY))
		return;
	o->store->ops->block->forget(o, folio->aux, ZCS_META_ORDER(zcs_folio_meta(folio)));
	zcs_folio_set_flags(folio, 0, ZCS_FF_COPY);
}

/*
 * Frees about @pages pages of the store's objects. The objects that were used longest ago come
 * first, and an object that was used after @older_than_ns is spared. Blocks that need no I/O are
 * freed at once, the rest is written. The blocks of an object go in order of their index.
 *
 * Context: no object's lock is held; takes them one at a time; does not wait for writes. Return:
 * pages that are free, or will be when the writes have ended.
 */
int64_t zcs_store_shrink(struct zcs_store *store, uint64_t pages, uint64_t older_than_ns);

#endif
