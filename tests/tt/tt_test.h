/* SPDX-License-Identifier: MIT */
#ifndef TT_TEST_H
#define TT_TEST_H

#include "zcs_test.h"

/*
 * A tt with all that it needs. tt_case_init() leaves it populated and filled with tt_fill() of its
 * seed, with an empty backup in "mem:"; tt_case_bare() neither populates nor sets up the backup.
 */
struct tt_case {
	struct zcs_pool *pool;
	struct zcs_store *store;
	struct zcs_tt *tt;
	uint64_t nr, seed;
};

void tt_case_bare(struct tt_case *c, enum zcs_backing backing, uint64_t nr, uint32_t flags);
void tt_case_init(struct tt_case *c, enum zcs_backing backing, uint64_t nr, uint32_t flags);
/* The validators, and nothing is left when the tt is gone. */
void tt_case_fini(struct tt_case *c);
/* The validators of the tt and of the pool. */
void tt_case_ok(const struct tt_case *c);

/* Every backing that works here, the automatic choice too; scattered and contiguous. */
#define tt_for_each_backing(backing)                                                               \
	for (enum zcs_backing backing = ZCS_BACKING_AUTO; backing <= ZCS_BACKING_SMALL; backing++) \
		if (zcs_test_backing_works(backing))
#define tt_for_each_shape(backing, flags)                                                 \
	tt_for_each_backing(backing) for (uint32_t flags = 0; flags <= ZCS_TT_CONTIGUOUS; \
					  flags += ZCS_TT_CONTIGUOUS)
/* The backings whose blocks can be split. */
#define tt_for_each_splittable(backing, flags)                                                    \
	for (enum zcs_backing backing = ZCS_BACKING_THP; backing <= ZCS_BACKING_SMALL; backing++) \
		for (uint32_t flags = 0; flags <= ZCS_TT_CONTIGUOUS; flags += ZCS_TT_CONTIGUOUS)

/* Lengths around the borders of orders, blocks and index leaves. */
extern const uint64_t tt_sizes[];
extern const size_t tt_nr_sizes;
/* How many blocks of an order the allocator makes of so many pages when nothing is refused. */
uint64_t tt_blocks(uint64_t nr, unsigned order);

/* Content, through the linear map; of a contiguous tt the user map must say the same. */
void tt_fill(struct zcs_tt *tt, uint64_t seed);
bool tt_is(struct zcs_tt *tt, uint64_t seed, uint64_t first, uint64_t nr);
bool tt_is_zero(struct zcs_tt *tt, uint64_t first, uint64_t nr);
/* The whole of it, with the case's seed. */
bool tt_case_is(const struct tt_case *c);

enum tt_sort { TT_EMPTY, TT_PAGE, TT_HANDLE };

/* Slots of a sort. */
uint64_t tt_count(const struct zcs_tt *tt, enum tt_sort sort);
/* Whether all of [first, first + nr) are of it; a handle must be its index's. */
bool tt_all(const struct zcs_tt *tt, uint64_t first, uint64_t nr, enum tt_sort sort);
/* ZCS_TT_POPULATED, ZCS_TT_BACKED_UP, both or 0. */
uint32_t tt_state(const struct zcs_tt *tt);

/*
 * Physical pages behind the slots that are pages (0 for others), for tt_case's nr; free() is due.
 */
uint64_t *tt_frames(const struct tt_case *c);
/* Whether they are still, or again, the same; says where not. */
bool tt_frames_are(const struct tt_case *c, const uint64_t *frames);

/* Whether an address that is out can trap here at all. */
bool tt_has_userfaultfd(void);

/* Contexts. */
extern const struct zcs_ctx tt_interruptible, tt_no_wait, tt_mayfail;

#endif
