/* SPDX-License-Identifier: MIT */
/*
 * The lists of free folios: a stack of page numbers for each shard, node and order.
 *
 * Stacks of numbers and not linked descriptors, because a home takes a particular folio out of the
 * middle, and a descriptor has no room for two links. It keeps its position instead, and the last
 * entry fills the gap. All stacks lie in one reservation that is sized when the pool is made, so a
 * put allocates nothing. A thread pops from its own shard first and then from the others, on its
 * own node only. Order and node match exactly, as in TTM.
 *
 * The shrinker goes round the orders. It takes the oldest entries of a type, half a stack away from
 * those that the fast path pops next.
 *
 * Cost: 4 bytes an entry. A pop is one uncontended lock.
 */
#include <errno.h>
#include <sched.h>

#include "pool_priv.h"
#include "sys/sys.h"

static struct zcs_stack *stack_of(struct zcs_shard *s, int node, unsigned order)
{
	return &s->stack[zcs_type(node, order)];
}

/* With the shard locked. */
static void add_cached(struct zcs_pool *pool, struct zcs_shard *s, int64_t pages)
{
	zcs_bump(&s->cached_pages, (uint64_t)pages);
	s->drift += pages;
	if (s->drift < ZCS_DRIFT && s->drift > -ZCS_DRIFT)
		return;
	atomic_fetch_add_explicit(&pool->cached_estimate, s->drift, memory_order_relaxed);
	s->drift = 0;
}

static uint64_t get_cached(const struct zcs_shard *s)
{
	return atomic_load_explicit(&s->cached_pages, memory_order_relaxed);
}

bool zcs_cache_push(struct zcs_pool *pool, struct zcs_folio *folio, bool was_out)
{
	const struct zcs_arena *arena = zcs_folio_arena(folio);
	uint32_t meta = zcs_folio_meta(folio);
	unsigned order = ZCS_META_ORDER(meta), flags = ZCS_META_FLAGS(meta) & ZCS_FF_HUGE;
	struct zcs_shard *s = zcs_pool_shard(pool);
	struct zcs_stack *st = stack_of(s, arena->node, order);
	bool room;

	pthread_mutex_lock(&s->lock);
	room = !pool->zombie && st->nr < pool->stack_room[order];
	if (room) {
		folio->aux = st->nr;
		st->entry[st->nr++] = (uint32_t)zcs_pool_ppn(pool, folio);
		add_cached(pool, s, INT64_C(1) << order);
		if (was_out)
			zcs_bump(&s->out[zcs_type(arena->node, order)], -1);
		zcs_folio_set(folio, zcs_meta((unsigned)(s - pool->shard), arena->id, flags,
					      ZCS_FS_CACHED, order));
	}
	pthread_mutex_unlock(&s->lock);
	return room;
}

/* With the shard locked: entry @at leaves the stack, the last one fills the gap. */
static struct zcs_folio *unstack(struct zcs_pool *pool, struct zcs_shard *s, struct zcs_stack *st,
				 uint32_t at)
{
	struct zcs_folio *folio = zcs_pool_folio(pool, st->entry[at]);
	uint32_t last = st->entry[--st->nr];

	if (at != st->nr) {
		st->entry[at] = last;
		zcs_pool_folio(pool, last)->aux = at;
	}
	add_cached(pool, s, -(INT64_C(1) << zcs_folio_ord(folio)));
	return folio;
}

static struct zcs_folio *pop_shard(struct zcs_pool *pool, struct zcs_shard *s, int node,
				   unsigned order)
{
	struct zcs_stack *st = stack_of(s, node, order);
	struct zcs_folio *folio = NULL;

	pthread_mutex_lock(&s->lock);
	if (st->nr) {
		folio = unstack(pool, s, st, st->nr - 1);
		zcs_folio_set_state(folio, ZCS_FS_OWNED);
		zcs_bump(&s->out[zcs_type(node, order)], 1);
		zcs_bump(&s->counters[ZCS_COUNT_ALLOC_HIT], 1);
	}
	pthread_mutex_unlock(&s->lock);
	return folio;
}

struct zcs_folio *zcs_cache_pop(struct zcs_pool *pool, int node, unsigned order)
{
	struct zcs_shard *own = zcs_pool_shard(pool);
	struct zcs_folio *folio = pop_shard(pool, own, node, order);

	for (unsigned i = 0; !folio && i < pool->nr_shards; i++)
		if (&pool->shard[i] != own && get_cached(&pool->shard[i]))
			folio = pop_shard(pool, &pool->shard[i], node, order);
	return folio;
}

bool zcs_cache_remove(struct zcs_pool *pool, struct zcs_folio *folio)
{
	uint32_t meta = zcs_folio_meta(folio);
	struct zcs_shard *s = &pool->shard[ZCS_META_SHARD(meta)];
	bool mine;

	if (ZCS_META_STATE(meta) != ZCS_FS_CACHED)
		return false;
	pthread_mutex_lock(&s->lock);
	mine = zcs_folio_meta(folio) == meta;
	if (mine) {
		unstack(pool, s, stack_of(s, zcs_folio_arena(folio)->node, ZCS_META_ORDER(meta)),
			folio->aux);
		zcs_folio_set_state(folio, ZCS_FS_BUSY);
	}
	pthread_mutex_unlock(&s->lock);
	return mine;
}

