/* SPDX-License-Identifier: MIT */
/*
 * The library's own store: slots on files and devices, by a swap; one word instead of a slot for a
 * block that is filled with that word; writes and reads ahead by a thread (writeback.c). This file
 * has the store's tokens, and the reads with a waiting taker.
 *
 * All reads of a vector are submitted with the claims of its blocks and then waited for together,
 * so that a restore runs at the depth of the queue. The taker's thread reads a lone block itself,
 * which saves two wake-ups.
 *
 * Blocks taken one by one and in order are read ahead: one block, then twice as many each time up
 * to RA_MAX. A take anywhere else stops that. A first take at the first index counts as in order.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/log.h"
#include "common/probe.h"
#include "store/local_priv.h"
#include "sys/sys.h"

#define RA_MAX	       8u
#define COMPLAINTS_MAX 16u

/* -- tokens */

static bool needs_io(uint32_t entry)
{
	return zcs_e_is_slot(entry);
}

static void free_token(struct zcs_object *o, const struct zcs_block *blk)
{
	struct zcs_local *l = zcs_local(o->store);
	uint64_t nr = zcs_block_pages(blk);

	if (zcs_e_is_same(blk->entry)) {
		zcs_same_put(l->same, blk->entry - ZCS_E_SAME_BASE);
		o->same_pages -= nr;
		return;
	}
	o->slot_pages -= nr;
	if (!zcs_wb_drop_read(o, blk->index))
		zcs_swap_free(l->swap, blk->entry - ZCS_E_SLOT_BASE, blk->order);
}

static void forget(struct zcs_object *o, uint32_t token, unsigned order)
{
	zcs_swap_free(zcs_local(o->store)->swap, token - ZCS_E_SLOT_BASE, order);
}

static void split(struct zcs_object *o, const struct zcs_block *blk)
{
	if (zcs_e_is_same(blk->entry))
		zcs_same_ref(zcs_local(o->store)->same, blk->entry - ZCS_E_SAME_BASE,
			     zcs_block_pages(blk) - 1);
}

static uint32_t piece(const struct zcs_block *blk, uint64_t i)
{
	return zcs_e_is_same(blk->entry) ? blk->entry : blk->entry + (uint32_t)i;
}

static void keep_token(const struct zcs_block *blk, struct zcs_folio *folio)
{
	folio->aux = blk->entry;
	zcs_folio_set_flags(folio, ZCS_FF_COPY, 0);
}

static void taken(struct zcs_object *o, const struct zcs_block *blk, struct zcs_folio *folio)
{
	if (zcs_e_is_same(blk->entry)) {
		free_token(o, blk);
		return;
	}
	o->slot_pages -= zcs_block_pages(blk);
	keep_token(blk, folio);
}

void zcs_local_attach(struct zcs_object *o, const struct zcs_block *blk, struct zcs_folio *folio)
{
	uint64_t nr = zcs_block_pages(blk);

	zcs_table_update(&o->table, blk->index, zcs_e_page(zcs_object_ppn(o, folio)));
	o->slot_pages -= nr;
	o->resident_pages += nr;
	if (o->pool)
		zcs_pool_account_inserted(o->pool, zcs_folio_arena(folio)->node, blk->order, 1);
	keep_token(blk, folio);
	zcs_folio_set_state(folio, ZCS_FS_INSERTED);
}

static bool attach(struct zcs_object *o, const struct zcs_block *blk, struct zcs_folio *folio)
{
	if (!zcs_e_is_slot(blk->entry))
		return false;
	zcs_local_attach(o, blk, folio);
	return true;
}

/* -- reads */

/* Logs the block that could not be read; the swap's message has the error. */
static void complain(struct zcs_object *o, const struct zcs_block *blk, int err)
{
	uint32_t slot = blk->entry - ZCS_E_SLOT_BASE;

	if (o->local.complaints++ < COMPLAINTS_MAX)
		zcs_warn("backup %p: index %llu, order %u, in slot %u of %s, cannot be read: %s",
			 (void *)o, (unsigned long long)blk->index, blk->order, slot,
			 zcs_swap_name(zcs_local(o->store)->swap, slot), strerror(-err));
}

/* On the swap's I/O thread. */
static void read_done(struct zcs_swap_req *io, int err)
{
	struct zcs_fetch_part *part = io->user;
	struct zcs_fetch *fetch = part->fetch;

	part->err = err;
	pthread_mutex_lock(&fetch->lock);
	if (!--fetch->reading)
		pthread_cond_signal(&fetch->done);
	pthread_mutex_unlock(&fetch->lock);
}

