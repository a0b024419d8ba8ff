/* SPDX-License-Identifier: MIT */
/*-
 * Homes: runs of pages that contiguous tts hold for life.
 *
 * A home's kind is fixed when it is made: huge pages if the length is a multiple of 2 MiB
 * (pool_kinds.c), small pages otherwise. Its blocks are folios with ZCS_FF_HOMED that are never in
 * a list. A block is HOME while it is a hole, and TT or INSERTED while it holds memory:
 *
 *	            populate                insert
 *	 HOME ────────────────────▶ TT ◀───────────▶ INSERTED
 *	  ▲ ◀─────────────────────── │      take       │
 *	  │       depopulate         ▲                 │ written back, or dropped
 *	  │ ◀────────────────────────│─────────────────┘
 *	  │ release                  │ populate
 *	  └───────────── KEPT ───────┘
 *
 * Runs that still hold memory are preferred: a run of cached folios is looked for first, at most
 * SCAN_STEPS places from where a home ended last. Such blocks are KEPT until they are populated.
 * They stay charged, and a device releases them where it would give up cached folios. Only complete
 * runs are reused: looking for partly resident ones costs more than the pages they save.
 *
 * A touch of a hole that does not trap allocates pages that the pool has not charged.
 * home_trap.c says what becomes of those; here populating keeps the bytes that were written.
 */
#include <errno.h>
#include <string.h>

#include "pool_priv.h"
#include "sys/sys.h"

#define SCAN_STEPS 1024u

/* Counts holes of homes, which will be populated one day, from the reserve if the kind has one. */
static void note_holes(struct zcs_pool *pool, enum zcs_arena_kind kind, uint64_t nr)
{
	if (zcs_arena_kind_ops(kind)->from_reserve)
		atomic_fetch_add(&pool->reserve_holes, nr);
}

static void forget_holes(struct zcs_pool *pool, enum zcs_arena_kind kind, uint64_t nr)
{
	if (zcs_arena_kind_ops(kind)->from_reserve)
		atomic_fetch_sub(&pool->reserve_holes, nr);
}

static uint64_t cached_from_reserve(struct zcs_pool *pool, int node)
{
	uint64_t cached = 0;

	for (unsigned i = 0; i < pool->nr_shards; i++) {
		const struct zcs_stack *st = &pool->shard[i].stack[zcs_type(node, ZCS_MAX_ORDER)];

		pthread_mutex_lock(&pool->shard[i].lock);
		for (uint32_t e = 0; e < st->nr; e++)
			cached += zcs_pool_ppn_arena(pool, st->entry[e])->ops->from_reserve;
		pthread_mutex_unlock(&pool->shard[i].lock);
	}
	return cached * ZCS_UNIT_PAGES;
}

/* Pages that arenas hold back for restores. */
static uint64_t held_back(const struct zcs_pool *pool)
{
	uint64_t pages = 0;

	for (size_t i = 0; i < ZCS_MAX_SLOTS; i++) {
		struct zcs_arena *arena =
			atomic_load_explicit(&pool->shown.arena[i], memory_order_acquire);

		if (arena)
			pages += (uint64_t)zcs_reserve_held(&arena->reserve) * ZCS_UNIT_PAGES;
	}
	return pages;
}

/*
 * Whether the reserve can fill every hole, those of a new home counted already: all at once, or as
 * many as the limit lets be resident at a time. Where the reserve is too small, a touch waits
 * endlessly although the machine has other memory.
 */
static bool reserve_has_room(struct zcs_pool *pool, int node)
{
	/* first: a hole that is populated meanwhile counts twice rather than not at all */
	uint64_t holes = atomic_load(&pool->reserve_holes), resident, to_take;

	resident = zcs_pool_hugetlb_pages(pool);
	to_take = held_back(pool) + zcs_sys_hugetlb_free() * ZCS_UNIT_PAGES;
	if (pool->shown.max_pages && pool->shown.max_pages <= to_take + resident)
		return true;
	return holes <= to_take + cached_from_reserve(pool, node);
}

/*
 * Chooses a home's kind. Notes the home's holes before it looks for room: of two homes that are
 * made at the same time, one sees the other.
 */
