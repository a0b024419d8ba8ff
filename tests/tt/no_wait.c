/* SPDX-License-Identifier: MIT */
/*
 * A tt's calls exclude each other; one with no_wait does not wait for another but returns -EBUSY.
 * The other is held in the middle of its call by the pool's reclaim hook, which is asked with the
 * tt's lock held.
 */
#include <pthread.h>
#include <semaphore.h>

#include "tt_inside.h"

struct held {
	struct tt_case c;
	struct zcs_folio *bait; /* what the hook gives up when it is let go */
	sem_t inside, go_on;
	pthread_t thread;
	int result;
};

static int64_t wait_inside(void *arg, uint64_t nr_pages)
{
	struct held *h = arg;

	(void)nr_pages;
	sem_post(&h->inside);
	sem_wait(&h->go_on);
	zcs_folio_put(h->bait);
	h->bait = NULL;
	return 1;
}

static void *populate(void *arg)
{
	struct held *h = arg;

	h->result = zcs_tt_populate(h->c.tt, NULL);
	return NULL;
}

static void *restore(void *arg)
{
	struct held *h = arg;

	h->result = zcs_tt_restore(h->c.tt, NULL);
	return NULL;
}

static void held_init(struct held *h)
{
	*h = (struct held){ .c = { .nr = 8, .seed = 3 } };
	h->c.pool = zcs_test_pool(ZCS_BACKING_SMALL, 8 * ZCS_PAGE_SIZE, 0);
	h->c.store = zcs_test_store();
	zcs_assert_ok(zcs_tt_create(h->c.pool, 8, 0, &h->c.tt));
	zcs_assert_ok(zcs_tt_setup_backup(h->c.tt, h->c.store));
	sem_init(&h->inside, 0, 0);
	sem_init(&h->go_on, 0, 0);
	zcs_pool_set_hooks(h->c.pool, wait_inside, NULL, 0, h);
}

/* Another thread is inside @fn and stays there. */
static void enter(struct held *h, void *(*fn)(void *arg))
{
	h->bait = zcs_test_folio(h->c.pool, 0);
	zcs_assert_ok(pthread_create(&h->thread, NULL, fn, h));
	sem_wait(&h->inside);
}

static void leave(struct held *h)
{
	sem_post(&h->go_on);
	pthread_join(h->thread, NULL);
	zcs_assert_ok(h->result);
}

static void held_fini(struct held *h)
{
	sem_destroy(&h->inside);
	sem_destroy(&h->go_on);
	tt_case_fini(&h->c);
}

static void assert_busy(struct held *h)
{
	zcs_assert_is(zcs_tt_populate(h->c.tt, &tt_no_wait), -EBUSY);
	zcs_assert_is(zcs_tt_restore(h->c.tt, &tt_no_wait), -EBUSY);
	zcs_assert_is(zcs_tt_restore_range(h->c.tt, 0, 1, &tt_no_wait), -EBUSY);
}

static void busy_while_another_thread_populates(void **state)
{
	struct held h;

	(void)state;
	held_init(&h);
	enter(&h, populate);
	assert_busy(&h);
	leave(&h);
	zcs_assert_is(tt_state(h.c.tt), ZCS_TT_POPULATED);
	zcs_assert_ok(zcs_tt_populate(h.c.tt, &tt_no_wait));
	held_fini(&h);
}

static void busy_while_another_thread_restores(void **state)
{
	struct held h;

	(void)state;
	held_init(&h);
	zcs_assert_ok(zcs_tt_populate(h.c.tt, NULL));
	zcs_assert_is(zcs_tt_backup(h.c.tt, ZCS_BACKUP_PURGE), 8);
	enter(&h, restore);
	assert_busy(&h);
	leave(&h);
	assert_true(tt_is_zero(h.c.tt, 0, 8));
	held_fini(&h);
}

/* Nobody else there: no_wait makes no difference. */
static void not_busy_alone(void **state)
{
	struct tt_case c;

	(void)state;
	tt_case_bare(&c, ZCS_BACKING_SMALL, 8, 0);
	zcs_assert_ok(zcs_tt_setup_backup(c.tt, c.store));
	zcs_assert_ok(zcs_tt_populate(c.tt, &tt_no_wait));
	tt_fill(c.tt, c.seed);
	zcs_assert_is(zcs_tt_backup(c.tt, 0), 8);
	zcs_assert_ok(zcs_tt_restore_range(c.tt, 0, 1, &tt_no_wait));
	assert_true(tt_case_is(&c));
	zcs_assert_is(zcs_tt_backup(c.tt, 0), 8);
	zcs_assert_ok(zcs_tt_restore(c.tt, &tt_no_wait));
	assert_true(tt_case_is(&c));
	tt_case_fini(&c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		zcs_test(busy_while_another_thread_populates),
		zcs_test(busy_while_another_thread_restores),
		zcs_test(not_busy_alone),
	};

	return zcs_test_run(tests);
}
