/* SPDX-License-Identifier: MIT */
/*
 * Writeback: inserted folios become slots.
 *
 *	insert(WRITEBACK) ──mark──▶ queue of objects ──thread──▶
 *		same-filled?      one word takes its place, pages freed
 *		slot still good?  pages freed, no I/O
 *		else              WRITING, a request to the swap
 *	swap's I/O thread: done ──▶ ended list ──thread──▶ lock the object: zcs_wb_leave_memory()
 *
 * The protocol. A folio that is being written still belongs to the object and is marked WRITING.
 * The thread frees it once, when the write has ended. A caller that wants the folio back meanwhile
 * does not wait. A request that the device does not have yet is cancelled; any other is abandoned,
 * and its slot is freed when the request ends. The device may then read pages that change, which
 * does no harm, for nobody reads that slot. Until an abandoned write has ended, its pages are not
 * punched: a transfer that met a hole would bring its memory back, or fail. After a failed write
 * the folio stays resident, and the swap judges the slot (swap_outage.c).
 *
 * One function ends a write, zcs_wb_leave_memory(). It tells the object's owner that the store
 * holds the block (written(), after which its pages are free), and puts the token in the place of
 * the page. All ways out of memory lead there: a write that ended, a slot that is still good, one
 * word.
 *
 * Blocks that need no I/O are freed as fast as the thread can look at them. So after a batch of
 * them the thread gives the object's lock up for the waiters, looks at ended transfers, and comes
 * back by way of the queue. If an object's lock is taken, by a read for instance, the thread leaves
 * its work with the object (object.h) and gets it back when the lock is free.
 *
 * Swapping out allocates nothing: the queue is threaded through the objects, the requests are an
 * array, and pages are freed before any are asked for. The I/O thread never takes an object's lock,
 * so that the lock's holder may wait for a read. Lock order: object, then wb.
 *
 * Known bottleneck: one thread for all objects of a store.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/held.h"
#include "common/log.h"
#include "common/probe.h"
#include "common/zero.h"
#include "pool/pool.h"
#include "store/local_priv.h"
#include "store/object.h"
#include "store/store.h"
#include "store/wb_priv.h"
#include "sys/sys.h"

#define BACKOFF_MAX 20u
#define BACKOFF_US  50u

/* -- requests */

struct zcs_local_work *zcs_wb_get_work(struct zcs_wb *wb)
{
	struct zcs_local_work *r;

	pthread_mutex_lock(&wb->lock);
	r = wb->free;
	if (r)
		wb->free = r->next;
	pthread_mutex_unlock(&wb->lock);
	return r;
}

void zcs_wb_put_work(struct zcs_local_work *r)
{
	struct zcs_wb *wb = r->wb;

	r->folio = NULL;
	r->abandoned = false;
	r->o = NULL;
	pthread_mutex_lock(&wb->lock);
	r->next = wb->free;
	wb->free = r;
	pthread_cond_signal(&wb->wake);
	pthread_mutex_unlock(&wb->lock);
}

/* Under the wb's lock. */
static void push_ended(struct zcs_wb *wb, struct zcs_local_work *r)
{
	r->next = wb->ended;
	wb->ended = r;
	pthread_cond_signal(&wb->wake);
}

/* Hands an ended request over, on the swap's I/O thread. */
static void ended(struct zcs_swap_req *io, int err)
{
	struct zcs_local_work *r = io->user;
	struct zcs_wb *wb = r->wb;

	io->err = err;
	pthread_mutex_lock(&wb->lock);
	r->ended = true;
	if (io->op == ZCS_SWAP_WRITE && r->abandoned && r->pool)
		zcs_pool_landed(r->pool, &r->flying);
	push_ended(wb, r);
	pthread_mutex_unlock(&wb->lock);
}

struct zcs_local_work *zcs_wb_find(struct zcs_object *o, enum zcs_swap_op op, uint64_t index)
{
	struct zcs_wb *wb = zcs_local(o->store)->wb;

