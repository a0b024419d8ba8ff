/* SPDX-License-Identifier: MIT */
/*
 * Every call on a parent's pool, folio, store, backup or tt, in a child of fork(): it does nothing,
 * returns at once what zcswap(7) says, and the parent finds everything as it was. Some thread of
 * the parent holds every lock at the time of the fork, and is not in the child.
 */
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "backup/backup.h"
#include "pool/pool_priv.h"
#include "tt/tt.h"
#include "zcs_test.h"

#define NR 600u

struct parent {
	struct zcs_pool *pool;
	struct zcs_store *store;
	struct zcs_folio *folio;
	struct zcs_backup *backup;
	int64_t handle;
	struct zcs_tt *in, *out;
};

static struct zcs_tt *make_tt(struct parent *p, uint64_t seed)
{
	struct zcs_tt *tt = NULL;

	zcs_assert_ok(zcs_tt_create(p->pool, NR, ZCS_TT_CONTIGUOUS, &tt));
	zcs_assert_ok(zcs_tt_setup_backup(tt, p->store));
	zcs_assert_ok(zcs_tt_populate(tt, NULL));
	zcs_test_fill(zcs_tt_address(tt), seed, 0, NR);
	return tt;
}

static void parent_init(struct parent *p, const char *store)
{
	struct zcs_folio *inserted;

	*p = (struct parent){ .pool = zcs_test_pool(ZCS_BACKING_THP, 0, 0) };
	zcs_assert_ok(zcs_store_open(store, &p->store));
	p->folio = zcs_test_folio(p->pool, 3);
	zcs_test_fill_folio(p->folio, 4);
	p->backup = zcs_test_backup(p->store, 512);
	inserted = zcs_test_folio(p->pool, 4);
	zcs_test_fill_folio(inserted, 5);
	p->handle = zcs_backup_insert_folio(p->backup, inserted, 4, 0, 16);
	assert_true(p->handle > 0);
	p->in = make_tt(p, 1);
	p->out = make_tt(p, 2);
	zcs_assert_is(zcs_tt_backup(p->out, 0), NR);
}

static void parent_fini(struct parent *p)
{
	struct zcs_folio *inserted = NULL;

	zcs_test_pool_ok(p->pool);
	assert_true(zcs_test_folio_is(p->folio, 4));
	zcs_folio_put(p->folio);
	zcs_assert_ok(zcs_backup_take_folio(p->backup, p->handle, p->pool, &inserted));
	assert_true(zcs_test_folio_is(inserted, 5));
	zcs_folio_put(inserted);
	zcs_test_backup_done(p->backup);
	zcs_assert_ok(zcs_tt_restore(p->out, NULL));
	assert_true(zcs_test_is(zcs_tt_address(p->in), 1, 0, NR));
	assert_true(zcs_test_is(zcs_tt_address(p->out), 2, 0, NR));
	zcs_test_tt_done(p->in);
	zcs_test_tt_done(p->out);
	zcs_test_store_done(p->store);
	zcs_test_pool_done(p->pool);
}

/* -- what a child does; assertions print what was wrong and end it */

static void use_pool(struct parent *p)
{
	struct zcs_pool_stats stats = { .struct_size = sizeof(stats) };
	struct zcs_folio *folio = NULL, *piece[8];
	struct zcs_tt *tt = NULL;
	char text[64] = "";

	zcs_assert_is(zcs_folio_alloc(p->pool, 0, 0, &folio), -ECHILD);
	zcs_assert_is(zcs_folio_split(p->folio, piece), -ECHILD);
	assert_null(zcs_folio_address(p->folio));
	assert_true(zcs_folio_pfn(p->folio) == UINT64_MAX);
	zcs_assert_is(zcs_folio_order(p->folio), 0);
	zcs_assert_is(zcs_folio_node(p->folio), -1);
	zcs_folio_put(p->folio);
	zcs_folio_put(p->folio);
	zcs_assert_is(zcs_pool_stats(p->pool, &stats), -ECHILD);
	zcs_assert_is(zcs_pool_dump(p->pool, text, sizeof(text)), -ECHILD);
	zcs_assert_is(zcs_pool_count(p->pool, -1), -ECHILD);
	zcs_assert_is(zcs_pool_shrink(p->pool, -1, UINT64_MAX), -ECHILD);
	zcs_assert_is(zcs_pool_check(p->pool), -ECHILD);
	zcs_assert_is(zcs_tt_create(p->pool, NR, ZCS_TT_CONTIGUOUS, &tt), -ECHILD);
}

static void use_store(struct parent *p)
{
	struct zcs_store_stats stats = { .struct_size = sizeof(stats) };
	struct zcs_backup *backup = NULL;
	char text[64] = "";

	zcs_assert_is(zcs_store_bytes_avail(p->store), -ECHILD);
	zcs_assert_is(zcs_store_stats(p->store, &stats), -ECHILD);
	zcs_assert_is(zcs_store_dump(p->store, text, sizeof(text)), -ECHILD);
	zcs_assert_is(zcs_store_check(p->store), -ECHILD);
	zcs_assert_is(zcs_backup_create(p->store, 512, &backup), -ECHILD);
}

