/* SPDX-License-Identifier: MIT */
#ifndef TT_INSIDE_H
#define TT_INSIDE_H

#include "tt_test.h"

/*
 * Functions that need the library's own objects: for tests that link with them. tt_order() is the
 * order of the block that covers a slot, tt_start() its first index.
 */
#include "tt/tt.h"

static inline unsigned tt_order(const struct zcs_tt *tt, uint64_t index)
{
	return zcs_table_get(&tt->table, index).order;
}

static inline uint64_t tt_start(const struct zcs_tt *tt, uint64_t index)
{
	return zcs_table_get(&tt->table, index).index;
}

/* The folio of a block that is a page, or that the backup holds. */
static inline struct zcs_folio *tt_folio(struct zcs_tt *tt, uint64_t index)
{
	struct zcs_block blk = zcs_table_get(&tt->table, index);

	if (blk.entry == ZCS_E_HANDLE)
		blk = zcs_backup_block(tt->backup, index);
	assert_true(zcs_e_is_page(blk.entry));
	return zcs_pool_folio(tt->pool, zcs_e_ppn(blk.entry));
}

/* Whether the backup holds the pages of @seed from @first on. */
static inline bool tt_backup_is(struct zcs_tt *tt, uint64_t seed, uint64_t first, uint64_t nr)
{
	static unsigned char page[ZCS_PAGE_SIZE] __attribute__((aligned(8)));

	for (uint64_t i = first; i < first + nr; i++) {
		zcs_assert_ok(
			zcs_backup_copy_page(tt->backup, page, zcs_handle_from_index(i), false));
		if (!zcs_test_page_is(page, seed, i))
			return false;
	}
	return true;
}

#endif
