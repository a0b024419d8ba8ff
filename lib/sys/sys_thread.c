/* SPDX-License-Identifier: MIT */
/*
 * The library's own threads. A new thread inherits the attributes of its maker, which may be pinned
 * to one CPU, real-time, or have its memory locked. So each attribute that matters is set: no
 * signals; SCHED_OTHER; the CPUs of the process's start, of its first thread and of the maker; a
 * stack of 512 KiB.
 *
 * A sandbox may refuse an attribute, a policy may not be left, or thread-local variables may be
 * larger than the stack. Then the thread is made like its maker. The nice value is always the
 * maker's.
 */
#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <unistd.h>

#include "common/fault.h"
#include "sys_thread.h"

#define STACK_BYTES (512u << 10)

static cpu_set_t first_cpus;

/* Runs when the library is loaded, mostly before any thread is pinned. */
__attribute__((constructor)) static void note_cpus(void)
{
	if (sched_getaffinity(0, sizeof(first_cpus), &first_cpus))
		CPU_ZERO(&first_cpus);
}

/*
 * Finds the CPUs for a new thread. Empty: unknown, for example because there are more CPUs than
 * fit.
 */
static void find_cpus(cpu_set_t *cpus)
{
	cpu_set_t more;

	*cpus = first_cpus;
	if (!CPU_COUNT(cpus))
		return;
	if (!sched_getaffinity(getpid(), sizeof(more), &more))
		CPU_OR(cpus, cpus, &more);
	if (!sched_getaffinity(0, sizeof(more), &more))
		CPU_OR(cpus, cpus, &more);
}

/* Sanitizers need a larger stack than STACK_BYTES, and set their own default. */
extern void __tsan_init(void) __attribute__((weak));
extern void __asan_init(void) __attribute__((weak));

static int set_attributes(pthread_attr_t *attr)
{
	const struct sched_param param = { 0 };
	cpu_set_t cpus;
	int err = -zcs_fault(ZCS_FAULT_THREAD_ATTR);

	find_cpus(&cpus);
	if (!err && !__tsan_init && !__asan_init)
		err = -pthread_attr_setstacksize(attr, STACK_BYTES);
	if (!err)
		err = -pthread_attr_setinheritsched(attr, PTHREAD_EXPLICIT_SCHED);
	if (!err)
		err = -pthread_attr_setschedpolicy(attr, SCHED_OTHER);
	if (!err)
		err = -pthread_attr_setschedparam(attr, &param);
	if (!err && CPU_COUNT(&cpus))
		err = -pthread_attr_setaffinity_np(attr, sizeof(cpus), &cpus);
	return err;
}

static int create(pthread_t *thread, void *(*run)(void *), void *arg)
{
	pthread_attr_t attr;
	int err = -pthread_attr_init(&attr);

	if (err)
		return err;
	err = set_attributes(&attr);
	if (!err)
		err = -pthread_create(thread, &attr, run, arg);
	pthread_attr_destroy(&attr);
	/* -EAGAIN says that the system is out of threads, whatever the attributes */
	return err && err != -EAGAIN ? -pthread_create(thread, NULL, run, arg) : err;
}

int zcs_sys_thread(pthread_t *thread, void *(*run)(void *), void *arg)
{
	int err = -zcs_fault(ZCS_FAULT_IO_THREAD);
	sigset_t all, old;

	if (err)
		return err;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	err = create(thread, run, arg);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	return err;
}
