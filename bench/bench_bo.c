/* SPDX-License-Identifier: MIT */
/*
 * The benchmarks of buffer objects: a set twice as large as memory, and one folio at a time.
 *
 * The first cases answer the question a user has: the same program on memory that the kernel swaps,
 * or on bos. The others say what one touch costs over the system calls that it cannot do without.
 */
#include "bench_bo.h"

#define ROUNDS 5

#define WALK_NEEDS                   \
	{ 2500, 350 }, { 620, 100 }, \
	{                            \
		5400, 800            \
	}

/* clang-format off */
static const struct bench_case cases[] = {
	{ "walk", "16 MiB bos, twice as much as memory, every word changed", bo_walk, BENCH_ALL, WALK_NEEDS,
	  "the device, whose row is above. CPU: more than a quarter is the kernel clearing pages that are then read "
	  "into, a quarter the walk itself, a sixth checksums; thp-collapse also copies small pages into huge ones" },
	{ "random", "the same, a new order in each pass", bo_walk_random, BENCH_ANY, WALK_NEEDS, NULL },
	{ "hot", "the same, nine visits in ten to a hot quarter", bo_walk_hot, BENCH_ANY, WALK_NEEDS, NULL },
	{ "threads", "the same, by two threads", bo_walk_threads, BENCH_ANY, WALK_NEEDS, NULL },
	{ "zero", "the same, every word zero", bo_walk_zero, BENCH_ANY, WALK_NEEDS, NULL },
	{ "counting", "the same, words that count up: compressible", bo_walk_counting, BENCH_ANY,
	  WALK_NEEDS, NULL },
	{ "word", "the same, one word repeated", bo_walk_word, BENCH_ANY, WALK_NEEDS, NULL },
	{ "loop", "a quarter more than memory, in order: hit rate", bo_loop, BENCH_ANY, WALK_NEEDS, NULL },
	{ "touch", "evict and touch of 2 MiB in memory, against the bare calls", bo_touch,
	  BENCH_ANY, { 16, 16 }, { 6, 6 }, { 32, 32 },
	  "waking a thread varies more than what is done around it; on shmem a second call wakes who came late" },
	{ "clean", "shmem that is only read: evicted again, and what that costs", bo_clean,
	  1u << BENCH_THP | 1u << BENCH_SMALL, { 16, 16 }, { 0, 0 }, { 8, 8 }, NULL },
	{ "written", "touch of 2 MiB written back, against pread", bo_read,
	  BENCH_ALL, { 1100, 100 }, { 520, 40 }, { 1060, 100 },
	  "fresh memory, which has a row: the kernel clears 2 MiB before they can be read into, and for "
	  "thp-collapse copies them from small pages; then the checksum" },
};
/* clang-format on */

const struct bench_program bench_program = {
	.name = "bench_bo",
	.about = "At most 3 GiB of memory are held, and 5 GiB of disk in TMPDIR (else\n"
		 "/tmp), which should be on the disk in question. As root the kernel does\n"
		 "the same work in a memory cgroup, with a swap file there; both are\n"
		 "removed when the case ends.\n",
	.cases = cases,
	.nr_cases = sizeof(cases) / sizeof(*cases),
	.rounds = ROUNDS,
	.describe = bench_describe_files,
};
