/* SPDX-License-Identifier: MIT */
#ifndef ZCS_LIB_SYS_THREAD_H
#define ZCS_LIB_SYS_THREAD_H

#include <pthread.h>

/*
 * Holds back signals from outside, until the matching call of let; calls nest. Needed around locks
 * that a fault thread takes: a signal handler that touched a bo, on a thread that holds such a
 * lock, would wait for itself. In sys_signals.c.
 */
void zcs_sys_hold_signals(void);
void zcs_sys_let_signals(void);
/*
 * Disables the cancellation of the calling thread, which would leave locks behind. Return: the
 * state before, for zcs_sys_let_cancel().
 */
int zcs_sys_hold_cancel(void);
void zcs_sys_let_cancel(int before);
/*
 * The first call of each thread of the library. Names the thread, and notes that the thread takes
 * no signals. A thread names itself, because a name set by another thread opens a file in /proc,
 * and that descriptor could be 0.
 */
void zcs_sys_own_thread(const char *name);
/*
 * Makes a thread that takes no signals, without its maker's scheduling policy, and not bound to its
 * maker's CPUs alone. Allocates a stack. In sys_thread.c.
 */
int zcs_sys_thread(pthread_t *thread, void *(*run)(void *), void *arg);

#endif
