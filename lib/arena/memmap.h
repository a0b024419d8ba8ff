/* SPDX-License-Identifier: MIT */
#ifndef ZCS_LIB_MEMMAP_H
#define ZCS_LIB_MEMMAP_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/*-
 * DOC: folio descriptors
 *
 * One descriptor of 8 bytes a folio, found by pfn, like the kernel's memmap:
 *
 *	pfn % 512 == 0	units[pfn / 512]	every 2 MiB folio, the first piece of a split one
 *	otherwise	pages[pfn]		folios of a smaller order; not touched before
 *
 * so that a 2 MiB folio costs 8 bytes and a small page 8, and a split needs no allocation and keeps
 * the head's descriptor (pieces[0] == folio). Descriptors of tail pages are not used.
 *
 *	meta:  31..26 shard   25..16 arena id   15..8 flags   7..4 state   3..0 order
 *	aux:   position in the shard's stack (CACHED); token (ZCS_FF_COPY)
 *
 * A thread that claims a folio changes its state by compare-and-swap, so that two threads that put
 * or insert the same folio cannot both win; order, flags and aux belong to the winner.
 *
 *	 FREE ──alloc──▶ OWNED ──insert──▶ INSERTED     HOME ──populate──▶ TT ──backup──▶ INSERTED
 *	  ▲  shrink        │  ◀──take────────┘            ▲                 │ ◀──restore────┘
 *	  └── CACHED ◀─put─┘                              └──unpopulate─────┘
 *
 * Ten bits of arena id are enough, and stay. An arena is the memory of one pool, one kind and one
 * node, so that a process has room for 341 pools that use all kinds on a machine of one node. A
 * mount with 100,000 memory files seems to need more. Three ways were weighed:
 *
 *	a wider id		16 bytes a descriptor: 8 KiB for 2 MiB of small pages instead of 4.
 *				And 100,000 arenas would need 400,000 mappings, two maps and two
 *				arrays of descriptors each: six times vm.max_map_count
 *	ranges of one file	one arena, but the files are no files any more: each must have a
 *				size, seals and an fd of its own, for it is passed through to the
 *				kernel
 *	no arena at all		taken. Nobody allocates folios in such a file: page i of the file is
 *				index i of its object. The store works on the file itself, with
 *				descriptors of its own for the pages that are inserted (foreign.h)
 *
 * The arena that a client process has on the mount counts in that process alone: one file, which
 * the pool adopts (zcs_arena_adopt()).
 */
enum zcs_folio_state {
	ZCS_FS_FREE, /* address space only; the run map owns it */
	ZCS_FS_CACHED, /* resident, zero, in a shard's stack */
	ZCS_FS_OWNED, /* the caller's */
	ZCS_FS_TT, /* a tt's page */
	ZCS_FS_INSERTED, /* a backup's */
	ZCS_FS_HOME, /* a block of a home, a hole */
	ZCS_FS_WRITING, /* a backup's, being written to a slot */
	ZCS_FS_KEPT, /* a block of a home that holds memory, zero, not populated yet */
	ZCS_FS_BUSY, /* between two states; the thread that set it finishes */
};

#define ZCS_FF_HUGE  1u /* memory is one huge page */
#define ZCS_FF_HOMED 2u /* block of a home: the pfn stays with its tt */
#define ZCS_FF_COPY  4u /* the store holds the same bytes; aux is its token */
#define ZCS_FF_WB    8u /* to be written back */
#define ZCS_FF_RA    16u /* read ahead and not asked for yet */

struct zcs_folio {
	_Atomic uint32_t meta;
	uint32_t aux;
};

#define ZCS_META_ORDER(m) ((m)&0xfu)
#define ZCS_META_STATE(m) (((m) >> 4) & 0xfu)
#define ZCS_META_FLAGS(m) (((m) >> 8) & 0xffu)
#define ZCS_META_ARENA(m) (((m) >> 16) & 0x3ffu)
#define ZCS_META_SHARD(m) ((m) >> 26)
#define ZCS_ARENA_IDS	  1024u
#define ZCS_SHARDS_MAX	  64u

static inline uint32_t zcs_meta(unsigned shard, unsigned arena, unsigned flags,
				enum zcs_folio_state state, unsigned order)
{
	return (uint32_t)shard << 26 | (uint32_t)arena << 16 | flags << 8 | (uint32_t)state << 4 |
	       order;
}

static inline uint32_t zcs_folio_meta(const struct zcs_folio *folio)
{
	return atomic_load_explicit(&folio->meta, memory_order_acquire);
}

static inline enum zcs_folio_state zcs_folio_state(const struct zcs_folio *folio)
{
	return (enum zcs_folio_state)ZCS_META_STATE(zcs_folio_meta(folio));
}

static inline bool zcs_folio_flag(const struct zcs_folio *folio, unsigned flag)
{
	return (ZCS_META_FLAGS(zcs_folio_meta(folio)) & flag) != 0;
}

/* Claims the folio if it is in state @from. */
static inline bool zcs_folio_move(struct zcs_folio *folio, enum zcs_folio_state from,
				  enum zcs_folio_state to)
{
	uint32_t m = zcs_folio_meta(folio);

	while (ZCS_META_STATE(m) == (uint32_t)from) {
		uint32_t n = (m & ~0xf0u) | (uint32_t)to << 4;

		if (atomic_compare_exchange_weak_explicit(&folio->meta, &m, n, memory_order_acq_rel,
							  memory_order_acquire))
			return true;
	}
	return false;
}

/* For the thread that holds the folio in BUSY, or alone. */
static inline void zcs_folio_set(struct zcs_folio *folio, uint32_t meta)
{
	atomic_store_explicit(&folio->meta, meta, memory_order_release);
}

static inline void zcs_folio_set_flags(struct zcs_folio *folio, unsigned set, unsigned clear)
{
	zcs_folio_set(folio, (zcs_folio_meta(folio) & ~(clear << 8)) | set << 8);
}

static inline void zcs_folio_set_state(struct zcs_folio *folio, enum zcs_folio_state state)
{
	zcs_folio_set(folio, (zcs_folio_meta(folio) & ~0xf0u) | (uint32_t)state << 4);
}

#endif
