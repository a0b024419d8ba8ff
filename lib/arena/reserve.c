/* SPDX-License-Identifier: MIT */
/*
 * Hugetlb pages held back, so that an evicted folio can come back although other processes take
 * hugetlb pages.
 *
 * A folio that is written back gives its page to the system, whose reserve belongs to every
 * process. Two processes that evict in turn would take each other's pages, and a touch would wait
 * for as long as the other process keeps them. So the first pages that evictions free are held
 * back, in a file of their own. When the system has no page for a restore, one is given up and
 * taken again at once, in place of the restored folio. The next eviction refills the reserve.
 *
 * Cost: at most RESERVE_MOST pages (pool_mem.c) for each arena, and a 64th of the limit.
 *
 * Known limit: another process may be quicker between the two steps. Then the next page is tried.
 */
#include "reserve.h"

#include <stdint.h>

#include "sys/sys.h"

#define PAGE_BYTES (UINT64_C(2) << 20)
#define MOST_EVER  16u

void zcs_reserve_init(struct zcs_reserve *r)
{
	*r = (struct zcs_reserve){ .fd = -1 };
	pthread_mutex_init(&r->lock, NULL);
}

void zcs_reserve_fini(struct zcs_reserve *r)
{
	zcs_sys_close(r->fd);
	pthread_mutex_destroy(&r->lock);
}

/*
 * Makes the file for MOST_EVER pages, or as large as RLIMIT_FSIZE allows: a longer file would be a
 * SIGXFSZ.
 */
static int make_file(struct zcs_reserve *r)
{
	uint64_t limit = zcs_sys_file_limit() / PAGE_BYTES;
	int err;

	if (r->fd >= 0)
		return 0;
	r->room = limit < MOST_EVER ? (unsigned)limit : MOST_EVER;
	r->fd = zcs_sys_memfd("zcswap reserve", true);
	err = r->fd < 0 ? r->fd : zcs_sys_ftruncate(r->fd, r->room * PAGE_BYTES);
	if (err) {
		zcs_sys_close(r->fd);
		r->fd = -1;
	}
	return err;
}

void zcs_reserve_refill(struct zcs_reserve *r)
{
	pthread_mutex_lock(&r->lock);
	if (r->held < r->most && !make_file(r) && r->held < r->room &&
	    !zcs_sys_fallocate(r->fd, r->held * PAGE_BYTES, PAGE_BYTES))
		r->held++;
	pthread_mutex_unlock(&r->lock);
}

bool zcs_reserve_give(struct zcs_reserve *r)
{
	bool given = false;

	pthread_mutex_lock(&r->lock);
	if (r->held && !zcs_sys_punch(r->fd, (r->held - 1) * PAGE_BYTES, PAGE_BYTES)) {
		r->held--;
		given = true;
	}
	pthread_mutex_unlock(&r->lock);
	return given;
}

unsigned zcs_reserve_held(struct zcs_reserve *r)
{
	unsigned held;

	pthread_mutex_lock(&r->lock);
	held = r->held;
	pthread_mutex_unlock(&r->lock);
	return held;
}

void zcs_reserve_give_all(struct zcs_reserve *r)
{
	while (zcs_reserve_give(r))
		;
}
