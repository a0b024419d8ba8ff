/* SPDX-License-Identifier: MIT */
#ifndef ZCS_LIB_ZERO_H
#define ZCS_LIB_ZERO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/*
 * Whether @bytes at @addr are one word repeated, and which. Both are multiples of 8. Memory is one
 * word repeated exactly if it equals itself moved by one word, so memcmp() does the scan: at memory
 * speed where the words are the same, and at the cost of 8 bytes for most others.
 */
static inline bool zcs_is_one_word(const void *addr, size_t bytes, uint64_t *word)
{
	memcpy(word, addr, sizeof(*word));
	return !memcmp(addr, (const char *)addr + sizeof(*word), bytes - sizeof(*word));
}

/* Whether @bytes at @addr are all 0. */
static inline bool zcs_is_zero(const void *addr, size_t bytes)
{
	uint64_t word;

	return zcs_is_one_word(addr, bytes, &word) && !word;
}

#endif
