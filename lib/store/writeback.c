/* SPDX-License-Identifier: MIT */
/*
 * Writeback: inserted folios become slots.
 *
 *	insert(WRITEBACK) ──mark──▶ queue of backups ──thread──▶ same-filled?  word, pages freed
 *	                                                         slot still good? pages freed, no
 *	                                                         I/O else WRITING, request to the
 *	                                                         swap
 *	swap's I/O thread: done ──▶ ended list ──thread──▶ lock the backup: slot is the entry, pages freed
 *
 * The protocol. A folio that is being written stays the backup's and is marked WRITING; it is freed
 * once, by the thread, when the write has ended. Who wants it back meanwhile does not wait: a
 * request that was not given to the device yet is cancelled, any other is abandoned (its slot is
 * given up when it ends; that the device reads pages that change is harmless, nobody will read that
 * slot). Until an abandoned write has ended its pages are not punched: a transfer that comes to a
 * hole would bring its memory back, or find none. A write that fails leaves the folio resident, and
 * the swap judges its slot (swap_outage.c).
 *
 * Blocks that need no I/O are freed as fast as the thread can look at them. So after a few of them
 * it gives the backup's lock up, lets those have it who wait, sees to transfers that ended, and
 * comes back by way of the queue.
 *
 * Nothing is allocated here: the queue is threaded through the backups, the requests are an array,
 * and pages are freed before anything else is asked for. The I/O thread never takes a backup's
 * lock, so that who holds one may wait for a read. Lock order: backup, then wb.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "backup/backup_priv.h"
#include "common/log.h"
#include "common/probe.h"
#include "pool/pool.h"
#include "same.h"
#include "store_priv.h"
#include "swap/swap.h"
#include "sys/sys.h"
#include "writeback.h"

#define REQUESTS    64u
#define BITE	    16u /* blocks under one hold of a backup's lock */
#define LOOKS	    1024u /* and blocks looked at */
#define PATIENCE    20u
#define COURTESY_US 50u

/*
 * struct wb_req - a transfer under way
 * @io: the swap's request; io.user is this
 * @b: whose it is; NULL: free. Who finds its own backup here and holds that one's lock may read the
 *	rest
 * @index, @order: the block; @folio: what is written, or read into
 * @abandoned: only the slot is to be given up when it ends (and the folio of a read); under the
 *	backup's lock, of a write under the wb's too
 * @ended: the device has it no more; under the wb's lock
 * @flying: the pool's, from when it is abandoned until it ended
 */
struct wb_req {
	struct zcs_swap_req io;
	struct zcs_wb *wb;
	_Atomic(struct zcs_backup *) b;
	uint64_t index;
	struct zcs_folio *folio;
	bool abandoned, ended;
	struct zcs_flying flying;
	struct wb_req *next;
};

struct zcs_wb {
	struct zcs_swap *swap;
	struct zcs_same *same;
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t wake;
	bool stop;
	struct zcs_backup *queue, **queue_tail;
	struct wb_req *free, *ended;
	_Atomic uint64_t pending, freed;
	struct zcs_wb_stats stats;
	struct wb_req req[REQUESTS];
};

static void bump(struct zcs_wb *wb, uint64_t *counter)
{
	pthread_mutex_lock(&wb->lock);
	++*counter;
	pthread_mutex_unlock(&wb->lock);
}

/* -- requests */

static struct wb_req *get_req(struct zcs_wb *wb)
{
	struct wb_req *r;

	pthread_mutex_lock(&wb->lock);
	r = wb->free;
	if (r)
		wb->free = r->next;
	pthread_mutex_unlock(&wb->lock);
	return r;
}

static void put_req(struct wb_req *r)
{
	struct zcs_wb *wb = r->wb;

	r->folio = NULL;
	r->abandoned = false;
	r->b = NULL;
	pthread_mutex_lock(&wb->lock);
	r->next = wb->free;
	wb->free = r;
	pthread_cond_signal(&wb->wake);
	pthread_mutex_unlock(&wb->lock);
}

