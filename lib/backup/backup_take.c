/* SPDX-License-Identifier: MIT */
/*
 * The way back: taking blocks, reading pages, and asking for writeback.
 *
 *	resident, WRITING    the same folio; the write is cancelled or abandoned, not waited for
 *	read ahead           waited for, then resident
 *	stored               a fresh folio (its home, in a contiguous tt's backup), to which
 *	                     the store brings the bytes; of the caller's pool, which may be
 *	                     another one
 *	owned by the store   the same folio, charged to the pool again, once the store says that its
 *	                     bytes are there
 *
 * A vector's blocks are claimed first, and each fetch begins with the claim of its block. Then all
 * fetches are waited for together. A block leaves the backup only when its bytes are in the folio.
 * A block that was fetched but cannot be handed out, because an earlier element failed, stays as a
 * resident block, and the store keeps its copy.
 *
 * Cost: a resident block costs a state and an entry of the index. A vector of stored blocks is read
 * at the depth of the device's queue.
 */
#include <errno.h>
#include <string.h>

#include "backup.h"
#include "common/log.h"
#include "common/probe.h"
#include "pool/pool.h"
#include "store/object.h"
#include "store/store.h"

struct batch;

/*
 * struct claim - an element of a vector during a take
 * @blk: the block as it was claimed
 * @folio: BUSY
 */
struct claim {
	struct zcs_block blk;
	struct zcs_folio *folio;
};

/*
 * struct batch - a piece of a vector
 * @to: the state in which folios are handed out
 * @fetch: the blocks that the store brings
 */
struct batch {
	struct zcs_backup *b;
	struct zcs_pool *pool;
	const struct zcs_request *req;
	enum zcs_folio_state to;
	size_t nr;
	struct claim claim[ZCS_VEC];
	struct zcs_fetch fetch;
};

static const struct zcs_block_ops *block_ops(const struct batch *batch)
{
	return batch->b->o.store->ops->block;
}

static int claim_resident(struct batch *batch, struct claim *c)
{
	struct zcs_object *o = &batch->b->o;

	c->folio = zcs_pool_folio(batch->pool, zcs_e_ppn(c->blk.entry));
	zcs_object_recall(o, c->folio);
	/* a second element of the same vector finds it claimed */
	if (!zcs_folio_move(c->folio, ZCS_FS_INSERTED, ZCS_FS_BUSY))
		return -ENOENT;
	if (!zcs_store_owns(o->store) ||
	    !zcs_pool_take_back(batch->pool, zcs_block_pages(&c->blk), batch->req))
		return 0;
	zcs_folio_set_state(c->folio, ZCS_FS_INSERTED);
	return -ENOMEM;
}

static bool claimed_before(const struct batch *batch, uint64_t index)
{
	for (size_t i = 0; i < batch->nr; i++)
		if (batch->claim[i].blk.index == index)
			return true;
	return false;
}

static int claim_absent(struct batch *batch, struct claim *c)
{
	int err;

	if (claimed_before(batch, c->blk.index))
		return -ENOENT;
	err = zcs_object_new_folio(&batch->b->o, &c->blk, batch->pool, batch->req, &c->folio);
	if (!err)
		block_ops(batch)->fetch(&batch->fetch, batch->nr, &c->blk,
					zcs_folio_bytes(c->folio));
	return err;
}

/*
 * Waits for read-ahead of any block of the vector, before the first is claimed: the wait gives the
 * lock up, and other threads do not see a claim on a slot.
 */
static void await_ahead_of(struct zcs_backup *b, const struct zcs_take *vec, size_t nr)
{
	const struct zcs_block_ops *ops = b->o.store->ops->block;

	for (size_t i = 0; b->o.ahead.pages && i < nr; i++) {
		uint64_t index = zcs_handle_to_index(vec[i].handle);

		if (vec[i].handle > 0 && index < b->o.num_pages && ops->await_ahead(&b->o, index))
			i = SIZE_MAX; /* from the beginning */
	}
}

static int find_block(struct zcs_backup *b, int64_t handle, struct zcs_block *blk)
{
	uint64_t index = zcs_handle_to_index(handle);

	if (handle <= 0 || index >= b->o.num_pages)
		return -EINVAL;
	*blk = zcs_table_get(&b->o.table, index);
	if (blk->entry == ZCS_E_EMPTY)
		return -ENOENT;
	return blk->index == index ? 0 : -EINVAL;
}

/*
 * Whether another pool takes. Asked again after each wait, for an empty backup may get another
 * pool.
 */
static bool is_foreign(const struct batch *batch)
{
	return batch->pool != batch->b->o.pool;
}

/*
 * Frees the pages of a resident block of which the store has a copy. Return: false: it has no copy.
 */
static bool leaves(struct zcs_object *o, const struct zcs_block *blk)
{
	return o->store->ops->block && o->store->ops->block->leave(o, blk);
}

/*
 * Takes into another pool, by a read of the store's copy. That works while the copy is still valid,
 * after a read-ahead or a failed vector included. Return: -EXDEV: for any other resident block, and
 * for any block with a home.
 */