static enum zcs_arena_kind home_kind(struct zcs_pool *pool, int node, uint64_t nr)
{
	struct zcs_kinds kinds = zcs_kinds_for_home(pool, nr);

	note_holes(pool, kinds.best, nr);
	if (kinds.best == kinds.last || reserve_has_room(pool, node))
		return kinds.best;
	forget_holes(pool, kinds.best, nr);
	zcs_pool_count_event(pool, ZCS_COUNT_HUGETLB_FALLBACK, 1);
	return kinds.last;
}

/*
 * Whether [pfn, pfn + nr) consists of whole cached folios, as far as can be seen without their
 * locks.
 */
static bool run_is_cached(const struct zcs_arena *arena, uint64_t pfn, uint64_t nr)
{
	uint64_t end = pfn + nr;

	while (pfn < end) {
		uint32_t meta = zcs_folio_meta(zcs_arena_folio(arena, pfn));

		if (ZCS_META_STATE(meta) != ZCS_FS_CACHED)
			return false;
		pfn += UINT64_C(1) << ZCS_META_ORDER(meta);
	}
	return pfn == end;
}

/* Claims every folio of the run (BUSY), or none. */
static bool claim_run(struct zcs_pool *pool, const struct zcs_arena *arena, uint64_t pfn,
		      uint64_t nr)
{
	uint64_t at = pfn;

	while (at < pfn + nr && zcs_cache_remove(pool, zcs_arena_folio(arena, at)))
		at += UINT64_C(1) << zcs_folio_ord(zcs_arena_folio(arena, at));
	if (at == pfn + nr)
		return true;
	while (pfn < at) {
		struct zcs_folio *folio = zcs_arena_folio(arena, pfn);

		pfn += UINT64_C(1) << zcs_folio_ord(folio);
		if (!zcs_cache_push(pool, folio, false))
			zcs_pool_free_folio(pool, folio);
	}
	return false;
}

static bool find_cached_run(struct zcs_pool *pool, struct zcs_arena *arena, uint64_t nr,
			    uint64_t *pfn)
{
	uint64_t step = zcs_runs_align(nr), top, at;

	if (zcs_cache_pages(pool) < nr)
		return false;
	pthread_mutex_lock(&arena->lock);
	top = arena->runs.top * ZCS_UNIT_PAGES;
	pthread_mutex_unlock(&arena->lock);
	at = arena->scan_from & ~(step - 1);
	for (unsigned steps = 0; steps < SCAN_STEPS; steps++, at += step) {
		if (at + nr > top)
			at = 0;
		if (at + nr > top)
			return false;
		if (run_is_cached(arena, at, nr) && claim_run(pool, arena, at, nr)) {
			arena->scan_from = at + nr;
			*pfn = at;
			return true;
		}
	}
	arena->scan_from = at;
	return false;
}

/*
 * Cuts a claimed run into the home's blocks. Memory stays huge where a block is the former folio.
 */
static void form_blocks(struct zcs_home *home, enum zcs_folio_state state)
{
	struct zcs_arena *arena = home->arena;

	for (uint64_t i = 0; i < home->nr;) {
		unsigned order = zcs_block_order(i, home->nr, ZCS_MAX_ORDER);
		struct zcs_folio *folio = zcs_arena_folio(arena, home->pfn + i);
		uint32_t meta = zcs_folio_meta(folio);
		unsigned huge = state == ZCS_FS_KEPT ? ZCS_META_FLAGS(meta) & ZCS_FF_HUGE : 0;

		zcs_folio_set(folio, zcs_meta(0, arena->id, ZCS_FF_HOMED | huge, state, order));
		i += UINT64_C(1) << order;
	}
}

static int take_run(struct zcs_pool *pool, struct zcs_home *home, enum zcs_arena_kind kind)
{
	if (!find_cached_run(pool, home->arena, home->nr, &home->pfn))
		return zcs_arena_get_run(home->arena, home->nr, &home->pfn);
	home->kept = true;
	forget_holes(pool, kind, home->nr);
	atomic_fetch_add(&pool->shown.kept, home->nr);
	zcs_pool_count_event(pool, ZCS_COUNT_RUN_REUSED, 1);
	return 0;
}

