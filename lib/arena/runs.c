/* SPDX-License-Identifier: MIT */
/*
 * The run map: free address space of an arena, as bits.
 *
 * Bits and no buddy lists, because a free pfn needs no descriptor, neighbours merge by themselves,
 * and one scan finds runs of any length. 4 TiB cost 512 KiB of bits, of which only the part below
 * the top is ever touched. There are two levels: one bit for each unit of 2 MiB (whole, or part),
 * and 512 bits for each open unit.
 *
 * Address space is plentiful, so the search is first fit and looks at no more than SEARCH_UNITS
 * open units before it opens another. An allocation is O(1) on average, and fragments are bounded.
 *
 *	unit:     0     1     2     3     4    top
 *	whole:    .     1     .     .     .     (all free above)
 *	part:     .     .     1     .     .
 *	pages:                ▓▓░▓░…
 *
 * Known bottleneck: a run of many units scans whole[] from the lowest free unit, 64 units a word:
 * 0.5 us for 100 GiB in use.
 */
#include <errno.h>
#include <string.h>

#include "runs.h"
#include "sys/sys.h"

#define WORDS	     (ZCS_UNIT_PAGES / 64)
#define SEARCH_UNITS 64
#define OPEN_UNITS   4096u /* at a time, at least: their words are 256 KiB */

static bool get(const uint64_t *map, uint64_t i)
{
	return map[i / 64] >> (i % 64) & 1;
}

static void set(uint64_t *map, uint64_t i)
{
	map[i / 64] |= UINT64_C(1) << (i % 64);
}

static void clear(uint64_t *map, uint64_t i)
{
	map[i / 64] &= ~(UINT64_C(1) << (i % 64));
}

/* The first set bit in [from, end); or @end. */
static uint64_t next_set(const uint64_t *map, uint64_t from, uint64_t end)
{
	while (from < end) {
		uint64_t w = map[from / 64] >> (from % 64);

		if (w) {
			from += (uint64_t)__builtin_ctzll(w);
			return from < end ? from : end;
		}
		from = (from / 64 + 1) * 64;
	}
	return end;
}

/* The first clear bit in [from, end); or @end. */
static uint64_t next_clear(const uint64_t *map, uint64_t from, uint64_t end)
{
	while (from < end) {
		uint64_t w = ~map[from / 64] >> (from % 64);

		if (w) {
			from += (uint64_t)__builtin_ctzll(w);
			return from < end ? from : end;
		}
		from = (from / 64 + 1) * 64;
	}
	return end;
}

static size_t map_bytes(uint64_t nr_units)
{
	return ((size_t)nr_units + 63) / 64 * 8;
}

static size_t pages_bytes(const struct zcs_runs *r)
{
	return (size_t)r->nr_units * WORDS * 8;
}

int zcs_runs_init(struct zcs_runs *r, uint64_t nr_units, bool units_only)
{
	void *maps, *pages = NULL;
	int err;

	*r = (struct zcs_runs){ .nr_units = nr_units,
				.free_pages = nr_units * ZCS_UNIT_PAGES,
				.units_only = units_only };
	err = zcs_sys_reserve(2 * map_bytes(nr_units), &maps);
	if (err)
		return err;
	if (!units_only)
		err = zcs_sys_reserve_closed(pages_bytes(r), &pages);
	if (err) {
		zcs_sys_unmap(maps, 2 * map_bytes(nr_units));
		return err;
	}
	r->whole = maps;
	r->part = r->whole + map_bytes(nr_units) / 8;
	r->pages = pages;
	return 0;
}

void zcs_runs_fini(struct zcs_runs *r)
{
	zcs_sys_unmap(r->whole, 2 * map_bytes(r->nr_units));
	if (r->pages)
		zcs_sys_unmap(r->pages, pages_bytes(r));
	memset(r, 0, sizeof(*r));
}

uint64_t zcs_runs_align(uint64_t nr)
{
	uint64_t a = 1;

	while (a * 2 <= nr && a < ZCS_UNIT_PAGES)
		a *= 2;
	return a;
}

