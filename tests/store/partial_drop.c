/* SPDX-License-Identifier: MIT */
/*
 * Dropping part of a block that was written back, is same-filled, is being written, or keeps a good
 * slot: what is dropped reads as zeros and gives up its slots, the rest is what it was.
 */
#include "store_test.h"

#include "store/same.h"

#define NR 512u

struct setting {
	struct zcs_pool *pool;
	struct zcs_store *store;
	struct zcs_backup *backup;
};

static void start(struct setting *s, enum zcs_backing backing)
{
	s->pool = zcs_test_pool(backing, 0, 1);
	s->store = store_test_file(8);
	s->backup = zcs_test_backup(s->store, 2 * NR);
}

static void finish(struct setting *s)
{
	store_test_backup_done(s->backup, s->pool);
	store_test_done(s->store);
	zcs_test_pool_done(s->pool);
}

static void drop(struct setting *s, uint64_t index, unsigned order)
{
	zcs_backup_drop(s->backup, zcs_handle_from_index(index), order);
	zcs_assert_ok(zcs_backup_check(s->backup));
	zcs_assert_ok(zcs_store_check(s->store));
	zcs_test_pool_ok(s->pool);
}

/* Pages [0, NR) are those of @seed, but for [first, first + nr), which are zeros. */
static void is_but(struct setting *s, uint64_t seed, uint64_t first, uint64_t nr)
{
	char page[ZCS_PAGE_SIZE];

	for (uint64_t i = 0; i < NR; i++) {
		if (i < first || i >= first + nr) {
			store_test_copy(s->backup, seed, i);
			continue;
		}
		zcs_assert_ok(
			zcs_backup_copy_page(s->backup, page, zcs_handle_from_index(i), false));
		assert_true(zcs_test_is_zero(page, sizeof(page)));
	}
}

static void of_a_written_back_block(void **state)
{
	static const struct {
		uint64_t index;
		unsigned order;
	} parts[] = { { 0, 0 }, { 511, 0 }, { 300, 2 }, { 0, 8 }, { 256, 8 }, { 64, 6 } };

	(void)state;
	zcs_test_for_each_backing(backing)
	{
		for (unsigned p = 0; p < 6; p++) {
			uint64_t first = parts[p].index, nr = UINT64_C(1) << parts[p].order;
			struct setting s;

			start(&s, backing);
			store_test_insert(s.backup, s.pool, 3, 0, 9, 0);
			store_test_writeback(s.backup, 0, NR - 1);
			drop(&s, first, parts[p].order);
			zcs_assert_is(store_test_stats(s.store).used_slots, (int64_t)(NR - nr));
			zcs_assert_is(store_test_backup_stats(s.backup).slot_pages,
				      (int64_t)(NR - nr));
			is_but(&s, 3, first, nr);
			for (uint64_t i = 0; i < NR; i++)
				if (i < first || i >= first + nr)
					store_test_take(s.backup, s.pool, 3, i, 0);
			zcs_assert_is(store_test_stats(s.store).used_slots, 0);
			finish(&s);
		}
	}
}

/*
 * A dropped page is not read by accident, and the pieces go to slots of their own when they are
 * written again.
 */
static void pieces_go_out_again(void **state)
{
	struct setting s;

	(void)state;
	start(&s, ZCS_BACKING_SMALL);
	store_test_insert(s.backup, s.pool, 3, 0, 9, 0);
	store_test_writeback(s.backup, 0, NR - 1);
	drop(&s, 256, 8);
	/* downwards, and not to the first, so that nothing is read ahead */
	for (uint64_t i = 16; i > 0; i--) {
		store_test_take(s.backup, s.pool, 3, i, 0);
		store_test_insert(s.backup, s.pool, 4, i, 0, ZCS_INSERT_WRITEBACK);
	}
	store_test_idle(s.backup);
	zcs_assert_is(store_test_stats(s.store).used_slots, 256);
	zcs_assert_is(zcs_test_arena_bytes(), 0);
	for (uint64_t i = 0; i < 256; i++)
		store_test_take(s.backup, s.pool, i && i <= 16 ? 4 : 3, i, 0);
	finish(&s);
}

static uint64_t refs(struct zcs_store *store)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < ZCS_SAME_WORDS; i++)
		sum += zcs_local(store)->same->slot[i].refs;
	return sum;
}

