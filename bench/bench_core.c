/* SPDX-License-Identifier: MIT */
/*
 * The benchmarks of the core: folios, pool, backups, tts. Run it to decide whether inserting beats
 * copying on the machine at hand.
 *
 * Every subject stands beside a baseline measured in the same rounds.
 */
#include "bench.h"

#define ANY    BENCH_ANY
#define SMALL  (1u << BENCH_SMALL)
#define ROUNDS 11

/* clang-format off */
static const struct bench_case cases[] = {
	{ "insert", "insert and take of folios by order, against copying them",
	  bench_insert, ANY, { 1100, 150 }, { 264, 40 }, { 0, 0 },
	  "small folios: 4 KiB are copied in little more than two locks and a table take" },
	{ "tt", "backup and restore of a 512 MiB tt, against copying and a bare unmap",
	  bench_tt, ANY, { 1600, 220 }, { 528, 80 }, { 0, 0 }, NULL },
	{ "pool", "alloc and put that the pool's cache serves, one thread and two",
	  bench_pool_hit, ANY, { 600, 150 }, { 264, 72 }, { 0, 0 }, NULL },
	{ "miss", "alloc of new memory, against the bare calls",
	  bench_pool_miss, ANY, { 300, 100 }, { 136, 40 }, { 0, 0 }, NULL },
	{ "populate", "populating a 512 MiB tt, against the bare calls",
	  bench_populate, ANY, { 1100, 150 }, { 528, 80 }, { 0, 0 }, NULL },
	{ "folios", "cost a folio from 10^3 to 10^6 folios",
	  bench_scale_folios, SMALL, { 600, 600 }, { 0, 0 }, { 0, 0 }, NULL },
	{ "tts", "cost a tt from 10^3 to 10^4 contiguous tts",
	  bench_scale_tts, SMALL, { 1700, 1700 }, { 0, 0 }, { 0, 0 }, NULL },
	{ "metadata", "bytes the library keeps for each folio",
	  bench_metadata, ANY, { 4600, 600 }, { 520, 136 }, { 0, 0 }, NULL },
};
/* clang-format on */

const struct bench_program bench_program = {
	.name = "bench_core",
	.about = "At most 6 GiB of memory are held.\n",
	.cases = cases,
	.nr_cases = sizeof(cases) / sizeof(*cases),
	.rounds = ROUNDS,
};
