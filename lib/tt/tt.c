/* SPDX-License-Identifier: MIT */
/*
 * The tt: its life, its pages, and looking at slots. Backing up is in tt_backup.c, restoring in
 * tt_restore.c.
 *
 * Populate follows TTM's allocator. It starts with the largest order that fits and goes down when
 * the system refuses, but never up again, so that every block starts at a multiple of its size. A
 * contiguous tt gets its blocks with its home. There the orders are given, and only memory can be
 * missing.
 *
 * The memory that a later swap-out needs is reserved here: a leaf in the tt's table and in the
 * backup's for every unit with small blocks, 4 bytes an index in each. So backing up allocates only
 * for a split.
 */
#include <errno.h>
#include <stdlib.h>
#include <time.h>

#include <zcswap/store.h>

#include "common/held.h"
#include "common/log.h"
#include "common/zero.h"
#include "store/store.h"
#include "sys/sys.h"
#include "tt_priv.h"

#define MAX_PAGES    ((uint64_t)INT64_MAX / ZCS_PAGE_SIZE)
#define TURN_NS	     UINT64_C(20000000)
#define CREATE_FLAGS (ZCS_TT_ZERO_ALLOC | ZCS_TT_EXTERNAL | ZCS_TT_CONTIGUOUS)

/*
 * Takes the lock, whose holder may be reading. Signal handlers run now and then, unless the caller
 * holds them back too.
 */
static void lock(struct zcs_tt *tt)
{
	int err = pthread_mutex_trylock(&tt->lock);

	while (err) {
		err = zcs_sys_lock_for(&tt->lock, TURN_NS);
		if (err && tt->served) {
			zcs_sys_let_signals();
			zcs_sys_hold_signals();
		}
	}
}

int zcs_tt_lock(struct zcs_tt *tt, const struct zcs_ctx *ctx)
{
	if (ctx && !zcs_expect_in("struct zcs_ctx", ctx->struct_size, == sizeof(*ctx)))
		return -EINVAL;
	if (ctx && ctx->no_wait)
		return zcs_tt_try_lock(tt) ? 0 : -EBUSY;
	if (tt->served)
		zcs_sys_hold_signals();
	lock(tt);
	tt->cancel = zcs_sys_hold_cancel();
	return 0;
}

bool zcs_tt_try_lock(struct zcs_tt *tt)
{
	int err;

	if (tt->served)
		zcs_sys_hold_signals();
	err = pthread_mutex_trylock(&tt->lock);
	if (!err)
		tt->cancel = zcs_sys_hold_cancel();
	else if (tt->served)
		zcs_sys_let_signals();
	return !err;
}

void zcs_tt_unlock(struct zcs_tt *tt)
{
	int cancel = tt->cancel;

	pthread_mutex_unlock(&tt->lock);
	if (tt->served)
		zcs_sys_let_signals();
	zcs_sys_let_cancel(cancel);
}

int zcs_tt_create(struct zcs_pool *pool, uint64_t num_pages, uint32_t flags, struct zcs_tt **tt)
{
	struct zcs_tt *t;
	int err;

	if (!zcs_expect(pool, != NULL) || !zcs_expect(tt, != NULL) ||
	    !zcs_expect(num_pages, != 0) || !zcs_expect(num_pages, <= MAX_PAGES) ||
	    !zcs_expect(flags & ~CREATE_FLAGS, == 0))
		return -EINVAL;
	if (zcs_pool_inherited(pool))
		return -ECHILD;
	t = zcs_sys_calloc(ZCS_FAULT_ALLOC_TT, 1, sizeof(*t));
	if (!t)
		return -ENOMEM;
	err = zcs_table_init(&t->table, num_pages, ZCS_FAULT_ALLOC_NODE);
	if (!err && (flags & ZCS_TT_CONTIGUOUS)) {
		err = zcs_home_create(pool, num_pages, &t->home);
		if (err)
			zcs_table_fini(&t->table);
	}
	if (err) {
		free(t);
		return err;
	}
	t->life = zcs_life_begin();
	t->nr = num_pages;
	t->flags = flags;
	t->pool = pool;
	zcs_pool_get(pool);
	pthread_mutex_init(&t->lock, NULL);
	*tt = t;
	return 0;
}

