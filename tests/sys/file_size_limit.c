/* SPDX-License-Identifier: MIT */
/*
 * An arena is a file of terabytes, and a process over RLIMIT_FSIZE gets SIGXFSZ from ftruncate():
 * the arena must look at the limit first. Each case is a child with a limit of its own.
 */
#include <sys/resource.h>

#include "zcs_test.h"

static void limit_files(rlim_t bytes)
{
	const struct rlimit r = { bytes, bytes };

	zcs_assert_ok(setrlimit(RLIMIT_FSIZE, &r));
}

static void work_in_64_mib(void *arg)
{
	struct zcs_pool *pool;
	struct zcs_folio *folio;

	(void)arg;
	limit_files(64 * ZCS_TEST_MIB);
	pool = zcs_test_pool(ZCS_BACKING_SMALL, 0, 0);
	folio = zcs_test_folio(pool, 3);
	zcs_assert_is(zcs_test_stats(pool).arena_bytes, 64 * ZCS_TEST_MIB);
	zcs_test_fill_folio(folio, 1);
	zcs_folio_put(folio);
	zcs_test_pool_done(pool);
}

/* Address space for 32 folios of 2 MiB; the 33rd is refused, and there is one again after a put. */
static void use_up_64_mib(void *arg)
{
	struct zcs_folio *folio[33] = { NULL };
	struct zcs_pool *pool;

	(void)arg;
	limit_files(64 * ZCS_TEST_MIB);
	pool = zcs_test_pool(ZCS_BACKING_SMALL, 0, 0);
	for (unsigned i = 0; i < 32; i++)
		folio[i] = zcs_test_folio(pool, 9);
	zcs_assert_is(zcs_folio_alloc(pool, 9, 0, &folio[32]), -ENOMEM);
	zcs_assert_is(zcs_folio_alloc(pool, 0, 0, &folio[32]), -ENOMEM);
	assert_null(folio[32]);
	zcs_test_pool_ok(pool);
	zcs_folio_put(folio[0]);
	folio[0] = zcs_test_folio(pool, 9);
	for (unsigned i = 0; i < 32; i++)
		zcs_folio_put(folio[i]);
	zcs_test_pool_done(pool);
}

static void find_no_room(void *arg)
{
	struct zcs_pool *pool;
	struct zcs_folio *folio = NULL;

	(void)arg;
	limit_files(ZCS_TEST_MIB);
	pool = zcs_test_pool(ZCS_BACKING_AUTO, 0, 0);
	zcs_assert_is(zcs_folio_alloc(pool, 0, 0, &folio), -ENOMEM);
	zcs_assert_is(zcs_folio_alloc(pool, 9, 0, &folio), -ENOMEM);
	assert_null(folio);
	zcs_test_pool_done(pool);
}

static void passes(void (*fn)(void *))
{
	struct zcs_test_child c = zcs_test_in_child(fn, NULL, 60);

	zcs_test_child_passed(&c);
}

static void the_arena_keeps_to_the_limit(void **state)
{
	(void)state;
	passes(work_in_64_mib);
}

static void no_more_address_space_is_enomem(void **state)
{
	(void)state;
	passes(use_up_64_mib);
}

static void a_limit_below_one_huge_page_is_enomem(void **state)
{
	(void)state;
	passes(find_no_room);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		zcs_test(the_arena_keeps_to_the_limit),
		zcs_test(no_more_address_space_is_enomem),
		zcs_test(a_limit_below_one_huge_page_is_enomem),
	};

	return zcs_test_run(tests);
}
