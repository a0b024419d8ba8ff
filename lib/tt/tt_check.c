/* SPDX-License-Identifier: MIT */
/*
 * The tt's validator: pages are TT folios of their block's order (at home, in a contiguous tt),
 * handles are the same blocks in the backup, and the numbers add up.
 */
#include <errno.h>
#include <inttypes.h>

#include "common/log.h"
#include "tt_priv.h"

static bool page_ok(const struct zcs_tt *tt, const struct zcs_block *blk)
{
	const struct zcs_folio *folio = zcs_tt_folio(tt, blk);

	if (zcs_folio_state(folio) != ZCS_FS_TT || zcs_folio_ord(folio) != blk->order)
		return false;
	return !zcs_tt_contiguous(tt) ||
	       folio == zcs_arena_folio(tt->home.arena, tt->home.pfn + blk->index);
}

static bool handle_ok(const struct zcs_tt *tt, const struct zcs_block *blk)
{
	struct zcs_block in = zcs_backup_block(tt->backup, blk->index);

	return in.entry != ZCS_E_EMPTY && in.index == blk->index && in.order == blk->order;
}

static bool slots_ok(const struct zcs_tt *tt, const struct zcs_block *blk, uint64_t index)
{
	if (blk->index != index || index % zcs_block_pages(blk) || zcs_block_end(blk) > tt->nr)
		return false;
	return blk->entry == ZCS_E_HANDLE ? tt->backup && handle_ok(tt, blk)
					  : zcs_e_is_page(blk->entry) && page_ok(tt, blk);
}

static int walk_slots(struct zcs_tt *tt)
{
	uint64_t pages = 0, handles = 0;
	int err = 0;

	for (uint64_t i = 0; i < tt->nr;) {
		struct zcs_block blk = zcs_table_get(&tt->table, i);
		uint64_t index = i;

		i = zcs_block_end(&blk);
		if (blk.entry == ZCS_E_EMPTY)
			continue;
		*(blk.entry == ZCS_E_HANDLE ? &handles : &pages) += zcs_block_pages(&blk);
		if (slots_ok(tt, &blk, index))
			continue;
		zcs_warn("zcs_tt_check: slot %" PRIu64 " order %u: entry %08x is wrong", blk.index,
			 blk.order, blk.entry);
		err = -EUCLEAN;
	}
	if (pages == tt->pages && handles == tt->handles)
		return err;
	zcs_warn("zcs_tt_check: %" PRIu64 " pages and %" PRIu64 " handles walked, %" PRIu64
		 " and %" PRIu64 " counted",
		 pages, handles, tt->pages, tt->handles);
	return -EUCLEAN;
}

int zcs_tt_check(struct zcs_tt *tt)
{
	int err, backup_err;

	if (!tt)
		return -EINVAL;
	if (zcs_inherited(tt))
		return -ECHILD;
	zcs_tt_lock(tt, NULL);
	err = walk_slots(tt);
	backup_err = tt->backup ? zcs_backup_check(tt->backup) : 0;
	zcs_tt_unlock(tt);
	return err ? err : backup_err;
}
