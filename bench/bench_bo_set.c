/* SPDX-License-Identifier: MIT */
/*
 * The set of buffers and the work on it, the same on bos and on memory that the kernel swaps.
 *
 * A visit reads, verifies and writes every word of a buffer. Word i is base + i * step, plus the
 * number of visits: nothing repeats, so that no store can do without the disk, and the loop is as
 * cheap as a program's own work could be. Words that count up, which compress, have step 1; for one
 * word repeated step is 0, for zeros everything is. A buffer never visited must
 * be zero.
 */
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "bench_bo.h"

#define ODD	  UINT64_C(0x9e3779b97f4a7c15)
#define HOT_PART  4u
#define HOT_TENTH 9u

void bo_set_open(struct bench *b, struct bo_set *set, const struct bo_work *work)
{
	set->work = *work;
	set->addr = bench_calloc(b, work->nr, sizeof(*set->addr));
	set->visits = bench_calloc(b, work->nr, sizeof(*set->visits));
	set->trace = bench_calloc(b, work->nr, sizeof(*set->trace));
}

void bo_set_close(struct bo_set *set)
{
	free(set->addr);
	free(set->visits);
	free(set->trace);
}

static uint32_t next_random(uint64_t *x, uint32_t below)
{
	*x ^= *x << 13;
	*x ^= *x >> 7;
	*x ^= *x << 17;
	return (uint32_t)((*x >> 32) % below);
}

static void swap_visits(uint32_t *trace, uint32_t i, uint32_t j)
{
	uint32_t tmp = trace[i];

	trace[i] = trace[j];
	trace[j] = tmp;
}

void bo_set_trace(struct bo_set *set, unsigned pass)
{
	uint32_t nr = set->work.nr, hot = nr / HOT_PART;
	uint64_t x = (pass + 1) * ODD;

	for (uint32_t i = 0; i < nr; i++)
		set->trace[i] = i;
	if (!pass || set->work.order == BO_IN_ORDER)
		return;
	for (uint32_t i = nr; i-- > 1 && set->work.order == BO_SHUFFLED;)
		swap_visits(set->trace, i, next_random(&x, i + 1));
	for (uint32_t i = 0; i < nr && set->work.order == BO_HOT; i++)
		if (next_random(&x, 10) < HOT_TENTH)
			set->trace[i] = next_random(&x, hot);
		else
			set->trace[i] = hot + next_random(&x, nr - hot);
}

/* False: a word was not what it should be. */
static bool visit(struct bo_set *set, uint32_t i)
{
	enum bo_content content = set->work.content;
	static const uint64_t steps[] = { [BO_WORDS] = ODD, [BO_COUNTING] = 1, [BO_ZERO] = 0 };
	uint64_t count = set->visits[i]++, want, step = steps[content], bad = 0;
	uint64_t mask = count ? UINT64_MAX : 0, add = content == BO_ZERO ? 0 : 1;
	uint64_t *word = (uint64_t *)(void *)set->addr[i];

	want = content == BO_ZERO ? 0 : (i + 1) * (ODD >> 7) + count;
	for (size_t k = 0; k < BO_BYTES / sizeof(*word); k++, want += step) {
		bad |= word[k] ^ (want & mask);
		word[k] = want + add;
	}
	return !bad;
}

struct walker {
	struct bo_set *set;
	unsigned nr;
	atomic_bool bad;
};

/* The buffers whose number is @nr modulo the number of threads. */
static void *walk(void *arg)
{
	struct walker *w = arg;

	for (uint32_t i = 0; i < w->set->work.nr; i++) {
		uint32_t at = w->set->trace[i];

		if (at % w->set->work.threads == w->nr && !visit(w->set, at))
			w->bad = true;
	}
	return NULL;
}

struct bench_span bo_set_walk(struct bench *b, struct bo_set *set)
{
	struct walker w[2] = { { .set = set }, { .set = set, .nr = 1 } };
	bool second = set->work.threads > 1;
	struct bench_span start = bench_span_now();
	pthread_t thread;

	if (second && pthread_create(&thread, NULL, walk, &w[1]))
		bench_die(b, "pthread_create", -EAGAIN);
	walk(&w[0]);
	if (second)
		pthread_join(thread, NULL);
	start = bench_span_since(start);
	if (w[0].bad || w[1].bad)
		bench_die(b, "the content came back changed", -EILSEQ);
	return start;
}
