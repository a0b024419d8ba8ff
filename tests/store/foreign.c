/* SPDX-License-Identifier: MIT */
/*
 * An object over a memory file that somebody else owns: ranges of it are inserted, written, punched
 * and taken back, without a pool.
 */
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store_test.h"

#include "store/foreign.h"

#define BYTES (8 * ZCS_TEST_MIB)
#define PAGES (BYTES / ZCS_PAGE_SIZE)
#define HUGE  512u

/* The owner: a file, its own map of it, and the content by pfn; the other side: an object. */
static struct setup {
	int fd;
	char *map;
	struct zcs_store *store;
	struct zcs_foreign *foreign;
	struct zcs_object *o;
} s;

static void open_all(void)
{
	s.fd = memfd_create("foreign", MFD_CLOEXEC);
	assert_true(s.fd >= 0);
	zcs_assert_ok(ftruncate(s.fd, BYTES));
	s.map = mmap(NULL, BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, s.fd, 0);
	assert_true(s.map != MAP_FAILED);
	s.store = store_test_file(64);
	zcs_assert_ok(zcs_foreign_open(s.fd, BYTES, &s.foreign));
	zcs_assert_ok(zcs_foreign_create(s.store, s.foreign, PAGES, &s.o));
}

static void close_all(void)
{
	zcs_assert_ok(zcs_foreign_check(s.o));
	zcs_foreign_destroy(s.o);
	zcs_foreign_close(s.foreign);
	store_test_done(s.store);
	munmap(s.map, BYTES);
	close(s.fd);
}

static char *at(uint64_t pfn)
{
	return s.map + pfn * ZCS_PAGE_SIZE;
}

static uint64_t file_pages(void)
{
	return zcs_test_fd_bytes(s.fd) / ZCS_PAGE_SIZE;
}

static int64_t insert(uint64_t index, uint64_t pfn, uint32_t order, uint32_t nr)
{
	struct zcs_run run = { index, pfn, order, nr };

	return zcs_foreign_insert(s.o, &run, 1, 0);
}

static int64_t take(uint64_t index, uint64_t pfn, uint32_t order, uint32_t nr)
{
	struct zcs_run run = { index, pfn, order, nr };

	return zcs_foreign_take(s.o, &run, 1);
}

static struct zcs_foreign_stats stats(void)
{
	struct zcs_foreign_stats st;

	zcs_foreign_stats(s.o, &st);
	return st;
}

/* 2 huge blocks and 100 pages behind them, written and punched. */
static void write_some(void)
{
	zcs_test_fill(at(0), 7, 0, 2 * HUGE + 100);
	zcs_assert_is(insert(0, 0, 9, 2), 2);
	zcs_assert_is(insert(2 * HUGE, 2 * HUGE, 0, 100), 100);
	zcs_assert_is(stats().resident_pages, 2 * HUGE + 100);
	zcs_assert_is(zcs_foreign_write(s.o, 0, UINT64_MAX, true), 2 * HUGE + 100);
	zcs_assert_is(stats().resident_pages, 0);
	zcs_assert_is(stats().slot_pages, 2 * HUGE + 100);
	zcs_assert_is(file_pages(), 0);
}

static void what_is_written_is_punched_and_comes_back_in_place(void **state)
{
	(void)state;
	open_all();
	write_some();
	zcs_assert_is(take(0, 0, 9, 2), 2);
	zcs_assert_is(take(2 * HUGE, 2 * HUGE, 0, 100), 100);
	assert_true(zcs_test_is(at(0), 7, 0, 2 * HUGE + 100));
	zcs_assert_is(store_test_stats(s.store).used_slots, 0);
	close_all();
}

static void it_may_come_back_elsewhere(void **state)
{
	(void)state;
	open_all();
	write_some();
	zcs_assert_is(take(0, 2 * HUGE, 9, 1), 1);
	assert_true(zcs_test_is(at(2 * HUGE), 7, 0, HUGE));
	zcs_assert_is(take(HUGE, 0, 9, 1), 1);
	assert_true(zcs_test_is(at(0), 7, HUGE, HUGE));
	close_all();
}

