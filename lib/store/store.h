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
 * What lies above this room, the backup, the tt and the device, knows a store by this header. Three
 * kinds implement it: "mem" (store.c), "local" (slots on files and devices: local.c, writeback.c),
 * and stores whose objects live elsewhere, in another process for instance.
 *
 *	device    pending, freed, refused: zcs_store_counts()     may anything be freed there?
 *	backup    an object for each: index, lock, counters       (object.h)
 *	            │ insert, take, drop, writeback, reclaim  ▲
 *	            ▼                                         │ owner->written(object, block)
 *	store     where the bytes of a block are when they are not in memory
 *
 * Who owns the bytes. A block is inserted: its pages stay where they are, and its entry in the
 * object's index is PAGE. When the store holds the bytes it says so by the event written(): the
 * object's owner uncharges the pages and frees them, and the entry is STORED with a token. What the
 * token says only the store knows. A store that OWNS what is inserted needs no such event: its pages
 * are uncharged as they are inserted and charged again as they are taken, the entry stays PAGE, and
 * the store may write and punch the pages meanwhile, if take() brings the bytes back in place.
 *
 * After success of insert() the store may read, write out and (OWNS) punch the pages; after failure
 * it has forgotten them. After success of take() and drop() it does neither read nor write them any
 * more; after failure of take() it holds the block as before, whole.
 *
 * Locks. Calls with an object come with its lock held, unless they say otherwise; so calls for one
 * object never overlap, and calls for different objects do. No call takes a lock that a caller of
 * the library's public functions can hold. Only calls that say so sleep, and only those that say
 * "gives the lock up" give it up. No call allocates but create(): swapping out needs no memory.
 */

struct zcs_fetch;
struct zcs_pool_params;

/* The store owns what is inserted: see above. */
#define ZCS_STORE_OWNS 1u

/*
 * struct zcs_extent - a block that changes owner: 2^order pages at @pfn of the arena's file, at page
 *	@index of the object; @folio: the same, for a store in this process
 */
struct zcs_extent {
	uint64_t index;
	uint64_t pfn;
	uint32_t order;
	uint32_t reserved;
	struct zcs_folio *folio;
};

/*
 * struct zcs_block_ops - for a store that keeps blocks by token in the object's index. A store
 *	without these never calls written(), so that no entry is STORED and no folio has
 *	ZCS_FF_COPY, _WB or _RA
 *
 * @needs_io: whether a STORED entry has to be read; without a lock
 * @settle: true: the block at @index was on its way to memory, unasked. Sleeps until that ended, gives
 *	the lock up: what was known of the index before may be wrong
 * @recall: a resident block that is being written is wanted back: INSERTED at once, without waiting
 * @withdraw: the marks of a resident block that is taken (@hit), dropped or split. True: it had been
 *	read ahead, and zcs_ahead_end() is due once its pages are free or in use
 * @begin: a take of @nr blocks of object @fetch->object begins, the first of them at @index
 * @fetch: starts to bring the bytes of element @i, a STORED block, to @addr
 * @ahead: one block was asked for: the blocks behind it may be read ahead; may allocate folios
 * @fetched: sleeps until all of it ended, with the lock held; the errors are in @fetch. What was
 *	fetched is STORED still
 * @taken: a STORED block was brought to @folio, which is handed out. The folio may keep the token
 *	(ZCS_FF_COPY) until zcs_object_forget_copy()
 * @attach: a STORED block was brought to @folio and is not handed out: it is PAGE now, and
 *	INSERTED. False: nothing was gained by that, the folio is the caller's
 * @leave: frees the pages of a resident block of which the store has a copy (ZCS_FF_COPY), as
 *	reclaim() does; false: it has none, or they are in use
 * @forget: a token that a folio kept
 * @free: an entry that is STORED goes
 * @split: the block's entry is to become one for each page; @piece: that of page @i
 * @copy: page @at of a STORED block into @dst; sleeps, with the lock held
 * @drain: sleeps until nothing of the object is under way; gives the lock up
 */
