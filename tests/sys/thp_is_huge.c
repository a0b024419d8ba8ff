/* SPDX-License-Identifier: MIT */
/*
 * A folio of 2 MiB of a THP pool is one huge page, as the kernel sees it, with the system's
 * shmem_enabled as it is; and where the kernel refuses it is small pages, counted, and works the
 * same.
 */
#include <sys/mman.h>
#include <unistd.h>

#include "zcs_test.h"

#define NR 4u

#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE 25
#endif

/* Whether this kernel collapses a shmem page of 2 MiB at all, asked without the library. */
static bool collapses(void)
{
	int fd = memfd_create("probe", MFD_CLOEXEC);
	char *p =
		mmap(NULL, 2 * ZCS_TEST_HUGE_BYTES, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	uintptr_t at = ((uintptr_t)p + ZCS_TEST_HUGE_BYTES - 1) & ~(ZCS_TEST_HUGE_BYTES - 1);
	bool ok;

	assert_true(fd >= 0 && p != MAP_FAILED);
	zcs_assert_ok(ftruncate(fd, ZCS_TEST_HUGE_BYTES));
	assert_true(mmap((void *)at, ZCS_TEST_HUGE_BYTES, PROT_READ | PROT_WRITE,
			 MAP_SHARED | MAP_FIXED, fd, 0) != MAP_FAILED);
	*(volatile char *)at = 1;
	ok = !madvise((void *)at, ZCS_TEST_HUGE_BYTES, MADV_COLLAPSE);
	munmap(p, 2 * ZCS_TEST_HUGE_BYTES);
	close(fd);
	return ok;
}

static void folios_are_pmd_mapped(void **state)
{
	struct zcs_pool *pool = zcs_test_pool(ZCS_BACKING_THP, 0, 0);
	struct zcs_folio *folio[NR];

	(void)state;
	for (unsigned i = 0; i < NR; i++) {
		folio[i] = zcs_test_folio(pool, 9);
		zcs_test_fill_folio(folio[i], i);
	}
	zcs_assert_is(zcs_test_smaps(zcs_folio_address(folio[0]), 1, "ShmemPmdMapped"),
		      (int64_t)(NR * ZCS_TEST_HUGE_BYTES));
	zcs_assert_is(zcs_test_stats(pool).huge_bytes, (int64_t)(NR * ZCS_TEST_HUGE_BYTES));
	zcs_assert_is(zcs_test_stats(pool).hugetlb_bytes, 0);
	zcs_assert_is(zcs_test_counter(pool, ZCS_COUNT_THP_FALLBACK), 0);
	for (unsigned i = 0; i < NR; i++) {
		assert_true(zcs_test_folio_is(folio[i], i));
		zcs_folio_put(folio[i]);
	}
	zcs_test_pool_done(pool);
}

static void a_folio_from_the_list_is_still_huge(void **state)
{
	struct zcs_pool *pool = zcs_test_pool(ZCS_BACKING_THP, 0, 0);
	struct zcs_folio *folio = zcs_test_folio(pool, 9);

	(void)state;
	zcs_folio_put(folio);
	zcs_assert_is(zcs_test_stats(pool).huge_bytes, (int64_t)ZCS_TEST_HUGE_BYTES);
	folio = zcs_test_folio(pool, 9);
	zcs_assert_is(zcs_test_smaps(zcs_folio_address(folio), 1, "ShmemPmdMapped"),
		      (int64_t)ZCS_TEST_HUGE_BYTES);
	zcs_folio_put(folio);
	zcs_test_pool_done(pool);
}

static void memory_given_back_is_not_huge_any_more(void **state)
{
	struct zcs_pool *pool = zcs_test_pool(ZCS_BACKING_THP, 0, 0);

	(void)state;
	zcs_folio_put(zcs_test_folio(pool, 9));
	zcs_assert_is(zcs_pool_shrink(pool, -1, 1), 512);
	zcs_assert_is(zcs_test_stats(pool).huge_bytes, 0);
	zcs_assert_is(zcs_test_arena_bytes(), 0);
	zcs_test_pool_done(pool);
}

static void a_split_folio_does_not_count_as_huge(void **state)
{
	struct zcs_pool *pool = zcs_test_pool(ZCS_BACKING_THP, 0, 0);
	struct zcs_folio *pieces[ZCS_TEST_HUGE_PAGES], *folio = zcs_test_folio(pool, 9);

	(void)state;
	zcs_assert_ok(zcs_folio_split(folio, pieces));
	zcs_assert_is(zcs_test_stats(pool).huge_bytes, 0);
	for (unsigned i = 0; i < ZCS_TEST_HUGE_PAGES; i++)
		zcs_folio_put(pieces[i]);
	zcs_test_pool_done(pool);
}

static void a_home_is_pmd_mapped_in_the_user_map(void **state)
{
	struct zcs_pool *pool = zcs_test_pool(ZCS_BACKING_THP, 0, 0);
	struct zcs_tt *tt = NULL;
	char *at;

	(void)state;
	zcs_assert_ok(zcs_tt_create(pool, NR * ZCS_TEST_HUGE_PAGES, ZCS_TT_CONTIGUOUS, &tt));
	zcs_assert_ok(zcs_tt_populate(tt, NULL));
	at = zcs_tt_address(tt);
	for (unsigned i = 0; i < NR; i++)
		*(volatile char *)(at + i * ZCS_TEST_HUGE_BYTES) = 1;
	zcs_assert_is(zcs_test_smaps(at, NR * ZCS_TEST_HUGE_BYTES, "ShmemPmdMapped"),
		      (int64_t)(NR * ZCS_TEST_HUGE_BYTES));
	zcs_test_tt_done(tt);
	zcs_test_pool_done(pool);
}

static void a_refused_collapse_leaves_small_pages(void **state)
{
	struct zcs_pool *pool = zcs_test_pool(ZCS_BACKING_THP, 0, 0);
	struct zcs_folio *folio;

	(void)state;
	zcs_test_fault("huge_file", 0, 0, 0);
	zcs_test_fault("madvise_collapse", 0, 0, 0);
	folio = zcs_test_folio(pool, 9);
	assert_true(zcs_test_folio_is_zero(folio));
	zcs_test_fill_folio(folio, 3);
	assert_true(zcs_test_folio_is(folio, 3));
	zcs_assert_is(zcs_test_stats(pool).huge_bytes, 0);
	zcs_assert_is(zcs_test_counter(pool, ZCS_COUNT_THP_FALLBACK), 1);
	zcs_assert_is(zcs_test_arena_bytes(), (int64_t)ZCS_TEST_HUGE_BYTES);
	zcs_folio_put(folio);
	zcs_test_pool_done(pool);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		zcs_test(folios_are_pmd_mapped),
		zcs_test(a_folio_from_the_list_is_still_huge),
		zcs_test(memory_given_back_is_not_huge_any_more),
		zcs_test(a_split_folio_does_not_count_as_huge),
		zcs_test(a_home_is_pmd_mapped_in_the_user_map),
		zcs_test(a_refused_collapse_leaves_small_pages),
	};

	if (!collapses())
		zcs_test_skip("this kernel does not collapse shmem (MADV_COLLAPSE)");
	return zcs_test_run(tests);
}
