/* SPDX-License-Identifier: MIT */
/*
 * AUTO takes hugetlb, then THP, then small pages, as each is refused, without failing; the others
 * take what they name and nothing else. What was done instead is counted.
 */
#include "zcs_test.h"

static struct zcs_pool *pool;
static struct zcs_folio *folio;

/* A pool and one folio of 2 MiB, written to. */
static void open_with(enum zcs_backing backing)
{
	pool = zcs_test_pool(backing, 0, 0);
	folio = zcs_test_folio(pool, 9);
	zcs_test_fill_folio(folio, 7);
	assert_true(zcs_test_folio_is(folio, 7));
}

static void done(void)
{
	zcs_folio_put(folio);
	zcs_test_pool_done(pool);
}

static void expect_huge(uint64_t hugetlb, uint64_t huge)
{
	struct zcs_pool_stats st = zcs_test_stats(pool);

	zcs_assert_is(st.hugetlb_bytes, (int64_t)hugetlb);
	zcs_assert_is(st.huge_bytes, (int64_t)huge);
}

static void auto_takes_hugetlb_first(void **state)
{
	(void)state;
	if (!zcs_test_backing_works(ZCS_BACKING_HUGETLB))
		zcs_test_skip_case("no hugetlb pages");
	open_with(ZCS_BACKING_AUTO);
	expect_huge(ZCS_TEST_HUGE_BYTES, ZCS_TEST_HUGE_BYTES);
	zcs_assert_is(zcs_test_counter(pool, ZCS_COUNT_HUGETLB_FALLBACK), 0);
	done();
}

/* hugetlb pages come by fallocate; no other kind does */
static void auto_takes_thp_when_hugetlb_has_no_page(void **state)
{
	struct zcs_pool_stats st;

	(void)state;
	zcs_test_fault("fallocate", 0, 0, 0);
	open_with(ZCS_BACKING_AUTO);
	st = zcs_test_stats(pool);
	zcs_assert_is(st.hugetlb_bytes, 0);
	zcs_assert_is(st.counters[ZCS_COUNT_HUGETLB_FALLBACK], 1);
	zcs_assert_is(st.huge_bytes / ZCS_TEST_HUGE_BYTES + st.counters[ZCS_COUNT_THP_FALLBACK], 1);
	done();
}

static void auto_takes_thp_when_there_is_no_hugetlb_file(void **state)
{
	(void)state;
	/* the first arena is the hugetlb one */
	zcs_test_fault("memfd_create", 0, 1, ENODEV);
	open_with(ZCS_BACKING_AUTO);
	zcs_assert_is(zcs_test_stats(pool).hugetlb_bytes, 0);
	zcs_assert_is(zcs_test_counter(pool, ZCS_COUNT_HUGETLB_FALLBACK), 1);
	done();
}

static void auto_takes_small_pages_when_nothing_is_huge(void **state)
{
	(void)state;
	zcs_test_fault("fallocate", 0, 0, 0);
	zcs_test_fault("huge_file", 0, 0, 0);
	zcs_test_fault("madvise_collapse", 0, 0, 0);
	open_with(ZCS_BACKING_AUTO);
	expect_huge(0, 0);
	zcs_assert_is(zcs_test_counter(pool, ZCS_COUNT_HUGETLB_FALLBACK), 1);
	zcs_assert_is(zcs_test_counter(pool, ZCS_COUNT_THP_FALLBACK), 1);
	done();
}

static void auto_takes_the_small_arena_when_the_thp_one_cannot_be_made(void **state)
{
	(void)state;
	zcs_test_fault("huge_file", 0, 0, 0);
	zcs_test_fault("memfd_create", 0, 2, 0);
	open_with(ZCS_BACKING_AUTO);
	expect_huge(0, 0);
	zcs_assert_is(zcs_test_arenas(), 1);
	zcs_assert_is(zcs_test_counter(pool, ZCS_COUNT_HUGETLB_FALLBACK), 1);
	done();
}

