/* SPDX-License-Identifier: MIT */
/*
 * The backup: folios by page index, without copies.
 *
 * Insert writes a number into a table and changes a state; take does the reverse. The kernel's way
 * (shmem_insert_folio) has to make driver pages look like page cache first and undo that on
 * failure; here a folio is a folio for every owner, so that there is nothing to promote and nothing
 * to undo.
 *
 *	caller ──move OWNED→BUSY──▶ checked ──store accepts──▶ table, BUSY→INSERTED
 *	                              └─refused: BUSY→OWNED, as it was
 *
 * The claim comes first: of two threads that insert one folio, one gets -EINVAL. The index nodes
 * exist since the backup was made (or, for a tt's backup, since the tt was populated), so inserting
 * allocates nothing.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "backup_priv.h"
#include "common/deliver.h"
#include "common/log.h"
#include "common/probe.h"
#include "pool/pool.h"
#include "store/same.h"
#include "store/store_priv.h"
#include "store/writeback.h"
#include "swap/swap.h"
#include "sys/sys.h"

#define MAX_PAGES ((uint64_t)INT64_MAX / ZCS_PAGE_SIZE)

static void forget_object(struct zcs_backup *b)
{
	if (b->object)
		b->store->ops->destroy(b->store, b->object);
	b->object = NULL;
}

static void leave_pool(struct zcs_backup *b)
{
	if (!b->pool)
		return;
	zcs_ahead_forget(b->pool, &b->ahead);
	zcs_pool_unref(b->pool);
}

static void free_backup(struct zcs_backup *b)
{
	forget_object(b);
	leave_pool(b);
	zcs_table_fini(&b->table);
	pthread_cond_destroy(&b->idle);
	pthread_mutex_destroy(&b->lock);
	zcs_store_close(b->store);
	free(b);
}

int zcs_backup_new(struct zcs_store *store, uint64_t num_pages, struct zcs_backup **backup)
{
	struct zcs_backup *b = zcs_sys_calloc(ZCS_FAULT_ALLOC_BACKUP, 1, sizeof(*b));
	int err;

	if (!b)
		return -ENOMEM;
	err = zcs_table_init(&b->table, num_pages, ZCS_FAULT_ALLOC_NODE);
	if (err) {
		free(b);
		return err;
	}
	b->life = zcs_life_begin();
	b->refs = 1;
	b->num_pages = num_pages;
	b->store = store;
	pthread_mutex_init(&b->lock, NULL);
	pthread_cond_init(&b->idle, NULL);
	b->ra_next = UINT64_MAX;
	b->ahead.give_up = zcs_wb_give_up;
	zcs_store_get(store);
	if (store->ops->create)
		err = store->ops->create(store, num_pages, &b->object);
	if (err) {
		b->object = NULL;
		free_backup(b);
		return err;
	}
	*backup = b;
	return 0;
}

int zcs_backup_create(struct zcs_store *store, uint64_t num_pages, struct zcs_backup **backup)
{
	struct zcs_backup *b;
	int err;

	if (!zcs_expect(store, != NULL) || !zcs_expect(backup, != NULL) ||
	    !zcs_expect(num_pages, != 0) || !zcs_expect(num_pages, <= MAX_PAGES))
		return -EINVAL;
	if (zcs_inherited(store))
		return -ECHILD;
	err = zcs_backup_new(store, num_pages, &b);
	if (err)
		return err;
	err = zcs_table_reserve_all(&b->table);
	if (err)
		free_backup(b);
	else
		*backup = b;
	return err;
}

int zcs_backup_reserve(struct zcs_backup *backup, uint64_t index)
{
	int err;

	pthread_mutex_lock(&backup->lock);
	err = zcs_table_reserve(&backup->table, index);
	pthread_mutex_unlock(&backup->lock);
	return err;
}

static bool range_ok(const struct zcs_backup *b, uint64_t index, unsigned order)
{
	uint64_t nr = UINT64_C(1) << order;

	return index % nr == 0 && nr <= b->num_pages && index <= b->num_pages - nr;
}

/* -- insert */

