/* SPDX-License-Identifier: MIT */
#ifndef STRESS_H
#define STRESS_H

#include <stdatomic.h>

#include "../trouble/seed.h"
#include "zcs_test.h"

/*
 * What the stress programs share: options, the rounds, a watch over the threads. A round is one
 * kind of memory, one store and a set of fault points that fail now and then. It runs in a process
 * of its own, so that a round that hangs or crashes is told with its seed, and the others still
 * run.
 *
 *	--backing=hugetlb|thp|collapse|small|auto	only this one
 *	--store=SPEC		only this one
 *	--fault=NAME[,NAME...]	one round with these points, each at --percent (2)
 *	--delay=MS		they are slow, and do not fail
 *	--seconds=N		of a round (1)
 *	--limit=MIB		of the pool
 *	--soak			rounds of one fault point each, for ZCSWAP_SOAK_SECONDS (600)
 *	--here			in this process, for a debugger
 *
 * ZCSWAP_SEED makes the same choices as a run before.
 */

/*
 * struct stress_round - one round
 * @collapse: THP without a tmpfs of its own: by MADV_COLLAPSE alone
 * @limit: of the pool in bytes; 0: what the program takes for good
 * @faults: names of fault points, joined by commas; @delay_ms: 0, or they are slow and do not fail
 */
struct stress_round {
	enum zcs_backing backing;
	bool collapse;
	const char *store;
	uint64_t limit;
	unsigned seconds, percent, delay_ms;
	char faults[512];
	uint64_t seed;
};

/*
 * The result of main(): 0, or 1 if a round failed. @run ends with a failed assertion after an
 * error.
 */
int stress_main(int argc, char **argv, void (*run)(const struct stress_round *round));

/* Whether anything is made to fail: otherwise no error of a device is right. */
static inline bool stress_fails(const struct stress_round *round)
{
	return *round->faults && !round->delay_ms;
}

/* Switches the round's fault points on. zcs_test_faults_off() ends that. */
void stress_faults_on(const struct stress_round *round);

/*
 * struct stress_watch - says when the time is over, and that somebody hangs
 * @ops: counted up by the threads whenever they have done something
 * @working: threads that are still at it
 */
struct stress_watch {
	_Atomic uint64_t ops;
	_Atomic unsigned working;
	atomic_bool stop;
};

/*
 * In a thread of its own, until @working is 0. Tells where all threads are, and aborts, if @ops
 * stands still.
 */
void stress_watch(struct stress_watch *watch, unsigned seconds);

#endif