	/* a request's fields change only under its object's lock, which is held */
	for (unsigned i = 0; o->local.in_flight && i < ZCS_WB_REQUESTS; i++) {
		struct zcs_local_work *r = &wb->req[i];

		if (r->o == o && r->io.op == op && r->index == index && !r->abandoned)
			return r;
	}
	return NULL;
}

void zcs_wb_start(struct zcs_local_work *r, struct zcs_object *o, enum zcs_swap_op op,
		  const struct zcs_block *blk, uint32_t slot, struct zcs_folio *folio, void *addr)
{
	zcs_assert_held(&o->lock);
	r->io = (struct zcs_swap_req){
		.op = op, .order = blk->order, .slot = slot, .addr = addr, .done = ended, .user = r
	};
	r->index = blk->index;
	r->folio = folio;
	r->pool = o->pool;
	r->ended = false;
	r->o = o;
	o->local.in_flight++;
	zcs_swap_submit(r->wb->local->swap, &r->io);
}

static void transfer_ended(struct zcs_object *o)
{
	zcs_assert_held(&o->lock);
	o->local.in_flight--;
	zcs_object_signal(o);
}

/* -- writing */

static void no_longer_pending(struct zcs_object *o, struct zcs_folio *folio)
{
	zcs_assert_held(&o->lock);
	zcs_folio_set_flags(folio, 0, ZCS_FF_WB);
	atomic_fetch_sub(&o->store->counts.pending,
			 UINT64_C(1) << ZCS_META_ORDER(zcs_folio_meta(folio)));
	o->local.pending--;
	zcs_object_signal(o);
}

bool zcs_wb_withdraw(struct zcs_object *o, struct zcs_folio *folio, bool hit)
{
	struct zcs_wb *wb = zcs_local(o->store)->wb;
	bool ahead = zcs_folio_flag(folio, ZCS_FF_RA);

	if (zcs_folio_flag(folio, ZCS_FF_WB))
		no_longer_pending(o, folio);
	if (ahead) {
		zcs_folio_set_flags(folio, 0, ZCS_FF_RA);
		zcs_wb_bump(wb, hit ? &wb->stats.ra_hits : &wb->stats.ra_wasted);
	}
	return ahead;
}

static bool lies_in(const struct zcs_block *blk, uint64_t first, uint64_t last)
{
	return blk->index >= first && zcs_block_end(blk) - 1 <= last;
}

/*
 * struct zcs_wait - a waiter for writes, on its stack and in the object's list, under the object's
 * lock
 * @first, @last: the waiter wants the blocks that lie in this range
 * @written: pages of them that were written and freed since
 * @err: the error of the last one that was not
 */
struct zcs_wait {
	uint64_t first, last, written;
	int err;
	struct zcs_wait *next;
};

/* Tells the waiters for a block that it was written and freed, or the error. */
static void tell(struct zcs_object *o, const struct zcs_block *blk, int err)
{
	zcs_assert_held(&o->lock);
	for (struct zcs_wait *w = o->local.waits; w; w = w->next) {
		if (!lies_in(blk, w->first, w->last))
			continue;
		if (err)
			w->err = err;
		else
			w->written += zcs_block_pages(blk);
	}
}

/*
 * Ends a write, or another way by which the store came to hold a block: its pages leave memory, and
 * @entry takes their place in the index.
 *
 *	marks off ─▶ owner uncharges and frees the pages ─▶ index ─▶ waiters for the block are told
 *
 * The owner is told while the index still says PAGE. Read-ahead ends after the pages are free, for
 * a waiter for read-ahead looks for memory then.
 */
void zcs_wb_leave_memory(struct zcs_object *o, const struct zcs_block *blk, uint32_t entry)
{
	uint64_t nr = zcs_block_pages(blk);
	bool ahead = zcs_wb_withdraw(o, zcs_object_folio(o, blk), false);

	zcs_assert_held(&o->lock);
	o->resident_pages -= nr;
	o->owner->written(o, blk);
	if (ahead)
		zcs_ahead_end(o->pool, &o->ahead, nr);
	zcs_table_update(&o->table, blk->index, entry);
	*(zcs_e_is_slot(entry) ? &o->slot_pages : &o->same_pages) += nr;
	tell(o, blk, 0);
}

