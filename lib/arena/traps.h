/* SPDX-License-Identifier: MIT */
#ifndef ZCS_LIB_TRAPS_H
#define ZCS_LIB_TRAPS_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/*
 * struct zcs_traps - which pages of an arena's user map are registered; shmem only
 * @lock: held around each change, with its system call
 * @nr: pages
 * @opened: pages that were ever noted
 * @unit: state of a unit's pages: none, all, or some, which @pages has
 * @pages: a bit for each page, valid if the unit is SOME; accessible as far as zcs_traps_open() was
 *	told
 */
struct zcs_traps {
	pthread_mutex_t lock;
	uint64_t nr, opened;
	_Atomic uint8_t *unit;
	uint64_t *pages;
};

int zcs_traps_init(struct zcs_traps *t, uint64_t nr);
void zcs_traps_fini(struct zcs_traps *t);
/* Room for notes of the pages from @from to @to; multiples of 512. */
int zcs_traps_open(struct zcs_traps *t, uint64_t from, uint64_t to);

/*
 * Mappings that a change to [pfn, pfn + nr) adds, with the lock held; negative: it takes some away.
 * zcs_traps_set() notes that it was made.
 */
int64_t zcs_traps_cost(const struct zcs_traps *t, uint64_t pfn, uint64_t nr, bool on);
void zcs_traps_set(struct zcs_traps *t, uint64_t pfn, uint64_t nr, bool on);
/* Whether a page of a unit is registered; false outside of the arena. */
bool zcs_traps_in_unit(const struct zcs_traps *t, uint64_t unit);

/*
 * Whether @cost mappings more leave the program its half of vm.max_map_count. A change that
 * saves mappings always does. A refusal is counted, and logged once.
 */
bool zcs_traps_may(int64_t cost);
/* Of the process: mappings that arenas were split into; how often more were refused. */
uint64_t zcs_traps_mappings(void);
uint64_t zcs_traps_refused(void);
/* For tests: another limit; 0: the system's. */
void zcs_traps_fake_limit(uint64_t mappings);

#endif
