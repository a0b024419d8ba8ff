/* SPDX-License-Identifier: MIT */
#ifndef ZCS_LIB_SYS_FILE_H
#define ZCS_LIB_SYS_FILE_H

#include <fcntl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/fault.h"

/*
 * Moves a new descriptor away from 0, 1 and 2. A program may have closed these three and may still
 * print there, as the library does: no descriptor of the library may stand there.
 *
 * Takes the result of the call that made the descriptor. Return: the descriptor or another one for
 * the same file; -errno.
 */
int zcs_sys_new_fd(int fd);
int zcs_sys_dup(int fd);
void zcs_sys_close(int fd);

/*
 * A sparse memfd; @huge: of 2 MiB hugetlb pages. Return: a descriptor that the caller closes, or
 * -errno.
 */
int zcs_sys_memfd(const char *name, bool huge);
/*
 * A shmem file whose memory is huge from the start, whatever shmem_enabled says. Sleeps while a
 * child process runs. Return: a descriptor that the caller closes; -EPERM: this system forbids it.
 */
int zcs_sys_huge_file(const char *name);
/*
 * Whether shmem_enabled is other than never. Then that policy decides: it makes a memfd's memory
 * huge, or forbids huge memory (deny).
 */
bool zcs_sys_huge_by_policy(void);
/*
 * Identifies a descriptor from outside: sets the page size and the size of the file. Return: 0;
 * -EOPNOTSUPP: no memory file; -EINVAL: no open file.
 */
int zcs_sys_identify(int fd, size_t *page, uint64_t *bytes);

/*
 * Sets the size of a file. Return: 0; -EFBIG: over RLIMIT_FSIZE, where the kernel would raise
 * SIGXFSZ.
 */
int zcs_sys_ftruncate(int fd, uint64_t bytes);
/*
 * RLIMIT_FSIZE. A caller that makes a file longer by a write or fallocate() compares first, for the
 * kernel raises SIGXFSZ.
 */
uint64_t zcs_sys_file_limit(void);
int zcs_sys_fallocate(int fd, uint64_t offset, uint64_t bytes);
int zcs_sys_punch(int fd, uint64_t offset, uint64_t bytes);
/* Whether the file has no data there, as far as the file system says. Moves the file's offset. */
bool zcs_sys_is_hole(int fd, uint64_t offset, uint64_t bytes);

/* struct zcs_sys_file - properties of an open file */
struct zcs_sys_file {
	bool regular, block;
	bool memory; /* on a file system that keeps its data in RAM */
	uint64_t bytes;
	uint32_t sector; /* the unit of O_DIRECT */
	uint32_t mode, links;
	bool own; /* belongs to the effective user */
};

int zcs_sys_open(const char *path, int flags, unsigned mode);
/* Makes a file of mode 0600 without a name in @dir, or removes its name at once. */
int zcs_sys_open_unnamed(const char *dir);
int zcs_sys_unlink(const char *path);
int zcs_sys_file(int fd, struct zcs_sys_file *file);
/* Switches O_DIRECT of an open file on or off. -EINVAL: the file system refuses O_DIRECT. */
int zcs_sys_direct(int fd, bool on);
/* Locks the whole file against other open files. -EBUSY: another open file has the lock. */
int zcs_sys_lock(int fd);

/* One transfer, which may end early. Sleeps for the device. Return: bytes moved, or -errno. */
int64_t zcs_sys_pread(int fd, void *addr, size_t bytes, uint64_t offset);
int64_t zcs_sys_pwrite(int fd, const void *addr, size_t bytes, uint64_t offset);
/*
 * Asks the fault points read, write, short_read and short_write, for an engine that does not call
 * zcs_sys_pread() and zcs_sys_pwrite(). @hold: the transfer must not begin before this delay is
 * over; NULL: this call sleeps through the delay. Return: how much of @bytes the transfer may move,
 * or -errno.
 */
int64_t zcs_sys_transfer_fault(bool write, size_t bytes, struct zcs_fault_hold *hold);
/*
 * Writes a range of the page cache to disk and waits for it. Return: 0, or the error of the
 * writing. The other function drops the range from the cache.
 */
#define ZCS_SYS_SYNC_FLAGS \
	(SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE | SYNC_FILE_RANGE_WAIT_AFTER)
int zcs_sys_sync_range(int fd, uint64_t offset, uint64_t bytes);
void zcs_sys_drop_cache(int fd, uint64_t offset, uint64_t bytes);
/*
 * Discards a range: punches a hole into a file, or discards blocks of a block device. May take
 * milliseconds.
 */
int zcs_sys_discard(int fd, bool block, uint64_t offset, uint64_t bytes);

#endif
