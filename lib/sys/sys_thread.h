/* SPDX-License-Identifier: MIT */
#ifndef ZCS_LIB_SYS_THREAD_H
#define ZCS_LIB_SYS_THREAD_H

#include <pthread.h>

/*
 * sys_signals.c. Signals that come from outside wait from hold to let; calls nest. For locks that a
 * fault thread needs: a handler that touches a bo, on a thread that holds one, would wait for
 * itself.
 */
void zcs_sys_hold_signals(void);
void zcs_sys_let_signals(void);
/*
 * From here on the calling thread is not cancelled, for it would leave locks behind; returns what
 * was before.
 */
int zcs_sys_hold_cancel(void);
void zcs_sys_let_cancel(int before);
/*
 * What such a thread calls first: its name, and that it is the library's and takes no signals.
 * Named by another thread it would have its file in /proc opened, as descriptor 0 if that is free.
 */
void zcs_sys_own_thread(const char *name);
/*
 * sys_thread.c. A thread that takes no signals, and has neither its maker's policy nor its CPUs
 * alone.
 */
int zcs_sys_thread(pthread_t *thread, void *(*run)(void *), void *arg);

#endif
