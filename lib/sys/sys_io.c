/* SPDX-License-Identifier: MIT */
/*
 * System calls of swap I/O, each behind its fault point, as in sys.c. A transfer is handed through
 * as the kernel made it, short or interrupted: continuing is the engine's business, which has to do
 * the same for io_uring.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <linux/magic.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "sys_io.h"

#define SECTOR 512u

#define INJECT(id)                                        \
	do {                                              \
		int injected = zcs_fault(ZCS_FAULT_##id); \
		if (injected)                             \
			return -injected;                 \
	} while (0)

static int result(int r)
{
	return r < 0 ? -errno : r;
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
	return result(unlink(path));
}

static int block_size(int fd, struct zcs_sys_file *file)
{
	int sector;

	if (ioctl(fd, BLKGETSIZE64, &file->bytes) || ioctl(fd, BLKSSZGET, &sector))
		return -errno;
	file->sector = (uint32_t)sector;
	return 0;
}

/* The unit of O_DIRECT in a file: that of the device below it, which may be of 4 KiB. */
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
	return result(fcntl(fd, F_SETFL, on ? O_DIRECT : 0));
}

int zcs_sys_lock(int fd)
{
	struct flock whole = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	int r;

	INJECT(LOCK);
	r = result(fcntl(fd, F_OFD_SETLK, &whole));
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
	return result(sync_file_range(fd, (off_t)offset, (off_t)bytes, ZCS_SYS_SYNC_FLAGS));
}

void zcs_sys_drop_cache(int fd, uint64_t offset, uint64_t bytes)
{
	posix_fadvise(fd, (off_t)offset, (off_t)bytes, POSIX_FADV_DONTNEED);
}

int zcs_sys_discard(int fd, bool block, uint64_t offset, uint64_t bytes)
{
	uint64_t range[2] = { offset, bytes };

	INJECT(DISCARD);
	return block ? result(ioctl(fd, BLKDISCARD, range)) : zcs_sys_punch(fd, offset, bytes);
}

int zcs_sys_event(void)
{
	INJECT(EVENTFD);
	return zcs_sys_new_fd(eventfd(0, EFD_CLOEXEC));
}

void zcs_sys_event_add(int fd)
{
	uint64_t one = 1;
	ssize_t r;

	do
		r = write(fd, &one, sizeof(one));
	while (r < 0 && errno == EINTR);
}

/* As zcs_sys_new_fd() does; the ring has its descriptor in two places. */
static int move_ring(struct io_uring *ring)
{
	int fd = ring->ring_fd;

	if (fd > STDERR_FILENO)
		return 0;
	fd = zcs_sys_dup(fd);
	if (fd < 0)
		return fd;
	close(ring->ring_fd);
	ring->ring_fd = ring->enter_ring_fd = fd;
	return 0;
}

int zcs_sys_uring(struct io_uring *ring, unsigned entries)
{
	struct io_uring_params params = { .flags = IORING_SETUP_CLAMP };
	int err;

	INJECT(URING_SETUP);
	err = io_uring_queue_init_params(entries, ring, &params);
	if (err)
		return err;
	/* came with 5.6, as did IORING_OP_READ */
	err = params.features & IORING_FEAT_RW_CUR_POS ? move_ring(ring) : -EOPNOTSUPP;
	if (err)
		io_uring_queue_exit(ring);
	else
		io_uring_ring_dontfork(ring);
	return err;
}

int zcs_sys_uring_enter(struct io_uring *ring, unsigned wait)
{
	INJECT(URING_SUBMIT);
	return wait ? io_uring_submit_and_wait(ring, wait) : io_uring_submit(ring);
}

struct io_uring_sqe *zcs_sys_uring_sqe(struct io_uring *ring)
{
	return zcs_fault(ZCS_FAULT_URING_FULL) ? NULL : io_uring_get_sqe(ring);
}

int zcs_sys_sleep_us(unsigned us)
{
	return usleep(us) ? -errno : 0;
}

void zcs_sys_stand_back(const _Atomic unsigned *waiting, unsigned us, unsigned most)
{
	for (unsigned i = 0; i < most && atomic_load(waiting); i++)
		zcs_sys_sleep_us(us);
}

static struct timespec deadline(clockid_t clock, uint64_t ns)
{
	struct timespec t;

	clock_gettime(clock, &t);
	ns += (uint64_t)t.tv_nsec;
	t.tv_sec += (time_t)(ns / 1000000000);
	t.tv_nsec = (long)(ns % 1000000000);
	return t;
}

/* By the clock that may be set: ThreadSanitizer does not see pthread_mutex_clocklock(). */
int zcs_sys_lock_for(pthread_mutex_t *lock, uint64_t ns)
{
	struct timespec until = deadline(CLOCK_REALTIME, ns);

	return -pthread_mutex_timedlock(lock, &until);
}

struct timespec zcs_sys_deadline(uint64_t ns)
{
	return deadline(CLOCK_MONOTONIC, ns);
}
