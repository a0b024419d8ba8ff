/* SPDX-License-Identifier: MIT */
/*
 * The kind of a home's memory is chosen once, by what is to be had then: hugetlb only if the
 * reserve and the pool's own cached hugetlb folios hold all of it, beside what homes that were made
 * before may still take, or as much as the pool may have; cached folios of another kind do not
 * count. And what lies in the pool's lists is given up before a home is refused its memory. What
 * the reserve holds is made up by the test, which wraps the question at link time.
 */
#include "tt_inside.h"

static uint64_t made_up;

uint64_t __wrap_zcs_sys_hugetlb_free(void);

uint64_t __wrap_zcs_sys_hugetlb_free(void)
{
	return made_up;
}

static enum zcs_arena_kind kind_of_home(const struct tt_case *c)
{
	return c->tt->home.arena->kind;
}

/* @nr cached folios of 2 MiB that are not hugetlb. */
static void cache_thp(struct tt_case *c, unsigned nr)
{
	struct zcs_folio *folio[4];

	zcs_test_fault("fallocate", 0, 0, 0);
	for (unsigned i = 0; i < nr; i++)
		folio[i] = zcs_test_folio(c->pool, 9);
	zcs_test_faults_off();
	for (unsigned i = 0; i < nr; i++)
		zcs_folio_put(folio[i]);
	zcs_assert_is(zcs_test_cached(c->pool, 9), nr);
}

static void new_home(struct tt_case *c, uint64_t nr)
{
	zcs_tt_destroy(c->tt);
	c->nr = nr;
	zcs_assert_ok(zcs_tt_create(c->pool, nr, ZCS_TT_CONTIGUOUS, &c->tt));
}

static void cached_folios_of_another_kind_are_no_hugetlb(void **state)
{
	uint64_t before;
	struct tt_case c;

	(void)state;
	made_up = 0;
	tt_case_bare(&c, ZCS_BACKING_AUTO, 1, 0);
	cache_thp(&c, 2);
	before = zcs_test_counter(c.pool, ZCS_COUNT_HUGETLB_FALLBACK);
	new_home(&c, 1024);
	assert_int_equal(kind_of_home(&c), ZCS_ARENA_THP);
	zcs_assert_is(zcs_test_counter(c.pool, ZCS_COUNT_HUGETLB_FALLBACK), (int64_t)before + 1);
	zcs_assert_ok(zcs_tt_populate(c.tt, NULL));
	assert_true(tt_is_zero(c.tt, 0, 1024));
	tt_case_fini(&c);
}

static void a_reserve_that_holds_it_all_is_taken(void **state)
{
	struct tt_case c;

	(void)state;
	tt_case_bare(&c, ZCS_BACKING_AUTO, 1, 0);
	made_up = 2;
	new_home(&c, 1024);
	assert_int_equal(kind_of_home(&c), ZCS_ARENA_HUGETLB);
	made_up = 1;
	new_home(&c, 1024);
	assert_int_equal(kind_of_home(&c), ZCS_ARENA_THP);
	new_home(&c, 513);
	assert_int_equal(kind_of_home(&c), ZCS_ARENA_SMALL);
	tt_case_fini(&c);
}

static struct zcs_pool *pool;

/* A contiguous tt of @units of 2 MiB, whose home is of @kind. */
static struct zcs_tt *tt_of(uint64_t units, enum zcs_arena_kind kind)
{
	struct zcs_tt *tt = NULL;

	zcs_assert_ok(zcs_tt_create(pool, units * 512, ZCS_TT_CONTIGUOUS, &tt));
	zcs_assert_is(tt->home.arena->kind, kind);
	zcs_test_pool_ok(pool);
	return tt;
}

/* Untouched homes hold nothing yet, but will. */
static void homes_made_before_count(void **state)
{
	struct zcs_tt *first, *other, *last;

	(void)state;
	pool = zcs_test_pool(ZCS_BACKING_AUTO, 0, 0);
	made_up = 4;
	first = tt_of(3, ZCS_ARENA_HUGETLB);
	other = tt_of(2, ZCS_ARENA_THP);
	zcs_assert_is(zcs_test_counter(pool, ZCS_COUNT_HUGETLB_FALLBACK), 1);
	last = tt_of(1, ZCS_ARENA_HUGETLB);
	zcs_test_tt_done(other);
	zcs_test_tt_done(first);
	first = tt_of(3, ZCS_ARENA_HUGETLB);
	zcs_test_tt_done(first);
	zcs_test_tt_done(last);
	zcs_test_pool_done(pool);
}

/*
 * Pages that a home has taken are no longer in the reserve; pages that it gave back it may take
 * again.
 */
