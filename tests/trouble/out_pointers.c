/* SPDX-License-Identifier: MIT */
/*
 * A call that fails does not touch the variable in which it would have put its result: ownership
 * moves on success only, and what the caller held there it still holds. Every call that makes
 * something, with each fault point.
 */
#include <sys/mman.h>
#include <unistd.h>

#include "zcs_test.h"

#define CALLS_MAX 64u
#define WAS	  ((void *)(uintptr_t)0x5a5a5a5a)

static struct zcs_pool *pool;
static struct zcs_store *store;
static struct zcs_backup *backup;
static struct zcs_device *device;
static int fd;

/* -- what stands around a call, made without faults */

static void none(void)
{
}

static void open_file(void)
{
	fd = memfd_create("outside", MFD_CLOEXEC);
	assert_true(fd >= 0);
	zcs_assert_ok(ftruncate(fd, (off_t)ZCS_TEST_HUGE_BYTES));
}

static void close_file(void)
{
	close(fd);
}

static void make_pool(void)
{
	pool = zcs_test_pool(ZCS_BACKING_SMALL, 0, 0);
}

static void end_pool(void)
{
	zcs_test_pool_done(pool);
}

static void make_store(void)
{
	store = zcs_test_store();
}

static void end_store(void)
{
	zcs_test_store_done(store);
}

static void make_backup(void)
{
	struct zcs_folio *folio;

	make_pool();
	zcs_assert_ok(zcs_store_open("file:?size=4M", &store));
	backup = zcs_test_backup(store, 64);
	folio = zcs_test_folio(pool, 2);
	zcs_test_fill_folio(folio, 1);
	assert_true(zcs_backup_insert_folio(backup, folio, 2, 0, 0) > 0);
	assert_true(zcs_backup_writeback(backup, 0, 63, ZCS_WB_WAIT) >= 0);
}

static void end_backup(void)
{
	zcs_test_backup_done(backup);
	end_store();
	end_pool();
}

static void make_device(void)
{
	zcs_assert_ok(zcs_device_create(NULL, &device));
}

static void end_device(void)
{
	zcs_device_destroy(device);
}

/* -- the calls, and how their results end */

#define MAKER(name, type, call, end)         \
	static int name(void **out)          \
	{                                    \
		return call;                 \
	}                                    \
	static void end_##name(void *result) \
	{                                    \
		end((type *)result);         \
	}

#define OUT(type) ((type **)(void *)out)

MAKER(a_pool, struct zcs_pool, zcs_pool_create(NULL, OUT(struct zcs_pool)), zcs_pool_destroy)
MAKER(a_pool_from_fd, struct zcs_pool,
      zcs_pool_create_from_fd(NULL, fd, 0, ZCS_TEST_HUGE_BYTES, OUT(struct zcs_pool)),
      zcs_pool_destroy)
MAKER(a_folio, struct zcs_folio, zcs_folio_alloc(pool, 0, 0, OUT(struct zcs_folio)), zcs_folio_put)
MAKER(a_store, struct zcs_store, zcs_store_open("mem:", OUT(struct zcs_store)), zcs_store_close)
MAKER(a_file, struct zcs_store, zcs_store_open("file:?size=4M", OUT(struct zcs_store)),
      zcs_store_close)
MAKER(a_backup, struct zcs_backup, zcs_backup_create(store, 600, OUT(struct zcs_backup)),
      zcs_backup_destroy)
MAKER(a_taken_folio, struct zcs_folio,
      zcs_backup_take_folio(backup, 1, pool, OUT(struct zcs_folio)), zcs_folio_put)
MAKER(a_tt, struct zcs_tt, zcs_tt_create(pool, 600, ZCS_TT_CONTIGUOUS, OUT(struct zcs_tt)),
      zcs_tt_destroy)
MAKER(a_device, struct zcs_device, zcs_device_create(NULL, OUT(struct zcs_device)),
      zcs_device_destroy)
MAKER(a_bo, struct zcs_bo, zcs_bo_create(device, 4096, NULL, OUT(struct zcs_bo)), zcs_bo_put)
MAKER(a_bulk, struct zcs_bulk, zcs_bulk_create(device, OUT(struct zcs_bulk)), zcs_bulk_destroy)

#define USES(name, before, after)                      \
	{                                              \
#name, name, end_##name, before, after \
	}

static const struct maker {
	const char *name;
	int (*make)(void **out);
	void (*end)(void *result);
	void (*before)(void), (*after)(void);
} makers[] = {
	USES(a_pool, none, none),
	USES(a_pool_from_fd, open_file, close_file),
	USES(a_folio, make_pool, end_pool),
	USES(a_store, none, none),
	USES(a_file, none, none),
	USES(a_backup, make_store, end_store),
	USES(a_taken_folio, make_backup, end_backup),
	USES(a_tt, make_pool, end_pool),
	USES(a_device, none, none),
	USES(a_bo, make_device, end_device),
	USES(a_bulk, make_device, end_device),
};

/* Whether the call's pass number @space of the point failed. */
static bool fails_at(const struct maker *m, const char *point, uint64_t space, unsigned *errors)
{
	void *out = WAS;
	uint64_t failed;
	int err;

	m->before();
	zcs_test_fault(point, space, 1, 0);
	err = m->make(&out);
	failed = zcs_test_fault_failed(point);
	zcs_test_fault_off(point);
	if (err && out != WAS)
		fail_msg("%s, %s, pass %u: %d, and the variable is %p", m->name, point,
			 (unsigned)space, err, out);
	if (!err)
		m->end(out);
	m->after();
	*errors += err != 0;
	return failed;
}

static void sweep(const struct maker *m)
{
	unsigned errors = 0;
	const char *point;

	for (unsigned i = 0; (point = zcs_fault_name(i)); i++)
		for (uint64_t n = 0; n < CALLS_MAX && fails_at(m, point, n, &errors); n++)
			;
	if (!errors)
		fail_msg("%s never failed", m->name);
}

static void a_failure_leaves_the_variable(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(makers) / sizeof(makers[0]); i++)
		sweep(&makers[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		zcs_test(a_failure_leaves_the_variable),
	};

	return zcs_test_run(tests);
}
