/* SPDX-License-Identifier: MIT */
/*
 * A pool over a range of a file of the program: its folios are the file's pages, it never leaves
 * the range, and it never changes the file's size.
 */
#include <fcntl.h>
#include <linux/memfd.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sys/sys.h"
#include "zcs_test.h"

#define HUGE ZCS_TEST_HUGE_BYTES

static int file_of(uint64_t bytes, unsigned flags)
{
	int fd = memfd_create("outside", MFD_CLOEXEC | flags);

	assert_true(fd >= 0);
	zcs_assert_ok(ftruncate(fd, (off_t)bytes));
	return fd;
}

static uint64_t size_of(int fd)
{
	struct stat st;

	zcs_assert_ok(fstat(fd, &st));
	return (uint64_t)st.st_size;
}

static int refused(enum zcs_backing backing, int fd, uint64_t offset, uint64_t bytes)
{
	struct zcs_pool_params params = zcs_test_params(backing, 0, 0);
	struct zcs_pool *pool = NULL;
	int err = zcs_pool_create_from_fd(&params, fd, offset, bytes, &pool);

	assert_null(pool);
	return err;
}

/* A page of the file as read(2) sees it. */
static bool file_page_is(int fd, uint64_t page, uint64_t seed, uint64_t index)
{
	static char buf[ZCS_PAGE_SIZE];

	zcs_assert_is(pread(fd, buf, sizeof(buf), (off_t)(page * ZCS_PAGE_SIZE)), sizeof(buf));
	return seed ? zcs_test_page_is(buf, seed, index) : zcs_test_is_zero(buf, sizeof(buf));
}

static void a_folio_is_the_files_pages(void **state)
{
	int fd = file_of(16 * HUGE, 0);
	struct zcs_pool *pool = zcs_test_pool_from_fd(NULL, fd, 4 * HUGE, 8 * HUGE);

	(void)state;
	for (unsigned order = 0; order <= ZCS_MAX_ORDER; order++) {
		struct zcs_folio *folio = zcs_test_folio(pool, order);
		uint64_t pfn = zcs_folio_pfn(folio);

		assert_true(pfn >= 4 * 512 && pfn + (1u << order) <= 12 * 512);
		zcs_test_fill_folio(folio, 7);
		for (uint64_t i = 0; i < UINT64_C(1) << order; i++)
			assert_true(file_page_is(fd, pfn + i, 7, i));
		zcs_folio_put(folio);
	}
	zcs_test_pool_done(pool);
	close(fd);
}

static void what_is_put_is_zero_at_once(void **state)
{
	int fd = file_of(HUGE, 0);
	struct zcs_pool *pool = zcs_test_pool_from_fd(NULL, fd, 0, HUGE);
	struct zcs_folio *folio = zcs_test_folio(pool, 3);
	uint64_t pfn = zcs_folio_pfn(folio);

	(void)state;
	zcs_test_fill_folio(folio, 1);
	zcs_folio_put(folio);
	zcs_assert_is(zcs_test_cached(pool, 3), 1);
	for (uint64_t i = 0; i < 8; i++)
		assert_true(file_page_is(fd, pfn + i, 0, 0));
	zcs_test_pool_done(pool);
	close(fd);
}

static void the_range_is_discarded_and_the_rest_is_not(void **state)
{
	int fd = file_of(4 * HUGE, 0);
	struct zcs_pool *pool;
	char page[ZCS_PAGE_SIZE];

	(void)state;
	for (uint64_t i = 0; i < 4 * 512; i += 16) {
		zcs_test_fill_page(page, 3, i);
		zcs_assert_is(pwrite(fd, page, sizeof(page), (off_t)(i * ZCS_PAGE_SIZE)),
			      sizeof(page));
	}
	pool = zcs_test_pool_from_fd(NULL, fd, HUGE, 2 * HUGE);
	for (uint64_t i = 0; i < 4 * 512; i += 16)
		assert_true(file_page_is(fd, i, i / 512 == 1 || i / 512 == 2 ? 0 : 3, i));
	zcs_test_pool_done(pool);
	close(fd);
}

