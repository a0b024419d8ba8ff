/* SPDX-License-Identifier: MIT */
#ifndef ZCS_LIB_RESERVE_H
#define ZCS_LIB_RESERVE_H

#include <pthread.h>
#include <stdbool.h>

/*
 * struct zcs_reserve - hugetlb pages held back for restores
 * @fd: the file that holds them; -1: not made yet
 * @room: pages that the file may have; @held, @most: pages
 */
struct zcs_reserve {
	pthread_mutex_t lock;
	int fd;
	unsigned room, held, most;
};

void zcs_reserve_init(struct zcs_reserve *r);
void zcs_reserve_fini(struct zcs_reserve *r);
/* Takes one page of the system's, if the reserve is not full and the system has one. */
void zcs_reserve_refill(struct zcs_reserve *r);
/* Gives a page back to the system, for the caller to take; false: the reserve is empty. */
bool zcs_reserve_give(struct zcs_reserve *r);
unsigned zcs_reserve_held(struct zcs_reserve *r);
void zcs_reserve_give_all(struct zcs_reserve *r);

#endif
