/* SPDX-License-Identifier: MIT */
/*
 * Tables of blocks, see table.h for the layout. A 2 MiB folio costs 4 bytes of unit entry and 8 of
 * leaf pointer; a small page costs 4 bytes of leaf entry. The same code serves the tt (page or
 * handle) and the store's objects (page or token), because both ask which block covers an index.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "sys/sys.h"
#include "table.h"

static uint64_t unit_of(uint64_t index)
{
	return index / ZCS_UNIT_PAGES;
}

/* Entries of a unit's leaf: the last unit may be short. */
static uint64_t leaf_entries(const struct zcs_table *t, uint64_t unit)
{
	uint64_t left = t->nr - unit * ZCS_UNIT_PAGES;

	return left < ZCS_UNIT_PAGES ? left : ZCS_UNIT_PAGES;
}

int zcs_table_init(struct zcs_table *t, uint64_t nr, enum zcs_fault_id point)
{
	*t = (struct zcs_table){ .nr = nr,
				 .nr_units = (nr + ZCS_UNIT_PAGES - 1) / ZCS_UNIT_PAGES,
				 .point = point };
	t->unit = zcs_sys_calloc(point, t->nr_units, sizeof(*t->unit));
	t->leaf = t->unit ? zcs_sys_calloc(point, t->nr_units, sizeof(*t->leaf)) : NULL;
	if (t->leaf)
		return 0;
	free(t->unit);
	return -ENOMEM;
}

static bool in_slab(const struct zcs_table *t, const uint32_t *leaf)
{
	uintptr_t at = (uintptr_t)leaf, slab = (uintptr_t)t->slab;

	return t->slab && at >= slab && at < slab + t->slab_bytes;
}

void zcs_table_fini(struct zcs_table *t)
{
	for (uint64_t u = 0; t->own_leaves && u < t->nr_units; u++)
		if (!in_slab(t, t->leaf[u]))
			free(t->leaf[u]);
	if (t->slab)
		zcs_sys_unmap(t->slab, t->slab_bytes);
	free(t->leaf);
	free(t->unit);
	memset(t, 0, sizeof(*t));
}

int zcs_table_reserve_all(struct zcs_table *t)
{
	int err;

	t->slab_bytes = (size_t)t->nr * sizeof(uint32_t);
	/* a mapping for each small backup would use up the process's maps */
	if (t->nr_units <= 16) {
		t->slab_bytes = 0;
		for (uint64_t i = 0; i < t->nr; i += ZCS_UNIT_PAGES)
			if (zcs_table_reserve(t, i))
				return -ENOMEM;
		return 0;
	}
	if (zcs_fault(t->point))
		return -ENOMEM;
	err = zcs_sys_reserve(t->slab_bytes, &t->slab);
	if (err)
		t->slab_bytes = 0;
	for (uint64_t u = 0; !err && u < t->nr_units; u++)
		t->leaf[u] = (uint32_t *)t->slab + u * ZCS_UNIT_PAGES;
	return err;
}

bool zcs_table_has_leaf(const struct zcs_table *t, uint64_t index)
{
	return t->leaf[unit_of(index)] != NULL;
}

static void fill(uint32_t *entries, unsigned order, uint32_t entry)
{
	entries[0] = entry;
	for (uint64_t i = 1; i < UINT64_C(1) << order; i++)
		entries[i] = ZCS_E_TAIL | order;
}

int zcs_table_reserve(struct zcs_table *t, uint64_t index)
{
	uint64_t u = unit_of(index);

	if (t->leaf[u])
		return 0;
	t->leaf[u] = zcs_sys_calloc(t->point, leaf_entries(t, u), sizeof(uint32_t));
	if (!t->leaf[u])
		return -ENOMEM;
	t->own_leaves++;
	return 0;
}

static struct zcs_block get_leaf(const struct zcs_table *t, uint64_t index)
{
	const uint32_t *leaf = t->leaf[unit_of(index)];
	uint64_t at = index % ZCS_UNIT_PAGES;
	unsigned order = 0;

	if ((leaf[at] & 0xfffffff0u) == ZCS_E_TAIL) {
		order = leaf[at] & 0xfu;
		at &= ~((UINT64_C(1) << order) - 1);
	} else if (at + 1 < leaf_entries(t, unit_of(index)) &&
		   (leaf[at + 1] & 0xfffffff0u) == ZCS_E_TAIL) {
		order = leaf[at + 1] & 0xfu;
	}
	return (struct zcs_block){ index - index % ZCS_UNIT_PAGES + at, order, leaf[at] };
}

struct zcs_block zcs_table_get(const struct zcs_table *t, uint64_t index)
{
	uint64_t u = unit_of(index), first = u * ZCS_UNIT_PAGES;

	if (t->unit[u] == ZCS_E_LEAF)
		return get_leaf(t, index);
	/* an empty unit at the end may be short: its indexes are holes one by one */
	if (t->unit[u] == ZCS_E_EMPTY && leaf_entries(t, u) < ZCS_UNIT_PAGES)
		return (struct zcs_block){ index, 0, ZCS_E_EMPTY };
	return (struct zcs_block){ first, ZCS_UNIT_ORDER, t->unit[u] };
}

void zcs_table_set(struct zcs_table *t, uint64_t index, unsigned order, uint32_t entry)
{
	uint64_t u = unit_of(index);

	/* the unit folds: its leaf, if it has one, holds nothing and is kept for later */
	if (order == ZCS_UNIT_ORDER) {
		t->unit[u] = entry;
		return;
	}
	t->unit[u] = ZCS_E_LEAF;
	fill(t->leaf[u] + index % ZCS_UNIT_PAGES, order, entry);
}

void zcs_table_update(struct zcs_table *t, uint64_t index, uint32_t entry)
{
	uint64_t u = unit_of(index);

	if (t->unit[u] == ZCS_E_LEAF)
		t->leaf[u][index % ZCS_UNIT_PAGES] = entry;
	else
		t->unit[u] = entry;
}

void zcs_table_clear(struct zcs_table *t, uint64_t index, unsigned order)
{
	uint64_t u = unit_of(index);

	if (order == ZCS_UNIT_ORDER && t->unit[u] != ZCS_E_LEAF) {
		t->unit[u] = ZCS_E_EMPTY;
		return;
	}
	if (t->unit[u] != ZCS_E_LEAF)
		return;
	memset(t->leaf[u] + index % ZCS_UNIT_PAGES, 0, sizeof(uint32_t) << order);
}

bool zcs_table_range_empty(const struct zcs_table *t, uint64_t index, unsigned order)
{
	uint64_t u = unit_of(index), at = index % ZCS_UNIT_PAGES;

	if (t->unit[u] != ZCS_E_LEAF)
		return t->unit[u] == ZCS_E_EMPTY;
	for (uint64_t i = at; i < at + (UINT64_C(1) << order); i++)
		if (t->leaf[u][i])
			return false;
	return true;
}

size_t zcs_table_bytes(const struct zcs_table *t)
{
	size_t bytes = (size_t)t->nr_units * (sizeof(*t->unit) + sizeof(*t->leaf));

	for (uint64_t u = 0; u < t->nr_units; u++)
		if (t->leaf[u] && (!in_slab(t, t->leaf[u]) || t->unit[u] == ZCS_E_LEAF))
			bytes += (size_t)leaf_entries(t, u) * sizeof(uint32_t);
	return bytes;
}
