/* SPDX-License-Identifier: MIT */
/*
 * Backing up: ttm_pool_backup() with insertion, for whole tts and ranges.
 *
 *	1  zap all leaving pages from the user map, in one step; from here on no thread can write
 *	2  offer the blocks to the backup, whole, in vectors; pass over slots that are handles or
 *	   empty
 *	3  split a block that is refused whole, and try the same index again; a refused page ends
 *	   the call
 *	4  resolve the pages that stayed in the user map again
 *
 * The loop ends: each turn goes on to a later index, or splits a block, or stops. A split lowers
 * the order to 0, and order 0 is never split. A block is never cut: one that reaches out of the
 * range stays.
 *
 * Cost: the zap is 2 us for 2 MiB of hugetlb and 8 us of shmem; a block's insertion changes a state
 * and an entry of the index.
 */
#include <errno.h>

#include <zcswap/store.h>

#include "common/held.h"
#include "store/store.h"
#include "sys/sys.h"
#include "tt_priv.h"

struct walk {
	struct zcs_tt *tt;
	uint64_t at, end;
	uint32_t flags;
	uint64_t used_ns;
	uint64_t done; /* pages */
	int err;
};

/*
 * Collects blocks that are pages from w->at on, up to a full vector. Sets *next to the index behind
 * them. Return: how many.
 */
static size_t gather_pages(struct walk *w, struct zcs_insert *vec, uint64_t *next)
{
	size_t n = 0;
	uint64_t i = w->at;

	while (i < w->end && n < ZCS_VEC) {
		struct zcs_block blk = zcs_table_get(&w->tt->table, i);

		if (zcs_e_is_page(blk.entry))
			vec[n++] = (struct zcs_insert){ .folio = zcs_tt_folio(w->tt, &blk),
							.index = blk.index,
							.order = blk.order };
		i = zcs_block_end(&blk);
	}
	*next = i;
	return n;
}

static void now_handle(struct walk *w, const struct zcs_insert *in)
{
	uint64_t nr = UINT64_C(1) << in->order;

	zcs_table_update(&w->tt->table, in->index, ZCS_E_HANDLE);
	w->tt->pages -= nr;
	w->tt->handles += nr;
	w->done += nr;
}

/*
 * The pieces take the block's slots. Needs index nodes, the one thing a swap-out may have to
 * allocate.
 */
static int split_refused(struct walk *w, const struct zcs_insert *in)
{
	struct zcs_tt *tt = w->tt;
	uint64_t ppn = zcs_pool_ppn(tt->pool, in->folio);
	int err = zcs_tt_reserve(tt, in->index, 0);

	zcs_object_forget_copy(&tt->backup->o, in->folio);
	if (!err)
		err = zcs_pool_split(in->folio, ZCS_FS_TT);
	if (err)
		return err;
	zcs_pool_count_event(tt->pool, ZCS_COUNT_INSERT_SPLIT, 1);
	zcs_table_clear(&tt->table, in->index, in->order);
	for (uint64_t i = 0; i < UINT64_C(1) << in->order; i++)
		zcs_table_set(&tt->table, in->index + i, 0, zcs_e_page(ppn + i));
	return 0;
}

/* Inserts one vector. Sets w->err if the walk is to end. */
static void insert_some(struct walk *w)
{
	struct zcs_insert vec[ZCS_VEC];
	uint64_t next;
	size_t n = gather_pages(w, vec, &next), accepted = 0;
	int64_t ret = 0;

	if (n) {
		uint32_t flags = w->flags & ZCS_BACKUP_WRITEBACK ? ZCS_INSERT_WRITEBACK : 0;

		ret = zcs_backup_insert_vec(w->tt->backup, vec, n, flags, ZCS_FS_TT, w->used_ns);
		accepted = ret < 0 ? 0 : (size_t)ret;
	}
	for (size_t i = 0; i < accepted; i++)
		now_handle(w, &vec[i]);
	w->at = accepted == n ? next : vec[accepted].index;
	if (accepted == n)
		return;
	w->err = (int)vec[accepted].handle;
	if (vec[accepted].order && !split_refused(w, &vec[accepted]))
		w->err = 0;
}