/* On the swap's I/O thread: hand over, no more. */
static void ended(struct zcs_swap_req *io, int err)
{
	struct wb_req *r = io->user;
	struct zcs_wb *wb = r->wb;

	io->err = err;
	pthread_mutex_lock(&wb->lock);
	r->ended = true;
	if (io->op == ZCS_SWAP_WRITE && r->abandoned)
		zcs_pool_landed(zcs_folio_pool(r->folio), &r->flying);
	r->next = wb->ended;
	wb->ended = r;
	pthread_cond_signal(&wb->wake);
	pthread_mutex_unlock(&wb->lock);
}

static struct wb_req *find_req(struct zcs_backup *b, enum zcs_swap_op op, uint64_t index)
{
	struct zcs_wb *wb = b->store->wb;

	/* a request's fields change only under its backup's lock, which is held */
	for (unsigned i = 0; b->in_flight && i < REQUESTS; i++) {
		struct wb_req *r = &wb->req[i];

		if (r->b == b && r->io.op == op && r->index == index && !r->abandoned)
			return r;
	}
	return NULL;
}

static void start(struct wb_req *r, struct zcs_backup *b, enum zcs_swap_op op,
		  const struct zcs_block *blk, uint32_t slot, struct zcs_folio *folio)
{
	r->io = (struct zcs_swap_req){ .op = op,
				       .order = blk->order,
				       .slot = slot,
				       .addr = zcs_folio_bytes(folio),
				       .done = ended,
				       .user = r };
	r->index = blk->index;
	r->folio = folio;
	r->ended = false;
	r->b = b;
	b->in_flight++;
	zcs_swap_submit(r->wb->swap, &r->io);
}

static void transfer_ended(struct zcs_backup *b)
{
	b->in_flight--;
	pthread_cond_broadcast(&b->idle);
}

/* -- writing */

static void no_longer_pending(struct zcs_backup *b, struct zcs_folio *folio)
{
	zcs_folio_set_flags(folio, 0, ZCS_FF_WB);
	atomic_fetch_sub(&b->store->wb->pending, UINT64_C(1) << zcs_folio_ord(folio));
	b->pending--;
	pthread_cond_broadcast(&b->idle);
}

void zcs_wb_unmark(struct zcs_backup *backup, struct zcs_folio *folio)
{
	if (zcs_folio_flag(folio, ZCS_FF_WB))
		no_longer_pending(backup, folio);
}

static bool lies_in(const struct zcs_block *blk, uint64_t first, uint64_t last)
{
	return blk->index >= first && zcs_block_end(blk) - 1 <= last;
}

/* Tells who waits for the block what became of it: written and freed, or why not. */
static void tell(struct zcs_backup *b, const struct zcs_block *blk, int err)
{
	for (struct zcs_wb_wait *w = b->waits; w; w = w->next) {
		if (!lies_in(blk, w->first, w->last))
			continue;
		if (err)
			w->err = err;
		else
			w->written += zcs_block_pages(blk);
	}
}

/*
 * Pages leave memory. They count as pending until they are free: who waits for room must see one or
 * the other.
 */
static void release(struct zcs_wb *wb, struct zcs_backup *b, const struct zcs_block *blk,
		    uint32_t entry)
{
	uint64_t nr = zcs_block_pages(blk);

	atomic_fetch_add(&wb->pending, nr);
	zcs_backup_detach(b, blk, entry);
	tell(b, blk, 0);
	atomic_fetch_add(&wb->freed, nr);
	atomic_fetch_sub(&wb->pending, nr);
}

/* What needs no write: the slot from last time, or one word. True: the pages are gone. */
static bool without_io(struct zcs_wb *wb, struct zcs_backup *b, const struct zcs_block *blk,
		       struct zcs_folio *folio)
{
	size_t bytes = (size_t)ZCS_PAGE_SIZE << blk->order;
	uint64_t word;
	int32_t nr;

