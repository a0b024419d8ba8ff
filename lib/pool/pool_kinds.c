/* SPDX-License-Identifier: MIT */
/*
 * Which kinds of memory a pool tries, best first. This table is the only place above the arenas
 * that names a kind; what a kind can do the others ask its constants (arena_ops.h).
 *
 *	            a folio of order 9       a home of whole units     all smaller ones
 *	AUTO        hugetlb, THP, small      hugetlb, else THP         small
 *	HUGETLB     hugetlb                  hugetlb                   small
 *	THP         THP                      THP                       small
 *	SMALL       small                    small                     small
 *	a file      the file's               the file's                the file's
 *
 * THP takes small pages where huge ones are refused. A folio smaller than its arena's page size is
 * never placed there: an outside file of huge pages has no small ones at all.
 *
 * A folio's kind is found by trying. A home's is fixed when the home is made, before it has any
 * memory: pool_home.c looks then whether the reserve can fill it.
 */
#include "pool_priv.h"

static const struct zcs_kinds folio_kinds[] = {
	[ZCS_BACKING_AUTO] = { ZCS_ARENA_HUGETLB, ZCS_ARENA_SMALL },
	[ZCS_BACKING_HUGETLB] = { ZCS_ARENA_HUGETLB, ZCS_ARENA_HUGETLB },
	[ZCS_BACKING_THP] = { ZCS_ARENA_THP, ZCS_ARENA_THP },
	[ZCS_BACKING_SMALL] = { ZCS_ARENA_SMALL, ZCS_ARENA_SMALL },
};

static const struct zcs_kinds home_kinds[] = {
	[ZCS_BACKING_AUTO] = { ZCS_ARENA_HUGETLB, ZCS_ARENA_THP },
	[ZCS_BACKING_HUGETLB] = { ZCS_ARENA_HUGETLB, ZCS_ARENA_HUGETLB },
	[ZCS_BACKING_THP] = { ZCS_ARENA_THP, ZCS_ARENA_THP },
	[ZCS_BACKING_SMALL] = { ZCS_ARENA_SMALL, ZCS_ARENA_SMALL },
};

static struct zcs_kinds choose(const struct zcs_pool *pool, const struct zcs_kinds *table,
			       bool whole_units)
{
	if (pool->outside) {
		enum zcs_arena_kind kind = zcs_pool_ppn_arena(pool, 0)->kind;

		return (struct zcs_kinds){ kind, kind };
	}
	if (!whole_units)
		return (struct zcs_kinds){ ZCS_ARENA_SMALL, ZCS_ARENA_SMALL };
	return table[pool->backing];
}

struct zcs_kinds zcs_kinds_for_folio(const struct zcs_pool *pool, unsigned order)
{
	return choose(pool, folio_kinds, order == ZCS_UNIT_ORDER);
}

struct zcs_kinds zcs_kinds_for_home(const struct zcs_pool *pool, uint64_t nr)
{
	return choose(pool, home_kinds, nr % ZCS_UNIT_PAGES == 0);
}

enum zcs_arena_kind zcs_kind_for_file(enum zcs_backing backing, bool huge_pages)
{
	if (huge_pages)
		return ZCS_ARENA_HUGETLB;
	return backing == ZCS_BACKING_SMALL ? ZCS_ARENA_SMALL : ZCS_ARENA_THP;
}