static void auto_tries_hugetlb_again_for_each_folio(void **state)
{
	struct zcs_folio *second;

	(void)state;
	if (!zcs_test_backing_works(ZCS_BACKING_HUGETLB))
		zcs_test_skip_case("no hugetlb pages");
	zcs_test_fault("fallocate", 0, 1, 0);
	open_with(ZCS_BACKING_AUTO);
	zcs_assert_is(zcs_test_stats(pool).hugetlb_bytes, 0);
	second = zcs_test_folio(pool, 9);
	zcs_assert_is(zcs_test_stats(pool).hugetlb_bytes, (int64_t)ZCS_TEST_HUGE_BYTES);
	zcs_folio_put(second);
	done();
}

static void everything_refused_is_enomem(void **state)
{
	(void)state;
	for (enum zcs_backing b = ZCS_BACKING_AUTO; b <= ZCS_BACKING_SMALL; b++) {
		pool = zcs_test_pool(b, 0, 0);
		zcs_test_fault("fallocate", 0, 0, 0);
		zcs_test_fault("madvise_populate_write", 0, 0, 0);
		folio = NULL;
		zcs_assert_is(zcs_folio_alloc(pool, 9, 0, &folio), -ENOMEM);
		assert_null(folio);
		zcs_assert_is(zcs_test_counter(pool, ZCS_COUNT_SYSTEM_REFUSED), 1);
		zcs_assert_is(zcs_test_stats(pool).resident_pages, 0);
		zcs_assert_is(zcs_test_arena_bytes(), 0);
		zcs_test_pool_done(pool);
	}
}

static void hugetlb_alone_does_not_fall_back(void **state)
{
	(void)state;
	pool = zcs_test_pool(ZCS_BACKING_HUGETLB, 0, 0);
	zcs_test_fault("fallocate", 0, 0, 0);
	folio = NULL;
	zcs_assert_is(zcs_folio_alloc(pool, 9, 0, &folio), -ENOMEM);
	assert_null(folio);
	zcs_assert_is(zcs_test_counter(pool, ZCS_COUNT_HUGETLB_FALLBACK), 0);
	zcs_test_pool_done(pool);
}

/* fallocate gave the page, but its mapping could not be made: it must not be left behind */
static void a_hugetlb_page_that_cannot_be_mapped_goes_back(void **state)
{
	(void)state;
	if (!zcs_test_backing_works(ZCS_BACKING_HUGETLB))
		zcs_test_skip_case("no hugetlb pages");
	pool = zcs_test_pool(ZCS_BACKING_HUGETLB, 0, 0);
	zcs_test_fault("madvise_populate_write", 0, 1, 0);
	folio = NULL;
	zcs_assert_is(zcs_folio_alloc(pool, 9, 0, &folio), -ENOMEM);
	zcs_assert_is(zcs_test_arena_bytes(), 0);
	zcs_assert_is(zcs_test_stats(pool).huge_bytes, 0);
	zcs_test_pool_done(pool);
}

static void small_orders_of_a_hugetlb_pool_are_small_pages(void **state)
{
	(void)state;
	for (unsigned order = 0; order < 9; order++) {
		pool = zcs_test_pool(ZCS_BACKING_HUGETLB, 0, 0);
		folio = zcs_test_folio(pool, order);
		zcs_test_fill_folio(folio, order);
		assert_true(zcs_test_folio_is(folio, order));
		expect_huge(0, 0);
		zcs_assert_is(zcs_test_arena_bytes(), (int64_t)ZCS_PAGE_SIZE << order);
		done();
	}
}

static void small_takes_no_huge_page(void **state)
{
	(void)state;
	open_with(ZCS_BACKING_SMALL);
	expect_huge(0, 0);
	zcs_assert_is(zcs_test_fault_calls("madvise_collapse"), 0);
	done();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		zcs_test(auto_takes_hugetlb_first),
		zcs_test(auto_takes_thp_when_hugetlb_has_no_page),
		zcs_test(auto_takes_thp_when_there_is_no_hugetlb_file),
		zcs_test(auto_takes_small_pages_when_nothing_is_huge),
		zcs_test(auto_takes_the_small_arena_when_the_thp_one_cannot_be_made),
		zcs_test(auto_tries_hugetlb_again_for_each_folio),
		zcs_test(everything_refused_is_enomem),
		zcs_test(hugetlb_alone_does_not_fall_back),
		zcs_test(a_hugetlb_page_that_cannot_be_mapped_goes_back),
		zcs_test(small_orders_of_a_hugetlb_pool_are_small_pages),
		zcs_test(small_takes_no_huge_page),
	};

	return zcs_test_run(tests);
}
