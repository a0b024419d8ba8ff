/* SPDX-License-Identifier: MIT */
/* Destroying a pool returns only after every running shrinker is out of it. */
#include <stdatomic.h>
#include <time.h>

#include "pool/pool_priv.h"
#include "zcs_test.h"

static atomic_bool inside, destroyed;

static void sleep_ms(long ms)
{
	const struct timespec t = { ms / 1000, ms % 1000 * 1000000 };

	nanosleep(&t, NULL);
}

/* Stands for a shrinker that is slow: it is in the pool, as zcs_pool_shrink() is, for 100 ms. */
static uint64_t slow_shrinker(struct zcs_pool *pool)
{
	uint64_t wrong;

	pthread_rwlock_rdlock(&pool->shrinkers);
	inside = true;
	sleep_ms(100);
	wrong = destroyed;
	pthread_rwlock_unlock(&pool->shrinkers);
	return wrong;
}

static uint64_t destroy_meanwhile(struct zcs_pool *pool)
{
	while (!inside)
		sleep_ms(1);
	zcs_pool_destroy(pool);
	destroyed = true;
	return 0;
}

static uint64_t two_sides(unsigned id, void *arg)
{
	return id ? destroy_meanwhile(arg) : slow_shrinker(arg);
}

static void case_32_destroy_waits_for_a_running_shrinker(void **state)
{
	struct zcs_pool *pool = zcs_test_pool(ZCS_BACKING_SMALL, 0, 0);

	(void)state;
	inside = false;
	destroyed = false;
	zcs_folio_put(zcs_test_folio(pool, 3));
	zcs_test_pool_is_idle(pool);
	zcs_test_pool_forget(pool);
	zcs_assert_is(zcs_test_threads(2, two_sides, pool), 0);
	assert_true(destroyed);
}

static atomic_uint_least64_t freed;

static uint64_t shrink_all(struct zcs_pool *pool)
{
	inside = true;
	freed = (uint64_t)zcs_pool_shrink(pool, -1, UINT64_MAX);
	return 0;
}

/* The shrinker has work for some milliseconds; the pool goes away as soon as it has begun. */
static uint64_t destroy_when_it_has_begun(struct zcs_pool *pool, int64_t before)
{
	while (zcs_pool_count(pool, -1) == before)
		;
	zcs_pool_destroy(pool);
	return 0;
}

#define PAGES 4000u

static uint64_t two_real_sides(unsigned id, void *arg)
{
	return id ? destroy_when_it_has_begun(arg, PAGES) : shrink_all(arg);
}

static void case_32_a_real_shrinker_and_destroy(void **state)
{
	static struct zcs_folio *folio[PAGES];
	struct zcs_pool *pool = zcs_test_pool(ZCS_BACKING_SMALL, 0, 0);

	(void)state;
	for (unsigned i = 0; i < PAGES; i++)
		folio[i] = zcs_test_folio(pool, 0);
	for (unsigned i = 0; i < PAGES; i++)
		zcs_folio_put(folio[i]);
	zcs_test_pool_is_idle(pool);
	zcs_test_pool_forget(pool);
	zcs_assert_is(zcs_test_threads(2, two_real_sides, pool), 0);
	/* destroy lets the shrinker finish: nothing is left for it to free itself */
	zcs_assert_is(freed, PAGES);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		zcs_test(case_32_destroy_waits_for_a_running_shrinker),
		zcs_test(case_32_a_real_shrinker_and_destroy),
	};

	return zcs_test_run(tests);
}
