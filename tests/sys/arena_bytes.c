/* SPDX-License-Identifier: MIT */
/*
 * How large an arena is: ZCSWAP_ARENA_BYTES bounds it, a value that is wrong is named and ignored,
 * and where the system refuses the size it is halved.
 */
#include "zcs_test.h"

static uint64_t arena_bytes_with(const char *value)
{
	struct zcs_pool *pool;
	uint64_t bytes;

	setenv("ZCSWAP_ARENA_BYTES", value, 1);
	pool = zcs_test_pool(ZCS_BACKING_SMALL, 0, 0);
	zcs_folio_put(zcs_test_folio(pool, 0));
	bytes = zcs_test_stats(pool).arena_bytes;
	zcs_test_pool_done(pool);
	return bytes;
}

static void the_variable_bounds_the_arena(void **state)
{
	(void)state;
	zcs_assert_is(arena_bytes_with("64M"), 64 * ZCS_TEST_MIB);
	zcs_assert_is(arena_bytes_with("2G"), 2048 * ZCS_TEST_MIB);
	zcs_assert_is(arena_bytes_with("4096K"), 4 * ZCS_TEST_MIB);
	zcs_assert_is(arena_bytes_with("8388608"), 8 * ZCS_TEST_MIB);
}

static void a_size_is_rounded_down_to_whole_huge_pages(void **state)
{
	(void)state;
	zcs_assert_is(arena_bytes_with("7M"), 6 * ZCS_TEST_MIB);
}

static void print_arena_bytes(void *value)
{
	printf("arena of %" PRIu64 " bytes\n", arena_bytes_with(value));
}

/* In a child, whose messages are seen. The arena is as large as the machine has it: over 2 GiB. */
static void expect_ignored(const char *value)
{
	struct zcs_test_child c =
		zcs_test_in_child(print_arena_bytes, (void *)(uintptr_t)value, 60);
	const char *told = strstr(c.out, "arena of ");
	char text[80];

	zcs_test_child_passed(&c);
	snprintf(text, sizeof(text), "ZCSWAP_ARENA_BYTES: \"%s\" ignored", value);
	if (!strstr(c.out, text) || !told || strtoull(told + 9, NULL, 10) < UINT64_C(1) << 31)
		fail_msg("wanted \"%s\", got:\n%s", text, c.out);
}

static void a_wrong_value_is_named_and_ignored(void **state)
{
	(void)state;
	expect_ignored("a lot");
	expect_ignored("64MB");
	expect_ignored("1M");
	expect_ignored("0");
	expect_ignored("64Q");
}

static void a_refused_size_is_halved(void **state)
{
	struct zcs_pool *pool;

	(void)state;
	setenv("ZCSWAP_ARENA_BYTES", "16G", 1);
	pool = zcs_test_pool(ZCS_BACKING_SMALL, 0, 0);
	zcs_test_fault("ftruncate", 0, 2, 0);
	zcs_folio_put(zcs_test_folio(pool, 0));
	zcs_assert_is(zcs_test_fault_failed("ftruncate"), 2);
	zcs_assert_is(zcs_test_stats(pool).arena_bytes, (int64_t)4 << 30);
	zcs_test_pool_done(pool);
}

static void a_map_that_is_refused_is_halved_too(void **state)
{
	struct zcs_pool *pool;

	(void)state;
	setenv("ZCSWAP_ARENA_BYTES", "16G", 1);
	for (uint64_t at = 0; at < 4; at++) {
		pool = zcs_test_pool(ZCS_BACKING_SMALL, 0, 0);
		zcs_test_fault("mmap", at, 1, 0);
		zcs_folio_put(zcs_test_folio(pool, 0));
		zcs_assert_is(zcs_test_fault_failed("mmap"), 1);
		zcs_assert_is(zcs_test_stats(pool).arena_bytes, (int64_t)8 << 30);
		zcs_test_pool_done(pool);
	}
}

static void below_4_gib_nothing_is_halved(void **state)
{
	struct zcs_pool *pool;
	struct zcs_folio *folio = NULL;

	(void)state;
	setenv("ZCSWAP_ARENA_BYTES", "16G", 1);
	pool = zcs_test_pool(ZCS_BACKING_SMALL, 0, 0);
	zcs_test_fault("ftruncate", 0, 0, 0);
	zcs_assert_is(zcs_folio_alloc(pool, 0, 0, &folio), -ENOMEM);
	/* 16, 8 and 4 GiB */
	zcs_assert_is(zcs_test_fault_failed("ftruncate"), 3);
	zcs_test_pool_done(pool);
}

static void every_step_of_making_an_arena_may_fail(void **state)
{
	static const char *const points[] = { "alloc_arena", "memfd_create", "ftruncate", "mmap" };

	(void)state;
	for (size_t i = 0; i < sizeof(points) / sizeof(points[0]); i++) {
		struct zcs_pool *pool = zcs_test_pool(ZCS_BACKING_SMALL, 0, 0);
		struct zcs_folio *folio = NULL;

		zcs_test_fault(points[i], 0, 0, 0);
		zcs_assert_is(zcs_folio_alloc(pool, 0, 0, &folio), -ENOMEM);
		assert_null(folio);
		zcs_test_faults_off();
		zcs_folio_put(zcs_test_folio(pool, 0));
		zcs_test_pool_done(pool);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		zcs_test(the_variable_bounds_the_arena),
		zcs_test(a_size_is_rounded_down_to_whole_huge_pages),
		zcs_test(a_wrong_value_is_named_and_ignored),
		zcs_test(a_refused_size_is_halved),
		zcs_test(a_map_that_is_refused_is_halved_too),
		zcs_test(below_4_gib_nothing_is_halved),
		zcs_test(every_step_of_making_an_arena_may_fail),
	};

	return zcs_test_run(tests);
}
