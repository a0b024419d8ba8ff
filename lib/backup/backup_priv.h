/* SPDX-License-Identifier: MIT */
#ifndef ZCS_LIB_BACKUP_PRIV_H
#define ZCS_LIB_BACKUP_PRIV_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>

#include <zcswap/backup.h>

#include "arena/memmap.h"
#include "pool/pool.h"
#include "table.h"

struct zcs_store;
struct zcs_wb_wait;

/* Vectors are passed on to the store in pieces of this many. */
#define ZCS_VEC 64u

struct zcs_home;

/*
 * struct zcs_backup - an index over a store
 * @life: of the process that made it (life.h)
 * @refs: the creator
 * @lock: protects everything below; taken before the pool's locks; never held while a slot is
 *	written, and while slots are read only by who takes or copies
 * @waiting: threads that wait for the lock, of those who should not wait for long
 * @store: reference held; @object: the store's own, if it keeps any
 * @pool: that of the folios inside, reference held; NULL before the first
 * @home: of the contiguous tt whose backup this is: index i lives at its page i; else NULL
 * @tracked: folios taken by that tt keep their slot until they are dirtied
 * @table: the index
 * @resident_pages: pages of inserted folios; @slot_pages: written back; @same_pages: same-filled
 * @idle: signalled when a transfer of this backup ends
 * @queue_next, @queued, @queue_first, @queue_last: place in the writeback thread's queue, and what
 *	to look at
 * @pending: blocks that are to be written, or being written; @in_flight: transfers of the wb thread
 * @waits: who waits for a range to be written
 * @complaints: messages about blocks that could not be read so far
 * @ahead: what was read ahead, to the pool
 * @ra_next: the index that would make the next take sequential; @ra_blocks: how far to read ahead
 */
struct zcs_backup {
	uint64_t life;
	_Atomic uint64_t refs;
	pthread_mutex_t lock;
	_Atomic unsigned waiting;
	struct zcs_store *store;
	void *object;
	struct zcs_pool *pool;
	struct zcs_home *home;
	bool tracked;
	uint64_t num_pages;
	struct zcs_table table;
	uint64_t resident_pages, slot_pages, same_pages;
	pthread_cond_t idle;
	struct zcs_backup *queue_next;
	bool queued;
	uint64_t queue_first, queue_last;
	uint64_t pending, in_flight;
	struct zcs_wb_wait *waits;
	unsigned complaints;
	struct zcs_ahead ahead;
	uint64_t ra_next;
	unsigned ra_blocks;
};

/*
 * The lock, for who has somebody waiting: the writeback thread, and who frees clean blocks, stand
 * back for it.
 */
static inline void zcs_backup_lock(struct zcs_backup *backup)
{
	if (!pthread_mutex_trylock(&backup->lock))
		return;
	atomic_fetch_add(&backup->waiting, 1);
	pthread_mutex_lock(&backup->lock);
	atomic_fetch_sub(&backup->waiting, 1);
}

/* A backup whose index is reserved unit by unit with zcs_backup_reserve(). */
int zcs_backup_new(struct zcs_store *store, uint64_t num_pages, struct zcs_backup **backup);
/* Index nodes for blocks under order 9 around @index. */
int zcs_backup_reserve(struct zcs_backup *backup, uint64_t index);
/* zcs_backup_insert_folios() for folios in state @from (OWNED or TT). */
int64_t zcs_backup_insert_vec(struct zcs_backup *backup, struct zcs_insert *vec, size_t nr,
			      uint32_t flags, enum zcs_folio_state from);
/* zcs_backup_take_folios() that leaves folios in state @to. */
int64_t zcs_backup_take_vec(struct zcs_backup *backup, struct zcs_take *vec, size_t nr,
			    struct zcs_pool *pool, enum zcs_folio_state to,
			    const struct zcs_request *req);
/* A tt's folio that keeps its slot was dirtied, or is freed: the slot goes back to the store. */
void zcs_backup_forget_slot(struct zcs_backup *backup, struct zcs_folio *folio);
/* Frees what an entry holds that is no page: a slot, a word. With the lock held. */
void zcs_backup_free_entry(struct zcs_backup *backup, uint32_t entry, unsigned order);
/*
 * A resident block leaves memory: its pages are freed and @entry (slot or word) takes its place.
 * Lock held.
 */
void zcs_backup_detach(struct zcs_backup *backup, const struct zcs_block *blk, uint32_t entry);
/* The reverse, for a folio that was read: BUSY -> INSERTED, and it keeps its slot. Lock held. */
void zcs_backup_attach(struct zcs_backup *backup, const struct zcs_block *blk,
		       struct zcs_folio *folio);
/* A fresh folio for the content of a block, BUSY and charged; or back it goes. */
int zcs_backup_new_folio(struct zcs_backup *backup, const struct zcs_block *blk,
			 struct zcs_pool *pool, const struct zcs_request *req,
			 struct zcs_folio **folio);
void zcs_backup_free_folio(struct zcs_backup *backup, struct zcs_folio *folio);
/*
 * The block that covers @index. Takes the lock, so that the block may be another one when this
 * returns, unless a lock of the caller keeps it.
 */
struct zcs_block zcs_backup_block(struct zcs_backup *backup, uint64_t index);

#endif
