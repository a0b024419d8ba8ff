/* SPDX-License-Identifier: MIT */
#ifndef ZCS_LIB_SYS_DEV_H
#define ZCS_LIB_SYS_DEV_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * The part of the system layer that devices need: waiting for several things, reading userfaultfds, memory
 * pressure, time. The rules are those of sys.h.
 */
struct zcs_sys_touch {
	uintptr_t addr;
	bool write;
};

int zcs_sys_epoll(void);
/* @once: told to one waiting thread, and then to nobody until zcs_sys_epoll_again(). */
int zcs_sys_epoll_add(int epfd, int fd, void *ptr, bool once);
void zcs_sys_epoll_again(int epfd, int fd, void *ptr);
/* Waits for one event: 1 and its ptr; 0: none in @ms (-1: for ever). */
int zcs_sys_epoll_wait(int epfd, int ms, void **ptr);
/* The next touch that a userfaultfd has to tell; -EAGAIN: none. */
int zcs_sys_uffd_read(int uffd, struct zcs_sys_touch *touch);
int zcs_sys_uffd_poison(int uffd, void *addr, size_t bytes);
/* Takes away the write-protection of pages, and the markers that the zap of protected pages left. */
int zcs_sys_uffd_unprotect(int uffd, void *addr, size_t bytes);
/* Takes an event counter to 0. */
void zcs_sys_event_clear(int fd);
/*
 * A trigger on the machine's, or where that is not to be had the cgroup's, memory.pressure. Windows are
 * multiples of 2 s, as unprivileged callers need. Returns the fd.
 */
int zcs_sys_psi(unsigned stall_ms, unsigned window_s);
/* Waits up to @ms for the event counter or pressure. -ENODEV: the trigger is gone (with its cgroup). */
int zcs_sys_poll(int event, int psi, int ms, bool *woken, bool *pressed);
uint64_t zcs_sys_now_ns(void);
/* A condition variable whose deadlines are CLOCK_MONOTONIC's. */
void zcs_sys_cond_init(pthread_cond_t *cond);

#endif
