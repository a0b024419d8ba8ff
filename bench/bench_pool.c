/* SPDX-License-Identifier: MIT */
/*
 * The pool's fast path and its slow one.
 *
 * A put zeroes, so allocating is timed alone: a batch of cached folios is taken with the clock
 * running and given back without. "alloc + put" times both, of one folio again and again, beside
 * zeroing the same bytes.
 *
 * One thread and two run the same function, each thread on a CPU of its own with its own folios;
 * the time is that of one thread, so that a pool over which two threads do not fight shows the same
 * number twice.
 */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

#include <zcswap/zcswap.h>

#include "bench.h"

#define THREADS 2

struct hit_case {
	struct bench *b;
	struct zcs_pool *pool;
	unsigned order;
	uint64_t batch, pairs;
	int cpu[THREADS];
	unsigned nr_cpus;
	pthread_barrier_t together;
};

struct hit_thread {
	struct hit_case *c;
	pthread_t thread;
	int cpu, err;
	struct zcs_folio **folio;
	uint64_t alloc_ns, pair_ns, zero_ns;
};

static void find_cpus(struct hit_case *c)
{
	cpu_set_t set;

	if (sched_getaffinity(0, sizeof(set), &set))
		return;
	for (int cpu = 0; cpu < CPU_SETSIZE && c->nr_cpus < THREADS; cpu++)
		if (CPU_ISSET(cpu, &set))
			c->cpu[c->nr_cpus++] = cpu;
}

static void pin_to(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	sched_setaffinity(0, sizeof(set), &set);
}

static uint64_t take_batch(struct hit_thread *t)
{
	struct hit_case *c = t->c;
	uint64_t start = bench_now();

	for (uint64_t i = 0; i < c->batch; i++)
		t->err |= zcs_folio_alloc(c->pool, c->order, 0, &t->folio[i]);
	return bench_now() - start;
}

static void give_batch(struct hit_thread *t)
{
	for (uint64_t i = 0; i < t->c->batch; i++)
		zcs_folio_put(t->folio[i]);
}

static uint64_t pairs(struct hit_thread *t)
{
	struct hit_case *c = t->c;
	struct zcs_folio *folio = NULL;
	uint64_t start = bench_now();

	for (uint64_t i = 0; i < c->pairs; i++) {
		t->err |= zcs_folio_alloc(c->pool, c->order, 0, &folio);
		zcs_folio_put(folio);
	}
	return bench_now() - start;
}

static uint64_t zero(struct hit_thread *t)
{
	struct hit_case *c = t->c;
	struct zcs_folio *folio = NULL;
	uint64_t start;
	char *p;

	t->err |= zcs_folio_alloc(c->pool, c->order, 0, &folio);
	if (t->err)
		return 0;
	p = zcs_folio_address(folio);
	start = bench_now();
	for (uint64_t i = 0; i < c->pairs; i++) {
		memset(p, 0, (size_t)ZCS_PAGE_SIZE << c->order);
		__asm__ volatile("" ::"r"(p) : "memory");
	}
	start = bench_now() - start;
	zcs_folio_put(folio);
	return start;
}

/* The batch is taken and given back once before, so that the lists of this thread's CPU hold it. */
static void *hit_thread(void *arg)
{
	struct hit_thread *t = arg;

	pin_to(t->cpu);
	take_batch(t);
	pthread_barrier_wait(&t->c->together);
	if (!t->err) {
		give_batch(t);
		pthread_barrier_wait(&t->c->together);
		t->alloc_ns = take_batch(t);
	}
	pthread_barrier_wait(&t->c->together);
	if (t->err)
		return NULL;
	give_batch(t);
	pthread_barrier_wait(&t->c->together);
	t->pair_ns = pairs(t);
	pthread_barrier_wait(&t->c->together);
	t->zero_ns = zero(t);
	return NULL;
}

static void start_threads(struct hit_case *c, struct hit_thread *t, unsigned nr)
{
	for (unsigned i = 0; i < nr; i++) {
		t[i].c = c;
		t[i].cpu = c->cpu[i];
		t[i].folio = bench_calloc(c->b, c->batch, sizeof(*t[i].folio));
		bench_must(c->b, "pthread_create",
			   -pthread_create(&t[i].thread, NULL, hit_thread, &t[i]));
	}
}

struct hit_rows {
	struct bench_row *alloc, *pair, *zero;
};

static void hit_round(struct hit_case *c, unsigned nr, const struct hit_rows *rows)
{
	struct hit_thread t[THREADS] = { 0 };
	double alloc = 0, pair = 0, zeroing = 0;

	pthread_barrier_init(&c->together, NULL, nr);
	start_threads(c, t, nr);
	for (unsigned i = 0; i < nr; i++) {
		pthread_join(t[i].thread, NULL);
		bench_must(c->b, "zcs_folio_alloc", t[i].err);
		alloc += (double)t[i].alloc_ns / nr;
		pair += (double)t[i].pair_ns / nr;
		zeroing += (double)t[i].zero_ns / nr;
		free(t[i].folio);
	}
	pthread_barrier_destroy(&c->together);
	bench_sample(c->b, rows->alloc, alloc);
	bench_sample(c->b, rows->pair, pair);
	bench_sample(c->b, rows->zero, zeroing);
}

