/* SPDX-License-Identifier: MIT */
#ifndef ZCS_LIB_LOG_H
#define ZCS_LIB_LOG_H

/*
 * Messages for people. One line each on stderr, prefixed "zcswap: ". ZCSWAP_LOG selects off, warn
 * (the default) or debug. Nothing in the library's behaviour depends on a message being seen: what is
 * logged is also counted or returned.
 */
enum zcs_log_level { ZCS_LOG_OFF, ZCS_LOG_WARN, ZCS_LOG_DEBUG };

void zcs_log(enum zcs_log_level level, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#define zcs_warn(...)  zcs_log(ZCS_LOG_WARN, __VA_ARGS__)
#define zcs_debug(...) zcs_log(ZCS_LOG_DEBUG, __VA_ARGS__)

/* A caller's mistake in a function that returns void: log it; abort() under ZCSWAP_DEBUG. */
void zcs_misuse(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

#endif