static void use_backup(struct parent *p)
{
	struct zcs_backup_stats stats = { .struct_size = sizeof(stats) };
	struct zcs_insert in = { .folio = p->folio, .order = 3, .index = 64 };
	struct zcs_take take = { .handle = p->handle };
	struct zcs_folio *folio = NULL;
	static char page[ZCS_PAGE_SIZE];

	zcs_assert_is(zcs_backup_insert_folio(p->backup, p->folio, 3, 0, 64), -ECHILD);
	zcs_assert_is(zcs_backup_insert_folios(p->backup, &in, 1, 0), -ECHILD);
	zcs_assert_is(zcs_backup_take_folio(p->backup, p->handle, p->pool, &folio), -ECHILD);
	zcs_assert_is(zcs_backup_take_folios(p->backup, &take, 1, p->pool), -ECHILD);
	zcs_assert_is(zcs_backup_copy_page(p->backup, page, p->handle, false), -ECHILD);
	zcs_assert_is(zcs_backup_writeback(p->backup, 0, 511, ZCS_WB_WAIT), -ECHILD);
	zcs_assert_is(zcs_backup_stats(p->backup, &stats), -ECHILD);
	zcs_assert_is(zcs_backup_check(p->backup), -ECHILD);
	zcs_backup_drop(p->backup, p->handle, 4);
	zcs_backup_drop(p->backup, -1, 100);
}

static void use_tt(struct parent *p, struct zcs_tt *tt)
{
	zcs_assert_is(zcs_tt_populate(tt, NULL), -ECHILD);
	zcs_assert_is(zcs_tt_backup(tt, ZCS_BACKUP_PURGE), -ECHILD);
	zcs_assert_is(zcs_tt_backup_range(tt, 0, NR, ZCS_BACKUP_PURGE), -ECHILD);
	zcs_assert_is(zcs_tt_restore(tt, NULL), -ECHILD);
	zcs_assert_is(zcs_tt_restore_range(tt, 0, NR, NULL), -ECHILD);
	zcs_assert_is(zcs_tt_drop_backup(tt), -ECHILD);
	zcs_assert_is(zcs_tt_setup_backup(tt, p->store), -ECHILD);
	zcs_assert_is(zcs_tt_check(tt), -ECHILD);
	zcs_assert_is(zcs_tt_flags(tt), 0);
	zcs_assert_is(zcs_tt_num_pages(tt), 0);
	zcs_assert_is(zcs_tt_slot(tt, 0), 0);
	assert_null(zcs_tt_page_address(tt, 0));
	assert_null(zcs_tt_address(tt));
	zcs_tt_unpopulate(tt);
}

/* As the destructors of a program do it; twice is no worse than once. */
static void destroy_all(struct parent *p)
{
	for (unsigned i = 0; i < 2; i++) {
		zcs_folio_put(p->folio);
		zcs_tt_destroy(p->in);
		zcs_tt_destroy(p->out);
		zcs_backup_destroy(p->backup);
		zcs_store_close(p->store);
		zcs_pool_destroy(p->pool);
	}
}

static void use_all(void *arg)
{
	struct parent *p = arg;

	use_pool(p);
	use_store(p);
	use_backup(p);
	use_tt(p, p->in);
	use_tt(p, p->out);
	destroy_all(p);
}

/* Objects of its own are no parent's, and mix with no parent's. */
static void make_own_and_mix(void *arg)
{
	struct parent *p = arg, own;
	struct zcs_insert vec[2];
	struct zcs_tt *tt = NULL;

	use_all(p);
	parent_init(&own, "mem:");
	use_all(p);
	vec[0] = (struct zcs_insert){ .folio = own.folio, .order = 3, .index = 64 };
	vec[1] = (struct zcs_insert){ .folio = p->folio, .order = 3, .index = 128 };
	zcs_assert_is(zcs_backup_insert_folios(own.backup, vec, 2, 0), 1);
	zcs_assert_is(vec[1].handle, -ECHILD);
	own.folio = NULL;
	zcs_assert_ok(zcs_backup_take_folio(own.backup, vec[0].handle, own.pool, &own.folio));
	zcs_assert_is(zcs_backup_take_folio(own.backup, own.handle, p->pool, &own.folio), -ECHILD);
	zcs_assert_ok(zcs_tt_create(own.pool, NR, 0, &tt));
	zcs_assert_is(zcs_tt_setup_backup(tt, p->store), -ECHILD);
	zcs_tt_destroy(tt);
	parent_fini(&own);
	use_all(p);
}

static void child_of_child(void *arg)
{
	struct parent *p = arg, own;
	struct zcs_test_child c;

	parent_init(&own, "mem:");
	c = zcs_test_in_child(make_own_and_mix, p, 60);
	zcs_test_child_passed(&c);
	c = zcs_test_in_child(make_own_and_mix, &own, 60);
	zcs_test_child_passed(&c);
	parent_fini(&own);
}