	if (zcs_folio_flag(folio, ZCS_FF_SLOT)) {
		release(wb, b, blk, ZCS_E_SLOT_BASE + folio->aux);
		bump(wb, &wb->stats.clean_blocks);
		return true;
	}
	if (!zcs_same_filled(zcs_pool_bytes(b->pool, zcs_e_ppn(blk->entry)), bytes, &word))
		return false;
	nr = zcs_same_get(wb->same, word);
	if (nr < 0)
		return false;
	release(wb, b, blk, ZCS_E_SAME_BASE + (uint32_t)nr);
	bump(wb, &wb->stats.same_blocks);
	return true;
}

/* Of a file that is sparse or that was discarded the file system may be full for a moment. */
static bool no_room(int err)
{
	return err == -ENOSPC || err == -EDQUOT;
}

static void refuse(struct zcs_wb *wb, struct zcs_backup *b, const struct zcs_block *blk,
		   struct zcs_folio *folio, int err)
{
	tell(b, blk, err);
	bump(wb, no_room(err) ? &wb->stats.refused_no_space : &wb->stats.held_back);
	no_longer_pending(b, folio);
}

/* One marked block; false if there is no request free and it has to wait. */
static bool write_block(struct zcs_wb *wb, struct zcs_backup *b, const struct zcs_block *blk,
			struct zcs_folio *folio)
{
	struct wb_req *r = get_req(wb);
	uint32_t slot;
	int err;

	if (!r)
		return false;
	if (without_io(wb, b, blk, folio)) {
		put_req(r);
		return true;
	}
	err = zcs_swap_alloc(wb->swap, blk->order, &slot);
	if (err) {
		refuse(wb, b, blk, folio, err);
		put_req(r);
		return true;
	}
	zcs_folio_set_state(folio, ZCS_FS_WRITING);
	start(r, b, ZCS_SWAP_WRITE, blk, slot, folio);
	return true;
}

/* The folio of a block that is to be written, and is not yet; or NULL. */
static struct zcs_folio *to_write(struct zcs_backup *b, const struct zcs_block *blk)
{
	struct zcs_folio *folio;

	if (!zcs_e_is_page(blk->entry))
		return NULL;
	folio = zcs_pool_folio(b->pool, zcs_e_ppn(blk->entry));
	if (!zcs_folio_flag(folio, ZCS_FF_WB) || zcs_folio_state(folio) != ZCS_FS_INSERTED)
		return NULL;
	return folio;
}

/* A bite of the marked blocks of a backup, as far as there are requests. */
static void write_marked(struct zcs_wb *wb, struct zcs_backup *b)
{
	uint64_t i = b->queue_first;
	unsigned done = 0;

	for (unsigned looks = 0; looks < LOOKS && done < BITE; looks++) {
		struct zcs_block blk;
		struct zcs_folio *folio;

		if (i > b->queue_last || !b->pending)
			break;
		blk = zcs_table_get(&b->table, i);
		folio = to_write(b, &blk);
		if (folio && !write_block(wb, b, &blk, folio))
			break;
		done += folio != NULL;
		i = zcs_block_end(&blk);
	}
	b->queue_first = i;
}

static void enqueue(struct zcs_wb *wb, struct zcs_backup *b)
{
	pthread_mutex_lock(&wb->lock);
	b->queue_next = NULL;
	*wb->queue_tail = b;
	wb->queue_tail = &b->queue_next;
	pthread_cond_signal(&wb->wake);
	pthread_mutex_unlock(&wb->lock);
}

