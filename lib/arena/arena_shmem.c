/* SPDX-License-Identifier: MIT */
/*
 * Arenas of shmem: huge where the system lets it be, or small pages.
 *
 * Why this kind: every user has it, and folios of every order can be placed in it and be split. A
 * page goes out and in by its registration with userfaultfd:
 *
 *	out	UFFDIO_REGISTER, then MADV_DONTNEED	8 us for 2 MiB
 *	in	UFFDIO_UNREGISTER, which wakes		1 us, and the next touch is a plain fault
 *
 * in that order, because a touch between the two of a zap that came first would map the old page
 * again. It is not registered for life, because CONTINUE maps shmem 4 KiB at a time (200 us) and
 * loses the huge mapping. The user map is registered for homes only, and no more finely than
 * vm.max_map_count allows: traps.c counts. Where UNREGISTER would split a mapping too many, a range
 * stays registered and is mapped by CONTINUE instead: map_unsplit().
 *
 * Dirt: UNREGISTER forgets write protection. Every page that was mapped counts as written to.
 *
 * Running out is an error and never a signal: memory comes by MADV_POPULATE_WRITE (-EFAULT,
 * -ENOMEM). Known bottleneck: shmem that is not born huge, by the system's policy or that of a
 * tmpfs of its own (zcs_sys_huge_file()), is made huge by MADV_COLLAPSE, see populate_huge().
 */
#include <errno.h>

#include <zcswap/pool.h>

#include "arena.h"
#include "common/log.h"
#include "sys/sys.h"

#define UNIT_BYTES   ((uint64_t)ZCS_UNIT_PAGES * ZCS_PAGE_SIZE)
#define PINNED_US    50u
#define PINNED_TRIES 1000u

static int small_open(struct zcs_arena *a)
{
	a->fd = zcs_sys_memfd("zcswap arena", false);
	return a->fd < 0 ? a->fd : 0;
}

static int thp_open(struct zcs_arena *a)
{
	if (!zcs_sys_huge_by_policy())
		a->fd = zcs_sys_huge_file("zcswap arena");
	return a->fd < 0 ? small_open(a) : 0;
}

static int shmem_setup(struct zcs_arena *a)
{
	return zcs_traps_init(&a->traps, a->bytes / ZCS_PAGE_SIZE);
}

static void shmem_close(struct zcs_arena *a)
{
	zcs_traps_fini(&a->traps);
}

/* Prefers the node, for strict binding of shmem brings the OOM killer when the node is full. */
static void small_set_policy(struct zcs_arena *a)
{
	if (zcs_sys_bind(a->linear, a->bytes, a->node, false))
		zcs_debug("arena %u: memory is not bound to node %d", a->id, a->node);
}

static void thp_set_policy(struct zcs_arena *a)
{
	small_set_policy(a);
	zcs_sys_hugepage(a->linear, a->bytes);
	zcs_sys_hugepage(a->user, a->bytes);
}

/* Registers nothing for life. */
static int shmem_arm(struct zcs_arena *a, bool wp)
{
	(void)a;
	(void)wp;
	return 0;
}

