/* SPDX-License-Identifier: MIT */
/*
 * What the cases share: a store on an unnamed file, a contiguous tt over it, and rows for
 * transfers.
 *
 * The file has no name, so nothing can be left behind; whoever is to open it too finds it under the
 * bench's own descriptors. It is little larger than the content, so that in the rounds after the
 * first the device writes blocks that it wrote before.
 *
 * "Out" ends when the pages are free, not when the call returns. A tt's backup cannot be waited for
 * from outside, so the store's counters are looked at every half millisecond.
 */
#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bench_store.h"

#define NAP_US	    500
#define SPARE_BYTES (UINT64_C(16) << 20)

static uint64_t ns_of(struct timeval t)
{
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_usec * 1000u;
}

struct store_span store_now(void)
{
	struct rusage u;

	getrusage(RUSAGE_SELF, &u);
	return (struct store_span){ bench_now(), ns_of(u.ru_utime) + ns_of(u.ru_stime) };
}

struct store_span store_since(struct store_span start)
{
	struct store_span now = store_now();

	return (struct store_span){ now.time - start.time, now.cpu - start.cpu };
}

struct store_pair store_pair(struct bench *b, uint64_t bytes, const char *fmt, ...)
{
	uint64_t n = bytes / BENCH_UNIT;
	struct store_pair pair;
	char name[48];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(name, sizeof(name), fmt, ap);
	va_end(ap);
	pair.rate = bench_row(b, "GiB/s", "2 MiB", n, "%s", name);
	pair.cpu = bench_row(b, "ms", "GiB", 1, "%s, CPU", name);
	return pair;
}

void store_sample(struct bench *b, const struct store_pair *pair, uint64_t bytes,
		  struct store_span span)
{
	bench_rate(b, pair->rate, bytes, span.time);
	bench_value(b, pair->cpu, (double)span.cpu / 1e6 / ((double)bytes / (1u << 30)));
}

void store_against(const struct store_pair *pair, const struct store_pair *baseline,
		   const char *label, double rate, double cpu)
{
	bench_against(pair->rate, baseline->rate, label, rate > 0 ? BENCH_RATE : BENCH_NO_AIM,
		      rate);
	bench_against(pair->cpu, baseline->cpu, label, cpu > 0 ? BENCH_FASTER : BENCH_NO_AIM, cpu);
}

/*
 * Whether a descriptor is the store's: an unnamed file of that size on the file system of the
 * directory.
 */
static bool is_file(int fd, const struct stat *dir, uint64_t bytes)
{
	struct stat st;

	return !fstat(fd, &st) && S_ISREG(st.st_mode) && !st.st_nlink && st.st_dev == dir->st_dev &&
	       (uint64_t)st.st_size == bytes;
}

void store_path(struct bench *b, const struct store_file *file, char path[STORE_PATH])
{
	DIR *fds = opendir("/proc/self/fd");
	struct dirent *e;
	struct stat dir;
	int fd = -1;

	if (!fds || stat(b->dir, &dir))
		bench_die(b, b->dir, -errno);
	while (fd < 0 && (e = readdir(fds)))
		if (is_file(atoi(e->d_name), &dir, file->bytes))
			fd = atoi(e->d_name);
	closedir(fds);
	if (fd < 0)
		bench_die(b, "the store's file", -ENOENT);
	snprintf(path, STORE_PATH, "/proc/%d/fd/%d", (int)getpid(), fd);
}

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

struct store_span store_tt_out(struct store_tt *t)
{
	struct store_span start = store_now();

	store_tt_out_range(t, 0, t->bytes / ZCS_PAGE_SIZE);
	return store_since(start);
}

struct store_span store_tt_in(struct store_tt *t)
{
	struct store_span start = store_now();

	bench_must(t->b, "zcs_tt_restore", zcs_tt_restore(t->tt, NULL));
	return store_since(start);
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