static void serve(struct zcs_wb *wb, struct zcs_backup *b)
{
	bool more;

	pthread_mutex_lock(&b->lock);
	write_marked(wb, b);
	more = b->queue_first <= b->queue_last && b->pending;
	if (more)
		enqueue(wb, b);
	else
		b->queued = false;
	pthread_cond_broadcast(&b->idle);
	pthread_mutex_unlock(&b->lock);
	/*
	 * A lock that is free goes to whoever asks next, which is this thread, long before one that
	 * slept is awake. Only for a backup that is in the queue: it cannot go away.
	 */
	if (more)
		zcs_sys_stand_back(&b->waiting, COURTESY_US, PATIENCE);
}

static struct zcs_block block_of(const struct wb_req *r)
{
	return zcs_table_get(&r->b->table, r->index);
}

/* The slots of a write that nobody will read back. */
static void give_slots_up(struct zcs_wb *wb, const struct wb_req *r)
{
	if (r->io.err)
		zcs_swap_free_failed(wb->swap, r->io.slot, r->io.order);
	else
		zcs_swap_free(wb->swap, r->io.slot, r->io.order);
}

static void write_ended(struct zcs_wb *wb, struct wb_req *r)
{
	struct zcs_backup *b = r->b;
	struct zcs_block blk;

	if (r->abandoned) {
		give_slots_up(wb, r);
		return;
	}
	blk = block_of(r);
	if (!r->io.err) {
		bump(wb, &wb->stats.written_blocks);
		release(wb, b, &blk, ZCS_E_SLOT_BASE + r->io.slot);
		ZCS_PROBE3(writeback, b, blk.index, blk.order);
		return;
	}
	tell(b, &blk, r->io.err);
	bump(wb, no_room(r->io.err) ? &wb->stats.refused_no_space : &wb->stats.failed_writes);
	give_slots_up(wb, r);
	zcs_folio_set_state(r->folio, ZCS_FS_INSERTED);
	no_longer_pending(b, r->folio);
}

static void read_ended(struct zcs_wb *wb, struct wb_req *r)
{
	struct zcs_backup *b = r->b;
	struct zcs_block blk;

	if (r->abandoned || r->io.err) {
		uint64_t nr = UINT64_C(1) << r->io.order;

		zcs_backup_free_folio(b, r->folio);
		zcs_ahead_end(b->pool, &b->ahead, nr);
		if (r->abandoned)
			zcs_swap_free(wb->swap, r->io.slot, r->io.order);
		return;
	}
	blk = block_of(r);
	/* first: a touch looks for it without the backup's lock */
	zcs_folio_set_flags(r->folio, ZCS_FF_RA, 0);
	zcs_backup_attach(b, &blk, r->folio);
	bump(wb, &wb->stats.ra_read);
}

static void finish(struct zcs_wb *wb, struct wb_req *r)
{
	struct zcs_backup *b = r->b;

	pthread_mutex_lock(&b->lock);
	if (r->io.op == ZCS_SWAP_WRITE)
		write_ended(wb, r);
	else
		read_ended(wb, r);
	put_req(r);
	transfer_ended(b);
	pthread_mutex_unlock(&b->lock);
}

/* Waits for work; one piece of it, ended transfers first. False: stop. */
static bool next_work(struct zcs_wb *wb, struct wb_req **r, struct zcs_backup **b)
{
	*r = NULL;
	*b = NULL;
	pthread_mutex_lock(&wb->lock);
	while (!wb->stop && !wb->ended && !(wb->queue && wb->free))
		pthread_cond_wait(&wb->wake, &wb->lock);
	if (wb->ended) {
		*r = wb->ended;
		wb->ended = (*r)->next;
	} else if (wb->queue && wb->free) {
		*b = wb->queue;
		wb->queue = (*b)->queue_next;
		if (!wb->queue)
			wb->queue_tail = &wb->queue;
	}
	pthread_mutex_unlock(&wb->lock);
	return *r || *b;
}

