/* SPDX-License-Identifier: MIT */
/*
 * A split folio becomes 2^order folios of one page, in place, with its content; pieces that came
 * back one by one are one run again when they have gone to the system.
 */
#include <sys/mman.h>
#include <unistd.h>

#include "zcs_test.h"

static struct zcs_folio *piece[512];

/* Splits a folio of 2^order filled pages and looks at the pieces, which are the caller's then. */
static void split_and_look(struct zcs_pool *pool, unsigned order)
{
	struct zcs_folio *folio = zcs_test_folio(pool, order);
	uint64_t pfn = zcs_folio_pfn(folio);
	char *at = zcs_folio_address(folio);

	zcs_test_fill_folio(folio, 9);
	zcs_assert_ok(zcs_folio_split(folio, piece));
	assert_ptr_equal(piece[0], folio);
	for (uint64_t i = 0; i < UINT64_C(1) << order; i++) {
		zcs_assert_is(zcs_folio_order(piece[i]), 0);
		zcs_assert_is(zcs_folio_pfn(piece[i]), (int64_t)(pfn + i));
		assert_ptr_equal(zcs_folio_address(piece[i]), at + i * ZCS_PAGE_SIZE);
		assert_true(zcs_test_page_is(zcs_folio_address(piece[i]), 9, i));
	}
	zcs_test_pool_ok(pool);
}

static void put_pieces(unsigned order, bool backwards)
{
	unsigned nr = 1u << order;

	for (unsigned i = 0; i < nr; i++)
		zcs_folio_put(piece[backwards ? nr - 1 - i : i]);
}

static void pieces_are_pages_in_address_order(void **state)
{
	(void)state;
	for (enum zcs_backing b = ZCS_BACKING_THP; b <= ZCS_BACKING_SMALL; b++)
		for (unsigned order = 1; order <= ZCS_MAX_ORDER; order++) {
			struct zcs_pool *pool = zcs_test_pool(b, 0, 0);

			split_and_look(pool, order);
			zcs_assert_is(zcs_test_active(pool, order), 0);
			zcs_assert_is(zcs_test_active(pool, 0), 1 << order);
			zcs_assert_is(zcs_test_stats(pool).active_pages, 1 << order);
			zcs_assert_is(zcs_test_stats(pool).resident_pages, 1 << order);
			zcs_assert_is(zcs_test_counter(pool, ZCS_COUNT_SPLIT), 1);
			put_pieces(order, order % 2);
			zcs_assert_is(zcs_test_cached(pool, 0), 1 << order);
			zcs_test_pool_done(pool);
		}
}

static void a_single_page_is_its_only_piece(void **state)
{
	struct zcs_pool *pool = zcs_test_pool(ZCS_BACKING_SMALL, 0, 0);
	struct zcs_folio *folio = zcs_test_folio(pool, 0);

	(void)state;
	piece[0] = NULL;
	zcs_assert_ok(zcs_folio_split(folio, piece));
	assert_ptr_equal(piece[0], folio);
	zcs_assert_is(zcs_test_counter(pool, ZCS_COUNT_SPLIT), 0);
	zcs_folio_put(folio);
	zcs_test_pool_done(pool);
}

static void hugetlb_cannot_be_split(void **state)
{
	struct zcs_folio *folio;
	struct zcs_pool *pool;

	(void)state;
	if (!zcs_test_backing_works(ZCS_BACKING_HUGETLB))
		zcs_test_skip_case("no hugetlb pages");
	pool = zcs_test_pool(ZCS_BACKING_HUGETLB, 0, 0);
	folio = zcs_test_folio(pool, 9);
	zcs_test_fill_folio(folio, 1);
	piece[0] = NULL;
	zcs_assert_is(zcs_folio_split(folio, piece), -EOPNOTSUPP);
	assert_null(piece[0]);
	zcs_assert_is(zcs_folio_order(folio), 9);
	assert_true(zcs_test_folio_is(folio, 1));
	zcs_assert_is(zcs_test_counter(pool, ZCS_COUNT_SPLIT), 0);
	zcs_folio_put(folio);
	/* a smaller folio of the same pool is of small pages, and can be */
	split_and_look(pool, 4);
	put_pieces(4, false);
	zcs_test_pool_done(pool);
}

static void a_refused_split_changes_nothing(void **state)
{
	struct zcs_pool *pool = zcs_test_pool(ZCS_BACKING_THP, 0, 0);
	struct zcs_folio *folio = zcs_test_folio(pool, 9);
	uint64_t huge = zcs_test_stats(pool).huge_bytes;

	(void)state;
	zcs_test_fill_folio(folio, 1);
	piece[0] = NULL;
	zcs_test_fault("split", 0, 0, 0);
	zcs_assert_is(zcs_folio_split(folio, piece), -ENOMEM);
	assert_null(piece[0]);
	zcs_assert_is(zcs_folio_order(folio), 9);
	assert_true(zcs_test_folio_is(folio, 1));
	zcs_assert_is(zcs_test_stats(pool).huge_bytes, (int64_t)huge);
	zcs_test_pool_ok(pool);
	zcs_folio_put(folio);
	zcs_test_pool_done(pool);
}

