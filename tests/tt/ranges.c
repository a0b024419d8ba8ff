/* SPDX-License-Identifier: MIT */
/*
 * Backing up and restoring a range: a block is never cut. Backing up leaves out the blocks that
 * reach out of the range, restoring brings back whole the blocks that reach into it; what lies
 * outside is not looked at.
 */
#include "tt_test.h"

/* Blocks of 512, 256, 2 and 1 pages. */
#define NR 771u
static const struct {
	uint64_t first, nr;
} blocks[] = { { 0, 512 }, { 512, 256 }, { 768, 2 }, { 770, 1 } };
#define NR_BLOCKS (sizeof(blocks) / sizeof(blocks[0]))

/* Borders of blocks, the slots beside them, and slots well inside. */
static const uint64_t borders[] = { 0, 1, 100, 511, 512, 513, 767, 768, 769, 770, 771 };
#define NR_BORDERS (sizeof(borders) / sizeof(borders[0]))

static bool inside(size_t block, uint64_t first, uint64_t end)
{
	return blocks[block].first >= first && blocks[block].first + blocks[block].nr <= end;
}

static bool touches(size_t block, uint64_t first, uint64_t end)
{
	return blocks[block].first < end && blocks[block].first + blocks[block].nr > first;
}

static void assert_block(struct tt_case *c, size_t block, enum tt_sort sort)
{
	assert_true(tt_all(c->tt, blocks[block].first, blocks[block].nr, sort));
	if (sort == TT_PAGE)
		assert_true(tt_is(c->tt, c->seed, blocks[block].first, 1));
}

static void back_up_one_range(struct tt_case *c, uint64_t first, uint64_t end)
{
	int64_t expected = 0;

	for (size_t b = 0; b < NR_BLOCKS; b++)
		expected += inside(b, first, end) ? (int64_t)blocks[b].nr : 0;
	zcs_assert_is(zcs_tt_backup_range(c->tt, first, end - first, 0), expected);
	for (size_t b = 0; b < NR_BLOCKS; b++)
		assert_block(c, b, inside(b, first, end) ? TT_HANDLE : TT_PAGE);
	zcs_assert_is(tt_state(c->tt), expected ? ZCS_TT_BACKED_UP : ZCS_TT_POPULATED);
	zcs_assert_is(zcs_tt_restore(c->tt, NULL), expected ? 0 : -EINVAL);
}

static void restore_one_range(struct tt_case *c, uint64_t first, uint64_t end)
{
	bool whole = touches(0, first, end) && touches(NR_BLOCKS - 1, first, end);

	zcs_assert_is(zcs_tt_backup(c->tt, 0), NR);
	zcs_assert_ok(zcs_tt_restore_range(c->tt, first, end - first, NULL));
	for (size_t b = 0; b < NR_BLOCKS; b++)
		assert_block(c, b, touches(b, first, end) ? TT_PAGE : TT_HANDLE);
	zcs_assert_is(tt_state(c->tt), whole ? ZCS_TT_POPULATED : ZCS_TT_BACKED_UP);
	if (!whole)
		zcs_assert_ok(zcs_tt_restore(c->tt, NULL));
}

static void over_every_range(void (*one)(struct tt_case *c, uint64_t first, uint64_t end))
{
	tt_for_each_shape(backing, flags)
	{
		struct tt_case c;

		tt_case_init(&c, backing, NR, flags);
		for (size_t from = 0; from < NR_BORDERS; from++)
			for (size_t to = from + 1; to < NR_BORDERS; to++) {
				one(&c, borders[from], borders[to]);
				assert_true(tt_all(c.tt, 0, NR, TT_PAGE));
			}
		assert_true(tt_case_is(&c));
		tt_case_fini(&c);
	}
}

static void backing_up_a_range_takes_whole_blocks_inside_it(void **state)
{
	(void)state;
	over_every_range(back_up_one_range);
}

static void restoring_a_range_brings_back_the_blocks_it_touches(void **state)
{
	(void)state;
	over_every_range(restore_one_range);
}

