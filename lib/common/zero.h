/* SPDX-License-Identifier: MIT */
#ifndef ZCS_LIB_ZERO_H
#define ZCS_LIB_ZERO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/*
 * Whether @bytes at @addr are one word repeated, and which word. Both are multiples of 8. Memory is
 * one word repeated exactly if it equals itself moved by one word, so memcmp() does the scan. The
 * scan runs at the speed of memory on repeated words, and ends after 8 bytes of most other memory.
 */
static inline bool zcs_is_one_word(const void *addr, size_t bytes, uint64_t *word)
{
	memcpy(word, addr, sizeof(*word));
	return !memcmp(addr, (const char *)addr + sizeof(*word), bytes - sizeof(*word));
}

/* Whether all @bytes at @addr are 0. */
static inline bool zcs_is_zero(const void *addr, size_t bytes)
{
	uint64_t word;

	return zcs_is_one_word(addr, bytes, &word) && !word;
}

#endif
