/* SPDX-License-Identifier: MIT */
/*-
 * Which pages of a home trap, and what becomes of bytes that a thread wrote where none did.
 *
 * The address of a buffer is valid for life, and the program's threads touch it at any time. A page
 * that is not populated must trap, so that a touch is seen before it has an effect. That can fail:
 * the system has no userfaultfd, or refuses to register a range (vm.max_map_count) or to zap it. A
 * touch then allocates a page in what the pool takes for a hole, or writes to a KEPT block, which
 * counts as zero. Five calls move a page of a home from one state to another:
 *
 *	            arm             map
 *	 FREE ───────────▶ TRAPS ─────────▶ MAPPED
 *	  ▲  │               ▲ ◀───────────────┤
 *	  │  │ arm fails     │      zap        │ zap fails
 *	  │  │               │ zap             │
 *	  │  └──────────▶ UNTRAPPED ◀──────────┘
 *	  │                  │  ▲
 *	  │  a thread writes │  │ wipe
 *	  │                  ▼  │
 *	  │               WRITTEN ─────────▶ MAPPED
 *	  │                         map
 *	  └─ disarm, from every state; it wipes first
 *
 *	call	by whom			when
 *	arm	the pool		a home is made
 *	map	the tt			its pages are resident: populate, restore, touch
 *	zap	the tt			its pages leave: backup, purge, unpopulate, failed populate
 *	wipe	the tt			content is given up: purge, unpopulate, a dropped backup
 *	disarm	the pool		a home ends
 *
 * Nobody sees a page go from UNTRAPPED to WRITTEN. A home therefore remembers for life that a page
 * of it was UNTRAPPED once, even if all of them trap again, and zcs_home_may_hold() answers for the
 * whole of it. The bytes are never lost, for as long as it answers yes:
 *
 *	populate	zeroes nothing, and punches nothing when it fails (ZCS_POPULATE_MAY_HOLD):
 *			the bytes are content of the tt
 *	undo		a populate that fails half-way keeps the pages it has
 *	release		memory that the home was made with is not given to the system
 *
 * They end in two ways only. Populated, they are the tt's. Wiped, they are gone, because the owner
 * gave up the content of that range. No other owner of the addresses meets them.
 *
 * A hole traps while it is being populated, too. Were it mapped first, then a write in between
 * would be lost if populating fails.
 *
 * One thing cannot be mended. Where nothing ever traps (ZCS_HOME_NEVER), a write to a page whose
 * content is in a backup ends with the restore, which brings the older bytes back; a device asks
 * there that bos are pinned while they are used. It makes no bo of a home that could trap and does
 * not.
 *
 * Nothing is charged here, so that all of it lies below the pool; the callers count what fails. It
 * costs a compare where a home always trapped, as nearly all do, and a punch a block where not.
 */
#include <string.h>

#include <zcswap/pool.h>

#include "home_trap.h"
#include "sys/sys.h"

int zcs_home_arm(struct zcs_home *home)
{
	home->traps = home->arena->uffd < 0 ? ZCS_HOME_NEVER : ZCS_HOME_TRAPS;
	return zcs_home_zap(home, 0, home->nr);
}

int zcs_home_map(const struct zcs_home *home, uint64_t first, uint64_t nr, bool armed)
{
	return zcs_arena_map(home->arena, home->pfn + first, nr, armed);
}

int zcs_home_zap(struct zcs_home *home, uint64_t first, uint64_t nr)
{
	int err = zcs_arena_zap(home->arena, home->pfn + first, nr);

	if (err < 0 && home->traps == ZCS_HOME_TRAPS)
		home->traps = ZCS_HOME_UNTRAPPED;
	return err;
}

bool zcs_home_wipe(const struct zcs_home *home, struct zcs_folio *block, uint64_t first,
		   uint64_t nr)
{
	char *at = zcs_arena_bytes(home->arena, home->pfn + first);
	size_t bytes = nr * ZCS_PAGE_SIZE;

	if (zcs_folio_move(block, ZCS_FS_KEPT, ZCS_FS_BUSY)) {
		memset(at, 0, bytes);
		zcs_folio_set_state(block, ZCS_FS_KEPT);
		return true;
	}
	/* a hole is punched rather than zeroed: a look at it would allocate it */
	if (zcs_folio_state(block) != ZCS_FS_HOME ||
	    !zcs_arena_punch(home->arena, home->pfn + first, nr))
		return true;
	if (!zcs_sys_populate(at, bytes))
		memset(at, 0, bytes);
	return false;
}

int zcs_home_disarm(const struct zcs_home *home, uint64_t *unpunched)
{
	int err = zcs_arena_disarm(home->arena, home->pfn, home->nr);

	*unpunched = 0;
	for (uint64_t i = 0; zcs_home_may_hold(home) && i < home->nr;) {
		struct zcs_folio *block = zcs_arena_folio(home->arena, home->pfn + i);
		uint64_t nr = UINT64_C(1) << ZCS_META_ORDER(zcs_folio_meta(block));

		*unpunched += !zcs_home_wipe(home, block, i, nr);
		i += nr;
	}
	return err;
}
