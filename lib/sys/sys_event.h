/* SPDX-License-Identifier: MIT */
#ifndef ZCS_LIB_SYS_EVENT_H
#define ZCS_LIB_SYS_EVENT_H

#include <stdbool.h>

#include "sys_room.h"

/* A counter that one thread adds to and another waits for. */
int zcs_sys_event(void);
void zcs_sys_event_add(int fd);
/* Takes an event counter to 0. */
void zcs_sys_event_clear(int fd);

int zcs_sys_epoll(void);
/* @once: told to one waiting thread, and then to nobody until zcs_sys_epoll_again(). */
int zcs_sys_epoll_add(int epfd, int fd, void *ptr, bool once);
void zcs_sys_epoll_again(int epfd, int fd, void *ptr);
/* Waits for one event: 1 and its ptr; 0: none in @ms (-1: for ever). */
int zcs_sys_epoll_wait(int epfd, int ms, void **ptr);

/*
 * struct zcs_sys_polled - what poll() saw
 * @woken: the event counter is not 0; @pressed: there is pressure; @gone: the trigger is, with its
 *	control group
 */
struct zcs_sys_polled {
	bool woken, pressed[ZCS_PSI_NR], gone[ZCS_PSI_NR];
};
int zcs_sys_poll(int event, const int psi[ZCS_PSI_NR], int ms, struct zcs_sys_polled *polled);

#endif