static void of_a_same_filled_block(void **state)
{
	struct setting s;
	char page[ZCS_PAGE_SIZE];

	(void)state;
	start(&s, ZCS_BACKING_SMALL);
	store_test_insert_word(s.backup, s.pool, 0x0101010101010101, 0, 9, 0);
	store_test_writeback(s.backup, 0, NR - 1);
	zcs_assert_is(refs(s.store), 1);
	drop(&s, 128, 7);
	zcs_assert_is(refs(s.store), NR - 128);
	zcs_assert_is(store_test_backup_stats(s.backup).same_pages, NR - 128);
	zcs_assert_ok(zcs_backup_copy_page(s.backup, page, 128, false));
	assert_int_equal(page[77], 1);
	zcs_assert_ok(zcs_backup_copy_page(s.backup, page, 129, false));
	assert_int_equal(page[77], 0);
	drop(&s, 0, 9);
	zcs_assert_is(refs(s.store), 0);
	finish(&s);
}

static void while_in_flight(enum zcs_backing backing, bool flying)
{
	struct store_test_hold hold;
	struct setting s;

	start(&s, backing);
	store_test_hold(s.store, &hold);
	store_test_insert(s.backup, s.pool, 3, 0, 9, ZCS_INSERT_WRITEBACK);
	store_test_wait_queued(s.store, 1);
	if (flying) {
		store_test_log_start();
		store_test_hold_flying(&hold);
		store_test_log_end();
	}
	/*
	 * hugetlb cannot split: there the part is zeroed; elsewhere it may have to wait for the
	 * transfer
	 */
	if (flying && backing != ZCS_BACKING_HUGETLB)
		store_test_let_go(&hold);
	drop(&s, 128, 7);
	if (!flying || backing == ZCS_BACKING_HUGETLB)
		store_test_let_go(&hold);
	store_test_idle(s.backup);
	is_but(&s, 3, 128, 128);
	zcs_assert_is(store_test_stats(s.store).cancelled, !flying);
	zcs_backup_writeback(s.backup, 0, NR - 1, ZCS_WB_WAIT);
	is_but(&s, 3, 128, 128);
	zcs_assert_is(zcs_test_stats(s.pool).resident_pages, 0);
	finish(&s);
}

static void of_a_block_that_waits_to_be_written(void **state)
{
	(void)state;
	zcs_test_for_each_backing(backing) while_in_flight(backing, false);
}

static void of_a_block_that_is_being_written(void **state)
{
	(void)state;
	zcs_test_for_each_backing(backing) while_in_flight(backing, true);
}

/*
 * A block that was read and not handed out is resident and clean; a part of it that goes makes it
 * dirty.
 */
static void of_a_clean_block(void **state)
{
	(void)state;
	zcs_test_for_each_backing(backing)
	{
		struct zcs_take vec[2];
		struct setting s;

		start(&s, backing);
		store_test_insert(s.backup, s.pool, 4, NR, 0, 0);
		store_test_insert(s.backup, s.pool, 3, 0, 9, 0);
		store_test_writeback(s.backup, 0, NR);
		vec[0].handle = zcs_handle_from_index(NR);
		vec[1].handle = zcs_handle_from_index(0);
		zcs_test_fault("read", 0, 1, EIO);
		store_test_log_start();
		zcs_assert_is(zcs_backup_take_folios(s.backup, vec, 2, s.pool), -EIO);
		store_test_log_end();
		zcs_test_faults_off();
		/* one of the two was read */
		zcs_assert_is(store_test_backup_stats(s.backup).resident_pages +
				      store_test_backup_stats(s.backup).slot_pages,
			      NR + 1);
		zcs_assert_is(store_test_stats(s.store).used_slots, NR + 1);
		drop(&s, 128, 7);
		is_but(&s, 3, 128, 128);
		zcs_backup_writeback(s.backup, 0, NR - 1, ZCS_WB_WAIT);
		is_but(&s, 3, 128, 128);
		store_test_take(s.backup, s.pool, 4, NR, 0);
		finish(&s);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		store_test(of_a_written_back_block),
		store_test(pieces_go_out_again),
		store_test(of_a_same_filled_block),
		store_test_both(of_a_block_that_waits_to_be_written),
		store_test_uring(of_a_block_that_is_being_written),
		store_test(of_a_clean_block),
	};

	return zcs_test_run(tests);
}
