/* SPDX-License-Identifier: MIT */
/*
 * Blocks that leave memory without a write, when a caller asks: blocks with a copy in the store,
 * blocks that were only read ahead, and, where a write could not begin, blocks that are one word. A
 * batch of them is freed under each hold of the object's lock. Memory that an abandoned write still
 * reads stays.
 */
#include "common/held.h"
#include "pool/pool.h"
#include "store/wb_priv.h"

/*
 * Whether an abandoned write of the block's memory is under way. For foreign memory only this
 * store's own requests are known.
 */
static bool is_flying(struct zcs_object *o, const struct zcs_block *blk)
{
	struct zcs_wb *wb = zcs_local(o->store)->wb;
	const char *addr = zcs_object_addr(o, blk);
	bool found = false;

	if (o->pool)
		return zcs_pool_is_flying(o->pool, zcs_object_folio(o, blk));
	pthread_mutex_lock(&wb->lock);
	for (unsigned i = 0; o->local.in_flight && i < ZCS_WB_REQUESTS; i++) {
		const struct zcs_local_work *r = &wb->req[i];
		const char *at = r->io.addr;

		found |= r->o == o && r->abandoned && !r->ended &&
			 at < addr + ((size_t)ZCS_PAGE_SIZE << blk->order) &&
			 addr < at + ((size_t)ZCS_PAGE_SIZE << r->io.order);
	}
	pthread_mutex_unlock(&wb->lock);
	return found;
}

/* The descriptor of a block that may leave memory now, or NULL. */
static struct zcs_folio *may_leave(struct zcs_object *o, const struct zcs_block *blk)
{
	struct zcs_folio *folio;

	if (!zcs_e_is_page(blk->entry))
		return NULL;
	folio = zcs_object_folio(o, blk);
	return zcs_folio_state(folio) == ZCS_FS_INSERTED && !is_flying(o, blk) ? folio : NULL;
}

/* Frees a block with a copy and @flag. Return: its pages; 0: it has no copy, or not that flag. */
static uint64_t free_flagged(struct zcs_object *o, const struct zcs_block *blk, unsigned flag)
{
	struct zcs_wb *wb = zcs_local(o->store)->wb;
	struct zcs_folio *folio;

	zcs_assert_held(&o->lock);
	if (!zcs_e_is_page(blk->entry) || !zcs_folio_flag(zcs_object_folio(o, blk), flag))
		return 0;
	folio = may_leave(o, blk);
	if (!folio)
		return 0;
	zcs_wb_leave_memory(o, blk, folio->aux);
	zcs_wb_bump(wb, &wb->stats.clean_blocks);
	return zcs_block_pages(blk);
}

bool zcs_wb_leave(struct zcs_object *o, const struct zcs_block *blk)
{
	return free_flagged(o, blk, ZCS_FF_COPY);
}

/* Frees a batch of blocks with a copy and @flag. Return: pages. */
static uint64_t free_some(struct zcs_object *o, unsigned flag, uint64_t *at)
{
	unsigned scanned = 0, done = 0;
	uint64_t sum = 0;

	while (*at < o->num_pages && scanned++ < ZCS_WB_SCAN_MAX && done < ZCS_WB_BATCH) {
		struct zcs_block blk = zcs_table_get(&o->table, *at);
		uint64_t pages = free_flagged(o, &blk, flag);

		done += pages != 0;
		sum += pages;
		*at = o->resident_pages ? zcs_block_end(&blk) : o->num_pages;
	}
	return sum;
}

/* Frees a batch of the blocks that need no write; *@left becomes true for a block that does. */
static uint64_t free_without_io(struct zcs_object *o, uint64_t *at, bool *left)
{
	struct zcs_wb *wb = zcs_local(o->store)->wb;
	uint64_t sum = 0;

	for (unsigned scanned = 0;
	     scanned < ZCS_WB_SCAN_MAX && *at < o->num_pages && sum < ZCS_WB_BATCH; scanned++) {
		struct zcs_block blk = zcs_table_get(&o->table, *at);
		struct zcs_folio *folio;

		*at = zcs_block_end(&blk);
		if (!zcs_e_is_page(blk.entry) ||
		    zcs_folio_state(zcs_object_folio(o, &blk)) != ZCS_FS_INSERTED)
			continue;
		folio = may_leave(o, &blk);
		if (folio && zcs_wb_without_io(wb, o, &blk, folio))
			sum += zcs_block_pages(&blk);
		else
			*left = true;
	}
	return sum;
}

uint64_t zcs_wb_reclaim(struct zcs_object *o, uint64_t *at, unsigned how, bool *left)
{
	return how & ZCS_RECLAIM_NO_COPY ? free_without_io(o, at, left)
					 : free_some(o, ZCS_FF_COPY, at);
}

uint64_t zcs_wb_give_up(struct zcs_ahead *ahead)
{
	struct zcs_object *o =
		(struct zcs_object *)((char *)ahead - offsetof(struct zcs_object, ahead));
	uint64_t pages = 0, at = 0;

	if (pthread_mutex_trylock(&o->lock))
		return 0;
	while (at < o->num_pages)
		pages += free_some(o, ZCS_FF_RA, &at);
	zcs_object_unlock(o);
	return pages;
}
