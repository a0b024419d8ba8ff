/* SPDX-License-Identifier: MIT */
/*
 * A child of a process that has pools: whatever it does, the parent's buffers are not changed. It
 * inherits the objects but not their memory; it may exit, run another program, die, destroy what it
 * inherited, or make pools of its own.
 */
#include <signal.h>
#include <stdatomic.h>
#include <sys/wait.h>
#include <unistd.h>

#include "zcs_test.h"

#define NR 1024u

struct parent {
	struct zcs_pool *pool;
	struct zcs_store *store;
	struct zcs_folio *folio;
	struct zcs_tt *in, *out, *half;
};

static struct zcs_tt *make_tt(struct parent *p, uint32_t flags, uint64_t seed)
{
	struct zcs_tt *tt = NULL;

	zcs_assert_ok(zcs_tt_create(p->pool, NR, flags, &tt));
	zcs_assert_ok(zcs_tt_setup_backup(tt, p->store));
	zcs_assert_ok(zcs_tt_populate(tt, NULL));
	for (uint64_t i = 0; i < NR; i++)
		zcs_test_fill_page(zcs_tt_page_address(tt, i), seed, i);
	return tt;
}

/* Tts that are in, out, and half out. */
static void parent_init(struct parent *p, enum zcs_backing backing)
{
	*p = (struct parent){ .pool = zcs_test_pool(backing, 0, 0), .store = zcs_test_store() };
	p->folio = zcs_test_folio(p->pool, 3);
	zcs_test_fill_folio(p->folio, 4);
	p->in = make_tt(p, ZCS_TT_CONTIGUOUS, 1);
	p->out = make_tt(p, ZCS_TT_CONTIGUOUS, 2);
	p->half = make_tt(p, ZCS_TT_CONTIGUOUS, 3);
	zcs_assert_is(zcs_tt_backup(p->out, 0), NR);
	zcs_assert_is(zcs_tt_backup_range(p->half, 512, 512, 0), 512);
}

static void assert_tt(struct zcs_tt *tt, uint64_t seed)
{
	zcs_assert_ok(zcs_tt_check(tt));
	if (zcs_tt_flags(tt) & ZCS_TT_BACKED_UP)
		zcs_assert_ok(zcs_tt_restore(tt, NULL));
	assert_true(zcs_test_is(zcs_tt_address(tt), seed, 0, NR));
	zcs_assert_is(zcs_tt_backup(tt, 0), NR);
	zcs_assert_ok(zcs_tt_restore(tt, NULL));
	assert_true(zcs_test_is(zcs_tt_address(tt), seed, 0, NR));
	zcs_test_tt_done(tt);
}

static void parent_fini(struct parent *p)
{
	zcs_test_pool_ok(p->pool);
	assert_true(zcs_test_folio_is(p->folio, 4));
	zcs_folio_put(p->folio);
	assert_tt(p->in, 1);
	assert_tt(p->out, 2);
	assert_tt(p->half, 3);
	zcs_test_store_done(p->store);
	zcs_test_pool_done(p->pool);
}

static void exit_at_once(void *arg)
{
	(void)arg;
	_exit(0);
}

static void run_a_program(void *arg)
{
	(void)arg;
	execlp("true", "true", (char *)NULL);
	_exit(1);
}

static void die(void *arg)
{
	(void)arg;
	raise(SIGKILL);
}

/* A life of its own, in the same shape: no arena or id of the parent's gets in the way. */
static void own_pool(void *arg)
{
	struct parent p;

	(void)arg;
	parent_init(&p, ZCS_BACKING_THP);
	parent_fini(&p);
}

/* As destructors do that run in the child: nothing of it reaches the parent. */
static void destroy(void *arg)
{
	struct parent *p = arg;

	zcs_folio_put(p->folio);
	zcs_tt_destroy(p->in);
	zcs_tt_destroy(p->out);
	zcs_tt_destroy(p->half);
	zcs_store_close(p->store);
	zcs_pool_destroy(p->pool);
}

static void parent_survives(void (*child)(void *arg), int signal)
{
	zcs_test_for_each_backing(backing)
	{
		struct zcs_test_child result;
		struct parent p;

		parent_init(&p, backing);
		result = zcs_test_in_child(child, &p, 60);
		if (signal)
			zcs_assert_is(result.signal, signal);
		else
			zcs_test_child_passed(&result);
		parent_fini(&p);
	}
}

static void a_child_that_exits(void **state)
{
	(void)state;
	parent_survives(exit_at_once, 0);
}

static void a_child_that_runs_a_program(void **state)
{
	(void)state;
	parent_survives(run_a_program, 0);
}

static void a_child_that_is_killed(void **state)
{
	(void)state;
	parent_survives(die, SIGKILL);
}

static void a_child_with_pools_of_its_own(void **state)
{
	(void)state;
	parent_survives(own_pool, 0);
}

static void a_child_that_destroys(void **state)
{
	(void)state;
	parent_survives(destroy, 0);
}

/* -- forks while other threads swap out and in */

#define CHILDREN 40u

static _Atomic bool forking;

static uint64_t fork_many(struct parent *p)
{
	uint64_t wrong = 0;

	for (unsigned i = 0; i < CHILDREN; i++) {
		pid_t pid = fork();
		int status = 0;

		if (!pid) {
			alarm(20);
			destroy(p);
			if (i % 2)
				execlp("true", "true", (char *)NULL);
			_exit(i % 2);
		}
		wrong += pid < 0 || waitpid(pid, &status, 0) != pid || status;
	}
	forking = false;
	return wrong;
}

static uint64_t fork_or_swap(unsigned id, void *arg)
{
	struct parent *p = arg;
	struct zcs_tt *tt = id == 1 ? p->in : p->out;
	uint64_t wrong = 0;

	if (!id)
		return fork_many(p);
	while (forking) {
		wrong += zcs_tt_backup(tt, 0) < 0;
		wrong += zcs_tt_restore(tt, NULL) != 0;
		/* touch it, so that the next fork finds it mapped */
		wrong += !zcs_test_page_is((char *)zcs_tt_address(tt) + 700 * ZCS_PAGE_SIZE, id,
					   700);
	}
	return wrong;
}

static void forks_while_threads_swap(void **state)
{
	(void)state;
	zcs_test_for_each_backing(backing)
	{
		struct parent p;

		parent_init(&p, backing);
		forking = true;
		zcs_assert_is(zcs_test_threads(3, fork_or_swap, &p), 0);
		parent_fini(&p);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		zcs_test(a_child_that_exits),	  zcs_test(a_child_that_runs_a_program),
		zcs_test(a_child_that_is_killed), zcs_test(a_child_with_pools_of_its_own),
		zcs_test(a_child_that_destroys),  zcs_test(forks_while_threads_swap),
	};

	if (zcs_test_under_valgrind())
		zcs_test_skip("valgrind's child hangs where maps were not inherited");
	return zcs_test_run(tests);
}
