/* SPDX-License-Identifier: MIT */
/*
 * The arena: address space as a sparse file, and the memory that comes and goes in it.
 *
 * Why one large file: a pfn is then an address for life, ten thousand buffers are one VMA, and a
 * folio moves between owners without any mapping being made. Why two maps: the user map is what
 * applications see and what is zapped; the linear map stays, so that a folio nobody maps can still
 * be written to disk, zeroed or refilled.
 *
 *	user map    ▓▓▓▓····▓▓▓▓▓▓▓▓····   addresses of homes; · a home that is out, traps (userfaultfd)
 *	memory file ▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓        ▓ resident
 *	linear map  ▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓
 *
 * The linear map is never read where the state does not say "resident": reading a hole allocates
 * it.
 *
 * Running out is an error and never a signal: hugetlb pages come by fallocate (-ENOSPC), the others
 * by MADV_POPULATE_WRITE (-EFAULT, -ENOMEM). Known bottleneck: shmem that is not born huge, by the
 * system's policy or that of a tmpfs of its own (zcs_sys_huge_file()), is made huge by
 * MADV_COLLAPSE, see populate_thp().
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <zcswap/pool.h>

#include "arena.h"
#include "common/env.h"
#include "common/log.h"
#include "common/size.h"
#include "sys/sys.h"

#define UNIT_BYTES ((uint64_t)ZCS_UNIT_PAGES * ZCS_PAGE_SIZE)
#define MIN_BYTES  (UINT64_C(4) << 30)
#define OPEN_PAGES (UINT64_C(8) * ZCS_UNIT_PAGES) /* at a time, at least */

#define PINNED_US    50u
#define PINNED_TRIES 1000u

static _Atomic(struct zcs_arena *) table[ZCS_ARENA_IDS];

struct zcs_arena *zcs_arena_by_id(unsigned id)
{
	return atomic_load_explicit(&table[id], memory_order_acquire);
}

static int take_id(struct zcs_arena *arena)
{
	for (unsigned id = 1; id < ZCS_ARENA_IDS; id++) {
		struct zcs_arena *none = NULL;

		if (atomic_compare_exchange_strong(&table[id], &none, arena)) {
			arena->id = id;
			return 0;
		}
	}
	return -ENOMEM;
}

/* ZCSWAP_ARENA_BYTES: a number with an optional K, M, G or T; UINT64_MAX if unset or wrong. */
static uint64_t cap_from_env(void)
{
	const char *s = zcs_env(ZCS_ENV_ARENA_BYTES);
	uint64_t bytes;

	if (!*s)
		return UINT64_MAX;
	if (zcs_parse_size(s, &bytes) || bytes < UNIT_BYTES) {
		zcs_warn("ZCSWAP_ARENA_BYTES: \"%s\" ignored; give a size of at least 2M", s);
		return UINT64_MAX;
	}
	return bytes & ~(UNIT_BYTES - 1);
}

static void unmap_all(struct zcs_arena *a)
{
	uint64_t nr = a->bytes / ZCS_PAGE_SIZE;

	zcs_sys_unmap(a->linear, a->bytes);
	zcs_sys_unmap(a->user, a->bytes);
	zcs_sys_unmap(a->units, nr / ZCS_UNIT_PAGES * sizeof(*a->units));
	zcs_sys_unmap(a->pages, nr * sizeof(*a->pages));
	zcs_traps_fini(&a->traps);
	if (a->runs.whole)
		zcs_runs_fini(&a->runs);
	a->linear = a->user = NULL;
	a->opened = 0;
	a->units = a->pages = NULL;
}

static int map_descriptors(struct zcs_arena *a, uint64_t nr)
{
	void *p;
	int err = zcs_sys_reserve(nr / ZCS_UNIT_PAGES * sizeof(*a->units), &p);

	if (err)
		return err;
	a->units = p;
	if (a->kind == ZCS_ARENA_HUGETLB)
		return 0;
	err = zcs_sys_reserve_closed(nr * sizeof(*a->pages), &p);
	if (!err)
		a->pages = p;
	if (!err)
		err = zcs_traps_init(&a->traps, nr);
	return err;
}

/*
 * The maps and the descriptors of small pages become accessible from the start on, as far as runs
 * were ever given: what is not is neither filled by mlockall() nor committed. A page of hugetlb
 * that is not there is an event also for the kernel, which gives up at the first that nobody
 * answers: so the user map may be open.
 */
