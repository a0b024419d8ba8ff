/* SPDX-License-Identifier: MIT */
/*
 * The way back: taking blocks, reading pages, and asking for writeback.
 *
 *	resident, WRITING    the same folio; the write is cancelled or abandoned, not waited for
 *	read ahead           waited for, then resident
 *	slot                 a fresh folio (its home, in a contiguous tt's backup), read in the order written; of the
 *	                     caller's pool, which may be another one
 *	same-filled          a fresh folio, filled
 *
 * A vector's blocks are claimed first, all reads submitted, then waited for together, so that a
 * restore runs at the depth of the queue. Nothing leaves the backup before its bytes are in the
 * folio: what was read and cannot be handed out (an earlier element failed) stays as a resident
 * block that keeps its slot.
 *
 * Blocks taken one by one and in order are read ahead: one block, then twice as many each time up
 * to RA_MAX; a take anywhere else stops it. Beginning at the first index counts as in order.
 */
#include <errno.h>
#include <string.h>

#include "backup_priv.h"
#include "common/log.h"
#include "common/probe.h"
#include "pool/pool.h"
#include "store/same.h"
#include "store/store_priv.h"
#include "store/writeback.h"
#include "swap/swap.h"
#include "sys/sys.h"

#define RA_MAX	       8u
#define COMPLAINTS_MAX 16u

struct batch;

/*
 * struct claim - an element of a vector on its way
 * @blk: the block as it was claimed; @folio: BUSY
 * @io: the read, if the content was in a slot; @err: how it ended
 */
struct claim {
	struct batch *batch;
	struct zcs_block blk;
	struct zcs_folio *folio;
	struct zcs_swap_req io;
	int err;
};

/*
 * struct batch - a piece of a vector
 * @to: the state folios are handed out in
 * @reading: reads under way, under @lock; @done: signalled when there are none
 * @alone: one block, with nothing to read ahead behind it
 */
struct batch {
	struct zcs_backup *b;
	struct zcs_pool *pool;
	const struct zcs_request *req;
	enum zcs_folio_state to;
	pthread_mutex_t lock;
	pthread_cond_t done;
	unsigned reading;
	bool alone;
	size_t nr;
	struct claim claim[ZCS_VEC];
};

int zcs_backup_new_folio(struct zcs_backup *backup, const struct zcs_block *blk,
			 struct zcs_pool *pool, const struct zcs_request *req,
			 struct zcs_folio **folio)
{
	struct zcs_home *home = backup->home;
	int err;

	if (home) {
		*folio = zcs_arena_folio(home->arena, home->pfn + blk->index);
		err = zcs_home_populate(pool, home, *folio, req);
	} else {
		err = zcs_pool_alloc(pool, blk->order, 0, req, folio);
	}
	if (!err)
		zcs_folio_set_state(*folio, ZCS_FS_BUSY);
	return err;
}

/* On the swap's I/O thread. */
static void read_done(struct zcs_swap_req *io, int err)
{
	struct claim *c = io->user;
	struct batch *batch = c->batch;

	c->err = err;
	pthread_mutex_lock(&batch->lock);
	if (!--batch->reading)
		pthread_cond_signal(&batch->done);
	pthread_mutex_unlock(&batch->lock);
}

static void start_read(struct batch *batch, struct claim *c)
{
	pthread_mutex_lock(&batch->lock);
	batch->reading++;
	pthread_mutex_unlock(&batch->lock);
	c->io = (struct zcs_swap_req){ .op = ZCS_SWAP_READ,
				       .order = c->blk.order,
				       .slot = c->blk.entry - ZCS_E_SLOT_BASE,
				       .flags = ZCS_SWAP_URGENT,
				       .addr = zcs_folio_bytes(c->folio),
				       .done = read_done,
				       .user = c };
	ZCS_PROBE3(read, batch->b, c->blk.index, c->blk.order);
	zcs_swap_submit(batch->b->store->swap, &c->io);
}

