/* SPDX-License-Identifier: MIT */
/*
 * Holes that do not trap: a writer there gets memory that the pool has not charged. The bytes
 * belong to the tt if it is populated next, and are gone after a purge; no other tt meets them.
 */
#include <unistd.h>

#include "tt/tt.h"
#include "tt_test.h"

#define NR 1024u

static struct zcs_tt *home_of(struct zcs_pool *pool)
{
	struct zcs_tt *tt = NULL;

	zcs_assert_ok(zcs_tt_create(pool, NR, ZCS_TT_CONTIGUOUS, &tt));
	return tt;
}

static void *page(struct zcs_tt *tt, uint64_t index)
{
	return (char *)zcs_tt_address(tt) + index * ZCS_PAGE_SIZE;
}

/* The first page of a block and two others. */
static void write_untrapped(struct zcs_tt *tt)
{
	assert_true(tt_all(tt, 0, NR, TT_EMPTY));
	zcs_test_fill_page(page(tt, 0), 7, 0);
	zcs_test_fill_page(page(tt, 100), 7, 100);
	zcs_test_fill_page(page(tt, 700), 7, 700);
}

/* Destroys the tt, and looks for its bytes at its address. */
static void assert_next_is_zero(struct zcs_pool *pool, struct zcs_tt *tt)
{
	void *at = zcs_tt_address(tt);

	zcs_test_tt_done(tt);
	zcs_test_faults_off();
	tt = home_of(pool);
	assert_ptr_equal(zcs_tt_address(tt), at);
	zcs_assert_ok(zcs_tt_populate(tt, NULL));
	assert_true(zcs_test_is_zero(at, NR * ZCS_PAGE_SIZE));
	zcs_test_pool_ok(pool);
	zcs_test_tt_done(tt);
	zcs_test_pool_done(pool);
}

static void a_home_that_could_not_be_registered(void **state)
{
	(void)state;
	for (enum zcs_backing backing = ZCS_BACKING_THP; backing <= ZCS_BACKING_SMALL; backing++) {
		struct zcs_pool *pool = zcs_test_pool(backing, 0, 0);
		struct zcs_tt *tt;

		zcs_test_fault("uffdio_register", 0, 0, ENOMEM);
		tt = home_of(pool);
		write_untrapped(tt);
		assert_next_is_zero(pool, tt);
	}
}

static void memory_that_cannot_be_punched(void **state)
{
	(void)state;
	for (enum zcs_backing backing = ZCS_BACKING_THP; backing <= ZCS_BACKING_SMALL; backing++) {
		struct zcs_pool *pool = zcs_test_pool(backing, 0, 0);
		struct zcs_tt *tt;

		zcs_test_fault("uffdio_register", 0, 0, ENOMEM);
		tt = home_of(pool);
		write_untrapped(tt);
		zcs_test_fault("punch_hole", 0, 0, EIO);
		assert_next_is_zero(pool, tt);
	}
}

static void without_userfaultfd(void **state)
{
	(void)state;
	tt_for_each_backing(backing)
	{
		struct zcs_pool *pool = zcs_test_pool(backing, 0, 0);
		struct zcs_tt *tt;

		zcs_test_fault("userfaultfd", 0, 0, EPERM);
		tt = home_of(pool);
		write_untrapped(tt);
		assert_next_is_zero(pool, tt);
	}
}

/* Memory from the pool's lists counts as zero, and returns to them. */
static void kept_memory_that_was_written_to(void **state)
{
	(void)state;
	tt_for_each_backing(backing)
	{
		struct zcs_pool *pool = zcs_test_pool(backing, 0, 64 * ZCS_TEST_MIB);
		struct zcs_tt *tt;

		zcs_test_fault("userfaultfd", 0, 0, EPERM);
		tt = home_of(pool);
		zcs_assert_ok(zcs_tt_populate(tt, NULL));
		zcs_test_tt_done(tt);
		tt = home_of(pool);
		zcs_assert_is(zcs_test_stats(pool).kept_pages, NR);
		write_untrapped(tt);
		assert_next_is_zero(pool, tt);
	}
}

