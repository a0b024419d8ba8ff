/* SPDX-License-Identifier: MIT */
/*
 * The run map against a model of one byte a page: what it hands out is free, aligned and long
 * enough, it refuses only what the model has no place for, and its own counts agree after every
 * step. The maps are of up to 48 units, fewer than it searches before it opens another.
 */
#include "arena/runs.h"
#include "zcs_test.h"

#define UNITS 48u
#define PAGES ((uint64_t)UNITS * ZCS_UNIT_PAGES)
#define RUNS  4096u

static struct zcs_runs runs;
static bool used[PAGES];
static uint64_t nr_units;
static struct run {
	uint64_t pfn, nr;
} held[RUNS];
static unsigned nr_held;
static uint64_t seed;

static uint64_t below(uint64_t n)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed % n;
}

static void start(uint64_t units, bool units_only)
{
	memset(used, 0, sizeof(used));
	nr_units = units;
	nr_held = 0;
	seed = 88172645463325252u;
	zcs_assert_ok(zcs_runs_init(&runs, units, units_only));
}

static bool all_are(uint64_t pfn, uint64_t nr, bool value)
{
	for (uint64_t i = pfn; i < pfn + nr; i++)
		if (used[i] != value)
			return false;
	return true;
}

static void set(uint64_t pfn, uint64_t nr, bool value)
{
	for (uint64_t i = pfn; i < pfn + nr; i++)
		used[i] = value;
}

/* The alignment that the order of a run's largest folio asks for. */
static uint64_t alignment(uint64_t nr)
{
	uint64_t a = 1;

	while (a < ZCS_UNIT_PAGES && a * 2 <= nr)
		a *= 2;
	return a;
}

/* Whether the model has a place: inside one unit, or from a unit's start over whole free units. */
static bool has_place(uint64_t nr)
{
	uint64_t step = alignment(nr), whole = (nr + ZCS_UNIT_PAGES - 1) / ZCS_UNIT_PAGES;
	uint64_t span = nr < ZCS_UNIT_PAGES ? nr : whole * ZCS_UNIT_PAGES;

	for (uint64_t at = 0; at + span <= nr_units * ZCS_UNIT_PAGES; at += step) {
		if (nr < ZCS_UNIT_PAGES && at / ZCS_UNIT_PAGES != (at + nr - 1) / ZCS_UNIT_PAGES)
			continue;
		if (all_are(at, span, false))
			return true;
	}
	return false;
}

static void take(uint64_t nr)
{
	uint64_t pfn = UINT64_MAX;
	bool place = has_place(nr);
	int err = zcs_runs_alloc(&runs, nr, &pfn);

	if (err) {
		zcs_assert_is(err, -ENOMEM);
		assert_false(place);
		return;
	}
	assert_true(place);
	zcs_assert_is(pfn % alignment(nr), 0);
	assert_true(pfn + nr <= nr_units * ZCS_UNIT_PAGES);
	assert_true(all_are(pfn, nr, false));
	set(pfn, nr, true);
	assert_true(nr_held < RUNS);
	held[nr_held++] = (struct run){ pfn, nr };
}

static void give(uint64_t pfn, uint64_t nr)
{
	zcs_runs_free(&runs, pfn, nr);
	set(pfn, nr, false);
}

/* A whole run, or its first or last part: what a split folio's pieces do. */
static void give_some(bool units_only)
{
	unsigned at = (unsigned)below(nr_held);
	struct run *r = &held[at];
	uint64_t unit = units_only ? ZCS_UNIT_PAGES : 1;
	uint64_t part = (below(r->nr / unit) + 1) * unit;

	if (part == r->nr || below(4)) {
		give(r->pfn, r->nr);
		*r = held[--nr_held];
	} else if (below(2)) {
		give(r->pfn, part);
		r->pfn += part;
		r->nr -= part;
	} else {
		give(r->pfn + r->nr - part, part);
		r->nr -= part;
	}
}

static void compare(void)
{
	uint64_t free = 0;

	zcs_assert_ok(zcs_runs_check(&runs));
	for (uint64_t i = 0; i < nr_units * ZCS_UNIT_PAGES; i++) {
		if (zcs_runs_is_free(&runs, i) == used[i])
			fail_msg("page %" PRIu64 ": free %d, used %d", i, !used[i], used[i]);
		free += !used[i];
	}
	zcs_assert_is(runs.free_pages, (int64_t)free);
}

static void empty(void)
{
	while (nr_held) {
		nr_held--;
		give(held[nr_held].pfn, held[nr_held].nr);
	}
	compare();
	take(nr_units * ZCS_UNIT_PAGES);
	zcs_assert_is(nr_held, 1);
	give(held[0].pfn, held[0].nr);
	zcs_runs_fini(&runs);
}