/* By this thread itself, which saves waking the I/O thread and being woken by it. */
static void read_alone(struct batch *batch, struct claim *c)
{
	ZCS_PROBE3(read, batch->b, c->blk.index, c->blk.order);
	c->err = zcs_swap_read(batch->b->store->swap, c->blk.entry - ZCS_E_SLOT_BASE, c->blk.order,
			       zcs_folio_bytes(c->folio));
}

static int claim_resident(struct batch *batch, struct claim *c)
{
	c->folio = zcs_pool_folio(batch->pool, zcs_e_ppn(c->blk.entry));
	if (zcs_folio_state(c->folio) == ZCS_FS_WRITING)
		zcs_wb_recall(batch->b, c->folio);
	/* a second element of the same vector finds it claimed */
	return zcs_folio_move(c->folio, ZCS_FS_INSERTED, ZCS_FS_BUSY) ? 0 : -ENOENT;
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
	struct zcs_same *same = batch->b->store->same;
	int err;

	if (claimed_before(batch, c->blk.index))
		return -ENOENT;
	err = zcs_backup_new_folio(batch->b, &c->blk, batch->pool, batch->req, &c->folio);
	if (err)
		return err;
	if (zcs_e_is_slot(c->blk.entry) && batch->alone)
		read_alone(batch, c);
	else if (zcs_e_is_slot(c->blk.entry))
		start_read(batch, c);
	else if (c->blk.entry != ZCS_E_SAME_BASE)
		zcs_same_fill(same, c->blk.entry - ZCS_E_SAME_BASE, zcs_folio_bytes(c->folio),
			      (size_t)ZCS_PAGE_SIZE << c->blk.order);
	return 0;
}

/*
 * Waits for read-ahead of any block of the vector, before the first is claimed: the lock is given
 * up meanwhile, and a claim on a slot is not seen by others.
 */
static void settle(struct zcs_backup *b, const struct zcs_take *vec, size_t nr)
{
	for (size_t i = 0; b->store->wb && b->in_flight && i < nr; i++) {
		uint64_t index = zcs_handle_to_index(vec[i].handle);

		if (vec[i].handle > 0 && index < b->num_pages && zcs_wb_wait_read(b, index))
			i = SIZE_MAX; /* from the beginning */
	}
}

static int find_block(struct zcs_backup *b, int64_t handle, struct zcs_block *blk)
{
	uint64_t index = zcs_handle_to_index(handle);

	if (handle <= 0 || index >= b->num_pages)
		return -EINVAL;
	*blk = zcs_table_get(&b->table, index);
	if (blk->entry == ZCS_E_EMPTY)
		return -ENOENT;
	return blk->index == index ? 0 : -EINVAL;
}

/* Not to be kept over a wait: an empty backup may get another pool meanwhile. */
static bool is_foreign(const struct batch *batch)
{
	return batch->pool != batch->b->pool;
}

/*
 * Another pool gets a copy from the device, also of what is here only because it was read ahead, or
 * read for a vector that failed: that lies in its slot all the while. -EXDEV: of nothing else, and
 * not of what has a home.
 */
static int claim_foreign(struct batch *batch, struct claim *c)
{
	struct zcs_backup *b = batch->b;

	if (b->home || (zcs_e_is_page(c->blk.entry) && !zcs_wb_free_block(b, &c->blk)))
		return -EXDEV;
	c->blk = zcs_table_get(&b->table, c->blk.index);
	return claim_absent(batch, c);
}

static int claim_one(struct batch *batch, struct claim *c, int64_t handle)
{
	int err = find_block(batch->b, handle, &c->blk);

	c->batch = batch;
	c->err = 0;
	if (err)
		return err;
	err = zcs_fault(ZCS_FAULT_TAKE);
	if (err)
		return -err;
	if (is_foreign(batch))
		return claim_foreign(batch, c);
	return zcs_e_is_page(c->blk.entry) ? claim_resident(batch, c) : claim_absent(batch, c);
}