/* -- cases */

static void passes(void (*fn)(void *), const char *store)
{
	struct zcs_test_child c;
	struct parent p;

	parent_init(&p, store);
	c = zcs_test_in_child(fn, &p, 60);
	zcs_test_child_passed(&c);
	parent_fini(&p);
}

static void calls_of_a_child_do_nothing(void **state)
{
	(void)state;
	passes(use_all, "mem:");
	passes(use_all, "file:?size=64M");
}

static void a_child_has_objects_of_its_own(void **state)
{
	(void)state;
	passes(make_own_and_mix, "mem:");
}

static void a_child_of_a_child_owns_neither(void **state)
{
	(void)state;
	passes(child_of_child, "mem:");
}

/* In the library's order. */
static void lock_all(struct parent *p, int (*fn)(pthread_mutex_t *))
{
	fn(&p->in->lock);
	fn(&p->out->lock);
	fn(&p->in->backup->o.lock);
	fn(&p->out->backup->o.lock);
	fn(&p->backup->o.lock);
	fn(&p->pool->grow);
	for (unsigned i = 0; i < p->pool->nr_shards; i++)
		fn(&p->pool->shard[i].lock);
}

static void locks_of_the_parent_do_not_matter(void **state)
{
	struct zcs_test_child c;
	struct parent p;

	(void)state;
	parent_init(&p, "mem:");
	lock_all(&p, pthread_mutex_lock);
	c = zcs_test_in_child(use_all, &p, 20);
	lock_all(&p, pthread_mutex_unlock);
	zcs_test_child_passed(&c);
	parent_fini(&p);
}

/* fork() without handlers: only the kernel tells the child. */
static void a_bare_clone_is_a_child_too(void **state)
{
	struct parent p;
	int status = -1;
	pid_t pid;

	(void)state;
	parent_init(&p, "mem:");
	pid = (pid_t)syscall(SYS_clone, SIGCHLD, NULL, NULL, NULL, NULL);
	if (!pid) {
		alarm(20);
		destroy_all(&p);
		_exit(zcs_tt_flags(p.in) != 0 || zcs_pool_count(p.pool, -1) != -ECHILD);
	}
	assert_true(pid > 0);
	zcs_assert_is(waitpid(pid, &status, 0), pid);
	zcs_assert_is(status, 0);
	parent_fini(&p);
}

/* These share the parent's memory until they run another program. */
static void vfork_and_spawn_change_nothing(void **state)
{
	extern char **environ;
	char *argv[] = { "true", NULL };
	struct parent p;
	int status = -1;
	pid_t pid;

	(void)state;
	parent_init(&p, "mem:");
	zcs_assert_ok(posix_spawnp(&pid, "true", NULL, NULL, argv, environ));
	zcs_assert_is(waitpid(pid, &status, 0), pid);
	zcs_assert_is(status, 0);
	pid = vfork();
	if (!pid) {
		execlp("true", "true", (char *)NULL);
		_exit(1);
	}
	zcs_assert_is(waitpid(pid, &status, 0), pid);
	zcs_assert_is(status, 0);
	zcs_assert_is(zcs_tt_num_pages(p.in), NR);
	parent_fini(&p);
}

/* In a program of its own, since a process asks the kernel once. */
static void pthread_atfork_does_it_too(void **state)
{
	static const char *const env[] = { "ZCSWAP_FAULT=madvise_wipeonfork", NULL };
	struct zcs_test_child c = zcs_test_exec("no wiping", env, 120);

	(void)state;
	zcs_test_child_passed(&c);
}

/* The first object of a process asks, while the fault point is still on. */
static void refuse_wiping(void)
{
	struct zcs_store *store;
	uint64_t failed = 0;

	if (zcs_store_open("mem:", &store) ||
	    zcs_fault_count("madvise_wipeonfork", NULL, &failed) || failed != 1)
		exit(1);
	zcs_store_close(store);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		zcs_test(calls_of_a_child_do_nothing),
		zcs_test(a_child_has_objects_of_its_own),
		zcs_test(a_child_of_a_child_owns_neither),
		zcs_test(locks_of_the_parent_do_not_matter),
		zcs_test(vfork_and_spawn_change_nothing),
		zcs_test(a_bare_clone_is_a_child_too),
		zcs_test(pthread_atfork_does_it_too),
	};
	const struct CMUnitTest without_wiping[] = {
		zcs_test(calls_of_a_child_do_nothing),
		zcs_test(a_child_has_objects_of_its_own),
		zcs_test(a_child_of_a_child_owns_neither),
	};

	(void)argv;
	if (zcs_test_under_valgrind())
		zcs_test_skip("valgrind's child hangs where maps were not inherited");
	if (argc == 1)
		return zcs_test_run(tests);
	refuse_wiping();
	return zcs_test_run(without_wiping);
}
