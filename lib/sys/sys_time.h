/* SPDX-License-Identifier: MIT */
#ifndef ZCS_LIB_SYS_TIME_H
#define ZCS_LIB_SYS_TIME_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <time.h>

uint64_t zcs_sys_now_ns(void);
/* The time in @ns from now, for a condition variable of CLOCK_MONOTONIC. */
struct timespec zcs_sys_deadline(uint64_t ns);
/* Makes a condition variable with deadlines by CLOCK_MONOTONIC. */
void zcs_sys_cond_init(pthread_cond_t *cond);
/* Waits for a lock, at most about @ns. Return: 0, -ETIMEDOUT. */
int zcs_sys_lock_for(pthread_mutex_t *lock, uint64_t ns);
/* -EINTR: a signal handler ran meanwhile. */
int zcs_sys_sleep_us(unsigned us);
/*
 * Sleeps @us at a time while anybody is counted in @waiting, @most times: to let them have a lock
 * just given up.
 */
void zcs_sys_backoff(const _Atomic unsigned *waiting, unsigned us, unsigned most);

#endif
