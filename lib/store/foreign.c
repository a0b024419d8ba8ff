/* SPDX-License-Identifier: MIT */
/*
 * Objects over foreign memory, see foreign.h. The index, the writes and the reads are those of
 * every object. Only the owner of the pages differs:
 *
 *	             pool                              foreign
 *	descriptor   the arena's, by pfn               an array by pfn: state, marks, token
 *	written      uncharged, freed                  MADV_REMOVE: a hole in the owner's file
 *	read         into a fresh folio, or its home   into the pages that the taker names
 *	read ahead   into free memory                  never, for no target is known
 *
 * The array costs 8 bytes for each page of the file that was ever inserted. The rest of the array
 * is never touched. SEEK_DATA finds an inserted hole, for a read would fill it. Such a block is one
 * word, 0, and is not written. A punch goes by the mapping, which costs no round trip if the file
 * is on a FUSE mount.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/log.h"
#include "store/foreign.h"
#include "store/store.h"
#include "sys/sys.h"

struct zcs_foreign {
	int fd;
	uint64_t pages;
	char *map;
	struct zcs_folio *folio;
};

struct zcs_folio *zcs_foreign_folio(const struct zcs_foreign *foreign, uint64_t pfn)
{
	return &foreign->folio[pfn];
}

uint64_t zcs_foreign_pfn(const struct zcs_foreign *foreign, const struct zcs_folio *folio)
{
	return (uint64_t)(folio - foreign->folio);
}

char *zcs_foreign_addr(const struct zcs_foreign *foreign, uint64_t pfn)
{
	return foreign->map + pfn * ZCS_PAGE_SIZE;
}

bool zcs_foreign_is_hole(const struct zcs_foreign *foreign, const struct zcs_block *blk)
{
	return zcs_sys_is_hole(foreign->fd, zcs_e_ppn(blk->entry) * ZCS_PAGE_SIZE,
			       zcs_block_pages(blk) * ZCS_PAGE_SIZE);
}

static size_t folio_bytes(const struct zcs_foreign *f)
{
	return (size_t)f->pages * sizeof(*f->folio);
}

static int map_foreign(struct zcs_foreign *f, int fd)
{
	size_t bytes = (size_t)f->pages * ZCS_PAGE_SIZE;
	void *folios;
	int err = zcs_sys_reserve(folio_bytes(f), &folios);

	if (err)
		return err;
	f->folio = folios;
	f->fd = zcs_sys_dup(fd);
	err = f->fd < 0 ? f->fd : zcs_sys_map(f->fd, 0, bytes, &f->map);
	return err ? err : zcs_sys_open_range(f->map, bytes);
}

int zcs_foreign_open(int fd, uint64_t bytes, struct zcs_foreign **foreign)
{
	struct zcs_foreign *f;
	int err;

	if (!bytes || bytes % (ZCS_UNIT_PAGES * ZCS_PAGE_SIZE) ||
	    bytes / ZCS_PAGE_SIZE > ZCS_POOL_PAGES_MAX)
		return -EINVAL;
	f = zcs_sys_calloc(ZCS_FAULT_ALLOC_STORE, 1, sizeof(*f));
	if (!f)
		return -ENOMEM;
	f->fd = -1;
	f->pages = bytes / ZCS_PAGE_SIZE;
	err = map_foreign(f, fd);
	if (err)
		zcs_foreign_close(f);
	else
		*foreign = f;
	return err;
}

void zcs_foreign_close(struct zcs_foreign *f)
{
	if (!f)
		return;
	if (f->map)
		zcs_sys_unmap(f->map, (size_t)f->pages * ZCS_PAGE_SIZE);
	if (f->folio)
		zcs_sys_unmap(f->folio, folio_bytes(f));
	zcs_sys_close(f->fd);
	free(f);
}

/* -- the owner of the pages, to the object */

static void give_pages_back(struct zcs_object *o, const struct zcs_block *blk)
{
	zcs_folio_set(zcs_object_folio(o, blk), zcs_meta(0, 0, 0, ZCS_FS_FREE, 0));
}

/* Punches a block. After an error the memory is not freed, but its bytes are not needed. */
static void punch(struct zcs_object *o, const struct zcs_block *blk)
{
	zcs_sys_remove(zcs_object_addr(o, blk), (size_t)ZCS_PAGE_SIZE << blk->order);
	give_pages_back(o, blk);
}

