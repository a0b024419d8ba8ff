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
 * A child has copies of all objects and none of their memory, which is shared with the parent
 * through files: what it freed or evicted would be gone for the parent. Its destructors may well
 * call us, for a program below a layer cannot know. So every object carries the life of the process
 * that made it, and a call on an object of another life does nothing:
 *
 *	int, int64_t		-ECHILD
 *	void			nothing happens
 *	pointer, number		as for NULL
 *
 * A life is a number that the first object of a process takes from a page which the kernel clears
 * in every child. The comparison comes before any lock, which may be held by a thread that is not
 * in the child.
 */

/* That of a process which is no child of one that has objects: whatever it finds is its own. */
#define ZCS_LIFE_FIRST 1u

/*
 * struct zcs_life - what begins anew in a child, all zero; a page of its own
 * @now: the process's life; 0: it has made no object yet
 * @log_lock: see log.c
 */
extern struct zcs_life {
	_Alignas(4096) _Atomic uint64_t now;
	pthread_rwlock_t log_lock;
} zcs_life;

/*
 * The page at @addr will be zero in every child of fork(). The system call stands here because
 * messages need it, and the system calls need messages. -EINVAL: the kernel does not know it.
 */
int zcs_life_wipe_on_fork(void *addr, size_t bytes);

/* The life of this process, for a new object. */
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

/* Whether @object, which has a member life, is a parent's. */
#define zcs_inherited(object) (!zcs_life_is_first() && !zcs_life_is((object)->life))

#endif
