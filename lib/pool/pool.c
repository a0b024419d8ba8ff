/* SPDX-License-Identifier: MIT */
/*
 * The pool: folios and their owners, and the ways in and out.
 *
 *	zcs_folio_alloc ──▶ shard's stack (pool_cache.c) ──miss──▶ limit, arena, memory (pool_mem.c)
 *	zcs_folio_put   ──▶ zero ──▶ shard's stack ──over the cache limit──▶ punched (pool_cache.c)
 *
 * The fast path is one uncontended lock: each CPU has its shard, and a hit writes only to that
 * shard. Pages are zeroed when they are put, as TTM does, so that a hit is a pop. Zeroing 2 MiB
 * costs about 100 us and is the price of a put.
 *
 * Life: the creator, tts and backups hold references. Folios hold none, for that would be a shared
 * counter on the fast path. After the last reference the pool is a zombie: it counts, with every
 * shard locked, the folios that are still out, and frees itself with the last of them.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/log.h"
#include "pool_priv.h"
#include "sys/sys.h"

#define SHARDS	    16u
#define STACK_PAGES (UINT64_C(1) << 24)

static bool params_node_ok(const struct zcs_pool_params *params, const char *call)
{
	int nodes = zcs_sys_nr_nodes();

	if (params->node < 0)
		return zcs_expect_in(call, params->node, >= -1);
	return zcs_expect_in(call, params->node, < nodes) &&
	       zcs_expect_in(call, zcs_sys_node_exists(params->node), == true);
}

/* @call: the public function, for messages */
static bool pool_params_ok(const struct zcs_pool_params *params, const char *call)
{
	if (!zcs_expect_in(call, params->struct_size, == sizeof(*params)) ||
	    !zcs_expect_in(call, params->flags, == 0) ||
	    !zcs_expect_in(call, params->backing, <= ZCS_BACKING_SMALL) ||
	    !zcs_expect_in(call, params->beneficial_order, <= ZCS_MAX_ORDER) ||
	    !params_node_ok(params, call))
		return false;
	if (params->max_bytes && !zcs_expect_in(call, params->max_bytes, >= ZCS_PAGE_SIZE))
		return false;
	for (size_t i = 0; i < sizeof(params->reserved) / sizeof(params->reserved[0]); i++)
		if (!zcs_expect_in(call, params->reserved[i], == 0))
			return false;
	return true;
}

static uint64_t cache_limit(const struct zcs_pool_params *p)
{
	uint64_t half = zcs_sys_ram_bytes() / 2 / (uint64_t)zcs_sys_nr_nodes();

	if (p->cache_bytes)
		return p->cache_bytes / ZCS_PAGE_SIZE;
	if (p->max_bytes && p->max_bytes / 2 < half)
		half = p->max_bytes / 2;
	return half / ZCS_PAGE_SIZE;
}

/*
 * Bits of a pfn in a page number, so that every node's arenas of every kind have numbers of their
 * own.
 */
static unsigned arena_shift(int nr_nodes)
{
	uint64_t each = ZCS_POOL_PAGES_MAX / (uint64_t)(nr_nodes * ZCS_ARENA_KINDS);

	return 63u - (unsigned)__builtin_clzll(each);
}

/* One reservation holds every stack of every shard: shard, then node, then order. */
static int reserve_stacks(struct zcs_pool *p)
{
	uint64_t pages = p->cache_pages < STACK_PAGES ? p->cache_pages : STACK_PAGES;
	size_t entries = 0;

	for (unsigned o = 0; o < ZCS_ORDERS; o++) {
		p->stack_room[o] = (uint32_t)(pages >> o) + 1;
		entries += p->stack_room[o];
	}
	p->stacks_bytes = entries * sizeof(uint32_t) * p->nr_shards * (size_t)p->nr_nodes;
	return zcs_sys_reserve(p->stacks_bytes, &p->stacks);
}

