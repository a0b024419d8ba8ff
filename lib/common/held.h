/* SPDX-License-Identifier: MIT */
#ifndef ZCS_LIB_HELD_H
#define ZCS_LIB_HELD_H

#include <pthread.h>
#include <stdbool.h>

/*
 * zcs_assert_held - end the process unless the calling thread holds a mutex
 * @lock: a pthread_mutex_t *
 *
 * For functions that want their caller to hold it. The check is in every build without NDEBUG
 * (meson: -Db_ndebug); it costs two loads. It reads the owner that glibc notes in a mutex; with
 * another C library it checks nothing. The order of locks is checked by ThreadSanitizer, which
 * reports an inversion in any run of the suite under it.
 *
 * Context: any. Kernel counterpart: lockdep_assert_held().
 */
#ifdef NDEBUG
#define zcs_assert_held(lock) ((void)(lock))
#else
#define zcs_assert_held(lock) \
	(zcs_is_held(lock) ? (void)0 : zcs_not_held(#lock, __FILE__, __LINE__, __func__))
#endif

/* Whether the calling thread holds @lock; true where that cannot be told. */
bool zcs_is_held(const pthread_mutex_t *lock);
_Noreturn void zcs_not_held(const char *lock, const char *file, int line, const char *function);

#endif
