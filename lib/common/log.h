/* SPDX-License-Identifier: MIT */
#ifndef ZCS_LIB_LOG_H
#define ZCS_LIB_LOG_H

#include <stdbool.h>
#include <stdint.h>

#include <zcswap/log.h>

/*
 * Messages for people. One line each on stderr, prefixed "zcswap: ", or to whom zcs_set_log()
 * names. ZCSWAP_LOG selects off, warn (the default) or debug. Nothing in the library's behaviour
 * depends on a message being seen: what is logged is also counted or returned.
 */
void zcs_log(enum zcs_log_level level, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#define zcs_warn(...)  zcs_log(ZCS_LOG_WARN, __VA_ARGS__)
#define zcs_debug(...) zcs_log(ZCS_LOG_DEBUG, __VA_ARGS__)

/* A caller's mistake in a function that returns void: log it; abort() under ZCSWAP_DEBUG. */
void zcs_misuse(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/*
 * A rule for an argument: whether it holds, and if not, a message at debug level that has the
 * rule's own words and the value. For what ends in -EINVAL, of which the caller would not know
 * which of ten rules it stands for:
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

/* Returns false. */
bool zcs_broken(const char *call, const char *what, const char *rule, int64_t value);

#endif
