/* SPDX-License-Identifier: MIT */
/* Threads on one backup and on one folio: each folio has one owner at a time, whoever else tries.
 */
#include <stdatomic.h>

#include "zcs_test.h"

#define PAGES 512u

struct shared {
	struct zcs_pool *pool;
	struct zcs_backup *backup[2];
	struct zcs_folio *folio;
};

static struct zcs_store *store;

static void open_all(struct shared *s)
{
	s->pool = zcs_test_pool(ZCS_BACKING_SMALL, 0, 0);
	store = zcs_test_store();
	s->backup[0] = zcs_test_backup(store, PAGES);
	s->backup[1] = zcs_test_backup(store, PAGES);
}

static void close_all(struct shared *s)
{
	zcs_test_backup_done(s->backup[0]);
	zcs_test_backup_done(s->backup[1]);
	zcs_test_store_done(store);
	zcs_test_pool_done(s->pool);
}

/* 1 for a success, 1000 for a refusal as it should be, anything else is wrong. */
static uint64_t insert_shared(unsigned id, void *arg)
{
	struct shared *s = arg;
	int64_t handle = zcs_backup_insert_folio(s->backup[id], s->folio, 2, 0, 4 * id);

	return handle == 4 * (int64_t)id + 1 ? 1 : handle == -EINVAL ? 1000 : 1000000;
}

static void of_two_insertions_of_a_folio_one_wins(void **state)
{
	unsigned rounds = zcs_test_scale(2000);
	struct shared s;

	(void)state;
	open_all(&s);
	for (unsigned i = 0; i < rounds; i++) {
		s.folio = zcs_test_folio(s.pool, 2);
		zcs_assert_is(zcs_test_threads(2, insert_shared, &s), 1001);
		zcs_assert_is(zcs_test_inserted(s.pool, 2), 1);
		zcs_backup_drop(s.backup[0], 1, 2);
		zcs_backup_drop(s.backup[1], 5, 2);
	}
	close_all(&s);
}

static uint64_t insert_at_one_index(unsigned id, void *arg)
{
	struct shared *s = arg;
	struct zcs_folio *folio = NULL;
	int64_t handle;

	(void)id;
	if (zcs_folio_alloc(s->pool, 0, 0, &folio))
		return 1000000;
	handle = zcs_backup_insert_folio(s->backup[0], folio, 0, 0, 7);
	if (handle < 0)
		zcs_folio_put(folio);
	return handle == 8 ? 1 : handle == -EEXIST ? 1000 : 1000000;
}

static void of_two_insertions_at_an_index_one_wins(void **state)
{
	unsigned rounds = zcs_test_scale(2000);
	struct shared s;

	(void)state;
	open_all(&s);
	for (unsigned i = 0; i < rounds; i++) {
		zcs_assert_is(zcs_test_threads(2, insert_at_one_index, &s), 1001);
		zcs_backup_drop(s.backup[0], 8, 0);
	}
	close_all(&s);
}

static uint64_t take_shared(unsigned id, void *arg)
{
	struct shared *s = arg;
	struct zcs_folio *folio = NULL;
	int err = zcs_backup_take_folio(s->backup[0], 1, s->pool, &folio);

	(void)id;
	if (!err)
		zcs_folio_put(folio);
	return !err ? 1 : err == -ENOENT ? 1000 : 1000000;
}

static void of_two_takes_of_a_block_one_wins(void **state)
{
	unsigned rounds = zcs_test_scale(2000);
	struct shared s;

	(void)state;
	open_all(&s);
	for (unsigned i = 0; i < rounds; i++) {
		zcs_assert_is(zcs_backup_insert_folio(s.backup[0], zcs_test_folio(s.pool, 3), 3, 0,
						      0),
			      1);
		zcs_assert_is(zcs_test_threads(2, take_shared, &s), 1001);
	}
	close_all(&s);
}

static uint64_t insert_or_put(unsigned id, void *arg)
{
	struct shared *s = arg;
	int64_t handle;

	if (id) {
		zcs_folio_put(s->folio);
		return 0;
	}
	handle = zcs_backup_insert_folio(s->backup[0], s->folio, 1, 0, 0);
	return handle == 1 || handle == -EINVAL ? 0 : 1;
}

static void an_insertion_and_a_put_exclude_each_other(void **state)
{
	unsigned rounds = zcs_test_scale(2000);
	struct shared s;

	(void)state;
	open_all(&s);
	for (unsigned i = 0; i < rounds; i++) {
		s.folio = zcs_test_folio(s.pool, 1);
		zcs_assert_is(zcs_test_threads(2, insert_or_put, &s), 0);
		zcs_assert_is(zcs_test_inserted(s.pool, 1) + zcs_test_cached(s.pool, 1), 1);
		zcs_backup_drop(s.backup[0], 1, 1);
	}
	close_all(&s);
}

/* Each thread has every second run of 8 pages, and inserts, reads, takes and drops there. */
static uint64_t work(unsigned id, void *arg)
{
	struct shared *s = arg;
	uint64_t wrong = 0, x = 88172645463325252u + id;
	char page[ZCS_PAGE_SIZE];

	for (unsigned i = 0; i < zcs_test_scale(20000); i++) {
		uint64_t index = (2 * (i % (PAGES / 16)) + id) * 8;
		int64_t handle = zcs_handle_from_index(index);
		struct zcs_folio *folio = NULL;

		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		if (zcs_folio_alloc(s->pool, 3, 0, &folio))
			return wrong + 1;
		zcs_test_fill_page(zcs_folio_address(folio), id + 1, i);
		wrong += zcs_backup_insert_folio(s->backup[0], folio, 3, 0, index) != handle;
		wrong += zcs_backup_copy_page(s->backup[0], page, handle, false) != 0;
		wrong += !zcs_test_page_is(page, id + 1, i);
		if (x % 3 == 0) {
			zcs_backup_drop(s->backup[0], handle + 2, 1);
			zcs_backup_drop(s->backup[0], handle, 3);
			continue;
		}
		wrong += zcs_backup_take_folio(s->backup[0], handle, s->pool, &folio) != 0;
		wrong += !zcs_test_page_is(zcs_folio_address(folio), id + 1, i);
		zcs_folio_put(folio);
	}
	return wrong;
}

static void two_threads_share_a_backup(void **state)
{
	struct shared s;

	(void)state;
	open_all(&s);
	zcs_assert_is(zcs_test_threads(2, work, &s), 0);
	zcs_assert_is(zcs_test_stats(s.pool).inserted_pages, 0);
	close_all(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		zcs_test(of_two_insertions_of_a_folio_one_wins),
		zcs_test(of_two_insertions_at_an_index_one_wins),
		zcs_test(of_two_takes_of_a_block_one_wins),
		zcs_test(an_insertion_and_a_put_exclude_each_other),
		zcs_test(two_threads_share_a_backup),
	};

	setenv("ZCSWAP_LOG", "off", 1);
	return zcs_test_run(tests);
}
