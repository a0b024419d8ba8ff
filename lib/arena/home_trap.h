/* SPDX-License-Identifier: MIT */
#ifndef ZCS_LIB_HOME_TRAP_H
#define ZCS_LIB_HOME_TRAP_H

#include "arena.h"

/*
 * enum zcs_home_traps - whether touches of pages that are not populated were always seen
 * TRAPS: all of them. UNTRAPPED: not always, because the system refused something. NEVER: the arena
 * has no userfaultfd.
 */
enum zcs_home_traps { ZCS_HOME_TRAPS, ZCS_HOME_UNTRAPPED, ZCS_HOME_NEVER };

/*
 * struct zcs_home - a run of pages that a contiguous tt holds for life
 * @arena, @pfn, @nr: where. Its blocks are those that zcs_block_order() gives; each is a folio with
 *	ZCS_FF_HOMED
 * @kept: some blocks may be KEPT; the pool's
 * @traps: home_trap.c; it never goes back to TRAPS
 *
 * Indexes below are pages of the home. The caller holds the lock of the tt, or nobody else knows
 * the home.
 */
struct zcs_home {
	struct zcs_arena *arena;
	uint64_t pfn, nr;
	bool kept;
	enum zcs_home_traps traps;
};

/* The home begins: its pages trap, if that is possible. -errno: some do not, and it lives on. */
int zcs_home_arm(struct zcs_home *home);
/* Resident pages come into the user map; as the kind's map(). */
int zcs_home_map(const struct zcs_home *home, uint64_t first, uint64_t nr, bool armed);
/* Pages go out of the user map and trap, resident or not; as the kind's zap(). */
int zcs_home_zap(struct zcs_home *home, uint64_t first, uint64_t nr);
/*
 * Throws away what a thread may have written to a block, or a part of it, that is HOME or KEPT.
 * Others are left alone. False: it could not be punched, and was zeroed.
 */
bool zcs_home_wipe(const struct zcs_home *home, struct zcs_folio *block, uint64_t first,
		   uint64_t nr);
/*
 * The home ends: nothing of it is mapped, and no bytes are left in its holes. @unpunched: blocks
 * that were zeroed instead. -errno: some pages may still be mapped.
 */
int zcs_home_disarm(const struct zcs_home *home, uint64_t *unpunched);

/* Whether holes and KEPT blocks may hold bytes that the library knows nothing of. */
static inline bool zcs_home_may_hold(const struct zcs_home *home)
{
	return home->traps != ZCS_HOME_TRAPS;
}

#endif