static int claim_foreign(struct batch *batch, struct claim *c)
{
	struct zcs_backup *b = batch->b;

	if (b->o.home || (zcs_e_is_page(c->blk.entry) && !leaves(&b->o, &c->blk)))
		return -EXDEV;
	c->blk = zcs_table_get(&b->o.table, c->blk.index);
	return claim_absent(batch, c);
}

static int claim_one(struct batch *batch, struct claim *c, int64_t handle)
{
	int err = find_block(batch->b, handle, &c->blk);

	batch->fetch.part[batch->nr].err = 0;
	if (err)
		return err;
	err = zcs_fault(ZCS_FAULT_TAKE);
	if (err)
		return -err;
	if (is_foreign(batch))
		return claim_foreign(batch, c);
	return zcs_e_is_page(c->blk.entry) ? claim_resident(batch, c) : claim_absent(batch, c);
}

/*
 * Asks a store of objects for claimed blocks, which are all resident. Return: how many it hands
 * back; *@err: why not more.
 */
static size_t ask_store(struct batch *batch, int *err)
{
	struct zcs_object *o = &batch->b->o;
	struct zcs_extent e[ZCS_VEC];
	int64_t n;

	if (!batch->nr)
		return batch->nr;
	for (size_t i = 0; i < batch->nr; i++)
		e[i] = (struct zcs_extent){ .index = batch->claim[i].blk.index,
					    .pfn = zcs_folio_pfn(batch->claim[i].folio),
					    .order = batch->claim[i].blk.order,
					    .folio = batch->claim[i].folio };
	n = o->store->ops->take(o, e, batch->nr);
	if (n == (int64_t)batch->nr)
		return batch->nr;
	*err = n < 0 ? (int)n : -EIO;
	return n < 0 ? 0 : (size_t)n;
}

/* The number of first elements that came back whole; *@err is the first failure's. */
static size_t count_good(struct batch *batch, int *err)
{
	size_t n = 0;

	while (n < batch->nr && !batch->fetch.part[n].err)
		n++;
	if (n < batch->nr)
		*err = batch->fetch.part[n].err;
	return n;
}

static void hand_out(struct batch *batch, struct claim *c)
{
	struct zcs_object *o = &batch->b->o;

	if (zcs_e_is_page(c->blk.entry)) {
		if (zcs_object_withdraw(o, c->folio, true))
			zcs_ahead_end(o->pool, &o->ahead, zcs_block_pages(&c->blk));
		o->resident_pages -= zcs_block_pages(&c->blk);
		zcs_pool_account_inserted(o->pool, zcs_folio_arena(c->folio)->node, c->blk.order,
					  -1);
		zcs_pool_count_event(o->pool, ZCS_COUNT_TAKE_MOVED, 1);
	} else {
		block_ops(batch)->taken(o, &c->blk, c->folio);
	}
	/* the store's copy stays good if the tt that takes the folio can tell when it is dirtied */
	if (!batch->b->tracked)
		zcs_object_forget_copy(o, c->folio);
	zcs_table_clear(&o->table, c->blk.index, c->blk.order);
	zcs_folio_set_state(c->folio, batch->to);
	ZCS_PROBE3(take, batch->b, c->blk.index, c->blk.order);
}

/*
 * Puts back an element that is not handed out: as it was, or resident with its slot if it was read
 * into the backup's own pool.
 */
static void put_back(struct batch *batch, size_t i)
{
	struct zcs_object *o = &batch->b->o;
	struct claim *c = &batch->claim[i];

	if (zcs_e_is_page(c->blk.entry)) {
		zcs_folio_set_state(c->folio, ZCS_FS_INSERTED);
		if (zcs_store_owns(o->store))
			zcs_pool_lend(batch->pool, zcs_block_pages(&c->blk));
	} else if (batch->fetch.part[i].err || is_foreign(batch) ||
		   !block_ops(batch)->attach(o, &c->blk, c->folio)) {
		zcs_object_free_folio(o, c->folio);
	}
}

static void claim_all(struct batch *batch, struct zcs_take *vec, size_t nr, int *err)
{
	for (batch->nr = 0; batch->nr < nr; batch->nr++) {
		*err = claim_one(batch, &batch->claim[batch->nr], vec[batch->nr].handle);
		if (*err)
			break;
	}
	if (*err == -EINVAL || *err == -ENOENT || *err == -EXDEV)
		zcs_pool_count_event(batch->pool, ZCS_COUNT_BAD_TAKE, 1);
}

/* Claims blocks and has the store bring them. Return: how many came whole. */
static size_t bring(struct batch *batch, struct zcs_take *vec, size_t nr, int *err)
{
	const struct zcs_store_ops *ops = batch->b->o.store->ops;

	if (ops->block)
		ops->block->begin(&batch->fetch, nr, zcs_handle_to_index(vec[0].handle),
				  is_foreign(batch));
	claim_all(batch, vec, nr, err);
	if (ops->block && nr == 1 && batch->nr == 1 && !is_foreign(batch))
		ops->block->ahead(&batch->b->o, &batch->claim[0].blk);
	if (ops->block && batch->fetch.nr)
		ops->block->fetched(&batch->fetch);
	return ops->take ? ask_store(batch, err) : count_good(batch, err);
}

