/* SPDX-License-Identifier: MIT */
/*
 * Several devices in one specification: the higher priority is filled first, equal ones by turns,
 * and what went to any of them comes back. One that fails is left alone; the others go on.
 */
#include <sys/stat.h>
#include <unistd.h>

#include "store_test.h"

#include "backup/backup.h"

#define BLOCKS 8u /* of 2 MiB: two devices of 8 MiB hold them */

struct setting {
	const char *path[2];
	struct zcs_pool *pool;
	struct zcs_store *store;
	struct zcs_backup *backup;
};

static void start(struct setting *s, int prio_one, int prio_two)
{
	s->path[0] = store_test_path();
	s->path[1] = store_test_path();
	s->pool = zcs_test_pool(ZCS_BACKING_SMALL, 0, 1);
	s->store = store_test_open("file:%s?size=8M&keep=1&prio=%d;file:%s?size=8M&keep=1&prio=%d",
				   s->path[0], prio_one, s->path[1], prio_two);
	s->backup = zcs_test_backup(s->store, BLOCKS * 512);
	zcs_assert_is(zcs_store_bytes_avail(s->store), 16 * ZCS_TEST_MIB);
}

static void insert(struct setting *s, uint64_t first, uint64_t blocks)
{
	for (uint64_t i = first; i < first + blocks; i++) {
		store_test_insert(s->backup, s->pool, 1, i * 512, 9, 0);
		store_test_writeback(s->backup, i * 512, i * 512 + 511);
	}
}

/* Pages that a device's file holds: those of block @block of the seed are looked for. */
static unsigned pages_of(struct setting *s, unsigned device, uint64_t block)
{
	_Alignas(8) char page[ZCS_PAGE_SIZE];
	FILE *f = fopen(s->path[device], "re");
	unsigned nr = 0;

	assert_non_null(f);
	for (unsigned slot = 0; slot < 2048; slot++) {
		zcs_assert_is(fread(page, sizeof(page), 1, f), 1);
		nr += zcs_test_page_is(page, 1, block * 512 + slot % 512);
	}
	fclose(f);
	return nr;
}

static void finish(struct setting *s)
{
	for (uint64_t i = BLOCKS; i-- > 0;)
		store_test_take(s->backup, s->pool, 1, i * 512, 9);
	store_test_backup_done(s->backup, s->pool);
	store_test_done(s->store);
	zcs_test_pool_done(s->pool);
}

static void the_higher_priority_first(void **state)
{
	(void)state;
	for (unsigned high = 0; high < 2; high++) {
		struct setting s;

		start(&s, high ? -1 : 5, high ? 0 : 4);
		insert(&s, 0, 4);
		for (uint64_t b = 0; b < 4; b++) {
			zcs_assert_is(pages_of(&s, high, b), 512);
			zcs_assert_is(pages_of(&s, !high, b), 0);
		}
		insert(&s, 4, 4);
		for (uint64_t b = 4; b < 8; b++)
			zcs_assert_is(pages_of(&s, !high, b), 512);
		zcs_assert_is(zcs_store_bytes_avail(s.store), 0);
		/* room in the better one is used again */
		store_test_take(s.backup, s.pool, 1, 512, 9);
		store_test_insert(s.backup, s.pool, 1, 512, 9, ZCS_INSERT_WRITEBACK);
		store_test_idle(s.backup);
		zcs_assert_is(pages_of(&s, high, 1), 512);
		finish(&s);
	}
}

/*
 * Its slots are as free as before, and would be the first choice for ever; the other device has
 * room.
 */
static void one_whose_file_system_is_full(void **state)
{
	struct setting s;

	(void)state;
	start(&s, 5, 4);
	store_test_insert(s.backup, s.pool, 1, 0, 9, 0);
	zcs_test_fault("write", 0, 1, ENOSPC);
	store_test_log_start();
	zcs_assert_is(zcs_backup_writeback(s.backup, 0, 511, ZCS_WB_WAIT), -ENOSPC);
	store_test_log_end();
	insert(&s, 1, 4);
	for (uint64_t b = 1; b < 5; b++)
		zcs_assert_is(pages_of(&s, 1, b), 512);
	/* the last choice, though, and the first again when it took something */
	insert(&s, 5, 1);
	zcs_assert_is(pages_of(&s, 0, 5), 512);
	store_test_take(s.backup, s.pool, 1, 4 * 512, 9);
	store_test_insert(s.backup, s.pool, 1, 4 * 512, 9, 0);
	store_test_writeback(s.backup, 4 * 512, 5 * 512 - 1);
	zcs_assert_is(pages_of(&s, 0, 4), 512);
	insert(&s, 6, 2);
	finish(&s);
}

static void equal_ones_by_turns(void **state)
{
	unsigned on[2] = { 0, 0 };
	struct setting s;

	(void)state;
	start(&s, 3, 3);
	insert(&s, 0, 4);
	for (uint64_t b = 0; b < 4; b++)
		for (unsigned d = 0; d < 2; d++)
			on[d] += pages_of(&s, d, b) == 512;
	zcs_assert_is(on[0], 2);
	zcs_assert_is(on[1], 2);
	insert(&s, 4, 4);
	zcs_assert_is(zcs_store_bytes_avail(s.store), 0);
	finish(&s);
}

static void one_that_is_gone(void **state)
{
	unsigned bad = 0, good = 0;
	struct setting s;

	(void)state;
	start(&s, 3, 3);
	insert(&s, 0, BLOCKS);
	zcs_assert_ok(truncate(s.path[1], 0));
	store_test_log_start();
	for (uint64_t i = BLOCKS; i-- > 0;) {
		struct zcs_folio *folio = NULL;
		int err = zcs_backup_take_folio(s.backup, zcs_handle_from_index(i * 512), s.pool,
						&folio);

		bad += err == -EIO;
		good += !err;
		if (folio)
			assert_true(zcs_test_is(zcs_folio_address(folio), 1, i * 512, 512));
		zcs_folio_put(folio);
	}
	store_test_log_end();
	zcs_assert_is(bad, BLOCKS / 2);
	zcs_assert_is(good, BLOCKS / 2);
	zcs_assert_ok(zcs_backup_check(s.backup));
	store_test_backup_done(s.backup, s.pool);
	store_test_done(s.store);
	zcs_test_pool_done(s.pool);
}

static void counted_as_one_store(void **state)
{
	struct setting s;
	char line[2048];

	(void)state;
	start(&s, 1, 0);
	zcs_assert_is(store_test_stats(s.store).slots, 4096);
	zcs_assert_is(store_test_stats(s.store).direct_devices +
			      store_test_stats(s.store).buffered_devices,
		      2);
	assert_true(zcs_store_dump(s.store, line, sizeof(line)) > 0);
	store_test_log_has(line, s.path[0]);
	store_test_log_has(line, s.path[1]);
	insert(&s, 0, BLOCKS);
	zcs_assert_is(store_test_stats(s.store).used_slots, 4096);
	finish(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		store_test(the_higher_priority_first), store_test(one_whose_file_system_is_full),
		store_test(equal_ones_by_turns),       store_test(one_that_is_gone),
		store_test(counted_as_one_store),
	};

	return zcs_test_run(tests);
}
