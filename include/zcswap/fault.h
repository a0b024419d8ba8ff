/* SPDX-License-Identifier: MIT */
#ifndef ZCSWAP_FAULT_H
#define ZCSWAP_FAULT_H

#include <stddef.h>
#include <stdint.h>

#include <zcswap/version.h>

#ifdef __cplusplus
extern "C" {
#endif

/**
 * DOC: fault points
 *
 * Every system call and every step that can fail is a named point. A test can make it fail, as the
 * kernel's fault attributes do. The switches belong to the process. In the environment:
 *
 *	ZCSWAP_FAULT="name[:key=value[,key=value...]][;name...]"
 *
 * with the keys probability, interval, times, space, errno (a number or a name such as ENOSPC) and
 * delay_ms (a number, or "hang"); "*" names every point. A part that is wrong is logged with the
 * known keys and ignored. A point that is off costs one load.
 *
 * With a delay a point is slow and does not fail. That gives a test a device that answers late, or
 * hangs until the point is switched off. A delayed transfer of io_uring leaves the other transfers
 * alone, as with a slow device; at every other point the calling thread sleeps.
 */

/* A delay that ends only when the point is set again or switched off. */
#define ZCS_FAULT_HANG UINT64_MAX

/**
 * struct zcs_fault_attr - when a point fails
 * @struct_size: sizeof(struct zcs_fault_attr); the size of the struct without @delay_ms is accepted
 *	too
 * @probability: in per cent, 1 to 100; 0 means 100
 * @interval: only every interval-th call may fail; 0 means 1
 * @times: how often it fails at most; 0: without limit
 * @space: calls that pass before the first that may fail
 * @error: errno to fail with; 0: the natural one of the point
 * @delay_ms: not 0: a call that would fail is delayed by that many milliseconds, or until the point
 *	is set again or switched off; then it fails only if @error is set. ZCS_FAULT_HANG: the delay
 *	has no end of its own
 */
struct zcs_fault_attr {
	size_t struct_size;
	unsigned probability;
	unsigned interval;
	uint64_t times;
	uint64_t space;
	int error;
	uint64_t delay_ms;
};

/**
 * ZCS_FAULT_ATTR_INIT - initializer of a struct zcs_fault_attr: every call fails; the caller then
 * sets the fields that differ
 */
#define ZCS_FAULT_ATTR_INIT                                     \
	{                                                       \
		sizeof(struct zcs_fault_attr), 0, 0, 0, 0, 0, 0 \
	}

/**
 * zcs_fault_set - switch a point on or off
 * @name: a point's name, or "*" for all
 * @attr: NULL: off. Counting starts anew either way.
 *
 * Return: 0; -EINVAL: NULL name, a wrong struct_size, a probability over 100, a negative errno;
 * -ENOENT: no such point. Thread-safe.
 */
ZCS_API int zcs_fault_set(const char *name, const struct zcs_fault_attr *attr);

/** zcs_fault_name - the name of the @i-th point; NULL past the last. Thread-safe. */
ZCS_API const char *zcs_fault_name(unsigned i);

/**
 * zcs_fault_count - how often a point was passed since it was switched on
 * @name: a point's name
 * @calls: where the number of calls is put, or NULL
 * @failed: where the number of failures is put, or NULL; a delayed call counts when it begins to
 *	wait
 *
 * Return: 0; -EINVAL: NULL name; -ENOENT. Thread-safe.
 */
ZCS_API int zcs_fault_count(const char *name, uint64_t *calls, uint64_t *failed);

#ifdef __cplusplus
}
#endif

#endif