static void hit_rows(struct hit_case *c, struct hit_rows *r, const char *threads)
{
	struct bench *b = c->b;

	r->alloc =
		bench_row(b, "ns", "folio", c->batch, "order %u: alloc, hit%s", c->order, threads);
	r->pair =
		bench_row(b, "ns", "pair", c->pairs, "order %u: alloc + put%s", c->order, threads);
	r->zero = bench_row(b, "ns", "folio", c->pairs, "order %u: zeroing alone%s", c->order,
			    threads);
	bench_against(r->alloc, NULL, "", BENCH_AT_MOST, 50);
	bench_against(r->pair, r->zero, "zeroing alone", BENCH_NO_AIM, 0);
}

static void hit_order(struct bench *b, enum bench_kind kind, unsigned order, uint64_t batch)
{
	struct hit_case c = { .b = b, .pool = bench_pool(b, kind), .order = order, .batch = batch };
	struct hit_rows one, two;

	c.pairs = UINT64_C(4096) >> order ? UINT64_C(4096) >> order : 1;
	find_cpus(&c);
	hit_rows(&c, &one, "");
	if (c.nr_cpus >= THREADS) {
		hit_rows(&c, &two, ", 2 threads");
		bench_against(two.alloc, one.alloc, "one thread", BENCH_NO_AIM, 0);
		bench_against(two.pair, one.pair, "one thread", BENCH_NO_AIM, 0);
	} else {
		bench_left_out(b, b->what, "order %u, 2 threads: only one CPU may be used", order);
	}
	while (bench_round(b)) {
		hit_round(&c, 1, &one);
		if (c.nr_cpus >= THREADS)
			hit_round(&c, THREADS, &two);
	}
	bench_pool_note(b, c.pool, kind);
	zcs_pool_destroy(c.pool);
}

void bench_pool_hit(struct bench *b, enum bench_kind kind)
{
	uint64_t part = b->quick ? 4 : 1;

	if (bench_has_small_orders(b, kind)) {
		hit_order(b, kind, 0, 4096 / part);
		hit_order(b, kind, 2, 2048 / part);
		hit_order(b, kind, 4, 1024 / part);
	}
	hit_order(b, kind, ZCS_MAX_ORDER, 128 / part);
}

struct miss_case {
	struct bench *b;
	struct zcs_pool *pool;
	unsigned order;
	uint64_t n;
	struct zcs_folio **folio;
	struct bench_bare bare;
	struct bench_row *row, *base;
};

static void miss_round(struct miss_case *c)
{
	size_t bytes = (size_t)ZCS_PAGE_SIZE << c->order;
	uint64_t start = bench_now();

	for (uint64_t i = 0; i < c->n; i++)
		bench_must(c->b, "zcs_folio_alloc",
			   zcs_folio_alloc(c->pool, c->order, 0, &c->folio[i]));
	bench_sample(c->b, c->row, (double)(bench_now() - start));
	for (uint64_t i = 0; i < c->n; i++)
		zcs_folio_put(c->folio[i]);
	bench_must(c->b, "zcs_pool_shrink", zcs_pool_shrink(c->pool, -1, c->n << c->order));
	start = bench_now();
	for (uint64_t i = 0; i < c->n; i++)
		bench_bare_populate(c->b, &c->bare, i * bytes, bytes);
	bench_sample(c->b, c->base, (double)(bench_now() - start));
	bench_bare_punch(c->b, &c->bare);
}

static void miss_order(struct bench *b, enum bench_kind kind, unsigned order, uint64_t n)
{
	struct miss_case c = { .b = b, .pool = bench_pool(b, kind), .order = order, .n = n };

	c.row = bench_row(b, "ns", "folio", n, "order %u: alloc, new memory", order);
	c.base = bench_row(b, "ns", "folio", n, "order %u: bare", order);
	bench_against(c.row, c.base, "bare", BENCH_NO_AIM, 0);
	c.folio = bench_calloc(b, n, sizeof(*c.folio));
	bench_bare_open(b, &c.bare, kind, n * ((size_t)ZCS_PAGE_SIZE << order));
	while (bench_round(b))
		miss_round(&c);
	bench_pool_note(b, c.pool, kind);
	bench_bare_close(&c.bare);
	free(c.folio);
	zcs_pool_destroy(c.pool);
}

/*
 * A miss: the cache is empty, so a folio is new memory; against the same calls folio by folio on a
 * private memfd.
 */
void bench_pool_miss(struct bench *b, enum bench_kind kind)
{
	uint64_t part = b->quick ? 4 : 1;

	if (bench_has_small_orders(b, kind)) {
		miss_order(b, kind, 0, 4096 / part);
		miss_order(b, kind, 2, 2048 / part);
		miss_order(b, kind, 4, 1024 / part);
	}
	miss_order(b, kind, ZCS_MAX_ORDER, 64 / part);
}
