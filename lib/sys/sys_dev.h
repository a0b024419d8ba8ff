/* SPDX-License-Identifier: MIT */
#ifndef ZCS_LIB_SYS_DEV_H
#define ZCS_LIB_SYS_DEV_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * The part of the system layer that devices need: waiting for several things, reading userfaultfds,
 * memory pressure, time. The rules are those of sys.h.
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
/*
 * Takes away the write-protection of pages, and the markers that the zap of protected pages left.
 */
int zcs_sys_uffd_unprotect(int uffd, void *addr, size_t bytes);
/* Takes an event counter to 0. */
void zcs_sys_event_clear(int fd);

/*
 * Pressure: somebody of the process's control group (version 2), or of the machine, waits for
 * memory. Windows are multiples of 2 s, as unprivileged callers need. Returns the fd. Where the
 * machine's file is missing, as in a container, the topmost group that can be seen stands for it.
 */
enum zcs_psi { ZCS_PSI_GROUP, ZCS_PSI_MACHINE, ZCS_PSI_NR };
int zcs_sys_psi(enum zcs_psi whose, unsigned stall_ms, unsigned window_s);

/*
 * struct zcs_sys_polled - what poll() saw
 * @woken: the event counter is not 0; @pressed: there is pressure; @gone: the trigger is, with its
 *	control group
 */
struct zcs_sys_polled {
	bool woken, pressed[ZCS_PSI_NR], gone[ZCS_PSI_NR];
};
int zcs_sys_poll(int event, const int psi[ZCS_PSI_NR], int ms, struct zcs_sys_polled *polled);

/*
 * Bytes that lack until one part in @part of all memory, @most bytes at most, is available: to the
 * machine and to each control group around the process, by its limit; 0: none. zcs_sys_fake_room()
 * says it instead, for tests.
 */
int64_t zcs_sys_lacking(unsigned part, uint64_t most);
void zcs_sys_fake_room(uint64_t avail, uint64_t of);
uint64_t zcs_sys_now_ns(void);
/* A condition variable whose deadlines are CLOCK_MONOTONIC's. */
void zcs_sys_cond_init(pthread_cond_t *cond);

#endif
