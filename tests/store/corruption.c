/* SPDX-License-Identifier: MIT */
/*
 * Bytes of the swap file that are really changed: -EIO, and a message that names the store, the
 * slot and the index; no wrong byte is handed out, and when the bytes are right again so is the
 * buffer.
 */
#include "store_test.h"

#include "tt/tt.h"

#define NR 4u

struct setting {
	const char *path;
	struct zcs_pool *pool;
	struct zcs_store *store;
	struct zcs_backup *backup;
};

static void start(struct setting *s, unsigned order)
{
	s->path = store_test_path();
	s->pool = zcs_test_pool(ZCS_BACKING_SMALL, 0, 1);
	s->store = store_test_open("file:%s?size=16M&keep=1", s->path);
	s->backup = zcs_test_backup(s->store, (uint64_t)NR << order);
	for (uint64_t i = 0; i < NR; i++)
		store_test_insert(s->backup, s->pool, 1, i << order, order, 0);
	store_test_writeback(s->backup, 0, ((uint64_t)NR << order) - 1);
}

static void finish(struct setting *s)
{
	store_test_backup_done(s->backup, s->pool);
	store_test_done(s->store);
	zcs_test_pool_done(s->pool);
}

static uint32_t slot_of(struct zcs_backup *backup, uint64_t index)
{
	struct zcs_block blk = zcs_backup_block(backup, index);

	assert_true(zcs_e_is_slot(blk.entry));
	return blk.entry - ZCS_E_SLOT_BASE;
}

static void bad_and_mended(unsigned order)
{
	uint64_t index = UINT64_C(2) << order, page = (UINT64_C(1) << order) - 1;
	char text[4096];
	const char *log;
	uint32_t slot;
	struct setting s;

	start(&s, order);
	slot = slot_of(s.backup, index);
	store_test_flip(s.path, (slot + page) * ZCS_PAGE_SIZE + 99, 1);
	store_test_log_start();
	zcs_assert_is(store_test_take_fails(s.backup, s.pool, index), -EIO);
	log = store_test_log_end();
	store_test_log_has(log, s.path);
	snprintf(text, sizeof(text), "slot %u ", slot + (uint32_t)page);
	store_test_log_has(log, text);
	snprintf(text, sizeof(text), "index %" PRIu64, index);
	store_test_log_has(log, text);
	/* the backup's own message says whose slot that is */
	snprintf(text, sizeof(text), "in slot %u of %s", slot, s.path);
	store_test_log_has(log, text);
	zcs_assert_is(store_test_stats(s.store).bad_checksums, 1);
	zcs_assert_is(store_test_stats(s.store).read_errors, 1);
	zcs_assert_is(zcs_test_stats(s.pool).resident_pages, 0);
	zcs_assert_ok(zcs_backup_check(s.backup));
	/* the neighbours are well */
	store_test_take(s.backup, s.pool, 1, UINT64_C(3) << order, order);
	store_test_take(s.backup, s.pool, 1, UINT64_C(1) << order, order);
	store_test_flip(s.path, (slot + page) * ZCS_PAGE_SIZE + 99, 1);
	store_test_take(s.backup, s.pool, 1, index, order);
	finish(&s);
}

static void of_a_block(void **state)
{
	(void)state;
	bad_and_mended(0);
	bad_and_mended(3);
	bad_and_mended(9);
}

/* Only the page that is bad is. */
static void of_a_page_that_is_copied(void **state)
{
	char page[ZCS_PAGE_SIZE];
	const char *log;
	struct setting s;
	uint32_t slot;

	(void)state;
	start(&s, 5);
	slot = slot_of(s.backup, 32);
	store_test_flip(s.path, (slot + UINT64_C(7)) * ZCS_PAGE_SIZE, ZCS_PAGE_SIZE);
	for (uint64_t i = 32; i < 64; i++)
		if (i != 39)
			store_test_copy(s.backup, 1, i);
	memset(page, 0x77, sizeof(page));
	store_test_log_start();
	zcs_assert_is(zcs_backup_copy_page(s.backup, page, 40, false), -EIO);
	log = store_test_log_end();
	store_test_log_has(log, s.path);
	store_test_log_has(log, "index 39");
	for (unsigned i = 0; i < ZCS_PAGE_SIZE; i++)
		assert_int_equal(page[i], 0x77);
	store_test_flip(s.path, (slot + UINT64_C(7)) * ZCS_PAGE_SIZE, ZCS_PAGE_SIZE);
	store_test_copy(s.backup, 1, 39);
	finish(&s);
}

