/* SPDX-License-Identifier: MIT */
#ifndef ZCS_LIB_LOCAL_PRIV_H
#define ZCS_LIB_LOCAL_PRIV_H

#include <stdbool.h>
#include <stdint.h>

#include "store/object.h"
#include "store/same.h"
#include "store/store.h"
#include "swap/swap.h"

/*
 * DOC: tokens of the local store
 *
 * A STORED entry is the first slot of a run of 2^order, or the number of the one word that fills
 * the block.
 */
#define ZCS_E_SLOT_BASE ZCS_E_STORED
#define ZCS_E_SLOT_LAST 0xfeffffffu
#define ZCS_E_SAME_BASE 0xff000000u

static inline bool zcs_e_is_slot(uint32_t e)
{
	return e >= ZCS_E_SLOT_BASE && e <= ZCS_E_SLOT_LAST;
}

static inline bool zcs_e_is_same(uint32_t e)
{
	return e >= ZCS_E_SAME_BASE && e <= ZCS_E_STORED_LAST;
}

struct zcs_wb;

/*
 * struct zcs_local - the library's own store
 * @swap: slots and I/O; @wb: writes and reads ahead over @swap; @same: the words of one-word blocks
 */
struct zcs_local {
	struct zcs_swap *swap;
	struct zcs_wb *wb;
	struct zcs_same *same;
};

static inline struct zcs_local *zcs_local(const struct zcs_store *store)
{
	return store->priv;
}

/* A store on the devices of @spec. */
int zcs_local_open(const char *spec, struct zcs_store **store);

/* -- writeback.c: one thread a store */
struct zcs_wb_stats {
	uint64_t written_blocks, same_blocks, clean_blocks;
	uint64_t cancelled, abandoned;
	uint64_t ra_read, ra_hits, ra_wasted;
};

int zcs_wb_create(struct zcs_store *store, struct zcs_wb **wb);
/* Ends the thread. No object uses it any more. */
void zcs_wb_destroy(struct zcs_wb *wb);
void zcs_wb_stats(struct zcs_wb *wb, struct zcs_wb_stats *stats);

/* The functions of struct zcs_store_ops and struct zcs_block_ops; see there. */
int64_t zcs_wb_begin(struct zcs_object *o, uint64_t first, uint64_t last, uint64_t *begun);
int64_t zcs_wb_wait_range(struct zcs_object *o, uint64_t first, uint64_t last);
uint64_t zcs_wb_reclaim(struct zcs_object *o, uint64_t *at, unsigned how, bool *left);
bool zcs_wb_leave(struct zcs_object *o, const struct zcs_block *blk);
bool zcs_wb_await_ahead(struct zcs_object *o, uint64_t index);
void zcs_wb_recall(struct zcs_object *o, struct zcs_folio *folio);
bool zcs_wb_withdraw(struct zcs_object *o, struct zcs_folio *folio, bool hit);
void zcs_wb_drain(struct zcs_object *o);
void zcs_wb_resume(struct zcs_object *o);
bool zcs_wb_read_ahead(struct zcs_object *o, uint64_t index);
/* Has the block's slot freed when its read has ended. Return: false: no read is under way. */
bool zcs_wb_drop_read(struct zcs_object *o, uint64_t index);
/* For the object's struct zcs_ahead. */
uint64_t zcs_wb_give_up(struct zcs_ahead *ahead);

/* -- local.c */
/*
 * Makes a block that was read PAGE and its folio INSERTED; the folio keeps the slot. Context: lock
 * held.
 */
void zcs_local_attach(struct zcs_object *o, const struct zcs_block *blk, struct zcs_folio *folio);

#endif
