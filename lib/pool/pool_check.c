/* SPDX-License-Identifier: MIT */
/*
 * The pool's validator: walks every page below each arena's top and every stack, and compares the
 * sums.
 *
 *	each page is free in the run map or in exactly one folio; each folio is naturally aligned
 *	pages CACHED == entries of the stacks, each at its position
 *	pages OWNED + TT == active; pages INSERTED + WRITING == inserted; pages KEPT == kept
 *	pages with ZCS_FF_HOMED == home; of those HOME in arenas with a reserve == reserve_holes
 *	all of those but HOME == resident + lent, resident <= max; huge pages == their count
 */
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#include "common/log.h"
#include "pool_priv.h"

struct tally {
	uint64_t pages[ZCS_FS_BUSY + 1];
	uint64_t homed, huge, reserve_holes;
	int err;
};

#define expect(t, cond, ...)                      \
	do {                                      \
		if (!(cond))                      \
			breach((t), __VA_ARGS__); \
	} while (0)

__attribute__((format(printf, 2, 3))) static void breach(struct tally *t, const char *fmt, ...)
{
	char text[256];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	zcs_warn("zcs_pool_check: %s", text);
	t->err = -EUCLEAN;
}

/* From one descriptor to the next: none stand inside a page of the arena. */
static uint64_t page_step(const struct zcs_arena *a)
{
	return UINT64_C(1) << a->ops->page_order;
}

/* Counts the folio at @pfn; returns the pfn after it. */
static uint64_t walk_folio(const struct zcs_arena *a, uint64_t pfn, struct tally *t)
{
	uint32_t meta = zcs_folio_meta(zcs_arena_folio(a, pfn));
	uint64_t nr = UINT64_C(1) << ZCS_META_ORDER(meta);
	unsigned state = ZCS_META_STATE(meta), flags = ZCS_META_FLAGS(meta);

	if (state == ZCS_FS_FREE || state >= ZCS_FS_BUSY || nr > ZCS_UNIT_PAGES || pfn % nr ||
	    ZCS_META_ARENA(meta) != a->id) {
		breach(t, "arena %u pfn %" PRIu64 ": not free and no folio (descriptor %08x)",
		       a->id, pfn, meta);
		return pfn + page_step(a);
	}
	for (uint64_t i = 0; i < nr; i++)
		expect(t, !zcs_runs_is_free(&a->runs, pfn + i),
		       "arena %u pfn %" PRIu64 ": page of a folio is free address space", a->id,
		       pfn + i);
	t->pages[state] += nr;
	if (flags & ZCS_FF_HOMED)
		t->homed += nr;
	if (flags & ZCS_FF_HUGE)
		t->huge += nr;
	if (state == ZCS_FS_HOME && a->ops->from_reserve)
		t->reserve_holes += nr;
	expect(t, !(flags & ZCS_FF_HOMED) || state != ZCS_FS_CACHED,
	       "arena %u pfn %" PRIu64 ": block of a home in a list", a->id, pfn);
	return pfn + nr;
}

static uint64_t next_pfn(const struct zcs_arena *a, uint64_t pfn)
{
	if (!zcs_runs_is_free(&a->runs, pfn))
		return pfn;
	return pfn + page_step(a);
}

static void walk_arena(struct zcs_arena *a, struct tally *t)
{
	uint64_t huge = t->huge, end = a->runs.top * ZCS_UNIT_PAGES;

	expect(t, !zcs_runs_check(&a->runs), "arena %u: run map does not add up", a->id);
	for (uint64_t pfn = 0; pfn < end;) {
		uint64_t next = next_pfn(a, pfn);

		pfn = next > pfn ? next : walk_folio(a, pfn, t);
	}
	expect(t, t->huge - huge == a->huge_pages,
	       "arena %u: %" PRIu64 " huge pages, counted %" PRIu64, a->id, t->huge - huge,
	       (uint64_t)a->huge_pages);
}

static uint64_t walk_stack(struct zcs_pool *pool, unsigned shard, int node, unsigned order,
			   struct tally *t)
{
	const struct zcs_stack *st = &pool->shard[shard].stack[zcs_type(node, order)];

	for (uint32_t i = 0; i < st->nr; i++) {
		struct zcs_folio *folio = zcs_pool_folio(pool, st->entry[i]);
		uint32_t meta = zcs_folio_meta(folio);

		expect(t,
		       ZCS_META_STATE(meta) == ZCS_FS_CACHED && ZCS_META_SHARD(meta) == shard &&
			       ZCS_META_ORDER(meta) == order && folio->aux == i &&
			       zcs_folio_arena(folio)->node == node,
		       "shard %u node %d order %u entry %u: wrong folio (descriptor %08x)", shard,
		       node, order, i, meta);
	}
	return (uint64_t)st->nr << order;
}

static uint64_t walk_stacks(struct zcs_pool *pool, struct tally *t)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < pool->nr_shards; i++) {
		uint64_t pages = 0;

		for (int n = 0; n < pool->nr_nodes; n++)
			for (unsigned o = 0; o < ZCS_ORDERS; o++)
				pages += walk_stack(pool, i, n, o, t);
		expect(t, pages == pool->shard[i].cached_pages,
		       "shard %u: %" PRIu64 " pages in stacks, counted %" PRIu64, i, pages,
		       (uint64_t)pool->shard[i].cached_pages);
		sum += pages;
	}
	return sum;
}

static void compare_sum(struct tally *t, const char *what, uint64_t walked, uint64_t counted)
{
	expect(t, walked == counted, "%s: %" PRIu64 " pages walked, %" PRIu64 " counted", what,
	       walked, counted);
}

int zcs_pool_check(struct zcs_pool *pool)
{
	struct zcs_pool_stats st = { .struct_size = sizeof(st) };
	struct tally t = { .err = 0 };
	const uint64_t *p = t.pages;
	uint64_t stacked;

	if (!pool)
		return -EINVAL;
	if (zcs_pool_inherited(pool))
		return -ECHILD;
	for (size_t i = 0; i < ZCS_MAX_SLOTS; i++)
		if (pool->shown.arena[i])
			walk_arena(pool->shown.arena[i], &t);
	stacked = walk_stacks(pool, &t);
	zcs_pool_stats(pool, &st);
	compare_sum(&t, "cached", p[ZCS_FS_CACHED], stacked);
	compare_sum(&t, "active", p[ZCS_FS_OWNED] + p[ZCS_FS_TT], st.active_pages);
	compare_sum(&t, "inserted", p[ZCS_FS_INSERTED] + p[ZCS_FS_WRITING], st.inserted_pages);
	compare_sum(&t, "kept", p[ZCS_FS_KEPT], st.kept_pages);
	compare_sum(&t, "home", t.homed, st.home_pages);
	compare_sum(&t, "holes of homes with a reserve", t.reserve_holes, pool->reserve_holes);
	compare_sum(&t, "resident",
		    p[ZCS_FS_CACHED] + p[ZCS_FS_OWNED] + p[ZCS_FS_TT] + p[ZCS_FS_INSERTED] +
			    p[ZCS_FS_WRITING] + p[ZCS_FS_KEPT],
		    st.resident_pages + pool->shown.lent);
	expect(&t, !st.max_pages || pool->overshot || st.resident_pages <= st.max_pages,
	       "resident: %" PRIu64 " pages, limit %" PRIu64, st.resident_pages, st.max_pages);
	return t.err;
}
