/* SPDX-License-Identifier: MIT */
#ifndef ZCS_LIB_FAULT_H
#define ZCS_LIB_FAULT_H

#include <errno.h>
#include <stdatomic.h>
#include <stdbool.h>

#include <zcswap/fault.h>

/*
 * The fault points: X(identifier, name, natural errno). A point with the name of a system call
 * stands in front of that call, mostly in lib/sys/. Any other point stands at the step of its name.
 */
#define ZCS_FAULT_POINTS(X)                              \
	X(MEMFD, "memfd_create", EMFILE)                 \
	X(HUGE_FILE, "huge_file", EPERM)                 \
	X(DUPFD, "dupfd", EMFILE)                        \
	X(FTRUNCATE, "ftruncate", EFBIG)                 \
	X(MMAP, "mmap", ENOMEM)                          \
	X(MPROTECT, "mprotect", ENOMEM)                  \
	X(FALLOCATE, "fallocate", ENOSPC)                \
	X(PUNCH, "punch_hole", EIO)                      \
	X(REMOVE, "madvise_remove", EOPNOTSUPP)          \
	X(POPULATE, "madvise_populate_write", EFAULT)    \
	X(COLLAPSE, "madvise_collapse", EAGAIN)          \
	X(ZAP, "madvise_dontneed", EINVAL)               \
	X(WIPE_ON_FORK, "madvise_wipeonfork", EINVAL)    \
	X(MBIND, "mbind", EPERM)                         \
	X(UFFD, "userfaultfd", EPERM)                    \
	X(UFFD_WP, "userfaultfd_wp", EINVAL)             \
	X(UFFD_REGISTER, "uffdio_register", ENOMEM)      \
	X(UFFD_UNREGISTER, "uffdio_unregister", ENOMEM)  \
	X(UFFD_CONTINUE, "uffdio_continue", ENOMEM)      \
	X(UFFD_POISON, "uffdio_poison", EINVAL)          \
	X(UFFD_UNPROTECT, "uffdio_writeprotect", EINVAL) \
	X(UFFD_READ, "userfaultfd_read", EAGAIN)         \
	X(PAGEMAP, "pagemap", EIO)                       \
	X(ALLOC_ARENA, "alloc_arena", ENOMEM)            \
	X(ALLOC_POOL, "alloc_pool", ENOMEM)              \
	X(ALLOC_STORE, "alloc_store", ENOMEM)            \
	X(ALLOC_BACKUP, "alloc_backup", ENOMEM)          \
	X(ALLOC_DEVICE, "alloc_device", ENOMEM)          \
	X(ALLOC_BO, "alloc_bo", ENOMEM)                  \
	X(EPOLL, "epoll", EMFILE)                        \
	X(PSI, "psi", EACCES)                            \
	X(ROOM, "memory_room", EACCES)                   \
	X(ALLOC_TT, "alloc_tt", ENOMEM)                  \
	X(ALLOC_NODE, "alloc_index_node", ENOMEM)        \
	X(FOLIO_ALLOC, "folio_alloc", ENOMEM)            \
	X(SPLIT, "split", ENOMEM)                        \
	X(INSERT, "insert", ENOMEM)                      \
	X(INSERT_LARGE, "insert_large", ENOMEM)          \
	X(TAKE, "take", ENOMEM)                          \
	X(COPY_PAGE, "copy_page", EINTR)                 \
	X(BACKUP_TRUNCATE, "backup_truncate", EINTR)     \
	X(RESTORE, "restore", EINTR)                     \
	X(STORE_FULL, "store_full", ENOSPC)              \
	X(OPEN, "open", EACCES)                          \
	X(OPEN_DIRECT, "open_direct", EINVAL)            \
	X(LOCK, "lock", EBUSY)                           \
	X(READ, "read", EIO)                             \
	X(WRITE, "write", EIO)                           \
	X(SHORT_READ, "short_read", EIO)                 \
	X(SHORT_WRITE, "short_write", EIO)               \
	X(SYNC_RANGE, "sync_file_range", EIO)            \
	X(DISCARD, "discard", EOPNOTSUPP)                \
	X(EVENTFD, "eventfd", EMFILE)                    \
	X(URING_SETUP, "uring_setup", EPERM)             \
	X(URING_SUBMIT, "uring_submit", EAGAIN)          \
	X(URING_FULL, "uring_full", EBUSY)               \
	X(IO_THREAD, "io_thread", EAGAIN)                \
	X(THREAD_ATTR, "thread_attributes", EPERM)       \
	X(ALLOC_SWAP, "alloc_swap", ENOMEM)              \
	X(SWAP_SLOT, "swap_slot", ENOSPC)                \
	X(CHECKSUM, "checksum", EIO)

enum zcs_fault_id {
#define X(id, name, err) ZCS_FAULT_##id,
	ZCS_FAULT_POINTS(X)
#undef X
		ZCS_FAULT_NR
};

extern atomic_bool zcs_fault_armed;

/*
 * struct zcs_fault_hold - a delayed call
 * @until_ns: end of the delay by CLOCK_MONOTONIC; 0: no delay
 * @set: the point's count of settings when the delay began
 */
struct zcs_fault_hold {
	uint64_t until_ns;
	enum zcs_fault_id id;
	unsigned set;
};

int zcs_fault_slow(enum zcs_fault_id id);
int zcs_fault_begin_slow(enum zcs_fault_id id, struct zcs_fault_hold *hold);
bool zcs_fault_holds_slow(const struct zcs_fault_hold *hold);

/*
 * Asks a fault point whether this call shall fail, and sleeps for the point's delay. While no point
 * is on the question costs one load.
 *
 * Context: may sleep, and takes the lock of the points if one is on. Return: 0, or a positive
 * errno.
 */
static inline int zcs_fault(enum zcs_fault_id id)
{
	if (__builtin_expect(!atomic_load_explicit(&zcs_fault_armed, memory_order_relaxed), 1))
		return 0;
	return zcs_fault_slow(id);
}

/*
 * The same for a caller that must not sleep: it waits in its own way while zcs_fault_holds().
 *
 * Context: any; takes the lock of the points if one is on. Return: 0, or a positive errno.
 */
static inline int zcs_fault_begin(enum zcs_fault_id id, struct zcs_fault_hold *hold)
{
	hold->until_ns = 0;
	if (__builtin_expect(!atomic_load_explicit(&zcs_fault_armed, memory_order_relaxed), 1))
		return 0;
	return zcs_fault_begin_slow(id, hold);
}

static inline bool zcs_fault_holds(const struct zcs_fault_hold *hold)
{
	return hold->until_ns && zcs_fault_holds_slow(hold);
}

#endif
