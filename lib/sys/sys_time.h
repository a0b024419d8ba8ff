/* SPDX-License-Identifier: MIT */
#ifndef ZCS_LIB_SYS_TIME_H
#define ZCS_LIB_SYS_TIME_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <time.h>

uint64_t zcs_sys_now_ns(void);
/* For a condition variable of CLOCK_MONOTONIC: the time in @ns from now. */
struct timespec zcs_sys_deadline(uint64_t ns);
/* A condition variable whose deadlines are CLOCK_MONOTONIC's. */
void zcs_sys_cond_init(pthread_cond_t *cond);
/* Waits for a lock, about @ns at most: 0, -ETIMEDOUT. */
int zcs_sys_lock_for(pthread_mutex_t *lock, uint64_t ns);
/* -EINTR: a signal handler ran meanwhile. */
int zcs_sys_sleep_us(unsigned us);
/*
 * Sleeps @us at a time while anybody is counted in @waiting, @most times: to let them have a lock
 * just given up.
 */
void zcs_sys_backoff(const _Atomic unsigned *waiting, unsigned us, unsigned most);

#endif