/*
 * The same for pending pages, which count as pending until they are free: a waiter must see one or
 * the other.
 */
static void release(struct zcs_object *o, const struct zcs_block *blk, uint32_t entry)
{
	struct zcs_store_counts *counts = &o->store->counts;
	uint64_t nr = zcs_block_pages(blk);

	atomic_fetch_add(&counts->pending, nr);
	zcs_wb_leave_memory(o, blk, entry);
	atomic_fetch_add(&counts->freed, nr);
	atomic_fetch_sub(&counts->pending, nr);
}

bool zcs_wb_without_io(struct zcs_wb *wb, struct zcs_object *o, const struct zcs_block *blk,
		       struct zcs_folio *folio)
{
	size_t bytes = (size_t)ZCS_PAGE_SIZE << blk->order;
	uint64_t word;
	int32_t nr;

	if (zcs_folio_flag(folio, ZCS_FF_COPY)) {
		release(o, blk, folio->aux);
		zcs_wb_bump(wb, &wb->stats.clean_blocks);
		return true;
	}
	if (o->foreign && zcs_foreign_is_hole(o->foreign, blk))
		word = 0;
	else if (!zcs_is_one_word(zcs_object_addr(o, blk), bytes, &word))
		return false;
	nr = zcs_same_get(wb->local->same, word);
	if (nr < 0)
		return false;
	release(o, blk, ZCS_E_SAME_BASE + (uint32_t)nr);
	zcs_wb_bump(wb, &wb->stats.same_blocks);
	return true;
}

/*
 * Whether no room was left. The file system of a sparse or discarded file may be full for a moment.
 */
static bool no_room(int err)
{
	return err == -ENOSPC || err == -EDQUOT;
}

static void count_error(struct zcs_store_counts *counts, _Atomic uint64_t *other, int err)
{
	atomic_fetch_add(no_room(err) ? &counts->no_space : other, 1);
}

static void refuse_write(struct zcs_object *o, const struct zcs_block *blk, struct zcs_folio *folio,
			 int err)
{
	tell(o, blk, err);
	count_error(&o->store->counts, &o->store->counts.held_back, err);
	no_longer_pending(o, folio);
}

/* Writes one marked block. Return: false: no request is free, and the block has to wait. */
static bool write_block(struct zcs_wb *wb, struct zcs_object *o, const struct zcs_block *blk,
			struct zcs_folio *folio)
{
	struct zcs_local_work *r = zcs_wb_get_work(wb);
	uint32_t slot;
	int err;

	if (!r)
		return false;
	if (zcs_wb_without_io(wb, o, blk, folio)) {
		zcs_wb_put_work(r);
		return true;
	}
	err = zcs_swap_alloc(wb->local->swap, blk->order, &slot);
	if (err) {
		refuse_write(o, blk, folio, err);
		zcs_wb_put_work(r);
		return true;
	}
	zcs_folio_set_state(folio, ZCS_FS_WRITING);
	zcs_wb_start(r, o, ZCS_SWAP_WRITE, blk, slot, folio, zcs_object_addr(o, blk));
	return true;
}

/* The folio of a block that is to be written, and is not yet; or NULL. */
static struct zcs_folio *to_write(struct zcs_object *o, const struct zcs_block *blk)
{
	struct zcs_folio *folio;

	if (!zcs_e_is_page(blk->entry))
		return NULL;
	folio = zcs_object_folio(o, blk);
	if (!zcs_folio_flag(folio, ZCS_FF_WB) || zcs_folio_state(folio) != ZCS_FS_INSERTED)
		return NULL;
	return folio;
}