static bool is_empty(const struct zcs_backup *b)
{
	return !b->resident_pages && !b->slot_pages && !b->same_pages;
}

static int bind_pool(struct zcs_backup *b, struct zcs_pool *pool)
{
	/* a read of what was dropped ends in the old pool */
	while (b->pool != pool && is_empty(b) && b->ahead.pages)
		pthread_cond_wait(&b->idle, &b->lock);
	if (b->pool == pool)
		return 0;
	if (!is_empty(b))
		return -EXDEV;
	leave_pool(b);
	zcs_pool_get(pool);
	b->pool = pool;
	return 0;
}

static int injected_refusal(unsigned order)
{
	int err = zcs_fault(ZCS_FAULT_INSERT);

	if (!err && order)
		err = zcs_fault(ZCS_FAULT_INSERT_LARGE);
	return -err;
}

static void drop_range(struct zcs_backup *b, uint64_t index, uint64_t nr);

static int split_block(struct zcs_backup *b, const struct zcs_block *blk);

/*
 * A read-ahead that is under way decides what a block is: waited for, unless the whole block goes.
 */
static bool must_wait(struct zcs_backup *b, const struct zcs_block *blk, bool whole)
{
	return b->store->wb && zcs_e_is_slot(blk->entry) && (!whole || b->home) &&
	       zcs_wb_wait_read(b, blk->index);
}

/*
 * Whether the range can be emptied: a block that reaches out of it is split here, which nobody
 * sees.
 */
static bool replaceable(struct zcs_backup *b, uint64_t index, unsigned order)
{
	struct zcs_block blk;

	do
		blk = zcs_table_get(&b->table, index);
	while (blk.order > order && must_wait(b, &blk, false));
	return blk.order <= order || blk.entry == ZCS_E_EMPTY || !split_block(b, &blk);
}

/* Everything that can refuse, before anything changes; the folio is BUSY. */
static int check_insert(struct zcs_backup *b, const struct zcs_insert *in, uint32_t flags)
{
	int err = bind_pool(b, zcs_folio_pool(in->folio));

	if (err)
		return err;
	if (!zcs_table_range_empty(&b->table, in->index, in->order) &&
	    (!(flags & ZCS_INSERT_REPLACE) || !replaceable(b, in->index, in->order)))
		return -EEXIST;
	/* the lock may have been given up for a read */
	if (b->pool != zcs_folio_pool(in->folio))
		return -EXDEV;
	if (in->order < ZCS_UNIT_ORDER)
		return zcs_table_reserve(&b->table, in->index);
	return 0;
}

static void commit_insert(struct zcs_backup *b, const struct zcs_insert *in, uint32_t flags)
{
	struct zcs_folio *folio = in->folio;

	if (!zcs_table_range_empty(&b->table, in->index, in->order)) {
		drop_range(b, in->index, UINT64_C(1) << in->order);
		zcs_pool_count_event(b->pool, ZCS_COUNT_INSERT_REPLACED, 1);
		zcs_warn("insert: index %llu, order %u: content replaced",
			 (unsigned long long)in->index, in->order);
	}
	zcs_table_set(&b->table, in->index, in->order, zcs_e_page(zcs_pool_ppn(b->pool, folio)));
	b->resident_pages += UINT64_C(1) << in->order;
	zcs_pool_account_inserted(b->pool, zcs_folio_arena(folio)->node, in->order, 1);
	zcs_folio_set_state(folio, ZCS_FS_INSERTED);
	ZCS_PROBE3(insert, b, in->index, in->order);
	if ((flags & ZCS_INSERT_WRITEBACK) && b->store->wb)
		zcs_wb_mark(b, in->index, in->index + (UINT64_C(1) << in->order) - 1);
}

