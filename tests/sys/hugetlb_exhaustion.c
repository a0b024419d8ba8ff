/* SPDX-License-Identifier: MIT */
/*
 * Running out of hugetlb pages is -ENOMEM and not SIGBUS. The reserve of the machine is left alone:
 * a hugetlbfs of 4 pages, mounted in a mount namespace of a child, runs out instead.
 */
#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <unistd.h>

#include "zcs_test.h"

#define PAGES 4u
#define RUN   16u

/* A file of 16 huge pages on a file system that has 4; -1 if that cannot be had. */
static int small_hugetlbfs(void)
{
	char dir[] = "/tmp/zcs_test_hugetlbfs_XXXXXX", path[64];
	int fd = -1;

	if (unshare(CLONE_NEWNS) || mount("none", "/", "none", MS_REC | MS_PRIVATE, NULL))
		return -1;
	if (!mkdtemp(dir))
		return -1;
	if (!mount("none", dir, "hugetlbfs", 0, "pagesize=2M,size=8M")) {
		snprintf(path, sizeof(path), "%s/arena", dir);
		fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
		if (fd >= 0)
			zcs_assert_ok(ftruncate(fd, RUN * ZCS_TEST_HUGE_BYTES));
		umount2(dir, MNT_DETACH);
	}
	rmdir(dir);
	return fd;
}

static void run_out(struct zcs_pool *pool)
{
	struct zcs_folio *folio[PAGES], *none = NULL;

	for (unsigned i = 0; i < PAGES; i++) {
		folio[i] = zcs_test_folio(pool, 9);
		zcs_test_fill_folio(folio[i], i);
	}
	for (unsigned i = 0; i < 3; i++)
		zcs_assert_is(zcs_folio_alloc(pool, 9, 0, &none), -ENOMEM);
	zcs_assert_is(zcs_test_counter(pool, ZCS_COUNT_SYSTEM_REFUSED), 3);
	zcs_test_pool_ok(pool);
	for (unsigned i = 0; i < PAGES; i++) {
		assert_true(zcs_test_folio_is(folio[i], i));
		zcs_folio_put(folio[i]);
	}
}

/* A home of 16 huge pages of which 4 exist: populating it fails, and holds nothing after. */
static void run_out_in_a_home(struct zcs_pool *pool)
{
	struct zcs_tt *tt = NULL;

	zcs_assert_is(zcs_pool_shrink(pool, -1, UINT64_MAX), PAGES * ZCS_TEST_HUGE_PAGES);
	zcs_assert_ok(
		zcs_tt_create(pool, (uint64_t)RUN * ZCS_TEST_HUGE_PAGES, ZCS_TT_CONTIGUOUS, &tt));
	zcs_assert_is(zcs_tt_populate(tt, NULL), -ENOMEM);
	/* where holes do not trap they may have been written to, and stay */
	if (zcs_test_has_userfaultfd())
		zcs_assert_is(zcs_test_stats(pool).resident_pages, 0);
	zcs_test_tt_done(tt);
	zcs_pool_shrink(pool, -1, UINT64_MAX);
	zcs_assert_ok(
		zcs_tt_create(pool, (uint64_t)PAGES * ZCS_TEST_HUGE_PAGES, ZCS_TT_CONTIGUOUS, &tt));
	zcs_assert_ok(zcs_tt_populate(tt, NULL));
	zcs_test_fill(zcs_tt_address(tt), 9, 0, (uint64_t)PAGES * ZCS_TEST_HUGE_PAGES);
	zcs_test_tt_done(tt);
}

static void exhaust(void *arg)
{
	struct zcs_pool_params params = zcs_test_params(ZCS_BACKING_HUGETLB, 0, 0);
	struct zcs_pool *pool;
	int fd = small_hugetlbfs();

	(void)arg;
	if (fd < 0)
		_exit(77);
	pool = zcs_test_pool_from_fd(&params, fd, 0, RUN * ZCS_TEST_HUGE_BYTES);
	run_out(pool);
	run_out_in_a_home(pool);
	zcs_test_pool_done(pool);
	close(fd);
}

static void a_small_hugetlbfs_runs_out_with_enomem(void **state)
{
	struct zcs_test_child c;

	(void)state;
	if (!zcs_test_backing_works(ZCS_BACKING_HUGETLB))
		zcs_test_skip_case("no hugetlb pages");
	c = zcs_test_in_child(exhaust, NULL, 60);
	if (c.status == 77)
		zcs_test_skip_case("hugetlbfs cannot be mounted here");
	zcs_test_child_passed(&c);
}

static void without_a_free_page_the_first_is_enomem(void **state)
{
	struct zcs_pool *pool;
	struct zcs_folio *folio = NULL;

	(void)state;
	if (zcs_test_hugetlb_free())
		zcs_test_skip_case("hugetlb pages are free");
	pool = zcs_test_pool(ZCS_BACKING_HUGETLB, 0, 0);
	zcs_assert_is(zcs_folio_alloc(pool, 9, 0, &folio), -ENOMEM);
	assert_null(folio);
	zcs_test_pool_done(pool);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		zcs_test(a_small_hugetlbfs_runs_out_with_enomem),
		zcs_test(without_a_free_page_the_first_is_enomem),
	};

	return zcs_test_run(tests);
}
