/* SPDX-License-Identifier: MIT */
/*
 * Each wrapper of a system call works, fails with its point's natural error and with any other, and
 * works again: no wrapper shares a point by mistake and none forgets to ask.
 */
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "common/life.h"
#include "sys/sys.h"
#include "zcs_test.h"

#define BYTES (4 * ZCS_TEST_HUGE_BYTES)

static int fd;
static char *map;
static int uffd;

static int close_if(int result)
{
	zcs_sys_close(result);
	return result < 0 ? result : 0;
}

static int memfd(void)
{
	return close_if(zcs_sys_memfd("test", false));
}

static int duplicate(void)
{
	return close_if(zcs_sys_dup(fd));
}

static int resize(void)
{
	return zcs_sys_ftruncate(fd, BYTES);
}

static int map_file(void)
{
	char *p = NULL;
	int err = zcs_sys_map(fd, 0, BYTES, &p);

	zcs_sys_unmap(p, BYTES);
	return err;
}

static int reserve(void)
{
	void *p = NULL;
	int err = zcs_sys_reserve(BYTES, &p);

	if (!err)
		zcs_sys_unmap(p, BYTES);
	return err;
}

static int open_range(void)
{
	return zcs_sys_open_range(map, BYTES);
}

static int allocate(void)
{
	return zcs_sys_fallocate(fd, 0, ZCS_PAGE_SIZE);
}

static int punch(void)
{
	return zcs_sys_punch(fd, 0, ZCS_PAGE_SIZE);
}

static int remove_mapped(void)
{
	return zcs_sys_remove(map, ZCS_PAGE_SIZE);
}

static int populate(void)
{
	return zcs_sys_populate(map, ZCS_PAGE_SIZE);
}

static int zap(void)
{
	return zcs_sys_zap(map, ZCS_PAGE_SIZE);
}

static int wipe_on_fork(void)
{
	void *p = NULL;
	int err = zcs_sys_reserve(ZCS_PAGE_SIZE, &p);

	if (!err)
		err = zcs_life_wipe_on_fork(p, ZCS_PAGE_SIZE);
	zcs_sys_unmap(p, ZCS_PAGE_SIZE);
	return err;
}

static int bind(void)
{
	return zcs_sys_bind(map, BYTES, 0, false);
}

static int open_uffd(void)
{
	bool kernel, wp;

	return close_if(zcs_sys_uffd(&kernel, &wp));
}

static int register_range(void)
{
	return zcs_sys_uffd_register(uffd, map, BYTES, false);
}

/* The second page of the file, which exists and is mapped nowhere, in the registered range. */
static int resolve(void)
{
	char byte = 1;

	if (pwrite(fd, &byte, 1, ZCS_PAGE_SIZE) != 1)
		return -errno;
	return zcs_sys_uffd_continue(uffd, map + ZCS_PAGE_SIZE, ZCS_PAGE_SIZE, ZCS_PAGE_SIZE,
				     false);
}

static int unregister_range(void)
{
	return zcs_sys_uffd_unregister(uffd, map, BYTES);
}

/* A huge page depends on the machine: only the refusal is compared. */
static int collapse(void)
{
	int err = zcs_sys_collapse(map + ZCS_TEST_HUGE_BYTES, ZCS_TEST_HUGE_BYTES);

	return err == -EAGAIN || err == -EIO ? err : 0;
}

static const struct wrapper {
	const char *point;
	int (*call)(void);
	int natural;
	bool needs_uffd;
} wrappers[] = {
	{ "memfd_create", memfd, EMFILE, false },
	{ "dupfd", duplicate, EMFILE, false },
	{ "ftruncate", resize, EFBIG, false },
	{ "mmap", map_file, ENOMEM, false },
	{ "mmap", reserve, ENOMEM, false },
	{ "mprotect", reserve, ENOMEM, false },
	{ "mprotect", open_range, ENOMEM, false },
	{ "fallocate", allocate, ENOSPC, false },
	{ "punch_hole", punch, EIO, false },
	{ "madvise_remove", remove_mapped, EOPNOTSUPP, false },
	{ "madvise_populate_write", populate, EFAULT, false },
	{ "madvise_dontneed", zap, EINVAL, false },
	{ "madvise_collapse", collapse, EAGAIN, false },
	{ "madvise_wipeonfork", wipe_on_fork, EINVAL, false },
	{ "mbind", bind, EPERM, false },
	{ "userfaultfd", open_uffd, EPERM, true },
	{ "uffdio_register", register_range, ENOMEM, true },
	{ "uffdio_continue", resolve, ENOMEM, true },
	{ "uffdio_unregister", unregister_range, ENOMEM, true },
};

static void expect(const struct wrapper *w, int result, const char *when)
{
	int got = w->call();

	if (got != result)
		fail_msg("%s, %s: %d, expected %d", w->point, when, got, result);
}