static bool element_ok(const struct zcs_backup *b, const struct zcs_insert *in)
{
	return in->folio && !in->reserved && in->order <= ZCS_MAX_ORDER &&
	       range_ok(b, in->index, in->order) && zcs_folio_ord(in->folio) == in->order;
}

/* Another thread may split the folio until it is claimed: only then its order is certain. */
static bool claim(struct zcs_insert *in, enum zcs_folio_state from)
{
	if (!zcs_folio_move(in->folio, from, ZCS_FS_BUSY))
		return false;
	if (zcs_folio_ord(in->folio) == in->order)
		return true;
	zcs_folio_set_state(in->folio, from);
	return false;
}

/*
 * Claims and checks; on success the folio is BUSY. A test can hold it before the claim, at the
 * fault point.
 */
static int prepare_insert(struct zcs_backup *b, struct zcs_insert *in, uint32_t flags,
			  enum zcs_folio_state from)
{
	struct zcs_pool *pool;
	int err;

	if (in->folio && zcs_folio_inherited(in->folio))
		return -ECHILD;
	if (!element_ok(b, in))
		return -EINVAL;
	pool = zcs_folio_pool(in->folio);
	err = injected_refusal(in->order);
	if (!err) {
		if (!claim(in, from))
			return -EINVAL;
		err = check_insert(b, in, flags);
		if (err)
			zcs_folio_set_state(in->folio, from);
	}
	if (err)
		zcs_pool_count_event(pool, ZCS_COUNT_INSERT_REFUSED, 1);
	return err;
}

static void refuse(struct zcs_insert *in, enum zcs_folio_state from)
{
	zcs_folio_set_state(in->folio, from);
	zcs_pool_count_event(zcs_folio_pool(in->folio), ZCS_COUNT_INSERT_REFUSED, 1);
}

/* How many of @nr claimed elements a store of objects accepts; *err says why not more. */
static size_t tell_store(struct zcs_backup *b, const struct zcs_insert *vec, size_t nr,
			 uint32_t flags, int *err)
{
	struct zcs_extent e[ZCS_VEC];
	int64_t n;

	for (size_t i = 0; i < nr; i++)
		e[i] = (struct zcs_extent){ vec[i].index, zcs_folio_pfn(vec[i].folio), vec[i].order,
					    0 };
	n = b->store->ops->insert(b->store, b->object, e, nr, flags);
	if (n == (int64_t)nr)
		return nr;
	*err = n < 0 ? (int)n : -ENOMEM;
	return n < 0 ? 0 : (size_t)n;
}

/* Takes an element back that was committed and then refused: its range was empty before. */
static void uncommit(struct zcs_backup *b, struct zcs_insert *in, enum zcs_folio_state from)
{
	zcs_table_clear(&b->table, in->index, in->order);
	b->resident_pages -= UINT64_C(1) << in->order;
	zcs_pool_account_inserted(b->pool, zcs_folio_arena(in->folio)->node, in->order, -1);
	zcs_folio_set_state(in->folio, from);
}

/*
 * One piece of a vector: every element is committed as it is checked, so that elements of one
 * vector exclude each other; what the store then refuses is uncommitted. Replacing cannot be
 * undone: there the store is asked first, one element at a time.
 */
static size_t insert_piece(struct zcs_backup *b, struct zcs_insert *vec, size_t nr, uint32_t flags,
			   enum zcs_folio_state from, int *err)
{
	bool objects = b->store->ops->insert != NULL, replace = flags & ZCS_INSERT_REPLACE;
	size_t n = 0, accepted;

	for (; n < nr; n++) {
		*err = prepare_insert(b, &vec[n], flags, from);
		if (!*err && objects && replace && !tell_store(b, &vec[n], 1, flags, err))
			refuse(&vec[n], from);
		if (*err)
			break;
		commit_insert(b, &vec[n], flags);
	}
	if (!objects || replace || !n)
		return n;
	accepted = tell_store(b, vec, n, flags, err);
	if (n > accepted)
		zcs_pool_count_event(b->pool, ZCS_COUNT_INSERT_REFUSED, 1);
	while (n > accepted)
		uncommit(b, &vec[--n], from);
	return n;
}