static void start_read(struct zcs_fetch *fetch, struct zcs_fetch_part *part, void *addr)
{
	if (!fetch->used) {
		pthread_mutex_init(&fetch->lock, NULL);
		pthread_cond_init(&fetch->done, NULL);
		fetch->used = true;
	}
	pthread_mutex_lock(&fetch->lock);
	fetch->reading++;
	pthread_mutex_unlock(&fetch->lock);
	part->io = (struct zcs_swap_req){ .op = ZCS_SWAP_READ,
					  .order = part->blk.order,
					  .slot = part->blk.entry - ZCS_E_SLOT_BASE,
					  .flags = ZCS_SWAP_URGENT,
					  .addr = addr,
					  .done = read_done,
					  .user = part };
	zcs_swap_submit(zcs_local(fetch->object->store)->swap, &part->io);
}

static void fetch_one(struct zcs_fetch *fetch, size_t i, const struct zcs_block *blk, void *addr)
{
	struct zcs_object *o = fetch->object;
	struct zcs_local *l = zcs_local(o->store);
	struct zcs_fetch_part *part = &fetch->part[i];

	part->fetch = fetch;
	part->blk = *blk;
	fetch->nr = i + 1;
	if (zcs_e_is_same(blk->entry)) {
		/* a fresh folio is zero */
		if (blk->entry != ZCS_E_SAME_BASE || o->foreign)
			zcs_same_fill(l->same, blk->entry - ZCS_E_SAME_BASE, addr,
				      (size_t)ZCS_PAGE_SIZE << blk->order);
		return;
	}
	ZCS_PROBE3(read, o, blk->index, blk->order);
	if (fetch->alone)
		part->err = zcs_swap_read(l->swap, blk->entry - ZCS_E_SLOT_BASE, blk->order, addr);
	else
		start_read(fetch, part, addr);
}

static void fetched(struct zcs_fetch *fetch)
{
	if (fetch->used) {
		pthread_mutex_lock(&fetch->lock);
		while (fetch->reading)
			pthread_cond_wait(&fetch->done, &fetch->lock);
		pthread_mutex_unlock(&fetch->lock);
	}
	for (size_t i = 0; i < fetch->nr; i++)
		if (fetch->part[i].err)
			complain(fetch->object, &fetch->part[i].blk, fetch->part[i].err);
}

/* -- reading ahead */

/* Whether single takes go up one by one, or begin at the first index. */
static bool is_sequential(const struct zcs_object *o, uint64_t index)
{
	return index == o->local.ra_next || !index;
}

/* Whether a take of the one block at @index has anything to read ahead. */
static bool may_read_ahead(const struct zcs_object *o, uint64_t index)
{
	struct zcs_block blk;

	if (index >= o->num_pages || !is_sequential(o, index))
		return false;
	blk = zcs_table_get(&o->table, index);
	return zcs_block_end(&blk) < o->num_pages && o->slot_pages > zcs_block_pages(&blk);
}

static void begin(struct zcs_fetch *fetch, size_t nr, uint64_t index, bool elsewhere)
{
	fetch->nr = 0;
	fetch->alone = nr == 1 && (elsewhere || !may_read_ahead(fetch->object, index));
}

/*
 * Submits the blocks behind the taken one, after its own read, so that they arrive while it is
 * used.
 */
static void read_ahead(struct zcs_object *o, const struct zcs_block *blk)
{
	struct zcs_local_object *l = &o->local;
	bool sequential = is_sequential(o, blk->index);
	uint64_t at = zcs_block_end(blk);

	l->ra_next = at;
	l->ra_blocks = sequential ? 2 * l->ra_blocks + !l->ra_blocks : 0;
	if (l->ra_blocks > RA_MAX)
		l->ra_blocks = RA_MAX;
	for (unsigned i = 0; o->slot_pages && i < l->ra_blocks && at < o->num_pages; i++) {
		struct zcs_block next = zcs_table_get(&o->table, at);

		zcs_wb_read_ahead(o, at);
		at = zcs_block_end(&next);
	}
}

/* -- reading a page */

static int copy(struct zcs_object *o, const struct zcs_block *blk, uint64_t at, void *dst)
{
	_Alignas(ZCS_PAGE_SIZE) char page[ZCS_PAGE_SIZE];
	struct zcs_local *l = zcs_local(o->store);
	struct zcs_block one = { blk->index + at, 0, piece(blk, at) };
	int err;

	if (zcs_e_is_same(blk->entry)) {
		zcs_same_fill(l->same, blk->entry - ZCS_E_SAME_BASE, dst, ZCS_PAGE_SIZE);
		return 0;
	}
	err = zcs_swap_read(l->swap, one.entry - ZCS_E_SLOT_BASE, 0, page);
	if (!err)
		memcpy(dst, page, sizeof(page));
	else
		complain(o, &one, err);
	return err;
}