static void splitting_allocates_nothing(void **state)
{
	struct zcs_pool *pool = zcs_test_pool(ZCS_BACKING_SMALL, 0, 0);
	struct zcs_folio *folio = zcs_test_folio(pool, 9);

	(void)state;
	for (unsigned i = 0; zcs_fault_name(i); i++)
		if (!strncmp(zcs_fault_name(i), "alloc_", 6))
			zcs_test_fault(zcs_fault_name(i), 0, 0, 0);
	zcs_test_fault("mmap", 0, 0, 0);
	zcs_test_fault("madvise_populate_write", 0, 0, 0);
	zcs_assert_ok(zcs_folio_split(folio, piece));
	put_pieces(9, false);
	zcs_test_pool_done(pool);
}

/* The pool has room for one folio of 2 MiB only: it must be whole again. */
static void pieces_that_went_to_the_system_merge(void **state)
{
	int fd = memfd_create("outside", MFD_CLOEXEC);
	struct zcs_folio *folio = NULL;
	struct zcs_pool *pool;

	(void)state;
	zcs_assert_ok(ftruncate(fd, (off_t)ZCS_TEST_HUGE_BYTES));
	pool = zcs_test_pool_from_fd(NULL, fd, 0, ZCS_TEST_HUGE_BYTES);
	split_and_look(pool, 9);
	put_pieces(9, true);
	/* in the lists they are pages still */
	zcs_assert_is(zcs_folio_alloc(pool, 9, ZCS_ALLOC_NOWAIT, &folio), -ENOMEM);
	zcs_assert_is(zcs_pool_shrink(pool, -1, UINT64_MAX), 512);
	folio = zcs_test_folio(pool, 9);
	zcs_assert_is(zcs_folio_order(folio), 9);
	assert_true(zcs_test_folio_is_zero(folio));
	zcs_folio_put(folio);
	zcs_test_pool_done(pool);
	close(fd);
}

static void a_piece_in_use_keeps_its_page_only(void **state)
{
	int fd = memfd_create("outside", MFD_CLOEXEC);
	struct zcs_folio *folio = NULL;
	struct zcs_pool *pool;

	(void)state;
	zcs_assert_ok(ftruncate(fd, (off_t)ZCS_TEST_HUGE_BYTES));
	pool = zcs_test_pool_from_fd(NULL, fd, 0, ZCS_TEST_HUGE_BYTES);
	split_and_look(pool, 9);
	for (unsigned i = 0; i < 512; i++)
		if (i != 300)
			zcs_folio_put(piece[i]);
	zcs_assert_is(zcs_pool_shrink(pool, -1, UINT64_MAX), 511);
	zcs_assert_is(zcs_test_fd_bytes(fd), ZCS_PAGE_SIZE);
	assert_true(zcs_test_page_is(zcs_folio_address(piece[300]), 9, 300));
	zcs_assert_is(zcs_folio_alloc(pool, 9, 0, &folio), -ENOMEM);
	/* the half without it is free */
	folio = zcs_test_folio(pool, 8);
	zcs_assert_is(zcs_folio_pfn(folio), 0);
	zcs_folio_put(folio);
	zcs_folio_put(piece[300]);
	zcs_test_pool_done(pool);
	close(fd);
}

static void a_folio_that_is_not_the_callers_is_not_split(void **state)
{
	struct zcs_pool *pool = zcs_test_pool(ZCS_BACKING_SMALL, 0, 0);
	struct zcs_store *store = zcs_test_store();
	struct zcs_backup *backup = zcs_test_backup(store, 8);
	struct zcs_folio *folio = zcs_test_folio(pool, 3);

	(void)state;
	zcs_assert_is(zcs_folio_split(NULL, piece), -EINVAL);
	zcs_assert_is(zcs_folio_split(folio, NULL), -EINVAL);
	zcs_assert_is(zcs_backup_insert_folio(backup, folio, 3, 0, 0), 1);
	zcs_assert_is(zcs_folio_split(folio, piece), -EINVAL);
	zcs_assert_ok(zcs_backup_take_folio(backup, 1, pool, &folio));
	zcs_folio_put(folio);
	zcs_assert_is(zcs_folio_split(folio, piece), -EINVAL);
	zcs_assert_is(zcs_test_counter(pool, ZCS_COUNT_SPLIT), 0);
	zcs_test_backup_done(backup);
	zcs_test_store_done(store);
	zcs_test_pool_done(pool);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		zcs_test(pieces_are_pages_in_address_order),
		zcs_test(a_single_page_is_its_only_piece),
		zcs_test(hugetlb_cannot_be_split),
		zcs_test(a_refused_split_changes_nothing),
		zcs_test(splitting_allocates_nothing),
		zcs_test(pieces_that_went_to_the_system_merge),
		zcs_test(a_piece_in_use_keeps_its_page_only),
		zcs_test(a_folio_that_is_not_the_callers_is_not_split),
	};

	return zcs_test_run(tests);
}
