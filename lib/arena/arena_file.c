/* SPDX-License-Identifier: MIT */
/*
 * What the kinds of memory that lie in a file share: the file mapped twice, and holes punched in
 * it.
 */
#include <zcswap/pool.h>

#include "arena.h"
#include "sys/sys.h"

char *zcs_arena_linear(const struct zcs_arena *a, uint64_t pfn)
{
	return a->linear + pfn * ZCS_PAGE_SIZE;
}

int zcs_arena_map_file(struct zcs_arena *a)
{
	int err = a->outside ? 0 : zcs_sys_ftruncate(a->fd, a->bytes);

	if (!err)
		err = zcs_sys_map(a->fd, a->offset, a->bytes, &a->linear);
	if (!err)
		err = zcs_sys_map(a->fd, a->offset, a->bytes, &a->user);
	return err;
}

int zcs_arena_punch_file(struct zcs_arena *a, uint64_t pfn, uint64_t nr)
{
	return zcs_sys_punch(a->fd, a->offset + pfn * ZCS_PAGE_SIZE, nr * ZCS_PAGE_SIZE);
}
