/* SPDX-License-Identifier: MIT */
/*
 * ZCS_WB_WAIT waits for its range, not for what else the backup has under way, and tells what was
 * written of that range and why the rest was not, whatever others do to the backup meanwhile.
 */
#include <pthread.h>

#include "store_test.h"

#define ORDER 4u
#define PAGES (1u << ORDER)

struct setting {
	struct zcs_pool *pool;
	struct zcs_store *store;
	struct zcs_backup *backup;
	struct store_test_hold hold;
};

/* Block 0 is inserted, and nothing gets to the device. */
static void start(struct setting *s)
{
	s->pool = zcs_test_pool(ZCS_BACKING_SMALL, 0, 1);
	s->store = store_test_file(4);
	s->backup = zcs_test_backup(s->store, UINT64_C(4) * PAGES);
	store_test_insert(s->backup, s->pool, 1, 0, ORDER, 0);
	store_test_hold(s->store, &s->hold);
}

static void finish(struct setting *s)
{
	store_test_idle(s->backup);
	store_test_backup_done(s->backup, s->pool);
	store_test_done(s->store);
	zcs_test_pool_done(s->pool);
}

struct waiter {
	pthread_t thread;
	struct zcs_backup *backup;
	uint64_t blocks;
	int64_t result;
};

static void *wait_thread(void *arg)
{
	struct waiter *w = arg;

	w->result = zcs_backup_writeback(w->backup, 0, w->blocks * PAGES - 1, ZCS_WB_WAIT);
	return NULL;
}

/* A thread waits for the first blocks; the writes of those that are there are queued. */
static void begin_to_wait(struct setting *s, struct waiter *w, unsigned blocks, unsigned queued)
{
	*w = (struct waiter){ .backup = s->backup, .blocks = blocks };
	zcs_assert_ok(pthread_create(&w->thread, NULL, wait_thread, w));
	store_test_wait_queued(s->store, queued);
}

static int64_t end_of_wait(struct setting *s, struct waiter *w)
{
	store_test_let_go(&s->hold);
	pthread_join(w->thread, NULL);
	zcs_assert_ok(zcs_backup_check(s->backup));
	return w->result;
}

static void other_blocks_are_not_waited_for(void **state)
{
	struct waiter w;
	struct setting s;

	(void)state;
	start(&s);
	begin_to_wait(&s, &w, 1, 1);
	store_test_insert_word(s.backup, s.pool, 7, PAGES, ORDER, 0);
	zcs_assert_is(zcs_backup_writeback(s.backup, PAGES, 2 * PAGES - 1, ZCS_WB_WAIT), PAGES);
	zcs_assert_is(end_of_wait(&s, &w), PAGES);
	finish(&s);
}

static void each_hears_of_its_own_error(void **state)
{
	struct waiter w;
	struct setting s;

	(void)state;
	start(&s);
	begin_to_wait(&s, &w, 1, 1);
	store_test_insert(s.backup, s.pool, 1, PAGES, ORDER, 0);
	zcs_test_fault("swap_slot", 0, 1, 0);
	zcs_assert_is(zcs_backup_writeback(s.backup, PAGES, 2 * PAGES - 1, ZCS_WB_WAIT), -ENOSPC);
	zcs_test_fault("write", 0, 0, EIO);
	store_test_log_start();
	store_test_let_go(&s.hold);
	pthread_join(w.thread, NULL);
	store_test_log_end();
	zcs_test_faults_off();
	zcs_assert_is(w.result, -EIO);
	finish(&s);
}

static void what_is_taken_meanwhile_was_not_written(void **state)
{
	struct waiter w;
	struct setting s;

	(void)state;
	start(&s);
	store_test_insert(s.backup, s.pool, 1, PAGES, ORDER, 0);
	begin_to_wait(&s, &w, 2, 2);
	store_test_take(s.backup, s.pool, 1, 0, ORDER);
	zcs_assert_is(end_of_wait(&s, &w), PAGES);
	finish(&s);
}

static void nor_is_all_that_is_taken_an_error(void **state)
{
	struct waiter w;
	struct setting s;

	(void)state;
	start(&s);
	begin_to_wait(&s, &w, 1, 1);
	store_test_take(s.backup, s.pool, 1, 0, ORDER);
	zcs_assert_is(end_of_wait(&s, &w), 0);
	finish(&s);
}

static void what_is_inserted_meanwhile_takes_nothing_away(void **state)
{
	struct waiter w;
	struct setting s;

	(void)state;
	start(&s);
	begin_to_wait(&s, &w, 2, 1);
	store_test_insert(s.backup, s.pool, 1, PAGES, ORDER, 0);
	zcs_assert_is(end_of_wait(&s, &w), PAGES);
	zcs_assert_is(store_test_backup_stats(s.backup).resident_pages, PAGES);
	finish(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		store_test_both(what_is_taken_meanwhile_was_not_written),
		store_test_both(nor_is_all_that_is_taken_an_error),
		store_test_both(what_is_inserted_meanwhile_takes_nothing_away),
		store_test_both(other_blocks_are_not_waited_for),
		store_test_both(each_hears_of_its_own_error),
	};

	return zcs_test_run(tests);
}