/*
 * The span from the first to the last block that lies wholly in [*first, *end): pages or handles.
 * Holes at its ends are left out, because hugetlb cannot be zapped from the middle of one.
 */
static void whole_blocks(const struct zcs_tt *tt, uint64_t *first, uint64_t *end)
{
	while (*first < *end) {
		struct zcs_block blk = zcs_table_get(&tt->table, *first);

		if (blk.entry != ZCS_E_EMPTY && blk.index == *first)
			break;
		*first = zcs_block_end(&blk);
	}
	while (*first < *end) {
		struct zcs_block blk = zcs_table_get(&tt->table, *end - 1);

		if (blk.entry != ZCS_E_EMPTY && zcs_block_end(&blk) == *end)
			break;
		*end = blk.index;
	}
}

/* Finds the pages that were written to since they were restored. Only right after the zap. */
static void find_dirt(struct zcs_tt *tt, uint64_t first, uint64_t end)
{
	while (tt->backup->tracked && first < end) {
		struct zcs_block blk = zcs_table_get(&tt->table, first);

		if (zcs_e_is_page(blk.entry)) {
			struct zcs_folio *folio = zcs_tt_folio(tt, &blk);

			if (zcs_folio_flag(folio, ZCS_FF_COPY) &&
			    !zcs_arena_is_clean(tt->home.arena, tt->home.pfn + blk.index))
				zcs_object_forget_copy(&tt->backup->o, folio);
		}
		first = zcs_block_end(&blk);
	}
}

static int64_t insert_range(struct zcs_tt *tt, uint64_t first, uint64_t end, uint32_t flags)
{
	struct walk w = { .tt = tt, .at = first, .end = end, .flags = flags };

	if (zcs_tt_contiguous(tt) &&
	    !zcs_arena_may_zap(tt->home.arena, tt->home.pfn + first, end - first))
		return -ENOMEM;
	w.used_ns = tt->used_ns ? tt->used_ns : zcs_sys_now_ns();
	w.err = zcs_tt_zap(tt, first, end);
	if (!w.err)
		find_dirt(tt, first, end);
	while (w.at < end && !w.err)
		insert_some(&w);
	if (w.done)
		tt->backed_up = true;
	/* pages that stay must not trap; if this fails too, a restore tries again */
	if (w.err && zcs_tt_map(tt, w.done ? w.at : first, end))
		tt->backed_up = true;
	return w.done ? (int64_t)w.done : w.err;
}

static void drop_handles(struct zcs_tt *tt, const struct zcs_block *blk)
{
	zcs_backup_drop(tt->backup, zcs_handle_from_index(blk->index), blk->order);
	zcs_table_clear(&tt->table, blk->index, blk->order);
	tt->handles -= zcs_block_pages(blk);
}

/* Frees pages to the system and drops handles; blocks that reach out of the range stay. */
static int64_t purge_range(struct zcs_tt *tt, uint64_t first, uint64_t end)
{
	uint64_t done = 0;
	int err = zcs_tt_zap(tt, first, end);

	if (err) {
		zcs_tt_map(tt, first, end);
		return err;
	}
	for (uint64_t i = first; i < end;) {
		struct zcs_block blk = zcs_table_get(&tt->table, i);

		i = zcs_block_end(&blk);
		if (blk.entry == ZCS_E_EMPTY)
			continue;
		if (blk.entry == ZCS_E_HANDLE)
			drop_handles(tt, &blk);
		else
			zcs_tt_free_block(tt, &blk, true);
		done += zcs_block_pages(&blk);
	}
	if (done)
		tt->backed_up = true;
	return (int64_t)done;
}