/* It is unmapped because its memory is punched, and does not trap after that. */
static void a_zap_that_failed(void **state)
{
	(void)state;
	for (enum zcs_backing backing = ZCS_BACKING_THP; backing <= ZCS_BACKING_SMALL; backing++) {
		struct zcs_pool *pool = zcs_test_pool(backing, 0, 0);
		struct zcs_tt *tt = home_of(pool);

		zcs_assert_ok(zcs_tt_populate(tt, NULL));
		zcs_test_fault("uffdio_register", 0, 0, ENOMEM);
		zcs_tt_unpopulate(tt);
		write_untrapped(tt);
		assert_next_is_zero(pool, tt);
	}
}

static void a_purge_takes_them(void **state)
{
	(void)state;
	tt_for_each_backing(backing)
	{
		struct tt_case c;

		zcs_test_fault("userfaultfd", 0, 0, EPERM);
		tt_case_bare(&c, backing, NR, ZCS_TT_CONTIGUOUS);
		write_untrapped(c.tt);
		zcs_assert_is(zcs_tt_backup(c.tt, ZCS_BACKUP_PURGE), 0);
		zcs_assert_is(zcs_test_arena_bytes(), 0);
		zcs_assert_ok(zcs_tt_populate(c.tt, NULL));
		assert_true(tt_is_zero(c.tt, 0, NR));
		/* and beside pages that go */
		zcs_assert_is(zcs_tt_backup_range(c.tt, 512, 512, ZCS_BACKUP_PURGE), 512);
		zcs_test_fill_page(page(c.tt, 700), 7, 700);
		zcs_assert_is(zcs_tt_backup(c.tt, ZCS_BACKUP_PURGE), 512);
		zcs_assert_is(zcs_test_arena_bytes(), 0);
		zcs_assert_ok(zcs_tt_restore(c.tt, NULL));
		assert_true(tt_is_zero(c.tt, 0, NR));
		tt_case_fini(&c);
	}
}

static void assert_written(struct zcs_tt *tt)
{
	assert_true(zcs_test_page_is(page(tt, 0), 7, 0));
	assert_true(zcs_test_page_is(page(tt, 100), 7, 100));
	assert_true(zcs_test_page_is(page(tt, 700), 7, 700));
}

/* Every way in which one block of the home can be refused its memory. */
static const char *const refusals[] = { "madvise_populate_write", "fallocate", "madvise_collapse",
					"folio_alloc", "alloc_index_node" };
#define NR_REFUSALS (sizeof(refusals) / sizeof(refusals[0]))

static void populate_refused(enum zcs_backing backing, const char *point, uint64_t space)
{
	struct zcs_pool *pool = zcs_test_pool(backing, 0, 0);
	struct zcs_tt *tt;

	zcs_test_fault("userfaultfd", 0, 0, EPERM);
	tt = home_of(pool);
	write_untrapped(tt);
	zcs_test_fault(point, space, 2, ENOMEM);
	zcs_tt_populate(tt, NULL);
	zcs_test_fault_off(point);
	assert_written(tt);
	zcs_assert_ok(zcs_tt_populate(tt, NULL));
	assert_written(tt);
	zcs_test_pool_ok(pool);
	assert_next_is_zero(pool, tt);
}

static void a_populate_that_fails_throws_nothing_away(void **state)
{
	(void)state;
	tt_for_each_backing(backing) for (size_t i = 0; i < NR_REFUSALS;
					  i++) for (uint64_t space = 0; space < 3; space++)
		populate_refused(backing, refusals[i], space);
}

/*
 * A home whose zap failed once: its pages may hold bytes for life, and stay when a populate is
 * refused half-way. They stay in the user map too: a thread that reads them does not sleep.
 */