static void wait_for_reads(struct batch *batch)
{
	pthread_mutex_lock(&batch->lock);
	while (batch->reading)
		pthread_cond_wait(&batch->done, &batch->lock);
	pthread_mutex_unlock(&batch->lock);
}

/*
 * How many of the claimed blocks, all resident, a store of objects hands back; *err says why not
 * more.
 */
static size_t ask_store(struct batch *batch, int *err)
{
	struct zcs_backup *b = batch->b;
	struct zcs_extent e[ZCS_VEC];
	int64_t n;

	if (!b->store->ops->take || !batch->nr)
		return batch->nr;
	for (size_t i = 0; i < batch->nr; i++)
		e[i] = (struct zcs_extent){ batch->claim[i].blk.index,
					    zcs_folio_pfn(batch->claim[i].folio),
					    batch->claim[i].blk.order, 0 };
	n = b->store->ops->take(b->store, b->object, e, batch->nr);
	if (n == (int64_t)batch->nr)
		return batch->nr;
	*err = n < 0 ? (int)n : -EIO;
	return n < 0 ? 0 : (size_t)n;
}

/* The swap's message says what is wrong, this one what was there. */
static void complain(struct zcs_backup *b, uint64_t index, unsigned order, uint32_t slot, int err)
{
	if (b->complaints++ < COMPLAINTS_MAX)
		zcs_warn("backup %p: index %llu, order %u, in slot %u of %s, cannot be read: %s",
			 (void *)b, (unsigned long long)index, order, slot,
			 zcs_swap_name(b->store->swap, slot), strerror(-err));
}

/* The first elements that came back whole; *err is the first failure's. */
static size_t count_good(struct batch *batch, int *err)
{
	size_t n = 0;

	while (n < batch->nr && !batch->claim[n].err)
		n++;
	if (n < batch->nr)
		*err = batch->claim[n].err;
	return n;
}

/* A clean folio keeps its slot if the tt that takes it can tell when it is dirtied. */
static void keep_or_free_slot(struct zcs_backup *b, struct claim *c)
{
	bool was_slot = zcs_e_is_slot(c->blk.entry);

	if (was_slot) {
		b->slot_pages -= zcs_block_pages(&c->blk);
		c->folio->aux = c->blk.entry - ZCS_E_SLOT_BASE;
		zcs_folio_set_flags(c->folio, ZCS_FF_SLOT, 0);
	}
	if (!b->tracked)
		zcs_backup_forget_slot(b, c->folio);
}

static void hand_out(struct batch *batch, struct claim *c)
{
	struct zcs_backup *b = batch->b;

	if (zcs_e_is_page(c->blk.entry)) {
		if (b->store->wb) {
			if (zcs_wb_ra_used(b, c->folio, true))
				zcs_ahead_end(b->pool, &b->ahead, zcs_block_pages(&c->blk));
			zcs_wb_unmark(b, c->folio);
		}
		b->resident_pages -= zcs_block_pages(&c->blk);
		zcs_pool_account_inserted(b->pool, zcs_folio_arena(c->folio)->node, c->blk.order,
					  -1);
		zcs_pool_count_event(b->pool, ZCS_COUNT_TAKE_MOVED, 1);
	}
	if (zcs_e_is_same(c->blk.entry))
		zcs_backup_free_entry(b, c->blk.entry, c->blk.order);
	else
		keep_or_free_slot(b, c);
	zcs_table_clear(&b->table, c->blk.index, c->blk.order);
	zcs_folio_set_state(c->folio, batch->to);
	ZCS_PROBE3(take, b, c->blk.index, c->blk.order);
}

/*
 * An element that is not handed out: as it was, or resident with its slot if it was read into our
 * pool.
 */
static void put_back(struct batch *batch, struct claim *c)
{
	if (zcs_e_is_page(c->blk.entry))
		zcs_folio_set_state(c->folio, ZCS_FS_INSERTED);
	else if (zcs_e_is_slot(c->blk.entry) && !c->err && !is_foreign(batch))
		zcs_backup_attach(batch->b, &c->blk, c->folio);
	else
		zcs_backup_free_folio(batch->b, c->folio);
	if (c->err)
		complain(batch->b, c->blk.index, c->blk.order, c->blk.entry - ZCS_E_SLOT_BASE,
			 c->err);
}

