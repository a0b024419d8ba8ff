/* SPDX-License-Identifier: MIT */
/*
 * Objects that the cases share: a store on an unnamed file, and a contiguous tt over it.
 *
 * The file has no name, so nothing can be left behind. A case that opens it too finds it under the
 * bench's own descriptors. It is little larger than the content, so that in the rounds after the
 * first the device writes blocks that it wrote before.
 *
 * "Out" ends when the pages are free, not when the call returns. A tt's backup cannot be waited for
 * from outside, so the store's counters are read every half millisecond.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "bench_store.h"

#define NAP_US	    500
#define SPARE_BYTES (UINT64_C(16) << 20)

void store_open(struct bench *b, struct store_file *file, uint64_t bytes)
{
	char spec[128];

	file->bytes = bytes + SPARE_BYTES;
	snprintf(spec, sizeof(spec), "file:?size=%" PRIu64 "M&depth=%u", file->bytes >> 20,
		 STORE_DEPTH);
	bench_must(b, "zcs_store_open", zcs_store_open(spec, &file->store));
}

static struct zcs_store_stats stats_of(struct bench *b, struct zcs_store *store)
{
	struct zcs_store_stats stats = { .struct_size = sizeof(stats) };

	bench_must(b, "zcs_store_stats", zcs_store_stats(store, &stats));
	return stats;
}

void store_note(struct bench *b, const struct store_file *file)
{
	struct zcs_store_stats stats = stats_of(b, file->store);

	if (!stats.io_uring)
		bench_say(b, "the store could not use io_uring and used threads");
	if (stats.buffered_devices)
		bench_say(b, "%s: the file system refuses O_DIRECT, transfers were buffered",
			  b->dir);
}

void store_tt_open(struct bench *b, struct store_tt *t, enum bench_kind kind, size_t bytes)
{
	*t = (struct store_tt){ .b = b, .kind = kind, .bytes = bytes };
	store_open(b, &t->file, bytes);
	t->pool = bench_pool(b, kind);
	bench_must(b, "zcs_tt_create",
		   zcs_tt_create(t->pool, bytes / ZCS_PAGE_SIZE, ZCS_TT_CONTIGUOUS, &t->tt));
	bench_must(b, "zcs_tt_setup_backup", zcs_tt_setup_backup(t->tt, t->file.store));
	bench_must(b, "zcs_tt_populate", zcs_tt_populate(t->tt, NULL));
	t->addr = zcs_tt_address(t->tt);
}

void store_tt_close(struct store_tt *t)
{
	bench_pool_note(t->b, t->pool, t->kind);
	zcs_tt_destroy(t->tt);
	zcs_store_close(t->file.store);
	zcs_pool_destroy(t->pool);
}

/* Blocks that have left memory, or never will. */
static uint64_t gone(struct store_tt *t)
{
	struct zcs_store_stats stats = stats_of(t->b, t->file.store);

	if (stats.no_space || stats.write_errors)
		bench_die(t->b, "writeback", stats.no_space ? -ENOSPC : -EIO);
	return stats.written_blocks + stats.same_blocks + stats.clean_blocks;
}

void store_tt_out_range(struct store_tt *t, uint64_t first, uint64_t count)
{
	uint64_t want = gone(t) + count / BENCH_UNIT_PAGES;

	bench_must(t->b, "zcs_tt_backup",
		   zcs_tt_backup_range(t->tt, first, count, ZCS_BACKUP_WRITEBACK));
	while (gone(t) < want)
		bench_nap(NAP_US);
}

struct bench_span store_tt_out(struct store_tt *t)
{
	struct bench_span start = bench_span_now();

	store_tt_out_range(t, 0, t->bytes / ZCS_PAGE_SIZE);
	return bench_span_since(start);
}

struct bench_span store_tt_in(struct store_tt *t)
{
	struct bench_span start = bench_span_now();

	bench_must(t->b, "zcs_tt_restore", zcs_tt_restore(t->tt, NULL));
	return bench_span_since(start);
}

static uint64_t next_word(uint64_t x)
{
	x ^= x << 13;
	x ^= x >> 7;
	return x ^ x << 17;
}

static uint64_t first_word(uint64_t seed)
{
	return seed * UINT64_C(0x9e3779b97f4a7c15) | 1;
}

void store_fill(char *addr, size_t bytes, uint64_t seed)
{
	uint64_t word = first_word(seed);

	for (size_t i = 0; i < bytes; i += sizeof(word)) {
		memcpy(addr + i, &word, sizeof(word));
		word = next_word(word);
	}
}

void store_verify(struct bench *b, const char *addr, size_t bytes, uint64_t seed)
{
	uint64_t word = first_word(seed);

	for (size_t i = 0; i < bytes; i += sizeof(word)) {
		if (memcmp(addr + i, &word, sizeof(word)) != 0)
			bench_die(b, "the content came back changed", -EILSEQ);
		word = next_word(word);
	}
}

void store_dirty(char *addr, size_t bytes)
{
	for (size_t i = 0; i < bytes; i += ZCS_PAGE_SIZE) {
		volatile char *byte = addr + i;

		*byte = *byte;
	}
}

uint64_t store_sum(const void *unit)
{
	const uint64_t *words = unit;
	uint64_t sum = 0;

	for (size_t i = 0; i < BENCH_UNIT / sizeof(*words); i++)
		sum += words[i];
	return sum;
}