static int open_to(struct zcs_arena *a, uint64_t end)
{
	uint64_t from = a->opened, nr = end - from;
	int err = zcs_sys_open_range(zcs_arena_linear(a, from), nr * ZCS_PAGE_SIZE);

	if (!err && a->kind != ZCS_ARENA_HUGETLB)
		err = zcs_sys_open_range(zcs_arena_user(a, from), nr * ZCS_PAGE_SIZE);
	if (!err && a->pages)
		err = zcs_sys_open_range(a->pages + from, nr * sizeof(*a->pages));
	if (!err)
		err = zcs_traps_open(&a->traps, from, end);
	if (!err)
		a->opened = end;
	return err;
}

/* With the lock held, before a run of @nr pages is given: twice as much as before, if it can be. */
static int open_more(struct zcs_arena *a, uint64_t nr)
{
	uint64_t end = zcs_runs_bound(&a->runs, nr) * ZCS_UNIT_PAGES, most, to;

	if (end <= a->opened)
		return 0;
	most = a->bytes / ZCS_PAGE_SIZE;
	to = a->opened < OPEN_PAGES ? OPEN_PAGES : 2 * a->opened;
	to = to < end ? end : to;
	if (!open_to(a, to < most ? to : most))
		return 0;
	return open_to(a, end);
}

/* Both maps, the descriptors and the run map for a->bytes; all or nothing. */
static int map_all(struct zcs_arena *a)
{
	uint64_t nr = a->bytes / ZCS_PAGE_SIZE;
	int err = zcs_sys_map(a->fd, a->offset, a->bytes, &a->linear);

	if (!err)
		err = zcs_sys_map(a->fd, a->offset, a->bytes, &a->user);
	if (!err && a->kind == ZCS_ARENA_HUGETLB)
		err = zcs_sys_open_range(a->user, a->bytes);
	if (!err)
		err = map_descriptors(a, nr);
	if (!err)
		err = zcs_runs_init(&a->runs, nr / ZCS_UNIT_PAGES, a->kind == ZCS_ARENA_HUGETLB);
	if (err)
		unmap_all(a);
	return err;
}

/*
 * Dirt is told by the markers that a zap leaves of write-protected pages (bit 57 of the page map):
 * only what is read after the zap is true under concurrent writers. On shmem the way back maps
 * without protection.
 */
static void start_tracking(struct zcs_arena *a, bool wp)
{
	if (!wp || a->kind != ZCS_ARENA_HUGETLB)
		return;
	a->pagemap = zcs_sys_pagemap_open();
	a->tracks = a->pagemap >= 0;
}

/*
 * Not allowed here, or the kernel lacks it: it stays so. What is only short for now (EMFILE,
 * ENOMEM) is none of these.
 */
static bool is_missing(int err)
{
	return err == -EPERM || err == -EACCES || err == -ENOSYS || err == -EINVAL;
}

/*
 * Without userfaultfd the user map does not trap: explicit backup and restore still work. An arena
 * that lacks it only because something was short would never get it, and lose what is written to
 * what was evicted.
 */
static int arm_user_map(struct zcs_arena *a)
{
	bool wp = false;
	int err;

	a->uffd = zcs_sys_uffd(&a->uffd_kernel, &wp);
	err = a->uffd < 0 ? a->uffd : 0;
	if (!err && a->kind == ZCS_ARENA_HUGETLB)
		err = zcs_sys_uffd_register(a->uffd, a->user, a->bytes, wp);
	if (!err) {
		start_tracking(a, wp);
		return 0;
	}
	zcs_sys_close(a->uffd);
	a->uffd = -1;
	if (!is_missing(err)) {
		zcs_warn("arena %u: no userfaultfd now (%s): not made", a->id, strerror(-err));
		return -ENOMEM;
	}
	zcs_debug("arena %u: no userfaultfd (%s): an evicted address does not trap", a->id,
		  strerror(-err));
	return 0;
}

static void set_policy(struct zcs_arena *a)
{
	bool hugetlb = a->kind == ZCS_ARENA_HUGETLB;

	/* strict binding of shmem would mean the OOM killer when the node is full */
	if (zcs_sys_bind(a->linear, a->bytes, a->node, hugetlb))
		zcs_debug("arena %u: memory is not bound to node %d", a->id, a->node);
	if (a->kind == ZCS_ARENA_THP) {
		zcs_sys_hugepage(a->linear, a->bytes);
		zcs_sys_hugepage(a->user, a->bytes);
	}
}

