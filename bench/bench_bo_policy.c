/* SPDX-License-Identifier: MIT */
/*
 * What FIFO and LRU would hit, by folios of 2 MiB, all of memory theirs. Which folio goes is found
 * by looking at all of them: there are a thousand.
 */
#include <stdlib.h>

#include "bench_bo.h"

#define FOLIOS (BO_BYTES / BENCH_UNIT)

void bo_policy_open(struct bench *b, struct bo_policy *p, const struct bo_work *work, bool lru)
{
	*p = (struct bo_policy){ .lru = lru, .nr = (uint32_t)(work->nr * FOLIOS) };
	p->room = (uint32_t)(work->memory / BENCH_UNIT);
	p->held = bench_calloc(b, p->nr, sizeof(*p->held));
}

static void evict_one(struct bo_policy *p)
{
	uint32_t oldest = 0;

	for (uint32_t i = 0; i < p->nr; i++)
		if (p->held[i] && (!p->held[oldest] || p->held[i] < p->held[oldest]))
			oldest = i;
	p->held[oldest] = 0;
	p->used--;
}

static bool is_hit(struct bo_policy *p, uint32_t folio)
{
	bool hit = p->held[folio] != 0;

	p->now++;
	if (!hit && p->used == p->room)
		evict_one(p);
	if (!hit)
		p->used++;
	if (!hit || p->lru)
		p->held[folio] = p->now;
	return hit;
}

double bo_policy_pass(struct bo_policy *p, const struct bo_set *set)
{
	uint64_t hits = 0;

	for (uint32_t i = 0; i < set->work.nr; i++)
		for (uint32_t k = 0; k < FOLIOS; k++)
			hits += is_hit(p, (uint32_t)(set->trace[i] * FOLIOS + k));
	return 100 * (double)hits / p->nr;
}

void bo_policy_close(struct bo_policy *p)
{
	free(p->held);
}