/*
 * Holes of a contiguous tt are filled by the blocks of its home, those of others one slot at a
 * time.
 */
struct zcs_block zcs_tt_block(const struct zcs_tt *tt, uint64_t index)
{
	struct zcs_block blk = zcs_table_get(&tt->table, index);

	if (blk.entry != ZCS_E_EMPTY)
		return blk;
	for (unsigned order = ZCS_MAX_ORDER; zcs_tt_contiguous(tt) && order; order--) {
		uint64_t at = index & ~((UINT64_C(1) << order) - 1);
		struct zcs_folio *folio = zcs_arena_folio(tt->home.arena, tt->home.pfn + at);
		enum zcs_folio_state state = zcs_folio_state(folio);

		if (zcs_folio_ord(folio) == order && (state == ZCS_FS_HOME || state == ZCS_FS_KEPT))
			return (struct zcs_block){ at, order, ZCS_E_EMPTY };
	}
	return (struct zcs_block){ index, 0, ZCS_E_EMPTY };
}

int zcs_tt_reserve(struct zcs_tt *tt, uint64_t index, unsigned order)
{
	int err;

	zcs_assert_held(&tt->lock);
	if (order == ZCS_UNIT_ORDER)
		return 0;
	err = zcs_table_reserve(&tt->table, index);
	if (!err && tt->backup)
		err = zcs_backup_reserve(tt->backup, index);
	return err;
}

/* Populates a block of a contiguous tt, whose folio is given. */
static int fill_home(struct zcs_tt *tt, uint64_t index, const struct zcs_request *req,
		     struct zcs_folio **folio)
{
	struct zcs_retry retry = zcs_retry_begin(tt->pool, req);
	int err;

	*folio = zcs_arena_folio(tt->home.arena, tt->home.pfn + index);
	do
		err = zcs_home_populate(tt->pool, &tt->home, *folio, req);
	while (zcs_retry(&retry, err));
	return err;
}

/* A folio of the largest order that the pool can give, at most @order. */
static int fill_any(struct zcs_tt *tt, unsigned order, const struct zcs_request *req,
		    struct zcs_folio **folio)
{
	for (;; order--) {
		struct zcs_retry retry = zcs_retry_begin(tt->pool, req);
		int err;

		do
			err = zcs_pool_alloc(tt->pool, order, 0, req, folio);
		while (zcs_retry(&retry, err));
		if (!err)
			zcs_folio_set_state(*folio, ZCS_FS_TT);
		if (!err || !order)
			return err;
		zcs_pool_count_event(tt->pool, ZCS_COUNT_ORDER_FALLBACK, 1);
	}
}

static void give_back(struct zcs_tt *tt, struct zcs_folio *folio, bool to_system)
{
	if (zcs_tt_contiguous(tt)) {
		zcs_home_depopulate(tt->pool, folio);
		return;
	}
	zcs_folio_set_state(folio, ZCS_FS_BUSY);
	if (to_system)
		zcs_pool_discard(folio);
	else
		zcs_pool_give(folio);
}

int zcs_tt_fill(struct zcs_tt *tt, uint64_t index, unsigned max_order,
		const struct zcs_request *req, unsigned *order)
{
	struct zcs_folio *folio;
	int err;

	zcs_assert_held(&tt->lock);
	if (zcs_tt_contiguous(tt))
		err = fill_home(tt, index, req, &folio);
	else
		err = fill_any(tt, max_order, req, &folio);
	if (err)
		return err;
	*order = zcs_folio_ord(folio);
	err = zcs_tt_reserve(tt, index, *order);
	if (err) {
		give_back(tt, folio, true);
		return err;
	}
	zcs_table_set(&tt->table, index, *order, zcs_e_page(zcs_pool_ppn(tt->pool, folio)));
	tt->pages += UINT64_C(1) << *order;
	return 0;
}

void zcs_tt_free_block(struct zcs_tt *tt, const struct zcs_block *blk, bool to_system)
{
	struct zcs_folio *folio = zcs_tt_folio(tt, blk);

	if (tt->backup)
		zcs_object_forget_copy(&tt->backup->o, folio);
	zcs_table_clear(&tt->table, blk->index, blk->order);
	tt->pages -= zcs_block_pages(blk);
	give_back(tt, folio, to_system);
}