static struct zcs_arena *new_arena(enum zcs_arena_kind kind, int node)
{
	struct zcs_arena *a = zcs_sys_calloc(ZCS_FAULT_ALLOC_ARENA, 1, sizeof(*a));

	if (!a)
		return NULL;
	a->kind = kind;
	a->node = node;
	a->fd = a->uffd = a->pagemap = -1;
	pthread_mutex_init(&a->lock, NULL);
	zcs_reserve_init(&a->reserve);
	return a;
}

/* Size the file and map it: as much as there is, halving from @bytes. */
static int grow_to_fit(struct zcs_arena *a, uint64_t bytes)
{
	uint64_t least = bytes < MIN_BYTES ? bytes : MIN_BYTES;
	int err = -ENOMEM;

	for (a->bytes = bytes; a->bytes >= least; a->bytes = a->bytes / 2 & ~(UNIT_BYTES - 1)) {
		err = zcs_sys_ftruncate(a->fd, a->bytes);
		if (!err)
			err = map_all(a);
		if (!err)
			return 0;
	}
	/* EAGAIN: mlockall(MCL_FUTURE), and more than RLIMIT_MEMLOCK */
	zcs_debug("arena: no room for %llu MiB of addresses: %s", (unsigned long long)least >> 20,
		  strerror(-err));
	return -ENOMEM;
}

static int finish(struct zcs_arena *a, struct zcs_arena **arena)
{
	int err = take_id(a);

	if (!err) {
		set_policy(a);
		err = arm_user_map(a);
	}
	if (err) {
		zcs_arena_destroy(a);
		return err;
	}
	*arena = a;
	return 0;
}

/*
 * Shmem is huge by the system's policy, or by that of a tmpfs of its own, or is collapsed:
 * populate_thp().
 */
static int make_file(enum zcs_arena_kind kind)
{
	int fd = -EPERM;

	if (kind == ZCS_ARENA_THP && !zcs_sys_huge_by_policy())
		fd = zcs_sys_huge_file("zcswap arena");
	return fd >= 0 ? fd : zcs_sys_memfd("zcswap arena", kind == ZCS_ARENA_HUGETLB);
}

int zcs_arena_create(enum zcs_arena_kind kind, int node, uint64_t max_pages,
		     struct zcs_arena **arena)
{
	uint64_t bytes = max_pages * ZCS_PAGE_SIZE, limit = zcs_sys_file_limit(),
		 cap = cap_from_env();
	struct zcs_arena *a = new_arena(kind, node);
	int err;

	if (!a)
		return -ENOMEM;
	bytes = bytes < cap ? bytes : cap;
	/* past RLIMIT_FSIZE ftruncate would kill the process with SIGXFSZ */
	bytes = bytes < limit ? bytes : limit & ~(UNIT_BYTES - 1);
	err = a->fd = make_file(kind);
	if (err >= 0)
		err = bytes ? grow_to_fit(a, bytes) : -ENOMEM;
	if (err < 0) {
		a->bytes = 0;
		zcs_arena_destroy(a);
		return -ENOMEM;
	}
	return finish(a, arena);
}

/* Descriptors or memory are short, which says nothing of the file. */
static bool is_shortage(int err)
{
	return err == -ENOMEM || err == -EMFILE || err == -ENFILE || err == -EAGAIN;
}

int zcs_arena_adopt(int fd, enum zcs_arena_kind kind, int node, uint64_t offset, uint64_t bytes,
		    struct zcs_arena **arena)
{
	struct zcs_arena *a = new_arena(kind, node);
	int err;

	if (!a)
		return -ENOMEM;
	a->offset = offset;
	a->bytes = bytes;
	err = a->fd = zcs_sys_dup(fd);
	if (err >= 0)
		err = map_all(a);
	if (err < 0) {
		zcs_arena_destroy(a);
		return is_shortage(err) ? -ENOMEM : -EOPNOTSUPP;
	}
	err = finish(a, arena);
	/* last, for it cannot be undone: a caller who is refused has the file as it was */
	if (!err && zcs_sys_punch(a->fd, offset, bytes)) {
		zcs_arena_destroy(a);
		err = -EOPNOTSUPP;
	}
	return err;
}