static int init_shard(struct zcs_pool *p, struct zcs_shard *s, uint32_t **room)
{
	size_t types = (size_t)p->nr_nodes * ZCS_ORDERS;
	size_t bytes = types * (sizeof(*s->stack) + sizeof(*s->out) + sizeof(*s->inserted));
	char *mem = zcs_sys_calloc_lines(ZCS_FAULT_ALLOC_POOL, bytes);

	if (!mem)
		return -ENOMEM;
	pthread_mutex_init(&s->lock, NULL);
	s->stack = (struct zcs_stack *)mem;
	s->out = (_Atomic int64_t *)(s->stack + types);
	s->inserted = s->out + types;
	for (size_t t = 0; t < types; t++) {
		s->stack[t].entry = *room;
		*room += p->stack_room[t % ZCS_ORDERS];
	}
	return 0;
}

static int init_shards(struct zcs_pool *p)
{
	uint32_t *room;
	int err;

	p->nr_shards = zcs_sys_nr_cpus() < SHARDS ? zcs_sys_nr_cpus() : SHARDS;
	err = reserve_stacks(p);
	if (err)
		return err;
	room = p->stacks;
	p->shard = zcs_sys_calloc_lines(ZCS_FAULT_ALLOC_POOL, p->nr_shards * sizeof(*p->shard));
	if (!p->shard)
		return -ENOMEM;
	for (unsigned i = 0; i < p->nr_shards && !err; i++)
		err = init_shard(p, &p->shard[i], &room);
	return err;
}

static void free_shards(struct zcs_pool *p)
{
	for (unsigned i = 0; p->shard && i < p->nr_shards; i++) {
		if (!p->shard[i].stack)
			continue;
		pthread_mutex_destroy(&p->shard[i].lock);
		free(p->shard[i].stack);
	}
	free(p->shard);
	zcs_sys_unmap(p->stacks, p->stacks_bytes);
}

static void free_pool(struct zcs_pool *p)
{
	zcs_pool_wait_all_landed(p);
	for (size_t i = 0; i < ZCS_MAX_SLOTS; i++)
		zcs_arena_destroy(p->shown.arena[i]);
	free_shards(p);
	pthread_mutex_destroy(&p->grow);
	pthread_mutex_destroy(&p->ahead_lock);
	zcs_pool_wait_fini(p);
	pthread_rwlock_destroy(&p->shrinkers);
	free(p);
}

static struct zcs_pool *new_pool(const struct zcs_pool_params *params)
{
	struct zcs_pool *p = zcs_sys_calloc(ZCS_FAULT_ALLOC_POOL, 1, sizeof(*p));

	if (!p)
		return NULL;
	p->shown.life = zcs_life_begin();
	p->refs = 1;
	p->nr_nodes = zcs_sys_nr_nodes();
	if (p->nr_nodes > ZCS_MAX_NODES)
		p->nr_nodes = ZCS_MAX_NODES;
	p->node = params->node;
	p->backing = params->backing;
	p->beneficial_order = params->beneficial_order;
	p->shown.max_pages = params->max_bytes / ZCS_PAGE_SIZE;
	p->cache_pages = cache_limit(params);
	p->shown.arena_shift = arena_shift(p->nr_nodes);
	pthread_mutex_init(&p->grow, NULL);
	pthread_mutex_init(&p->ahead_lock, NULL);
	zcs_pool_wait_init(p);
	LIST_INIT(&p->ahead_list);
	pthread_rwlock_init(&p->shrinkers, NULL);
	if (!init_shards(p))
		return p;
	free_pool(p);
	return NULL;
}

static const struct zcs_pool_params default_params = ZCS_POOL_PARAMS_INIT;

int zcs_pool_create(const struct zcs_pool_params *params, struct zcs_pool **pool)
{
	struct zcs_pool *p;

	if (!params)
		params = &default_params;
	if (!zcs_expect(pool, != NULL) || !pool_params_ok(params, __func__))
		return -EINVAL;
	p = new_pool(params);
	if (!p)
		return -ENOMEM;
	*pool = p;
	return 0;
}

#define FROM_FD "zcs_pool_create_from_fd"

/* The kind of an arena over a file whose page size is @page. */
static int outside_kind(enum zcs_backing backing, size_t page, enum zcs_arena_kind *kind)
{
	bool hugetlb = page != ZCS_PAGE_SIZE;

	if (backing != ZCS_BACKING_AUTO &&
	    !zcs_expect_in(FROM_FD, backing == ZCS_BACKING_HUGETLB, == hugetlb))
		return -EINVAL;
	*kind = zcs_kind_for_file(backing, hugetlb);
	return 0;
}