/* Writes a batch of an object's marked blocks, as far as requests are free. */
static void write_marked(struct zcs_wb *wb, struct zcs_object *o)
{
	uint64_t i = o->local.queue_first;
	unsigned done = 0;

	zcs_assert_held(&o->lock);
	for (unsigned scanned = 0; scanned < ZCS_WB_SCAN_MAX && done < ZCS_WB_BATCH; scanned++) {
		struct zcs_block blk;
		struct zcs_folio *folio;

		if (i > o->local.queue_last || !o->local.pending)
			break;
		blk = zcs_table_get(&o->table, i);
		folio = to_write(o, &blk);
		if (folio && !write_block(wb, o, &blk, folio))
			break;
		done += folio != NULL;
		i = zcs_block_end(&blk);
	}
	o->local.queue_first = i;
}

/* Under the wb's lock. */
static void push_queue(struct zcs_wb *wb, struct zcs_object *o)
{
	o->local.queue_next = NULL;
	*wb->queue_tail = o;
	wb->queue_tail = &o->local.queue_next;
	pthread_cond_signal(&wb->wake);
}

static void enqueue(struct zcs_wb *wb, struct zcs_object *o)
{
	pthread_mutex_lock(&wb->lock);
	push_queue(wb, o);
	pthread_mutex_unlock(&wb->lock);
}

/* Gives the work back to the thread that it left with an object. */
void zcs_wb_resume(struct zcs_object *o)
{
	struct zcs_wb *wb = zcs_local(o->store)->wb;
	struct zcs_local_work *r;

	pthread_mutex_lock(&wb->lock);
	atomic_store(&o->busy, false);
	while ((r = o->local.left)) {
		o->local.left = r->next;
		push_ended(wb, r);
	}
	if (o->local.left_queued)
		push_queue(wb, o);
	o->local.left_queued = false;
	pthread_mutex_unlock(&wb->lock);
}

/* Leaves work with a busy object. @r: an ended transfer; NULL: the object's turn in the queue. */
static void leave(struct zcs_wb *wb, struct zcs_object *o, struct zcs_local_work *r)
{
	pthread_mutex_lock(&wb->lock);
	if (r) {
		r->next = o->local.left;
		o->local.left = r;
	} else {
		o->local.left_queued = true;
	}
	atomic_store(&o->busy, true);
	pthread_mutex_unlock(&wb->lock);
}

/*
 * Takes the object's lock for the thread. Return: false: another thread holds the lock, and gives
 * @r back when it unlocks. The second try is for a holder that looked before the work was left.
 */
static bool lock_or_leave(struct zcs_wb *wb, struct zcs_object *o, struct zcs_local_work *r)
{
	if (!pthread_mutex_trylock(&o->lock))
		return true;
	leave(wb, o, r);
	if (!pthread_mutex_trylock(&o->lock))
		zcs_object_unlock(o);
	return false;
}

static void serve(struct zcs_wb *wb, struct zcs_object *o)
{
	bool more;

	if (!lock_or_leave(wb, o, NULL))
		return;
	write_marked(wb, o);
	more = o->local.queue_first <= o->local.queue_last && o->local.pending;
	if (more)
		enqueue(wb, o);
	else
		o->local.queued = false;
	zcs_object_signal(o);
	pthread_mutex_unlock(&o->lock);
	/*
	 * A free lock goes to the next thread that asks, which is this one, long before a sleeper
	 * is awake. Done only for an object in the queue, which cannot go away.
	 */
	if (more)
		zcs_sys_backoff(&o->waiting, BACKOFF_US, BACKOFF_MAX);
}

static struct zcs_block block_of(const struct zcs_local_work *r)
{
	return zcs_table_get(&r->o->table, r->index);
}

/* Frees the slots of a write that is abandoned. */
static void give_slots_up(struct zcs_wb *wb, const struct zcs_local_work *r)
{
	if (r->io.err)
		zcs_swap_free_failed(wb->local->swap, r->io.slot, r->io.order);
	else
		zcs_swap_free(wb->local->swap, r->io.slot, r->io.order);
}

