/* SPDX-License-Identifier: MIT */
#ifndef ZCS_LIB_STORE_OBJECT_H
#define ZCS_LIB_STORE_OBJECT_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "pool/pool.h"
#include "store/table.h"
#include "swap/swap.h"

/*
 * DOC: objects
 *
 * An object is an index over a store: page index -> block. Its lock, its table and its counters are
 * known to both sides; a backup is an object with a pool above it, and an object over somebody
 * else's memory file is one too (foreign.h).
 *
 *	table entry   EMPTY, PAGE (the block's pages are in memory), STORED (a token of the store's)
 *	folio         the descriptor of a PAGE block: state, marks, and the token of a copy that is
 *	              still good. It lies in the arena of the pool, or in the foreign memory's own
 *	              array of descriptors, which is found by page number as well
 *
 * The lock is never held while a slot is written. A take holds it while slots are read. The store's
 * thread must not wait for that, because it has the work of all other objects to do: it tries the
 * lock, and what it cannot do for a busy object it leaves there (@busy). Whoever gives the lock up
 * looks whether something was left, and gives it back to the thread:
 *
 *	thread: try ─fails─▶ leave the work, busy = true ─▶ try again ─fails─▶ go on with others
 *	holder: unlock ─▶ busy? ─yes─▶ the work is the thread's again
 *
 * One of the two sees the other, whichever comes first. So the lock is given up by
 * zcs_object_unlock() and zcs_object_wait() alone.
 */
#define ZCS_VEC 64u /* vectors are passed on to the store in pieces of this many */

struct zcs_extent;
struct zcs_foreign;
struct zcs_local_work;
struct zcs_object;
struct zcs_store;

/* struct zcs_wait - somebody who waits for writes: local.c */
struct zcs_wait;

/*
 * struct zcs_local_object - what the local store keeps of an object, under the object's lock if not
 *	said otherwise
 * @queue_next, @queued, @queue_first, @queue_last: place in the writeback thread's queue, and what
 *	to look at; @queue_next under the store's lock
 * @pending: blocks that are to be written, or being written; @in_flight: transfers of the thread
 * @waits: who waits for a range to be written
 * @left: ended transfers that the thread could not finish, under the store's lock; @left_queued: the
 *	object's turn in the queue was left as well
 * @complaints: messages about blocks that could not be read so far
 * @ra_next: the index that would make the next take sequential; @ra_blocks: how far to read ahead
 */
struct zcs_local_object {
	struct zcs_object *queue_next;
	bool queued;
	uint64_t queue_first, queue_last;
	uint64_t pending, in_flight;
	struct zcs_wait *waits;
	struct zcs_local_work *left;
	bool left_queued;
	unsigned complaints;
	uint64_t ra_next;
	unsigned ra_blocks;
};

/*
 * struct zcs_owner_ops - what an object tells whoever owns its pages; of PAGE blocks, with the lock
 *	held. They must not give it up, nor allocate
 * @written: the event of the store: it holds the bytes. The owner uncharges the pages and frees them
 * @dropped: the content is not wanted any more, and the pages are the owner's again
 * @split: the block's folio becomes one for each page; or why it cannot
 * @zero: the content of the pages [index, end) is 0 from now on
 */
struct zcs_owner_ops {
	void (*written)(struct zcs_object *o, const struct zcs_block *blk);
	void (*dropped)(struct zcs_object *o, const struct zcs_block *blk);
	int (*split)(struct zcs_object *o, const struct zcs_block *blk);
	void (*zero)(struct zcs_object *o, const struct zcs_block *blk, uint64_t index,
		     uint64_t end);
};

/*
 * struct zcs_object - an index over a store
 * @lock: protects everything below if not said otherwise; taken before the pool's locks
 * @waiting: threads that wait for the lock, of those who should not wait for long
 * @busy: the store's thread left something for whoever holds the lock
 * @store: reference held; @priv: the store's own, if its objects live elsewhere
 * @owner: whose the pages are
 * @pool: that of the folios inside, reference held; NULL before the first, or: @foreign
 * @home: of the contiguous tt whose backup this is: index i lies at its page i; else NULL
 * @table: the index
 * @resident_pages: of blocks that are PAGE; @slot_pages, @same_pages: of those STORED, that need a
 *	read and that do not
 * @idle, @idle_lock, @idle_seq, @waiters: signalled when a transfer of this object ends
 * @ahead: what was read ahead, to the pool
 * @used_ns: when what was inserted last had been used last
 * @in_store, @pins, @visited: the store's list, who looks at it just now, and the last walk that
 *	did; under the store's objects_lock
 */
struct zcs_object {
	pthread_mutex_t lock;
	_Atomic unsigned waiting;
	atomic_bool busy;
	struct zcs_store *store;
	void *priv;
	const struct zcs_owner_ops *owner;
	struct zcs_pool *pool;
	struct zcs_foreign *foreign;
	struct zcs_home *home;
	uint64_t num_pages;
	struct zcs_table table;
	uint64_t resident_pages, slot_pages, same_pages;
	pthread_mutex_t idle_lock;
	pthread_cond_t idle;
	uint64_t idle_seq;
	unsigned waiters;
	struct zcs_ahead ahead;
	_Atomic uint64_t used_ns;
	TAILQ_ENTRY(zcs_object) in_store;
	unsigned pins;
	uint64_t visited;
	struct zcs_local_object local;
};

