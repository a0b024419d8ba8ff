/* SPDX-License-Identifier: MIT */
/*
 * Transfers that go wrong in ways that can be mended: short ones, interrupted ones, a ring that is
 * full, refused or lost, an O_DIRECT that is refused, a file that is truncated. The content is
 * right in the end, or the caller has an error and the entry.
 */
#include <unistd.h>

#include "store_test.h"

#define NR    24u
#define ORDER 5u
#define PAGES (NR << ORDER)

struct setting {
	struct zcs_pool *pool;
	struct zcs_store *store;
	struct zcs_backup *backup;
};

static void start(struct setting *s, struct zcs_store *store)
{
	s->pool = zcs_test_pool(ZCS_BACKING_SMALL, 0, 1);
	s->store = store;
	s->backup = zcs_test_backup(s->store, PAGES);
	for (uint64_t i = 0; i < NR; i++)
		store_test_insert(s->backup, s->pool, 1, i << ORDER, ORDER, 0);
}

static void out_and_back(struct setting *s)
{
	struct zcs_take vec[NR];

	store_test_writeback(s->backup, 0, PAGES - 1);
	zcs_assert_is(zcs_test_arena_bytes(), 0);
	for (uint64_t i = 0; i < PAGES; i += 53)
		store_test_copy(s->backup, 1, i);
	for (unsigned i = 0; i < NR; i++)
		vec[i].handle = zcs_handle_from_index(i << ORDER);
	zcs_assert_is(zcs_backup_take_folios(s->backup, vec, NR, s->pool), NR);
	for (unsigned i = 0; i < NR; i++) {
		assert_true(
			zcs_test_is(zcs_folio_address(vec[i].folio), 1, i << ORDER, 1u << ORDER));
		zcs_folio_put(vec[i].folio);
	}
	zcs_assert_is(store_test_stats(s->store).used_slots, 0);
}

static void finish(struct setting *s)
{
	zcs_test_faults_off();
	store_test_backup_done(s->backup, s->pool);
	store_test_done(s->store);
	zcs_test_pool_done(s->pool);
}

static void short_ones(void **state)
{
	struct zcs_store_stats st;
	struct setting s;

	(void)state;
	start(&s, store_test_file(8));
	zcs_test_fault_every("short_write", 2);
	zcs_test_fault_every("short_read", 2);
	out_and_back(&s);
	st = store_test_stats(s.store);
	assert_true(st.short_transfers >= NR / 2);
	zcs_assert_is(st.write_errors + st.read_errors, 0);
	zcs_assert_is(st.written_bytes, PAGES * ZCS_PAGE_SIZE);
	finish(&s);
}

static void interrupted_ones(void **state)
{
	static const int errors[] = { EINTR, EAGAIN };

	(void)state;
	for (int i = 0; i < 2; i++) {
		struct zcs_fault_attr attr = { .struct_size = sizeof(attr),
					       .interval = 2,
					       .error = errors[i] };
		struct setting s;

		start(&s, store_test_file(8));
		zcs_assert_ok(zcs_fault_set("write", &attr));
		zcs_assert_ok(zcs_fault_set("read", &attr));
		out_and_back(&s);
		assert_true(store_test_stats(s.store).retries >= NR);
		zcs_assert_is(store_test_stats(s.store).write_errors, 0);
		zcs_assert_is(store_test_stats(s.store).retired_slots, 0);
		finish(&s);
	}
}

static void a_ring_that_is_full(void **state)
{
	struct setting s;

	(void)state;
	start(&s, store_test_file(8));
	zcs_test_fault_every("uring_full", 2);
	zcs_test_fault_every("uring_submit", 3);
	out_and_back(&s);
	zcs_assert_is(store_test_stats(s.store).io_uring, true);
	finish(&s);
}

static void said(struct zcs_store *store, const char *text)
{
	char line[1024];

	assert_true(zcs_store_dump(store, line, sizeof(line)) > 0);
	store_test_log_has(line, text);
}

static void a_ring_that_is_refused(void **state)
{
	struct setting s;

	(void)state;
	zcs_test_fault("uring_setup", 0, 0, EPERM);
	start(&s, store_test_file(8));
	zcs_assert_is(store_test_stats(s.store).io_uring, false);
	said(s.store, "threads, io_uring forbidden");
	out_and_back(&s);
	finish(&s);
}

static void a_ring_that_is_lost(void **state)
{
	struct setting s;

	(void)state;
	start(&s, store_test_file(8));
	zcs_assert_is(store_test_stats(s.store).io_uring, true);
	zcs_test_fault("uring_submit", 3, 0, ENODEV);
	store_test_log_start();
	out_and_back(&s);
	store_test_log_end();
	zcs_assert_is(store_test_stats(s.store).io_uring, false);
	zcs_test_faults_off();
	for (uint64_t i = 0; i < NR; i++)
		store_test_insert(s.backup, s.pool, 1, i << ORDER, ORDER, 0);
	out_and_back(&s);
	finish(&s);
}

static void direct_io_that_is_refused(void **state)
{
	struct setting s;

	(void)state;
	zcs_test_fault("open_direct", 0, 0, 0);
	start(&s, store_test_file(8));
	zcs_assert_is(store_test_stats(s.store).buffered_devices, 1);
	said(s.store, "buffered");
	out_and_back(&s);
	finish(&s);
}

/*
 * Reads are errors and nothing is lost but what the file lost; the rest, and what comes later, is
 * well.
 */
static void a_file_that_is_truncated(void **state)
{
	const char *path = store_test_path();
	struct setting s;
	unsigned bad = 0;

	(void)state;
	start(&s, store_test_open("file:%s?size=8M&keep=1", path));
	store_test_writeback(s.backup, 0, PAGES - 1);
	zcs_assert_ok(truncate(path, (off_t)(PAGES / 2 * ZCS_PAGE_SIZE)));
	store_test_log_start();
	for (uint64_t i = NR; i-- > 0;) {
		struct zcs_folio *folio = NULL;
		int err = zcs_backup_take_folio(s.backup, zcs_handle_from_index(i << ORDER), s.pool,
						&folio);

		bad += err == -EIO;
		assert_true(!err || err == -EIO);
		if (folio)
			assert_true(
				zcs_test_is(zcs_folio_address(folio), 1, i << ORDER, 1u << ORDER));
		zcs_folio_put(folio);
	}
	zcs_assert_is(bad, NR / 2);
	zcs_assert_is(store_test_stats(s.store).read_errors, NR / 2);
	zcs_assert_is(store_test_backup_stats(s.backup).slot_pages, PAGES / 2);
	zcs_backup_drop(s.backup, 1, 9);
	zcs_assert_ok(zcs_backup_check(s.backup));
	store_test_log_end();
	zcs_assert_ok(zcs_store_check(s.store));
	finish(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		store_test_both(short_ones),
		store_test_both(interrupted_ones),
		store_test_uring(a_ring_that_is_full),
		store_test_uring(a_ring_that_is_refused),
		store_test_uring(a_ring_that_is_lost),
		store_test_both(direct_io_that_is_refused),
		store_test_both(a_file_that_is_truncated),
	};

	return zcs_test_run(tests);
}