static uint64_t some_size(void)
{
	switch (below(8)) {
	case 0:
		return below(5 * ZCS_UNIT_PAGES) + 1;
	case 1:
		return below(ZCS_UNIT_PAGES) + 1;
	case 2:
		return (below(6) + 1) * ZCS_UNIT_PAGES;
	default:
		return UINT64_C(1) << below(10);
	}
}

static void random_steps_agree_with_the_model(void **state)
{
	unsigned steps = zcs_test_scale(20000);

	(void)state;
	start(UNITS, false);
	for (unsigned i = 0; i < steps; i++) {
		/* long phases of filling and of emptying, so that both ends are reached */
		bool filling = (i / 1000) % 2 == 0;

		if (!nr_held || below(10) < (filling ? 7u : 3u))
			take(some_size());
		else
			give_some(false);
		if (i % 50 == 0)
			compare();
	}
	empty();
}

static void random_steps_by_units_agree_with_the_model(void **state)
{
	unsigned steps = zcs_test_scale(10000);

	(void)state;
	start(UNITS, true);
	for (unsigned i = 0; i < steps; i++) {
		bool filling = (i / 500) % 2 == 0;

		if (!nr_held || below(10) < (filling ? 7u : 3u))
			take((below(6) + 1) * ZCS_UNIT_PAGES);
		else
			give_some(true);
		if (i % 50 == 0)
			compare();
	}
	empty();
}

static void every_length_fits_an_empty_map_and_comes_back(void **state)
{
	(void)state;
	start(4, false);
	for (uint64_t nr = 1; nr <= 4 * ZCS_UNIT_PAGES; nr++) {
		take(nr);
		zcs_assert_is(nr_held, 1);
		zcs_assert_is(held[0].pfn, 0);
		if (nr % 97 == 0)
			compare();
		give(0, nr);
		nr_held = 0;
	}
	empty();
}

static void pages_one_by_one_fill_the_map_and_merge_again(void **state)
{
	(void)state;
	start(3, false);
	for (uint64_t i = 0; i < 3 * ZCS_UNIT_PAGES; i++)
		take(1);
	take(1);
	zcs_assert_is(nr_held, 3 * ZCS_UNIT_PAGES);
	compare();
	/* every other page first, so that nothing merges before the end */
	for (uint64_t i = 0; i < 3 * ZCS_UNIT_PAGES; i += 2)
		give(i, 1);
	compare();
	take(2);
	zcs_assert_is(nr_held, 3 * ZCS_UNIT_PAGES);
	for (uint64_t i = 1; i < 3 * ZCS_UNIT_PAGES; i += 2)
		give(i, 1);
	nr_held = 0;
	empty();
}

static void wrong_lengths_are_refused(void **state)
{
	uint64_t pfn = 7;

	(void)state;
	start(2, false);
	zcs_assert_is(zcs_runs_alloc(&runs, 0, &pfn), -EINVAL);
	zcs_assert_is(zcs_runs_alloc(&runs, 2 * ZCS_UNIT_PAGES + 1, &pfn), -ENOMEM);
	zcs_assert_is(zcs_runs_alloc(&runs, UINT64_MAX, &pfn), -ENOMEM);
	zcs_assert_is(zcs_runs_alloc(&runs, UINT64_MAX - ZCS_UNIT_PAGES, &pfn), -ENOMEM);
	compare();
	zcs_runs_fini(&runs);
	start(2, true);
	zcs_assert_is(zcs_runs_alloc(&runs, 1, &pfn), -EINVAL);
	zcs_assert_is(zcs_runs_alloc(&runs, ZCS_UNIT_PAGES + 1, &pfn), -EINVAL);
	zcs_assert_is(pfn, 7);
	compare();
	zcs_runs_fini(&runs);
}

static void open_units_are_filled_before_others_are_opened(void **state)
{
	(void)state;
	start(UNITS, false);
	for (uint64_t i = 0; i < 4 * ZCS_UNIT_PAGES; i++)
		take(1);
	zcs_assert_is(runs.top, 4);
	give(5, 1);
	take(1);
	zcs_assert_is(held[nr_held - 1].pfn, 5);
	zcs_assert_is(runs.top, 4);
	zcs_runs_fini(&runs);
}

static void what_cannot_be_reserved_is_enomem(void **state)
{
	(void)state;
	for (uint64_t at = 0; at < 2; at++) {
		zcs_test_fault("mmap", at, 1, 0);
		zcs_assert_is(zcs_runs_init(&runs, 4, false), -ENOMEM);
	}
	zcs_test_faults_off();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		zcs_test(random_steps_agree_with_the_model),
		zcs_test(random_steps_by_units_agree_with_the_model),
		zcs_test(every_length_fits_an_empty_map_and_comes_back),
		zcs_test(pages_one_by_one_fill_the_map_and_merge_again),
		zcs_test(wrong_lengths_are_refused),
		zcs_test(open_units_are_filled_before_others_are_opened),
		zcs_test(what_cannot_be_reserved_is_enomem),
	};

	return zcs_test_run(tests);
}
