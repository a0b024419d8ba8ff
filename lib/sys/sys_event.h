/* SPDX-License-Identifier: MIT */
#ifndef ZCS_LIB_SYS_EVENT_H
#define ZCS_LIB_SYS_EVENT_H

#include <stdbool.h>

#include "sys_room.h"

/*
 * An event counter, to which one thread adds and for which another waits. Return: a descriptor that
 * the caller closes, or -errno.
 */
int zcs_sys_event(void);
void zcs_sys_event_add(int fd);
/* Sets an event counter to 0. Does not sleep while the counter is over 0. */
void zcs_sys_event_clear(int fd);

int zcs_sys_epoll(void);
/*
 * Adds a descriptor. @once: an event wakes one waiting thread, and no other thread until
 * zcs_sys_epoll_again().
 */
int zcs_sys_epoll_add(int epfd, int fd, void *ptr, bool once);
void zcs_sys_epoll_again(int epfd, int fd, void *ptr);
/*
 * Waits for one event, at most @ms (-1: for ever). Sleeps. Return: 1 and the descriptor's @ptr; 0:
 * no event.
 */
int zcs_sys_epoll_wait(int epfd, int ms, void **ptr);

/*
 * struct zcs_sys_polled - result of poll()
 * @woken: the event counter is not 0
 * @pressed: a thread waits for memory
 * @gone: the trigger is gone, together with its control group
 */
struct zcs_sys_polled {
	bool woken, pressed[ZCS_PSI_NR], gone[ZCS_PSI_NR];
};
int zcs_sys_poll(int event, const int psi[ZCS_PSI_NR], int ms, struct zcs_sys_polled *polled);

#endif