static void *run(void *arg)
{
	struct zcs_wb *wb = arg;
	struct zcs_backup *b;
	struct wb_req *r;

	zcs_sys_own_thread("zcs-writeback");
	while (next_work(wb, &r, &b)) {
		if (r)
			finish(wb, r);
		else
			serve(wb, b);
	}
	return NULL;
}

/* Returns its pages, 0 if it was marked before. */
static uint64_t mark_block(struct zcs_backup *b, const struct zcs_block *blk)
{
	struct zcs_folio *folio = zcs_pool_folio(b->pool, zcs_e_ppn(blk->entry));

	if (zcs_folio_flag(folio, ZCS_FF_WB))
		return 0;
	zcs_folio_set_flags(folio, ZCS_FF_WB, 0);
	atomic_fetch_add(&b->store->wb->pending, zcs_block_pages(blk));
	b->pending++;
	return zcs_block_pages(blk);
}

static void queue_range(struct zcs_backup *b, uint64_t first, uint64_t last)
{
	if (b->queued) {
		b->queue_first = first < b->queue_first ? first : b->queue_first;
		b->queue_last = last > b->queue_last ? last : b->queue_last;
		return;
	}
	b->queued = true;
	b->queue_first = first;
	b->queue_last = last;
	enqueue(b->store->wb, b);
}

uint64_t zcs_wb_mark(struct zcs_backup *backup, uint64_t first, uint64_t last)
{
	uint64_t pages = 0;

	for (uint64_t i = first; i <= last;) {
		struct zcs_block blk = zcs_table_get(&backup->table, i);

		i = zcs_block_end(&blk);
		if (zcs_e_is_page(blk.entry) && lies_in(&blk, first, last))
			pages += mark_block(backup, &blk);
	}
	if (pages)
		queue_range(backup, first, last);
	return pages;
}

bool zcs_wb_has_room(struct zcs_wb *wb)
{
	return zcs_swap_has_room(wb->swap);
}

uint64_t zcs_wb_pending(struct zcs_wb *wb)
{
	return atomic_load_explicit(&wb->pending, memory_order_relaxed);
}

uint64_t zcs_wb_freed(struct zcs_wb *wb)
{
	return atomic_load_explicit(&wb->freed, memory_order_relaxed);
}

/* Frees a block with a good slot, and @flag; its pages, or 0: it is none. */
static uint64_t free_flagged(struct zcs_backup *b, const struct zcs_block *blk, unsigned flag)
{
	struct zcs_wb *wb = b->store->wb;
	struct zcs_folio *folio;

	if (!zcs_e_is_page(blk->entry))
		return 0;
	folio = zcs_pool_folio(b->pool, zcs_e_ppn(blk->entry));
	if (!zcs_folio_flag(folio, flag) || zcs_folio_state(folio) != ZCS_FS_INSERTED ||
	    zcs_pool_is_flying(b->pool, folio))
		return 0;
	zcs_backup_detach(b, blk, ZCS_E_SLOT_BASE + folio->aux);
	tell(b, blk, 0);
	bump(wb, &wb->stats.clean_blocks);
	return zcs_block_pages(blk);
}

uint64_t zcs_wb_free_block(struct zcs_backup *backup, const struct zcs_block *blk)
{
	return free_flagged(backup, blk, ZCS_FF_SLOT);
}

static uint64_t free_some(struct zcs_backup *b, unsigned flag, uint64_t *at)
{
	unsigned looks = 0, done = 0;
	uint64_t sum = 0;

	while (*at < b->num_pages && looks++ < LOOKS && done < BITE) {
		struct zcs_block blk = zcs_table_get(&b->table, *at);
		uint64_t pages = free_flagged(b, &blk, flag);

		done += pages != 0;
		sum += pages;
		*at = b->resident_pages ? zcs_block_end(&blk) : b->num_pages;
	}
	return sum;
}

uint64_t zcs_wb_free_clean(struct zcs_backup *backup, uint64_t *at)
{
	return free_some(backup, ZCS_FF_SLOT, at);
}

