/* SPDX-License-Identifier: MIT */
/*
 * Whether a thread holds a mutex. glibc writes the thread's id into a mutex of any kind that it
 * locks, and 0 when it unlocks. The id is kept, for gettid() is a system call of 170 ns. A child of
 * fork() has another one than its parent noted, so the system is asked before anybody is accused.
 */
#include "held.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

bool zcs_is_held(const pthread_mutex_t *lock)
{
#ifdef __GLIBC__
	static _Thread_local int tid __attribute__((tls_model("initial-exec")));

	if (lock->__data.__owner == tid && tid)
		return true;
	tid = gettid();
	return lock->__data.__owner == tid;
#else
	(void)lock;
	return true;
#endif
}

void zcs_not_held(const char *lock, const char *file, int line, const char *function)
{
	fprintf(stderr, "zcswap: %s:%d: %s: %s is not held by its caller\n", file, line, function,
		lock);
	abort();
}