/*
 * struct zcs_fetch - blocks of one vector that are brought to memory: the taker's, on the stack
 * @part: an element; @err: how it went, set to 0 by the taker as it claims the block
 * @reading: transfers under way, under @lock; @done: signalled when there are none
 * @alone: one block, with nothing to read ahead behind it: the taker's thread reads it itself
 */
struct zcs_fetch {
	struct zcs_object *object;
	pthread_mutex_t lock;
	pthread_cond_t done;
	unsigned reading;
	bool alone;
	size_t nr;
	struct zcs_fetch_part {
		struct zcs_fetch *fetch;
		struct zcs_block blk;
		struct zcs_swap_req io;
		int err;
	} part[ZCS_VEC];
};

void zcs_fetch_init(struct zcs_fetch *fetch, struct zcs_object *o);
void zcs_fetch_fini(struct zcs_fetch *fetch);

/* Refers to the store. -ENOMEM, or what the store says; then nothing is left of it. */
int zcs_object_init(struct zcs_object *o, struct zcs_store *store, uint64_t num_pages);
/* The index is empty; nothing is under way. */
void zcs_object_fini(struct zcs_object *o);
/* The store forgets its object, if it has any. No page that was inserted may be free before. */
void zcs_object_forget(struct zcs_object *o);

/*
 * The lock, for who has somebody waiting: the store's thread, and who frees blocks that need no I/O,
 * stand back for it.
 */
static inline void zcs_object_lock(struct zcs_object *o)
{
	if (!pthread_mutex_trylock(&o->lock))
		return;
	atomic_fetch_add(&o->waiting, 1);
	pthread_mutex_lock(&o->lock);
	atomic_fetch_sub(&o->waiting, 1);
}

/* Gives the store's thread back what it left. No lock is held. */
void zcs_object_resume(struct zcs_object *o);

static inline void zcs_object_unlock(struct zcs_object *o)
{
	pthread_mutex_unlock(&o->lock);
	if (atomic_load(&o->busy))
		zcs_object_resume(o);
}

/* Gives the lock up until a transfer of the object ends, or something is no longer to be written. */
void zcs_object_wait(struct zcs_object *o);
/* Wakes those who wait. Lock held. */
void zcs_object_signal(struct zcs_object *o);

/* One page of content, a hole being zeros; 0, -EIO. Lock held; sleeps. */
int zcs_object_copy(struct zcs_object *o, uint64_t index, void *dst, bool interruptible);
/* zcs_backup_writeback(), with the lock held, which is given up to @wait. */
int64_t zcs_object_write(struct zcs_object *o, uint64_t first, uint64_t last, bool wait);
/*
 * Forgets @nr pages from @index on; lock held, given up to wait for a read that nobody asked for.
 * Allocates index nodes where a part of a large block goes.
 */
void zcs_object_drop(struct zcs_object *o, uint64_t index, uint64_t nr);
/* The pieces take the block's place in the table; 0, or why the arena or the index cannot. */
int zcs_object_split(struct zcs_object *o, const struct zcs_block *blk);
/*
 * A read-ahead that is under way decides what a block is: waited for, unless the @whole block goes.
 * True: the lock was given up for that.
 */
bool zcs_object_settle(struct zcs_object *o, const struct zcs_block *blk, bool whole);

/* Waits until nothing of the object is under way, unasked reads included; takes the lock. */
void zcs_object_drain(struct zcs_object *o);

/* A fresh folio for the content of a block, BUSY and charged; or back it goes. */
int zcs_object_new_folio(struct zcs_object *o, const struct zcs_block *blk, struct zcs_pool *pool,
			 const struct zcs_request *req, struct zcs_folio **folio);
void zcs_object_free_folio(struct zcs_object *o, struct zcs_folio *folio);

struct zcs_folio *zcs_foreign_folio(const struct zcs_foreign *foreign, uint64_t pfn);
uint64_t zcs_foreign_pfn(const struct zcs_foreign *foreign, const struct zcs_folio *folio);
char *zcs_foreign_addr(const struct zcs_foreign *foreign, uint64_t pfn);
/* Whether the block is a hole in the file; without reading its bytes, which would fill it. */
bool zcs_foreign_is_hole(const struct zcs_foreign *foreign, const struct zcs_block *blk);

/* The descriptor of a PAGE block, and its memory. */
static inline struct zcs_folio *zcs_object_folio(const struct zcs_object *o,
						 const struct zcs_block *blk)
{
	if (o->foreign)
		return zcs_foreign_folio(o->foreign, zcs_e_ppn(blk->entry));
	return zcs_pool_folio(o->pool, zcs_e_ppn(blk->entry));
}

/* The page number of a folio, for an entry of the index. */
static inline uint64_t zcs_object_ppn(const struct zcs_object *o, const struct zcs_folio *folio)
{
	return o->foreign ? zcs_foreign_pfn(o->foreign, folio) : zcs_pool_ppn(o->pool, folio);
}

static inline char *zcs_object_addr(const struct zcs_object *o, const struct zcs_block *blk)
{
	if (o->foreign)
		return zcs_foreign_addr(o->foreign, zcs_e_ppn(blk->entry));
	return zcs_pool_bytes(o->pool, zcs_e_ppn(blk->entry));
}

#endif