void zcs_arena_destroy(struct zcs_arena *arena)
{
	if (!arena)
		return;
	if (arena->id)
		atomic_store(&table[arena->id], NULL);
	if (arena->linear)
		unmap_all(arena);
	zcs_sys_close(arena->pagemap);
	zcs_sys_close(arena->uffd);
	zcs_sys_close(arena->fd);
	zcs_reserve_fini(&arena->reserve);
	pthread_mutex_destroy(&arena->lock);
	free(arena);
}

int zcs_arena_get_run(struct zcs_arena *arena, uint64_t nr, uint64_t *pfn)
{
	int err;

	pthread_mutex_lock(&arena->lock);
	err = open_more(arena, nr);
	if (!err)
		err = zcs_runs_alloc(&arena->runs, nr, pfn);
	pthread_mutex_unlock(&arena->lock);
	return err;
}

void zcs_arena_put_run(struct zcs_arena *arena, uint64_t pfn, uint64_t nr)
{
	pthread_mutex_lock(&arena->lock);
	zcs_runs_free(&arena->runs, pfn, nr);
	pthread_mutex_unlock(&arena->lock);
}

static int populate_hugetlb(struct zcs_arena *a, uint64_t pfn, size_t bytes, bool put_by)
{
	uint64_t offset = a->offset + pfn * ZCS_PAGE_SIZE;
	int err = zcs_sys_fallocate(a->fd, offset, bytes);

	while (err == -ENOSPC && put_by && zcs_reserve_give(&a->reserve))
		err = zcs_sys_fallocate(a->fd, offset, bytes);
	/*
	 * page tables of the linear map can run out as well; here that is an error, later a signal
	 */
	if (!err)
		err = zcs_sys_populate(zcs_arena_linear(a, pfn), bytes);
	return err;
}

/*
 * Shmem becomes huge by itself where the system's policy allows, else by MADV_COLLAPSE around one
 * page: 300 us. The kernel refuses to collapse holes (-EBUSY) where the range, or the one behind it
 * (its interval is one page too long), traps somewhere: without holes it does, and fallocate()
 * fills them fastest; with it 750 us.
 *
 * Nothing is collapsed unless the first page was populated. fallocate() makes a huge page that
 * nobody has cleared yet, the kernel's collapse maps such a page as it is, and the first fault
 * elsewhere clears it: what was written through the linear map is lost, and before that the bytes
 * of the page's last owner show. Beside a small page that is there, fallocate() makes small pages
 * only, and those are cleared before they are collapsed.
 */
static bool populate_thp(struct zcs_arena *a, uint64_t pfn)
{
	uint64_t offset = a->offset + pfn * ZCS_PAGE_SIZE, unit = pfn / ZCS_UNIT_PAGES;
	bool trapped = zcs_traps_in_unit(&a->traps, unit) || zcs_traps_in_unit(&a->traps, unit + 1);
	char *at = zcs_arena_linear(a, pfn), *last = at + UNIT_BYTES - ZCS_PAGE_SIZE;
	bool hole = !zcs_sys_resident(last);
	int err = zcs_sys_populate(at, ZCS_PAGE_SIZE);

	/* all of a hole at once; a page that was there before tells nothing */
	if (!err && hole && zcs_sys_resident(last))
		return true;
	if (err)
		return false;
	err = trapped ? -EBUSY : zcs_sys_collapse(at, UNIT_BYTES);
	if (err == -EBUSY && !zcs_sys_fallocate(a->fd, offset, UNIT_BYTES))
		err = zcs_sys_collapse(at, UNIT_BYTES);
	return !err;
}

int zcs_arena_populate(struct zcs_arena *arena, uint64_t pfn, unsigned order, uint32_t flags,
		       bool *huge)
{
	bool effort = flags & ZCS_POPULATE_EFFORT;
	size_t bytes = (size_t)ZCS_PAGE_SIZE << order;
	int err = 0;

	*huge = false;
	if (arena->kind == ZCS_ARENA_HUGETLB) {
		err = populate_hugetlb(arena, pfn, bytes, flags & ZCS_POPULATE_RESERVE);
		*huge = !err;
	} else {
		if (arena->kind == ZCS_ARENA_THP && order == ZCS_UNIT_ORDER && effort)
			*huge = populate_thp(arena, pfn);
		if (!*huge)
			err = zcs_sys_populate(zcs_arena_linear(arena, pfn), bytes);
	}
	if (!err) {
		if (*huge)
			atomic_fetch_add(&arena->huge_pages, UINT64_C(1) << order);
		return 0;
	}
	if (!(flags & ZCS_POPULATE_MAY_HOLD))
		zcs_arena_punch(arena, pfn, UINT64_C(1) << order);
	return -ENOMEM;
}