static void write_ended(struct zcs_wb *wb, struct zcs_local_work *r)
{
	struct zcs_object *o = r->o;
	struct zcs_block blk;

	if (r->abandoned) {
		give_slots_up(wb, r);
		return;
	}
	blk = block_of(r);
	if (!r->io.err) {
		zcs_wb_bump(wb, &wb->stats.written_blocks);
		release(o, &blk, ZCS_E_SLOT_BASE + r->io.slot);
		ZCS_PROBE3(writeback, o, blk.index, blk.order);
		return;
	}
	tell(o, &blk, r->io.err);
	count_error(&o->store->counts, &o->store->counts.failed, r->io.err);
	give_slots_up(wb, r);
	zcs_folio_set_state(r->folio, ZCS_FS_INSERTED);
	no_longer_pending(o, r->folio);
}

static void read_ended(struct zcs_wb *wb, struct zcs_local_work *r)
{
	struct zcs_object *o = r->o;
	struct zcs_block blk;

	if (r->abandoned || r->io.err) {
		uint64_t nr = UINT64_C(1) << r->io.order;

		zcs_object_free_folio(o, r->folio);
		zcs_ahead_end(o->pool, &o->ahead, nr);
		if (r->abandoned)
			zcs_swap_free(wb->local->swap, r->io.slot, r->io.order);
		return;
	}
	blk = block_of(r);
	/* first, for a touch looks for the mark without the object's lock */
	zcs_folio_set_flags(r->folio, ZCS_FF_RA, 0);
	zcs_local_attach(o, &blk, r->folio);
	zcs_wb_bump(wb, &wb->stats.ra_read);
}

static void finish(struct zcs_wb *wb, struct zcs_local_work *r)
{
	struct zcs_object *o = r->o;

	if (!lock_or_leave(wb, o, r))
		return;
	if (r->io.op == ZCS_SWAP_WRITE)
		write_ended(wb, r);
	else
		read_ended(wb, r);
	zcs_wb_put_work(r);
	transfer_ended(o);
	pthread_mutex_unlock(&o->lock);
}

/* Waits for work and takes one piece of it, ended transfers first. Return: false: stop. */
static bool next_work(struct zcs_wb *wb, struct zcs_local_work **r, struct zcs_object **o)
{
	*r = NULL;
	*o = NULL;
	pthread_mutex_lock(&wb->lock);
	while (!wb->stop && !wb->ended && !(wb->queue && wb->free))
		pthread_cond_wait(&wb->wake, &wb->lock);
	if (wb->ended) {
		*r = wb->ended;
		wb->ended = (*r)->next;
	} else if (wb->queue && wb->free) {
		*o = wb->queue;
		wb->queue = (*o)->local.queue_next;
		if (!wb->queue)
			wb->queue_tail = &wb->queue;
	}
	pthread_mutex_unlock(&wb->lock);
	return *r || *o;
}

static void *run(void *arg)
{
	struct zcs_wb *wb = arg;
	struct zcs_object *o;
	struct zcs_local_work *r;

	zcs_sys_own_thread("zcs-writeback");
	while (next_work(wb, &r, &o)) {
		if (r)
			finish(wb, r);
		else
			serve(wb, o);
	}
	return NULL;
}

/* Marks a block for writing. Return: its pages; 0: it was marked before. */
static uint64_t mark_block(struct zcs_object *o, const struct zcs_block *blk)
{
	struct zcs_folio *folio = zcs_object_folio(o, blk);

	zcs_assert_held(&o->lock);
	if (zcs_folio_flag(folio, ZCS_FF_WB))
		return 0;
	zcs_folio_set_flags(folio, ZCS_FF_WB, 0);
	atomic_fetch_add(&o->store->counts.pending, zcs_block_pages(blk));
	o->local.pending++;
	return zcs_block_pages(blk);
}

static void queue_range(struct zcs_object *o, uint64_t first, uint64_t last)
{
	zcs_assert_held(&o->lock);
	if (o->local.queued) {
		o->local.queue_first = first < o->local.queue_first ? first : o->local.queue_first;
		o->local.queue_last = last > o->local.queue_last ? last : o->local.queue_last;
		return;
	}
	o->local.queued = true;
	o->local.queue_first = first;
	o->local.queue_last = last;
	enqueue(zcs_local(o->store)->wb, o);
}

