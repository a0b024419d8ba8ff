/* SPDX-License-Identifier: MIT */
#ifndef ZCS_LIB_ARENA_OPS_H
#define ZCS_LIB_ARENA_OPS_H

#include <stdbool.h>
#include <stdint.h>

struct zcs_arena;

/*-
 * DOC: kinds of memory
 *
 * All that depends on what an arena's memory is stands behind struct zcs_arena_ops. The rooms
 * above ask the constants at its head, and call the functions by zcs_arena_zap() and so on
 * (arena.h). No room but this one names a kind, except for the pool's table of which kinds to try.
 *
 *	arena_hugetlb.c	2 MiB pages of the system's reserve
 *	arena_shmem.c	two kinds of shmem, one that tries to be huge and one that does not
 *
 * A kind decides how a page of the user map goes out and comes back:
 *
 *	         zap (out)                  map (in)           a page can be read at, by bytes()
 *	hugetlb  MADV_DONTNEED              UFFDIO_CONTINUE    the linear map, always
 *	shmem    UFFDIO_REGISTER, DONTNEED  UFFDIO_UNREGISTER  the linear map, always
 *	anon     UFFDIO_MOVE to the stage   UFFDIO_MOVE back   the map that the page is in
 *
 * The third row is not written yet, but the contracts below are made for it. Memory that is moved
 * lies in two anonymous maps, the user map and a stage in the place of the linear map, and a page
 * is in one of them at a time. Such a kind comes as one file, arena_anon.c, plus its line in enum
 * zcs_arena_kind and in the pool's table, because
 *
 *	open, make_maps	   make two anonymous maps and no file; fd stays -1. A kernel that cannot
 *			   move pages, or may not trap, is found out by open(): the kind is missing
 *	arm		   registers both maps for life
 *	bytes		   answers by a bit a page that zap and map keep, as traps.c keeps them: a
 *			   caller never assumes that the address is the same after either
 *	zap		   skips pages that are holes or out already, and so walks runs by itself. A
 *			   page that a device uses cannot be moved: then all that went is moved back
 *			   and the answer is 1
 *	map		   must first free an empty page table of the target. A page that is being
 *			   written cannot be moved either, hence "may sleep"
 *	populate, punch	   take pages from a stock and put them there; that zeroes what it takes
 *	unpoison	   drops the poison, which occupies the place that a page is moved to
 *	may_zap		   true: no mapping is ever split
 *	is_clean	   false: a move forgets write protection. The store compares checksums
 *
 * Arguments: @pfn and @nr name whole pages of the kind (page_order) inside the arena. The caller
 * owns them: it holds the lock of the tt or the folio that they belong to, so that no two calls
 * for one page run at a time. No function takes a lock of a room above. All may make system calls
 * and none allocates memory of its own, except make_maps and setup.
 */

/*
 * struct zcs_arena_ops - a kind of memory
 * @name: for messages
 * @page_order: smallest order of a folio, and the granule of all functions: 0, or 9 for huge pages
 *	that cannot be divided. Folios of page_order 0 can be split
 * @huge: whether a folio of order 9 is meant to be one huge page, so that small pages in its place
 *	are a fallback
 * @from_reserve: the system keeps such pages in a reserve of fixed size: they help nobody else when
 *	they are freed, and a hole can be filled only while the reserve lasts
 */
struct zcs_arena_ops {
	const char *name;
	unsigned page_order;
	bool huge, from_reserve;

	/* -- life; called by arena.c alone, in this order, on an arena that nobody else sees yet */

	/* Makes the source of the memory, a->fd. 0, -errno. */
	int (*open)(struct zcs_arena *a);
	/*
	 * Makes a->linear and a->user of a->bytes, inaccessible but for what open_range() opens;
	 * after -errno it is called again with fewer bytes, or close() is.
	 */
	int (*make_maps)(struct zcs_arena *a);
	/* Everything else that the kind needs for a->bytes; undone by close(). 0, -errno. */
	int (*setup)(struct zcs_arena *a);
	/*
	 * Binds the memory to a->node and asks for huge pages. Both are hints: an error is ignored.
	 */
	void (*set_policy)(struct zcs_arena *a);
	/*
	 * a->uffd is open; @wp: it can protect pages from writes. Registers the ranges that stay
	 * registered for life. -errno: the user map will not trap.
	 */
	int (*arm)(struct zcs_arena *a, bool wp);
	/*
	 * Prepares the first use of pages from @from to @to: makes the user map and the kind's own
	 * notes of them accessible. With a->lock held. 0, -errno.
	 */
	int (*open_range)(struct zcs_arena *a, uint64_t from, uint64_t to);
	/* Undoes setup(), also one that failed. The maps and the file are the caller's. */
	void (*close)(struct zcs_arena *a);