int64_t zcs_backup_insert_vec(struct zcs_backup *backup, struct zcs_insert *vec, size_t nr,
			      uint32_t flags, enum zcs_folio_state from)
{
	size_t done = 0;
	int err = 0;

	zcs_backup_lock(backup);
	while (done < nr && !err)
		done += insert_piece(backup, vec + done, nr - done < ZCS_VEC ? nr - done : ZCS_VEC,
				     flags, from, &err);
	pthread_mutex_unlock(&backup->lock);
	for (size_t i = 0; i < nr; i++)
		vec[i].handle = i < done ? zcs_handle_from_index(vec[i].index) : 0;
	if (done < nr)
		vec[done].handle = err;
	return done ? (int64_t)done : err;
}

int64_t zcs_backup_insert_folios(struct zcs_backup *backup, struct zcs_insert *vec, size_t nr,
				 uint32_t flags)
{
	if (!backup || !vec || !nr || (flags & ~(ZCS_INSERT_WRITEBACK | ZCS_INSERT_REPLACE)))
		return -EINVAL;
	if (zcs_inherited(backup))
		return -ECHILD;
	return zcs_backup_insert_vec(backup, vec, nr, flags, ZCS_FS_OWNED);
}

int64_t zcs_backup_insert_folio(struct zcs_backup *backup, struct zcs_folio *folio, unsigned order,
				uint32_t flags, uint64_t index)
{
	struct zcs_insert in = { .folio = folio, .index = index, .order = order };
	int64_t n = zcs_backup_insert_folios(backup, &in, 1, flags);

	return n < 0 ? n : in.handle;
}

/* -- drop */

void zcs_backup_free_folio(struct zcs_backup *backup, struct zcs_folio *folio)
{
	if (zcs_folio_flag(folio, ZCS_FF_HOMED))
		zcs_home_depopulate(backup->pool, folio);
	else
		zcs_pool_give(folio);
}

/*
 * A resident block's pages stop being the backup's: neither written nor counted any more, and
 * freed.
 */
static void free_pages(struct zcs_backup *b, const struct zcs_block *blk)
{
	struct zcs_folio *folio = zcs_pool_folio(b->pool, zcs_e_ppn(blk->entry));
	bool ahead = b->store->wb && zcs_wb_ra_used(b, folio, false);

	if (b->store->wb)
		zcs_wb_unmark(b, folio);
	b->resident_pages -= zcs_block_pages(blk);
	zcs_pool_account_inserted(b->pool, zcs_folio_arena(folio)->node, blk->order, -1);
	zcs_folio_set_state(folio, ZCS_FS_BUSY);
	zcs_backup_free_folio(b, folio);
	/* not before: who waits for read-ahead to give way looks for memory then */
	if (ahead)
		zcs_ahead_end(b->pool, &b->ahead, zcs_block_pages(blk));
}

void zcs_backup_detach(struct zcs_backup *backup, const struct zcs_block *blk, uint32_t entry)
{
	uint64_t nr = zcs_block_pages(blk);

	free_pages(backup, blk);
	zcs_table_update(&backup->table, blk->index, entry);
	*(zcs_e_is_slot(entry) ? &backup->slot_pages : &backup->same_pages) += nr;
}

void zcs_backup_attach(struct zcs_backup *backup, const struct zcs_block *blk,
		       struct zcs_folio *folio)
{
	uint64_t nr = zcs_block_pages(blk);

