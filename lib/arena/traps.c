/* SPDX-License-Identifier: MIT */
/*
 * The pages of a shmem arena's user map that are registered, and the mappings that they make.
 *
 * The kernel keeps a mapping for each run of registered or unregistered pages. A process may have
 * vm.max_map_count of them, 65530 by default. With every other one of 64000 small bos evicted,
 * neither mmap() nor pthread_create() nor malloc() would work any more. So the library takes half
 * of them.
 *
 * Above that half no change is made that would split a mapping. A bo stays in memory until a
 * neighbour is evicted, with which it shares a mapping. A page that comes back between two evicted
 * ones stays registered, and is mapped by itself.
 *
 *	pages       r r r . . . r r . . .     r registered
 *	mappings    \___/ \___/ \_/ \___/     each end of a run costs one
 *
 * The count follows the library's own notes and not /proc/self/maps, which takes milliseconds to
 * read. A unit of 2 MiB that is all or nothing takes a byte, so that a home of terabytes is noted
 * at once.
 *
 * Known limit: mappings of the program itself are not counted; half of the limit is left to them.
 */
#include "traps.h"

#include <string.h>

#include "common/log.h"
#include "runs.h"
#include "sys/sys.h"

#define PART_OF_LIMIT 2u
#define WORDS	      (ZCS_UNIT_PAGES / 64)
#define SYS_PAGE      4096u

enum { NONE, ALL, SOME };

static _Atomic int64_t mappings;
static _Atomic uint64_t refused, limit, fake_limit;

int zcs_traps_init(struct zcs_traps *t, uint64_t nr)
{
	void *p;
	int err = zcs_sys_reserve(nr / ZCS_UNIT_PAGES, &p);

	if (err)
		return err;
	t->unit = p;
	err = zcs_sys_reserve_closed(nr / 8, &p);
	if (err) {
		zcs_sys_unmap((void *)t->unit, nr / ZCS_UNIT_PAGES);
		t->unit = NULL;
		return err;
	}
	t->pages = p;
	t->nr = nr;
	pthread_mutex_init(&t->lock, NULL);
	if (!limit)
		limit = zcs_sys_max_mappings();
	return 0;
}

void zcs_traps_fini(struct zcs_traps *t)
{
	if (!t->unit)
		return;
	/* homes are gone by now, except those that a caller forgot */
	if (t->opened)
		zcs_traps_set(t, 0, t->opened, false);
	zcs_sys_unmap((void *)t->unit, t->nr / ZCS_UNIT_PAGES);
	zcs_sys_unmap(t->pages, t->nr / 8);
	pthread_mutex_destroy(&t->lock);
	*t = (struct zcs_traps){ 0 };
}

int zcs_traps_open(struct zcs_traps *t, uint64_t from, uint64_t to)
{
	uintptr_t at = (uintptr_t)t->pages + from / 8, end = (uintptr_t)t->pages + to / 8;
	int err;

	if (!t->unit)
		return 0;
	at &= ~(uintptr_t)(SYS_PAGE - 1);
	err = zcs_sys_open_range((void *)at, end - at);
	if (!err)
		t->opened = to;
	return err;
}

static uint64_t *words_of(const struct zcs_traps *t, uint64_t unit)
{
	return t->pages + unit * WORDS;
}

static bool is_on(const struct zcs_traps *t, uint64_t page)
{
	uint64_t unit = page / ZCS_UNIT_PAGES;

	if (t->unit[unit] != SOME)
		return t->unit[unit] == ALL;
	return words_of(t, unit)[page % ZCS_UNIT_PAGES / 64] >> page % 64 & 1;
}

/* The end of the part of [at, end) that lies in one unit. */
static uint64_t unit_end(uint64_t at, uint64_t end)
{
	uint64_t next = (at / ZCS_UNIT_PAGES + 1) * ZCS_UNIT_PAGES;

	return next < end ? next : end;
}

