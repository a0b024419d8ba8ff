/* SPDX-License-Identifier: MIT */
/*
 * The statistics match the calls, resident == active + inserted + cached + kept, and no more than
 * struct_size is written.
 */
#include "zcs_test.h"

static void expect_sums(struct zcs_pool *pool)
{
	struct zcs_pool_stats st = zcs_test_stats(pool);
	uint64_t active = 0, inserted = 0, cached = 0;

	for (unsigned node = 0; node < ZCS_STATS_NODES; node++)
		for (unsigned order = 0; order <= ZCS_MAX_ORDER; order++) {
			active += st.active[node][order] << order;
			inserted += st.inserted[node][order] << order;
			cached += st.cached[node][order] << order;
		}
	zcs_assert_is(st.active_pages, (int64_t)active);
	zcs_assert_is(st.inserted_pages, (int64_t)inserted);
	zcs_assert_is(st.cached_pages, (int64_t)cached);
	zcs_assert_is(st.resident_pages, (int64_t)(active + inserted + cached + st.kept_pages));
	zcs_assert_is(zcs_test_arena_bytes(), (int64_t)(st.resident_pages * ZCS_PAGE_SIZE));
	zcs_test_pool_ok(pool);
}

static void case_33_sums_hold_through_a_folios_life(void **state)
{
	(void)state;
	zcs_test_for_each_backing(b)
	{
		struct zcs_pool *pool = zcs_test_pool(b, 0, 0);
		struct zcs_store *store = zcs_test_store();
		struct zcs_backup *backup = zcs_test_backup(store, 1024);
		struct zcs_folio *folio[10];

		for (unsigned order = 0; order <= ZCS_MAX_ORDER; order++) {
			folio[order] = zcs_test_folio(pool, order);
			expect_sums(pool);
		}
		for (unsigned order = 0; order <= ZCS_MAX_ORDER; order++) {
			zcs_assert_is(zcs_backup_insert_folio(backup, folio[order], order, 0,
							      1u << order),
				      (1 << order) + 1);
			expect_sums(pool);
		}
		zcs_assert_is(zcs_test_stats(pool).active_pages, 0);
		zcs_assert_is(zcs_test_stats(pool).inserted_pages, 1023);
		for (unsigned order = 0; order <= ZCS_MAX_ORDER; order++) {
			zcs_assert_ok(zcs_backup_take_folio(backup, (1 << order) + 1, pool,
							    &folio[order]));
			expect_sums(pool);
			zcs_folio_put(folio[order]);
			expect_sums(pool);
		}
		zcs_test_backup_done(backup);
		zcs_test_store_done(store);
		zcs_test_pool_done(pool);
	}
}

static void case_33_sums_hold_through_a_homes_life(void **state)
{
	(void)state;
	zcs_test_for_each_backing(b)
	{
		struct zcs_pool *pool = zcs_test_pool(b, 0, 0);
		struct zcs_store *store = zcs_test_store();
		struct zcs_tt *tt = NULL;

		for (unsigned round = 0; round < 2; round++) {
			zcs_assert_ok(zcs_tt_create(pool, 1024, ZCS_TT_CONTIGUOUS, &tt));
			zcs_assert_ok(zcs_tt_setup_backup(tt, store));
			zcs_assert_is(zcs_test_stats(pool).home_pages, 1024);
			expect_sums(pool);
			zcs_assert_ok(zcs_tt_populate(tt, NULL));
			zcs_assert_is(zcs_test_stats(pool).active_pages, 1024);
			expect_sums(pool);
			zcs_assert_is(zcs_tt_backup(tt, 0), 1024);
			zcs_assert_is(zcs_test_stats(pool).inserted_pages, 1024);
			expect_sums(pool);
			zcs_assert_ok(zcs_tt_restore(tt, NULL));
			expect_sums(pool);
			zcs_test_tt_done(tt);
			zcs_assert_is(zcs_test_stats(pool).cached_pages, 1024);
			expect_sums(pool);
		}
		zcs_test_store_done(store);
		zcs_test_pool_done(pool);
	}
}

static void no_more_than_struct_size_is_written(void **state)
{
	struct zcs_pool *pool = zcs_test_pool(ZCS_BACKING_SMALL, 0, 0);
	struct zcs_folio *folio = zcs_test_folio(pool, 1);
	struct {
		struct zcs_pool_stats st;
		unsigned char beyond[64];
	} s;
	const unsigned char *bytes = (const unsigned char *)&s;

	(void)state;
	for (size_t size = sizeof(size_t); size <= sizeof(s.st); size += 8) {
		memset(&s, 0xa5, sizeof(s));
		s.st.struct_size = size;
		zcs_assert_ok(zcs_pool_stats(pool, &s.st));
		zcs_assert_is(s.st.struct_size, (int64_t)size);
		for (size_t i = size; i < sizeof(s); i++)
			zcs_assert_is(bytes[i], 0xa5);
		if (size >= offsetof(struct zcs_pool_stats, resident_pages) + 8)
			zcs_assert_is(s.st.resident_pages, 2);
	}
	zcs_folio_put(folio);
	zcs_test_pool_done(pool);
}

static void a_larger_struct_is_filled_as_far_as_it_is_known(void **state)
{
	struct zcs_pool *pool = zcs_test_pool(ZCS_BACKING_SMALL, 0, 0);
	struct {
		struct zcs_pool_stats st;
		unsigned char beyond[64];
	} s;

	(void)state;
	memset(&s, 0xa5, sizeof(s));
	s.st.struct_size = sizeof(s);
	zcs_assert_ok(zcs_pool_stats(pool, &s.st));
	zcs_assert_is(s.st.struct_size, sizeof(s));
	zcs_assert_is(s.st.counters[ZCS_COUNT_NR - 1], 0);
	for (size_t i = 0; i < sizeof(s.beyond); i++)
		zcs_assert_is(s.beyond[i], 0xa5);
	zcs_test_pool_done(pool);
}

static void a_struct_without_its_size_is_refused(void **state)
{
	struct zcs_pool *pool = zcs_test_pool(ZCS_BACKING_SMALL, 0, 0);
	struct zcs_pool_stats st = { .struct_size = 0, .resident_pages = 77 };

	(void)state;
	for (; st.struct_size < sizeof(size_t); st.struct_size++)
		zcs_assert_is(zcs_pool_stats(pool, &st), -EINVAL);
	zcs_assert_is(st.resident_pages, 77);
	zcs_assert_is(zcs_pool_stats(pool, NULL), -EINVAL);
	zcs_test_pool_done(pool);
}

static void metadata_grows_with_what_is_used(void **state)
{
	struct zcs_pool *pool = zcs_test_pool(ZCS_BACKING_SMALL, 0, 0);
	uint64_t before = zcs_test_stats(pool).metadata_bytes, after;
	struct zcs_folio *folio[16];

	(void)state;
	for (unsigned i = 0; i < 16; i++)
		folio[i] = zcs_test_folio(pool, 9);
	after = zcs_test_stats(pool).metadata_bytes;
	assert_true(before > 0 && after > before);
	for (unsigned i = 0; i < 16; i++)
		zcs_folio_put(folio[i]);
	zcs_test_pool_done(pool);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		zcs_test(case_33_sums_hold_through_a_folios_life),
		zcs_test(case_33_sums_hold_through_a_homes_life),
		zcs_test(no_more_than_struct_size_is_written),
		zcs_test(a_larger_struct_is_filled_as_far_as_it_is_known),
		zcs_test(a_struct_without_its_size_is_refused),
		zcs_test(metadata_grows_with_what_is_used),
	};

	return zcs_test_run(tests);
}
