/* SPDX-License-Identifier: MIT */
/*
 * The statistics of a pool: a struct, and text in the manner of TTM's debugfs page_pool file. The
 * text is made from the struct alone. Counters live in the shards and are summed here, one by one
 * while other threads work.
 */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "common/deliver.h"
#include "common/text.h"
#include "pool_priv.h"
#include "sys/sys.h"

static const char *const counter_names[ZCS_COUNT_NR] = {
	[ZCS_COUNT_ALLOC_HIT] = "alloc_hit",
	[ZCS_COUNT_ALLOC_NEW] = "alloc_new",
	[ZCS_COUNT_SPLIT] = "split",
	[ZCS_COUNT_SHRUNK] = "shrunk",
	[ZCS_COUNT_RUN_REUSED] = "run_reused",
	[ZCS_COUNT_HUGETLB_FALLBACK] = "hugetlb_fallback",
	[ZCS_COUNT_THP_FALLBACK] = "thp_fallback",
	[ZCS_COUNT_ORDER_FALLBACK] = "order_fallback",
	[ZCS_COUNT_NODE_FALLBACK] = "node_fallback",
	[ZCS_COUNT_LIMIT_HIT] = "limit_hit",
	[ZCS_COUNT_LIMIT_REFUSED] = "limit_refused",
	[ZCS_COUNT_SYSTEM_REFUSED] = "system_refused",
	[ZCS_COUNT_INSERT_REFUSED] = "insert_refused",
	[ZCS_COUNT_INSERT_SPLIT] = "insert_split",
	[ZCS_COUNT_INSERT_REPLACED] = "insert_replaced",
	[ZCS_COUNT_TAKE_MOVED] = "take_moved",
	[ZCS_COUNT_DROP_ZEROED] = "drop_zeroed",
	[ZCS_COUNT_ZAP_FAILED] = "zap_failed",
	[ZCS_COUNT_MAP_FAILED] = "map_failed",
	[ZCS_COUNT_PUNCH_FAILED] = "punch_failed",
	[ZCS_COUNT_BAD_PUT] = "bad_put",
	[ZCS_COUNT_BAD_TAKE] = "bad_take",
	[ZCS_COUNT_BAD_DROP] = "bad_drop",
};

const char *zcs_counter_name(enum zcs_counter counter)
{
	return (unsigned)counter < ZCS_COUNT_NR ? counter_names[counter] : NULL;
}

static void sum_shard(struct zcs_pool *pool, struct zcs_shard *s, struct zcs_pool_stats *st)
{
	pthread_mutex_lock(&s->lock);
	for (int n = 0; n < pool->nr_nodes; n++) {
		int to = n < ZCS_STATS_NODES ? n : ZCS_STATS_NODES - 1;

		for (unsigned o = 0; o < ZCS_ORDERS; o++) {
			uint64_t in = (uint64_t)s->inserted[zcs_type(n, o)];

			st->cached[to][o] += s->stack[zcs_type(n, o)].nr;
			st->inserted[to][o] += in;
			st->active[to][o] += (uint64_t)s->out[zcs_type(n, o)] - in;
		}
	}
	for (size_t c = 0; c < ZCS_COUNT_NR; c++)
		st->counters[c] += s->counters[c];
	pthread_mutex_unlock(&s->lock);
}

uint64_t zcs_pool_hugetlb_pages(const struct zcs_pool *pool)
{
	uint64_t pages = 0;

	for (size_t i = 0; i < ZCS_MAX_SLOTS; i++) {
		struct zcs_arena *arena =
			atomic_load_explicit(&pool->shown.arena[i], memory_order_acquire);

		if (arena && arena->ops->from_reserve)
			pages += atomic_load(&arena->huge_pages);
	}
	return pages;
}

uint64_t zcs_pool_overshot(const struct zcs_pool *pool)
{
	return atomic_load(&pool->overshot);
}

static uint64_t count_pages(uint64_t folios[ZCS_STATS_NODES][ZCS_ORDERS])
{
	uint64_t pages = 0;

	for (size_t n = 0; n < ZCS_STATS_NODES; n++)
		for (unsigned o = 0; o < ZCS_ORDERS; o++)
			pages += folios[n][o] << o;
	return pages;
}

static void sum_arenas(struct zcs_pool *pool, struct zcs_pool_stats *st)
{
	for (size_t i = 0; i < ZCS_MAX_SLOTS; i++) {
		struct zcs_arena *a = atomic_load(&pool->shown.arena[i]);

		if (!a)
			continue;
		st->metadata_bytes += zcs_arena_metadata(a);
		st->arena_bytes += a->bytes;
		st->huge_bytes += a->huge_pages * ZCS_PAGE_SIZE;
		if (a->ops->from_reserve)
			st->hugetlb_bytes += a->huge_pages * ZCS_PAGE_SIZE;
	}
}

