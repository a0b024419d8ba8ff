/* SPDX-License-Identifier: MIT */
#ifndef ZCS_BENCH_STORE_H
#define ZCS_BENCH_STORE_H

#include <zcswap/zcswap.h>

#include "bench.h"
#include "bench_span.h"

/* Transfers in flight that stores and fio are given. */
#define STORE_DEPTH 16u

/* A store on an unnamed file in the bench's directory. */
struct store_file {
	struct zcs_store *store;
	uint64_t bytes;
};

void store_open(struct bench *b, struct store_file *file, uint64_t bytes);
/* Says so if transfers do not go by io_uring and O_DIRECT. */
void store_note(struct bench *b, const struct store_file *file);

/* A contiguous tt with a store of its own. */
struct store_tt {
	struct bench *b;
	enum bench_kind kind;
	struct zcs_pool *pool;
	struct store_file file;
	struct zcs_tt *tt;
	char *addr;
	size_t bytes;
};

void store_tt_open(struct bench *b, struct store_tt *t, enum bench_kind kind, size_t bytes);
void store_tt_close(struct store_tt *t);
/* Backs up blocks with writeback and waits until their pages are free. */
struct bench_span store_tt_out(struct store_tt *t);
void store_tt_out_range(struct store_tt *t, uint64_t first, uint64_t count);
struct bench_span store_tt_in(struct store_tt *t);

/* Random words, the same for the same @seed; and whether they are still there. */
void store_fill(char *addr, size_t bytes, uint64_t seed);
void store_verify(struct bench *b, const char *addr, size_t bytes, uint64_t seed);
/* Writes to every page what is there already. */
void store_dirty(char *addr, size_t bytes);
/* Of the words of 2 MiB: reads all of them. */
uint64_t store_sum(const void *unit);

/* -- bench_store_swapfile.c: the kernel's swap, for the time of a case */
/*
 * struct store_swap - a swap file that is swapped on, and a memory cgroup to be reclaimed
 * @group: its directory; "": no cgroup
 * @reclaim: the file that starts it, and the text to write there
 */
struct store_swap {
	char path[512];
	uint64_t bytes;
	char group[512], reclaim[560];
	char amount[32];
};

/* False, with the reason, if the kernel's swap cannot be had. */
bool store_swap_on(struct bench *b, struct store_swap *swap, uint64_t bytes, char *why,
		   size_t size);
void store_swap_off(void);
/* By a child of the bench: joins the group; and has its memory reclaimed. 0 or -errno. */
int store_swap_join(const struct store_swap *swap);
int store_swap_reclaim(const struct store_swap *swap);

/* -- the cases */
void store_device(struct bench *b, enum bench_kind kind);
void store_engine(struct bench *b, enum bench_kind kind);
void store_content(struct bench *b, enum bench_kind kind);
void store_kernel(struct bench *b, enum bench_kind kind);
void store_single(struct bench *b, enum bench_kind kind);
void store_ahead(struct bench *b, enum bench_kind kind);

#endif
