/* SPDX-License-Identifier: MIT */
#ifndef ZCS_LIB_LIFE_H
#define ZCS_LIB_LIFE_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * DOC: children of fork()
 *
 * A child has copies of all objects, but shares their memory with the parent through files. Memory
 * that the child freed or evicted would be gone for the parent. The child's destructors may call
 * the library, for a program below a layer does not know of the layer. So every object carries the
 * life of the process that made it, and a call on an object of another life does nothing:
 *
 *	int, int64_t		-ECHILD
 *	void			nothing happens
 *	pointer, number		as for NULL
 *
 * A life is a number. The first object of a process takes it from a page that the kernel clears in
 * every child. The comparison comes before any lock, for a thread that is not in the child may hold
 * the lock.
 */

/* The life of a process whose parents had no objects: all objects in it are its own. */
#define ZCS_LIFE_FIRST 1u

/*
 * struct zcs_life - state that begins anew in a child, all zero; a page of its own
 * @now: the process's life; 0: the process has made no object yet
 * @log_lock: see log.c
 */
extern struct zcs_life {
	_Alignas(4096) _Atomic uint64_t now;
	pthread_rwlock_t log_lock;
} zcs_life;

/*
 * Makes the page at @addr zero in every child of fork(). The system call stands in this room and
 * not in lib/sys/, because messages need it and system calls need messages.
 *
 * Context: any. Return: 0; -EINVAL: the kernel does not know the advice.
 */
int zcs_life_wipe_on_fork(void *addr, size_t bytes);

/*
 * Begins the life of this process unless it has begun, for a new object.
 *
 * Context: any; takes no lock of the library. Return: the life.
 */
uint64_t zcs_life_begin(void);

static inline bool zcs_life_is_first(void)
{
	return __builtin_expect(
		atomic_load_explicit(&zcs_life.now, memory_order_relaxed) == ZCS_LIFE_FIRST, 1);
}

static inline bool zcs_life_is(uint64_t life)
{
	return atomic_load_explicit(&zcs_life.now, memory_order_relaxed) == life;
}

/* Whether @object, which has a member life, belongs to a parent process. */
#define zcs_inherited(object) (!zcs_life_is_first() && !zcs_life_is((object)->life))

#endif
