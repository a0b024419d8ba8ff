/* SPDX-License-Identifier: MIT */
/* The interface alone: a buffer of 16 MiB is filled, backed up, restored and verified. */
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <zcswap/zcswap.h>

#define NUM_PAGES 4096u
#define WORDS	  (NUM_PAGES * (uint64_t)ZCS_PAGE_SIZE / sizeof(uint64_t))

/* Everything returns -errno; a count or a handle if it is not negative. */
static int64_t check(int64_t result, const char *what)
{
	if (result < 0) {
		fprintf(stderr, "%s: %s\n", what, strerror((int)-result));
		exit(EXIT_FAILURE);
	}
	return result;
}

static void fill(uint64_t *word)
{
	for (uint64_t i = 0; i < WORDS; i++)
		word[i] = i * 0x9e3779b97f4a7c15u;
}

static uint64_t count_wrong(const uint64_t *word)
{
	uint64_t wrong = 0;

	for (uint64_t i = 0; i < WORDS; i++)
		wrong += word[i] != i * 0x9e3779b97f4a7c15u;
	return wrong;
}

int main(void)
{
	struct zcs_pool *pool;
	struct zcs_store *store;
	struct zcs_tt *tt;
	uintptr_t page, handle;
	uint64_t wrong;

	check(zcs_pool_create(NULL, &pool), "zcs_pool_create");
	check(zcs_store_open("mem:", &store), "zcs_store_open");
	check(zcs_tt_create(pool, NUM_PAGES, ZCS_TT_CONTIGUOUS, &tt), "zcs_tt_create");
	check(zcs_tt_populate(tt, NULL), "zcs_tt_populate");
	check(zcs_tt_setup_backup(tt, store), "zcs_tt_setup_backup");
	fill(zcs_tt_address(tt));
	page = zcs_tt_slot(tt, 0);
	printf("populated: %u pages at %p, slot 0 is page %#" PRIxPTR "\n", NUM_PAGES,
	       zcs_tt_address(tt), page);

	printf("backed up: %" PRId64 " pages, ", check(zcs_tt_backup(tt, 0), "zcs_tt_backup"));
	handle = zcs_tt_slot(tt, 0);
	printf("slot 0 is handle %" PRId64 "\n", zcs_slot_to_handle(handle));

	check(zcs_tt_restore(tt, NULL), "zcs_tt_restore");
	wrong = count_wrong(zcs_tt_address(tt));
	printf("restored:  slot 0 is page %#" PRIxPTR ", %s, %" PRIu64 " wrong words\n",
	       zcs_tt_slot(tt, 0), zcs_tt_slot(tt, 0) == page ? "the same" : "ANOTHER", wrong);
	if (!zcs_slot_is_handle(handle) || zcs_tt_slot(tt, 0) != page)
		wrong++;

	zcs_tt_destroy(tt);
	zcs_store_close(store);
	zcs_pool_destroy(pool);
	return wrong == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
