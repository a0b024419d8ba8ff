/* SPDX-License-Identifier: MIT */
/*
 * The backup: folios by page index, without copies.
 *
 * Insert writes a number into a table and changes a state; take does the reverse. The kernel's way
 * (shmem_insert_folio) must first make driver pages look like page cache, and undo that on failure.
 * Here a folio is a folio for every owner, so no such step exists.
 *
 *	caller ──move OWNED→BUSY──▶ checked ──store accepts──▶ table, BUSY→INSERTED
 *	                              └─refused: BUSY→OWNED, as it was
 *
 * The claim comes first: of two threads that insert one folio, one gets -EINVAL. The index nodes
 * exist since the backup was made (or, for a tt's backup, since the tt was populated), so inserting
 * allocates nothing.
 *
 * Cost: a compare-and-swap and an entry of the index for each folio, under one lock.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "backup.h"
#include "common/deliver.h"
#include "common/held.h"
#include "common/log.h"
#include "common/probe.h"
#include "pool/pool.h"
#include "store/object.h"
#include "store/store.h"
#include "sys/sys.h"

#define MAX_PAGES ((uint64_t)INT64_MAX / ZCS_PAGE_SIZE)

static void leave_pool(struct zcs_backup *b)
{
	if (!b->o.pool)
		return;
	zcs_ahead_forget(b->o.pool, &b->o.ahead);
	zcs_pool_unref(b->o.pool);
}

static void free_backup(struct zcs_backup *b)
{
	zcs_object_forget(&b->o);
	leave_pool(b);
	zcs_object_fini(&b->o);
	free(b);
}

static const struct zcs_owner_ops owner;

int zcs_backup_new(struct zcs_store *store, uint64_t num_pages, struct zcs_backup **backup)
{
	struct zcs_backup *b = zcs_sys_calloc(ZCS_FAULT_ALLOC_BACKUP, 1, sizeof(*b));
	int err = b ? zcs_object_init(&b->o, store, num_pages) : -ENOMEM;

	if (err) {
		free(b);
		return err;
	}
	b->life = zcs_life_begin();
	b->refs = 1;
	b->o.owner = &owner;
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
	err = zcs_table_reserve_all(&b->o.table);
	if (err)
		free_backup(b);
	else
		*backup = b;
	return err;
}

int zcs_backup_reserve(struct zcs_backup *backup, uint64_t index)
{
	int err;

	pthread_mutex_lock(&backup->o.lock);
	err = zcs_table_reserve(&backup->o.table, index);
	zcs_object_unlock(&backup->o);
	return err;
}

static bool range_ok(const struct zcs_backup *b, uint64_t index, unsigned order)
{
	uint64_t nr = UINT64_C(1) << order;

	return index % nr == 0 && nr <= b->o.num_pages && index <= b->o.num_pages - nr;
}

/* -- insert */

static bool is_empty(const struct zcs_backup *b)
{
	return !b->o.resident_pages && !b->o.slot_pages && !b->o.same_pages;
}

static int bind_pool(struct zcs_backup *b, struct zcs_pool *pool)
{
	/* the read of a dropped block ends in the old pool */
	while (b->o.pool != pool && is_empty(b) && b->o.ahead.pages)
		zcs_object_wait(&b->o);
	if (b->o.pool == pool)
		return 0;
	if (!is_empty(b))
		return -EXDEV;
	leave_pool(b);
	zcs_pool_get(pool);
	b->o.pool = pool;
	return 0;
}

static int injected_refusal(unsigned order)
{
	int err = zcs_fault(ZCS_FAULT_INSERT);

	if (!err && order)
		err = zcs_fault(ZCS_FAULT_INSERT_LARGE);
	return -err;
}

/*
 * Whether the range can be emptied. A block that reaches out of it is split here, which no caller
 * sees.
 */
static bool replaceable(struct zcs_backup *b, uint64_t index, unsigned order)
{
	struct zcs_block blk;

	do
		blk = zcs_table_get(&b->o.table, index);
	while (blk.order > order && zcs_object_await_ahead(&b->o, &blk, false));
	return blk.order <= order || blk.entry == ZCS_E_EMPTY || !zcs_object_split(&b->o, &blk);
}