/*
 * Whether a home fits into any arena. A file of huge pages has no small pages, nor descriptors of
 * any.
 */
static bool fits_somewhere(const struct zcs_pool *pool, uint64_t nr)
{
	if (nr > ZCS_POOL_PAGES_MAX)
		return false;
	return nr % ZCS_UNIT_PAGES == 0 ||
	       !zcs_arena_kind_ops(zcs_kinds_for_home(pool, nr).best)->page_order;
}

int zcs_home_create(struct zcs_pool *pool, uint64_t nr, struct zcs_home *home)
{
	int node = zcs_pool_local_node(pool), err;
	enum zcs_arena_kind kind;

	if (!fits_somewhere(pool, nr))
		return -ENOMEM;
	home->nr = nr;
	home->kept = false;
	kind = home_kind(pool, node, nr);
	err = zcs_pool_arena(pool, node, kind, &home->arena);
	if (!err)
		err = take_run(pool, home, kind);
	if (err) {
		forget_holes(pool, kind, nr);
		return err;
	}
	form_blocks(home, home->kept ? ZCS_FS_KEPT : ZCS_FS_HOME);
	atomic_fetch_add(&pool->home, nr);
	/* near vm.max_map_count its pages may not trap */
	if (zcs_home_arm(home))
		zcs_pool_count_event(pool, ZCS_COUNT_ZAP_FAILED, 1);
	return 0;
}

static int fill_block(struct zcs_pool *pool, const struct zcs_home *home, struct zcs_folio *folio,
		      const struct zcs_request *req)
{
	struct zcs_arena *arena = home->arena;
	unsigned order = zcs_folio_ord(folio);
	uint32_t flags = zcs_pool_populate_flags(pool, order, req) |
			 (zcs_home_may_hold(home) ? ZCS_POPULATE_MAY_HOLD : 0);
	bool ahead = req->asker == ZCS_ASKER_AHEAD, huge;
	int err = zcs_pool_charge(pool, UINT64_C(1) << order, req, flags & ZCS_POPULATE_EFFORT);

	if (err)
		return err;
	/*
	 * pages that the system is short of may lie in the pool's own lists, above all hugetlb
	 * pages
	 */
	do
		err = zcs_arena_populate(arena, zcs_arena_pfn(arena, folio), order, flags, &huge);
	while (err && !ahead && zcs_cache_shrink(pool, arena->node, UINT64_C(1) << order));
	if (!err || !ahead)
		zcs_pool_count_event(pool, err ? ZCS_COUNT_SYSTEM_REFUSED : ZCS_COUNT_ALLOC_NEW, 1);
	if (err) {
		zcs_pool_uncharge(pool, UINT64_C(1) << order);
		return err;
	}
	if (arena->ops->huge && order == ZCS_UNIT_ORDER && !huge)
		zcs_pool_count_event(pool, ZCS_COUNT_THP_FALLBACK, 1);
	forget_holes(pool, arena->kind, UINT64_C(1) << order);
	zcs_folio_set(folio, zcs_meta(0, arena->id, ZCS_FF_HOMED | (huge ? ZCS_FF_HUGE : 0),
				      ZCS_FS_TT, order));
	return 0;
}

int zcs_home_populate(struct zcs_pool *pool, const struct zcs_home *home, struct zcs_folio *folio,
		      const struct zcs_request *req)
{
	int err = zcs_fault(ZCS_FAULT_FOLIO_ALLOC);

	if (err)
		return -err;
	if (zcs_folio_move(folio, ZCS_FS_KEPT, ZCS_FS_TT))
		atomic_fetch_sub(&pool->shown.kept, UINT64_C(1) << zcs_folio_ord(folio));
	else
		err = fill_block(pool, home, folio, req);
	if (!err)
		zcs_pool_account(pool, zcs_folio_arena(folio)->node, zcs_folio_ord(folio), 1);
	return err;
}

