/* SPDX-License-Identifier: MIT */
/*
 * One thread writes a backup back, others take its blocks, change them and insert them again: every
 * block is, at any time, where its owner last put it, with the bytes that were put last.
 */
#include <stdatomic.h>
#include <unistd.h>

#include "store_test.h"

#define BLOCKS	   24u
#define MAX_ORDER  4u
#define TAKERS	   2u
#define BLOCK_STEP (1u << MAX_ORDER)

struct shared {
	struct zcs_pool *pool;
	struct zcs_store *store;
	struct zcs_backup *backup;
	unsigned rounds;
	atomic_uint running;
	_Atomic uint64_t wrong;
};

static unsigned order_of(unsigned block)
{
	return block % (MAX_ORDER + 1);
}

static uint64_t seed_of(unsigned block, unsigned version)
{
	return (uint64_t)block * 4096 + version + 1;
}

static bool put_version(struct shared *s, unsigned block, unsigned version, struct zcs_folio *folio)
{
	unsigned flags = version % 3 ? 0 : ZCS_INSERT_WRITEBACK;

	zcs_test_fill_folio(folio, seed_of(block, version));
	return zcs_backup_insert_folio(s->backup, folio, order_of(block), flags,
				       (uint64_t)block * BLOCK_STEP) > 0;
}

static bool take_version(struct shared *s, unsigned block, unsigned version,
			 struct zcs_folio **folio)
{
	int64_t handle = zcs_handle_from_index((uint64_t)block * BLOCK_STEP);

	if (zcs_backup_take_folio(s->backup, handle, s->pool, folio))
		return false;
	return zcs_folio_order(*folio) == order_of(block) &&
	       zcs_test_folio_is(*folio, seed_of(block, version));
}

static bool copy_version(struct shared *s, unsigned block, unsigned version)
{
	uint64_t page = version % (1u << order_of(block));
	_Alignas(8) char bytes[ZCS_PAGE_SIZE];

	if (zcs_backup_copy_page(s->backup, bytes,
				 zcs_handle_from_index((uint64_t)block * BLOCK_STEP + page), false))
		return false;
	return zcs_test_page_is(bytes, seed_of(block, version), page);
}

/* The blocks of taker @id are every TAKERS-th. */
static uint64_t taker(struct shared *s, unsigned id)
{
	uint64_t wrong = 0;

	for (unsigned version = 0; version < s->rounds && !wrong; version++) {
		for (unsigned block = id; block < BLOCKS; block += TAKERS) {
			struct zcs_folio *folio = NULL;

			wrong += !copy_version(s, block, version);
			wrong += !take_version(s, block, version, &folio);
			if (folio)
				wrong += !put_version(s, block, version + 1, folio);
		}
	}
	s->running--;
	return wrong;
}

static uint64_t thread(unsigned id, void *arg)
{
	struct shared *s = arg;
	uint64_t wrong = 0;

	if (id < TAKERS)
		return taker(s, id);
	while (s->running)
		if (zcs_backup_writeback(s->backup, 0, UINT64_MAX, ZCS_WB_WAIT) < 0)
			wrong++;
	return wrong;
}

static void every_version_is_the_last_one_put(void **state)
{
	struct shared s = {
		.pool = zcs_test_pool(ZCS_BACKING_SMALL, 0, 1),
		.store = store_test_file(8),
		.rounds = zcs_test_scale(600),
		.running = TAKERS,
	};

	(void)state;
	s.backup = zcs_test_backup(s.store, BLOCKS * BLOCK_STEP);
	for (unsigned b = 0; b < BLOCKS; b++)
		assert_true(put_version(&s, b, 0, zcs_test_folio(s.pool, order_of(b))));
	zcs_assert_is(zcs_test_threads(TAKERS + 1, thread, &s), 0);
	store_test_idle(s.backup);
	zcs_assert_ok(zcs_backup_check(s.backup));
	for (unsigned b = 0; b < BLOCKS; b++)
		assert_true(copy_version(&s, b, s.rounds));
	zcs_assert_is(store_test_stats(s.store).bad_checksums, 0);
	assert_true(store_test_stats(s.store).written_blocks > 0);
	store_test_backup_done(s.backup, s.pool);
	store_test_done(s.store);
	zcs_test_pool_done(s.pool);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		store_test_both(every_version_is_the_last_one_put),
	};

	return zcs_test_run(tests);
}