static void each_fails_by_its_name(void **state)
{
	bool kernel, wp;

	(void)state;
	fd = zcs_sys_memfd("test", false);
	assert_true(fd >= 0);
	zcs_assert_ok(zcs_sys_ftruncate(fd, BYTES));
	zcs_assert_ok(zcs_sys_map(fd, 0, BYTES, &map));
	zcs_assert_ok(zcs_sys_open_range(map, BYTES));
	zcs_assert_ok(zcs_sys_populate(map + ZCS_TEST_HUGE_BYTES, ZCS_PAGE_SIZE));
	uffd = zcs_sys_uffd(&kernel, &wp);
	for (size_t i = 0; i < sizeof(wrappers) / sizeof(wrappers[0]); i++) {
		const struct wrapper *w = &wrappers[i];

		if (w->needs_uffd && uffd < 0)
			continue;
		if (w->call == bind && !zcs_test_may_bind()) {
			print_message("# without mbind: it is forbidden here\n");
			continue;
		}
		zcs_test_fault(w->point, 0, 0, 0);
		expect(w, -w->natural, "its natural error");
		zcs_test_fault(w->point, 0, 0, EIO);
		expect(w, -EIO, "another error");
		zcs_test_fault_off(w->point);
		expect(w, 0, "switched off");
	}
	zcs_sys_close(uffd);
	zcs_sys_unmap(map, BYTES);
	zcs_sys_close(fd);
}

static void memory_of_the_librarys_own_fails_by_name(void **state)
{
	static const struct {
		const char *point;
		enum zcs_fault_id id;
	} points[] = {
		{ "alloc_arena", ZCS_FAULT_ALLOC_ARENA },
		{ "alloc_pool", ZCS_FAULT_ALLOC_POOL },
		{ "alloc_store", ZCS_FAULT_ALLOC_STORE },
		{ "alloc_backup", ZCS_FAULT_ALLOC_BACKUP },
		{ "alloc_tt", ZCS_FAULT_ALLOC_TT },
		{ "alloc_index_node", ZCS_FAULT_ALLOC_NODE },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(points) / sizeof(points[0]); i++) {
		unsigned char *p = zcs_sys_calloc(points[i].id, 3, 5);
		unsigned char *lines = zcs_sys_calloc_lines(points[i].id, 100);

		assert_non_null(p);
		assert_non_null(lines);
		assert_true(zcs_test_is_zero(p, 15));
		assert_true(zcs_test_is_zero(lines, 100));
		zcs_assert_is((uintptr_t)lines % 64, 0);
		free(p);
		free(lines);
		zcs_test_fault(points[i].point, 0, 0, 0);
		assert_null(zcs_sys_calloc(points[i].id, 3, 5));
		assert_null(zcs_sys_calloc_lines(points[i].id, 100));
		zcs_test_faults_off();
	}
}

static void maps_are_aligned_to_huge_pages(void **state)
{
	char *p[8];

	(void)state;
	fd = zcs_sys_memfd("test", false);
	zcs_assert_ok(zcs_sys_ftruncate(fd, BYTES));
	for (size_t i = 0; i < 8; i++) {
		zcs_assert_ok(zcs_sys_map(fd, 0, BYTES, &p[i]));
		zcs_assert_is((uintptr_t)p[i] % ZCS_TEST_HUGE_BYTES, 0);
	}
	for (size_t i = 0; i < 8; i++)
		zcs_sys_unmap(p[i], BYTES);
	zcs_sys_close(fd);
}

static void what_a_file_is_is_told(void **state)
{
	int pipes[2];
	uint64_t bytes = 0;
	size_t page = 0;

	(void)state;
	fd = zcs_sys_memfd("test", false);
	zcs_assert_ok(zcs_sys_ftruncate(fd, 12345));
	zcs_assert_ok(zcs_sys_identify(fd, &page, &bytes));
	zcs_assert_is(page, ZCS_PAGE_SIZE);
	zcs_assert_is(bytes, 12345);
	zcs_sys_close(fd);
	zcs_assert_is(zcs_sys_identify(-1, &page, &bytes), -EINVAL);
	zcs_assert_is(zcs_sys_identify(fd, &page, &bytes), -EINVAL);
	zcs_assert_ok(pipe(pipes));
	zcs_assert_is(zcs_sys_identify(pipes[0], &page, &bytes), -EOPNOTSUPP);
	close(pipes[0]);
	close(pipes[1]);
	fd = zcs_sys_memfd("test", true);
	if (fd < 0)
		zcs_test_skip_case("this kernel has no hugetlb pages of 2 MiB");
	zcs_assert_ok(zcs_sys_identify(fd, &page, &bytes));
	zcs_assert_is(page, ZCS_TEST_HUGE_BYTES);
	zcs_sys_close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		zcs_test(each_fails_by_its_name),
		zcs_test(memory_of_the_librarys_own_fails_by_name),
		zcs_test(maps_are_aligned_to_huge_pages),
		zcs_test(what_a_file_is_is_told),
	};

	return zcs_test_run(tests);
}