struct zcs_block_ops {
	bool (*needs_io)(uint32_t entry);
	bool (*settle)(struct zcs_object *o, uint64_t index);
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

/* What reclaim() may free, besides blocks that the store holds already. */
#define ZCS_RECLAIM_NO_COPY 1u /* blocks that need no copy, for they are one word */

/*
 * struct zcs_store_ops - a kind of store
 * @name: as in the spec
 * @flags: ZCS_STORE_OWNS
 *
 * Of the store, without a lock. All but the first two may be NULL:
 *
 * @bytes_avail: room left, in bytes
 * @close: the last reference is gone; frees what open() made, not the struct zcs_store
 * @has_room: whether a write could begin now; NULL: always
 * @stats, @check, @dump: for the public functions of that name
 * @demand: the pool that a device on this store must use: changes the params, or makes the pool
 *	itself and puts it in *pool. 0 or -errno. NULL: any pool will do
 *
 * Of an object. For a store whose objects live elsewhere create, destroy, insert, take, copy and
 * drop are all set; for others all NULL:
 *
 * @create: a new object, for which @priv of the object is the store's to set; may sleep
 * @destroy: the object is forgotten with all that is left in it; before its pages are free
 * @insert: accepts extents in order, returns how many (the first that many), or -errno if none.
 *	@flags are ZCS_INSERT_*; an occupied range comes only with ZCS_INSERT_REPLACE, and is to be
 *	dropped. When they were last used is @used_ns of the object. NULL: accepts all, and learns
 *	of it by writeback()
 * @take: the extents' bytes are in their pages again and no longer the store's; sleeps. Returns how
 *	many, or -errno if none; after -EINTR, -EIO, -ENOMEM the rest is still the store's and whole
 * @copy: one page of an inserted block into @dst; sleeps. 0 or -errno
 * @drop: 2^order pages from @index are forgotten, whole blocks or part of one
 *
 * Of an object, for stores that write:
 *
 * @writeback: begins to write the blocks that lie in [first, last]; does not sleep. Pages in there
 *	that are in memory, or -errno; @begun: of those, pages that were not under way before
 * @wait: sleeps until each block in [first, last] was seen not under way, gives the lock up. Pages
 *	that were written meanwhile; if none, why one was not, or 0
 * @reclaim: frees blocks that need no I/O for it, a few from index *at on, which is moved to where it
 *	ended, the size of the object at last. @how is ZCS_RECLAIM_*; *left becomes true for a
 *	block that has to be written. Returns pages
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
 * struct zcs_store_counts - what a store did, for those who wait for it; written by the store, read
 *	by anybody without a lock
 * @pending: pages that are to be written, or are being written
 * @freed: pages of the pools that were freed because the store holds them
 * @no_space, @failed, @held_back: writes that were not taken for want of room; that failed; that
 *	were not tried because the device takes none
 * @recalled: writes that were ended because their block was wanted back
 */
struct zcs_store_counts {
	_Atomic uint64_t pending, freed, no_space, failed, held_back, recalled;
};

/*
 * struct zcs_store - what every store has
 * @life: of the process that opened it (life.h)
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

/* A store of other making, with one reference; tests and the mount's client use it. */
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

/* Writes that the store did not take, in all: no room, or the device failed or is left alone. */
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

/* A resident block that is being written is wanted back. */
static inline void zcs_object_recall(struct zcs_object *o, struct zcs_folio *folio)
{
	if (zcs_folio_state(folio) == ZCS_FS_WRITING)
		o->store->ops->block->recall(o, folio);
}

/* Its marks go: see withdraw() of struct zcs_block_ops. */
static inline bool zcs_object_withdraw(struct zcs_object *o, struct zcs_folio *folio, bool hit)
{
	return zcs_folio_flag(folio, ZCS_FF_WB | ZCS_FF_RA) &&
	       o->store->ops->block->withdraw(o, folio, hit);
}

/* The store's copy of a folio is not needed any more: the folio is dirty, or goes. No lock needed. */
static inline void zcs_object_forget_copy(struct zcs_object *o, struct zcs_folio *folio)
{
	if (!zcs_folio_flag(folio, ZCS_FF_COPY))
		return;
	o->store->ops->block->forget(o, folio->aux, ZCS_META_ORDER(zcs_folio_meta(folio)));
	zcs_folio_set_flags(folio, 0, ZCS_FF_COPY);
}

/*
 * Frees about @pages pages of the store's objects, those first that were used longest ago, and none
 * that was used after @older_than_ns: what needs no I/O at once, the rest is written. Of an object
 * the blocks go in order of their index. Context: no object's lock is held; takes them one at a
 * time; does not wait for writes. Return: pages that are free, or will be when the writes ended.
 */
int64_t zcs_store_shrink(struct zcs_store *store, uint64_t pages, uint64_t older_than_ns);

#endif
