/* SPDX-License-Identifier: MIT */
/*
 * Memory of a file of the program goes back through the mapping, which asks no other process if the
 * file is one of a FUSE mount. It goes by fallocate() where that is refused, and is zeroed where
 * both are.
 */
#include <linux/memfd.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "zcs_test.h"

#define BYTES	(4 * ZCS_TEST_HUGE_BYTES)
#define COUNTED UINT64_MAX /* a fault that is armed to count, and never fails */

struct outside {
	int fd;
	struct zcs_pool *pool;
};

static uint64_t bytes_in_file(const struct outside *o)
{
	struct stat st;

	zcs_assert_ok(fstat(o->fd, &st));
	return (uint64_t)st.st_blocks * 512;
}

/* A file whose pool has one cached folio in it, which was written to; its address. */
static void *setup(struct outside *o, unsigned memfd_flags, unsigned order)
{
	void *address;

	struct zcs_folio *folio;

	o->fd = memfd_create("outside", MFD_CLOEXEC | memfd_flags);
	assert_true(o->fd >= 0);
	zcs_assert_ok(ftruncate(o->fd, (off_t)BYTES));
	o->pool = zcs_test_pool_from_fd(NULL, o->fd, 0, BYTES);
	folio = zcs_test_folio(o->pool, order);
	zcs_test_fill_folio(folio, 1);
	address = zcs_folio_address(folio);
	zcs_folio_put(folio);
	assert_true(bytes_in_file(o));
	return address;
}

static void done(struct outside *o)
{
	zcs_test_faults_off();
	zcs_test_pool_done(o->pool);
	close(o->fd);
}

static void give_back(struct outside *o, unsigned order)
{
	zcs_assert_is(zcs_pool_shrink(o->pool, -1, 1), INT64_C(1) << order);
	zcs_test_pool_ok(o->pool);
}

static void through_the_mapping(unsigned memfd_flags, unsigned order)
{
	struct outside o;

	setup(&o, memfd_flags, order);
	zcs_test_fault("punch_hole", COUNTED, 0, 0);
	give_back(&o, order);
	zcs_assert_is(zcs_test_fault_calls("punch_hole"), 0);
	zcs_assert_is(bytes_in_file(&o), 0);
	done(&o);
}

static void by_fallocate(unsigned memfd_flags, unsigned order)
{
	struct outside o;

	setup(&o, memfd_flags, order);
	zcs_test_fault("madvise_remove", 0, 0, 0);
	zcs_test_fault("punch_hole", COUNTED, 0, 0);
	give_back(&o, order);
	assert_true(zcs_test_fault_failed("madvise_remove") > 0);
	assert_true(zcs_test_fault_calls("punch_hole") > 0);
	zcs_assert_is(bytes_in_file(&o), 0);
	zcs_assert_is(zcs_test_counter(o.pool, ZCS_COUNT_PUNCH_FAILED), 0);
	done(&o);
}

static void by_neither(unsigned memfd_flags, unsigned order)
{
	struct zcs_folio *folio;
	struct outside o;

	setup(&o, memfd_flags, order);
	zcs_test_fault("madvise_remove", 0, 0, 0);
	zcs_test_fault("punch_hole", 0, 0, 0);
	give_back(&o, order);
	zcs_test_faults_off();
	zcs_assert_is(zcs_test_counter(o.pool, ZCS_COUNT_PUNCH_FAILED), 1);
	folio = zcs_test_folio(o.pool, order);
	assert_true(zcs_test_folio_is_zero(folio));
	zcs_folio_put(folio);
	done(&o);
}

static void for_each_file(void (*check)(unsigned memfd_flags, unsigned order))
{
	check(0, 0);
	check(0, 9);
	if (zcs_test_hugetlb_free())
		check(MFD_HUGETLB | MFD_HUGE_2MB, 9);
}

static void memory_goes_back_through_the_mapping(void **state)
{
	(void)state;
	for_each_file(through_the_mapping);
}

static void fallocate_does_it_where_that_is_refused(void **state)
{
	(void)state;
	for_each_file(by_fallocate);
}

static void zeros_are_left_where_both_are_refused(void **state)
{
	(void)state;
	for_each_file(by_neither);
}

/* The kernel refuses it by itself where the mapping is locked. */
static void locked_memory_is_given_back(void **state)
{
	struct outside o;
	void *address;

	(void)state;
	address = setup(&o, 0, 0);
	/* by the call itself: ASan and TSan have a mlock() that does nothing */
	zcs_assert_ok(syscall(SYS_mlock, address, ZCS_PAGE_SIZE));
	zcs_test_fault("punch_hole", COUNTED, 0, 0);
	give_back(&o, 0);
	assert_true(zcs_test_fault_calls("punch_hole") > 0);
	zcs_assert_is(bytes_in_file(&o), 0);
	done(&o);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		zcs_test(memory_goes_back_through_the_mapping),
		zcs_test(fallocate_does_it_where_that_is_refused),
		zcs_test(zeros_are_left_where_both_are_refused),
		zcs_test(locked_memory_is_given_back),
	};

	return zcs_test_run(tests);
}
