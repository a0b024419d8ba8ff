/* SPDX-License-Identifier: MIT */
#ifndef ZCS_LIB_SYS_URING_H
#define ZCS_LIB_SYS_URING_H

#include <liburing.h>

/*
 * A ring of @entries; -ENOSYS, -EPERM: not to be had here; -EOPNOTSUPP: too old for read and write.
 */
int zcs_sys_uring(struct io_uring *ring, unsigned entries);
/* Hands over what is prepared and waits for @wait completions. */
int zcs_sys_uring_enter(struct io_uring *ring, unsigned wait);
/* A free entry; NULL: the ring is full. */
struct io_uring_sqe *zcs_sys_uring_sqe(struct io_uring *ring);

#endif
