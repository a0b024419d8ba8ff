/* SPDX-License-Identifier: MIT */
/*
 * An allocation that meets the limit while pages are just being given back to the system waits for
 * them: a refusal would be wrong a moment later.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <unistd.h>

#include "zcs_test.h"

#include "pool/pool_priv.h"

struct caller {
	struct zcs_pool *pool;
	struct zcs_folio *folio;
	pthread_t thread;
	int result;
	atomic_bool over;
};

static void *allocate(void *arg)
{
	struct caller *c = arg;

	c->result = zcs_folio_alloc(c->pool, 0, 0, &c->folio);
	c->over = true;
	return NULL;
}

/*
 * All that may be resident is, and a page of it is said to be leaving: now, or when the caller has
 * looked.
 */
static void wait_for_the_page(int64_t (*reclaim)(void *arg, uint64_t nr))
{
	struct zcs_pool *pool = zcs_test_pool(ZCS_BACKING_SMALL, ZCS_PAGE_SIZE, 0);
	struct caller c = { .pool = pool };

	atomic_fetch_add(&pool->shown.resident, 1);
	if (reclaim) {
		pool->reclaim_arg = pool;
		pool->reclaim = reclaim;
	} else {
		atomic_fetch_add(&pool->leaving, 1);
	}
	zcs_assert_ok(pthread_create(&c.thread, NULL, allocate, &c));
	usleep(20000);
	assert_false(c.over);
	atomic_fetch_sub(&pool->shown.resident, 1);
	atomic_fetch_sub(&pool->leaving, 1);
	zcs_pool_tell(pool);
	pthread_join(c.thread, NULL);
	zcs_assert_ok(c.result);
	pool->reclaim = NULL;
	zcs_folio_put(c.folio);
	zcs_assert_is(zcs_test_counter(pool, ZCS_COUNT_LIMIT_REFUSED), 0);
	zcs_test_pool_done(pool);
}

static void a_page_that_is_leaving_is_waited_for(void **state)
{
	(void)state;
	wait_for_the_page(NULL);
}

/* Asked last, after the look at what leaves: from then on a page does. */
static int64_t let_it_leave(void *arg, uint64_t nr)
{
	struct zcs_pool *pool = arg;

	(void)nr;
	atomic_fetch_add(&pool->leaving, 1);
	return 0;
}

static void a_page_that_began_to_leave_after_the_look_is_waited_for(void **state)
{
	(void)state;
	wait_for_the_page(let_it_leave);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		zcs_test(a_page_that_is_leaving_is_waited_for),
		zcs_test(a_page_that_began_to_leave_after_the_look_is_waited_for),
	};

	return zcs_test_run(tests);
}
