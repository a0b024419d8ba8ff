/* SPDX-License-Identifier: MIT */
#ifndef ZCS_LIB_RUNS_H
#define ZCS_LIB_RUNS_H

#include <stdbool.h>
#include <stdint.h>

#define ZCS_UNIT_ORDER 9u
#define ZCS_UNIT_PAGES 512u

/*
 * The run map of an arena: which of its pfns are free address space. A unit is 512 pages. Not
 * thread-safe: the arena's lock protects it.
 */
struct zcs_runs {
	uint64_t nr_units;
	uint64_t top; /* units from here on were never used: all free, no bits kept */
	uint64_t *whole; /* bit a unit below top: all its pages are free */
	uint64_t *part; /* bit a unit below top: some pages are free, not all */
	uint64_t opened; /* units whose words in pages are accessible */
	uint64_t *pages; /* 8 words a unit: free pages; valid where part is set */
	uint64_t hint_whole; /* no unit below this one is whole */
	uint64_t hint_part; /* no unit below this one is part */
	uint64_t free_pages; /* below and above top */
	bool units_only; /* nothing smaller than a unit is ever asked for (hugetlb) */
};

int zcs_runs_init(struct zcs_runs *r, uint64_t nr_units, bool units_only);
void zcs_runs_fini(struct zcs_runs *r);

/* The alignment of a run of @nr pages: that of the largest folio in it, 512 at most. */
uint64_t zcs_runs_align(uint64_t nr);

/* Upper bound of top, in units, after @nr pages more were allocated. */
uint64_t zcs_runs_bound(const struct zcs_runs *r, uint64_t nr);
/*
 * Finds @nr free pages, aligned. Fills units that are in use before it opens new ones. Return: 0;
 * -ENOMEM.
 */
int zcs_runs_alloc(struct zcs_runs *r, uint64_t nr, uint64_t *pfn);
void zcs_runs_free(struct zcs_runs *r, uint64_t pfn, uint64_t nr);
bool zcs_runs_is_free(const struct zcs_runs *r, uint64_t pfn);
/* 0 if the bits and the counts agree, else -EUCLEAN. */
int zcs_runs_check(const struct zcs_runs *r);

#endif