	zcs_table_update(&backup->table, blk->index, zcs_e_page(zcs_pool_ppn(backup->pool, folio)));
	backup->slot_pages -= nr;
	backup->resident_pages += nr;
	zcs_pool_account_inserted(backup->pool, zcs_folio_arena(folio)->node, blk->order, 1);
	folio->aux = blk->entry - ZCS_E_SLOT_BASE;
	zcs_folio_set_flags(folio, ZCS_FF_SLOT, 0);
	zcs_folio_set_state(folio, ZCS_FS_INSERTED);
}

void zcs_backup_forget_slot(struct zcs_backup *backup, struct zcs_folio *folio)
{
	if (!zcs_folio_flag(folio, ZCS_FF_SLOT))
		return;
	zcs_swap_free(backup->store->swap, folio->aux, zcs_folio_ord(folio));
	zcs_folio_set_flags(folio, 0, ZCS_FF_SLOT);
}

void zcs_backup_free_entry(struct zcs_backup *backup, uint32_t entry, unsigned order)
{
	uint64_t nr = UINT64_C(1) << order;

	if (zcs_e_is_slot(entry)) {
		zcs_swap_free(backup->store->swap, entry - ZCS_E_SLOT_BASE, order);
		backup->slot_pages -= nr;
	} else if (zcs_e_is_same(entry)) {
		zcs_same_put(backup->store->same, entry - ZCS_E_SAME_BASE);
		backup->same_pages -= nr;
	}
}

static void release_resident(struct zcs_backup *b, const struct zcs_block *blk)
{
	struct zcs_folio *folio = zcs_pool_folio(b->pool, zcs_e_ppn(blk->entry));

	if (zcs_folio_state(folio) == ZCS_FS_WRITING)
		zcs_wb_recall(b, folio);
	zcs_backup_forget_slot(b, folio);
	free_pages(b, blk);
}

/* A whole block goes. One that is just being read ahead is freed when that ends. */
static void release_block(struct zcs_backup *b, const struct zcs_block *blk)
{
	if (zcs_e_is_page(blk->entry))
		release_resident(b, blk);
	else if (b->store->wb && zcs_wb_drop_read(b, blk->index))
		b->slot_pages -= zcs_block_pages(blk);
	else
		zcs_backup_free_entry(b, blk->entry, blk->order);
	zcs_table_clear(&b->table, blk->index, blk->order);
}

/* The entry of page @i of a block that is cut into pages. */
static uint32_t piece(const struct zcs_block *blk, uint64_t i)
{
	return zcs_e_is_same(blk->entry) ? blk->entry : blk->entry + (uint32_t)i;
}

/* The pieces take the block's place in the table; 0, or why the arena or the index cannot. */
static int split_block(struct zcs_backup *b, const struct zcs_block *blk)
{
	uint64_t nr = zcs_block_pages(blk);
	int err = zcs_table_reserve(&b->table, blk->index);

	if (err)
		return err;
	if (zcs_e_is_page(blk->entry)) {
		struct zcs_folio *folio = zcs_pool_folio(b->pool, zcs_e_ppn(blk->entry));

		if (zcs_folio_state(folio) == ZCS_FS_WRITING)
			zcs_wb_recall(b, folio);
		if (b->store->wb) {
			if (zcs_wb_ra_used(b, folio, false))
				zcs_ahead_end(b->pool, &b->ahead, nr);
			zcs_wb_unmark(b, folio);
		}
		zcs_backup_forget_slot(b, folio);
		err = zcs_pool_split(folio, ZCS_FS_INSERTED);
	} else if (zcs_e_is_same(blk->entry)) {
		zcs_same_ref(b->store->same, blk->entry - ZCS_E_SAME_BASE, nr - 1);
	}
	if (err)
		return err;
	zcs_table_clear(&b->table, blk->index, blk->order);
	for (uint64_t i = 0; i < nr; i++)
		zcs_table_set(&b->table, blk->index + i, 0, piece(blk, i));
	return 0;
}

