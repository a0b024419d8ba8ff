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
 * known to both sides. A backup is an object with a pool above it. An object over a memory file of
 * another owner is one too (foreign.h).
 *
 *	table entry   EMPTY, PAGE (the block's pages are in memory), STORED (a token of the store's)
 *	folio         the descriptor of a PAGE block: state, marks, and the token of a copy that is
 *	              still good. It lies in the arena of the pool, or in the foreign memory's own
 *	              array of descriptors, which is found by page number as well
 *
 * The lock is never held while a slot is written. A take holds it while slots are read. The store's
 * thread must not wait for such a take, because it serves all objects. So it only tries the lock,
 * and leaves the work for a busy object there (@busy). The holder looks for such work when it gives
 * the lock up, and hands it back to the thread:
 *
 *	thread: try ─fails─▶ leave the work, busy = true ─▶ try again ─fails─▶ go on with others
 *	holder: unlock ─▶ busy? ─yes─▶ hand the work back to the thread
 *
 * One of the two sees the other, whichever comes first. So only zcs_object_unlock() and
 * zcs_object_wait() give the lock up.
 */
#define ZCS_VEC 64u /* vectors are passed on to the store in pieces of this many */

struct zcs_extent;
struct zcs_foreign;
struct zcs_local_work;
struct zcs_object;
struct zcs_store;

/* struct zcs_wait - a waiter for writes: writeback.c */
struct zcs_wait;

/*
 * struct zcs_local_object - the local store's part of an object; under the object's lock unless a
 * line says otherwise
 * @queue_next: place in the writeback thread's queue; under the store's lock
 * @queued: in that queue
 * @queue_first, @queue_last: the range to look at
 * @pending: blocks that are to be written, or being written
 * @in_flight: transfers of the thread
 * @waits: waiters for a range to be written
 * @left: ended transfers that the thread could not finish, under the store's lock
 * @left_queued: the object's turn in the queue was left as well
 * @complaints: messages so far about blocks that could not be read
 * @ra_next: the index that would make the next take sequential
 * @ra_blocks: blocks to read ahead
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
 * struct zcs_owner_ops - events for the owner of an object's pages
 *
 * They are about PAGE blocks, and are called with the lock held. They must not give it up, nor
 * allocate.
 *
 * @written: the store holds the bytes. The owner uncharges the pages and frees them
 * @dropped: the content is no longer wanted, and the pages belong to the owner again
 * @split: makes the block's folio one for each page; 0, or the error
 * @zero: sets the content of the pages [index, end) to 0
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
 * @lock: protects all members below unless a line says otherwise; taken before the pool's locks
 * @waiting: threads that wait for the lock and should not wait for long
 * @busy: the store's thread left work for the holder of the lock
 * @store: reference held
 * @priv: the store's own, if its objects live elsewhere
 * @owner: events for the owner of the pages
 * @pool: the pool of the folios inside, reference held; NULL before the first folio, or with
 *	@foreign
 * @home: of the contiguous tt whose backup this is: index i lies at its page i; else NULL
 * @table: the index
 * @resident_pages: pages of PAGE blocks
 * @slot_pages: pages of STORED blocks that need a read
 * @same_pages: pages of STORED blocks that do not
 * @idle, @idle_lock, @idle_seq, @waiters: signalled when a transfer of this object ends
 * @ahead: the pages that were read ahead, for the pool
 * @used_ns: time of the last use of the block that was inserted last
 * @in_store: node in the store's list; this and the next two are under the store's objects_lock
 * @pins: walks that look at the object now
 * @visited: the last walk that did
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
 * struct zcs_fetch - blocks of one vector that are brought to memory; on the taker's stack
 * @lock: protects @reading
 * @done: signalled when @reading is 0
 * @reading: transfers under way
 * @used: @lock and @done are initialized, because a block was read
 * @alone: one block, without another to read ahead behind it: the taker's thread reads it itself
 * @part: an element; its err is set to 0 by the taker with the claim of the block
 */
