/* SPDX-License-Identifier: MIT */
/*
 * The owner of an object: this process, or the parent that forked it.
 *
 * The number of a life lies in a page of its own, which the kernel clears in a child
 * (MADV_WIPEONFORK). That reaches children of every kind, those of _Fork() and clone() too, and
 * costs one load. A child that shares the parent's memory (vfork(), posix_spawn()) keeps the
 * parent's life, as it should. Comparing getpid() would cost a system call each time, and the
 * kernel uses process ids again.
 *
 * Where the kernel refuses the advice, pthread_atfork() takes its place and misses raw clone().
 */
#include "life.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <sys/mman.h>

#include "fault.h"
#include "log.h"

struct zcs_life zcs_life;

/* The highest life in use. fork() copies this number, so that a child's first life is above it. */
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
	 * Before any object of this life exists: a child that forks at any moment must begin
	 * another life.
	 */
	atomic_store(&last, now);
	return now;
}