/* Leaves only the pages from @used on free in a unit that was taken from the whole ones. */
static void open_unit(struct zcs_runs *r, uint64_t unit, uint64_t used)
{
	uint64_t *bits = r->pages + unit * WORDS;

	for (uint64_t w = 0; w < WORDS; w++) {
		uint64_t lo = w * 64;

		if (used >= lo + 64)
			bits[w] = 0;
		else
			bits[w] = used <= lo ? UINT64_MAX : UINT64_MAX << (used - lo);
	}
	set(r->part, unit);
	if (unit < r->hint_part)
		r->hint_part = unit;
}

/* Finds @nr free units in a row, below top if possible; else extends top over them. */
static int find_units(struct zcs_runs *r, uint64_t nr, uint64_t *unit)
{
	uint64_t at = next_set(r->whole, r->hint_whole, r->top), end;

	r->hint_whole = at;
	for (; at < r->top; at = next_set(r->whole, end, r->top)) {
		end = next_clear(r->whole, at, r->top < at + nr ? r->top : at + nr);
		if (end - at >= nr || end == r->top)
			break;
	}
	if (nr > r->nr_units || at > r->nr_units - nr)
		return -ENOMEM;
	if (at + nr > r->top)
		r->top = at + nr;
	*unit = at;
	return 0;
}

static int alloc_units(struct zcs_runs *r, uint64_t nr, uint64_t *pfn)
{
	uint64_t tail = nr % ZCS_UNIT_PAGES, units = nr / ZCS_UNIT_PAGES + (tail != 0), unit;
	int err = find_units(r, units, &unit);

	if (err)
		return err;
	for (uint64_t u = unit; u < unit + units; u++)
		clear(r->whole, u);
	if (tail)
		open_unit(r, unit + units - 1, tail);
	*pfn = unit * ZCS_UNIT_PAGES;
	return 0;
}

/* @nr pages (under 512) at a multiple of @align in one open unit; its first page, or 512. */
static uint64_t search_unit(const uint64_t *bits, uint64_t nr, uint64_t align)
{
	uint64_t at = next_set(bits, 0, ZCS_UNIT_PAGES);

	while (at + nr <= ZCS_UNIT_PAGES) {
		uint64_t aligned = (at + align - 1) & ~(align - 1), end;

		if (aligned + nr > ZCS_UNIT_PAGES)
			break;
		end = next_clear(bits, aligned, aligned + nr);
		if (end == aligned + nr)
			return aligned;
		at = next_set(bits, end, ZCS_UNIT_PAGES);
	}
	return ZCS_UNIT_PAGES;
}

static void close_pages(struct zcs_runs *r, uint64_t unit, uint64_t at, uint64_t nr)
{
	uint64_t *bits = r->pages + unit * WORDS;

	for (uint64_t i = at; i < at + nr; i++)
		clear(bits, i);
	if (next_set(bits, 0, ZCS_UNIT_PAGES) == ZCS_UNIT_PAGES)
		clear(r->part, unit);
}

static int alloc_pages(struct zcs_runs *r, uint64_t nr, uint64_t *pfn)
{
	uint64_t align = zcs_runs_align(nr), unit = next_set(r->part, r->hint_part, r->top);

	r->hint_part = unit;
	for (int tries = 0; unit < r->top && tries < SEARCH_UNITS; tries++) {
		uint64_t at = search_unit(r->pages + unit * WORDS, nr, align);

		if (at < ZCS_UNIT_PAGES) {
			close_pages(r, unit, at, nr);
			*pfn = unit * ZCS_UNIT_PAGES + at;
			return 0;
		}
		unit = next_set(r->part, unit + 1, r->top);
	}
	return alloc_units(r, nr, pfn);
}

uint64_t zcs_runs_bound(const struct zcs_runs *r, uint64_t nr)
{
	uint64_t end = r->top + (nr + ZCS_UNIT_PAGES - 1) / ZCS_UNIT_PAGES;

	return end < r->nr_units ? end : r->nr_units;
}