static int split_foreign(struct zcs_object *o, const struct zcs_block *blk)
{
	for (uint64_t i = 0; i < zcs_block_pages(blk); i++)
		zcs_folio_set(zcs_object_folio(o, blk) + i, zcs_meta(0, 0, 0, ZCS_FS_INSERTED, 0));
	return 0;
}

static void zero(struct zcs_object *o, const struct zcs_block *blk, uint64_t index, uint64_t end)
{
	memset(zcs_object_addr(o, blk) + (index - blk->index) * ZCS_PAGE_SIZE, 0,
	       (size_t)(end - index) * ZCS_PAGE_SIZE);
}

static const struct zcs_owner_ops owner = {
	.written = punch,
	.dropped = give_pages_back,
	.split = split_foreign,
	.zero = zero,
};

int zcs_foreign_create(struct zcs_store *store, struct zcs_foreign *foreign, uint64_t num_pages,
		       struct zcs_object **object)
{
	struct zcs_object *o;
	int err;

	if (!num_pages || num_pages > INT64_MAX / ZCS_PAGE_SIZE)
		return -EINVAL;
	if (!store->ops->block)
		return -EOPNOTSUPP;
	o = zcs_sys_calloc(ZCS_FAULT_ALLOC_BACKUP, 1, sizeof(*o));
	err = o ? zcs_object_init(o, store, num_pages) : -ENOMEM;
	if (err) {
		free(o);
		return err;
	}
	o->foreign = foreign;
	o->owner = &owner;
	err = zcs_table_reserve_all(&o->table);
	if (err)
		zcs_foreign_destroy(o);
	else
		*object = o;
	return err;
}

void zcs_foreign_destroy(struct zcs_object *o)
{
	zcs_foreign_drop(o, 0, o->num_pages);
	zcs_object_drain(o);
	zcs_object_fini(o);
	free(o);
}

/* -- insert */

static bool fits(uint64_t at, uint64_t nr, uint64_t all)
{
	return at % nr == 0 && nr <= all && at <= all - nr;
}

static bool foreign_block_ok(const struct zcs_object *o, const struct zcs_block *blk, uint64_t pfn)
{
	return blk->order <= ZCS_MAX_ORDER &&
	       fits(blk->index, zcs_block_pages(blk), o->num_pages) &&
	       fits(pfn, zcs_block_pages(blk), o->foreign->pages);
}

/* Block @i of a run, at its index; *@pfn: its place in the file. */
static struct zcs_block block_of_run(const struct zcs_run *run, uint32_t i, uint64_t *pfn)
{
	uint64_t step = (uint64_t)i << run->order;

	*pfn = run->pfn + step;
	return (struct zcs_block){ .index = run->index + step, .order = run->order };
}

static int insert_one(struct zcs_object *o, const struct zcs_run *run, uint32_t i)
{
	uint64_t pfn;
	struct zcs_block blk;
	struct zcs_folio *folio;

	if (run->order > ZCS_MAX_ORDER)
		return -EINVAL;
	blk = block_of_run(run, i, &pfn);
	if (!foreign_block_ok(o, &blk, pfn))
		return -EINVAL;
	if (!zcs_table_range_empty(&o->table, blk.index, blk.order))
		return -EEXIST;
	folio = zcs_foreign_folio(o->foreign, pfn);
	if (!zcs_folio_move(folio, ZCS_FS_FREE, ZCS_FS_BUSY))
		return -EBUSY;
	zcs_table_set(&o->table, blk.index, blk.order, zcs_e_page(pfn));
	o->resident_pages += zcs_block_pages(&blk);
	zcs_folio_set(folio, zcs_meta(0, 0, 0, ZCS_FS_INSERTED, blk.order));
	return 0;
}

int64_t zcs_foreign_insert(struct zcs_object *o, const struct zcs_run *run, size_t nr,
			   uint64_t used_ns)
{
	int64_t done = 0;
	int err = 0;

	zcs_object_lock(o);
	for (size_t r = 0; r < nr && !err; r++) {
		for (uint32_t i = 0; i < run[r].nr && !err; i++) {
			err = insert_one(o, &run[r], i);
			done += !err;
		}
	}
	if (done && used_ns > o->used_ns)
		o->used_ns = used_ns;
	zcs_object_unlock(o);
	return done ? done : err;
}