void zcs_tt_free_pages(struct zcs_tt *tt, uint64_t first, uint64_t end, bool to_system)
{
	while (first < end) {
		struct zcs_block blk = zcs_table_get(&tt->table, first);

		if (zcs_e_is_page(blk.entry))
			zcs_tt_free_block(tt, &blk, to_system);
		first = zcs_block_end(&blk);
	}
}

int zcs_tt_zap(struct zcs_tt *tt, uint64_t first, uint64_t end)
{
	int err;

	zcs_assert_held(&tt->lock);
	if (!zcs_tt_contiguous(tt) || first >= end)
		return 0;
	err = zcs_home_zap(&tt->home, first, end - first);
	tt->zapped_ns = zcs_sys_now_ns();
	if (err < 0)
		zcs_pool_count_event(tt->pool, ZCS_COUNT_ZAP_FAILED, 1);
	return err > 0 ? -EBUSY : err;
}

void zcs_tt_wipe_holes(struct zcs_tt *tt, uint64_t first, uint64_t end)
{
	struct zcs_home *home = &tt->home;

	zcs_assert_held(&tt->lock);
	while (zcs_home_may_hold(home) && first < end) {
		struct zcs_block blk = zcs_tt_block(tt, first);
		struct zcs_folio *folio = zcs_arena_folio(home->arena, home->pfn + blk.index);
		uint64_t next = zcs_block_end(&blk) < end ? zcs_block_end(&blk) : end;

		if (blk.entry == ZCS_E_EMPTY && !zcs_home_wipe(home, folio, first, next - first))
			zcs_pool_count_event(tt->pool, ZCS_COUNT_PUNCH_FAILED, 1);
		first = next;
	}
}

void zcs_tt_forget_copies(struct zcs_tt *tt, uint64_t first, uint64_t end)
{
	while (tt->backup && first < end) {
		struct zcs_block blk = zcs_table_get(&tt->table, first);

		if (zcs_e_is_page(blk.entry))
			zcs_object_forget_copy(&tt->backup->o, zcs_tt_folio(tt, &blk));
		first = zcs_block_end(&blk);
	}
}

enum run_kind { RUN_EMPTY, RUN_HANDLES, RUN_PAGES, RUN_CLEAN };

/*
 * How the user map must treat a block. RUN_CLEAN: a page with a copy in the store, which must be
 * watched for writes.
 */
static enum run_kind kind_of(const struct zcs_tt *tt, const struct zcs_block *blk)
{
	if (blk->entry == ZCS_E_EMPTY)
		return RUN_EMPTY;
	if (blk->entry == ZCS_E_HANDLE)
		return RUN_HANDLES;
	return zcs_folio_flag(zcs_tt_folio(tt, blk), ZCS_FF_COPY) ? RUN_CLEAN : RUN_PAGES;
}

/* The end of the run of blocks of one kind that begins at @first. */
static uint64_t run_end(const struct zcs_tt *tt, uint64_t first, uint64_t end, enum run_kind *kind)
{
	struct zcs_block blk = zcs_table_get(&tt->table, first);

	*kind = kind_of(tt, &blk);
	while (zcs_block_end(&blk) < end) {
		struct zcs_block next = zcs_table_get(&tt->table, zcs_block_end(&blk));

		if (kind_of(tt, &next) != *kind)
			break;
		blk = next;
	}
	return zcs_block_end(&blk) < end ? zcs_block_end(&blk) : end;
}

/* Maps runs of neighbouring pages with one call each. */
int zcs_tt_map(struct zcs_tt *tt, uint64_t first, uint64_t end)
{
	int err = 0;

	zcs_assert_held(&tt->lock);
	while (zcs_tt_contiguous(tt) && first < end && !err) {
		enum run_kind kind;
		uint64_t next = run_end(tt, first, end, &kind), nr = next - first;

		if (tt->poisoned && kind >= RUN_PAGES)
			zcs_arena_unpoison(tt->home.arena, tt->home.pfn + first, nr);
		if (kind >= RUN_PAGES)
			err = zcs_home_map(&tt->home, first, nr, kind == RUN_CLEAN);
		if (err > 0) {
			zcs_pool_count_event(tt->pool, ZCS_COUNT_MAP_FAILED, 1);
			err = 0;
		}
		first = next;
	}
	if (err) {
		zcs_pool_count_event(tt->pool, ZCS_COUNT_MAP_FAILED, 1);
		tt->unmapped = true;
	}
	return err;
}