/*
 * Makes the words of @units accessible before top passes them. May be refused where the system
 * limits committed memory.
 */
static int open_words(struct zcs_runs *r, uint64_t units)
{
	uint64_t to = r->opened + (r->opened < OPEN_UNITS ? OPEN_UNITS : r->opened);
	int err;

	if (r->units_only || units <= r->opened)
		return 0;
	to = to < units ? units : to;
	to = to < r->nr_units ? to : r->nr_units;
	err = zcs_sys_open_range(r->pages + r->opened * WORDS, (to - r->opened) * WORDS * 8);
	if (!err)
		r->opened = to;
	return err;
}

int zcs_runs_alloc(struct zcs_runs *r, uint64_t nr, uint64_t *pfn)
{
	int err;

	if (!nr || (r->units_only && nr % ZCS_UNIT_PAGES))
		return -EINVAL;
	if (nr > r->free_pages || open_words(r, zcs_runs_bound(r, nr)))
		return -ENOMEM;
	if (nr < ZCS_UNIT_PAGES)
		err = alloc_pages(r, nr, pfn);
	else
		err = alloc_units(r, nr, pfn);
	if (!err)
		r->free_pages -= nr;
	return err;
}

static void free_unit(struct zcs_runs *r, uint64_t unit)
{
	set(r->whole, unit);
	clear(r->part, unit);
	if (unit < r->hint_whole)
		r->hint_whole = unit;
}

/* Pages of one unit, not all of it. */
static void free_in_unit(struct zcs_runs *r, uint64_t unit, uint64_t at, uint64_t nr)
{
	uint64_t *bits = r->pages + unit * WORDS;

	if (!get(r->part, unit))
		memset(bits, 0, WORDS * sizeof(*bits));
	for (uint64_t i = at; i < at + nr; i++)
		set(bits, i);
	set(r->part, unit);
	if (unit < r->hint_part)
		r->hint_part = unit;
	if (next_clear(bits, 0, ZCS_UNIT_PAGES) == ZCS_UNIT_PAGES)
		free_unit(r, unit);
}

void zcs_runs_free(struct zcs_runs *r, uint64_t pfn, uint64_t nr)
{
	r->free_pages += nr;
	while (nr) {
		uint64_t unit = pfn / ZCS_UNIT_PAGES, at = pfn % ZCS_UNIT_PAGES;
		uint64_t here = ZCS_UNIT_PAGES - at < nr ? ZCS_UNIT_PAGES - at : nr;

		if (here == ZCS_UNIT_PAGES)
			free_unit(r, unit);
		else
			free_in_unit(r, unit, at, here);
		pfn += here;
		nr -= here;
	}
}

bool zcs_runs_is_free(const struct zcs_runs *r, uint64_t pfn)
{
	uint64_t unit = pfn / ZCS_UNIT_PAGES;

	if (unit >= r->top || get(r->whole, unit))
		return true;
	return get(r->part, unit) && get(r->pages + unit * WORDS, pfn % ZCS_UNIT_PAGES);
}

static int check_unit(const struct zcs_runs *r, uint64_t unit, uint64_t *free)
{
	uint64_t nr = 0;

	if (get(r->whole, unit)) {
		*free += ZCS_UNIT_PAGES;
		return get(r->part, unit) || unit < r->hint_whole ? -EUCLEAN : 0;
	}
	if (!get(r->part, unit))
		return 0;
	for (uint64_t w = 0; w < WORDS; w++)
		nr += (uint64_t)__builtin_popcountll(r->pages[unit * WORDS + w]);
	*free += nr;
	return !nr || nr == ZCS_UNIT_PAGES || unit < r->hint_part ? -EUCLEAN : 0;
}

int zcs_runs_check(const struct zcs_runs *r)
{
	uint64_t free = (r->nr_units - r->top) * ZCS_UNIT_PAGES;

	for (uint64_t u = 0; u < r->top; u++) {
		int err = check_unit(r, u, &free);

		if (err)
			return err;
	}
	return free == r->free_pages ? 0 : -EUCLEAN;
}
