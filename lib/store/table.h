/* SPDX-License-Identifier: MIT */
#ifndef ZCS_LIB_TABLE_H
#define ZCS_LIB_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "arena/runs.h"
#include "common/fault.h"

/*
 * DOC: tables
 *
 * A dense two-level array of 32-bit entries, for a tt's slots and a backup's index.
 *
 *	unit[u]  one entry for 512 indexes that are one block of order 9, or empty; or ZCS_E_LEAF:
 *	leaf[u]  512 entries (fewer for the last unit), one an index
 *
 * The first entry of a block has its content, the other entries are ZCS_E_TAIL | order. So the
 * block of any index is found in one step, and the order of any block from its second entry. A 2
 * MiB block costs one unit entry and one leaf pointer, 12 bytes; an index in a leaf costs 4.
 *
 * Only zcs_table_reserve() and zcs_table_reserve_all() allocate leaves; setting a block never does.
 * Not thread-safe.
 */
#define ZCS_E_EMPTY 0u
/* a page: 1 + page number of the pool */
#define ZCS_E_PAGE_LAST 0xc0000000u
/* the store holds the content: a token, which only the store understands, follows */
#define ZCS_E_STORED	  0xc0000001u
#define ZCS_E_STORED_LAST 0xff00ffffu
#define ZCS_E_TAIL	  0xffffff00u /* | order */
#define ZCS_E_HANDLE	  0xfffffff0u /* tt: the content is in the backup */
#define ZCS_E_LEAF	  0xfffffff1u

struct zcs_table {
	uint64_t nr, nr_units;
	uint32_t *unit;
	uint32_t **leaf;
	void *slab; /* all leaves in one, if they were reserved together */
	size_t slab_bytes;
	uint64_t own_leaves; /* leaves that are allocations of their own */
	enum zcs_fault_id point;
};

/* struct zcs_block - the block, or the hole, that covers an index */
struct zcs_block {
	uint64_t index; /* first index of the block, or of the hole that was asked for */
	unsigned order;
	uint32_t entry; /* ZCS_E_EMPTY: a hole of one index, or of a whole unit (order 9) */
};

static inline uint32_t zcs_e_page(uint64_t ppn)
{
	return (uint32_t)(ppn + 1);
}

static inline bool zcs_e_is_page(uint32_t e)
{
	return e && e <= ZCS_E_PAGE_LAST;
}

static inline uint64_t zcs_e_ppn(uint32_t e)
{
	return (uint64_t)e - 1;
}

static inline bool zcs_e_is_stored(uint32_t e)
{
	return e >= ZCS_E_STORED && e <= ZCS_E_STORED_LAST;
}

int zcs_table_init(struct zcs_table *t, uint64_t nr, enum zcs_fault_id point);
void zcs_table_fini(struct zcs_table *t);
/* Reserves all leaves in one mapping, which costs nothing until it is touched. */
int zcs_table_reserve_all(struct zcs_table *t);
/*
 * Reserves a leaf for the unit of @index, so that blocks under order 9 can be set there. Present
 * blocks stay. Context: allocates. Return: 0; -ENOMEM.
 */
int zcs_table_reserve(struct zcs_table *t, uint64_t index);
bool zcs_table_has_leaf(const struct zcs_table *t, uint64_t index);

struct zcs_block zcs_table_get(const struct zcs_table *t, uint64_t index);
/*
 * Sets a block in an empty range, whose unit has a leaf if order < 9. A block of order 9 folds the
 * unit: one entry stands for it again, and its leaf is unused.
 */
void zcs_table_set(struct zcs_table *t, uint64_t index, unsigned order, uint32_t entry);
/* Replaces the entry of a present block. */
void zcs_table_update(struct zcs_table *t, uint64_t index, uint32_t entry);
void zcs_table_clear(struct zcs_table *t, uint64_t index, unsigned order);
/* Whether 2^order indexes from @index on are empty; they lie in the table. */
bool zcs_table_range_empty(const struct zcs_table *t, uint64_t index, unsigned order);
/* Bytes that the table holds. */
size_t zcs_table_bytes(const struct zcs_table *t);

static inline uint64_t zcs_block_pages(const struct zcs_block *b)
{
	return UINT64_C(1) << b->order;
}

static inline uint64_t zcs_block_end(const struct zcs_block *b)
{
	return b->index + zcs_block_pages(b);
}

#endif