static int check_range(int fd, uint64_t offset, uint64_t bytes, size_t *page)
{
	const uint64_t unit = (uint64_t)ZCS_UNIT_PAGES * ZCS_PAGE_SIZE;
	uint64_t size;
	int err = zcs_sys_identify(fd, page, &size);

	if (err)
		return err;
	if (!zcs_expect_in(FROM_FD, bytes, != 0) || !zcs_expect_in(FROM_FD, offset % unit, == 0) ||
	    !zcs_expect_in(FROM_FD, bytes % unit, == 0) ||
	    !zcs_expect_in(FROM_FD, bytes, <= size) ||
	    !zcs_expect_in(FROM_FD, offset, <= size - bytes))
		return -EINVAL;
	return 0;
}

int zcs_pool_create_from_fd(const struct zcs_pool_params *params, int fd, uint64_t offset,
			    uint64_t bytes, struct zcs_pool **pool)
{
	enum zcs_arena_kind kind;
	struct zcs_arena *arena;
	struct zcs_pool *p;
	size_t page;
	int err;

	if (!params)
		params = &default_params;
	if (!zcs_expect(pool, != NULL) || !pool_params_ok(params, __func__))
		return -EINVAL;
	err = check_range(fd, offset, bytes, &page);
	if (!err)
		err = outside_kind(params->backing, page, &kind);
	if (err)
		return err;
	p = new_pool(params);
	if (!p)
		return -ENOMEM;
	/* all page numbers are the one arena's, however many nodes there are */
	p->shown.arena_shift = arena_shift(1);
	if (!zcs_expect(bytes / ZCS_PAGE_SIZE, <= UINT64_C(1) << p->shown.arena_shift))
		err = -EINVAL;
	else
		err = zcs_arena_adopt(fd, kind, p->node < 0 ? 0 : p->node, offset, bytes, &arena);
	if (err) {
		free_pool(p);
		return err;
	}
	arena->pool = p;
	p->outside = true;
	p->shown.arena[0] = arena;
	*pool = p;
	return 0;
}

void zcs_pool_get(struct zcs_pool *pool)
{
	atomic_fetch_add(&pool->refs, 1);
}

/*
 * Counts the folios that are out, with every shard locked, so that each later put was counted or
 * counts.
 */
static void become_zombie(struct zcs_pool *pool)
{
	size_t types = (size_t)pool->nr_nodes * ZCS_ORDERS;
	int64_t out = 1;

	for (unsigned i = 0; i < pool->nr_shards; i++)
		pthread_mutex_lock(&pool->shard[i].lock);
	for (unsigned i = 0; i < pool->nr_shards; i++)
		for (size_t t = 0; t < types; t++)
			out += pool->shard[i].out[t];
	pool->zombie_folios = out;
	pool->zombie = true;
	for (unsigned i = 0; i < pool->nr_shards; i++)
		pthread_mutex_unlock(&pool->shard[i].lock);
}

static void zombie_account(struct zcs_pool *pool, int64_t delta)
{
	if (atomic_fetch_add(&pool->zombie_folios, delta) + delta == 0)
		free_pool(pool);
}

void zcs_pool_unref(struct zcs_pool *pool)
{
	if (atomic_fetch_sub(&pool->refs, 1) != 1)
		return;
	become_zombie(pool);
	zcs_cache_shrink(pool, -1, UINT64_MAX);
	zombie_account(pool, -1);
}

void zcs_pool_destroy(struct zcs_pool *pool)
{
	if (!pool || zcs_pool_inherited(pool))
		return;
	/* a running shrinker holds the lock shared: wait until it has left the pool */
	pthread_rwlock_wrlock(&pool->shrinkers);
	pthread_rwlock_unlock(&pool->shrinkers);
	zcs_cache_shrink(pool, -1, UINT64_MAX);
	zcs_pool_unref(pool);
}

_Static_assert(offsetof(struct zcs_pool, shown) == 0, "zcs_pool_shown() relies on it");

void zcs_pool_set_hooks(struct zcs_pool *pool, zcs_pool_reclaim_fn *reclaim, zcs_pool_wake_fn *wake,
			uint64_t wake_pages, void *arg)
{
	pool->reclaim_arg = arg;
	pool->reclaim = reclaim;
	pool->wake_pages = wake_pages;
	pool->wake = wake;
}

