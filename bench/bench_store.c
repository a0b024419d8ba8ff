/* SPDX-License-Identifier: MIT */
/*
 * The benchmarks of the store: what is written back and read back, against the device and against
 * the kernel's swap. Run it to decide whether a store on the disk at hand beats a swap file on it.
 *
 * Everything is for content that does not compress, unless a row says otherwise. CPU time is that
 * of the whole process, its I/O threads included.
 */
#include "bench_store.h"

#define ROUNDS 7

/* clang-format off */
static const struct bench_case cases[] = {
	{ "device", "a tt of 1 GiB written back and read back, against fio",
	  store_device, BENCH_ALL, { 1100, 100 }, { 520, 20 }, { 1040, 50 },
	  "fresh memory, which the kernel clears and thp may first have to get back from a hypervisor; for "
	  "thp-collapse it is made of small pages and copied into huge ones; small pages are as many segments of a "
	  "request" },
	{ "kernel", "the same against MADV_PAGEOUT and the kernel's swap-in (root)",
	  store_kernel, BENCH_ALL, { 2200, 120 }, { 520, 20 }, { 2130, 150 },
	  "the device: the kernel writes at more than half of what it can do. CPU: half are checksums, which the "
	  "kernel does not make, and on the way back clearing pages, which both do" },
	{ "single", "one folio of 2 MiB read back, against pread",
	  store_single, BENCH_ANY, { 1100, 100 }, { 520, 40 }, { 1060, 100 },
	  "the checksum of 2 MiB that no cache holds; a restore also clears the memory that it reads into" },
	{ "ahead", "single folios in order and in random order",
	  store_ahead, BENCH_ANY, { 1100, 100 }, { 516, 36 }, { 530, 50 }, NULL },
	{ "content", "zero, one word, nearly one word, random",
	  store_content, BENCH_ANY, { 1100, 100 }, { 516, 36 }, { 530, 50 }, NULL },
	{ "engine", "io_uring and threads",
	  store_engine, BENCH_ANY, { 1100, 100 }, { 516, 36 }, { 1060, 100 }, NULL },
};
/* clang-format on */

static void describe(struct bench *b)
{
	bench_describe_files(b);
	bench_fact(b, "depth", "%u transfers of the store, and of fio", STORE_DEPTH);
}

const struct bench_program bench_program = {
	.name = "bench_store",
	.about = "At most 3 GiB of memory are held, and 4 GiB of disk in TMPDIR (else\n"
		 "/tmp), which should be on the disk in question. As root the cases\n"
		 "\"kernel\" swap on a file there and swap it off when they end.\n",
	.cases = cases,
	.nr_cases = sizeof(cases) / sizeof(*cases),
	.rounds = ROUNDS,
	.describe = describe,
};
