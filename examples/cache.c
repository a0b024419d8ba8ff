/* SPDX-License-Identifier: MIT */
/*
 * A cache of data that can be computed again: tiles, glyphs, decoded pictures, compiled shaders.
 *
 * Each entry is a bo. While nobody uses the entry, the bo is purgeable: when memory is short, its
 * content is dropped and not written anywhere. The cache asks on the next use whether that has
 * happened, and then computes the content again.
 *
 *	in use      not purgeable, pinned      content is there
 *	not in use  purgeable, not pinned      content is there, or was dropped and reads as zeros
 *
 * Such a cache needs no size of its own: it has the memory that the limit leaves, and gives it back
 * when the machine is short of it. The pin makes the program work without userfaultfd too.
 */
#include <inttypes.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <zcswap/zcswap.h>

#define ENTRIES	    64u
#define ENTRY_BYTES (UINT64_C(1) << 20)
#define LIMIT_BYTES (UINT64_C(16) << 20)
#define WORDS	    (ENTRY_BYTES / sizeof(uint64_t))
#define USES	    300u

struct entry {
	struct zcs_bo *bo;
	bool filled;
};

struct cache {
	struct zcs_device *device;
	struct entry entry[ENTRIES];
	uint64_t hits, computed;
};

static int64_t check(int64_t result, const char *what)
{
	if (result < 0) {
		fprintf(stderr, "%s: %s\n", what, strerror((int)-result));
		exit(EXIT_FAILURE);
	}
	return result;
}

static uint64_t word(unsigned key, uint64_t i)
{
	return (i + 1) * 0x9e3779b97f4a7c15u ^ key;
}

/* Stands for the work that the cache saves. */
static void compute(uint64_t *content, unsigned key)
{
	for (uint64_t i = 0; i < WORDS; i++)
		content[i] = word(key, i);
}

/* The content stays until cache_put(). The order matters: first it must not be dropped any more. */
static uint64_t *cache_get(struct cache *cache, unsigned key)
{
	struct entry *entry = &cache->entry[key];
	int64_t dropped = check(zcs_bo_set_purgeable(entry->bo, false), "zcs_bo_set_purgeable");
	uint64_t *content = zcs_bo_address(entry->bo);

	check(zcs_bo_pin(entry->bo, NULL), "zcs_bo_pin");
	if (entry->filled && !dropped) {
		cache->hits++;
		return content;
	}
	compute(content, key);
	entry->filled = true;
	cache->computed++;
	return content;
}

static void cache_put(struct cache *cache, unsigned key)
{
	struct entry *entry = &cache->entry[key];

	zcs_bo_unpin(entry->bo);
	check(zcs_bo_set_purgeable(entry->bo, true), "zcs_bo_set_purgeable");
}

static void cache_create(struct cache *cache)
{
	struct zcs_device_params params = ZCS_DEVICE_PARAMS_INIT;

	/* no store: purgeable content is never written */
	params.pool.max_bytes = LIMIT_BYTES;
	check(zcs_device_create(&params, &cache->device), "zcs_device_create");
	for (unsigned key = 0; key < ENTRIES; key++)
		check(zcs_bo_create(cache->device, ENTRY_BYTES, NULL, &cache->entry[key].bo),
		      "zcs_bo_create");
}

static void cache_destroy(struct cache *cache)
{
	for (unsigned key = 0; key < ENTRIES; key++)
		zcs_bo_put(cache->entry[key].bo);
	zcs_device_destroy(cache->device);
}

/* Seven of eight uses are of an eighth of the keys. */
static unsigned choose_key(uint32_t *state)
{
	uint32_t x;

	*state = *state * 1664525u + 1013904223u;
	x = *state >> 8;
	return x % 8 ? x / 8 % (ENTRIES / 8) : x / 8 % ENTRIES;
}

static uint64_t count_wrong(const uint64_t *content, unsigned key)
{
	uint64_t wrong = 0;

	for (uint64_t i = 0; i < WORDS; i++)
		wrong += content[i] != word(key, i);
	return wrong;
}

int main(void)
{
	struct zcs_stats stats = { .struct_size = sizeof(stats) };
	struct cache cache = { 0 };
	uint32_t state = 1;
	uint64_t wrong = 0;

	cache_create(&cache);
	for (unsigned i = 0; i < USES; i++) {
		unsigned key = choose_key(&state);

		wrong += count_wrong(cache_get(&cache, key), key);
		cache_put(&cache, key);
	}
	check(zcs_device_stats(cache.device, &stats), "zcs_device_stats");
	printf("%u entries of 1 MiB, limit %u MiB: %" PRIu64 " hits, %" PRIu64 " computed, %" PRIu64
	       " dropped, %" PRIu64 " wrong words\n",
	       ENTRIES, (unsigned)(LIMIT_BYTES >> 20), cache.hits, cache.computed, stats.purged,
	       wrong);
	cache_destroy(&cache);
	return wrong == 0 && cache.hits && stats.purged ? EXIT_SUCCESS : EXIT_FAILURE;
}