struct zcs_shard *zcs_pool_shard(struct zcs_pool *pool)
{
	return &pool->shard[zcs_sys_cpu() % pool->nr_shards];
}

void zcs_pool_account(struct zcs_pool *pool, int node, unsigned order, int64_t delta)
{
	struct zcs_shard *s = zcs_pool_shard(pool);
	bool zombie;

	pthread_mutex_lock(&s->lock);
	zcs_bump(&s->out[zcs_type(node, order)], delta);
	zombie = pool->zombie;
	pthread_mutex_unlock(&s->lock);
	if (zombie)
		zombie_account(pool, delta);
}

void zcs_pool_account_inserted(struct zcs_pool *pool, int node, unsigned order, int64_t delta)
{
	_Atomic int64_t *p = &zcs_pool_shard(pool)->inserted[zcs_type(node, order)];

	atomic_fetch_add_explicit(p, delta, memory_order_relaxed);
}

void zcs_pool_count_event(struct zcs_pool *pool, enum zcs_counter counter, uint64_t nr)
{
	struct zcs_shard *s = zcs_pool_shard(pool);

	pthread_mutex_lock(&s->lock);
	zcs_bump(&s->counters[counter], nr);
	pthread_mutex_unlock(&s->lock);
}

int zcs_pool_local_node(const struct zcs_pool *pool)
{
	int node;

	if (pool->outside)
		return zcs_pool_ppn_arena(pool, 0)->node;
	if (pool->node >= 0)
		return pool->node;
	if (pool->nr_nodes == 1)
		return 0;
	node = zcs_sys_cpu_node();
	return node < pool->nr_nodes ? node : 0;
}

int zcs_pool_alloc(struct zcs_pool *pool, unsigned order, uint32_t flags,
		   const struct zcs_request *req, struct zcs_folio **folio)
{
	int node = zcs_pool_local_node(pool), err = zcs_fault(ZCS_FAULT_FOLIO_ALLOC);

	if (err)
		return -err;
	*folio = zcs_cache_pop(pool, node, order);
	if (*folio)
		return 0;
	if (flags & ZCS_ALLOC_NOWAIT)
		return -ENOMEM;
	return zcs_pool_new_folio(pool, node, order, req, folio);
}

int zcs_folio_alloc(struct zcs_pool *pool, unsigned order, uint32_t flags, struct zcs_folio **folio)
{
	struct zcs_retry retry;
	struct zcs_folio *f;
	int err;

	if (!pool || !folio || order > ZCS_MAX_ORDER || (flags & ~ZCS_ALLOC_NOWAIT))
		return -EINVAL;
	if (zcs_pool_inherited(pool))
		return -ECHILD;
	retry = zcs_retry_begin(pool, &zcs_request_normal);
	do
		err = zcs_pool_alloc(pool, order, flags, &zcs_request_normal, &f);
	while (!(flags & ZCS_ALLOC_NOWAIT) && zcs_retry(&retry, err));
	if (!err)
		*folio = f;
	return err;
}

void zcs_pool_discard(struct zcs_folio *folio)
{
	struct zcs_pool *pool = zcs_folio_pool(folio);
	int node = zcs_folio_arena(folio)->node;
	unsigned order = zcs_folio_ord(folio);

	zcs_pool_free_folio(pool, folio);
	zcs_pool_account(pool, node, order, -1);
}

/*
 * Room in the cache is made before the folio goes there: once it is no longer out, another
 * thread that drops the last reference may free the pool.
 */
void zcs_pool_give(struct zcs_folio *folio)
{
	struct zcs_pool *pool = zcs_folio_pool(folio);
	uint64_t nr = UINT64_C(1) << zcs_folio_ord(folio), excess = zcs_cache_excess(pool, nr);

	if (nr > pool->cache_pages) {
		zcs_pool_discard(folio);
		return;
	}
	if (excess)
		zcs_cache_shrink(pool, -1, excess);
	memset(zcs_folio_bytes(folio), 0, nr * ZCS_PAGE_SIZE);
	if (!zcs_cache_push(pool, folio, true))
		zcs_pool_discard(folio);
}

