/* SPDX-License-Identifier: MIT */
#ifndef ZCS_LIB_WB_PRIV_H
#define ZCS_LIB_WB_PRIV_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "store/local_priv.h"

/*
 * Shared by the files of the store's thread: writeback.c (the thread, writes), reclaim.c (blocks that
 * need no write) and read_ahead.c. Functions with an object want its lock held.
 */
#define ZCS_WB_REQUESTS 64u
#define ZCS_WB_BITE	16u /* blocks under one hold of an object's lock */
#define ZCS_WB_LOOKS	1024u /* and blocks looked at */

/*
 * struct zcs_local_work - a transfer under way
 * @io: the swap's request; io.user is this
 * @o: the object; NULL: free. A thread that holds the lock of the object here may read the rest
 * @index, @order: the block; @folio: what is written, or read into
 * @abandoned: only the slot is to be given up when it ends (and the folio of a read); under the
 *	object's lock, of a write under the wb's too
 * @ended: the device has it no more; under the wb's lock
 * @flying: the @pool's, from when it is abandoned until it ended
 */
struct zcs_local_work {
	struct zcs_swap_req io;
	struct zcs_wb *wb;
	_Atomic(struct zcs_object *) o;
	uint64_t index;
	struct zcs_folio *folio;
	bool abandoned, ended;
	struct zcs_pool *pool;
	struct zcs_flying flying;
	struct zcs_local_work *next;
};

struct zcs_wb {
	struct zcs_local *local;
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t wake;
	bool stop;
	struct zcs_object *queue, **queue_tail;
	struct zcs_local_work *free, *ended;
	struct zcs_wb_stats stats;
	struct zcs_local_work req[ZCS_WB_REQUESTS];
};

static inline void zcs_wb_bump(struct zcs_wb *wb, uint64_t *counter)
{
	pthread_mutex_lock(&wb->lock);
	++*counter;
	pthread_mutex_unlock(&wb->lock);
}

/* -- writeback.c */
/* A free request, for zcs_wb_start() or zcs_wb_put_work(); NULL: all are in use. */
struct zcs_local_work *zcs_wb_get_work(struct zcs_wb *wb);
void zcs_wb_put_work(struct zcs_local_work *r);
/* Begins a transfer of the block to or from @addr, the memory of @folio. */
void zcs_wb_start(struct zcs_local_work *r, struct zcs_object *o, enum zcs_swap_op op,
		  const struct zcs_block *blk, uint32_t slot, struct zcs_folio *folio, void *addr);
/* The transfer of the block at @index that is under way, and wanted; NULL: none is. */
struct zcs_local_work *zcs_wb_find(struct zcs_object *o, enum zcs_swap_op op, uint64_t index);
void zcs_wb_leave_memory(struct zcs_object *o, const struct zcs_block *blk, uint32_t entry);
/*
 * The block leaves memory without a write: the slot from last time is good, or it is one word. False:
 * it has to be written.
 */
bool zcs_wb_without_io(struct zcs_wb *wb, struct zcs_object *o, const struct zcs_block *blk,
		       struct zcs_folio *folio);

#endif