/*
 * A block that holds anything but zeros was written to. Where the zap failed, or the home did not
 * trap, a thread may be writing to it just now.
 */
static bool was_written(const struct zcs_tt *tt, const struct zcs_block *blk)
{
	return zcs_home_may_hold(&tt->home) ||
	       !zcs_is_zero(zcs_pool_bytes(tt->pool, zcs_e_ppn(blk->entry)),
			    zcs_block_pages(blk) * ZCS_PAGE_SIZE);
}

/*
 * All or nothing, except for pages that a thread has written to: those stay, and the next call goes
 * on with the rest. A thread gets there if the home does not trap, or if some pages were mapped
 * before mapping failed. Pages that stay are mapped again: the thread goes on to use them.
 */
static void undo_populate(struct zcs_tt *tt)
{
	bool some_stay = false;

	zcs_assert_held(&tt->lock);
	tt->unmapped = false;
	if (zcs_tt_contiguous(tt))
		zcs_tt_zap(tt, 0, tt->nr);
	for (uint64_t i = 0; i < tt->nr;) {
		struct zcs_block blk = zcs_table_get(&tt->table, i);

		i = zcs_block_end(&blk);
		if (!zcs_e_is_page(blk.entry))
			continue;
		if (zcs_tt_contiguous(tt) && was_written(tt, &blk))
			some_stay = true;
		else
			zcs_tt_free_block(tt, &blk, false);
	}
	if (some_stay)
		zcs_tt_map(tt, 0, tt->nr);
}

static int fill_all(struct zcs_tt *tt, const struct zcs_request *req)
{
	unsigned order = ZCS_MAX_ORDER;
	int err = 0;

	for (uint64_t i = 0; i < tt->nr && !err;) {
		struct zcs_block blk = zcs_table_get(&tt->table, i);

		if (blk.entry == ZCS_E_EMPTY) {
			order = zcs_block_order(i, tt->nr, order);
			err = zcs_tt_fill(tt, i, order, req, &order);
			i += UINT64_C(1) << order;
		} else {
			i = zcs_block_end(&blk);
		}
	}
	return err;
}

static int populate(struct zcs_tt *tt, const struct zcs_request *req)
{
	int err = fill_all(tt, req);

	if (!err)
		err = zcs_tt_map(tt, 0, tt->nr);
	if (err)
		undo_populate(tt);
	else
		tt->unmapped = false;
	return err;
}

int zcs_tt_populate(struct zcs_tt *tt, const struct zcs_ctx *ctx)
{
	struct zcs_request req;
	int err;

	if (!tt)
		return -EINVAL;
	if (zcs_inherited(tt))
		return -ECHILD;
	err = zcs_tt_lock(tt, ctx);
	if (err)
		return err;
	req = zcs_request_of(ctx);
	if (tt->backed_up)
		err = -EINVAL;
	else if (tt->pages != tt->nr || tt->unmapped)
		err = populate(tt, &req);
	zcs_tt_unlock(tt);
	return err;
}

void zcs_tt_unpopulate(struct zcs_tt *tt)
{
	if (!tt || zcs_inherited(tt))
		return;
	zcs_tt_lock(tt, NULL);
	if (tt->pages) {
		zcs_tt_zap(tt, 0, tt->nr);
		zcs_tt_free_pages(tt, 0, tt->nr, false);
	}
	zcs_tt_wipe_holes(tt, 0, tt->nr);
	zcs_tt_unlock(tt);
}

/* The leaves that the tt's present blocks need in a new backup. */
static int reserve_backup(struct zcs_tt *tt, struct zcs_backup *backup)
{
	int err = 0;

	for (uint64_t i = 0; i < tt->nr && !err; i += ZCS_UNIT_PAGES)
		if (zcs_table_has_leaf(&tt->table, i))
			err = zcs_backup_reserve(backup, i);
	return err;
}

