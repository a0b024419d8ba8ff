/* SPDX-License-Identifier: MIT */
#ifndef ZCS_LIB_SWAP_MAP_H
#define ZCS_LIB_SWAP_MAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * A set of numbers under nr, as bits. A word of the next level has a bit for each of 64 words, set
 * if that word is not 0, and so on up. So the lowest member is found in at most 6 steps, however
 * large the set.
 */
#define ZCS_MAP_LEVELS 6

struct zcs_map {
	unsigned levels;
	uint64_t *level[ZCS_MAP_LEVELS]; /* level[0]: the bits */
};

static inline uint64_t zcs_map_words(uint64_t nr)
{
	return (nr + 63) / 64;
}

/* Bytes of memory that a set of numbers under @nr needs. */
static inline size_t zcs_map_bytes(uint64_t nr)
{
	uint64_t words = 0;

	do {
		nr = zcs_map_words(nr);
		words += nr;
	} while (nr > 1);
	return (size_t)words * 8;
}

/* Makes an empty set in @memory, which is zero. Return: the memory behind the set. */
static inline uint64_t *zcs_map_init(struct zcs_map *map, uint64_t nr, uint64_t *memory)
{
	map->levels = 0;
	do {
		nr = zcs_map_words(nr);
		map->level[map->levels++] = memory;
		memory += nr;
	} while (nr > 1);
	return memory;
}

static inline bool zcs_map_test(const struct zcs_map *map, uint64_t n)
{
	return map->level[0][n / 64] >> (n % 64) & 1;
}

static inline void zcs_map_set(struct zcs_map *map, uint64_t n)
{
	for (unsigned l = 0; l < map->levels; l++, n /= 64) {
		uint64_t *word = &map->level[l][n / 64], old = *word;

		*word |= UINT64_C(1) << (n % 64);
		if (old)
			return;
	}
}

static inline void zcs_map_clear(struct zcs_map *map, uint64_t n)
{
	for (unsigned l = 0; l < map->levels; l++, n /= 64) {
		uint64_t *word = &map->level[l][n / 64];

		*word &= ~(UINT64_C(1) << (n % 64));
		if (*word)
			return;
	}
}

/* The lowest member under word @n of level @levels - 1; that word is not 0. */
static inline int64_t zcs_map_descend(const struct zcs_map *map, unsigned levels, uint64_t n)
{
	for (unsigned l = levels; l-- > 0;)
		n = n * 64 + (uint64_t)__builtin_ctzll(map->level[l][n]);
	return (int64_t)n;
}

/* The lowest member, or -1. */
static inline int64_t zcs_map_first(const struct zcs_map *map)
{
	return *map->level[map->levels - 1] ? zcs_map_descend(map, map->levels, 0) : -1;
}

/* The lowest member from @n on, where @n is a number that the set may have; or -1. */
static inline int64_t zcs_map_from(const struct zcs_map *map, uint64_t n)
{
	if (zcs_map_test(map, n))
		return (int64_t)n;
	for (unsigned l = 0; l < map->levels; l++, n /= 64) {
		/*
		 * bits above n: n itself is no member in level 0, and has been searched in a higher
		 * level
		 */
		uint64_t above = map->level[l][n / 64] & ~(UINT64_MAX >> (63 - n % 64));

		if (above)
			return zcs_map_descend(map, l,
					       n / 64 * 64 + (uint64_t)__builtin_ctzll(above));
	}
	return -1;
}

#endif
