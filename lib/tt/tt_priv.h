/* SPDX-License-Identifier: MIT */
#ifndef ZCS_LIB_TT_PRIV_H
#define ZCS_LIB_TT_PRIV_H

#include "tt.h"

/* -- tt_restore.c; with the lock held */
int zcs_tt_restore_locked(struct zcs_tt *tt, uint64_t first, uint64_t count,
			  const struct zcs_request *req, bool write);

/* -- tt.c; all with the lock held */
/* The block of slot @index, or of a contiguous tt's home if it is empty. */
struct zcs_block zcs_tt_block(const struct zcs_tt *tt, uint64_t index);
/* Reserves leaves in the tt's table and in its backup's, for a block of @order at @index. */
int zcs_tt_reserve(struct zcs_tt *tt, uint64_t index, unsigned order);
/*
 * Fills the empty slots from @index on with a block, at most of @max_order; *@order is its order.
 */
int zcs_tt_fill(struct zcs_tt *tt, uint64_t index, unsigned max_order,
		const struct zcs_request *req, unsigned *order);
/* Frees a block that is a page and empties its slots: to the pool's list, or to the system. */
void zcs_tt_free_block(struct zcs_tt *tt, const struct zcs_block *blk, bool to_system);
/* Frees every page in [first, end); other slots stay. */
void zcs_tt_free_pages(struct zcs_tt *tt, uint64_t first, uint64_t end, bool to_system);
/*
 * The user map of a contiguous tt: a whole range goes out, or the pages of a range come in. Do
 * nothing for other tts.
 */
int zcs_tt_zap(struct zcs_tt *tt, uint64_t first, uint64_t end);
int zcs_tt_map(struct zcs_tt *tt, uint64_t first, uint64_t end);
/* Discards bytes that a writer put into empty slots that did not trap. */
void zcs_tt_wipe_holes(struct zcs_tt *tt, uint64_t first, uint64_t end);

#endif