static int setup_backup(struct zcs_tt *tt, struct zcs_store *store)
{
	struct zcs_backup *backup;
	int err;

	zcs_assert_held(&tt->lock);
	if (tt->handles)
		return -EBUSY;
	err = zcs_backup_new(store, tt->nr, &backup);
	if (err)
		return err;
	err = reserve_backup(tt, backup);
	if (err) {
		zcs_backup_destroy(backup);
		return err;
	}
	backup->o.home = zcs_tt_contiguous(tt) ? &tt->home : NULL;
	backup->tracked = backup->o.home && backup->o.home->arena->tracks;
	zcs_tt_forget_copies(tt, 0, tt->nr);
	zcs_backup_destroy(tt->backup);
	tt->backup = backup;
	return 0;
}

int zcs_tt_setup_backup(struct zcs_tt *tt, struct zcs_store *store)
{
	int err;

	if (!zcs_expect(tt, != NULL) || !zcs_expect(store, != NULL) ||
	    !zcs_expect(tt->flags & ZCS_TT_EXTERNAL, == 0))
		return -EINVAL;
	if (zcs_inherited(tt) || zcs_inherited(store))
		return -ECHILD;
	zcs_tt_lock(tt, NULL);
	err = setup_backup(tt, store);
	zcs_tt_unlock(tt);
	return err;
}

/* To lock a tt that the caller only looks at. */
static struct zcs_tt *looked_at(const struct zcs_tt *tt)
{
	return (struct zcs_tt *)(uintptr_t)tt;
}

uint32_t zcs_tt_flags(const struct zcs_tt *tt)
{
	uint32_t flags;

	if (!tt || zcs_inherited(tt))
		return 0;
	zcs_tt_lock(looked_at(tt), NULL);
	flags = tt->flags;
	if (tt->backed_up)
		flags |= ZCS_TT_BACKED_UP;
	if (tt->pages == tt->nr)
		flags |= ZCS_TT_POPULATED;
	zcs_tt_unlock(looked_at(tt));
	return flags;
}

uint64_t zcs_tt_num_pages(const struct zcs_tt *tt)
{
	return tt && !zcs_inherited(tt) ? tt->nr : 0;
}

uintptr_t zcs_tt_slot(const struct zcs_tt *tt, uint64_t index)
{
	struct zcs_block blk;
	uintptr_t slot = 0;

	if (!tt || zcs_inherited(tt) || index >= tt->nr)
		return 0;
	zcs_tt_lock(looked_at(tt), NULL);
	blk = zcs_table_get(&tt->table, index);
	if (blk.entry == ZCS_E_HANDLE)
		slot = zcs_handle_to_slot(zcs_handle_from_index(index));
	else if (zcs_e_is_page(blk.entry))
		slot = (uintptr_t)zcs_pool_bytes(tt->pool,
						 zcs_e_ppn(blk.entry) + index - blk.index);
	zcs_tt_unlock(looked_at(tt));
	return slot;
}

void *zcs_tt_page_address(const struct zcs_tt *tt, uint64_t index)
{
	struct zcs_block blk;
	char *at = NULL;

	if (!tt || zcs_inherited(tt) || index >= tt->nr)
		return NULL;
	zcs_tt_lock(looked_at(tt), NULL);
	blk = zcs_table_get(&tt->table, index);
	if (zcs_e_is_page(blk.entry)) {
		/* bytes written through the linear map would not be seen */
		if (tt->backup)
			zcs_object_forget_copy(&tt->backup->o, zcs_tt_folio(tt, &blk));
		at = zcs_pool_bytes(tt->pool, zcs_e_ppn(blk.entry) + index - blk.index);
	}
	zcs_tt_unlock(looked_at(tt));
	return at;
}

void *zcs_tt_address(const struct zcs_tt *tt)
{
	if (!tt || zcs_inherited(tt) || !zcs_tt_contiguous(tt))
		return NULL;
	return zcs_arena_user(tt->home.arena, tt->home.pfn);
}

void zcs_tt_destroy(struct zcs_tt *tt)
{
	if (!tt || zcs_inherited(tt))
		return;
	zcs_tt_forget_copies(tt, 0, tt->nr);
	/* blocks of a home that are in the backup become holes of the home again */
	zcs_backup_destroy(tt->backup);
	if (zcs_tt_contiguous(tt))
		zcs_home_destroy(tt->pool, &tt->home);
	else
		zcs_tt_free_pages(tt, 0, tt->nr, false);
	zcs_table_fini(&tt->table);
	pthread_mutex_destroy(&tt->lock);
	zcs_pool_unref(tt->pool);
	free(tt);
}
