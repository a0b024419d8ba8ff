/* SPDX-License-Identifier: MIT */
/*
 * Memory for the pool: the limit, the arenas, and a new folio from the system.
 *
 * A folio is charged before its memory is taken and uncharged after it was given back, so that the
 * pool never holds more than max_bytes. Cached folios never cause a refusal. At the limit they are
 * given up, of whatever order, and a folio that another thread is giving up is waited for.
 *
 * Cost: a charge is one atomic addition below the limit.
 */
#include <errno.h>
#include <sched.h>
#include <string.h>

#include "pool_priv.h"
#include "sys/sys.h"

#define RESERVE_MOST 4u

bool zcs_pool_effort(const struct zcs_pool *pool, unsigned order)
{
	return !order || !pool->beneficial_order || order == pool->beneficial_order;
}

uint32_t zcs_pool_populate_flags(const struct zcs_pool *pool, unsigned order,
				 const struct zcs_request *req)
{
	return (zcs_pool_effort(pool, order) ? ZCS_POPULATE_EFFORT : 0) |
	       (req->asker != ZCS_ASKER_AHEAD ? ZCS_POPULATE_RESERVE : 0);
}

static bool try_charge(struct zcs_pool *pool, uint64_t nr)
{
	uint64_t now = atomic_load(&pool->shown.resident);

	do {
		if (pool->shown.max_pages &&
		    (nr > pool->shown.max_pages || now > pool->shown.max_pages - nr))
			return false;
	} while (!atomic_compare_exchange_weak(&pool->shown.resident, &now, now + nr));
	return true;
}

static bool is_leaving(struct zcs_pool *pool, const void *unused)
{
	(void)unused;
	return atomic_load(&pool->leaving);
}

/* Whether anything became free, or another thread has just given some back. */
static bool make_room_at_limit(struct zcs_pool *pool, uint64_t nr, const struct zcs_request *req,
			       bool effort)
{
	if (zcs_cache_shrink(pool, -1, nr))
		return true;
	if (is_leaving(pool, NULL)) {
		zcs_pool_wait(pool, is_leaving, NULL, 0);
		return true;
	}
	if (!effort || !pool->reclaim || !req->may_wait)
		return false;
	return pool->reclaim(pool->reclaim_arg, nr) > 0;
}

/*
 * The last try, with every shard locked, so that no folio moves between the lists and their users.
 * If nothing is cached and nothing is leaving, the pages are in use and the charge fails. -EAGAIN:
 * a folio came into a list unseen by make_room_at_limit().
 */
static int charge_or_refuse(struct zcs_pool *pool, uint64_t nr)
{
	bool more;
	int err = 0;

	for (unsigned i = 0; i < pool->nr_shards; i++)
		pthread_mutex_lock(&pool->shard[i].lock);
	/* read first: leaving pages are uncharged before they stop counting as leaving */
	more = atomic_load(&pool->leaving) || zcs_cache_pages(pool);
	if (!try_charge(pool, nr))
		err = more ? -EAGAIN : -ENOMEM;
	for (unsigned i = 0; i < pool->nr_shards; i++)
		pthread_mutex_unlock(&pool->shard[i].lock);
	return err;
}

static int charge_by_force(struct zcs_pool *pool, uint64_t nr)
{
	atomic_fetch_add(&pool->shown.resident, nr);
	atomic_fetch_add(&pool->overshot, 1);
	return 0;
}

static int charge_at_limit(struct zcs_pool *pool, uint64_t nr, const struct zcs_request *req,
			   bool effort)
{
	int err = nr > pool->shown.max_pages ? -ENOMEM : -EAGAIN;

	zcs_pool_count_event(pool, ZCS_COUNT_LIMIT_HIT, 1);
	while (err == -EAGAIN) {
		if (!make_room_at_limit(pool, nr, req, effort))
			err = charge_or_refuse(pool, nr);
		else if (try_charge(pool, nr))
			err = 0;
	}
	if (err && req->asker == ZCS_ASKER_TOUCH)
		return charge_by_force(pool, nr);
	if (err)
		zcs_pool_count_event(pool, ZCS_COUNT_LIMIT_REFUSED, 1);
	return err;
}

int zcs_pool_charge(struct zcs_pool *pool, uint64_t nr, const struct zcs_request *req, bool effort)
{
	int err = try_charge(pool, nr) ? 0 : -ENOMEM;

	if (err && req->asker != ZCS_ASKER_AHEAD)
		err = charge_at_limit(pool, nr, req, effort);
	if (pool->wake &&
	    atomic_load_explicit(&pool->shown.resident, memory_order_relaxed) > pool->wake_pages)
		pool->wake(pool->reclaim_arg);
	return err;
}

void zcs_pool_uncharge(struct zcs_pool *pool, uint64_t nr)
{
	atomic_fetch_sub(&pool->shown.resident, nr);
}

/* Pages to hold back, in units: a 64th of the pool's limit. */
static unsigned reserve_pages(const struct zcs_pool *pool)
{
	uint64_t part = pool->shown.max_pages / ZCS_UNIT_PAGES / 64;

	return !pool->shown.max_pages || part > RESERVE_MOST ? RESERVE_MOST : (unsigned)part;
}

static int make_arena(struct zcs_pool *pool, int node, enum zcs_arena_kind kind, unsigned slot,
		      struct zcs_arena **arena)
{
	int err = zcs_arena_create(kind, node, UINT64_C(1) << pool->shown.arena_shift, arena);