/* Single takes that go up one by one, or begin at the first index. */
static bool is_sequential(const struct zcs_backup *b, uint64_t index)
{
	return index == b->ra_next || !index;
}

/* Whether a take of one block, of that handle, has anything to read ahead. */
static bool leads_on(const struct zcs_backup *b, int64_t handle)
{
	uint64_t index = zcs_handle_to_index(handle);
	struct zcs_block blk;

	if (index >= b->num_pages || !is_sequential(b, index))
		return false;
	blk = zcs_table_get(&b->table, index);
	return zcs_block_end(&blk) < b->num_pages && b->slot_pages > zcs_block_pages(&blk);
}

/* The blocks behind the one that is asked for are submitted after it, and come while it is used. */
static void read_ahead(struct zcs_backup *b, const struct zcs_block *blk)
{
	bool sequential = is_sequential(b, blk->index);
	uint64_t at = zcs_block_end(blk);

	b->ra_next = at;
	b->ra_blocks = sequential ? 2 * b->ra_blocks + !b->ra_blocks : 0;
	if (b->ra_blocks > RA_MAX)
		b->ra_blocks = RA_MAX;
	for (unsigned i = 0; b->slot_pages && i < b->ra_blocks && at < b->num_pages; i++) {
		struct zcs_block next = zcs_table_get(&b->table, at);

		zcs_wb_read_ahead(b, at);
		at = zcs_block_end(&next);
	}
}

/* Up to ZCS_VEC elements; how many were handed out. */
static size_t take_piece(struct batch *batch, struct zcs_take *vec, size_t nr, int *err)
{
	size_t good;

	settle(batch->b, vec, nr);
	batch->alone = nr == 1 && (is_foreign(batch) || !leads_on(batch->b, vec[0].handle));
	for (batch->nr = 0; batch->nr < nr; batch->nr++) {
		*err = claim_one(batch, &batch->claim[batch->nr], vec[batch->nr].handle);
		if (*err)
			break;
	}
	if (*err == -EINVAL || *err == -ENOENT || *err == -EXDEV)
		zcs_pool_count_event(batch->pool, ZCS_COUNT_BAD_TAKE, 1);
	if (nr == 1 && batch->nr == 1 && batch->b->store->wb && !is_foreign(batch))
		read_ahead(batch->b, &batch->claim[0].blk);
	wait_for_reads(batch);
	good = batch->b->store->ops->take ? ask_store(batch, err) : count_good(batch, err);
	for (size_t i = 0; i < batch->nr; i++) {
		if (i < good) {
			hand_out(batch, &batch->claim[i]);
			vec[i].folio = batch->claim[i].folio;
		} else {
			put_back(batch, &batch->claim[i]);
		}
	}
	return good;
}

/* Some of what needs no write; pages. */
static uint64_t free_clean(struct zcs_backup *b)
{
	uint64_t pages = 0, at = 0;

	while (b->store->wb && at < b->num_pages && !pages)
		pages += zcs_wb_free_clean(b, &at);
	return pages;
}

/*
 * A folio was refused, and nothing is claimed. First the read-ahead of all backups is reclaimed,
 * for which the lock is given up; then blocks of this backup that need no write. Whether to try
 * again.
 */
