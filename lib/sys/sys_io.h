/* SPDX-License-Identifier: MIT */
#ifndef ZCS_LIB_SYS_IO_H
#define ZCS_LIB_SYS_IO_H

#include <fcntl.h>
#include <liburing.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include "common/fault.h"
#include "sys.h"

/*
 * The part of the system layer that swap I/O needs: files, locks, transfers, io_uring, threads. The
 * rules are those of sys.h: -errno or a value >= 0, and a fault point in front of each call.
 */

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
 * Waits until a range of the page cache is on disk, and says how that went; drops it from the
 * cache.
 */
#define ZCS_SYS_SYNC_FLAGS \
	(SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE | SYNC_FILE_RANGE_WAIT_AFTER)
int zcs_sys_sync_range(int fd, uint64_t offset, uint64_t bytes);
void zcs_sys_drop_cache(int fd, uint64_t offset, uint64_t bytes);
/* Discards a range of a file (a hole) or of a block device. */
int zcs_sys_discard(int fd, bool block, uint64_t offset, uint64_t bytes);

/* A counter that one thread adds to and another waits for. */
int zcs_sys_event(void);
void zcs_sys_event_add(int fd);

/*
 * What a transfer is to fail with (-errno), or how much of @bytes it may move: the fault points
 * read, write, short_read and short_write, for an engine that does not call zcs_sys_pread() and
 * zcs_sys_pwrite(). It begins when @hold is over; NULL: this sleeps until then.
 */
int64_t zcs_sys_transfer_fault(bool write, size_t bytes, struct zcs_fault_hold *hold);

/*
 * A ring of @entries; -ENOSYS, -EPERM: not to be had here; -EOPNOTSUPP: too old for read and write.
 */
int zcs_sys_uring(struct io_uring *ring, unsigned entries);
/* Hands over what is prepared and waits for @wait completions. */
int zcs_sys_uring_enter(struct io_uring *ring, unsigned wait);
/* A free entry; NULL: the ring is full. */
struct io_uring_sqe *zcs_sys_uring_sqe(struct io_uring *ring);

/*
 * sys_signals.c. Signals that come from outside wait from hold to let; calls nest. For locks that a
 * fault thread needs: a handler that touches a bo, on a thread that holds one, would wait for
 * itself.
 */
void zcs_sys_hold_signals(void);
void zcs_sys_let_signals(void);
/*
 * From here on the calling thread is not cancelled, for it would leave locks behind; returns what
 * was before.
 */
int zcs_sys_hold_cancel(void);
void zcs_sys_let_cancel(int before);
/*
 * What such a thread calls first: its name, and that it is the library's and takes no signals.
 * Named by another thread it would have its file in /proc opened, as descriptor 0 if that is free.
 */
void zcs_sys_own_thread(const char *name);
/*
 * sys_thread.c. A thread that takes no signals, and has neither its maker's policy nor its CPUs
 * alone.
 */
int zcs_sys_thread(pthread_t *thread, void *(*run)(void *), void *arg);
/* Waits for a lock, about @ns at most: 0, -ETIMEDOUT. */
int zcs_sys_lock_for(pthread_mutex_t *lock, uint64_t ns);
/* -EINTR: a signal handler ran meanwhile. */
int zcs_sys_sleep_us(unsigned us);
/*
 * Sleeps @us at a time while anybody is counted in @waiting, @most times: to let them have a lock
 * just given up.
 */
void zcs_sys_stand_back(const _Atomic unsigned *waiting, unsigned us, unsigned most);
/* For a condition variable of CLOCK_MONOTONIC: the time in @ns from now. */
struct timespec zcs_sys_deadline(uint64_t ns);

#endif