static void the_size_is_never_changed(void **state)
{
	int fd = file_of(4 * HUGE + 12345, 0);
	struct zcs_pool *pool = zcs_test_pool_from_fd(NULL, fd, 0, 4 * HUGE);
	struct zcs_folio *folio[4], *none = NULL;

	(void)state;
	for (unsigned i = 0; i < 4; i++)
		folio[i] = zcs_test_folio(pool, 9);
	zcs_assert_is(zcs_folio_alloc(pool, 0, 0, &none), -ENOMEM);
	zcs_assert_is(size_of(fd), (int64_t)(4 * HUGE + 12345));
	for (unsigned i = 0; i < 4; i++)
		zcs_folio_put(folio[i]);
	zcs_assert_is(zcs_pool_shrink(pool, -1, UINT64_MAX), 4 * 512);
	zcs_test_pool_done(pool);
	zcs_assert_is(size_of(fd), (int64_t)(4 * HUGE + 12345));
	close(fd);
}

static void the_pool_never_grows(void **state)
{
	int fd = file_of(HUGE, 0);
	struct zcs_pool *pool = zcs_test_pool_from_fd(NULL, fd, 0, HUGE);
	struct zcs_folio *a = zcs_test_folio(pool, 8), *b = zcs_test_folio(pool, 8), *none = NULL;
	struct zcs_tt *tt = NULL;

	(void)state;
	for (unsigned order = 0; order <= ZCS_MAX_ORDER; order++)
		zcs_assert_is(zcs_folio_alloc(pool, order, 0, &none), -ENOMEM);
	zcs_assert_is(zcs_tt_create(pool, 1, ZCS_TT_CONTIGUOUS, &tt), -ENOMEM);
	assert_null(tt);
	zcs_assert_is(zcs_test_stats(pool).arena_bytes, (int64_t)HUGE);
	zcs_assert_is(zcs_test_arenas(), 0);
	zcs_folio_put(a);
	zcs_folio_put(b);
	zcs_test_pool_done(pool);
	close(fd);
}

static void memory_goes_back_to_the_file(void **state)
{
	int fd = file_of(8 * HUGE, 0);
	struct zcs_pool *pool = zcs_test_pool_from_fd(NULL, fd, 0, 8 * HUGE);

	(void)state;
	zcs_folio_put(zcs_test_folio(pool, 9));
	zcs_assert_is(zcs_test_fd_bytes(fd), (int64_t)HUGE);
	zcs_test_pool_done(pool);
	zcs_assert_is(zcs_test_fd_bytes(fd), 0);
	close(fd);
}

static void the_callers_descriptor_is_its_own(void **state)
{
	int fd = file_of(HUGE, 0);
	struct zcs_pool *pool = zcs_test_pool_from_fd(NULL, fd, 0, HUGE);
	struct zcs_folio *folio;

	(void)state;
	/* the pool has a descriptor of its own ... */
	close(fd);
	folio = zcs_test_folio(pool, 2);
	zcs_test_fill_folio(folio, 1);
	zcs_folio_put(folio);
	zcs_assert_is(zcs_pool_shrink(pool, -1, UINT64_MAX), 4);
	zcs_test_pool_done(pool);
	/* ... and leaves the caller's open */
	fd = file_of(HUGE, 0);
	pool = zcs_test_pool_from_fd(NULL, fd, 0, HUGE);
	zcs_test_pool_done(pool);
	zcs_assert_is(size_of(fd), (int64_t)HUGE);
	close(fd);
}

static void backup_and_home_work_as_in_any_pool(void **state)
{
	int fd = file_of(4 * HUGE, 0);
	struct zcs_pool *pool = zcs_test_pool_from_fd(NULL, fd, 2 * HUGE, 2 * HUGE);
	struct zcs_store *store = zcs_test_store();
	struct zcs_tt *tt = NULL;

	(void)state;
	zcs_assert_ok(zcs_tt_create(pool, 600, ZCS_TT_CONTIGUOUS, &tt));
	zcs_assert_ok(zcs_tt_populate(tt, NULL));
	zcs_assert_ok(zcs_tt_setup_backup(tt, store));
	zcs_test_fill(zcs_tt_address(tt), 1, 0, 600);
	zcs_assert_is(zcs_tt_backup(tt, 0), 600);
	zcs_assert_ok(zcs_tt_restore(tt, NULL));
	assert_true(zcs_test_is(zcs_tt_address(tt), 1, 0, 600));
	zcs_test_tt_done(tt);
	zcs_test_store_done(store);
	zcs_test_pool_done(pool);
	close(fd);
}