static int shmem_open_range(struct zcs_arena *a, uint64_t from, uint64_t to)
{
	int err = zcs_sys_open_range(zcs_arena_user(a, from), (to - from) * ZCS_PAGE_SIZE);

	return err ? err : zcs_traps_open(&a->traps, from, to);
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
static bool populate_huge(struct zcs_arena *a, uint64_t pfn)
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

static int small_populate(struct zcs_arena *a, uint64_t pfn, unsigned order, uint32_t flags,
			  bool *huge)
{
	(void)flags;
	*huge = false;
	return zcs_sys_populate(zcs_arena_linear(a, pfn), (size_t)ZCS_PAGE_SIZE << order);
}

static int thp_populate(struct zcs_arena *a, uint64_t pfn, unsigned order, uint32_t flags,
			bool *huge)
{
	*huge = order == ZCS_UNIT_ORDER && (flags & ZCS_POPULATE_EFFORT) && populate_huge(a, pfn);
	return *huge ? 0 : small_populate(a, pfn, order, flags, huge);
}

/*
 * Punches pages. While a device uses another part of a huge page, that page cannot be split, and
 * the part is only zeroed.
 */
static int shmem_punch(struct zcs_arena *a, uint64_t pfn, uint64_t nr)
{
	int err = zcs_arena_punch_file(a, pfn, nr);

	if (nr >= ZCS_UNIT_PAGES)
		return err;
	for (unsigned i = 0; !err && zcs_sys_resident(zcs_arena_linear(a, pfn)); i++) {
		zcs_sys_sleep_us(PINNED_US);
		err = i < PINNED_TRIES ? zcs_arena_punch_file(a, pfn, nr) : -EBUSY;
	}
	return err;
}

/*
 * Registers the pages of a range that are not. The notes tell which, for no other caller changes
 * the range meanwhile.
 */
static int register_range(struct zcs_arena *a, uint64_t pfn, uint64_t nr)
{
	int err;

	pthread_mutex_lock(&a->traps.lock);
	err = zcs_sys_uffd_register(a->uffd, zcs_arena_user(a, pfn), nr * ZCS_PAGE_SIZE, false);
	if (!err)
		zcs_traps_set(&a->traps, pfn, nr, true);
	pthread_mutex_unlock(&a->traps.lock);
	return err;
}

static int shmem_zap(struct zcs_arena *a, uint64_t pfn, uint64_t nr)
{
	int err = a->uffd >= 0 ? register_range(a, pfn, nr) : 0;

	return err ? err : zcs_sys_zap(zcs_arena_user(a, pfn), nr * ZCS_PAGE_SIZE);
}

static bool shmem_may_zap(struct zcs_arena *a, uint64_t pfn, uint64_t nr)
{
	bool may;

	if (a->uffd < 0)
		return true;
	pthread_mutex_lock(&a->traps.lock);
	may = zcs_traps_may(zcs_traps_cost(&a->traps, pfn, nr, true));
	pthread_mutex_unlock(&a->traps.lock);
	return may;
}

/*
 * Takes the registration of a range back. -ENOMEM: too few mappings are left, or, where fault
 * threads serve the pages that stay registered, one mapping too many would be used.
 */
static int unregister_range(struct zcs_arena *a, uint64_t pfn, uint64_t nr)
{
	int err = 0;

	if (a->uffd < 0)
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

/* Maps page by page. -ENOENT stands for a page that is not registered, which a plain fault maps. */
static int map_each(struct zcs_arena *a, uint64_t pfn, uint64_t nr)
{
	int err = 0;

	for (uint64_t i = 0; i < nr && (!err || err == -ENOENT); i++)
		err = zcs_sys_uffd_continue(a->uffd, zcs_arena_user(a, pfn + i), ZCS_PAGE_SIZE,
					    ZCS_PAGE_SIZE, false);
	return err == -ENOENT ? 0 : err;
}

/*
 * Maps a range whose registration cannot be taken back without splitting its mapping. A part of it
 * may be unregistered already, so its waiters are woken here. A page that is mapped and registered
 * traps again when the kernel unmaps it, for example to collapse it. So it stays registered only
 * where fault threads answer.
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

static int shmem_map(struct zcs_arena *a, uint64_t pfn, uint64_t nr, bool armed)
{
	int err = unregister_range(a, pfn, nr);

	(void)armed;
	return err == -ENOMEM && a->served ? map_unsplit(a, pfn, nr) : err;
}

static bool shmem_is_clean(const struct zcs_arena *a, uint64_t pfn)
{
	(void)a;
	(void)pfn;
	return false;
}

static int shmem_poison(struct zcs_arena *a, uint64_t pfn)
{
	return zcs_sys_uffd_poison(a->uffd, zcs_arena_user(a, pfn), ZCS_PAGE_SIZE);
}

/*
 * UNREGISTER leaves the poison in the page table; CONTINUE replaces it. Page by page: parts of the
 * range may be mapped and not registered any more, where it fails.
 */
static void shmem_unpoison(struct zcs_arena *a, uint64_t pfn, uint64_t nr)
{
	for (uint64_t i = 0; a->uffd >= 0 && i < nr; i++)
		zcs_sys_uffd_continue(a->uffd, zcs_arena_user(a, pfn + i), ZCS_PAGE_SIZE,
				      ZCS_PAGE_SIZE, false);
}

static void shmem_wake(struct zcs_arena *a, uint64_t pfn)
{
	zcs_sys_uffd_wake(a->uffd, zcs_arena_user(a, pfn), ZCS_PAGE_SIZE);
}

static int shmem_disarm(struct zcs_arena *a, uint64_t pfn, uint64_t nr)
{
	int err = zcs_sys_zap(zcs_arena_user(a, pfn), nr * ZCS_PAGE_SIZE);

	if (!err)
		err = unregister_range(a, pfn, nr);
	/* pages that stay registered do no harm: the next home is registered too */
	return err == -ENOMEM && a->served ? 0 : err;
}

#define SHMEM_OPS                                                                                 \
	.make_maps = zcs_arena_map_file, .setup = shmem_setup, .arm = shmem_arm,                  \
	.open_range = shmem_open_range, .close = shmem_close, .punch = shmem_punch,               \
	.zap = shmem_zap, .may_zap = shmem_may_zap, .map = shmem_map, .is_clean = shmem_is_clean, \
	.poison = shmem_poison, .unpoison = shmem_unpoison, .wake = shmem_wake,                   \
	.disarm = shmem_disarm

const struct zcs_arena_ops zcs_arena_thp = {
	.name = "huge shmem",
	.huge = true,
	.open = thp_open,
	.set_policy = thp_set_policy,
	.populate = thp_populate,
	SHMEM_OPS,
};

const struct zcs_arena_ops zcs_arena_small = {
	.name = "shmem",
	.open = small_open,
	.set_policy = small_set_policy,
	.populate = small_populate,
	SHMEM_OPS,
};