	/* -- memory */

	/*
	 * Gives memory to 2^@order pages that are holes of the user map or trap in it. @flags:
	 * ZCS_POPULATE_*.
	 * 0: they are resident and bytes() can be used. They are zero, except for bytes that a
	 * thread wrote there (ZCS_POPULATE_MAY_HOLD). *@huge: they are one huge page. The user map
	 * traps as before.
	 * -errno: too little memory. Some pages may be resident; the caller punches them unless
	 * they may hold something. Never a signal.
	 * Cost for 2 MiB: 30-80 us hugetlb, 90-300 us shmem that becomes huge, 580 us small pages.
	 */
	int (*populate)(struct zcs_arena *a, uint64_t pfn, unsigned order, uint32_t flags,
			bool *huge);
	/*
	 * Takes the memory away. No map shows the pages: the user map was zapped, or they are the
	 * pool's; no transfer of them is under way.
	 * 0: they are holes. -errno: they are resident still, their content undefined.
	 * Cost for 2 MiB: 2 us hugetlb, 10 us huge shmem, 580 us small pages. May sleep for as long
	 * as a device uses another part of the same huge page.
	 */
	int (*punch)(struct zcs_arena *a, uint64_t pfn, uint64_t nr);
	/*
	 * The address at which this process and a device can read and write the page's bytes. The
	 * page is resident, for a read of a hole allocates it. The folio around it is contiguous
	 * there. The address is good until the next zap or map. NULL: the linear map, so that a
	 * caller pays no call (zcs_arena_bytes()).
	 */
	char *(*bytes)(const struct zcs_arena *a, uint64_t pfn);

	/* -- the user map */

	/*
	 * Takes a range out of the user map in one step, whatever of it is there. Threads may write
	 * to it meanwhile.
	 * 0: it is out. A touch traps, if a->uffd is open, and no write is lost: bytes() shows all
	 * that came before. 1: a page is in use by a device and nothing has changed.
	 * -errno: part of the range may be out and part may not trap. No content is lost.
	 * Cost for 2 MiB: 2 us hugetlb, 8 us shmem.
	 */
	int (*zap)(struct zcs_arena *a, uint64_t pfn, uint64_t nr);
	/* Whether zapping the range leaves the program enough of vm.max_map_count. */
	bool (*may_zap)(struct zcs_arena *a, uint64_t pfn, uint64_t nr);
	/*-
	 * Puts a range back, every page of which is resident, and wakes the threads that wait for
	 * it. Pages that are mapped already are passed over. @armed: is_clean() shall tell later.
	 * 0: mapped. 1: mapped as well, but small page by small page, because the mapping could not
	 * be split. -errno: some pages still trap, and the caller must try again later.
	 * Cost for 2 MiB: 8 us hugetlb, 1 us shmem, 200 us where the answer is 1. May sleep for the
	 * length of a transfer of the page.
	 */
	int (*map)(struct zcs_arena *a, uint64_t pfn, uint64_t nr, bool armed);
	/*
	 * Whether a page that was mapped armed has not been written to since. Asked only after the
	 * next zap: a look before it would miss writes in between. false: unknown.
	 */
	bool (*is_clean)(const struct zcs_arena *a, uint64_t pfn);
	/*
	 * Poisons a page that traps and whose content is lost: its touchers get SIGBUS, until the
	 * page is mapped. -EEXIST: the page is mapped or poisoned already, and no waiter was woken.
	 */
	int (*poison)(struct zcs_arena *a, uint64_t pfn);
	/* Before map(), for a range that may have poisoned pages; every page is resident. */
	void (*unpoison)(struct zcs_arena *a, uint64_t pfn, uint64_t nr);
	/* Wakes the waiters for the page, which touch it again. It may be mapped by now. */
	void (*wake)(struct zcs_arena *a, uint64_t pfn);
	/*
	 * Ends the range as a home: no page of it is mapped, and its addresses may be reused.
	 * -errno: some pages may still be mapped or trap, which does no harm but is counted.
	 */
	int (*disarm)(struct zcs_arena *a, uint64_t pfn, uint64_t nr);
};

extern const struct zcs_arena_ops zcs_arena_hugetlb, zcs_arena_thp, zcs_arena_small;

/* -- for the kinds over memory files: the linear map shows every page; arena_file.c */
char *zcs_arena_linear(const struct zcs_arena *a, uint64_t pfn);

/* Sizes a->fd, unless the file belongs to the program, and maps it twice. */
int zcs_arena_map_file(struct zcs_arena *a);
/* Punches the file once. */
int zcs_arena_punch_file(struct zcs_arena *a, uint64_t pfn, uint64_t nr);

#endif
