/* SPDX-License-Identifier: MIT */
/*
 * The checks of a backup before any change. The caller must know the folio: the kernel looks for a
 * private field that was not cleared, and here the order is passed as a check. The index must be
 * aligned. The range must be free, unless replacing was asked for, which is counted.
 */
#include "zcs_test.h"

struct insert_case {
	struct zcs_pool *pool;
	struct zcs_store *store;
	struct zcs_backup *backup;
	struct zcs_folio *folio;
};

static void insert_case_init(struct insert_case *c, unsigned order)
{
	c->pool = zcs_test_pool(ZCS_BACKING_SMALL, 0, 0);
	c->store = zcs_test_store();
	c->backup = zcs_test_backup(c->store, 64);
	c->folio = zcs_test_folio(c->pool, order);
	zcs_test_fill_folio(c->folio, 1);
}

static void insert_case_fini(struct insert_case *c)
{
	zcs_folio_put(c->folio);
	zcs_test_backup_done(c->backup);
	zcs_test_store_done(c->store);
	zcs_test_pool_done(c->pool);
}

/* The folio is still the caller's, with its content, and the backup holds @held pages. */
static void assert_refused(struct insert_case *c, unsigned order, uint64_t index, int err,
			   uint64_t held)
{
	struct zcs_backup_stats st = { .struct_size = sizeof(st) };

	zcs_assert_is(zcs_backup_insert_folio(c->backup, c->folio, order, 0, index), err);
	assert_true(zcs_test_folio_is(c->folio, 1));
	zcs_assert_ok(zcs_backup_stats(c->backup, &st));
	zcs_assert_is(st.resident_pages, (int64_t)held);
	zcs_assert_ok(zcs_backup_check(c->backup));
	zcs_test_pool_ok(c->pool);
}

static void case_62_an_order_that_is_not_the_folios_is_refused(void **state)
{
	struct insert_case c;

	(void)state;
	insert_case_init(&c, 3);
	for (unsigned order = 0; order <= ZCS_MAX_ORDER + 1; order++)
		if (order != 3)
			assert_refused(&c, order, 0, -EINVAL, 0);
	insert_case_fini(&c);
}

static void case_63_an_unaligned_index_is_refused(void **state)
{
	struct insert_case c;

	(void)state;
	insert_case_init(&c, 3);
	for (uint64_t index = 1; index < 16; index++)
		if (index % 8)
			assert_refused(&c, 3, index, -EINVAL, 0);
	assert_refused(&c, 3, 64, -EINVAL, 0);
	assert_refused(&c, 3, UINT64_MAX - 7, -EINVAL, 0);
	insert_case_fini(&c);
}

static void case_64_an_occupied_range_is_refused_or_replaced_and_counted(void **state)
{
	unsigned char page[ZCS_PAGE_SIZE] __attribute__((aligned(8)));
	struct insert_case c;
	struct zcs_folio *old;

	(void)state;
	insert_case_init(&c, 3);
	old = zcs_test_folio(c.pool, 0);
	zcs_test_fill_folio(old, 2);
	zcs_assert_is(zcs_backup_insert_folio(c.backup, old, 0, 0, 12), 13);
	assert_refused(&c, 3, 8, -EEXIST, 1);
	zcs_assert_is(zcs_test_counter(c.pool, ZCS_COUNT_INSERT_REPLACED), 0);
	zcs_assert_is(zcs_backup_insert_folio(c.backup, c.folio, 3, ZCS_INSERT_REPLACE, 8), 9);
	zcs_assert_is(zcs_test_counter(c.pool, ZCS_COUNT_INSERT_REPLACED), 1);
	zcs_assert_is(zcs_test_stats(c.pool).inserted_pages, 8);
	zcs_assert_ok(zcs_backup_copy_page(c.backup, page, 13, false));
	assert_true(zcs_test_page_is(page, 1, 4));
	zcs_assert_ok(zcs_backup_take_folio(c.backup, 9, c.pool, &c.folio));
	insert_case_fini(&c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		zcs_test(case_62_an_order_that_is_not_the_folios_is_refused),
		zcs_test(case_63_an_unaligned_index_is_refused),
		zcs_test(case_64_an_occupied_range_is_refused_or_replaced_and_counted),
	};

	return zcs_test_run(tests);
}
