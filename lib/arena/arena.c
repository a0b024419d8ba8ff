/* SPDX-License-Identifier: MIT */
/*
 * The arena: address space as a sparse file, with memory that comes and goes in it.
 *
 * One large file, because a pfn is then an address for life, ten thousand buffers are one VMA, and
 * a folio changes its owner without any new mapping. Two maps, because applications see the user
 * map, whose pages are zapped. The linear map stays, so that a folio that no program maps can still
 * be written to disk, zeroed or refilled.
 *
 *	user map    ▓▓▓▓····▓▓▓▓▓▓▓▓····   addresses of homes; · is out and traps (userfaultfd)
 *	memory file ▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓        ▓ resident
 *	linear map  ▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓
 *
 * The linear map is read only where the state says "resident", for a read of a hole allocates the
 * page.
 *
 * The kind of memory decides where a page comes from, and how it leaves the user map and comes
 * back: arena_ops.h. This file has the parts that all kinds share: the table of arenas, the extent
 * of the maps, descriptors, and runs of pfns.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <zcswap/pool.h>

#include "arena.h"
#include "common/held.h"
#include "common/env.h"
#include "common/log.h"
#include "common/size.h"
#include "sys/sys.h"

#define UNIT_BYTES ((uint64_t)ZCS_UNIT_PAGES * ZCS_PAGE_SIZE)
#define MIN_BYTES  (UINT64_C(4) << 30)
#define OPEN_PAGES (UINT64_C(8) * ZCS_UNIT_PAGES) /* at a time, at least */

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

static const struct zcs_arena_ops *const kinds[ZCS_ARENA_KINDS] = {
	[ZCS_ARENA_HUGETLB] = &zcs_arena_hugetlb,
	[ZCS_ARENA_THP] = &zcs_arena_thp,
	[ZCS_ARENA_SMALL] = &zcs_arena_small,
};

const struct zcs_arena_ops *zcs_arena_kind_ops(enum zcs_arena_kind kind)
{
	return kinds[kind];
}

static void unmap_all(struct zcs_arena *a)
{
	uint64_t nr = a->bytes / ZCS_PAGE_SIZE;

	zcs_sys_unmap(a->linear, a->bytes);
	zcs_sys_unmap(a->user, a->bytes);
	zcs_sys_unmap(a->units, nr / ZCS_UNIT_PAGES * sizeof(*a->units));
	zcs_sys_unmap(a->pages, nr * sizeof(*a->pages));
	a->ops->close(a);
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
	if (a->ops->page_order == ZCS_UNIT_ORDER)
		return 0;
	err = zcs_sys_reserve_closed(nr * sizeof(*a->pages), &p);
	if (!err)
		a->pages = p;
	return err;
}

/*
 * Opens the maps and the descriptors of small pages up to @end, the end of the runs ever given. The
 * rest is neither filled by mlockall() nor committed.
 */
static int open_to(struct zcs_arena *a, uint64_t end)
{
	uint64_t from = a->opened, nr = end - from;
	int err = zcs_sys_open_range(a->linear + from * ZCS_PAGE_SIZE, nr * ZCS_PAGE_SIZE);

	if (!err && a->pages)
		err = zcs_sys_open_range(a->pages + from, nr * sizeof(*a->pages));
	if (!err)
		err = a->ops->open_range(a, from, end);
	if (!err)
		a->opened = end;
	return err;
}

/*
 * Opens twice as much as before, if possible, before a run of @nr pages is given. The caller holds
 * the lock.
 */
static int open_more(struct zcs_arena *a, uint64_t nr)
{
	uint64_t end = zcs_runs_bound(&a->runs, nr) * ZCS_UNIT_PAGES, most, to;

	zcs_assert_held(&a->lock);
	if (end <= a->opened)
		return 0;
	most = a->bytes / ZCS_PAGE_SIZE;
	to = a->opened < OPEN_PAGES ? OPEN_PAGES : 2 * a->opened;
	to = to < end ? end : to;
	if (!open_to(a, to < most ? to : most))
		return 0;
	return open_to(a, end);
}

/* Makes both maps, the descriptors and the run map for a->bytes; all or nothing. */
static int map_all(struct zcs_arena *a)
{
	uint64_t nr = a->bytes / ZCS_PAGE_SIZE;
	int err = a->ops->make_maps(a);

	if (!err)
		err = a->ops->setup(a);
	if (!err)
		err = map_descriptors(a, nr);
	if (!err)
		err = zcs_runs_init(&a->runs, nr / ZCS_UNIT_PAGES,
				    a->ops->page_order == ZCS_UNIT_ORDER);
	if (err)
		unmap_all(a);
	return err;
}

