/* SPDX-License-Identifier: MIT */
/*
 * A thread writes to a bo for the first time while another pins it, and the pin is refused memory.
 * Every word is there afterwards, also when all that nobody is known to have touched was given up.
 * Holes of huge shmem were opened for the time of a pin: what was written there met no trap, and
 * was taken for untouched.
 */
#include <pthread.h>
#include <unistd.h>

#include "bo_test.h"

#define UNIT   ZCS_TEST_HUGE_BYTES
#define STRIDE 7919u /* a prime: page after page, nowhere near each other */

/*
 * @nr words of a bo, @step bytes apart, from @first on; @us: how long to wait before each, at most.
 */
struct writer {
	struct zcs_bo *bo;
	uint64_t seed, first, nr, step;
	unsigned us;
	_Atomic bool done;
};

static volatile uint64_t *word(const struct writer *w, uint64_t i)
{
	return (volatile uint64_t *)bo_at(w->bo, (w->first + i) * w->step + 8);
}

static void *write_words(void *arg)
{
	struct writer *w = arg;

	for (uint64_t i = 0; i < w->nr; i++) {
		uint64_t at = i * STRIDE % w->nr;

		if (w->us)
			usleep((unsigned)(i * STRIDE) % w->us);
		*word(w, at) = w->seed + at;
	}
	w->done = true;
	return NULL;
}

static void assert_words(const struct writer *w)
{
	for (uint64_t i = 0; i < w->nr; i++)
		assert_int_equal(*word(w, i), w->seed + i);
}

/* Pins until one succeeds; whether one did. */
static bool pin_beside(struct writer *w, unsigned tries)
{
	pthread_t thread;
	bool pinned = false;

	assert_int_equal(pthread_create(&thread, NULL, write_words, w), 0);
	while (!pinned && tries--)
		pinned = !zcs_bo_pin(w->bo, NULL);
	pthread_join(thread, NULL);
	return pinned;
}

static void new_memory(struct zcs_device *dev, uint64_t seed)
{
	struct writer w = { .bo = bo_new(dev, 4 * UNIT),
			    .seed = seed,
			    .nr = 4 * UNIT / ZCS_PAGE_SIZE,
			    .step = ZCS_PAGE_SIZE };
	bool pinned;

	zcs_test_fault_every("madvise_populate_write", 3);
	pinned = pin_beside(&w, 20);
	zcs_test_fault_off("madvise_populate_write");
	assert_words(&w);
	if (pinned)
		zcs_bo_unpin(w.bo);
	zcs_device_shrink(dev, 4 * UNIT, 0);
	assert_words(&w);
	zcs_bo_put(w.bo);
}

static void new_memory_of_each_backing(void)
{
	zcs_test_for_each_backing(backing)
	{
		struct zcs_device_params p = bo_device_params(backing, 0, NULL);
		struct zcs_device *dev;

		p.pool.cache_bytes = ZCS_PAGE_SIZE;
		dev = bo_device_with(&p);
		for (unsigned i = 0; i < zcs_test_scale(40); i++)
			new_memory(dev, 10000 * i + 1);
		bo_device_done(dev);
	}
}

static void new_memory_is_refused(void **state)
{
	(void)state;
	new_memory_of_each_backing();
}

static void new_memory_is_refused_where_shmem_is_not_born_huge(void **state)
{
	(void)state;
	zcs_test_fault("huge_file", 0, 0, 0);
	new_memory_of_each_backing();
}

/* A bo made of memory from the pool's lists, one unit more than its pin can have. */
static void kept_memory(struct zcs_device *dev, uint64_t units, uint64_t seed)
{
	struct writer w = { .bo = bo_new(dev, units * UNIT),
			    .seed = seed,
			    .first = units / 4,
			    .nr = units - units / 4,
			    .step = UNIT,
			    .us = 8000 };
	struct zcs_bo *other = bo_new(dev, UNIT);

	zcs_assert_ok(zcs_bo_pin(other, NULL));
	/* a touch may go over the limit, and then there is enough */
	if (pin_beside(&w, 1))
		zcs_bo_unpin(w.bo);
	zcs_device_shrink(dev, units * UNIT, 0);
	assert_words(&w);
	zcs_bo_unpin(other);
	zcs_bo_put(other);
	zcs_bo_put(w.bo);
}

static void the_pin_is_refused_and_the_memory_is_there(void **state)
{
	const uint64_t units = 16;

	(void)state;
	zcs_test_for_each_backing(backing)
	{
		struct zcs_device_params p = bo_device_params(backing, units * UNIT, NULL);
		struct zcs_device *dev;

		p.pool.cache_bytes = units * UNIT;
		dev = bo_device_with(&p);
		for (unsigned i = 0; i < zcs_test_scale(12); i++) {
			struct zcs_bo *bo = bo_new(dev, units * UNIT);

			zcs_assert_ok(zcs_bo_pin(bo, NULL));
			zcs_bo_unpin(bo);
			zcs_bo_put(bo);
			bo_wait_for(!bo_device_stats(dev).bos);
			kept_memory(dev, units, 100 * i + 1);
			bo_wait_for(!bo_device_stats(dev).bos);
			zcs_device_shrink(dev, units * UNIT, 0);
		}
		bo_device_done(dev);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		zcs_test(new_memory_is_refused),
		zcs_test(new_memory_is_refused_where_shmem_is_not_born_huge),
		zcs_test(the_pin_is_refused_and_the_memory_is_there),
	};

	if (!bo_has_userfaultfd())
		zcs_test_skip("no userfaultfd here: a bo may be touched only while it is pinned");
	return zcs_test_run(tests);
}