static void purging_a_range_leaves_the_rest(void **state)
{
	(void)state;
	tt_for_each_shape(backing, flags)
	{
		struct tt_case c;

		tt_case_init(&c, backing, NR, flags);
		zcs_assert_is(zcs_tt_backup_range(c.tt, 1, NR - 2, ZCS_BACKUP_PURGE), 258);
		assert_block(&c, 0, TT_PAGE);
		assert_block(&c, 1, TT_EMPTY);
		assert_block(&c, 2, TT_EMPTY);
		assert_block(&c, 3, TT_PAGE);
		zcs_assert_ok(zcs_tt_restore_range(c.tt, 600, 1, NULL));
		zcs_assert_ok(zcs_tt_restore(c.tt, NULL));
		assert_true(tt_is_zero(c.tt, 512, 258));
		assert_true(tt_is(c.tt, c.seed, 0, 512));
		assert_true(tt_is(c.tt, c.seed, 770, 1));
		tt_case_fini(&c);
	}
}

/*
 * Holes at the ends of a range are nothing: in hugetlb a zap cannot even begin in the middle of
 * one.
 */
static void a_range_may_begin_and_end_inside_a_hole(void **state)
{
	(void)state;
	tt_for_each_shape(backing, flags)
	{
		struct tt_case c;

		tt_case_init(&c, backing, 1536, flags);
		zcs_assert_is(zcs_tt_backup_range(c.tt, 0, 512, ZCS_BACKUP_PURGE), 512);
		zcs_assert_is(zcs_tt_backup_range(c.tt, 1024, 512, ZCS_BACKUP_PURGE), 512);
		zcs_assert_is(zcs_tt_backup_range(c.tt, 100, 50, 0), 0);
		zcs_assert_is(zcs_tt_backup_range(c.tt, 100, 50, ZCS_BACKUP_PURGE), 0);
		zcs_assert_is(zcs_tt_backup_range(c.tt, 100, 1000, 0), 512);
		zcs_assert_ok(zcs_tt_restore_range(c.tt, 512, 1, NULL));
		assert_true(tt_is(c.tt, c.seed, 512, 512));
		zcs_assert_is(zcs_tt_backup_range(c.tt, 100, 1000, ZCS_BACKUP_PURGE), 512);
		tt_case_fini(&c);
	}
}

/* One slot of a purged block of a home: the home's block comes back whole, and only that. */
static void a_hole_of_a_home_is_filled_by_its_block(void **state)
{
	(void)state;
	tt_for_each_backing(backing)
	{
		struct tt_case c;

		tt_case_init(&c, backing, 1536, ZCS_TT_CONTIGUOUS);
		zcs_assert_is(zcs_tt_backup(c.tt, ZCS_BACKUP_PURGE), 1536);
		zcs_assert_ok(zcs_tt_restore_range(c.tt, 700, 1, NULL));
		assert_true(tt_all(c.tt, 0, 512, TT_EMPTY));
		assert_true(tt_all(c.tt, 512, 512, TT_PAGE));
		assert_true(tt_all(c.tt, 1024, 512, TT_EMPTY));
		assert_true(tt_is_zero(c.tt, 512, 512));
		zcs_assert_is(zcs_test_stats(c.pool).resident_pages, 512);
		zcs_assert_is(tt_state(c.tt), ZCS_TT_BACKED_UP);
		tt_case_fini(&c);
	}
}

/*
 * A scattered tt has no home: a hole is filled with what fits in the hole and starts in the range.
 */
static void a_hole_of_a_scattered_tt_is_filled_from_the_range_on(void **state)
{
	struct tt_case c;

	(void)state;
	tt_case_init(&c, ZCS_BACKING_SMALL, NR, 0);
	zcs_assert_is(zcs_tt_backup_range(c.tt, 0, 768, ZCS_BACKUP_PURGE), 768);
	zcs_assert_ok(zcs_tt_restore_range(c.tt, 100, 8, NULL));
	assert_true(tt_all(c.tt, 0, 100, TT_EMPTY));
	assert_true(tt_all(c.tt, 100, 8, TT_PAGE));
	assert_true(tt_is_zero(c.tt, 100, 8));
	tt_case_ok(&c);
	zcs_assert_ok(zcs_tt_restore(c.tt, NULL));
	assert_true(tt_is_zero(c.tt, 0, 768));
	assert_true(tt_is(c.tt, c.seed, 768, 3));
	tt_case_fini(&c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		zcs_test(backing_up_a_range_takes_whole_blocks_inside_it),
		zcs_test(restoring_a_range_brings_back_the_blocks_it_touches),
		zcs_test(purging_a_range_leaves_the_rest),
		zcs_test(a_range_may_begin_and_end_inside_a_hole),
		zcs_test(a_hole_of_a_home_is_filled_by_its_block),
		zcs_test(a_hole_of_a_scattered_tt_is_filled_from_the_range_on),
	};

	return zcs_test_run(tests);
}
