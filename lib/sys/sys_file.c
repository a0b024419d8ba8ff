/* SPDX-License-Identifier: MIT */
/*
 * Files: memory files, and the files and block devices that hold swap slots. Descriptors are never
 * 0, 1 or 2.
 *
 * A transfer is passed on as the kernel made it, short or interrupted. The engine continues it, for
 * the engine must do the same for io_uring.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "sys_file.h"
#include "sys_priv.h"
#include "uapi.h"

#define HUGE_BYTES (2u << 20)
#define SECTOR	   512u

int zcs_sys_dup(int fd)
{
	INJECT(DUPFD);
	return zcs_result(fcntl(fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1));
}

int zcs_sys_new_fd(int fd)
{
	int high;

	if (fd < 0 || fd > STDERR_FILENO)
		return zcs_result(fd);
	high = zcs_sys_dup(fd);
	close(fd);
	return high;
}

void zcs_sys_close(int fd)
{
	if (fd >= 0)
		close(fd);
}

int zcs_sys_memfd(const char *name, bool huge)
{
	INJECT(MEMFD);
	return zcs_sys_new_fd(
		memfd_create(name, MFD_CLOEXEC | (huge ? MFD_HUGETLB | MFD_HUGE_2MB : 0u)));
}

uint64_t zcs_sys_file_limit(void)
{
	struct rlimit r;

	if (getrlimit(RLIMIT_FSIZE, &r) || r.rlim_cur == RLIM_INFINITY)
		return UINT64_MAX;
	return r.rlim_cur;
}

int zcs_sys_ftruncate(int fd, uint64_t bytes)
{
	INJECT(FTRUNCATE);
	/* the kernel would raise SIGXFSZ, which ends the process */
	if (bytes > zcs_sys_file_limit())
		return -EFBIG;
	return zcs_result(ftruncate(fd, (off_t)bytes));
}

int zcs_sys_fallocate(int fd, uint64_t offset, uint64_t bytes)
{
	int r;

	INJECT(FALLOCATE);
	do
		r = zcs_result(fallocate(fd, 0, (off_t)offset, (off_t)bytes));
	while (r == -EINTR);
	return r;
}

int zcs_sys_punch(int fd, uint64_t offset, uint64_t bytes)
{
	INJECT(PUNCH);
	return zcs_result(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)offset,
				    (off_t)bytes));
}

bool zcs_sys_is_hole(int fd, uint64_t offset, uint64_t bytes)
{
	off_t data = lseek(fd, (off_t)offset, SEEK_DATA);

	return data < 0 ? errno == ENXIO : (uint64_t)data >= offset + bytes;
}

int zcs_sys_identify(int fd, size_t *page, uint64_t *bytes)
{
	struct statfs fs;
	struct stat st;

	if (fstat(fd, &st) || fstatfs(fd, &fs))
		return -EINVAL;
	if (!S_ISREG(st.st_mode))
		return -EOPNOTSUPP;
	*page = fs.f_type == HUGETLBFS_MAGIC ? (size_t)fs.f_bsize : 4096;
	if (*page != 4096 && *page != HUGE_BYTES)
		return -EOPNOTSUPP;
	*bytes = (uint64_t)st.st_size;
	return 0;
}

int zcs_sys_open(const char *path, int flags, unsigned mode)
{
	int fd, high;

	INJECT(OPEN);
	fd = open(path, flags | O_CLOEXEC, mode);
	high = zcs_sys_new_fd(fd);
	if (fd >= 0 && high < 0 && (flags & O_CREAT) && (flags & O_EXCL))
		unlink(path);
	return high;
}