/*
 * Whether the store has copies of pages in the range. Such pages may leave although the store is
 * full: clean ones need no write, and dirty ones free their copy.
 */
static bool has_copies(const struct zcs_tt *tt, uint64_t first, uint64_t end)
{
	while (tt->backup->tracked && first < end) {
		struct zcs_block blk = zcs_table_get(&tt->table, first);

		if (zcs_e_is_page(blk.entry) && zcs_folio_flag(zcs_tt_folio(tt, &blk), ZCS_FF_COPY))
			return true;
		first = zcs_block_end(&blk);
	}
	return false;
}

/* Purges a range. Empty slots do not count, but may hold bytes of writers that met no trap. */
static int64_t purge(struct zcs_tt *tt, uint64_t first, uint64_t end)
{
	uint64_t from = first, to = end;
	int64_t ret = 0;

	whole_blocks(tt, &from, &to);
	if (from < to)
		ret = purge_range(tt, from, to);
	if (ret >= 0)
		zcs_tt_wipe_holes(tt, first, end);
	return ret;
}

int64_t zcs_tt_backup_locked(struct zcs_tt *tt, uint64_t first, uint64_t count, uint32_t flags)
{
	uint64_t end = first + count;

	zcs_assert_held(&tt->lock);
	if (flags & ZCS_BACKUP_PURGE)
		return purge(tt, first, end);
	if (!tt->backup || !tt->pages)
		return 0;
	if (!zcs_store_bytes_avail(tt->backup->o.store) && !has_copies(tt, first, end))
		return -EBUSY;
	if (zcs_fault(ZCS_FAULT_BACKUP_TRUNCATE))
		end = first + (count + 1) / 2;
	whole_blocks(tt, &first, &end);
	return first < end ? insert_range(tt, first, end, flags) : 0;
}

static int64_t backup_range(struct zcs_tt *tt, uint64_t first, uint64_t count, uint32_t flags)
{
	int64_t ret;

	if (flags & ~(ZCS_BACKUP_PURGE | ZCS_BACKUP_WRITEBACK))
		return -EINVAL;
	zcs_tt_lock(tt, NULL);
	ret = zcs_tt_backup_locked(tt, first, count, flags);
	zcs_tt_unlock(tt);
	return ret;
}

int64_t zcs_tt_backup(struct zcs_tt *tt, uint32_t flags)
{
	if (!tt)
		return -EINVAL;
	return zcs_inherited(tt) ? -ECHILD : backup_range(tt, 0, tt->nr, flags);
}

int64_t zcs_tt_backup_range(struct zcs_tt *tt, uint64_t first, uint64_t count, uint32_t flags)
{
	if (!tt || !count || first >= tt->nr || count > tt->nr - first)
		return -EINVAL;
	if (zcs_inherited(tt))
		return -ECHILD;
	return backup_range(tt, first, count, flags);
}

static int drop_backup(struct zcs_tt *tt)
{
	zcs_assert_held(&tt->lock);
	if (!tt->backed_up)
		return -EINVAL;
	zcs_tt_zap(tt, 0, tt->nr);
	for (uint64_t i = 0; i < tt->nr;) {
		struct zcs_block blk = zcs_table_get(&tt->table, i);

		i = zcs_block_end(&blk);
		if (blk.entry == ZCS_E_HANDLE)
			drop_handles(tt, &blk);
	}
	zcs_tt_free_pages(tt, 0, tt->nr, true);
	zcs_tt_wipe_holes(tt, 0, tt->nr);
	tt->backed_up = false;
	tt->unmapped = false;
	return 0;
}

int zcs_tt_drop_backup(struct zcs_tt *tt)
{
	int err;

	if (!tt)
		return -EINVAL;
	if (zcs_inherited(tt))
		return -ECHILD;
	zcs_tt_lock(tt, NULL);
	err = drop_backup(tt);
	zcs_tt_unlock(tt);
	return err;
}
