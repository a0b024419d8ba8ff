/* SPDX-License-Identifier: MIT */
/*
 * The maps of an arena are not inherited by fork(): a child that touched them would fill or change
 * pages that the parent's pool owns. Nor are they written to core files: that would read every
 * hole.
 */
#include <signal.h>

#include "zcs_test.h"

static struct zcs_pool *pool;
static struct zcs_folio *folio;
static struct zcs_tt *tt;

static void open_all(enum zcs_backing backing)
{
	pool = zcs_test_pool(backing, 0, 0);
	folio = zcs_test_folio(pool, 9);
	zcs_test_fill_folio(folio, 1);
	zcs_assert_ok(zcs_tt_create(pool, 512, ZCS_TT_CONTIGUOUS, &tt));
	zcs_assert_ok(zcs_tt_populate(tt, NULL));
	zcs_test_fill(zcs_tt_address(tt), 2, 0, 512);
}

static void close_all(void)
{
	assert_true(zcs_test_folio_is(folio, 1));
	assert_true(zcs_test_is(zcs_tt_address(tt), 2, 0, 512));
	zcs_folio_put(folio);
	zcs_test_tt_done(tt);
	zcs_test_pool_done(pool);
}

static void look_for_maps(void *arg)
{
	(void)arg;
	zcs_assert_is(zcs_test_smaps(zcs_folio_address(folio), 1, "Size"), 0);
	zcs_assert_is(zcs_test_smaps(zcs_tt_address(tt), 1, "Size"), 0);
}

static void touch(void *addr)
{
	*(volatile char *)addr = 1;
}

static void expect_segv(void *addr)
{
	struct zcs_test_child c = zcs_test_in_child(touch, addr, 30);

	if (c.signal != SIGSEGV)
		fail_msg("status %d, signal %d:\n%s", c.status, c.signal, c.out);
}

static void a_child_has_neither_map(void **state)
{
	(void)state;
	zcs_test_for_each_backing(b)
	{
		struct zcs_test_child c;

		open_all(b);
		c = zcs_test_in_child(look_for_maps, NULL, 30);
		zcs_test_child_passed(&c);
		close_all();
	}
}

static void a_child_that_touches_them_gets_a_signal(void **state)
{
	(void)state;
	zcs_test_for_each_backing(b)
	{
		open_all(b);
		expect_segv(zcs_folio_address(folio));
		expect_segv(zcs_tt_address(tt));
		close_all();
	}
}

/* Every mapping of the range has the flag. */
static bool has_flag(const void *addr, const char *flag)
{
	unsigned long long from = 0, to = 0;
	bool found = false;
	char line[512];
	FILE *f = fopen("/proc/self/smaps", "re");

	assert_non_null(f);
	while (fgets(line, sizeof(line), f)) {
		unsigned long long a, b;

		if (sscanf(line, "%llx-%llx ", &a, &b) == 2) {
			from = a;
			to = b;
		} else if (!strncmp(line, "VmFlags:", 8) && from <= (uintptr_t)addr &&
			   to > (uintptr_t)addr) {
			found = strstr(line, flag) != NULL;
		}
	}
	fclose(f);
	return found;
}

static void the_maps_stay_out_of_core_files(void **state)
{
	(void)state;
	open_all(ZCS_BACKING_SMALL);
	assert_true(has_flag(zcs_folio_address(folio), " dd"));
	assert_true(has_flag(zcs_tt_address(tt), " dd"));
	assert_true(has_flag(zcs_folio_address(folio), " dc"));
	assert_true(has_flag(zcs_tt_address(tt), " dc"));
	close_all();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		zcs_test(a_child_has_neither_map),
		zcs_test(a_child_that_touches_them_gets_a_signal),
		zcs_test(the_maps_stay_out_of_core_files),
	};

	if (zcs_test_under_valgrind())
		zcs_test_skip("valgrind does not end a child that touches what is not mapped");
	return zcs_test_run(tests);
}