static void zero_part(struct zcs_backup *b, const struct zcs_block *blk, uint64_t index,
		      uint64_t end)
{
	char *at = zcs_pool_bytes(b->pool, zcs_e_ppn(blk->entry) + index - blk->index);

	memset(at, 0, (size_t)(end - index) * ZCS_PAGE_SIZE);
	zcs_pool_count_event(b->pool, ZCS_COUNT_DROP_ZEROED, 1);
}

static void drop_range(struct zcs_backup *b, uint64_t index, uint64_t nr)
{
	uint64_t end = index + nr;

	while (index < end) {
		struct zcs_block blk = zcs_table_get(&b->table, index);
		uint64_t upto = zcs_block_end(&blk) < end ? zcs_block_end(&blk) : end;
		bool whole = blk.index >= index && upto == zcs_block_end(&blk);

		if (blk.entry != ZCS_E_EMPTY) {
			if (must_wait(b, &blk, whole))
				continue;
			if (whole)
				release_block(b, &blk);
			else if (!split_block(b, &blk))
				continue;
			else if (zcs_e_is_page(blk.entry))
				zero_part(b, &blk, index, upto);
		}
		index = upto;
	}
}

static void bad_drop(struct zcs_backup *b, int64_t handle, unsigned order)
{
	if (b->pool)
		zcs_pool_count_event(b->pool, ZCS_COUNT_BAD_DROP, 1);
	zcs_misuse("zcs_backup_drop: handle %lld, order %u: outside the backup of %llu pages, or "
		   "unaligned;"
		   " nothing done",
		   (long long)handle, order, (unsigned long long)b->num_pages);
}

void zcs_backup_drop(struct zcs_backup *backup, int64_t handle, unsigned order)
{
	uint64_t index = zcs_handle_to_index(handle);

	if (!backup) {
		zcs_misuse("zcs_backup_drop: backup is NULL");
		return;
	}
	if (zcs_inherited(backup))
		return;
	zcs_backup_lock(backup);
	if (handle <= 0 || order > ZCS_MAX_ORDER || !range_ok(backup, index, order)) {
		bad_drop(backup, handle, order);
	} else {
		/* first: pages that are free must not be the store's to write or punch any more */
		if (backup->store->ops->drop)
			backup->store->ops->drop(backup->store, backup->object, index, order);
		drop_range(backup, index, UINT64_C(1) << order);
	}
	pthread_mutex_unlock(&backup->lock);
}

/* Empties the backup; the store of objects hears of it by destroy() alone. */
void zcs_backup_destroy(struct zcs_backup *backup)
{
	if (!backup || zcs_inherited(backup) || atomic_fetch_sub(&backup->refs, 1) != 1)
		return;
	pthread_mutex_lock(&backup->lock);
	forget_object(backup);
	drop_range(backup, 0, backup->num_pages);
	if (backup->store->wb)
		zcs_wb_wait(backup);
	pthread_mutex_unlock(&backup->lock);
	free_backup(backup);
}

struct zcs_block zcs_backup_block(struct zcs_backup *backup, uint64_t index)
{
	struct zcs_block blk;

	zcs_backup_lock(backup);
	blk = zcs_table_get(&backup->table, index);
	pthread_mutex_unlock(&backup->lock);
	return blk;
}

int zcs_backup_stats(struct zcs_backup *backup, struct zcs_backup_stats *stats)
{
	struct zcs_backup_stats st = { 0 };

	if (!backup || !zcs_can_deliver(stats))
		return -EINVAL;
	if (zcs_inherited(backup))
		return -ECHILD;
	pthread_mutex_lock(&backup->lock);
	st.num_pages = backup->num_pages;
	st.resident_pages = backup->resident_pages;
	st.slot_pages = backup->slot_pages;
	st.same_pages = backup->same_pages;
	st.metadata_bytes = sizeof(*backup) + zcs_table_bytes(&backup->table);
	pthread_mutex_unlock(&backup->lock);
	zcs_deliver(stats, &st, sizeof(st));
	return 0;
}
