/* SPDX-License-Identifier: MIT */
/*
 * Signals that wait while the calling thread holds a lock that a fault thread needs. Setting a mask
 * is a system call, so a nested section counts its depth instead.
 */
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>

#include "sys_thread.h"

#define MASK_BYTES 8u /* the kernel's 64 signals; sigset_t has room for 1024 */

/*
 * @depth: nested sections that hold signals
 * @before: the thread's mask before the first of them
 *
 * The variable is of the static model, so that no access allocates. It is small, because a library
 * loaded later gets only 512 bytes of that model, shared with all others of its kind.
 */
static _Thread_local struct {
	unsigned depth;
	unsigned char before[MASK_BYTES];
} held __attribute__((tls_model("initial-exec")));

/*
 * All signals but those that the thread raises by its own instructions: blocked, these end the
 * process.
 */
static void all_from_outside(sigset_t *set)
{
	static const int own[] = { SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGSYS };

	sigfillset(set);
	for (size_t i = 0; i < sizeof(own) / sizeof(*own); i++)
		sigdelset(set, own[i]);
}

void zcs_sys_hold_signals(void)
{
	sigset_t set, before;

	if (held.depth++)
		return;
	all_from_outside(&set);
	pthread_sigmask(SIG_BLOCK, &set, &before);
	memcpy(held.before, &before, MASK_BYTES);
}

void zcs_sys_let_signals(void)
{
	sigset_t before;

	if (--held.depth)
		return;
	sigemptyset(&before);
	memcpy(&before, held.before, MASK_BYTES);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
}

int zcs_sys_hold_cancel(void)
{
	int before;

	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &before);
	return before;
}

void zcs_sys_let_cancel(int before)
{
	pthread_setcancelstate(before, &before);
}

void zcs_sys_own_thread(const char *name)
{
	prctl(PR_SET_NAME, name);
	held.depth++;
}