static bool make_room(struct zcs_backup *b, struct zcs_retry *retry)
{
	bool room;

	pthread_mutex_unlock(&b->lock);
	room = zcs_retry(retry, -ENOMEM);
	zcs_backup_lock(b);
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
	struct batch batch; /* 10 KiB that a take of one block need not clear */
	size_t done;
	int err;

	batch.b = backup;
	batch.pool = pool;
	batch.req = req;
	batch.to = to;
	batch.reading = 0;
	pthread_mutex_init(&batch.lock, NULL);
	pthread_cond_init(&batch.done, NULL);
	zcs_backup_lock(backup);
	done = take_all(&batch, vec, nr, &err);
	pthread_mutex_unlock(&backup->lock);
	pthread_cond_destroy(&batch.done);
	pthread_mutex_destroy(&batch.lock);
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

static int copy_slot(struct zcs_backup *b, void *dst, uint64_t index, uint32_t slot)
{
	_Alignas(ZCS_PAGE_SIZE) char page[ZCS_PAGE_SIZE];
	int err = zcs_swap_read(b->store->swap, slot, 0, page);

	if (!err)
		memcpy(dst, page, sizeof(page));
	else
		complain(b, index, 0, slot, err);
	return err;
}

static int copy_locked(struct zcs_backup *b, void *dst, uint64_t index, bool interruptible)
{
	struct zcs_block blk = zcs_table_get(&b->table, index);
	uint32_t at = (uint32_t)(index - blk.index);

	if (blk.entry == ZCS_E_EMPTY) {
		memset(dst, 0, ZCS_PAGE_SIZE);
		return 0;
	}
	if (b->store->ops->copy)
		return b->store->ops->copy(b->store, b->object, index, dst, interruptible);
	if (zcs_e_is_slot(blk.entry))
		return copy_slot(b, dst, index, blk.entry - ZCS_E_SLOT_BASE + at);
	if (zcs_e_is_same(blk.entry))
		zcs_same_fill(b->store->same, blk.entry - ZCS_E_SAME_BASE, dst, ZCS_PAGE_SIZE);
	else
		memcpy(dst, zcs_pool_bytes(b->pool, zcs_e_ppn(blk.entry) + at), ZCS_PAGE_SIZE);
	return 0;
}

int zcs_backup_copy_page(struct zcs_backup *backup, void *dst, int64_t handle, bool interruptible)
{
	int err;

	if (!backup || !dst || handle <= 0 || zcs_handle_to_index(handle) >= backup->num_pages)
		return -EINVAL;
	if (zcs_inherited(backup))
		return -ECHILD;
	err = interruptible ? zcs_fault(ZCS_FAULT_COPY_PAGE) : 0;
	if (err)
		return -err;
	zcs_backup_lock(backup);
	err = copy_locked(backup, dst, zcs_handle_to_index(handle), interruptible);
	pthread_mutex_unlock(&backup->lock);
	return err;
}

/* -- writeback on request */

/* Pages of blocks wholly inside the range that are resident, marked already or not. */
static uint64_t resident_in(const struct zcs_backup *b, uint64_t first, uint64_t last)
{
	uint64_t pages = 0;

	for (uint64_t i = first; i <= last;) {
		struct zcs_block blk = zcs_table_get(&b->table, i);

		i = zcs_block_end(&blk);
		if (zcs_e_is_page(blk.entry) && blk.index >= first && i - 1 <= last)
			pages += zcs_block_pages(&blk);
	}
	return pages;
}

static int64_t write_marked(struct zcs_backup *b, uint64_t first, uint64_t last, uint32_t flags)
{
	uint64_t marked = resident_in(b, first, last);

	zcs_wb_mark(b, first, last);
	if (!(flags & ZCS_WB_WAIT) || !marked)
		return (int64_t)marked;
	return zcs_wb_wait_range(b, first, last);
}

int64_t zcs_backup_writeback(struct zcs_backup *backup, uint64_t first, uint64_t last,
			     uint32_t flags)
{
	int64_t n = 0;

	if (!backup || first > last || first >= backup->num_pages || (flags & ~ZCS_WB_WAIT))
		return -EINVAL;
	if (zcs_inherited(backup))
		return -ECHILD;
	if (last >= backup->num_pages)
		last = backup->num_pages - 1;
	pthread_mutex_lock(&backup->lock);
	if (backup->store->ops->writeback)
		n = backup->store->ops->writeback(backup->store, backup->object, first, last,
						  flags);
	else if (backup->store->wb)
		n = write_marked(backup, first, last, flags);
	pthread_mutex_unlock(&backup->lock);
	return n;
}