/* Slots that hold each other's bytes, which are right in themselves. */
static void two_slots_are_exchanged(void **state)
{
	char bytes[2][ZCS_PAGE_SIZE];
	struct setting s;
	FILE *f;

	(void)state;
	start(&s, 0);
	f = fopen(s.path, "r+e");
	assert_non_null(f);
	zcs_assert_ok(fseek(f, slot_of(s.backup, 1) * (long)ZCS_PAGE_SIZE, SEEK_SET));
	zcs_assert_is(fread(bytes, ZCS_PAGE_SIZE, 2, f), 2);
	zcs_assert_ok(fseek(f, slot_of(s.backup, 1) * (long)ZCS_PAGE_SIZE, SEEK_SET));
	zcs_assert_is(fwrite(bytes[1], ZCS_PAGE_SIZE, 1, f), 1);
	zcs_assert_is(fwrite(bytes[0], ZCS_PAGE_SIZE, 1, f), 1);
	zcs_assert_ok(fclose(f));
	store_test_log_start();
	zcs_assert_is(store_test_take_fails(s.backup, s.pool, 2), -EIO);
	zcs_assert_is(store_test_take_fails(s.backup, s.pool, 1), -EIO);
	store_test_log_end();
	zcs_assert_is(store_test_stats(s.store).bad_checksums, 2);
	store_test_take(s.backup, s.pool, 1, 3, 0);
	finish(&s);
}

static void of_a_tt(void **state)
{
	(void)state;
	zcs_test_for_each_backing(backing)
	{
		const char *path = store_test_path();
		struct zcs_pool *pool = zcs_test_pool(backing, 0, 1);
		struct zcs_store *store = store_test_open("file:%s?size=16M&keep=1", path);
		const char *log;
		struct zcs_tt *tt;
		uint64_t at;

		zcs_assert_ok(zcs_tt_create(pool, 2048, ZCS_TT_CONTIGUOUS, &tt));
		zcs_assert_ok(zcs_tt_setup_backup(tt, store));
		zcs_assert_ok(zcs_tt_populate(tt, NULL));
		store_test_fill(tt, 1, 0, 2048);
		zcs_assert_is(zcs_tt_backup(tt, ZCS_BACKUP_WRITEBACK), 2048);
		store_test_idle(tt->backup);
		at = slot_of(tt->backup, 1024) * (uint64_t)ZCS_PAGE_SIZE + 1000000;
		store_test_flip(path, at, 3);
		store_test_log_start();
		for (unsigned i = 0; i < 3; i++) {
			zcs_assert_is(zcs_tt_restore(tt, NULL), -EIO);
			zcs_assert_ok(zcs_tt_check(tt));
		}
		log = store_test_log_end();
		store_test_log_has(log, "index 1024");
		/* what was before it is back, and usable */
		assert_true(store_test_is(tt, 1, 0, 1024));
		assert_true(zcs_slot_is_handle(zcs_tt_slot(tt, 1024)));
		store_test_flip(path, at, 3);
		zcs_assert_ok(zcs_tt_restore(tt, NULL));
		assert_true(store_test_is(tt, 1, 0, 2048));
		zcs_test_tt_done(tt);
		store_test_done(store);
		zcs_test_pool_done(pool);
	}
}

/* A block that cannot be read may still be dropped. */
static void it_can_be_dropped(void **state)
{
	struct setting s;

	(void)state;
	start(&s, 2);
	store_test_flip(s.path, 0, NR * 4 * ZCS_PAGE_SIZE);
	store_test_log_start();
	zcs_assert_is(store_test_take_fails(s.backup, s.pool, 4), -EIO);
	store_test_log_end();
	zcs_backup_drop(s.backup, 5, 1);
	zcs_backup_drop(s.backup, 1, 2);
	zcs_assert_is(store_test_stats(s.store).used_slots, 16 - 4 - 2);
	finish(&s);
}

/* By fault point, where the bytes are right and the sum is not. */
static void a_wrong_sum(void **state)
{
	struct setting s;

	(void)state;
	start(&s, 3);
	zcs_test_fault("checksum", 0, 1, 0);
	store_test_log_start();
	zcs_assert_is(store_test_take_fails(s.backup, s.pool, 8), -EIO);
	store_test_log_end();
	store_test_take(s.backup, s.pool, 1, 8, 3);
	zcs_assert_is(store_test_stats(s.store).bad_checksums, 1);
	finish(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		store_test_both(of_a_block),	     store_test_both(of_a_page_that_is_copied),
		store_test(two_slots_are_exchanged), store_test_both(of_a_tt),
		store_test(it_can_be_dropped),	     store_test_both(a_wrong_sum),
	};

	return zcs_test_run(tests);
}
