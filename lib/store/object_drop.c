/* SPDX-License-Identifier: MIT */
/*
 * Dropping: an object forgets blocks, or parts of them. A whole block goes at once, also in the
 * middle of its write. A block that reaches out of the range is split into pages, which no caller
 * sees, or zeroed in the range if its memory cannot be split.
 */
#include "common/held.h"
#include "store/object.h"
#include "store/store.h"

bool zcs_object_await_ahead(struct zcs_object *o, const struct zcs_block *blk, bool whole)
{
	zcs_assert_held(&o->lock);
	return zcs_e_is_stored(blk->entry) && (!whole || o->home) &&
	       o->store->ops->block->await_ahead(o, blk->index);
}

static void drop_resident(struct zcs_object *o, const struct zcs_block *blk)
{
	struct zcs_folio *folio = zcs_object_folio(o, blk);
	bool ahead;

	zcs_object_recall(o, folio);
	zcs_object_forget_copy(o, folio);
	ahead = zcs_object_withdraw(o, folio, false);
	o->resident_pages -= zcs_block_pages(blk);
	o->owner->dropped(o, blk);
	/* not before: a waiter for read-ahead looks for memory then */
	if (ahead)
		zcs_ahead_end(o->pool, &o->ahead, zcs_block_pages(blk));
}

static void drop_block(struct zcs_object *o, const struct zcs_block *blk)
{
	if (zcs_e_is_page(blk->entry))
		drop_resident(o, blk);
	else
		o->store->ops->block->free(o, blk);
	zcs_table_clear(&o->table, blk->index, blk->order);
}

static int split_resident(struct zcs_object *o, const struct zcs_block *blk)
{
	struct zcs_folio *folio = zcs_object_folio(o, blk);

	zcs_object_recall(o, folio);
	if (zcs_object_withdraw(o, folio, false))
		zcs_ahead_end(o->pool, &o->ahead, zcs_block_pages(blk));
	zcs_object_forget_copy(o, folio);
	return o->owner->split(o, blk);
}

int zcs_object_split(struct zcs_object *o, const struct zcs_block *blk)
{
	const struct zcs_block_ops *ops = o->store->ops->block;
	bool page = zcs_e_is_page(blk->entry);
	int err;

	zcs_assert_held(&o->lock);
	err = zcs_table_reserve(&o->table, blk->index);
	if (err)
		return err;
	if (page)
		err = split_resident(o, blk);
	else
		ops->split(o, blk);
	if (err)
		return err;
	zcs_table_clear(&o->table, blk->index, blk->order);
	for (uint64_t i = 0; i < zcs_block_pages(blk); i++)
		zcs_table_set(&o->table, blk->index + i, 0,
			      page ? blk->entry + (uint32_t)i : ops->piece(blk, i));
	return 0;
}

void zcs_object_drop(struct zcs_object *o, uint64_t index, uint64_t nr)
{
	uint64_t end = index + nr;

	zcs_assert_held(&o->lock);
	while (index < end) {
		struct zcs_block blk = zcs_table_get(&o->table, index);
		uint64_t upto = zcs_block_end(&blk) < end ? zcs_block_end(&blk) : end;
		bool whole = blk.index >= index && upto == zcs_block_end(&blk);

		if (blk.entry != ZCS_E_EMPTY) {
			if (zcs_object_await_ahead(o, &blk, whole))
				continue;
			if (whole)
				drop_block(o, &blk);
			else if (!zcs_object_split(o, &blk))
				continue;
			else if (zcs_e_is_page(blk.entry) && !zcs_store_owns(o->store))
				o->owner->zero(o, &blk, index, upto);
		}
		index = upto;
	}
}
