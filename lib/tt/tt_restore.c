/* SPDX-License-Identifier: MIT */
/*
 * Restoring: ttm_pool_restore_and_alloc(), for whole tts and ranges.
 *
 * The kernel allocates new blocks, copies page by page, and keeps a state to resume in the middle
 * of a block. Here a resident block is taken back whole, so there is no such state. A slot is a
 * handle, and its content belongs to the backup, until the block's folio belongs to the tt. A call
 * that fails or is interrupted leaves pages and handles side by side, and the next one goes on
 * where it stopped.
 *
 *	page    stays (a page that a partial backup left is not moved either)
 *	handle  the block is taken, in vectors
 *	empty   a zero page
 *
 * Cost: a resident block changes a state and is mapped, 8 us for 2 MiB of hugetlb, 1 us of shmem. A
 * stored one is read.
 */
#include <errno.h>

#include "common/held.h"
#include "sys/sys.h"
#include "tt_priv.h"

#define TURN_US	  20u
#define TURNS_MAX 100u /* far more than a woken thread needs to take a lock */

struct walk {
	struct zcs_tt *tt;
	uint64_t at, end;
	const struct zcs_request *req;
};

static int interrupted(const struct walk *w)
{
	return w->req->interruptible ? zcs_fault(ZCS_FAULT_RESTORE) : 0;
}

/*
 * Collects neighbouring blocks of handles from w->at on, up to a full vector. Sets *err if it is
 * interrupted before the first one.
 */
static size_t gather_handles(struct walk *w, struct zcs_take *vec, int *err)
{
	size_t n = 0;
	uint64_t i = w->at;

	while (i < w->end && n < ZCS_VEC) {
		struct zcs_block blk = zcs_table_get(&w->tt->table, i);

		if (blk.entry != ZCS_E_HANDLE)
			break;
		*err = -interrupted(w);
		if (*err)
			break;
		vec[n++].handle = zcs_handle_from_index(blk.index);
		i = zcs_block_end(&blk);
	}
	return n;
}

static void now_page(struct walk *w, const struct zcs_take *take)
{
	struct zcs_tt *tt = w->tt;
	uint64_t index = zcs_handle_to_index(take->handle);
	uint64_t nr = UINT64_C(1) << zcs_folio_ord(take->folio);

	zcs_table_update(&tt->table, index, zcs_e_page(zcs_pool_ppn(tt->pool, take->folio)));
	tt->handles -= nr;
	tt->pages += nr;
	w->at = index + nr;
}

static int take_some(struct walk *w)
{
	struct zcs_take vec[ZCS_VEC];
	int err = 0;
	size_t n = gather_handles(w, vec, &err);
	int64_t taken;

	if (!n)
		return err;
	taken = zcs_backup_take_vec(w->tt->backup, vec, n, w->tt->pool, ZCS_FS_TT, w->req);
	for (int64_t i = 0; i < taken; i++)
		now_page(w, &vec[i]);
	/* a short vector: the next turn begins with the refused block and returns its error */
	return taken < 0 ? (int)taken : err;
}

/* The largest order for the hole at w->at: aligned, and no longer than the hole. */
static unsigned hole_order(const struct walk *w)
{
	uint64_t i = w->at, limit = (i / ZCS_UNIT_PAGES + 1) * ZCS_UNIT_PAGES;
	unsigned order;

	if (limit > w->tt->nr)
		limit = w->tt->nr;
	while (i < limit) {
		struct zcs_block blk = zcs_table_get(&w->tt->table, i);

		if (blk.entry != ZCS_E_EMPTY)
			break;
		i = zcs_block_end(&blk);
	}
	order = zcs_block_order(w->at, i, ZCS_MAX_ORDER);
	while (w->at % (UINT64_C(1) << order))
		order--;
	return order;
}

static int fill_empty(struct walk *w)
{
	unsigned order;
	int err = -interrupted(w);

	if (!err)
		err = zcs_tt_fill(w->tt, w->at, hole_order(w), w->req, &order);
	if (!err)
		w->at += UINT64_C(1) << order;
	return err;
}

static int restore_some(struct walk *w)
{
	struct zcs_block blk = zcs_table_get(&w->tt->table, w->at);

	if (blk.entry == ZCS_E_HANDLE)
		return take_some(w);
	if (blk.entry == ZCS_E_EMPTY)
		return fill_empty(w);
	w->at = zcs_block_end(&blk);
	return 0;
}

/* Tries all pages again, of which a previous call could not resolve some. */
static int map_again(struct zcs_tt *tt)
{
	if (!tt->unmapped)
		return 0;
	tt->unmapped = false;
	return zcs_tt_map(tt, 0, tt->nr);
}

/* @write: the pages are about to be written to, so that clean ones need not be watched. */
int zcs_tt_restore_locked(struct zcs_tt *tt, uint64_t first, uint64_t count,
			  const struct zcs_request *req, bool write)
{
	struct walk w = { .tt = tt, .req = req, .end = first + count };
	int err = 0, map_err;

	zcs_assert_held(&tt->lock);
	if (!tt->backed_up)
		return -EINVAL;
	w.at = first = zcs_tt_block(tt, first).index;
	/* a touch must not fail because of other pages that could not be mapped */
	if (req->asker != ZCS_ASKER_TOUCH)
		err = map_again(tt);
	while (w.at < w.end && !err)
		err = restore_some(&w);
	if (write)
		zcs_tt_forget_copies(tt, first, w.at);
	map_err = zcs_tt_map(tt, first, w.at);
	if (!err)
		err = map_err;
	if (!err && tt->pages == tt->nr && !tt->unmapped)
		tt->backed_up = tt->poisoned = false;
	return err;
}

static int restore_range(struct zcs_tt *tt, uint64_t first, uint64_t count,
			 const struct zcs_ctx *ctx)
{
	int err = zcs_tt_lock(tt, ctx);
	struct zcs_request req;

	if (err)
		return err;
	req = zcs_request_of(ctx);
	err = zcs_tt_restore_locked(tt, first, count, &req, false);
	zcs_tt_unlock(tt);
	return err;
}

int zcs_tt_restore(struct zcs_tt *tt, const struct zcs_ctx *ctx)
{
	if (!tt)
		return -EINVAL;
	return zcs_inherited(tt) ? -ECHILD : restore_range(tt, 0, tt->nr, ctx);
}

int zcs_tt_restore_range(struct zcs_tt *tt, uint64_t first, uint64_t count,
			 const struct zcs_ctx *ctx)
{
	if (!tt || !count || first >= tt->nr || count > tt->nr - first)
		return -EINVAL;
	if (zcs_inherited(tt))
		return -ECHILD;
	return restore_range(tt, first, count, ctx);
}

int zcs_tt_restore_step(struct zcs_tt *tt, uint64_t *at, uint64_t most, const struct zcs_ctx *ctx)
{
	uint64_t left = tt->nr - *at, count = left < most ? left : most;
	int err = restore_range(tt, *at, count, ctx);

	if (!err)
		*at += count;
	/*
	 * a lock that is taken again at once would be taken by this thread each time, for a waiter
	 * has to wake up first
	 */
	zcs_sys_backoff(&tt->waiting, TURN_US, TURNS_MAX);
	return err;
}
