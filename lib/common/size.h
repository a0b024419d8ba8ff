/* SPDX-License-Identifier: MIT */
#ifndef ZCS_LIB_SIZE_H
#define ZCS_LIB_SIZE_H

#include <stdint.h>

/*
 * Parses a size as people write it: decimal digits, and K, M, G or T for units of 1024, 1024^2 and
 * so on, in capitals or not. Accepts no sign and no space.
 *
 * Context: any; allocates nothing. Return: 0; -EINVAL, also for a size over UINT64_MAX.
 */
int zcs_parse_size(const char *text, uint64_t *bytes);

#endif
