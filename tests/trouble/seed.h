/* SPDX-License-Identifier: MIT */
#ifndef TROUBLE_SEED_H
#define TROUBLE_SEED_H

#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

/*
 * Numbers that look random, from a seed that is printed: ZCSWAP_SEED in the environment repeats a
 * run. Each thread or purpose has a state of its own, made from the seed and a number.
 */
struct rng {
	uint64_t x;
};

static inline uint64_t seed_of_run(void)
{
	static uint64_t seed;
	const char *env = getenv("ZCSWAP_SEED");
	struct timespec now;

	if (seed)
		return seed;
	clock_gettime(CLOCK_REALTIME, &now);
	seed = env && *env ? strtoull(env, NULL, 0)
			   : (uint64_t)now.tv_sec * 1000003u + (uint64_t)now.tv_nsec;
	seed = seed ? seed : 1;
	printf("# ZCSWAP_SEED=%" PRIu64 "\n", seed);
	fflush(stdout);
	return seed;
}

/* xorshift64* */
static inline uint64_t rng_next(struct rng *r)
{
	r->x ^= r->x >> 12;
	r->x ^= r->x << 25;
	r->x ^= r->x >> 27;
	return r->x * 0x2545f4914f6cdd1du;
}

static inline struct rng rng_of(uint64_t seed, uint64_t number)
{
	struct rng r = { (seed + 1) * 0x9e3779b97f4a7c15u ^ (number + 1) * 0xbf58476d1ce4e5b9u };

	r.x = r.x ? r.x : 1;
	rng_next(&r);
	rng_next(&r);
	return r;
}

/* 0 to @nr - 1 */
static inline uint64_t rng_below(struct rng *r, uint64_t nr)
{
	return (rng_next(r) >> 16) % nr;
}

/* One time in @nr. */
static inline int rng_one_in(struct rng *r, uint64_t nr)
{
	return rng_below(r, nr) == 0;
}

#endif