static void two_pools_share_a_file(void **state)
{
	int fd = file_of(2 * HUGE, 0);
	struct zcs_pool *a = zcs_test_pool_from_fd(NULL, fd, 0, HUGE);
	struct zcs_pool *b = zcs_test_pool_from_fd(NULL, fd, HUGE, HUGE);
	struct zcs_folio *fa = zcs_test_folio(a, 9), *fb = zcs_test_folio(b, 9);

	(void)state;
	zcs_assert_is(zcs_folio_pfn(fa), 0);
	zcs_assert_is(zcs_folio_pfn(fb), 512);
	zcs_test_fill_folio(fa, 1);
	zcs_test_fill_folio(fb, 2);
	assert_true(zcs_test_folio_is(fa, 1));
	zcs_folio_put(fa);
	assert_true(zcs_test_folio_is(fb, 2));
	zcs_folio_put(fb);
	zcs_test_pool_done(a);
	zcs_test_pool_done(b);
	close(fd);
}

static void hugetlb_files_give_whole_huge_pages_only(void **state)
{
	struct zcs_folio *folio[4], *none = NULL;
	struct zcs_pool *pool;
	int fd;

	(void)state;
	if (!zcs_test_backing_works(ZCS_BACKING_HUGETLB))
		zcs_test_skip_case("no hugetlb pages");
	fd = file_of(8 * HUGE, MFD_HUGETLB);
	pool = zcs_test_pool_from_fd(NULL, fd, 2 * HUGE, 4 * HUGE);
	for (unsigned order = 0; order < ZCS_MAX_ORDER; order++)
		zcs_assert_is(zcs_folio_alloc(pool, order, 0, &none), -ENOMEM);
	for (unsigned i = 0; i < 4; i++) {
		folio[i] = zcs_test_folio(pool, 9);
		zcs_test_fill_folio(folio[i], i);
	}
	zcs_assert_is(zcs_folio_alloc(pool, 9, 0, &none), -ENOMEM);
	zcs_assert_is(zcs_test_stats(pool).hugetlb_bytes, (int64_t)(4 * HUGE));
	for (unsigned i = 0; i < 4; i++) {
		assert_true(zcs_test_folio_is(folio[i], i));
		zcs_folio_put(folio[i]);
	}
	zcs_test_pool_done(pool);
	zcs_assert_is(zcs_test_fd_bytes(fd), 0);
	close(fd);
}

static void the_backing_must_be_what_the_file_is(void **state)
{
	int fd = file_of(HUGE, 0), huge;

	(void)state;
	zcs_assert_is(refused(ZCS_BACKING_HUGETLB, fd, 0, HUGE), -EINVAL);
	for (enum zcs_backing b = ZCS_BACKING_AUTO; b <= ZCS_BACKING_SMALL; b++) {
		struct zcs_pool_params params = zcs_test_params(b, 0, 0);

		if (b != ZCS_BACKING_HUGETLB)
			zcs_test_pool_done(zcs_test_pool_from_fd(&params, fd, 0, HUGE));
	}
	close(fd);
	huge = memfd_create("outside", MFD_CLOEXEC | MFD_HUGETLB);
	if (huge < 0)
		zcs_test_skip_case("this kernel has no hugetlb pages of 2 MiB");
	zcs_assert_ok(ftruncate(huge, (off_t)HUGE));
	zcs_assert_is(refused(ZCS_BACKING_THP, huge, 0, HUGE), -EINVAL);
	zcs_assert_is(refused(ZCS_BACKING_SMALL, huge, 0, HUGE), -EINVAL);
	close(huge);
}