int64_t zcs_wb_begin(struct zcs_object *o, uint64_t first, uint64_t last, uint64_t *begun)
{
	uint64_t pages = 0;

	zcs_assert_held(&o->lock);
	*begun = 0;
	for (uint64_t i = first; i <= last;) {
		struct zcs_block blk = zcs_table_get(&o->table, i);

		i = zcs_block_end(&blk);
		if (!zcs_e_is_page(blk.entry) || !lies_in(&blk, first, last))
			continue;
		pages += zcs_block_pages(&blk);
		*begun += mark_block(o, &blk);
	}
	if (*begun)
		queue_range(o, first, last);
	return (int64_t)pages;
}

static bool is_pending(const struct zcs_object *o, const struct zcs_block *blk)
{
	return zcs_e_is_page(blk->entry) && zcs_folio_flag(zcs_object_folio(o, blk), ZCS_FF_WB);
}

/*
 * Waits once along the range. A block behind @i that becomes pending again is not waited for twice.
 */
static void wait_along(struct zcs_object *o, uint64_t first, uint64_t last)
{
	zcs_assert_held(&o->lock);
	for (uint64_t i = first; i <= last && o->local.pending;) {
		struct zcs_block blk = zcs_table_get(&o->table, i);

		if (lies_in(&blk, first, last) && is_pending(o, &blk))
			zcs_object_wait(o);
		else
			i = zcs_block_end(&blk);
	}
}

int64_t zcs_wb_wait_range(struct zcs_object *o, uint64_t first, uint64_t last)
{
	struct zcs_wait w = { .first = first, .last = last, .next = o->local.waits }, **at;

	o->local.waits = &w;
	wait_along(o, first, last);
	for (at = &o->local.waits; *at != &w;)
		at = &(*at)->next;
	*at = w.next;
	return w.written ? (int64_t)w.written : w.err;
}

void zcs_wb_drain(struct zcs_object *o)
{
	while (o->local.pending || o->local.in_flight || o->local.queued)
		zcs_object_wait(o);
}

/* Abandons a write that the device has and that is no longer wanted. */
static void abandon(struct zcs_wb *wb, struct zcs_local_work *r)
{
	pthread_mutex_lock(&wb->lock);
	r->abandoned = true;
	if (!r->ended && r->pool)
		zcs_pool_fly(r->pool, &r->flying, r->io.addr, (size_t)ZCS_PAGE_SIZE << r->io.order);
	wb->stats.abandoned++;
	pthread_mutex_unlock(&wb->lock);
}

void zcs_wb_recall(struct zcs_object *o, struct zcs_folio *folio)
{
	struct zcs_wb *wb = zcs_local(o->store)->wb;
	struct zcs_local_work *r = NULL;

	zcs_assert_held(&o->lock);
	for (unsigned i = 0; i < ZCS_WB_REQUESTS && !r; i++)
		if (wb->req[i].o == o && wb->req[i].folio == folio && !wb->req[i].abandoned)
			r = &wb->req[i];
	zcs_folio_set_state(folio, ZCS_FS_INSERTED);
	no_longer_pending(o, folio);
	atomic_fetch_add(&o->store->counts.recalled, 1);
	if (!zcs_swap_cancel(wb->local->swap, &r->io)) {
		abandon(wb, r);
		return;
	}
	zcs_swap_free(wb->local->swap, r->io.slot, r->io.order);
	zcs_wb_bump(wb, &wb->stats.cancelled);
	zcs_wb_put_work(r);
	transfer_ended(o);
}

/* -- life */

int zcs_wb_create(struct zcs_store *store, struct zcs_wb **wb)
{
	struct zcs_wb *w = zcs_sys_calloc(ZCS_FAULT_ALLOC_STORE, 1, sizeof(*w));
	int err;

	if (!w)
		return -ENOMEM;
	w->local = zcs_local(store);
	w->queue_tail = &w->queue;
	pthread_mutex_init(&w->lock, NULL);
	pthread_cond_init(&w->wake, NULL);
	for (unsigned i = 0; i < ZCS_WB_REQUESTS; i++) {
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
