/* SPDX-License-Identifier: MIT */
/*
 * At the limit an allocation waits for pages that another thread is just giving back. It sleeps: a
 * real-time caller that spins or yields keeps its CPU from that thread.
 */
#include <stdatomic.h>
#include <sys/resource.h>
#include <unistd.h>

#include "zcs_test.h"

#include "pool/pool_priv.h"

static struct zcs_pool *pool;

/* Voluntary context switches of a thread that asks for memory that is not there yet. */
static uint64_t ask(unsigned id, void *arg)
{
	struct zcs_folio *folio = NULL;
	struct rusage before, after;

	(void)arg;
	if (id) {
		usleep(50000);
		atomic_fetch_sub(&pool->shown.resident, ZCS_TEST_HUGE_PAGES);
		atomic_fetch_sub(&pool->leaving, ZCS_TEST_HUGE_PAGES);
		zcs_pool_tell(pool);
		return 0;
	}
	getrusage(RUSAGE_THREAD, &before);
	if (zcs_folio_alloc(pool, 0, 0, &folio))
		return 0;
	getrusage(RUSAGE_THREAD, &after);
	zcs_folio_put(folio);
	return (uint64_t)(after.ru_nvcsw - before.ru_nvcsw);
}

static void asleep(void **state)
{
	(void)state;
	pool = zcs_test_pool(ZCS_BACKING_SMALL, ZCS_TEST_HUGE_BYTES, 0);
	/* as if all of the limit was in the hands of a thread that gives it up */
	atomic_fetch_add(&pool->shown.resident, ZCS_TEST_HUGE_PAGES);
	atomic_fetch_add(&pool->leaving, ZCS_TEST_HUGE_PAGES);
	assert_true(zcs_test_threads(2, ask, NULL) > 0);
	zcs_test_pool_done(pool);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		zcs_test(asleep),
	};

	return zcs_test_run(tests);
}
