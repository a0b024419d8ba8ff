/* SPDX-License-Identifier: MIT */
/*
 * Whose an object is, in a process that is a child of fork().
 *
 * The number lies in a page of its own, which the kernel clears in a child: that reaches children
 * of every kind, those of _Fork() and clone() too, costs one load, and leaves children alone that
 * share the parent's memory (vfork(), posix_spawn()). Comparing getpid() would be a system call
 * each time, and process ids are used again. Where the kernel refuses, pthread_atfork() has to do.
 */
#include "life.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <sys/mman.h>

#include "fault.h"
#include "log.h"

struct zcs_life zcs_life;

/* The highest number that an object can have; copied by fork(), so that a child begins above it. */
static _Atomic uint64_t last;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void clear_in_child(void)
{
	memset(&zcs_life, 0, sizeof(zcs_life));
}

int zcs_life_wipe_on_fork(void *addr, size_t bytes)
{
	int err = zcs_fault(ZCS_FAULT_WIPE_ON_FORK);

	if (err)
		return -err;
	return madvise(addr, bytes, MADV_WIPEONFORK) ? -errno : 0;
}

static void arm(void)
{
	if (!zcs_life_wipe_on_fork(&zcs_life, sizeof(zcs_life)))
		return;
	if (pthread_atfork(NULL, NULL, clear_in_child))
		zcs_warn("no way to tell a child of fork() from its parent: it must call nothing");
}

uint64_t zcs_life_begin(void)
{
	uint64_t now = 0, next;

	pthread_once(&once, arm);
	next = atomic_load(&last) + 1;
	if (atomic_compare_exchange_strong(&zcs_life.now, &now, next))
		now = next;
	/*
	 * before there is an object of this life, so that a child of any moment begins another one
	 */
	atomic_store(&last, now);
	return now;
}