uint64_t zcs_wb_free_without_io(struct zcs_backup *b, uint64_t *at, bool *left)
{
	uint64_t sum = 0;

	for (unsigned looks = 0; looks < LOOKS && *at < b->num_pages && sum < BITE; looks++) {
		struct zcs_block blk = zcs_table_get(&b->table, *at);
		struct zcs_folio *folio;

		*at = zcs_block_end(&blk);
		if (!zcs_e_is_page(blk.entry))
			continue;
		folio = zcs_pool_folio(b->pool, zcs_e_ppn(blk.entry));
		if (zcs_folio_state(folio) != ZCS_FS_INSERTED)
			continue;
		if (!zcs_pool_is_flying(b->pool, folio) && without_io(b->store->wb, b, &blk, folio))
			sum += zcs_block_pages(&blk);
		else
			*left = true;
	}
	return sum;
}

static bool is_pending(const struct zcs_backup *b, const struct zcs_block *blk)
{
	return zcs_e_is_page(blk->entry) &&
	       zcs_folio_flag(zcs_pool_folio(b->pool, zcs_e_ppn(blk->entry)), ZCS_FF_WB);
}

/* Once along the range: what becomes pending again behind @i is not waited for a second time. */
static void wait_along(struct zcs_backup *b, uint64_t first, uint64_t last)
{
	for (uint64_t i = first; i <= last && b->pending;) {
		struct zcs_block blk = zcs_table_get(&b->table, i);

		if (lies_in(&blk, first, last) && is_pending(b, &blk))
			pthread_cond_wait(&b->idle, &b->lock);
		else
			i = zcs_block_end(&blk);
	}
}

int64_t zcs_wb_wait_range(struct zcs_backup *backup, uint64_t first, uint64_t last)
{
	struct zcs_wb_wait w = { .first = first, .last = last, .next = backup->waits }, **at;

	backup->waits = &w;
	wait_along(backup, first, last);
	for (at = &backup->waits; *at != &w;)
		at = &(*at)->next;
	*at = w.next;
	return w.written ? (int64_t)w.written : w.err;
}

void zcs_wb_wait(struct zcs_backup *backup)
{
	while (backup->pending || backup->in_flight || backup->queued)
		pthread_cond_wait(&backup->idle, &backup->lock);
}

/* The device has a write that nobody wants any more. */
static void abandon(struct zcs_wb *wb, struct wb_req *r)
{
	pthread_mutex_lock(&wb->lock);
	r->abandoned = true;
	if (!r->ended)
		zcs_pool_fly(zcs_folio_pool(r->folio), &r->flying, r->io.addr,
			     (size_t)ZCS_PAGE_SIZE << r->io.order);
	wb->stats.abandoned++;
	pthread_mutex_unlock(&wb->lock);
}

void zcs_wb_recall(struct zcs_backup *backup, struct zcs_folio *folio)
{
	struct zcs_wb *wb = backup->store->wb;
	struct wb_req *r = NULL;

	for (unsigned i = 0; i < REQUESTS && !r; i++)
		if (wb->req[i].b == backup && wb->req[i].folio == folio && !wb->req[i].abandoned)
			r = &wb->req[i];
	zcs_folio_set_state(folio, ZCS_FS_INSERTED);
	no_longer_pending(backup, folio);
	if (!zcs_swap_cancel(wb->swap, &r->io)) {
		abandon(wb, r);
		return;
	}
	zcs_swap_free(wb->swap, r->io.slot, r->io.order);
	bump(wb, &wb->stats.cancelled);
	put_req(r);
	transfer_ended(backup);
}

/* -- reading ahead */