/* -- take */

/*
 * struct batch - blocks of a take, up to a full vector
 * @blk: as in the index
 * @pfn: the target of the bytes
 */
struct batch {
	struct zcs_object *o;
	size_t nr;
	struct zcs_block blk[ZCS_VEC];
	uint64_t pfn[ZCS_VEC];
	struct zcs_fetch fetch;
};

static int claim_foreign_pages(struct batch *b, const struct zcs_block *blk, uint64_t pfn)
{
	struct zcs_folio *folio = zcs_object_folio(b->o, blk);

	if (zcs_e_ppn(blk->entry) != pfn)
		return -EXDEV;
	zcs_object_recall(b->o, folio);
	return zcs_folio_move(folio, ZCS_FS_INSERTED, ZCS_FS_BUSY) ? 0 : -ENOENT;
}

static int fetch_foreign_block(struct batch *b, const struct zcs_block *blk, uint64_t pfn)
{
	struct zcs_folio *folio = zcs_foreign_folio(b->o->foreign, pfn);
	char *addr = zcs_foreign_addr(b->o->foreign, pfn);

	for (size_t i = 0; i < b->nr; i++)
		if (b->blk[i].index == blk->index)
			return -ENOENT;
	if (!zcs_folio_move(folio, ZCS_FS_FREE, ZCS_FS_BUSY))
		return -EBUSY;
	if (zcs_sys_populate(addr, (size_t)ZCS_PAGE_SIZE << blk->order)) {
		zcs_folio_set_state(folio, ZCS_FS_FREE);
		return -ENOMEM;
	}
	b->o->store->ops->block->fetch(&b->fetch, b->nr, blk, addr);
	return 0;
}

static int claim_foreign_block(struct batch *b, const struct zcs_run *run, uint32_t i)
{
	struct zcs_block want, *blk = &b->blk[b->nr];
	uint64_t pfn;
	int err;

	if (run->order > ZCS_MAX_ORDER)
		return -EINVAL;
	want = block_of_run(run, i, &pfn);
	if (!foreign_block_ok(b->o, &want, pfn))
		return -EINVAL;
	*blk = zcs_table_get(&b->o->table, want.index);
	if (blk->entry == ZCS_E_EMPTY || blk->index != want.index || blk->order != want.order)
		return -ENOENT;
	b->fetch.part[b->nr].err = 0;
	b->pfn[b->nr] = pfn;
	err = zcs_e_is_page(blk->entry) ? claim_foreign_pages(b, blk, pfn)
					: fetch_foreign_block(b, blk, pfn);
	b->nr += !err;
	return err;
}

static void hand_block_out(struct batch *b, size_t i)
{
	struct zcs_object *o = b->o;
	struct zcs_block *blk = &b->blk[i];
	struct zcs_folio *folio = zcs_foreign_folio(o->foreign, b->pfn[i]);

	/* the order of a block that was read is not in its descriptor yet */
	if (zcs_e_is_page(blk->entry)) {
		zcs_object_withdraw(o, folio, true);
		o->resident_pages -= zcs_block_pages(blk);
	} else {
		zcs_folio_set(folio, zcs_meta(0, 0, 0, ZCS_FS_BUSY, blk->order));
		o->store->ops->block->taken(o, blk, folio);
	}
	zcs_object_forget_copy(o, folio);
	zcs_table_clear(&o->table, blk->index, blk->order);
	zcs_folio_set(folio, zcs_meta(0, 0, 0, ZCS_FS_FREE, 0));
}

static void put_block_back(struct batch *b, size_t i)
{
	struct zcs_folio *folio = zcs_foreign_folio(b->o->foreign, b->pfn[i]);

	zcs_folio_set_state(folio, zcs_e_is_page(b->blk[i].entry) ? ZCS_FS_INSERTED : ZCS_FS_FREE);
}

