/* SPDX-License-Identifier: MIT */
/*
 * The backup's validator: every entry of the index is a block that is aligned, whose folio is
 * INSERTED and of the block's order, and every tail entry belongs to the block before it; the pages
 * add up.
 */
#include <errno.h>
#include <inttypes.h>

#include "backup.h"
#include "common/log.h"
#include "pool/pool.h"
#include "store/store.h"

static bool block_ok(struct zcs_backup *b, const struct zcs_block *blk, uint64_t index)
{
	uint32_t meta;

	if (blk->index != index || index % zcs_block_pages(blk) ||
	    zcs_block_end(blk) > b->o.num_pages)
		return false;
	if (!zcs_e_is_page(blk->entry))
		return b->o.store->ops->block && zcs_e_is_stored(blk->entry);
	meta = zcs_folio_meta(zcs_object_folio(&b->o, blk));
	return (ZCS_META_STATE(meta) == ZCS_FS_INSERTED ||
		ZCS_META_STATE(meta) == ZCS_FS_WRITING) &&
	       ZCS_META_ORDER(meta) == blk->order;
}

static bool tails_ok(struct zcs_backup *b, const struct zcs_block *blk)
{
	for (uint64_t i = blk->index; i < zcs_block_end(blk); i++) {
		struct zcs_block same = zcs_table_get(&b->o.table, i);

		if (same.index != blk->index || same.order != blk->order ||
		    same.entry != blk->entry)
			return false;
	}
	return true;
}

struct sums {
	uint64_t resident, slot, same, ahead;
};

static void add(struct zcs_backup *b, struct sums *sums, const struct zcs_block *blk)
{
	if (zcs_e_is_page(blk->entry)) {
		sums->resident += zcs_block_pages(blk);
		if (zcs_folio_flag(zcs_object_folio(&b->o, blk), ZCS_FF_RA))
			sums->ahead += zcs_block_pages(blk);
	} else if (b->o.store->ops->block->needs_io(blk->entry)) {
		sums->slot += zcs_block_pages(blk);
	} else {
		sums->same += zcs_block_pages(blk);
	}
}

static int compare(const char *what, uint64_t walked, uint64_t counted)
{
	if (walked == counted)
		return 0;
	zcs_warn("zcs_backup_check: %" PRIu64 " %s pages walked, %" PRIu64 " counted", walked, what,
		 counted);
	return -EUCLEAN;
}

static int walk(struct zcs_backup *b)
{
	struct sums sums = { 0 };
	int err = 0;

	for (uint64_t i = 0; i < b->o.num_pages;) {
		struct zcs_block blk = zcs_table_get(&b->o.table, i);

		i = zcs_block_end(&blk);
		if (blk.entry == ZCS_E_EMPTY)
			continue;
		add(b, &sums, &blk);
		if (block_ok(b, &blk, i - zcs_block_pages(&blk)) && tails_ok(b, &blk))
			continue;
		zcs_warn("zcs_backup_check: index %" PRIu64
			 " order %u: entry %08x is no inserted block",
			 blk.index, blk.order, blk.entry);
		err = -EUCLEAN;
	}
	if (compare("resident", sums.resident, b->o.resident_pages) ||
	    compare("slot", sums.slot, b->o.slot_pages) ||
	    compare("same-filled", sums.same, b->o.same_pages) ||
	    (!b->o.local.in_flight && compare("read-ahead", sums.ahead, b->o.ahead.pages)))
		err = -EUCLEAN;
	return err;
}

int zcs_backup_check(struct zcs_backup *backup)
{
	int err;

	if (!backup)
		return -EINVAL;
	if (zcs_inherited(backup))
		return -ECHILD;
	pthread_mutex_lock(&backup->o.lock);
	err = walk(backup);
	zcs_object_unlock(&backup->o);
	return err;
}
