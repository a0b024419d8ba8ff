/* SPDX-License-Identifier: MIT */
#ifndef ZCS_LIB_ENV_H
#define ZCS_LIB_ENV_H

#include <stdbool.h>

/*
 * The list of all environment variables of the library: X(identifier, name, default, purpose).
 * tests/repo/environment.py compares the list with ENVIRONMENT of zcswap(7).
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
 * The present value of a variable, or its default if the variable is unset or empty. Never NULL.
 *
 * Context: any, as getenv(). Allocates nothing. Return: the text, which stays valid until the
 * program changes the variable.
 */
const char *zcs_env(enum zcs_env id);
/* Whether a switch is on: set to any value but 0. Context: as zcs_env(). */
bool zcs_env_is_on(enum zcs_env id);

#endif