	if (err)
		return err;
	(*arena)->pool = pool;
	(*arena)->reserve.most = reserve_pages(pool);
	(*arena)->slot = slot;
	atomic_store_explicit(&pool->shown.arena[slot], *arena, memory_order_release);
	return 0;
}

int zcs_pool_arena(struct zcs_pool *pool, int node, enum zcs_arena_kind kind,
		   struct zcs_arena **arena)
{
	unsigned slot = pool->outside ? 0 : (unsigned)(node * ZCS_ARENA_KINDS) + kind;
	int err = 0;

	*arena = atomic_load_explicit(&pool->shown.arena[slot], memory_order_acquire);
	if (*arena)
		return 0;
	pthread_mutex_lock(&pool->grow);
	*arena = atomic_load_explicit(&pool->shown.arena[slot], memory_order_acquire);
	if (!*arena)
		err = make_arena(pool, node, kind, slot, arena);
	pthread_mutex_unlock(&pool->grow);
	return err;
}

static int folio_in_arena(struct zcs_pool *pool, struct zcs_arena *arena, unsigned order,
			  const struct zcs_request *req, struct zcs_folio **folio)
{
	uint64_t pfn;
	bool huge;
	int err = zcs_arena_get_run(arena, UINT64_C(1) << order, &pfn);

	if (err)
		return -ENOMEM;
	err = zcs_arena_populate(arena, pfn, order, zcs_pool_populate_flags(pool, order, req),
				 &huge);
	if (err) {
		zcs_arena_put_run(arena, pfn, UINT64_C(1) << order);
		return err;
	}
	if (arena->ops->huge && order == ZCS_UNIT_ORDER && !huge)
		zcs_pool_count_event(pool, ZCS_COUNT_THP_FALLBACK, 1);
	*folio = zcs_arena_folio(arena, pfn);
	zcs_folio_set(*folio, zcs_meta(0, arena->id, huge ? ZCS_FF_HUGE : 0, ZCS_FS_OWNED, order));
	zcs_pool_account(pool, arena->node, order, 1);
	return 0;
}

static int folio_on_node(struct zcs_pool *pool, int node, unsigned order,
			 const struct zcs_request *req, struct zcs_folio **folio)
{
	struct zcs_kinds kinds = zcs_kinds_for_folio(pool, order);
	int err = -ENOMEM;

	for (enum zcs_arena_kind kind = kinds.best; kind <= kinds.last; kind++) {
		struct zcs_arena *arena;

		err = zcs_pool_arena(pool, node, kind, &arena);
		if (!err)
			err = folio_in_arena(pool, arena, order, req, folio);
		if (!err)
			return 0;
		if (zcs_arena_kind_ops(kind)->from_reserve && kind < kinds.last)
			zcs_pool_count_event(pool, ZCS_COUNT_HUGETLB_FALLBACK, 1);
	}
	return err;
}

/* Allocates on any node. Only a single page is worth another node. */
static int folio_anywhere(struct zcs_pool *pool, int node, unsigned order,
			  const struct zcs_request *req, struct zcs_folio **folio)
{
	int err = folio_on_node(pool, node, order, req, folio);

	if (!err || order || pool->outside)
		return err;
	for (int n = 0; n < pool->nr_nodes && err; n++) {
		if (n == node || !zcs_sys_node_exists(n))
			continue;
		err = folio_on_node(pool, n, order, req, folio);
		if (!err)
			zcs_pool_count_event(pool, ZCS_COUNT_NODE_FALLBACK, 1);
	}
	return err;
}

int zcs_pool_new_folio(struct zcs_pool *pool, int node, unsigned order,
		       const struct zcs_request *req, struct zcs_folio **folio)
{
	uint64_t nr = UINT64_C(1) << order;
	int err = zcs_pool_charge(pool, nr, req, zcs_pool_effort(pool, order));

	if (err)
		return err;
	err = folio_anywhere(pool, node, order, req, folio);
	if (!err || req->asker != ZCS_ASKER_AHEAD)
		zcs_pool_count_event(pool, err ? ZCS_COUNT_SYSTEM_REFUSED : ZCS_COUNT_ALLOC_NEW, 1);
	if (err)
		zcs_pool_uncharge(pool, nr);
	return err;
}

void zcs_pool_punch(struct zcs_pool *pool, struct zcs_folio *folio)
{
	struct zcs_arena *arena = zcs_folio_arena(folio);
	uint64_t pfn = zcs_arena_pfn(arena, folio), nr = UINT64_C(1) << zcs_folio_ord(folio);

	zcs_pool_wait_landed(pool, folio);
	if (zcs_arena_punch(arena, pfn, nr)) {
		/* the next owner must not see this one's bytes */
		memset(zcs_arena_bytes(arena, pfn), 0, nr * ZCS_PAGE_SIZE);
		zcs_pool_count_event(pool, ZCS_COUNT_PUNCH_FAILED, 1);
	}
	if (zcs_folio_flag(folio, ZCS_FF_HUGE))
		atomic_fetch_sub(&arena->huge_pages, nr);
	zcs_pool_uncharge(pool, nr);
}

void zcs_pool_free_folio(struct zcs_pool *pool, struct zcs_folio *folio)
{
	struct zcs_arena *arena = zcs_folio_arena(folio);
	unsigned order = zcs_folio_ord(folio);

	zcs_pool_punch(pool, folio);
	/*
	 * the arena stays in the descriptor, so that a late put of the folio still finds its pool
	 */
	zcs_folio_set(folio, zcs_meta(0, arena->id, 0, ZCS_FS_FREE, order));
	zcs_arena_put_run(arena, zcs_arena_pfn(arena, folio), UINT64_C(1) << order);
}