static void a_resident_block_is_taken_without_a_read(void **state)
{
	(void)state;
	open_all();
	zcs_test_fill(at(HUGE), 3, 0, HUGE);
	zcs_assert_is(insert(0, HUGE, 9, 1), 1);
	zcs_assert_is(take(0, 2 * HUGE, 9, 1), -EXDEV);
	zcs_assert_is(take(0, HUGE, 9, 1), 1);
	assert_true(zcs_test_is(at(HUGE), 3, 0, HUGE));
	zcs_assert_is(store_test_stats(s.store).writes, 0);
	zcs_assert_is(store_test_stats(s.store).reads, 0);
	close_all();
}

/* Nothing reads a hole, for that would fill it. */
static void a_hole_is_zero_without_io(void **state)
{
	char page[ZCS_PAGE_SIZE];

	(void)state;
	open_all();
	zcs_assert_is(insert(0, 0, 9, 2), 2);
	zcs_assert_ok(zcs_foreign_copy(s.o, 5, page));
	assert_true(zcs_test_is_zero(page, sizeof(page)));
	/* what a read had filled would stay */
	zcs_test_fault("madvise_remove", 0, 0, 0);
	zcs_assert_is(zcs_foreign_write(s.o, 0, UINT64_MAX, true), 2 * HUGE);
	zcs_test_faults_off();
	zcs_assert_is(stats().same_pages, 2 * HUGE);
	zcs_assert_is(store_test_stats(s.store).writes, 0);
	zcs_assert_is(file_pages(), 0);
	memset(at(0), 1, ZCS_PAGE_SIZE);
	zcs_assert_is(take(0, 0, 9, 2), 2);
	assert_true(zcs_test_is_zero(at(0), 2 * HUGE * ZCS_PAGE_SIZE));
	close_all();
}

static void a_page_can_be_copied_wherever_it_is(void **state)
{
	_Alignas(8) char page[ZCS_PAGE_SIZE];

	(void)state;
	open_all();
	write_some();
	zcs_test_fill(at(4 * HUGE - 1), 9, 0, 1);
	zcs_assert_is(insert(PAGES - 1, 4 * HUGE - 1, 0, 1), 1);
	zcs_assert_ok(zcs_foreign_copy(s.o, HUGE + 3, page));
	assert_true(zcs_test_page_is(page, 7, HUGE + 3));
	zcs_assert_ok(zcs_foreign_copy(s.o, PAGES - 1, page));
	assert_true(zcs_test_page_is(page, 9, 0));
	zcs_assert_ok(zcs_foreign_copy(s.o, 3 * HUGE, page));
	assert_true(zcs_test_is_zero(page, sizeof(page)));
	zcs_assert_is(zcs_foreign_copy(s.o, PAGES, page), -EINVAL);
	close_all();
}

static void parts_of_blocks_can_be_dropped(void **state)
{
	(void)state;
	open_all();
	write_some();
	zcs_foreign_drop(s.o, 10, 20);
	zcs_assert_ok(zcs_foreign_check(s.o));
	zcs_assert_is(take(10, 10, 0, 1), -ENOENT);
	zcs_assert_is(take(0, 0, 0, 10), 10);
	assert_true(zcs_test_is(at(0), 7, 0, 10));
	zcs_assert_is(take(30, 30, 0, HUGE - 30), HUGE - 30);
	assert_true(zcs_test_is(at(30), 7, 30, HUGE - 30));
	/* in memory, the bytes stay their owner's */
	zcs_assert_is(insert(0, 30, 1, 2), 2);
	zcs_foreign_drop(s.o, 1, 1);
	zcs_assert_ok(zcs_foreign_check(s.o));
	zcs_assert_is(take(0, 30, 0, 1), 1);
	assert_true(zcs_test_is(at(30), 7, 30, 4));
	close_all();
}

static void what_is_wrong_is_refused(void **state)
{
	(void)state;
	open_all();
	zcs_assert_is(insert(1, 0, 1, 1), -EINVAL);
	zcs_assert_is(insert(0, 1, 1, 1), -EINVAL);
	zcs_assert_is(insert(0, 0, 10, 1), -EINVAL);
	zcs_assert_is(insert(PAGES, 0, 0, 1), -EINVAL);
	zcs_assert_is(insert(0, PAGES, 0, 1), -EINVAL);
	zcs_assert_is(insert(UINT64_MAX - 1, 0, 0, 1), -EINVAL);
	zcs_assert_is(insert(0, 0, 40, 1), -EINVAL);
	zcs_assert_is(insert(0, 0, 1, 1), 1);
	zcs_assert_is(insert(1, 4, 0, 1), -EEXIST);
	zcs_assert_is(insert(4, 0, 0, 1), -EBUSY);
	/* the run ends where it is refused */
	zcs_assert_is(insert(PAGES - 4, 8, 1, 3), 2);
	zcs_assert_is(take(0, 0, 0, 1), -ENOENT);
	zcs_assert_is(take(2, 2, 1, 1), -ENOENT);
	zcs_assert_is(take(0, 0, 1, 2), 1);
	zcs_assert_is(zcs_foreign_write(s.o, 3, 2, false), -EINVAL);
	close_all();
}

