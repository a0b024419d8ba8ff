/* SPDX-License-Identifier: MIT */
/*
 * Blocks that need no I/O are freed as fast as the thread can look at them, so that only the length
 * of the range would bound how long it has the backup's lock. It gives the lock up after a few of
 * them. The library's unlocks and written blocks are counted on their way through the test.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <unistd.h>

#include "store_test.h"

#include "backup/backup.h"
#include "tt/tt.h"

#define NR  200u
#define FEW 16u

static pthread_mutex_t *_Atomic watched;
static atomic_uint held, most, all;
/* a thread that wants the lock: NULL, or where it posts when it has had it */
static sem_t *_Atomic reader;
static sem_t begin;
static atomic_uint before_reader;
static _Thread_local bool is_reader;

static const struct zcs_owner_ops *owner;
static struct zcs_owner_ops counting;

int __real_pthread_mutex_unlock(pthread_mutex_t *lock);
int __wrap_pthread_mutex_unlock(pthread_mutex_t *lock);
void __real_zcs_sys_backoff(const _Atomic unsigned *waiting, unsigned us, unsigned times);
void __wrap_zcs_sys_backoff(const _Atomic unsigned *waiting, unsigned us, unsigned times);

/* With the lock held, as the first block goes: now somebody else comes for it. */
static void wait_for_reader(struct zcs_object *o)
{
	sem_post(&begin);
	while (!o->waiting)
		usleep(1000);
}

static void written(struct zcs_object *o, const struct zcs_block *blk)
{
	if (++held > most)
		most = held;
	if (!all++ && reader)
		wait_for_reader(o);
	owner->written(o, blk);
}

int __wrap_pthread_mutex_unlock(pthread_mutex_t *lock)
{
	if (lock == watched && is_reader)
		before_reader = all;
	if (lock == watched)
		held = 0;
	return __real_pthread_mutex_unlock(lock);
}

/*
 * For the reader it lasts as long as that takes: not until a time is over, which may be too short.
 */
void __wrap_zcs_sys_backoff(const _Atomic unsigned *waiting, unsigned us, unsigned times)
{
	sem_t *done = reader;

	if (!done) {
		__real_zcs_sys_backoff(waiting, us, times);
		return;
	}
	reader = NULL;
	while (sem_wait(done))
		;
}

/* @lock: that of the backup, or of its tt */
static void watch(struct zcs_backup *backup, pthread_mutex_t *lock)
{
	owner = backup->o.owner;
	counting = *owner;
	counting.written = written;
	backup->o.owner = &counting;
	watched = lock;
	held = most = all = 0;
}

static void same_filled_blocks(void **state)
{
	struct zcs_pool *pool = zcs_test_pool(ZCS_BACKING_SMALL, 0, 1);
	struct zcs_store *store = store_test_file(2);
	struct zcs_backup *backup = zcs_test_backup(store, NR);

	(void)state;
	for (uint64_t i = 0; i < NR; i++)
		store_test_insert_word(backup, pool, i % 3, i, 0, 0);
	watch(backup, &backup->o.lock);
	zcs_assert_is(zcs_backup_writeback(backup, 0, NR - 1, ZCS_WB_WAIT), NR);
	watched = NULL;
	zcs_assert_is(all, NR);
	assert_in_range(most, 1, FEW);
	zcs_assert_is(store_test_stats(store).same_blocks, NR);
	store_test_backup_done(backup, pool);
	store_test_done(store);
	zcs_test_pool_done(pool);
}

static void *read_thread(void *arg)
{
	struct zcs_backup *backup = arg;
	sem_t *done = reader;
	_Alignas(8) char page[ZCS_PAGE_SIZE];

	is_reader = true;
	while (sem_wait(&begin))
		;
	zcs_assert_ok(zcs_backup_copy_page(backup, page, zcs_handle_from_index(0), false));
	sem_post(done);
	return NULL;
}

static void who_waits_comes_next(void **state)
{
	struct zcs_pool *pool = zcs_test_pool(ZCS_BACKING_SMALL, 0, 1);
	struct zcs_store *store = store_test_file(2);
	struct zcs_backup *backup = zcs_test_backup(store, NR);
	pthread_t thread;
	sem_t done;

	(void)state;
	for (uint64_t i = 0; i < NR; i++)
		store_test_insert_word(backup, pool, i, i, 0, 0);
	watch(backup, &backup->o.lock);
	sem_init(&begin, 0, 0);
	sem_init(&done, 0, 0);
	before_reader = UINT32_MAX;
	reader = &done;
	zcs_assert_ok(pthread_create(&thread, NULL, read_thread, backup));
	zcs_assert_is(zcs_backup_writeback(backup, 0, NR - 1, 0), NR);
	pthread_join(thread, NULL);
	store_test_idle(backup);
	watched = NULL;
	reader = NULL;
	assert_in_range(before_reader, 1, FEW);
	zcs_assert_is(all, NR);
	store_test_backup_done(backup, pool);
	store_test_done(store);
	zcs_test_pool_done(pool);
}

/* Everything in memory and in a slot: as after read-ahead. */
static void make_clean(struct zcs_backup *b)
{
	pthread_mutex_lock(&b->o.lock);
	for (uint64_t i = 0; i < b->o.num_pages; i++)
		while (!zcs_wb_read_ahead(&b->o, i))
			zcs_object_wait(&b->o);
	pthread_mutex_unlock(&b->o.lock);
	store_test_idle(b);
	zcs_assert_is(store_test_backup_stats(b).resident_pages, (int64_t)b->o.num_pages);
}

static void clean_blocks_of_a_tt(void **state)
{
	struct zcs_pool *pool = zcs_test_pool(ZCS_BACKING_SMALL, 0, 1);
	struct zcs_store *store = store_test_file(2);
	struct zcs_tt *tt;

	(void)state;
	zcs_assert_ok(zcs_tt_create(pool, NR, 0, &tt));
	zcs_assert_ok(zcs_tt_setup_backup(tt, store));
	zcs_assert_ok(zcs_tt_populate(tt, NULL));
	for (uint64_t i = 0; i < NR; i++)
		zcs_test_fill_page(zcs_tt_page_address(tt, i), 1, i);
	/* page by page */
	zcs_test_fault("insert_large", 0, 0, 0);
	zcs_assert_is(zcs_tt_backup(tt, ZCS_BACKUP_WRITEBACK), NR);
	store_test_idle(tt->backup);
	make_clean(tt->backup);
	watch(tt->backup, &tt->lock);
	zcs_assert_is(zcs_tt_try_free_clean(tt), NR);
	watched = NULL;
	zcs_assert_is(all, NR);
	assert_in_range(most, 1, FEW);
	zcs_assert_is(store_test_stats(store).clean_blocks, NR);
	zcs_assert_is(zcs_test_arena_bytes(), 0);
	zcs_test_tt_done(tt);
	store_test_done(store);
	zcs_test_pool_done(pool);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		store_test(same_filled_blocks),
		store_test(who_waits_comes_next),
		store_test(clean_blocks_of_a_tt),
	};

	return zcs_test_run(tests);
}