/* Takes up to ZCS_VEC elements. Return: how many were handed out. */
static size_t take_piece(struct batch *batch, struct zcs_take *vec, size_t nr, int *err)
{
	size_t good;

	await_ahead_of(batch->b, vec, nr);
	good = bring(batch, vec, nr, err);
	for (size_t i = 0; i < batch->nr; i++) {
		if (i < good) {
			hand_out(batch, &batch->claim[i]);
			vec[i].folio = batch->claim[i].folio;
		} else {
			put_back(batch, i);
		}
	}
	return good;
}

/* Frees some blocks that need no write. Return: pages. */
static uint64_t free_clean(struct zcs_backup *b)
{
	const struct zcs_store_ops *ops = b->o.store->ops;
	uint64_t pages = 0, at = 0;
	bool left;

	while (ops->reclaim && at < b->o.num_pages && !pages)
		pages += ops->reclaim(&b->o, &at, 0, &left);
	return pages;
}

/*
 * Makes room after a folio was refused; nothing is claimed. First reclaims the read-ahead of all
 * backups, for which the lock is given up, then blocks of this backup that need no write. Return:
 * whether to try again.
 */
static bool make_room(struct zcs_backup *b, struct zcs_retry *retry)
{
	bool room;

	zcs_object_unlock(&b->o);
	room = zcs_retry(retry, -ENOMEM);
	zcs_object_lock(&b->o);
	return room || free_clean(b);
}

static size_t take_all(struct batch *batch, struct zcs_take *vec, size_t nr, int *err)
{
	struct zcs_retry retry = zcs_retry_begin(batch->pool, batch->req);
	size_t done = 0;

	do {
		*err = 0;
		done += take_piece(batch, vec + done, nr - done < ZCS_VEC ? nr - done : ZCS_VEC,
				   err);
		if (*err == -ENOMEM && make_room(batch->b, &retry))
			*err = 0;
	} while (done < nr && !*err);
	return done;
}

int64_t zcs_backup_take_vec(struct zcs_backup *backup, struct zcs_take *vec, size_t nr,
			    struct zcs_pool *pool, enum zcs_folio_state to,
			    const struct zcs_request *req)
{
	struct batch batch; /* 14 KiB that a take of one block need not clear */
	size_t done;
	int err;

	batch.b = backup;
	batch.pool = pool;
	batch.req = req;
	batch.to = to;
	zcs_fetch_init(&batch.fetch, &backup->o);
	zcs_object_lock(&backup->o);
	done = take_all(&batch, vec, nr, &err);
	zcs_object_unlock(&backup->o);
	zcs_fetch_fini(&batch.fetch);
	for (size_t i = done; i < nr; i++)
		vec[i].folio = NULL;
	return done ? (int64_t)done : err;
}

int64_t zcs_backup_take_folios(struct zcs_backup *backup, struct zcs_take *vec, size_t nr,
			       struct zcs_pool *pool)
{
	if (!backup || !vec || !nr || !pool)
		return -EINVAL;
	if (zcs_inherited(backup) || zcs_pool_inherited(pool))
		return -ECHILD;
	return zcs_backup_take_vec(backup, vec, nr, pool, ZCS_FS_OWNED, &zcs_request_normal);
}

int zcs_backup_take_folio(struct zcs_backup *backup, int64_t handle, struct zcs_pool *pool,
			  struct zcs_folio **folio)
{
	struct zcs_take take = { .handle = handle };
	int64_t n;

	if (!folio)
		return -EINVAL;
	n = zcs_backup_take_folios(backup, &take, 1, pool);
	if (n < 0)
		return (int)n;
	*folio = take.folio;
	return 0;
}

/* -- reading a page */

int zcs_backup_copy_page(struct zcs_backup *backup, void *dst, int64_t handle, bool interruptible)
{
	int err;

	if (!backup || !dst || handle <= 0 || zcs_handle_to_index(handle) >= backup->o.num_pages)
		return -EINVAL;
	if (zcs_inherited(backup))
		return -ECHILD;
	err = interruptible ? zcs_fault(ZCS_FAULT_COPY_PAGE) : 0;
	if (err)
		return -err;
	zcs_object_lock(&backup->o);
	err = zcs_object_copy(&backup->o, zcs_handle_to_index(handle), dst, interruptible);
	zcs_object_unlock(&backup->o);
	return err;
}

/* -- writeback on request */

int64_t zcs_backup_writeback(struct zcs_backup *backup, uint64_t first, uint64_t last,
			     uint32_t flags)
{
	int64_t n;

	if (!backup || first > last || first >= backup->o.num_pages || (flags & ~ZCS_WB_WAIT))
		return -EINVAL;
	if (zcs_inherited(backup))
		return -ECHILD;
	if (last >= backup->o.num_pages)
		last = backup->o.num_pages - 1;
	pthread_mutex_lock(&backup->o.lock);
	n = zcs_object_write(&backup->o, first, last, flags & ZCS_WB_WAIT);
	zcs_object_unlock(&backup->o);
	return n;
}
