/* SPDX-License-Identifier: MIT */
/*
 * Swapping out needs no memory: insertion, single and by vector, works while every allocation of
 * the process and every system call that gets memory fails, and takes no page from the kernel. The
 * allocator is wrapped by the linker (-Wl,--wrap).
 */
#include "zcs_test.h"
#include "zcs_test_malloc.h"

/* Every way to memory that has a name. */
static void arm(void)
{
	static const char *const points[] = { "memfd_create", "ftruncate", "mmap", "fallocate",
					      "madvise_populate_write" };

	for (unsigned i = 0; zcs_fault_name(i); i++)
		if (!strncmp(zcs_fault_name(i), "alloc_", 6))
			zcs_test_fault(zcs_fault_name(i), 0, 0, 0);
	for (size_t i = 0; i < sizeof(points) / sizeof(points[0]); i++)
		zcs_test_fault(points[i], 0, 0, 0);
}

#define NR 100u

struct fixture {
	struct zcs_pool *pool;
	struct zcs_store *store;
	struct zcs_backup *backup;
	struct zcs_insert vec[NR];
	struct zcs_take take[NR];
};

static void open_all(struct fixture *f, unsigned order)
{
	uint64_t pages = UINT64_C(1) << order;

	f->pool = zcs_test_pool(ZCS_BACKING_SMALL, 0, 0);
	f->store = zcs_test_store();
	f->backup = zcs_test_backup(f->store, NR * pages);
	for (unsigned i = 0; i < NR; i++) {
		f->vec[i] = (struct zcs_insert){ .folio = zcs_test_folio(f->pool, order),
						 .index = i * pages,
						 .order = order };
		f->take[i].handle = zcs_handle_from_index(i * pages);
	}
}

static void close_all(struct fixture *f)
{
	for (unsigned i = 0; i < NR; i++)
		zcs_folio_put(f->take[i].folio);
	zcs_test_backup_done(f->backup);
	zcs_test_store_done(f->store);
	zcs_test_pool_done(f->pool);
}

static void without_memory(unsigned order)
{
	struct fixture f;
	int64_t inserted, taken, single;
	unsigned before;

	open_all(&f, order);
	arm();
	before = zcs_test_mallocs();
	zcs_test_malloc_refuse(true);
	single = zcs_backup_insert_folio(f.backup, f.vec[0].folio, order, 0, 0);
	inserted = zcs_backup_insert_folios(f.backup, f.vec + 1, NR - 1, 0);
	taken = zcs_backup_take_folios(f.backup, f.take, NR, f.pool);
	zcs_test_malloc_refuse(false);
	zcs_assert_is(zcs_test_mallocs() - before, 0);
	zcs_test_faults_off();
	zcs_assert_is(single, 1);
	zcs_assert_is(inserted, NR - 1);
	zcs_assert_is(taken, NR);
	close_all(&f);
}

static void case_57_inserting_and_taking_work_without_memory(void **state)
{
	(void)state;
	for (unsigned order = 0; order <= ZCS_MAX_ORDER; order += 3)
		without_memory(order);
}

static void case_57_the_wrapped_allocator_is_the_librarys(void **state)
{
	struct zcs_store *store = NULL;
	struct zcs_pool *pool = NULL;
	unsigned before = zcs_test_mallocs();

	(void)state;
	zcs_test_malloc_refuse(true);
	zcs_assert_is(zcs_store_open("mem:", &store), -ENOMEM);
	zcs_assert_is(zcs_pool_create(NULL, &pool), -ENOMEM);
	zcs_test_malloc_refuse(false);
	assert_true(zcs_test_mallocs() - before >= 2);
}

static void case_57_no_data_page_is_taken(void **state)
{
	struct fixture f;
	uint64_t bytes, resident;

	(void)state;
	open_all(&f, 9);
	bytes = zcs_test_arena_bytes();
	resident = zcs_test_stats(f.pool).resident_pages;
	zcs_assert_is(zcs_backup_insert_folios(f.backup, f.vec, NR, 0), NR);
	zcs_assert_is(zcs_test_arena_bytes(), (int64_t)bytes);
	zcs_assert_is(zcs_test_stats(f.pool).resident_pages, (int64_t)resident);
	zcs_assert_is(zcs_test_stats(f.pool).counters[ZCS_COUNT_ALLOC_NEW], NR);
	zcs_assert_is(zcs_backup_take_folios(f.backup, f.take, NR, f.pool), NR);
	zcs_assert_is(zcs_test_arena_bytes(), (int64_t)bytes);
	close_all(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		zcs_test(case_57_inserting_and_taking_work_without_memory),
		zcs_test(case_57_the_wrapped_allocator_is_the_librarys),
		zcs_test(case_57_no_data_page_is_taken),
	};

	return zcs_test_run(tests);
}
