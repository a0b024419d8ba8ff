/* SPDX-License-Identifier: MIT */
#ifndef QUICKSTART_UTIL_H
#define QUICKSTART_UTIL_H

#include <errno.h>
#include <stdint.h>

/*
 * An example may end at the first error; it must print the name of the call and the reason. Exit
 * code 1: something failed or differs. Exit code 77: the machine lacks something for this step.
 */
#define EXIT_SKIP 77

#define KIB  1024ull
#define MIB  (1024ull * KIB)
#define HUGE (2ull * MIB)
#define PAGE 4096ull

_Noreturn void die(const char *format, ...) __attribute__((format(printf, 1, 2)));
_Noreturn void skip(const char *format, ...) __attribute__((format(printf, 1, 2)));
_Noreturn void die_call(const char *call, const char *file, int line, const char *why);

/** errno_name - "-ENOMEM (Cannot allocate memory)" for a positive errno; the text is overwritten */
const char *errno_name(int error);

/* A call that returns -1 and sets errno. */
#define SYS_CHECK(call)                                                         \
	do {                                                                    \
		if ((call) < 0)                                                 \
			die_call(#call, __FILE__, __LINE__, errno_name(errno)); \
	} while (0)

/* A call of libzcswap: a negative value is -errno. */
#define ZCS_CHECK(call)                                                                    \
	do {                                                                               \
		int64_t zcs_check_ = (call);                                               \
		if (zcs_check_ < 0)                                                        \
			die_call(#call, __FILE__, __LINE__, errno_name((int)-zcs_check_)); \
	} while (0)

/** now_us - monotonic time in microseconds */
double now_us(void);

/** round_up - @value rounded up to a multiple of @unit */
static inline uint64_t round_up(uint64_t value, uint64_t unit)
{
	return (value + unit - 1) / unit * unit;
}

/** alloc - zeroed memory for @count elements of @size bytes, or the end */
void *alloc(uint64_t count, uint64_t size);

#endif
