/* SPDX-License-Identifier: MIT */
#ifndef ZCS_LIB_WB_PRIV_H
#define ZCS_LIB_WB_PRIV_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "store/local_priv.h"

/*
 * Declarations that the files of the store's thread share: writeback.c (the thread, writes),
 * reclaim.c (blocks that need no write) and read_ahead.c. Context of functions with an object: its
 * lock is held.
 */
#define ZCS_WB_REQUESTS 64u
#define ZCS_WB_BATCH	16u /* blocks under one hold of an object's lock */
#define ZCS_WB_SCAN_MAX 1024u /* and blocks looked at */

/*
 * struct zcs_local_work - a transfer under way
 * @io: the swap's request; io.user is this
 * @o: the object; NULL: unused. A thread that holds the lock of the object here may read the rest
 * @index: the block
 * @folio: the source of a write, or the target of a read
 * @abandoned: only the slot is to be freed at the end (and the folio of a read); under the object's
 *	lock, for a write under the wb's too
 * @ended: the device no longer has it; under the wb's lock
 * @flying: in the list of @pool from the abandonment until the end
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
/* The transfer of the block at @index that is under way and wanted; NULL: no such transfer. */
struct zcs_local_work *zcs_wb_find(struct zcs_object *o, enum zcs_swap_op op, uint64_t index);
void zcs_wb_leave_memory(struct zcs_object *o, const struct zcs_block *blk, uint32_t entry);
/*
 * Frees a block that needs no write: its slot from last time is still good, or it is one word.
 * Return: false: the block has to be written.
 */
bool zcs_wb_without_io(struct zcs_wb *wb, struct zcs_object *o, const struct zcs_block *blk,
		       struct zcs_folio *folio);

#endif
