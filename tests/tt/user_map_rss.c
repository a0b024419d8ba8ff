/* SPDX-License-Identifier: MIT */
/*
 * A backed-up tt has nothing in the user map: Rss of its mapping in smaps is 0, and only what was
 * backed up goes. Afterwards it is all there again.
 */
#include "tt_test.h"

#define NR 1024u

static uint64_t rss_pages(struct tt_case *c)
{
	return zcs_test_rss(zcs_tt_address(c->tt), c->nr * ZCS_PAGE_SIZE) / ZCS_PAGE_SIZE;
}

static void touch_all(struct tt_case *c)
{
	assert_true(zcs_test_is(zcs_tt_address(c->tt), c->seed, 0, c->nr));
	zcs_assert_is(zcs_test_present_pages(zcs_tt_address(c->tt), c->nr), (int64_t)c->nr);
}

static void nothing_is_mapped_after_a_backup(void **state)
{
	(void)state;
	tt_for_each_backing(backing)
	{
		struct tt_case c;

		tt_case_init(&c, backing, NR, ZCS_TT_CONTIGUOUS);
		touch_all(&c);
		zcs_assert_is(rss_pages(&c), NR);
		zcs_assert_is(zcs_tt_backup(c.tt, 0), NR);
		zcs_assert_is(rss_pages(&c), 0);
		zcs_assert_is(zcs_test_present_pages(zcs_tt_address(c.tt), NR), 0);
		zcs_assert_ok(zcs_tt_restore(c.tt, NULL));
		touch_all(&c);
		zcs_assert_is(rss_pages(&c), NR);
		tt_case_fini(&c);
	}
}

static void nothing_is_mapped_after_a_purge(void **state)
{
	(void)state;
	tt_for_each_backing(backing)
	{
		struct tt_case c;

		tt_case_init(&c, backing, NR, ZCS_TT_CONTIGUOUS);
		touch_all(&c);
		zcs_assert_is(zcs_tt_backup(c.tt, ZCS_BACKUP_PURGE), NR);
		zcs_assert_is(rss_pages(&c), 0);
		tt_case_fini(&c);
	}
}

static void only_the_blocks_of_the_range_go(void **state)
{
	(void)state;
	tt_for_each_backing(backing)
	{
		const char *user;
		struct tt_case c;

		tt_case_init(&c, backing, NR, ZCS_TT_CONTIGUOUS);
		user = zcs_tt_address(c.tt);
		touch_all(&c);
		zcs_assert_is(zcs_tt_backup_range(c.tt, 512, 512, 0), 512);
		zcs_assert_is(zcs_test_present_pages(user, 512), 512);
		zcs_assert_is(zcs_test_present_pages(user + 512 * ZCS_PAGE_SIZE, 512), 0);
		zcs_assert_ok(zcs_tt_restore(c.tt, NULL));
		touch_all(&c);
		tt_case_fini(&c);
	}
}

/* A restored page does not trap: hugetlb is mapped at once, shmem by a plain fault. */
static void only_the_blocks_of_the_range_come_back(void **state)
{
	(void)state;
	tt_for_each_backing(backing)
	{
		const char *user;
		struct tt_case c;

		tt_case_init(&c, backing, NR, ZCS_TT_CONTIGUOUS);
		user = zcs_tt_address(c.tt);
		zcs_assert_is(zcs_tt_backup(c.tt, 0), NR);
		zcs_assert_ok(zcs_tt_restore_range(c.tt, 0, 512, NULL));
		assert_true(zcs_test_is(user, c.seed, 0, 512));
		zcs_assert_is(zcs_test_present_pages(user, 512), 512);
		zcs_assert_is(zcs_test_present_pages(user + 512 * ZCS_PAGE_SIZE, 512), 0);
		tt_case_fini(&c);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		zcs_test(nothing_is_mapped_after_a_backup),
		zcs_test(nothing_is_mapped_after_a_purge),
		zcs_test(only_the_blocks_of_the_range_go),
		zcs_test(only_the_blocks_of_the_range_come_back),
	};

	return zcs_test_run(tests);
}