/*
 * Whether a feature is forbidden or missing in the kernel, for good. A shortage (EMFILE, ENOMEM)
 * may be over soon.
 */
static bool is_missing(int err)
{
	return err == -EPERM || err == -EACCES || err == -ENOSYS || err == -EINVAL;
}

/*
 * Makes the user map trap. Without userfaultfd it does not; explicit backup and restore still work
 * then. After a shortage the arena is not made at all: it would never get its userfaultfd, and
 * writes to evicted pages would be lost.
 */
static int arm_user_map(struct zcs_arena *a)
{
	bool wp = false;
	int err;

	a->uffd = zcs_sys_uffd(&a->uffd_kernel, &wp);
	err = a->uffd < 0 ? a->uffd : 0;
	if (!err)
		err = a->ops->arm(a, wp);
	if (!err)
		return 0;
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

static struct zcs_arena *new_arena(enum zcs_arena_kind kind, int node)
{
	struct zcs_arena *a = zcs_sys_calloc(ZCS_FAULT_ALLOC_ARENA, 1, sizeof(*a));

	if (!a)
		return NULL;
	a->kind = kind;
	a->ops = kinds[kind];
	a->node = node;
	a->fd = a->uffd = a->pagemap = -1;
	pthread_mutex_init(&a->lock, NULL);
	zcs_reserve_init(&a->reserve);
	return a;
}

/* Maps as much address space as there is, halving from @bytes. */
static int grow_to_fit(struct zcs_arena *a, uint64_t bytes)
{
	uint64_t least = bytes < MIN_BYTES ? bytes : MIN_BYTES;
	int err = -ENOMEM;

	for (a->bytes = bytes; a->bytes >= least; a->bytes = a->bytes / 2 & ~(UNIT_BYTES - 1)) {
		err = map_all(a);
		if (!err)
			return 0;
	}
	/* EAGAIN: mlockall(MCL_FUTURE), and more than RLIMIT_MEMLOCK */
	zcs_debug("arena: no room for %llu MiB of addresses: %s", (unsigned long long)least >> 20,
		  strerror(-err));
	return -ENOMEM;
}

static int finish_arena(struct zcs_arena *a, struct zcs_arena **arena)
{
	int err = take_id(a);

	if (!err) {
		a->ops->set_policy(a);
		err = arm_user_map(a);
	}
	if (err) {
		zcs_arena_destroy(a);
		return err;
	}
	*arena = a;
	return 0;
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
	err = a->ops->open(a);
	if (!err)
		err = bytes ? grow_to_fit(a, bytes) : -ENOMEM;
	if (err) {
		a->bytes = 0;
		zcs_arena_destroy(a);
		return -ENOMEM;
	}
	return finish_arena(a, arena);
}

/* Whether the error is a shortage of descriptors or memory, which says nothing about the file. */
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
	a->outside = true;
	a->offset = offset;
	a->bytes = bytes;
	err = a->fd = zcs_sys_dup(fd);
	if (err >= 0)
		err = map_all(a);
	if (err < 0) {
		zcs_arena_destroy(a);
		return is_shortage(err) ? -ENOMEM : -EOPNOTSUPP;
	}
	err = finish_arena(a, arena);
	/* last, for it cannot be undone: after an error the caller has the file as it was */
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

int zcs_arena_populate(struct zcs_arena *arena, uint64_t pfn, unsigned order, uint32_t flags,
		       bool *huge)
{
	uint64_t nr = UINT64_C(1) << order;
	int err = arena->ops->populate(arena, pfn, order, flags, huge);

	if (!err) {
		if (*huge)
			atomic_fetch_add(&arena->huge_pages, nr);
		return 0;
	}
	if (!(flags & ZCS_POPULATE_MAY_HOLD))
		zcs_arena_punch(arena, pfn, nr);
	return -ENOMEM;
}

uint64_t zcs_arena_metadata(struct zcs_arena *arena)
{
	uint64_t units, bytes;

	pthread_mutex_lock(&arena->lock);
	units = arena->runs.top;
	pthread_mutex_unlock(&arena->lock);
	bytes = units * sizeof(struct zcs_folio) + units / 4;
	/* where folios are huge the descriptors of small pages were never touched */
	if (arena->kind == ZCS_ARENA_SMALL)
		bytes += units * ZCS_UNIT_PAGES * sizeof(struct zcs_folio) +
			 units * ZCS_UNIT_PAGES / 8;
	return bytes + sizeof(*arena);
}
