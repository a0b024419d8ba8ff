/* SPDX-License-Identifier: MIT */
/*
 * Arenas of hugetlb pages, 2 MiB each, from the system's reserve.
 *
 * This kind costs least. No page can be split or moved, the user map is registered with userfaultfd
 * for life, and a page goes out and in by one entry of the page table:
 *
 *	out	MADV_DONTNEED		1 us
 *	in	UFFDIO_CONTINUE		8 us with the wake-up; write-protected to note writes
 *
 * The map stays registered, because a partial REGISTER or UNREGISTER splits a hugetlb mapping for
 * good.
 *
 * Dirt: the zap of a write-protected page leaves a marker in the page table, bit 57 of the page
 * map. A write removes the protection, and then the zap leaves none. Only a look after the zap is
 * right under concurrent writers.
 *
 * Cost: fallocate() clears a page, which is the price of each populate: 31 to 81 us.
 *
 * Known limit: the reserve is small and belongs to every process. A page that an eviction gave back
 * may be gone when it is needed again; reserve.c holds a few pages back for that.
 */
#include <errno.h>

#include <zcswap/pool.h>

#include "arena.h"
#include "common/log.h"
#include "sys/sys.h"
#include "sys/uapi.h"

#define HUGE_BYTES ((size_t)ZCS_UNIT_PAGES * ZCS_PAGE_SIZE)

static int hugetlb_open(struct zcs_arena *a)
{
	a->fd = zcs_sys_memfd("zcswap arena", true);
	return a->fd < 0 ? a->fd : 0;
}

/*
 * Opens all of the user map at once. A missing page is an event for mlockall() too, which gives up
 * at the first event without an answer. So mlockall() fills no page.
 */
static int hugetlb_setup(struct zcs_arena *a)
{
	return zcs_sys_open_range(a->user, a->bytes);
}

/* Binds strictly: where the node has no page left, another kind is better than another node. */
static void hugetlb_set_policy(struct zcs_arena *a)
{
	if (zcs_sys_bind(a->linear, a->bytes, a->node, true))
		zcs_debug("arena %u: memory is not bound to node %d", a->id, a->node);
}

static int hugetlb_arm(struct zcs_arena *a, bool wp)
{
	int err = zcs_sys_uffd_register(a->uffd, a->user, a->bytes, wp);

	if (!err && wp) {
		a->pagemap = zcs_sys_pagemap_open();
		a->tracks = a->pagemap >= 0;
	}
	return err;
}

static int hugetlb_open_range(struct zcs_arena *a, uint64_t from, uint64_t to)
{
	(void)a;
	(void)from;
	(void)to;
	return 0;
}

static void hugetlb_close(struct zcs_arena *a)
{
	(void)a;
}

static int hugetlb_populate(struct zcs_arena *a, uint64_t pfn, unsigned order, uint32_t flags,
			    bool *huge)
{
	uint64_t offset = a->offset + pfn * ZCS_PAGE_SIZE;
	size_t bytes = (size_t)ZCS_PAGE_SIZE << order;
	int err = zcs_sys_fallocate(a->fd, offset, bytes);

	while (err == -ENOSPC && (flags & ZCS_POPULATE_RESERVE) && zcs_reserve_give(&a->reserve))
		err = zcs_sys_fallocate(a->fd, offset, bytes);
	/*
	 * populates the page table of the linear map too: a shortage is an error here, and later a
	 * signal
	 */
	if (!err)
		err = zcs_sys_populate(zcs_arena_linear(a, pfn), bytes);
	*huge = !err;
	return err;
}

static int hugetlb_zap(struct zcs_arena *a, uint64_t pfn, uint64_t nr)
{
	return zcs_sys_zap(zcs_arena_user(a, pfn), nr * ZCS_PAGE_SIZE);
}

static bool hugetlb_may_zap(struct zcs_arena *a, uint64_t pfn, uint64_t nr)
{
	(void)a;
	(void)pfn;
	(void)nr;
	return true;
}

static int hugetlb_map(struct zcs_arena *a, uint64_t pfn, uint64_t nr, bool armed)
{
	if (a->uffd < 0)
		return 0;
	return zcs_sys_uffd_continue(a->uffd, zcs_arena_user(a, pfn), nr * ZCS_PAGE_SIZE,
				     HUGE_BYTES, armed);
}

static bool hugetlb_is_clean(const struct zcs_arena *a, uint64_t pfn)
{
	uint64_t entry;

	/* one entry of the page table covers the folio: all 512 say the same */
	return a->tracks && !zcs_sys_pagemap_read(a->pagemap, zcs_arena_user(a, pfn), &entry) &&
	       (entry & ZCS_PAGEMAP_UFFD_WP);
}

/* The huge page that @pfn is in, in the user map. */
static char *huge_page_of(const struct zcs_arena *a, uint64_t pfn)
{
	return zcs_arena_user(a, pfn & ~(uint64_t)(ZCS_UNIT_PAGES - 1));
}

static int hugetlb_poison(struct zcs_arena *a, uint64_t pfn)
{
	char *at = huge_page_of(a, pfn);

	/* the zap of an armed page left a marker, which poison does not replace */
	if (a->tracks && zcs_sys_uffd_unprotect(a->uffd, at, HUGE_BYTES))
		zcs_debug("arena %u: page %llu keeps its marker", a->id, (unsigned long long)pfn);
	return zcs_sys_uffd_poison(a->uffd, at, HUGE_BYTES);
}

/* Mapping by CONTINUE replaces the poison. */
static void hugetlb_unpoison(struct zcs_arena *a, uint64_t pfn, uint64_t nr)
{
	(void)a;
	(void)pfn;
	(void)nr;
}

static void hugetlb_wake(struct zcs_arena *a, uint64_t pfn)
{
	zcs_sys_uffd_wake(a->uffd, huge_page_of(a, pfn), HUGE_BYTES);
}

const struct zcs_arena_ops zcs_arena_hugetlb = {
	.name = "hugetlb",
	.page_order = ZCS_UNIT_ORDER,
	.from_reserve = true,
	.open = hugetlb_open,
	.make_maps = zcs_arena_map_file,
	.setup = hugetlb_setup,
	.set_policy = hugetlb_set_policy,
	.arm = hugetlb_arm,
	.open_range = hugetlb_open_range,
	.close = hugetlb_close,
	.populate = hugetlb_populate,
	.punch = zcs_arena_punch_file,
	.zap = hugetlb_zap,
	.may_zap = hugetlb_may_zap,
	.map = hugetlb_map,
	.is_clean = hugetlb_is_clean,
	.poison = hugetlb_poison,
	.unpoison = hugetlb_unpoison,
	.wake = hugetlb_wake,
	/* the range stays registered, and no page of the home is mapped any more */
	.disarm = hugetlb_zap,
};