/* Changes from one page to the next in [pfn, end), and from @before to its first page. */
static int64_t count_changes(const struct zcs_traps *t, bool before, uint64_t pfn, uint64_t end)
{
	int64_t n = 0;

	while (pfn < end) {
		bool on = is_on(t, pfn);

		n += on != before;
		before = on;
		pfn = t->unit[pfn / ZCS_UNIT_PAGES] == SOME ? pfn + 1 : unit_end(pfn, end);
	}
	return n;
}

int64_t zcs_traps_cost(const struct zcs_traps *t, uint64_t pfn, uint64_t nr, bool on)
{
	uint64_t end = pfn + nr;
	/* no mapping ends at the first and the last page of the arena */
	bool left = pfn ? is_on(t, pfn - 1) : on, first = is_on(t, pfn);
	uint64_t next = end < t->nr ? end + 1 : end;
	int64_t before = count_changes(t, pfn ? left : first, pfn, next);
	int64_t after = (left != on) + (end < t->nr && is_on(t, end) != on);

	return after - before;
}

static void fill_words(struct zcs_traps *t, uint64_t unit)
{
	if (t->unit[unit] == SOME)
		return;
	memset(words_of(t, unit), t->unit[unit] == ALL ? 0xff : 0, WORDS * sizeof(uint64_t));
	t->unit[unit] = SOME;
}

/* Replaces the bits of a unit whose pages are all alike by NONE or ALL. */
static void sum_up(struct zcs_traps *t, uint64_t unit)
{
	const uint64_t *words = words_of(t, unit);
	unsigned none = 0, all = 0;

	for (unsigned i = 0; i < WORDS; i++) {
		none += !words[i];
		all += words[i] == UINT64_MAX;
	}
	if (none == WORDS || all == WORDS)
		t->unit[unit] = all ? ALL : NONE;
}

static void set_part(struct zcs_traps *t, uint64_t at, uint64_t end, bool on)
{
	uint64_t unit = at / ZCS_UNIT_PAGES, *words = words_of(t, unit);

	if (t->unit[unit] == (on ? ALL : NONE))
		return;
	fill_words(t, unit);
	for (; at < end; at++) {
		uint64_t bit = UINT64_C(1) << at % 64, *word = &words[at % ZCS_UNIT_PAGES / 64];

		*word = on ? *word | bit : *word & ~bit;
	}
	sum_up(t, unit);
}

void zcs_traps_set(struct zcs_traps *t, uint64_t pfn, uint64_t nr, bool on)
{
	uint64_t end = pfn + nr;

	atomic_fetch_add(&mappings, zcs_traps_cost(t, pfn, nr, on));
	while (pfn < end) {
		uint64_t next = unit_end(pfn, end);

		if (next - pfn == ZCS_UNIT_PAGES)
			t->unit[pfn / ZCS_UNIT_PAGES] = on ? ALL : NONE;
		else
			set_part(t, pfn, next, on);
		pfn = next;
	}
}

bool zcs_traps_in_unit(const struct zcs_traps *t, uint64_t unit)
{
	return unit < t->nr / ZCS_UNIT_PAGES && t->unit[unit] != NONE;
}

bool zcs_traps_may(int64_t cost)
{
	uint64_t most = fake_limit ? fake_limit : limit;

	if (cost <= 0 || (uint64_t)(mappings + cost) <= most / PART_OF_LIMIT)
		return true;
	if (!atomic_fetch_add(&refused, 1))
		zcs_warn("evicted addresses take %llu mappings, half of vm.max_map_count; "
			 "from now on only what is beside others is evicted",
			 (unsigned long long)mappings);
	return false;
}

uint64_t zcs_traps_mappings(void)
{
	return (uint64_t)mappings;
}

uint64_t zcs_traps_refused(void)
{
	return refused;
}

void zcs_traps_fake_limit(uint64_t most)
{
	fake_limit = most;
}
