/* SPDX-License-Identifier: MIT */
/*
 * Sizes with a suffix. strtoull() alone would accept a sign, spaces, and a number that wraps
 * around.
 */
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "size.h"

/* The shift that a suffix stands for; -1: no known suffix. */
static int shift_of(const char *suffix)
{
	static const char units[] = "KMGT";
	const char *unit;

	if (!*suffix)
		return 0;
	unit = strchr(units, toupper((unsigned char)*suffix));
	return unit && !suffix[1] ? 10 * (int)(unit - units + 1) : -1;
}

int zcs_parse_size(const char *text, uint64_t *bytes)
{
	unsigned long long n;
	char *end;
	int shift;

	if (!isdigit((unsigned char)*text))
		return -EINVAL;
	errno = 0;
	n = strtoull(text, &end, 10);
	shift = shift_of(end);
	if (errno || shift < 0 || n > UINT64_MAX >> shift)
		return -EINVAL;
	*bytes = n << shift;
	return 0;
}