static void a_read_that_fails_changes_nothing(void **state)
{
	(void)state;
	open_all();
	write_some();
	zcs_test_fault("read", 1, 1, EIO);
	zcs_assert_is(take(0, 0, 9, 2), 1);
	zcs_test_faults_off();
	zcs_assert_ok(zcs_foreign_check(s.o));
	zcs_assert_is(take(HUGE, HUGE, 9, 1), 1);
	assert_true(zcs_test_is(at(0), 7, 0, 2 * HUGE));
	close_all();
}

/* Of memory that its owner took away; neither the slot nor the device is to blame. */
static void a_write_of_pages_that_are_gone_frees_its_slot(void **state)
{
	struct zcs_store_stats st;

	(void)state;
	open_all();
	zcs_test_fill(at(0), 7, 0, HUGE);
	for (unsigned i = 0; i < 20; i++) {
		zcs_assert_is(i ? 1 : insert(0, 0, 9, 1), 1);
		zcs_test_fault("write", 0, 1, EFAULT);
		zcs_assert_is(zcs_foreign_write(s.o, 0, HUGE - 1, true), -EFAULT);
	}
	zcs_test_faults_off();
	st = store_test_stats(s.store);
	zcs_assert_is(st.used_slots, 0);
	zcs_assert_is(st.retired_slots, 0);
	zcs_assert_is(st.outages, 0);
	zcs_assert_is(zcs_foreign_write(s.o, 0, HUGE - 1, true), HUGE);
	close_all();
}

static struct zcs_object *aged(uint64_t pfn, uint64_t used_ns)
{
	struct zcs_run run = { 0, pfn, 0, 8 };
	struct zcs_object *o;

	zcs_assert_ok(zcs_foreign_create(s.store, s.foreign, 8, &o));
	zcs_test_fill(at(pfn), pfn, 0, 8);
	zcs_assert_is(zcs_foreign_insert(o, &run, 1, used_ns), 8);
	return o;
}

static uint64_t resident(struct zcs_object *o)
{
	struct zcs_foreign_stats st;

	zcs_object_drain(o);
	zcs_foreign_stats(o, &st);
	return st.resident_pages;
}

static void a_store_is_shrunk_oldest_first(void **state)
{
	struct zcs_object *o[3];

	(void)state;
	open_all();
	o[0] = aged(0, 300);
	o[1] = aged(8, 100);
	o[2] = aged(16, 200);
	zcs_assert_is(zcs_store_shrink(s.store, 8, 99), 0);
	zcs_assert_is(zcs_store_shrink(s.store, 8, UINT64_MAX), 8);
	zcs_assert_is(resident(o[1]), 0);
	zcs_assert_is(resident(o[0]) + resident(o[2]), 16);
	zcs_assert_is(zcs_store_shrink(s.store, UINT64_MAX, 200), 8);
	zcs_assert_is(resident(o[2]), 0);
	zcs_assert_is(resident(o[0]), 8);
	zcs_assert_is(zcs_store_shrink(s.store, 1, UINT64_MAX), 8);
	zcs_assert_is(resident(o[0]), 0);
	for (unsigned i = 0; i < 3; i++)
		zcs_foreign_destroy(o[i]);
	close_all();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		store_test(what_is_written_is_punched_and_comes_back_in_place),
		store_test(it_may_come_back_elsewhere),
		store_test(a_resident_block_is_taken_without_a_read),
		store_test(a_hole_is_zero_without_io),
		store_test(a_page_can_be_copied_wherever_it_is),
		store_test(parts_of_blocks_can_be_dropped),
		store_test(what_is_wrong_is_refused),
		store_test(a_read_that_fails_changes_nothing),
		store_test(a_write_of_pages_that_are_gone_frees_its_slot),
		store_test(a_store_is_shrunk_oldest_first),
	};

	setenv("ZCSWAP_LOG", "off", 1);
	return zcs_test_run(tests);
}
