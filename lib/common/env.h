/* SPDX-License-Identifier: MIT */
#ifndef ZCS_LIB_ENV_H
#define ZCS_LIB_ENV_H

#include <stdbool.h>

/*
 * The environment variables of the library, all of them: X(identifier, name, value if it is not
 * set, what it is). tests/repo/environment.py compares the list with ENVIRONMENT of zcswap(7).
 */
#define ZCS_ENV_VARIABLES(X)                                                    \
	X(ARENA_BYTES, "ZCSWAP_ARENA_BYTES", "", "cap on the size of an arena") \
	X(DEBUG, "ZCSWAP_DEBUG", "0", "a mistake ends in abort()")              \
	X(FAULT, "ZCSWAP_FAULT", "", "fault points that are on from the start") \
	X(LOG, "ZCSWAP_LOG", "warn", "messages: off, warn or debug")            \
	X(NO_URING, "ZCSWAP_NO_URING", "0", "threads do the I/O of stores")     \
	X(TMPDIR, "TMPDIR", "/tmp", "where swap files without a name are made")

enum zcs_env {
#define X(id, name, unset, what) ZCS_ENV_##id,
	ZCS_ENV_VARIABLES(X)
#undef X
};

/*
 * The value of a variable as it is now, or what it is if it is not set or empty; never NULL.
 *
 * Context: any, as getenv().
 */
const char *zcs_env(enum zcs_env id);
/* Whether a switch is on: set to anything but 0. */
bool zcs_env_is_on(enum zcs_env id);

#endif