bool zcs_wb_read_ahead(struct zcs_backup *backup, uint64_t index)
{
	struct zcs_wb *wb = backup->store->wb;
	struct zcs_block blk = zcs_table_get(&backup->table, index);
	struct zcs_folio *folio;
	struct wb_req *r;

	if (!zcs_e_is_slot(blk.entry) || blk.index != index ||
	    find_req(backup, ZCS_SWAP_READ, index))
		return false;
	r = get_req(wb);
	if (!r)
		return false;
	zcs_ahead_add(backup->pool, &backup->ahead, zcs_block_pages(&blk));
	if (zcs_backup_new_folio(backup, &blk, backup->pool, &zcs_request_ahead, &folio)) {
		zcs_ahead_end(backup->pool, &backup->ahead, zcs_block_pages(&blk));
		put_req(r);
		return false;
	}
	start(r, backup, ZCS_SWAP_READ, &blk, blk.entry - ZCS_E_SLOT_BASE, folio);
	return true;
}

uint64_t zcs_wb_give_up(struct zcs_ahead *ahead)
{
	struct zcs_backup *b =
		(struct zcs_backup *)((char *)ahead - offsetof(struct zcs_backup, ahead));
	uint64_t pages = 0, at = 0;

	if (pthread_mutex_trylock(&b->lock))
		return 0;
	while (at < b->num_pages)
		pages += free_some(b, ZCS_FF_RA, &at);
	pthread_mutex_unlock(&b->lock);
	return pages;
}

bool zcs_wb_wait_read(struct zcs_backup *backup, uint64_t index)
{
	struct wb_req *r = find_req(backup, ZCS_SWAP_READ, index);

	if (!r)
		return false;
	zcs_swap_hurry(r->wb->swap, &r->io);
	pthread_cond_wait(&backup->idle, &backup->lock);
	return true;
}

bool zcs_wb_drop_read(struct zcs_backup *backup, uint64_t index)
{
	struct wb_req *r = find_req(backup, ZCS_SWAP_READ, index);

	if (r)
		r->abandoned = true;
	return r != NULL;
}

bool zcs_wb_ra_used(struct zcs_backup *backup, struct zcs_folio *folio, bool hit)
{
	struct zcs_wb *wb = backup->store->wb;

	if (!zcs_folio_flag(folio, ZCS_FF_RA))
		return false;
	zcs_folio_set_flags(folio, 0, ZCS_FF_RA);
	bump(wb, hit ? &wb->stats.ra_hits : &wb->stats.ra_wasted);
	return true;
}

/* -- life */

int zcs_wb_create(struct zcs_swap *swap, struct zcs_same *same, struct zcs_wb **wb)
{
	struct zcs_wb *w = zcs_sys_calloc(ZCS_FAULT_ALLOC_STORE, 1, sizeof(*w));
	int err;

	if (!w)
		return -ENOMEM;
	w->swap = swap;
	w->same = same;
	w->queue_tail = &w->queue;
	pthread_mutex_init(&w->lock, NULL);
	pthread_cond_init(&w->wake, NULL);
	for (unsigned i = 0; i < REQUESTS; i++) {
		w->req[i].wb = w;
		w->req[i].next = w->free;
		w->free = &w->req[i];
	}
	err = zcs_sys_thread(&w->thread, run, w);
	if (err) {
		free(w);
		return err;
	}
	*wb = w;
	return 0;
}

void zcs_wb_destroy(struct zcs_wb *wb)
{
	if (!wb)
		return;
	pthread_mutex_lock(&wb->lock);
	wb->stop = true;
	pthread_cond_signal(&wb->wake);
	pthread_mutex_unlock(&wb->lock);
	pthread_join(wb->thread, NULL);
	pthread_cond_destroy(&wb->wake);
	pthread_mutex_destroy(&wb->lock);
	free(wb);
}

void zcs_wb_stats(struct zcs_wb *wb, struct zcs_wb_stats *stats)
{
	pthread_mutex_lock(&wb->lock);
	*stats = wb->stats;
	pthread_mutex_unlock(&wb->lock);
}