uint64_t zcs_cache_pages(struct zcs_pool *pool)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < pool->nr_shards; i++)
		sum += get_cached(&pool->shard[i]);
	return sum;
}

/* Sums the shards only if the estimate cannot exclude that the limit is passed. */
uint64_t zcs_cache_excess(struct zcs_pool *pool, uint64_t nr)
{
	int64_t estimate = atomic_load_explicit(&pool->cached_estimate, memory_order_relaxed);
	int64_t most = estimate + (int64_t)nr + (int64_t)pool->nr_shards * ZCS_DRIFT;

	if (most <= (int64_t)pool->cache_pages)
		return 0;
	nr += zcs_cache_pages(pool);
	return nr > pool->cache_pages ? nr - pool->cache_pages : 0;
}

/* Takes the oldest folio of a type; it is counted as leaving before it leaves the stack. */
static struct zcs_folio *pop_oldest(struct zcs_pool *pool, struct zcs_shard *s, int node,
				    unsigned order)
{
	struct zcs_stack *st = stack_of(s, node, order);
	struct zcs_folio *folio = NULL;

	pthread_mutex_lock(&s->lock);
	if (st->nr) {
		atomic_fetch_add(&pool->leaving, UINT64_C(1) << order);
		folio = unstack(pool, s, st, 0);
		zcs_folio_set_state(folio, ZCS_FS_BUSY);
	}
	pthread_mutex_unlock(&s->lock);
	return folio;
}

/* Up to @nr pages (at least one folio) of one shard's type. */
static uint64_t shrink_stack(struct zcs_pool *pool, struct zcs_shard *s, int node, unsigned order,
			     uint64_t nr)
{
	uint64_t freed = 0, pages = UINT64_C(1) << order;

	while (freed < nr) {
		struct zcs_folio *folio = pop_oldest(pool, s, node, order);

		if (!folio)
			break;
		zcs_pool_free_folio(pool, folio);
		atomic_fetch_sub(&pool->leaving, pages);
		zcs_pool_tell(pool);
		freed += pages;
	}
	return freed;
}

static uint64_t shrink_type(struct zcs_pool *pool, int node, unsigned order, uint64_t nr)
{
	int first = node < 0 ? 0 : node, last = node < 0 ? pool->nr_nodes - 1 : node;
	uint64_t freed = 0;

	for (int n = first; n <= last; n++)
		for (unsigned i = 0; i < pool->nr_shards && freed < nr; i++)
			freed += shrink_stack(pool, &pool->shard[i], n, order, nr - freed);
	return freed;
}

uint64_t zcs_cache_shrink(struct zcs_pool *pool, int node, uint64_t nr)
{
	uint64_t freed = 0;

	for (unsigned empty = 0; freed < nr && empty < ZCS_ORDERS;) {
		unsigned order = atomic_fetch_add(&pool->next_order, 1) % ZCS_ORDERS;
		uint64_t now = shrink_type(pool, node, order, nr - freed);

		empty = now ? 0 : empty + 1;
		freed += now;
	}
	if (freed)
		zcs_pool_count_event(pool, ZCS_COUNT_SHRUNK, freed);
	return freed;
}

static bool shrink_node_ok(const struct zcs_pool *pool, int node)
{
	return node >= -1 && node < pool->nr_nodes;
}

int64_t zcs_pool_shrink(struct zcs_pool *pool, int node, uint64_t nr_pages)
{
	int64_t freed;

	if (!pool || !shrink_node_ok(pool, node))
		return -EINVAL;
	if (zcs_pool_inherited(pool))
		return -ECHILD;
	pthread_rwlock_rdlock(&pool->shrinkers);
	freed = (int64_t)zcs_cache_shrink(pool, node, nr_pages);
	pthread_rwlock_unlock(&pool->shrinkers);
	return freed;
}

int64_t zcs_pool_count(struct zcs_pool *pool, int node)
{
	uint64_t pages = 0;

	if (!pool || !shrink_node_ok(pool, node))
		return -EINVAL;
	if (zcs_pool_inherited(pool))
		return -ECHILD;
	for (unsigned i = 0; i < pool->nr_shards; i++) {
		struct zcs_shard *s = &pool->shard[i];

		pthread_mutex_lock(&s->lock);
		for (int n = node < 0 ? 0 : node; n <= (node < 0 ? pool->nr_nodes - 1 : node); n++)
			for (unsigned o = 0; o < ZCS_ORDERS; o++)
				pages += (uint64_t)stack_of(s, n, o)->nr << o;
		pthread_mutex_unlock(&s->lock);
	}
	return (int64_t)pages;
}
