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
 * @arena, @pfn, @nr: the run. Its blocks are those of zcs_block_order(); each is a folio with
 *	ZCS_FF_HOMED
 * @kept: some blocks may be KEPT; the pool's
 * @traps: home_trap.c; never returns to TRAPS
 *
 * Indexes below are pages of the home. The caller holds the lock of the tt, or no other thread
 * knows the home.
 */
struct zcs_home {
	struct zcs_arena *arena;
	uint64_t pfn, nr;
	bool kept;
	enum zcs_home_traps traps;
};

/*
 * Begins a home: its pages trap, if possible. Return: 0; -errno: some pages do not trap, and the
 * home is usable nevertheless.
 */
int zcs_home_arm(struct zcs_home *home);
/* Maps resident pages into the user map. Return: as the kind's map(). */
int zcs_home_map(const struct zcs_home *home, uint64_t first, uint64_t nr, bool armed);
/*
 * Takes pages out of the user map, so that they trap, resident or not. Return: as the kind's zap().
 */
int zcs_home_zap(struct zcs_home *home, uint64_t first, uint64_t nr);
/*
 * Discards bytes that a thread may have written to a HOME or KEPT block, or to a part of it. Blocks
 * in another state are left alone. Return: false: the block could not be punched, and was zeroed.
 */
bool zcs_home_wipe(const struct zcs_home *home, struct zcs_folio *block, uint64_t first,
		   uint64_t nr);
/*
 * Ends a home: no page of it is mapped, and its holes hold no bytes. @unpunched: blocks that were
 * zeroed instead. Return: 0; -errno: some pages may still be mapped.
 */
int zcs_home_disarm(const struct zcs_home *home, uint64_t *unpunched);

/* Whether holes and KEPT blocks may hold bytes that the library has not seen. */
static inline bool zcs_home_may_hold(const struct zcs_home *home)
{
	return home->traps != ZCS_HOME_TRAPS;
}

#endif