static void wrong_ranges_are_refused(void **state)
{
	int fd = file_of(8 * HUGE, 0);

	(void)state;
	zcs_assert_is(refused(ZCS_BACKING_AUTO, fd, 0, 0), -EINVAL);
	zcs_assert_is(refused(ZCS_BACKING_AUTO, fd, 4096, HUGE), -EINVAL);
	zcs_assert_is(refused(ZCS_BACKING_AUTO, fd, HUGE / 2, HUGE), -EINVAL);
	zcs_assert_is(refused(ZCS_BACKING_AUTO, fd, 0, 4096), -EINVAL);
	zcs_assert_is(refused(ZCS_BACKING_AUTO, fd, 0, HUGE + 4096), -EINVAL);
	zcs_assert_is(refused(ZCS_BACKING_AUTO, fd, 0, 9 * HUGE), -EINVAL);
	zcs_assert_is(refused(ZCS_BACKING_AUTO, fd, 8 * HUGE, HUGE), -EINVAL);
	zcs_assert_is(refused(ZCS_BACKING_AUTO, fd, 7 * HUGE, 2 * HUGE), -EINVAL);
	zcs_assert_is(refused(ZCS_BACKING_AUTO, fd, -HUGE, HUGE), -EINVAL);
	zcs_assert_is(refused(ZCS_BACKING_AUTO, fd, -HUGE, 2 * HUGE), -EINVAL);
	zcs_assert_is(refused(ZCS_BACKING_AUTO, fd, 0, -HUGE), -EINVAL);
	zcs_assert_is(size_of(fd), (int64_t)(8 * HUGE));
	zcs_assert_is(zcs_test_fd_bytes(fd), 0);
	close(fd);
}

static void more_than_4_tib_is_refused(void **state)
{
	int fd = memfd_create("outside", MFD_CLOEXEC);
	const uint64_t tib = UINT64_C(1) << 40;

	(void)state;
	assert_true(fd >= 0);
	zcs_assert_ok(ftruncate(fd, (off_t)(8 * tib)));
	zcs_assert_is(refused(ZCS_BACKING_AUTO, fd, 0, 4 * tib + HUGE), -EINVAL);
	close(fd);
}

