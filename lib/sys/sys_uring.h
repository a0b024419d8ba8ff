/* SPDX-License-Identifier: MIT */
#ifndef ZCS_LIB_SYS_URING_H
#define ZCS_LIB_SYS_URING_H

#include <liburing.h>

/*
 * Makes a ring of @entries. Return: 0; -ENOSYS, -EPERM: this system has no io_uring or forbids it;
 * -EOPNOTSUPP: too old for read and write.
 */
int zcs_sys_uring(struct io_uring *ring, unsigned entries);
/* Submits the prepared entries and waits for @wait completions. Sleeps if @wait is not 0. */
int zcs_sys_uring_enter(struct io_uring *ring, unsigned wait);
/* A free entry; NULL: the ring is full. */
struct io_uring_sqe *zcs_sys_uring_sqe(struct io_uring *ring);

#endif