static void fill_pool_stats(struct zcs_pool *pool, struct zcs_pool_stats *st)
{
	memset(st, 0, sizeof(*st));
	st->struct_size = sizeof(*st);
	st->max_pages = pool->shown.max_pages;
	st->cache_limit_pages = pool->cache_pages;
	st->resident_pages = pool->shown.resident;
	st->kept_pages = pool->shown.kept;
	st->home_pages = pool->home;
	st->nr_nodes = (uint32_t)pool->nr_nodes;
	st->metadata_bytes = sizeof(*pool) + pool->nr_shards * sizeof(*pool->shard);
	for (unsigned i = 0; i < pool->nr_shards; i++)
		sum_shard(pool, &pool->shard[i], st);
	st->cached_pages = count_pages(st->cached);
	st->inserted_pages = count_pages(st->inserted);
	st->active_pages = count_pages(st->active);
	for (size_t n = 0; n < ZCS_STATS_NODES; n++)
		for (unsigned o = 0; o < ZCS_ORDERS; o++)
			st->metadata_bytes += st->cached[n][o] * sizeof(uint32_t);
	sum_arenas(pool, st);
}

int zcs_pool_stats(struct zcs_pool *pool, struct zcs_pool_stats *stats)
{
	struct zcs_pool_stats st;

	if (!pool || !zcs_can_deliver(stats))
		return -EINVAL;
	if (zcs_pool_inherited(pool))
		return -ECHILD;
	fill_pool_stats(pool, &st);
	zcs_deliver(stats, &st, sizeof(st));
	return 0;
}

static void dump_header(struct zcs_text *t)
{
	zcs_text_add(t, "\t ");
	for (unsigned o = 0; o < ZCS_ORDERS; o++)
		zcs_text_add(t, " ---%2u---", o);
	zcs_text_add(t, "\n");
}

static void dump_row(struct zcs_text *t, const char *label, const uint64_t *folios)
{
	zcs_text_add(t, "%s\t:", label);
	for (unsigned o = 0; o < ZCS_ORDERS; o++)
		zcs_text_add(t, " %8" PRIu64, folios[o]);
	zcs_text_add(t, "\n");
}

static void dump_node(struct zcs_text *t, const struct zcs_pool_stats *st, size_t node)
{
	uint64_t used = 0;

	for (unsigned o = 0; o < ZCS_ORDERS; o++)
		used += st->cached[node][o] << o;
	dump_row(t, "cached", st->cached[node]);
	dump_row(t, "active", st->active[node]);
	dump_row(t, "inserted", st->inserted[node]);
	zcs_text_add(t, "\ntotal node%zu\t: %8" PRIu64 " of %8" PRIu64 "\n", node, used,
		     st->cache_limit_pages);
}

static void dump_totals(struct zcs_text *t, const struct zcs_pool_stats *st)
{
	zcs_text_add(t, "resident\t: %8" PRIu64 " of %8" PRIu64 "\n", st->resident_pages,
		     st->max_pages);
	zcs_text_add(t,
		     "active\t: %8" PRIu64 "\ninserted\t: %8" PRIu64 "\ncached\t: %8" PRIu64 "\n",
		     st->active_pages, st->inserted_pages, st->cached_pages);
	zcs_text_add(t, "kept\t: %8" PRIu64 "\nhome\t: %8" PRIu64 "\n", st->kept_pages,
		     st->home_pages);
	zcs_text_add(t, "huge MiB\t: %8" PRIu64 "\nhugetlb MiB\t: %8" PRIu64 "\n",
		     st->huge_bytes >> 20, st->hugetlb_bytes >> 20);
	zcs_text_add(t, "arena GiB\t: %8" PRIu64 "\nmetadata KiB\t: %8" PRIu64 "\n",
		     st->arena_bytes >> 30, st->metadata_bytes >> 10);
	for (size_t c = 0; c < ZCS_COUNT_NR; c++)
		zcs_text_add(t, "%s\t: %8" PRIu64 "\n", counter_names[c], st->counters[c]);
}

int64_t zcs_pool_dump(struct zcs_pool *pool, char *buf, size_t size)
{
	struct zcs_text t = { .buf = buf, .size = size };
	struct zcs_pool_stats st;

	if (!pool || (!buf && size))
		return -EINVAL;
	if (zcs_pool_inherited(pool))
		return -ECHILD;
	fill_pool_stats(pool, &st);
	dump_header(&t);
	for (size_t n = 0; n < st.nr_nodes && n < ZCS_STATS_NODES; n++)
		dump_node(&t, &st, n);
	dump_totals(&t, &st);
	return (int64_t)t.len;
}