int zcs_arena_punch(struct zcs_arena *arena, uint64_t pfn, uint64_t nr)
{
	uint64_t offset = arena->offset + pfn * ZCS_PAGE_SIZE, bytes = nr * ZCS_PAGE_SIZE;
	int err = zcs_sys_punch(arena->fd, offset, bytes);

	if (arena->kind == ZCS_ARENA_HUGETLB || nr >= ZCS_UNIT_PAGES)
		return err;
	/*
	 * a part of a huge page is only zeroed while a device reads or writes another part: it
	 * cannot be split
	 */
	for (unsigned i = 0; !err && zcs_sys_resident(zcs_arena_linear(arena, pfn)); i++) {
		zcs_sys_sleep_us(PINNED_US);
		err = i < PINNED_TRIES ? zcs_sys_punch(arena->fd, offset, bytes) : -EBUSY;
	}
	return err;
}

/* What is noted is what is so: nobody else changes it meanwhile. */
static int trap(struct zcs_arena *a, uint64_t pfn, uint64_t nr)
{
	int err;

	pthread_mutex_lock(&a->traps.lock);
	err = zcs_sys_uffd_register(a->uffd, zcs_arena_user(a, pfn), nr * ZCS_PAGE_SIZE, false);
	if (!err)
		zcs_traps_set(&a->traps, pfn, nr, true);
	pthread_mutex_unlock(&a->traps.lock);
	return err;
}

static bool has_traps(const struct zcs_arena *a)
{
	return a->uffd >= 0 && a->kind != ZCS_ARENA_HUGETLB;
}

int zcs_arena_zap(struct zcs_arena *arena, uint64_t pfn, uint64_t nr)
{
	int err = has_traps(arena) ? trap(arena, pfn, nr) : 0;

	return err ? err : zcs_sys_zap(zcs_arena_user(arena, pfn), nr * ZCS_PAGE_SIZE);
}

bool zcs_arena_may_zap(struct zcs_arena *arena, uint64_t pfn, uint64_t nr)
{
	bool may;

	if (!has_traps(arena))
		return true;
	pthread_mutex_lock(&arena->traps.lock);
	may = zcs_traps_may(zcs_traps_cost(&arena->traps, pfn, nr, true));
	pthread_mutex_unlock(&arena->traps.lock);
	return may;
}

/*
 * -ENOMEM: it would take a mapping that there is not, or where threads serve what stays registered,
 * one too many.
 */
static int untrap(struct zcs_arena *a, uint64_t pfn, uint64_t nr)
{
	int err = 0;

	if (!has_traps(a))
		return 0;
	pthread_mutex_lock(&a->traps.lock);
	if (a->served && !zcs_traps_may(zcs_traps_cost(&a->traps, pfn, nr, false)))
		err = -ENOMEM;
	if (!err)
		err = zcs_sys_uffd_unregister(a->uffd, zcs_arena_user(a, pfn), nr * ZCS_PAGE_SIZE);
	if (!err)
		zcs_traps_set(&a->traps, pfn, nr, false);
	pthread_mutex_unlock(&a->traps.lock);
	return err;
}

int zcs_arena_disarm(struct zcs_arena *arena, uint64_t pfn, uint64_t nr)
{
	int err = zcs_sys_zap(zcs_arena_user(arena, pfn), nr * ZCS_PAGE_SIZE);

	if (!err && has_traps(arena))
		err = untrap(arena, pfn, nr);
	/* what stays registered harms nobody: the next home is registered too */
	return err == -ENOMEM && arena->served ? 0 : err;
}

/* Page by page: what is not registered, and is mapped by a plain fault, says -ENOENT. */
static int map_each(struct zcs_arena *a, uint64_t pfn, uint64_t nr)
{
	int err = 0;

	for (uint64_t i = 0; i < nr && (!err || err == -ENOENT); i++)
		err = zcs_sys_uffd_continue(a->uffd, zcs_arena_user(a, pfn + i), ZCS_PAGE_SIZE,
					    ZCS_PAGE_SIZE, false);
	return err == -ENOENT ? 0 : err;
}

