/* SPDX-License-Identifier: MIT */
/*
 * Environment variables. Each call reads the environment anew, so that a program may set a variable
 * before it makes an object. A search of the environment is slow: a caller on a hot path keeps the
 * value.
 */
#include <stdlib.h>
#include <string.h>

#include "env.h"

static const struct {
	const char *name, *unset;
} variables[] = {
#define X(id, name, unset, what) { name, unset },
	ZCS_ENV_VARIABLES(X)
#undef X
};

const char *zcs_env(enum zcs_env id)
{
	const char *value = getenv(variables[id].name);

	return value && *value ? value : variables[id].unset;
}

bool zcs_env_is_on(enum zcs_env id)
{
	return strcmp(zcs_env(id), "0") != 0;
}
