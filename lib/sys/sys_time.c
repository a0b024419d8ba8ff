/* SPDX-License-Identifier: MIT */
/*
 * The clock, and waiting by the clock. Deadlines are by CLOCK_MONOTONIC, which nobody can set. The
 * one exception is a lock with a deadline, see zcs_sys_lock_for().
 */
#include <time.h>

#include "sys_time.h"

uint64_t zcs_sys_now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static struct timespec deadline(clockid_t clock, uint64_t ns)
{
	struct timespec t;

	clock_gettime(clock, &t);
	ns += (uint64_t)t.tv_nsec;
	t.tv_sec += (time_t)(ns / 1000000000);
	t.tv_nsec = (long)(ns % 1000000000);
	return t;
}

struct timespec zcs_sys_deadline(uint64_t ns)
{
	return deadline(CLOCK_MONOTONIC, ns);
}

void zcs_sys_cond_init(pthread_cond_t *cond)
{
	pthread_condattr_t attr;

	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(cond, &attr);
	pthread_condattr_destroy(&attr);
}

/*
 * By CLOCK_REALTIME, although that clock may be set: ThreadSanitizer does not know
 * pthread_mutex_clocklock().
 */
int zcs_sys_lock_for(pthread_mutex_t *lock, uint64_t ns)
{
	struct timespec until = deadline(CLOCK_REALTIME, ns);

	return -pthread_mutex_timedlock(lock, &until);
}

int zcs_sys_sleep_us(unsigned us)
{
	struct timespec t = { .tv_sec = us / 1000000, .tv_nsec = us % 1000000 * 1000l };

	return -clock_nanosleep(CLOCK_MONOTONIC, 0, &t, NULL);
}

void zcs_sys_backoff(const _Atomic unsigned *waiting, unsigned us, unsigned most)
{
	for (unsigned i = 0; i < most && atomic_load(waiting); i++)
		zcs_sys_sleep_us(us);
}