/*
 * Shmem whose registration cannot be taken back, for that would split its mapping. It may have been
 * taken back of a part: nobody else wakes those who wait there. What is mapped and registered traps
 * again when the kernel unmaps it, to collapse it for instance: only where somebody answers may it
 * be left so.
 */
static int map_unsplit(struct zcs_arena *a, uint64_t pfn, uint64_t nr)
{
	int err = 0;

	for (uint64_t i = 0; i < nr && !err; i += ZCS_UNIT_PAGES) {
		uint64_t n = nr - i < ZCS_UNIT_PAGES ? nr - i : ZCS_UNIT_PAGES;

		err = zcs_sys_uffd_continue(a->uffd, zcs_arena_user(a, pfn + i), n * ZCS_PAGE_SIZE,
					    ZCS_PAGE_SIZE, false);
		if (err == -ENOENT)
			err = map_each(a, pfn + i, n);
	}
	zcs_sys_uffd_wake(a->uffd, zcs_arena_user(a, pfn), nr * ZCS_PAGE_SIZE);
	return err ? err : 1;
}

static int map_range(struct zcs_arena *arena, uint64_t pfn, uint64_t nr, bool armed)
{
	int err;

	if (arena->uffd < 0)
		return 0;
	if (arena->kind == ZCS_ARENA_HUGETLB)
		return zcs_sys_uffd_continue(arena->uffd, zcs_arena_user(arena, pfn),
					     nr * ZCS_PAGE_SIZE, UNIT_BYTES, armed);
	err = untrap(arena, pfn, nr);
	return err == -ENOMEM && arena->served ? map_unsplit(arena, pfn, nr) : err;
}

int zcs_arena_map(struct zcs_arena *arena, uint64_t pfn, uint64_t nr)
{
	return map_range(arena, pfn, nr, false);
}

int zcs_arena_map_armed(struct zcs_arena *arena, uint64_t pfn, uint64_t nr)
{
	return map_range(arena, pfn, nr, true);
}

/* The page of the arena that @pfn is in, in the user map. */
static char *page_of(const struct zcs_arena *a, uint64_t pfn, size_t *bytes)
{
	bool hugetlb = a->kind == ZCS_ARENA_HUGETLB;

	*bytes = hugetlb ? UNIT_BYTES : ZCS_PAGE_SIZE;
	return zcs_arena_user(a, hugetlb ? pfn & ~(uint64_t)(ZCS_UNIT_PAGES - 1) : pfn);
}

int zcs_arena_poison(struct zcs_arena *arena, uint64_t pfn)
{
	size_t bytes;
	char *at = page_of(arena, pfn, &bytes);

	/* the zap of an armed page left a marker, which poison does not replace */
	if (arena->tracks && zcs_sys_uffd_unprotect(arena->uffd, at, bytes))
		zcs_debug("arena %u: page %llu keeps its marker", arena->id,
			  (unsigned long long)pfn);
	return zcs_sys_uffd_poison(arena->uffd, at, bytes);
}

void zcs_arena_wake(struct zcs_arena *arena, uint64_t pfn)
{
	size_t bytes;
	char *at = page_of(arena, pfn, &bytes);

	zcs_sys_uffd_wake(arena->uffd, at, bytes);
}

/*
 * UNREGISTER leaves the poison in the page table; CONTINUE replaces it (so on hugetlb the mapping
 * itself). Page by page: parts of the range may be mapped and not registered any more, where it
 * fails.
 */
void zcs_arena_unpoison(struct zcs_arena *arena, uint64_t pfn, uint64_t nr)
{
	if (arena->uffd < 0 || arena->kind == ZCS_ARENA_HUGETLB)
		return;
	for (uint64_t i = 0; i < nr; i++)
		zcs_sys_uffd_continue(arena->uffd, zcs_arena_user(arena, pfn + i), ZCS_PAGE_SIZE,
				      ZCS_PAGE_SIZE, false);
}

bool zcs_arena_is_clean(struct zcs_arena *arena, uint64_t pfn)
{
	uint64_t entry;

	/* one entry of the page table covers the folio: all 512 say the same */
	return arena->tracks &&
	       !zcs_sys_pagemap_read(arena->pagemap, zcs_arena_user(arena, pfn), &entry) &&
	       (entry & ZCS_PAGEMAP_UFFD_WP);
}