/* -- the store */

static int64_t bytes_avail(struct zcs_store *store)
{
	return zcs_swap_avail(zcs_local(store)->swap);
}

static bool has_room(struct zcs_store *store)
{
	return zcs_swap_has_room(zcs_local(store)->swap);
}

static int check(struct zcs_store *store)
{
	return zcs_swap_check(zcs_local(store)->swap);
}

static int64_t dump(struct zcs_store *store, char *buf, size_t size)
{
	return zcs_swap_text(zcs_local(store)->swap, buf, size);
}

static void fill_writeback(struct zcs_store *store, struct zcs_store_stats *st)
{
	struct zcs_wb_stats wb;

	zcs_wb_stats(zcs_local(store)->wb, &wb);
	st->written_blocks = wb.written_blocks;
	st->same_blocks = wb.same_blocks;
	st->clean_blocks = wb.clean_blocks;
	st->cancelled = wb.cancelled;
	st->abandoned = wb.abandoned;
	st->ra_read = wb.ra_read;
	st->ra_hits = wb.ra_hits;
	st->ra_wasted = wb.ra_wasted;
	st->no_space = store->counts.no_space;
	st->held_back = store->counts.held_back;
}

static void fill_stats(struct zcs_store *store, struct zcs_store_stats *st)
{
	struct zcs_swap_stats sw;

	zcs_swap_stats(zcs_local(store)->swap, &sw);
	st->slots = sw.slots;
	st->free_slots = sw.free;
	st->used_slots = sw.used;
	st->retired_slots = sw.retired;
	st->discarded_slots = sw.discarded;
	st->reads = sw.reads;
	st->writes = sw.writes;
	st->read_bytes = sw.read_bytes;
	st->written_bytes = sw.written_bytes;
	st->read_errors = sw.read_errors;
	st->write_errors = sw.write_errors;
	st->bad_checksums = sw.bad_checksums;
	st->short_transfers = sw.shorts;
	st->retries = sw.retries;
	st->io_uring = sw.uring;
	st->direct_devices = sw.direct;
	st->buffered_devices = sw.buffered;
	st->devices_away = sw.away;
	st->outages = sw.outages;
	fill_writeback(store, st);
}

static void close_local(struct zcs_store *store)
{
	struct zcs_local *l = zcs_local(store);

	zcs_wb_destroy(l->wb);
	zcs_swap_close(l->swap);
	if (l->same)
		zcs_same_fini(l->same);
	free(l->same);
	free(l);
}

static const struct zcs_block_ops block_ops = {
	.needs_io = needs_io,
	.await_ahead = zcs_wb_await_ahead,
	.recall = zcs_wb_recall,
	.withdraw = zcs_wb_withdraw,
	.begin = begin,
	.fetch = fetch_one,
	.ahead = read_ahead,
	.fetched = fetched,
	.taken = taken,
	.attach = attach,
	.leave = zcs_wb_leave,
	.forget = forget,
	.free = free_token,
	.split = split,
	.piece = piece,
	.copy = copy,
	.drain = zcs_wb_drain,
};

static const struct zcs_store_ops ops = {
	.name = "local",
	.bytes_avail = bytes_avail,
	.close = close_local,
	.has_room = has_room,
	.stats = fill_stats,
	.check = check,
	.dump = dump,
	.writeback = zcs_wb_begin,
	.wait = zcs_wb_wait_range,
	.reclaim = zcs_wb_reclaim,
	.block = &block_ops,
};

static int open_devices(struct zcs_store *store, const char *spec)
{
	struct zcs_local *l = zcs_local(store);
	int err = zcs_swap_open(spec, &l->swap);

	if (err)
		return err;
	l->same = zcs_sys_calloc(ZCS_FAULT_ALLOC_STORE, 1, sizeof(*l->same));
	if (!l->same)
		return -ENOMEM;
	zcs_same_init(l->same);
	return zcs_wb_create(store, &l->wb);
}

int zcs_local_open(const char *spec, struct zcs_store **store)
{
	struct zcs_local *l = zcs_sys_calloc(ZCS_FAULT_ALLOC_STORE, 1, sizeof(*l));
	struct zcs_store *s;
	int err = l ? zcs_store_new(&ops, l, &s) : -ENOMEM;

	if (err) {
		free(l);
		return err;
	}
	err = open_devices(s, spec);
	if (err)
		zcs_store_close(s);
	else
		*store = s;
	return err;
}