uint64_t zcs_home_release(struct zcs_pool *pool, struct zcs_folio *folio)
{
	struct zcs_arena *arena = zcs_folio_arena(folio);
	unsigned order = zcs_folio_ord(folio);
	uint64_t nr = UINT64_C(1) << order;

	if (zcs_folio_state(folio) != ZCS_FS_KEPT)
		return 0;
	/* a thread at the limit just now waits for this page */
	atomic_fetch_add(&pool->leaving, nr);
	atomic_fetch_sub(&pool->shown.kept, nr);
	note_holes(pool, arena->kind, nr);
	zcs_pool_punch(pool, folio);
	zcs_folio_set(folio, zcs_meta(0, arena->id, ZCS_FF_HOMED, ZCS_FS_HOME, order));
	atomic_fetch_sub(&pool->leaving, nr);
	zcs_pool_tell(pool);
	return nr;
}

void zcs_home_depopulate(struct zcs_pool *pool, struct zcs_folio *folio)
{
	struct zcs_arena *arena = zcs_folio_arena(folio);
	unsigned order = zcs_folio_ord(folio);

	note_holes(pool, arena->kind, UINT64_C(1) << order);
	zcs_pool_punch(pool, folio);
	zcs_folio_set(folio, zcs_meta(0, arena->id, ZCS_FF_HOMED, ZCS_FS_HOME, order));
	zcs_pool_account(pool, arena->node, order, -1);
	if (arena->ops->from_reserve)
		zcs_reserve_refill(&arena->reserve);
}

/* Takes a block out of its home: memory goes to the pool's lists, a hole to the run map. */
static void destroy_block(struct zcs_pool *pool, struct zcs_folio *folio)
{
	struct zcs_arena *arena = zcs_folio_arena(folio);
	uint32_t meta = zcs_folio_meta(folio);
	unsigned order = ZCS_META_ORDER(meta), huge = ZCS_META_FLAGS(meta) & ZCS_FF_HUGE;
	uint32_t busy = zcs_meta(0, arena->id, huge, ZCS_FS_BUSY, order);

	switch ((enum zcs_folio_state)ZCS_META_STATE(meta)) {
	case ZCS_FS_TT:
		zcs_folio_set(folio, busy);
		zcs_pool_give(folio);
		break;
	case ZCS_FS_KEPT:
		atomic_fetch_sub(&pool->shown.kept, UINT64_C(1) << order);
		zcs_folio_set(folio, busy);
		if (!zcs_cache_push(pool, folio, false))
			zcs_pool_free_folio(pool, folio);
		break;
	default:
		forget_holes(pool, arena->kind, UINT64_C(1) << order);
		zcs_folio_set(folio, zcs_meta(0, arena->id, 0, ZCS_FS_FREE, order));
		zcs_arena_put_run(arena, zcs_arena_pfn(arena, folio), UINT64_C(1) << order);
	}
}

/* Gives the reserves of all arenas back, for no page is left that could return. */
static void give_reserves(struct zcs_pool *pool)
{
	for (size_t i = 0; i < ZCS_MAX_SLOTS; i++) {
		struct zcs_arena *arena =
			atomic_load_explicit(&pool->shown.arena[i], memory_order_acquire);

		if (arena)
			zcs_reserve_give_all(&arena->reserve);
	}
}

void zcs_home_destroy(struct zcs_pool *pool, struct zcs_home *home)
{
	uint64_t unpunched;

	/* the next holder of these addresses must not see through old mappings */
	if (zcs_home_disarm(home, &unpunched))
		zcs_pool_count_event(pool, ZCS_COUNT_ZAP_FAILED, 1);
	if (unpunched)
		zcs_pool_count_event(pool, ZCS_COUNT_PUNCH_FAILED, unpunched);
	for (uint64_t i = 0; i < home->nr;) {
		struct zcs_folio *folio = zcs_arena_folio(home->arena, home->pfn + i);

		i += UINT64_C(1) << zcs_folio_ord(folio);
		destroy_block(pool, folio);
	}
	if (atomic_fetch_sub(&pool->home, home->nr) == home->nr)
		give_reserves(pool);
	home->arena->scan_from = home->pfn;
}
