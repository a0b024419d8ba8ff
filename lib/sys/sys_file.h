/* SPDX-License-Identifier: MIT */
#ifndef ZCS_LIB_SYS_FILE_H
#define ZCS_LIB_SYS_FILE_H

#include <fcntl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/fault.h"

/*
 * What a call that makes a descriptor has returned: -errno, or a descriptor that is not 0, 1 or 2.
 * A program may have closed these, and prints there all the same, as the library does: nothing of
 * ours may be in the way.
 */
int zcs_sys_new_fd(int fd);
int zcs_sys_dup(int fd);
void zcs_sys_close(int fd);

/* A memfd of @bytes (sparse); huge: 2 MiB hugetlb pages. Returns the fd. */
int zcs_sys_memfd(const char *name, bool huge);
/*
 * A shmem file whose memory is huge from the start whatever shmem_enabled says; -EPERM: not to be
 * had here.
 */
int zcs_sys_huge_file(const char *name);
/* Whether shmem_enabled makes a memfd's memory huge, or says that none may be. */
bool zcs_sys_huge_by_policy(void);
/*
 * What an outside fd is: sets the page size and the file's size; -EOPNOTSUPP if it is no memory
 * file.
 */
int zcs_sys_identify(int fd, size_t *page, uint64_t *bytes);

/* -EFBIG: it would be over RLIMIT_FSIZE; never a SIGXFSZ. */
int zcs_sys_ftruncate(int fd, uint64_t bytes);
/*
 * RLIMIT_FSIZE. Who makes a file longer by writing or fallocate() looks first: the kernel sends
 * SIGXFSZ.
 */
uint64_t zcs_sys_file_limit(void);
int zcs_sys_fallocate(int fd, uint64_t offset, uint64_t bytes);
int zcs_sys_punch(int fd, uint64_t offset, uint64_t bytes);

/* What an open file is. */
struct zcs_sys_file {
	bool regular, block;
	bool memory; /* on a file system that keeps its data in RAM */
	uint64_t bytes;
	uint32_t sector; /* the unit of O_DIRECT */
	uint32_t mode, links;
	bool own; /* belongs to the effective user */
};

int zcs_sys_open(const char *path, int flags, unsigned mode);
/* A file of mode 0600 in @dir that has no name, or no longer has one. */
int zcs_sys_open_unnamed(const char *dir);
int zcs_sys_unlink(const char *path);
int zcs_sys_file(int fd, struct zcs_sys_file *file);
/* Sets the file's status flags to O_DIRECT or none; -EINVAL: the file system refuses O_DIRECT. */
int zcs_sys_direct(int fd, bool on);
/* Locks the whole file against other open files; -EBUSY if another has it. */
int zcs_sys_lock(int fd);

/* One transfer, as far as it went. */
int64_t zcs_sys_pread(int fd, void *addr, size_t bytes, uint64_t offset);
int64_t zcs_sys_pwrite(int fd, const void *addr, size_t bytes, uint64_t offset);
/*
 * What a transfer is to fail with (-errno), or how much of @bytes it may move: the fault points
 * read, write, short_read and short_write, for an engine that does not call zcs_sys_pread() and
 * zcs_sys_pwrite(). It begins when @hold is over; NULL: this sleeps until then.
 */
int64_t zcs_sys_transfer_fault(bool write, size_t bytes, struct zcs_fault_hold *hold);
/*
 * Waits until a range of the page cache is on disk, and says how that went; drops it from the
 * cache.
 */
#define ZCS_SYS_SYNC_FLAGS \
	(SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE | SYNC_FILE_RANGE_WAIT_AFTER)
int zcs_sys_sync_range(int fd, uint64_t offset, uint64_t bytes);
void zcs_sys_drop_cache(int fd, uint64_t offset, uint64_t bytes);
/* Discards a range of a file (a hole) or of a block device. */
int zcs_sys_discard(int fd, bool block, uint64_t offset, uint64_t bytes);

#endif