static void bad_put(struct zcs_folio *folio)
{
	struct zcs_arena *arena = zcs_folio_arena(folio);

	if (arena)
		zcs_pool_count_event(arena->pool, ZCS_COUNT_BAD_PUT, 1);
	zcs_misuse("zcs_folio_put: folio %p is not the caller's (put twice, or inserted); nothing "
		   "done",
		   (void *)folio);
}

void zcs_folio_put(struct zcs_folio *folio)
{
	if (!folio || zcs_folio_inherited(folio))
		return;
	if (zcs_folio_move(folio, ZCS_FS_OWNED, ZCS_FS_BUSY))
		zcs_pool_give(folio);
	else
		bad_put(folio);
}

/* The pieces are counted before they exist, so that a zombie pool cannot be freed in between. */
static void account_split(struct zcs_pool *pool, int node, unsigned order, bool inserted)
{
	int64_t nr = INT64_C(1) << order;

	zcs_pool_account(pool, node, 0, nr);
	zcs_pool_account(pool, node, order, -1);
	if (inserted) {
		zcs_pool_account_inserted(pool, node, 0, nr);
		zcs_pool_account_inserted(pool, node, order, -1);
	}
	zcs_pool_count_event(pool, ZCS_COUNT_SPLIT, 1);
}

int zcs_pool_split(struct zcs_folio *folio, enum zcs_folio_state state)
{
	struct zcs_arena *arena = zcs_folio_arena(folio);
	uint32_t meta = zcs_folio_meta(folio);
	unsigned order = ZCS_META_ORDER(meta), flags = ZCS_META_FLAGS(meta);
	uint64_t pfn = zcs_arena_pfn(arena, folio), nr = UINT64_C(1) << order;

	if (arena->ops->page_order)
		return -EOPNOTSUPP;
	if (zcs_fault(ZCS_FAULT_SPLIT))
		return -ENOMEM;
	if (flags & ZCS_FF_HUGE)
		atomic_fetch_sub(&arena->huge_pages, nr);
	account_split(arena->pool, arena->node, order, state == ZCS_FS_INSERTED);
	for (uint64_t i = nr; i-- > 0;)
		zcs_folio_set(zcs_arena_folio(arena, pfn + i),
			      zcs_meta(0, arena->id, flags & ~ZCS_FF_HUGE, state, 0));
	return 0;
}

int zcs_folio_split(struct zcs_folio *folio, struct zcs_folio **pieces)
{
	struct zcs_arena *arena;
	uint64_t pfn, nr;
	int err = 0;

	if (folio && zcs_folio_inherited(folio))
		return -ECHILD;
	if (!folio || !pieces || !zcs_folio_move(folio, ZCS_FS_OWNED, ZCS_FS_BUSY))
		return -EINVAL;
	arena = zcs_folio_arena(folio);
	pfn = zcs_arena_pfn(arena, folio);
	nr = UINT64_C(1) << zcs_folio_ord(folio);
	if (nr > 1)
		err = zcs_pool_split(folio, ZCS_FS_OWNED);
	if (err || nr == 1)
		zcs_folio_set_state(folio, ZCS_FS_OWNED);
	for (uint64_t i = 0; !err && i < nr; i++)
		pieces[i] = zcs_arena_folio(arena, pfn + i);
	return err;
}

void *zcs_folio_address(const struct zcs_folio *folio)
{
	if (!folio || zcs_folio_inherited(folio) || zcs_folio_state(folio) != ZCS_FS_OWNED)
		return NULL;
	return zcs_folio_bytes(folio);
}

/* The arena of a folio. NULL: no folio, or a folio of a parent process. */
static struct zcs_arena *arena_of(const struct zcs_folio *folio)
{
	return folio && !zcs_folio_inherited(folio) ? zcs_folio_arena(folio) : NULL;
}

uint64_t zcs_folio_pfn(const struct zcs_folio *folio)
{
	struct zcs_arena *arena = arena_of(folio);

	return arena ? arena->offset / ZCS_PAGE_SIZE + zcs_arena_pfn(arena, folio) : UINT64_MAX;
}

unsigned zcs_folio_order(const struct zcs_folio *folio)
{
	return folio && !zcs_folio_inherited(folio) ? zcs_folio_ord(folio) : 0;
}

int zcs_folio_node(const struct zcs_folio *folio)
{
	struct zcs_arena *arena = arena_of(folio);

	return arena ? arena->node : -1;
}
