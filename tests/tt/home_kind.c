/* SPDX-License-Identifier: MIT */
/*
 * The kind of a home's memory is chosen once, by what is to be had then: hugetlb only if the reserve and the
 * pool's own cached hugetlb folios hold all of it; cached folios of another kind do not count. And what lies in
 * the pool's lists is given up before a home is refused its memory. What the reserve holds is made up by the
 * test, which wraps the question at link time.
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
		zcs_test(cached_folios_are_given_up_for_a_home),
	};

	return zcs_test_run(tests);
}