static void a_home_counts_as_far_as_it_is_a_hole(void **state)
{
	struct zcs_tt *tt, *other;

	(void)state;
	if (!zcs_test_backing_works(ZCS_BACKING_HUGETLB))
		zcs_test_skip_case("no free hugetlb pages");
	pool = zcs_test_pool(ZCS_BACKING_AUTO, 0, 0);
	made_up = 4;
	tt = tt_of(3, ZCS_ARENA_HUGETLB);
	zcs_assert_ok(zcs_tt_populate(tt, NULL));
	made_up = 1;
	other = tt_of(1, ZCS_ARENA_HUGETLB);
	zcs_test_tt_done(other);
	zcs_test_tt_done(tt_of(2, ZCS_ARENA_THP));
	zcs_tt_unpopulate(tt);
	/* the pool put some of them by */
	made_up = 4 - zcs_reserve_held(&tt->home.arena->reserve);
	zcs_test_tt_done(tt_of(2, ZCS_ARENA_THP));
	zcs_test_tt_done(tt_of(1, ZCS_ARENA_HUGETLB));
	zcs_test_tt_done(tt);
	zcs_test_pool_done(pool);
}

/* Cached folios are the pool's to use: as the home's own, or given up for it. */
static void a_home_of_cached_hugetlb_takes_nothing(void **state)
{
	struct zcs_tt *tt;

	(void)state;
	if (!zcs_test_backing_works(ZCS_BACKING_HUGETLB))
		zcs_test_skip_case("no free hugetlb pages");
	pool = zcs_test_pool(ZCS_BACKING_AUTO, 0, 0);
	made_up = 2;
	tt = tt_of(2, ZCS_ARENA_HUGETLB);
	zcs_assert_ok(zcs_tt_populate(tt, NULL));
	zcs_test_tt_done(tt);
	made_up = 0;
	tt = tt_of(2, ZCS_ARENA_HUGETLB);
	zcs_assert_is(zcs_test_stats(pool).kept_pages, 1024);
	zcs_test_tt_done(tt_of(1, ZCS_ARENA_THP));
	zcs_test_tt_done(tt);
	zcs_test_pool_done(pool);
}

/* Homes larger than the limit are the rule: what they hold at a time is within it. */
static void a_reserve_that_holds_the_limit_is_enough(void **state)
{
	struct zcs_tt *tt[3];

	(void)state;
	pool = zcs_test_pool(ZCS_BACKING_AUTO, 4 * ZCS_TEST_HUGE_BYTES, 0);
	made_up = 4;
	tt[0] = tt_of(8, ZCS_ARENA_HUGETLB);
	tt[1] = tt_of(8, ZCS_ARENA_HUGETLB);
	made_up = 3;
	tt[2] = tt_of(8, ZCS_ARENA_THP);
	for (unsigned i = 0; i < 3; i++)
		zcs_test_tt_done(tt[i]);
	zcs_test_pool_done(pool);
}

static void what_is_resident_is_part_of_the_limit(void **state)
{
	struct zcs_tt *tt;

	(void)state;
	if (!zcs_test_backing_works(ZCS_BACKING_HUGETLB))
		zcs_test_skip_case("no free hugetlb pages");
	pool = zcs_test_pool(ZCS_BACKING_AUTO, 4 * ZCS_TEST_HUGE_BYTES, 0);
	made_up = 4;
	tt = tt_of(3, ZCS_ARENA_HUGETLB);
	zcs_assert_ok(zcs_tt_populate(tt, NULL));
	made_up = 1;
	zcs_test_tt_done(tt_of(8, ZCS_ARENA_HUGETLB));
	made_up = 0;
	zcs_test_tt_done(tt_of(8, ZCS_ARENA_THP));
	zcs_test_tt_done(tt);
	zcs_test_pool_done(pool);
}

/* The system has no page, but the pool keeps one that nobody uses. */
static void cached_folios_are_given_up_for_a_home(void **state)
{
	struct zcs_folio *folio;
	struct tt_case c;

	(void)state;
	tt_case_bare(&c, ZCS_BACKING_SMALL, 512, ZCS_TT_CONTIGUOUS);
	folio = zcs_test_folio(c.pool, 9);
	zcs_folio_put(folio);
	zcs_test_fault("madvise_populate_write", 0, 1, 0);
	zcs_assert_ok(zcs_tt_populate(c.tt, NULL));
	zcs_assert_is(zcs_test_fault_failed("madvise_populate_write"), 1);
	zcs_assert_is(zcs_test_stats(c.pool).cached_pages, 0);
	zcs_assert_is(zcs_test_counter(c.pool, ZCS_COUNT_SHRUNK), 512);
	tt_case_fini(&c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		zcs_test(cached_folios_of_another_kind_are_no_hugetlb),
		zcs_test(a_reserve_that_holds_it_all_is_taken),
		zcs_test(homes_made_before_count),
		zcs_test(a_home_counts_as_far_as_it_is_a_hole),
		zcs_test(a_home_of_cached_hugetlb_takes_nothing),
		zcs_test(a_reserve_that_holds_the_limit_is_enough),
		zcs_test(what_is_resident_is_part_of_the_limit),
		zcs_test(cached_folios_are_given_up_for_a_home),
	};

	return zcs_test_run(tests);
}
