/* SPDX-License-Identifier: MIT */
/*
 * Environment variables. They are read each time they are asked for, so that a program may set
 * them before it makes an object; who needs a value often keeps it.
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