static void what_stays_is_mapped(void **state)
{
	(void)state;
	tt_for_each_backing(backing)
	{
		struct zcs_pool *pool = zcs_test_pool(backing, 0, 0);
		struct zcs_tt *tt = home_of(pool);

		zcs_assert_ok(zcs_tt_populate(tt, NULL));
		zcs_test_fault("madvise_dontneed", 0, 0, EFAULT);
		zcs_tt_unpopulate(tt);
		zcs_test_fault_off("madvise_dontneed");
		zcs_test_fault("folio_alloc", 1, 1, ENOMEM);
		zcs_assert_is(zcs_tt_populate(tt, NULL), -ENOMEM);
		zcs_test_fault_off("folio_alloc");
		assert_true(zcs_tt_slot(tt, 0) != 0);
		alarm(20);
		assert_true(zcs_test_is_zero(page(tt, 0), ZCS_PAGE_SIZE));
		alarm(0);
		zcs_assert_ok(zcs_tt_populate(tt, NULL));
		zcs_test_pool_ok(pool);
		assert_next_is_zero(pool, tt);
	}
}

static void restore_refused(enum zcs_backing backing, const char *point, uint64_t space)
{
	struct tt_case c;

	zcs_test_fault("userfaultfd", 0, 0, EPERM);
	tt_case_init(&c, backing, NR, ZCS_TT_CONTIGUOUS);
	zcs_assert_is(zcs_tt_backup(c.tt, ZCS_BACKUP_PURGE), NR);
	write_untrapped(c.tt);
	zcs_test_fault(point, space, 2, ENOMEM);
	zcs_tt_restore(c.tt, NULL);
	zcs_test_fault_off(point);
	assert_written(c.tt);
	if (zcs_tt_flags(c.tt) & ZCS_TT_BACKED_UP)
		zcs_assert_ok(zcs_tt_restore(c.tt, NULL));
	assert_written(c.tt);
	tt_case_fini(&c);
}

static void a_restore_that_fails_throws_nothing_away(void **state)
{
	(void)state;
	tt_for_each_backing(backing) for (size_t i = 0; i < NR_REFUSALS;
					  i++) for (uint64_t space = 0; space < 3; space++)
		restore_refused(backing, refusals[i], space);
}

/* Memory from the pool's lists, which a device gives up under pressure if nobody touched it. */
static void kept_memory_is_not_given_up(void **state)
{
	(void)state;
	tt_for_each_backing(backing)
	{
		struct zcs_pool *pool = zcs_test_pool(backing, 0, 64 * ZCS_TEST_MIB);
		struct zcs_tt *tt;

		zcs_test_fault("userfaultfd", 0, 0, EPERM);
		tt = home_of(pool);
		zcs_assert_ok(zcs_tt_populate(tt, NULL));
		zcs_test_tt_done(tt);
		tt = home_of(pool);
		zcs_assert_is(zcs_test_stats(pool).kept_pages, NR);
		write_untrapped(tt);
		zcs_tt_lock(tt, NULL);
		zcs_assert_is(zcs_tt_release_kept_locked(tt, NR), 0);
		zcs_tt_unlock(tt);
		assert_written(tt);
		assert_next_is_zero(pool, tt);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		zcs_test(a_home_that_could_not_be_registered),
		zcs_test(memory_that_cannot_be_punched),
		zcs_test(without_userfaultfd),
		zcs_test(kept_memory_that_was_written_to),
		zcs_test(a_zap_that_failed),
		zcs_test(a_purge_takes_them),
		zcs_test(a_populate_that_fails_throws_nothing_away),
		zcs_test(what_stays_is_mapped),
		zcs_test(a_restore_that_fails_throws_nothing_away),
		zcs_test(kept_memory_is_not_given_up),
	};

	if (!tt_has_userfaultfd())
		zcs_test_skip("no userfaultfd here: there is no trap to be without");
	return zcs_test_run(tests);
}