/* Waits for the claimed blocks and hands out the first ones that came whole. *@err: why not all. */
static int64_t finish_batch(struct batch *b, int *err)
{
	size_t good = 0;

	b->o->store->ops->block->fetched(&b->fetch);
	while (good < b->nr && !b->fetch.part[good].err)
		good++;
	if (good < b->nr)
		*err = b->fetch.part[good].err;
	for (size_t i = 0; i < b->nr; i++) {
		if (i < good)
			hand_block_out(b, i);
		else
			put_block_back(b, i);
	}
	return (int64_t)good;
}

static void begin_batch(struct batch *b)
{
	b->nr = 0;
	/* as elsewhere: nothing is read ahead */
	b->o->store->ops->block->begin(&b->fetch, ZCS_VEC, 0, true);
}

int64_t zcs_foreign_take(struct zcs_object *o, const struct zcs_run *run, size_t nr)
{
	struct batch b;
	int64_t done = 0;
	int err = 0;

	b.o = o;
	zcs_fetch_init(&b.fetch, o);
	zcs_object_lock(o);
	begin_batch(&b);
	for (size_t r = 0; r < nr && !err; r++) {
		for (uint32_t i = 0; i < run[r].nr && !err; i++) {
			err = claim_foreign_block(&b, &run[r], i);
			if (b.nr < ZCS_VEC || err)
				continue;
			done += finish_batch(&b, &err);
			begin_batch(&b);
		}
	}
	done += finish_batch(&b, &err);
	zcs_object_unlock(o);
	zcs_fetch_fini(&b.fetch);
	return done ? done : err;
}

/* -- the rest */

int zcs_foreign_copy(struct zcs_object *o, uint64_t index, void *dst)
{
	int err;

	if (index >= o->num_pages)
		return -EINVAL;
	zcs_object_lock(o);
	err = zcs_object_copy(o, index, dst, false);
	zcs_object_unlock(o);
	return err;
}

void zcs_foreign_drop(struct zcs_object *o, uint64_t index, uint64_t nr)
{
	if (index >= o->num_pages)
		return;
	zcs_object_lock(o);
	zcs_object_drop(o, index, nr < o->num_pages - index ? nr : o->num_pages - index);
	zcs_object_unlock(o);
}

int64_t zcs_foreign_write(struct zcs_object *o, uint64_t first, uint64_t last, bool wait)
{
	int64_t n;

	if (first > last || first >= o->num_pages)
		return -EINVAL;
	zcs_object_lock(o);
	n = zcs_object_write(o, first, last < o->num_pages ? last : o->num_pages - 1, wait);
	zcs_object_unlock(o);
	return n;
}

void zcs_foreign_stats(struct zcs_object *o, struct zcs_foreign_stats *stats)
{
	zcs_object_lock(o);
	stats->resident_pages = o->resident_pages;
	stats->slot_pages = o->slot_pages;
	stats->same_pages = o->same_pages;
	zcs_object_unlock(o);
}

static bool entry_ok(struct zcs_object *o, const struct zcs_block *blk)
{
	uint32_t meta;

	if (!zcs_e_is_page(blk->entry))
		return zcs_e_is_stored(blk->entry);
	if (!foreign_block_ok(o, blk, zcs_e_ppn(blk->entry)))
		return false;
	meta = zcs_folio_meta(zcs_object_folio(o, blk));
	return ZCS_META_ORDER(meta) == blk->order &&
	       (ZCS_META_STATE(meta) == ZCS_FS_INSERTED || ZCS_META_STATE(meta) == ZCS_FS_WRITING);
}

int zcs_foreign_check(struct zcs_object *o)
{
	uint64_t resident = 0, stored = 0;
	int err = 0;

	zcs_object_lock(o);
	for (uint64_t i = 0; i < o->num_pages;) {
		struct zcs_block blk = zcs_table_get(&o->table, i);

		i = zcs_block_end(&blk);
		if (blk.entry == ZCS_E_EMPTY)
			continue;
		*(zcs_e_is_page(blk.entry) ? &resident : &stored) += zcs_block_pages(&blk);
		if (!entry_ok(o, &blk))
			err = -EUCLEAN;
	}
	if (resident != o->resident_pages || stored != o->slot_pages + o->same_pages)
		err = -EUCLEAN;
	zcs_object_unlock(o);
	if (err)
		zcs_warn("object %p over foreign memory: its index does not add up", (void *)o);
	return err;
}