/* Also on a machine of several nodes, which divides the page numbers of other pools among them. */
static void as_much_as_4_tib_is_accepted(void **state)
{
	const uint64_t tib = UINT64_C(1) << 40;
	int fd = memfd_create("outside", MFD_CLOEXEC);
	struct zcs_pool *pool = NULL;
	void *probe =
		mmap(NULL, 12 * tib, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	(void)state;
	if (probe == MAP_FAILED || getenv("ZCSWAP_ARENA_BYTES"))
		zcs_test_skip_case("no address space for 8 TiB of maps");
	munmap(probe, 12 * tib);
	zcs_assert_ok(ftruncate(fd, (off_t)(4 * tib)));
	for (int nodes = 0; nodes <= 2; nodes += 2) {
		zcs_sys_fake_nodes(nodes, 0);
		zcs_assert_ok(zcs_pool_create_from_fd(NULL, fd, 0, 4 * tib, &pool));
		zcs_folio_put(zcs_test_folio(pool, 9));
		zcs_test_pool_is_idle(pool);
		zcs_pool_destroy(pool);
	}
	zcs_sys_fake_nodes(0, 0);
	close(fd);
}

static void what_is_no_memory_file_is_refused(void **state)
{
	int pipes[2], fd;

	(void)state;
	zcs_assert_is(refused(ZCS_BACKING_AUTO, -1, 0, HUGE), -EINVAL);
	zcs_assert_is(refused(ZCS_BACKING_AUTO, 9999, 0, HUGE), -EINVAL);
	zcs_assert_ok(pipe(pipes));
	zcs_assert_is(refused(ZCS_BACKING_AUTO, pipes[0], 0, HUGE), -EOPNOTSUPP);
	close(pipes[0]);
	close(pipes[1]);
	fd = open("/dev/zero", O_RDWR | O_CLOEXEC);
	zcs_assert_is(refused(ZCS_BACKING_AUTO, fd, 0, HUGE), -EOPNOTSUPP);
	close(fd);
	fd = open("/tmp", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	zcs_assert_is(refused(ZCS_BACKING_AUTO, fd, 0, HUGE), -EOPNOTSUPP);
	close(fd);
}

static void a_file_that_cannot_be_written_to_is_refused(void **state)
{
	static const int seals[] = { F_SEAL_WRITE, F_SEAL_FUTURE_WRITE };
	char path[64];
	int fd, again;

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		fd = file_of(HUGE, MFD_ALLOW_SEALING);
		zcs_assert_ok(fcntl(fd, F_ADD_SEALS, seals[i]));
		zcs_assert_is(refused(ZCS_BACKING_AUTO, fd, 0, HUGE), -EOPNOTSUPP);
		close(fd);
	}
	fd = file_of(HUGE, 0);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	again = open(path, O_RDONLY | O_CLOEXEC);
	zcs_assert_is(refused(ZCS_BACKING_AUTO, again, 0, HUGE), -EOPNOTSUPP);
	close(again);
	close(fd);
}

static void a_file_sealed_in_size_alone_is_accepted(void **state)
{
	int fd = file_of(HUGE, MFD_ALLOW_SEALING);
	struct zcs_pool *pool;

	(void)state;
	zcs_assert_ok(fcntl(fd, F_ADD_SEALS, F_SEAL_GROW | F_SEAL_SHRINK));
	pool = zcs_test_pool_from_fd(NULL, fd, 0, HUGE);
	zcs_folio_put(zcs_test_folio(pool, 9));
	zcs_assert_is(zcs_pool_shrink(pool, -1, 1), 512);
	zcs_test_pool_done(pool);
	close(fd);
}

static void parameters_are_checked_as_for_any_pool(void **state)
{
	struct zcs_pool_params params = zcs_test_params(ZCS_BACKING_AUTO, 0, 0);
	int fd = file_of(HUGE, 0);
	struct zcs_pool *pool = NULL;

	(void)state;
	zcs_assert_is(zcs_pool_create_from_fd(NULL, fd, 0, HUGE, NULL), -EINVAL);
	params.flags = 1;
	zcs_assert_is(zcs_pool_create_from_fd(&params, fd, 0, HUGE, &pool), -EINVAL);
	params.flags = 0;
	params.struct_size--;
	zcs_assert_is(zcs_pool_create_from_fd(&params, fd, 0, HUGE, &pool), -EINVAL);
	assert_null(pool);
	close(fd);
}

static void a_step_that_fails_leaves_the_file_closed(void **state)
{
	static const struct {
		const char *point;
		uint64_t calls;
		int result;
	} step[] = { { "alloc_pool", 3, -ENOMEM },
		     { "alloc_arena", 1, -ENOMEM },
		     { "punch_hole", 1, -EOPNOTSUPP },
		     { "mmap", 6, -ENOMEM } };
	int fd = file_of(HUGE, 0), next = dup(fd);

	(void)state;
	close(next);
	for (size_t i = 0; i < sizeof(step) / sizeof(step[0]); i++)
		for (uint64_t at = 0; at < step[i].calls; at++) {
			int now;

			zcs_test_fault(step[i].point, at, 1, 0);
			zcs_assert_is(refused(ZCS_BACKING_AUTO, fd, 0, HUGE), step[i].result);
			now = dup(fd);
			zcs_assert_is(now, next);
			close(now);
		}
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		zcs_test(a_folio_is_the_files_pages),
		zcs_test(what_is_put_is_zero_at_once),
		zcs_test(the_range_is_discarded_and_the_rest_is_not),
		zcs_test(the_size_is_never_changed),
		zcs_test(the_pool_never_grows),
		zcs_test(memory_goes_back_to_the_file),
		zcs_test(the_callers_descriptor_is_its_own),
		zcs_test(backup_and_home_work_as_in_any_pool),
		zcs_test(two_pools_share_a_file),
		zcs_test(hugetlb_files_give_whole_huge_pages_only),
		zcs_test(the_backing_must_be_what_the_file_is),
		zcs_test(wrong_ranges_are_refused),
		zcs_test(more_than_4_tib_is_refused),
		zcs_test(as_much_as_4_tib_is_accepted),
		zcs_test(what_is_no_memory_file_is_refused),
		zcs_test(a_file_that_cannot_be_written_to_is_refused),
		zcs_test(a_file_sealed_in_size_alone_is_accepted),
		zcs_test(parameters_are_checked_as_for_any_pool),
		zcs_test(a_step_that_fails_leaves_the_file_closed),
	};

	return zcs_test_run(tests);
}
