/* SPDX-License-Identifier: MIT */
#ifndef ZCS_BENCH_SPAN_H
#define ZCS_BENCH_SPAN_H

#include "bench.h"

/* Time and CPU time of the whole process, in ns. */
struct bench_span {
	uint64_t time, cpu;
};

struct bench_span bench_span_now(void);
struct bench_span bench_span_since(struct bench_span start);

/* A rate, and the CPU time that went into it. */
struct bench_pair {
	struct bench_row *rate, *cpu;
};

struct bench_pair bench_pair(struct bench *b, uint64_t bytes, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
void bench_pair_sample(struct bench *b, const struct bench_pair *pair, uint64_t bytes,
		       struct bench_span span);
/*
 * Compares both: the rate is to be at least @rate of the baseline's, the CPU time less by @cpu. 0:
 * no aim.
 */
void bench_pair_against(const struct bench_pair *pair, const struct bench_pair *baseline,
			const char *label, double rate, double cpu);

#endif