int zcs_sys_open_unnamed(const char *dir)
{
	char path[4096];
	int fd;

	INJECT(OPEN);
	fd = open(dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	if (fd >= 0 || (errno != EOPNOTSUPP && errno != EISDIR))
		return zcs_sys_new_fd(fd);
	if ((size_t)snprintf(path, sizeof(path), "%s/zcswap.XXXXXX", dir) >= sizeof(path))
		return -ENAMETOOLONG;
	fd = mkostemp(path, O_CLOEXEC);
	if (fd >= 0)
		unlink(path);
	return zcs_sys_new_fd(fd);
}

int zcs_sys_unlink(const char *path)
{
	return zcs_result(unlink(path));
}

static int block_size(int fd, struct zcs_sys_file *file)
{
	int sector;

	if (ioctl(fd, BLKGETSIZE64, &file->bytes) || ioctl(fd, BLKSSZGET, &sector))
		return -errno;
	file->sector = (uint32_t)sector;
	return 0;
}

/* The unit of O_DIRECT in a file. It is the sector of the device below, which may be 4 KiB. */
static uint32_t file_sector(int fd)
{
#ifdef STATX_DIOALIGN
	struct statx st;

	if (!statx(fd, "", AT_EMPTY_PATH, STATX_DIOALIGN, &st) && (st.stx_mask & STATX_DIOALIGN) &&
	    st.stx_dio_offset_align > SECTOR)
		return st.stx_dio_offset_align;
#else
	(void)fd;
#endif
	return SECTOR;
}

int zcs_sys_file(int fd, struct zcs_sys_file *file)
{
	struct statfs fs;
	struct stat st;

	if (fstat(fd, &st) || fstatfs(fd, &fs))
		return -errno;
	*file = (struct zcs_sys_file){
		.regular = S_ISREG(st.st_mode),
		.block = S_ISBLK(st.st_mode),
		.memory = fs.f_type == TMPFS_MAGIC || fs.f_type == RAMFS_MAGIC,
		.bytes = (uint64_t)st.st_size,
		.sector = SECTOR,
		.mode = st.st_mode & 07777,
		.links = (uint32_t)st.st_nlink,
		.own = st.st_uid == geteuid(),
	};
	if (file->regular)
		file->sector = file_sector(fd);
	return file->block ? block_size(fd, file) : 0;
}

int zcs_sys_direct(int fd, bool on)
{
	if (on)
		INJECT(OPEN_DIRECT);
	return zcs_result(fcntl(fd, F_SETFL, on ? O_DIRECT : 0));
}

int zcs_sys_lock(int fd)
{
	struct flock whole = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	int r;

	INJECT(LOCK);
	r = zcs_result(fcntl(fd, F_OFD_SETLK, &whole));
	return r == -EAGAIN || r == -EACCES ? -EBUSY : r;
}

int64_t zcs_sys_transfer_fault(bool write, size_t bytes, struct zcs_fault_hold *hold)
{
	enum zcs_fault_id id = write ? ZCS_FAULT_WRITE : ZCS_FAULT_READ;
	int err = hold ? zcs_fault_begin(id, hold) : zcs_fault(id);

	if (err)
		return -err;
	if (bytes > SECTOR && zcs_fault(write ? ZCS_FAULT_SHORT_WRITE : ZCS_FAULT_SHORT_READ))
		return (int64_t)((bytes / 2 + SECTOR - 1) & ~(size_t)(SECTOR - 1));
	return (int64_t)bytes;
}

int64_t zcs_sys_pread(int fd, void *addr, size_t bytes, uint64_t offset)
{
	int64_t len = zcs_sys_transfer_fault(false, bytes, NULL);
	ssize_t r;

	if (len < 0)
		return len;
	r = pread(fd, addr, (size_t)len, (off_t)offset);
	return r < 0 ? -errno : r;
}

int64_t zcs_sys_pwrite(int fd, const void *addr, size_t bytes, uint64_t offset)
{
	int64_t len = zcs_sys_transfer_fault(true, bytes, NULL);
	ssize_t r;

	if (len < 0)
		return len;
	r = pwrite(fd, addr, (size_t)len, (off_t)offset);
	return r < 0 ? -errno : r;
}

int zcs_sys_sync_range(int fd, uint64_t offset, uint64_t bytes)
{
	INJECT(SYNC_RANGE);
	return zcs_result(sync_file_range(fd, (off_t)offset, (off_t)bytes, ZCS_SYS_SYNC_FLAGS));
}

void zcs_sys_drop_cache(int fd, uint64_t offset, uint64_t bytes)
{
	posix_fadvise(fd, (off_t)offset, (off_t)bytes, POSIX_FADV_DONTNEED);
}

int zcs_sys_discard(int fd, bool block, uint64_t offset, uint64_t bytes)
{
	uint64_t range[2] = { offset, bytes };

	INJECT(DISCARD);
	return block ? zcs_result(ioctl(fd, BLKDISCARD, range)) : zcs_sys_punch(fd, offset, bytes);
}
