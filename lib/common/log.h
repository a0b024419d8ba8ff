/* SPDX-License-Identifier: MIT */
#ifndef ZCS_LIB_LOG_H
#define ZCS_LIB_LOG_H

#include <stdbool.h>
#include <stdint.h>

#include <zcswap/log.h>

/*
 * Messages for people, one line each, on stderr with the prefix "zcswap: ", or to the receiver of
 * zcs_set_log(). ZCSWAP_LOG selects off, warn (the default) or debug. The library never depends on
 * a message being read: each logged event is also counted or returned.
 *
 * Context: any lock of the library may be held. Does not sleep, except in the receiver. Allocates
 * nothing.
 */
void zcs_log(enum zcs_log_level level, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#define zcs_warn(...)  zcs_log(ZCS_LOG_WARN, __VA_ARGS__)
#define zcs_debug(...) zcs_log(ZCS_LOG_DEBUG, __VA_ARGS__)

/*
 * Logs a caller's mistake in a function that returns void, and calls abort() under ZCSWAP_DEBUG.
 * Context: as zcs_log().
 */
void zcs_misuse(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/*
 * Whether a rule for an argument holds. If not, logs a message at debug level with the rule's own
 * words and the value. For functions that return -EINVAL for several rules, so that the caller
 * finds out which one was broken:
 *
 *	zcs_expect(params->priority, < ZCS_PRIORITIES)
 *
 *	zcswap: zcs_bo_create: params->priority must be < ZCS_PRIORITIES; it is 9
 */
#define zcs_expect(value, rule)                  \
	(__builtin_expect(!!((value)rule), 1) || \
	 zcs_broken(__func__, #value, #rule, (int64_t)(intptr_t)(value)))

/* The same in a helper of the function named @call. */
#define zcs_expect_in(call, value, rule)         \
	(__builtin_expect(!!((value)rule), 1) || \
	 zcs_broken(call, #value, #rule, (int64_t)(intptr_t)(value)))

/* Logs the broken rule. Return: false, always. Context: as zcs_log(). */
bool zcs_broken(const char *call, const char *what, const char *rule, int64_t value);

#endif