struct zcs_fetch {
	struct zcs_object *object;
	pthread_mutex_t lock;
	pthread_cond_t done;
	unsigned reading;
	bool alone, used;
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

/*
 * Makes an object, with a reference to the store. Context: no other thread knows the object;
 * allocates. Return: 0; -ENOMEM; the store's error. After an error no part of it is left.
 */
int zcs_object_init(struct zcs_object *o, struct zcs_store *store, uint64_t num_pages);
/*
 * Ends an object whose index is empty, with no transfer under way. Context: no other thread knows
 * the object; may wait for a walk of the store's list.
 */
void zcs_object_fini(struct zcs_object *o);
/*
 * Makes the store forget its object, if any. No inserted page may be freed before. Context: as the
 * store's destroy().
 */
void zcs_object_forget(struct zcs_object *o);

/*
 * Takes the lock. The store's thread, and threads that free blocks without I/O, stand back for
 * callers of this function.
 */
static inline void zcs_object_lock(struct zcs_object *o)
{
	if (!pthread_mutex_trylock(&o->lock))
		return;
	atomic_fetch_add(&o->waiting, 1);
	pthread_mutex_lock(&o->lock);
	atomic_fetch_sub(&o->waiting, 1);
}

/* Hands the work back that the store's thread left. Context: no lock held. */
void zcs_object_resume(struct zcs_object *o);

static inline void zcs_object_unlock(struct zcs_object *o)
{
	pthread_mutex_unlock(&o->lock);
	if (atomic_load(&o->busy))
		zcs_object_resume(o);
}

/*
 * Waits until a transfer of the object ends, or a block is no longer to be written. Context: lock
 * held, and given up meanwhile; sleeps.
 */
void zcs_object_wait(struct zcs_object *o);
/* Wakes the waiters. Lock held. */
void zcs_object_signal(struct zcs_object *o);

/* Copies one page of content; a hole is zeros. Context: lock held; sleeps. Return: 0; -EIO. */
int zcs_object_copy(struct zcs_object *o, uint64_t index, void *dst, bool interruptible);
/*
 * zcs_backup_writeback() of the range. Context: lock held; with @wait given up, and sleeps. Return:
 * as there.
 */
int64_t zcs_object_write(struct zcs_object *o, uint64_t first, uint64_t last, bool wait);
/*
 * Forgets @nr pages from @index on. Context: lock held, and given up to wait for a read-ahead.
 * Allocates index nodes where a part of a large block is forgotten.
 */
void zcs_object_drop(struct zcs_object *o, uint64_t index, uint64_t nr);
/*
 * Cuts a block into pages in the table. Context: lock held; may allocate index nodes. Return: 0;
 * the error of the arena or of the index.
 */
int zcs_object_split(struct zcs_object *o, const struct zcs_block *blk);
/*
 * Waits for a read-ahead of this block, dropping the lock. Not needed if the @whole block is
 * dropped and has no home. Return: whether the lock was given up.
 */
bool zcs_object_await_ahead(struct zcs_object *o, const struct zcs_block *blk, bool whole);

/*
 * Waits until no transfer of the object is under way, read-ahead included. Context: takes the lock;
 * sleeps.
 */
void zcs_object_drain(struct zcs_object *o);

/*
 * Makes a fresh folio for the content of a block, BUSY and charged; the second function frees it.
 * Context: as @req allows, may evict and wait. Return: 0; -ENOMEM.
 */
int zcs_object_new_folio(struct zcs_object *o, const struct zcs_block *blk, struct zcs_pool *pool,
			 const struct zcs_request *req, struct zcs_folio **folio);
void zcs_object_free_folio(struct zcs_object *o, struct zcs_folio *folio);

struct zcs_folio *zcs_foreign_folio(const struct zcs_foreign *foreign, uint64_t pfn);
uint64_t zcs_foreign_pfn(const struct zcs_foreign *foreign, const struct zcs_folio *folio);
char *zcs_foreign_addr(const struct zcs_foreign *foreign, uint64_t pfn);
/* Whether the block is a hole in the file. Does not read its bytes, which would fill it. */
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
