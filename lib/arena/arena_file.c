/* SPDX-License-Identifier: MIT */
/*
 * Functions that the kinds of memory in a file share: the file is mapped twice, and holes are
 * punched in it.
 *
 * The file may belong to the program, a file of a FUSE mount for instance (zcs_arena_adopt()). Then
 * a punch by fallocate() is a request that another process must answer: 37 to 136 us for 2 MiB.
 * MADV_REMOVE on the linear map does the same in 9 us, because the kernel punches the file that is
 * really mapped. The kernel refuses it where the map is locked (mlockall()) or the file system has
 * no holes by that way; then fallocate() does it. For a memfd the two cost the same.
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
	uint64_t bytes = nr * ZCS_PAGE_SIZE;

	if (a->outside && !zcs_sys_remove(zcs_arena_linear(a, pfn), bytes))
		return 0;
	return zcs_sys_punch(a->fd, a->offset + pfn * ZCS_PAGE_SIZE, bytes);
}
