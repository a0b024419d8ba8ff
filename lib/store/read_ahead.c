/* SPDX-License-Identifier: MIT */
/*
 * Read-ahead, beside the writes of the store's thread and with its requests; local.c chooses the
 * blocks. The reads go into free memory within the limit. A take of such a block waits for its
 * read. An allocation that finds no memory gets the block's pages back (reclaim.c).
 */
#include "common/held.h"
#include "pool/pool.h"
#include "store/wb_priv.h"

bool zcs_wb_read_ahead(struct zcs_object *o, uint64_t index)
{
	struct zcs_wb *wb = zcs_local(o->store)->wb;
	struct zcs_block blk = zcs_table_get(&o->table, index);
	struct zcs_folio *folio;
	struct zcs_local_work *r;

	zcs_assert_held(&o->lock);
	if (!o->pool || !zcs_e_is_slot(blk.entry) || blk.index != index ||
	    zcs_wb_find(o, ZCS_SWAP_READ, index))
		return false;
	r = zcs_wb_get_work(wb);
	if (!r)
		return false;
	zcs_ahead_add(o->pool, &o->ahead, zcs_block_pages(&blk));
	if (zcs_object_new_folio(o, &blk, o->pool, &zcs_request_ahead, &folio)) {
		zcs_ahead_end(o->pool, &o->ahead, zcs_block_pages(&blk));
		zcs_wb_put_work(r);
		return false;
	}
	zcs_wb_start(r, o, ZCS_SWAP_READ, &blk, blk.entry - ZCS_E_SLOT_BASE, folio,
		     zcs_folio_bytes(folio));
	return true;
}

bool zcs_wb_await_ahead(struct zcs_object *o, uint64_t index)
{
	struct zcs_local_work *r = zcs_wb_find(o, ZCS_SWAP_READ, index);

	zcs_assert_held(&o->lock);
	if (!r)
		return false;
	zcs_swap_hurry(r->wb->local->swap, &r->io);
	zcs_object_wait(o);
	return true;
}

bool zcs_wb_drop_read(struct zcs_object *o, uint64_t index)
{
	struct zcs_local_work *r = zcs_wb_find(o, ZCS_SWAP_READ, index);

	zcs_assert_held(&o->lock);
	if (r)
		r->abandoned = true;
	return r != NULL;
}
