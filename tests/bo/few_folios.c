/* SPDX-License-Identifier: MIT */
/*
 * Two threads work on a set that is larger than a limit of a few folios. A touch waits for room
 * about once, not for dozens of rounds in which what is probed is touched again.
 */
#include <pthread.h>
#include <stdatomic.h>

#include "bo_test.h"

#define STEPS_MS 1500u
#define BOS_MAX	 16u
#define TILE	 16384u

static struct zcs_bo *bo[BOS_MAX];
static unsigned nr_bos;
static _Atomic bool stop;

/* Each thread its half of every bo, tile after tile, of two bos at a time. */
static uint64_t walk(unsigned id, void *arg)
{
	uint64_t half = zcs_bo_size(bo[0]) / 2, at = id * half, steps = 0;

	(void)arg;
	for (unsigned pair = 0; !stop; steps++) {
		for (unsigned i = 0; i < 2; i++) {
			volatile uint64_t *word =
				(volatile uint64_t *)bo_at(bo[(pair + i) % nr_bos], at);

			*word += 1;
		}
		at += TILE;
		if (at >= (id + 1) * half) {
			at = id * half;
			pair = (pair + 2) % nr_bos;
		}
	}
	return steps;
}

static void *stop_later(void *arg)
{
	(void)arg;
	bo_sleep_ms(STEPS_MS);
	stop = true;
	return NULL;
}

static void work(uint64_t size, unsigned nr, uint64_t limit)
{
	struct zcs_device *device = bo_device(ZCS_BACKING_THP, limit, BO_FILE);
	struct zcs_stats st;
	pthread_t timer;

	nr_bos = nr;
	stop = false;
	for (unsigned i = 0; i < nr; i++) {
		bo[i] = bo_new(device, size);
		bo_fill(bo[i], i + 1);
	}
	assert_int_equal(pthread_create(&timer, NULL, stop_later, NULL), 0);
	assert_true(zcs_test_threads(2, walk, NULL) > 0);
	pthread_join(timer, NULL);
	st = bo_device_stats(device);
	print_message("# %u bos of %" PRIu64 " KiB, limit %" PRIu64 " KiB: %" PRIu64
		      " reads, %" PRIu64 " waits\n",
		      nr, size >> 10, limit >> 10, st.touch_read, st.touch_waits);
	/* before: 10 at 4 folios, 5 at 8; now 0.2 to 0.8, the most on a loaded machine */
	assert_true(st.touch_waits < st.touch_read + st.touch_read / 2 + 50);
	for (unsigned i = 0; i < nr; i++)
		zcs_bo_put(bo[i]);
	bo_device_done(device);
}

static void four_folios(void **state)
{
	(void)state;
	work(ZCS_TEST_HUGE_BYTES, 7, 4 * ZCS_TEST_HUGE_BYTES);
}

static void eight_folios(void **state)
{
	(void)state;
	work(ZCS_TEST_HUGE_BYTES, 13, 8 * ZCS_TEST_HUGE_BYTES);
}

static void bos_of_small_pages(void **state)
{
	(void)state;
	work(1200 * UINT64_C(1024), 4, 2400 * UINT64_C(1024));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		zcs_test(four_folios),
		zcs_test(eight_folios),
		zcs_test(bos_of_small_pages),
	};

	if (!bo_has_userfaultfd())
		zcs_test_skip("no userfaultfd here");
	return zcs_test_run(tests);
}
