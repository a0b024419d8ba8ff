/* SPDX-License-Identifier: MIT */
/*
 * A unit of shmem of which a part is there already is not taken for one huge page because its last
 * page is in memory: a thread that writes to a hole that does not trap leaves such units.
 */
#include "zcs_test.h"

#include "arena/arena.h"

static struct zcs_arena *arena_with_part(void)
{
	struct zcs_arena *arena = NULL;
	uint64_t pfn;
	bool huge;

	zcs_assert_ok(zcs_arena_create(ZCS_ARENA_THP, -1, 4 * ZCS_UNIT_PAGES, &arena));
	zcs_assert_ok(zcs_arena_get_run(arena, ZCS_UNIT_PAGES, &pfn));
	zcs_assert_is(pfn, 0);
	zcs_assert_ok(zcs_arena_populate(arena, 0, ZCS_UNIT_ORDER, ZCS_POPULATE_EFFORT, &huge));
	/* the kernel splits what is huge */
	zcs_assert_ok(zcs_arena_punch(arena, 0, 1));
	return arena;
}

static int64_t mapped_huge(struct zcs_arena *arena)
{
	return zcs_test_smaps(zcs_arena_bytes(arena, 0), ZCS_TEST_HUGE_BYTES, "ShmemPmdMapped");
}

static void is_huge_if_the_kernel_says_so(void **state)
{
	struct zcs_arena *arena = arena_with_part();
	bool huge;

	(void)state;
	zcs_assert_ok(zcs_arena_populate(arena, 0, ZCS_UNIT_ORDER, ZCS_POPULATE_EFFORT, &huge));
	zcs_assert_is(mapped_huge(arena), huge ? (int64_t)ZCS_TEST_HUGE_BYTES : 0);
	zcs_arena_destroy(arena);
}

static void is_not_huge_where_collapsing_is_refused(void **state)
{
	struct zcs_arena *arena = arena_with_part();
	bool huge;

	(void)state;
	zcs_test_fault("madvise_collapse", 0, 0, 0);
	zcs_assert_ok(zcs_arena_populate(arena, 0, ZCS_UNIT_ORDER, ZCS_POPULATE_EFFORT, &huge));
	assert_false(huge);
	zcs_assert_is(mapped_huge(arena), 0);
	zcs_arena_destroy(arena);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		zcs_test(is_huge_if_the_kernel_says_so),
		zcs_test(is_not_huge_where_collapsing_is_refused),
	};

	return zcs_test_run(tests);
}
