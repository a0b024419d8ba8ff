/* SPDX-License-Identifier: MIT */
/*
 * A home remembers that a page of it did not trap once, for a thread may have written to it; and
 * wiping takes such bytes out of holes and kept blocks, and of no other.
 */
#include "arena/home_trap.h"
#include "sys/sys.h"
#include "zcs_test.h"

#define NR 8u

static struct zcs_home home_in(struct zcs_arena *arena)
{
	struct zcs_home home = { .arena = arena, .nr = NR };

	zcs_assert_ok(zcs_arena_get_run(arena, NR, &home.pfn));
	return home;
}

static struct zcs_arena *arena_of(void)
{
	struct zcs_arena *arena = NULL;

	zcs_assert_ok(zcs_arena_create(ZCS_ARENA_SMALL, 0, ZCS_UNIT_PAGES, &arena));
	return arena;
}

static void end(struct zcs_home *home)
{
	zcs_arena_put_run(home->arena, home->pfn, NR);
	zcs_arena_destroy(home->arena);
}

static void a_home_that_traps_holds_nothing(void **state)
{
	struct zcs_home home = home_in(arena_of());

	(void)state;
	zcs_assert_ok(zcs_home_arm(&home));
	zcs_assert_is(home.traps, ZCS_HOME_TRAPS);
	zcs_assert_ok(zcs_home_zap(&home, 2, 2));
	assert_false(zcs_home_may_hold(&home));
	end(&home);
}

static void a_failure_is_remembered_when_all_traps_again(void **state)
{
	struct zcs_home home = home_in(arena_of());

	(void)state;
	zcs_assert_ok(zcs_home_arm(&home));
	zcs_test_fault("uffdio_register", 0, 1, 0);
	assert_true(zcs_home_zap(&home, 0, NR) < 0);
	zcs_assert_is(home.traps, ZCS_HOME_UNTRAPPED);
	zcs_assert_ok(zcs_home_zap(&home, 0, NR));
	assert_true(zcs_home_may_hold(&home));
	end(&home);
}

static void without_userfaultfd_no_failure_is_new(void **state)
{
	struct zcs_home home;

	(void)state;
	zcs_test_fault("userfaultfd", 0, 0, EPERM);
	home = home_in(arena_of());
	zcs_assert_ok(zcs_home_arm(&home));
	zcs_assert_is(home.traps, ZCS_HOME_NEVER);
	zcs_test_fault("madvise_dontneed", 0, 1, 0);
	assert_true(zcs_home_zap(&home, 0, NR) < 0);
	zcs_assert_is(home.traps, ZCS_HOME_NEVER);
	end(&home);
}

/* A page of the home's, with bytes in it, as a folio in @state; whether wiping leaves them. */
static bool is_left(struct zcs_home *home, enum zcs_folio_state state)
{
	struct zcs_folio *block = zcs_arena_folio(home->arena, home->pfn);
	char *at = zcs_arena_bytes(home->arena, home->pfn);

	zcs_assert_ok(zcs_sys_populate(at, ZCS_PAGE_SIZE));
	zcs_test_fill_page(at, 7, 0);
	zcs_folio_set(block, zcs_meta(0, home->arena->id, ZCS_FF_HOMED, state, 0));
	assert_true(zcs_home_wipe(home, block, 0, 1));
	zcs_assert_is(zcs_folio_state(block), state);
	return zcs_test_page_is(at, 7, 0);
}

static void wiping_spares_what_is_somebodys(void **state)
{
	struct zcs_home home = home_in(arena_of());

	(void)state;
	assert_false(is_left(&home, ZCS_FS_HOME));
	assert_false(is_left(&home, ZCS_FS_KEPT));
	assert_true(is_left(&home, ZCS_FS_TT));
	assert_true(is_left(&home, ZCS_FS_INSERTED));
	assert_true(is_left(&home, ZCS_FS_WRITING));
	end(&home);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		zcs_test(a_home_that_traps_holds_nothing),
		zcs_test(a_failure_is_remembered_when_all_traps_again),
		zcs_test(without_userfaultfd_no_failure_is_new),
		zcs_test(wiping_spares_what_is_somebodys),
	};
	struct zcs_arena *arena = arena_of();
	bool traps = arena->uffd >= 0;

	zcs_arena_destroy(arena);
	if (!traps)
		zcs_test_skip("no userfaultfd here: nothing traps");
	return zcs_test_run(tests);
}
