/* SPDX-License-Identifier: MIT */
/*
 * The cost of a transfer, and rows for it. CPU time is that of the whole process, its I/O threads
 * included.
 */
#include <stdarg.h>
#include <sys/resource.h>

#include "bench_span.h"

static uint64_t ns_of(struct timeval t)
{
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_usec * 1000u;
}

struct bench_span bench_span_now(void)
{
	struct rusage u;

	getrusage(RUSAGE_SELF, &u);
	return (struct bench_span){ bench_now(), ns_of(u.ru_utime) + ns_of(u.ru_stime) };
}

struct bench_span bench_span_since(struct bench_span start)
{
	struct bench_span now = bench_span_now();

	return (struct bench_span){ now.time - start.time, now.cpu - start.cpu };
}

struct bench_pair bench_pair(struct bench *b, uint64_t bytes, const char *fmt, ...)
{
	uint64_t n = bytes / BENCH_UNIT;
	struct bench_pair pair;
	char name[48];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(name, sizeof(name), fmt, ap);
	va_end(ap);
	pair.rate = bench_row(b, "GiB/s", "2 MiB", n, "%s", name);
	pair.cpu = bench_row(b, "ms", "GiB", 1, "%s, CPU", name);
	return pair;
}

void bench_pair_sample(struct bench *b, const struct bench_pair *pair, uint64_t bytes,
		       struct bench_span span)
{
	bench_rate(b, pair->rate, bytes, span.time);
	bench_value(b, pair->cpu, (double)span.cpu / 1e6 / ((double)bytes / (1u << 30)));
}

void bench_pair_against(const struct bench_pair *pair, const struct bench_pair *baseline,
			const char *label, double rate, double cpu)
{
	bench_against(pair->rate, baseline->rate, label, rate > 0 ? BENCH_RATE : BENCH_NO_AIM,
		      rate);
	bench_against(pair->cpu, baseline->cpu, label, cpu > 0 ? BENCH_FASTER : BENCH_NO_AIM, cpu);
}