/* Makes every check that can refuse, before any change; the folio is BUSY. */
static int check_insert(struct zcs_backup *b, const struct zcs_insert *in, uint32_t flags)
{
	int err = bind_pool(b, zcs_folio_pool(in->folio));

	if (err)
		return err;
	if (!zcs_table_range_empty(&b->o.table, in->index, in->order) &&
	    (!(flags & ZCS_INSERT_REPLACE) || !replaceable(b, in->index, in->order)))
		return -EEXIST;
	/* a read may have taken the lock meanwhile */
	if (b->o.pool != zcs_folio_pool(in->folio))
		return -EXDEV;
	if (in->order < ZCS_UNIT_ORDER)
		return zcs_table_reserve(&b->o.table, in->index);
	return 0;
}

static void commit_insert(struct zcs_backup *b, const struct zcs_insert *in)
{
	struct zcs_folio *folio = in->folio;

	zcs_assert_held(&b->o.lock);
	if (!zcs_table_range_empty(&b->o.table, in->index, in->order)) {
		zcs_object_drop(&b->o, in->index, UINT64_C(1) << in->order);
		zcs_pool_count_event(b->o.pool, ZCS_COUNT_INSERT_REPLACED, 1);
		zcs_warn("insert: index %llu, order %u: content replaced",
			 (unsigned long long)in->index, in->order);
	}
	zcs_table_set(&b->o.table, in->index, in->order,
		      zcs_e_page(zcs_pool_ppn(b->o.pool, folio)));
	b->o.resident_pages += UINT64_C(1) << in->order;
	zcs_pool_account_inserted(b->o.pool, zcs_folio_arena(folio)->node, in->order, 1);
	zcs_folio_set_state(folio, ZCS_FS_INSERTED);
	ZCS_PROBE3(insert, b, in->index, in->order);
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
 * Claims and checks; after success the folio is BUSY. A test can delay it before the claim, at the
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

static void refuse_element(struct zcs_insert *in, enum zcs_folio_state from)
{
	zcs_folio_set_state(in->folio, from);
	zcs_pool_count_event(zcs_folio_pool(in->folio), ZCS_COUNT_INSERT_REFUSED, 1);
}

/*
 * Offers @nr claimed elements to a store of objects. Return: how many it accepts; *@err: why not
 * more.
 */
static size_t tell_store(struct zcs_backup *b, const struct zcs_insert *vec, size_t nr,
			 uint32_t flags, int *err)
{
	struct zcs_extent e[ZCS_VEC];
	int64_t n;

	zcs_assert_held(&b->o.lock);
	for (size_t i = 0; i < nr; i++)
		e[i] = (struct zcs_extent){ .index = vec[i].index,
					    .pfn = zcs_folio_pfn(vec[i].folio),
					    .order = vec[i].order,
					    .folio = vec[i].folio };
	n = b->o.store->ops->insert(&b->o, e, nr, flags);
	if (n == (int64_t)nr)
		return nr;
	*err = n < 0 ? (int)n : -ENOMEM;
	return n < 0 ? 0 : (size_t)n;
}

/* Takes back an element that was committed and then refused. Its range was empty before. */
static void uncommit(struct zcs_backup *b, struct zcs_insert *in, enum zcs_folio_state from)
{
	zcs_assert_held(&b->o.lock);
	zcs_table_clear(&b->o.table, in->index, in->order);
	b->o.resident_pages -= UINT64_C(1) << in->order;
	zcs_pool_account_inserted(b->o.pool, zcs_folio_arena(in->folio)->node, in->order, -1);
	zcs_folio_set_state(in->folio, from);
}

/* Uncharges the pages, which an owning store has now. */
static void give_to_store(struct zcs_backup *b, const struct zcs_insert *vec, size_t nr)
{
	uint64_t pages = 0;

	zcs_assert_held(&b->o.lock);
	for (size_t i = 0; i < nr; i++)
		pages += UINT64_C(1) << vec[i].order;
	zcs_pool_lend(b->o.pool, pages);
	atomic_fetch_add(&b->o.store->counts.freed, pages);
}

/* Makes the store begin to write the inserted blocks, in runs of neighbours. */
static void begin_writeback(struct zcs_backup *b, const struct zcs_insert *vec, size_t nr)
{
	const struct zcs_store_ops *ops = b->o.store->ops;

	for (size_t i = 0, n; ops->writeback && i < nr; i = n) {
		uint64_t end = vec[i].index + (UINT64_C(1) << vec[i].order), begun;

		for (n = i + 1; n < nr && vec[n].index == end; n++)
			end += UINT64_C(1) << vec[n].order;
		ops->writeback(&b->o, vec[i].index, end - 1, &begun);
	}
}

/*
 * One piece of a vector: every element is committed as it is checked, so that elements of one
 * vector exclude each other; what the store then refuses is uncommitted. Replacing cannot be
 * undone: there the store is asked first, one element at a time.
 */
static size_t insert_piece(struct zcs_backup *b, struct zcs_insert *vec, size_t nr, uint32_t flags,
			   enum zcs_folio_state from, int *err)
{
	bool asked = b->o.store->ops->insert != NULL, replace = flags & ZCS_INSERT_REPLACE;
	size_t n = 0, accepted;

	for (; n < nr; n++) {
		*err = prepare_insert(b, &vec[n], flags, from);
		if (!*err && asked && replace && !tell_store(b, &vec[n], 1, flags, err))
			refuse_element(&vec[n], from);
		if (*err)
			break;
		commit_insert(b, &vec[n]);
	}
	if (!asked) {
		if (flags & ZCS_INSERT_WRITEBACK)
			begin_writeback(b, vec, n);
		return n;
	}
	accepted = !replace && n ? tell_store(b, vec, n, flags, err) : n;
	if (n > accepted)
		zcs_pool_count_event(b->o.pool, ZCS_COUNT_INSERT_REFUSED, 1);
	while (n > accepted)
		uncommit(b, &vec[--n], from);
	if (zcs_store_owns(b->o.store) && n)
		give_to_store(b, vec, n);
	return n;
}

int64_t zcs_backup_insert_vec(struct zcs_backup *backup, struct zcs_insert *vec, size_t nr,
			      uint32_t flags, enum zcs_folio_state from, uint64_t used_ns)
{
	size_t done = 0;
	int err = 0;

	zcs_object_lock(&backup->o);
	if (used_ns)
		atomic_store_explicit(&backup->o.used_ns, used_ns, memory_order_relaxed);
	while (done < nr && !err)
		done += insert_piece(backup, vec + done, nr - done < ZCS_VEC ? nr - done : ZCS_VEC,
				     flags, from, &err);
	zcs_object_unlock(&backup->o);
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
	return zcs_backup_insert_vec(backup, vec, nr, flags, ZCS_FS_OWNED, 0);
}

int64_t zcs_backup_insert_folio(struct zcs_backup *backup, struct zcs_folio *folio, unsigned order,
				uint32_t flags, uint64_t index)
{
	struct zcs_insert in = { .folio = folio, .index = index, .order = order };
	int64_t n = zcs_backup_insert_folios(backup, &in, 1, flags);

	return n < 0 ? n : in.handle;
}

/* -- drop */

/* Frees the pages of a block. Pages that a store owned are charged first. */
static void free_pages(struct zcs_object *o, const struct zcs_block *blk)
{
	struct zcs_folio *folio = zcs_object_folio(o, blk);

	zcs_assert_held(&o->lock);
	if (zcs_store_owns(o->store))
		zcs_pool_take_back_to_free(o->pool, zcs_block_pages(blk));
	zcs_pool_account_inserted(o->pool, zcs_folio_arena(folio)->node, blk->order, -1);
	zcs_folio_set_state(folio, ZCS_FS_BUSY);
	zcs_object_free_folio(o, folio);
}

/* A resident block, in an arena that can. */
static int split_pages(struct zcs_object *o, const struct zcs_block *blk)
{
	return zcs_pool_split(zcs_object_folio(o, blk), ZCS_FS_INSERTED);
}

static void zero_part(struct zcs_object *o, const struct zcs_block *blk, uint64_t index,
		      uint64_t end)
{
	char *at = zcs_pool_bytes(o->pool, zcs_e_ppn(blk->entry) + index - blk->index);

	memset(at, 0, (size_t)(end - index) * ZCS_PAGE_SIZE);
	zcs_pool_count_event(o->pool, ZCS_COUNT_DROP_ZEROED, 1);
}

static const struct zcs_owner_ops owner = {
	.written = free_pages,
	.dropped = free_pages,
	.split = split_pages,
	.zero = zero_part,
};

static void bad_drop(struct zcs_backup *b, int64_t handle, unsigned order)
{
	if (b->o.pool)
		zcs_pool_count_event(b->o.pool, ZCS_COUNT_BAD_DROP, 1);
	zcs_misuse("zcs_backup_drop: handle %lld, order %u: outside the backup of %llu pages, or "
		   "unaligned;"
		   " nothing done",
		   (long long)handle, order, (unsigned long long)b->o.num_pages);
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
	zcs_object_lock(&backup->o);
	if (handle <= 0 || order > ZCS_MAX_ORDER || !range_ok(backup, index, order)) {
		bad_drop(backup, handle, order);
	} else {
		/* first, for the store must not write or punch free pages any more */
		if (backup->o.store->ops->drop)
			backup->o.store->ops->drop(&backup->o, index, order);
		zcs_object_drop(&backup->o, index, UINT64_C(1) << order);
	}
	zcs_object_unlock(&backup->o);
}

/* Empties the backup. A store of objects learns of that only by destroy(). */
void zcs_backup_destroy(struct zcs_backup *backup)
{
	if (!backup || zcs_inherited(backup) || atomic_fetch_sub(&backup->refs, 1) != 1)
		return;
	pthread_mutex_lock(&backup->o.lock);
	zcs_object_forget(&backup->o);
	zcs_object_drop(&backup->o, 0, backup->o.num_pages);
	zcs_object_unlock(&backup->o);
	zcs_object_drain(&backup->o);
	free_backup(backup);
}

struct zcs_block zcs_backup_block(struct zcs_backup *backup, uint64_t index)
{
	struct zcs_block blk;

	zcs_object_lock(&backup->o);
	blk = zcs_table_get(&backup->o.table, index);
	zcs_object_unlock(&backup->o);
	return blk;
}

enum zcs_where zcs_backup_where(struct zcs_backup *backup, uint64_t index)
{
	struct zcs_object *o = &backup->o;
	enum zcs_where where = ZCS_WHERE_MEMORY;
	struct zcs_block blk;

	zcs_object_lock(o);
	blk = zcs_table_get(&o->table, index);
	if (zcs_e_is_stored(blk.entry))
		where = o->store->ops->block->needs_io(blk.entry) ? ZCS_WHERE_TO_READ
								  : ZCS_WHERE_STORED;
	else if (zcs_store_owns(o->store))
		where = ZCS_WHERE_TO_READ;
	else if (zcs_e_is_page(blk.entry) && zcs_folio_flag(zcs_object_folio(o, &blk), ZCS_FF_RA))
		where = ZCS_WHERE_AHEAD;
	zcs_object_unlock(o);
	return where;
}

int zcs_backup_stats(struct zcs_backup *backup, struct zcs_backup_stats *stats)
{
	struct zcs_backup_stats st = { 0 };

	if (!backup || !zcs_can_deliver(stats))
		return -EINVAL;
	if (zcs_inherited(backup))
		return -ECHILD;
	pthread_mutex_lock(&backup->o.lock);
	st.num_pages = backup->o.num_pages;
	st.resident_pages = zcs_object_in_pool(&backup->o);
	st.slot_pages = backup->o.slot_pages + backup->o.resident_pages - st.resident_pages;
	st.same_pages = backup->o.same_pages;
	st.metadata_bytes = sizeof(*backup) + zcs_table_bytes(&backup->o.table);
	zcs_object_unlock(&backup->o);
	zcs_deliver(stats, &st, sizeof(st));
	return 0;
}
