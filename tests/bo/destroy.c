/* SPDX-License-Identifier: MIT */
/*
 * Ends in every order: the device before its bos, bos that are out, I/O under way, a put during a
 * touch.
 */
#include <stdatomic.h>

#include "bo_test.h"

#define NR 4u

static void arenas_go(void)
{
	bo_wait_for(bo_arenas_are_gone());
}

static void make(struct zcs_device *device, struct zcs_bo **bo)
{
	for (unsigned i = 0; i < NR; i++) {
		bo[i] = bo_new(device, BO_SIZE);
		bo_fill(bo[i], i);
	}
}

static void a_device_lives_until_its_last_bo_is_gone(void **state)
{
	(void)state;
	zcs_test_for_each_backing(backing)
	{
		struct zcs_device *device = bo_device(backing, 0, BO_FILE);
		struct zcs_bo *bo[NR];

		make(device, bo);
		bo_write_out(bo[0]);
		assert_true(zcs_bo_evict(bo[1], 0) > 0);
		zcs_assert_ok(zcs_bo_pin(bo[2], NULL));
		zcs_device_destroy(device);
		for (unsigned i = 0; i < NR; i++) {
			assert_true(bo_is(bo[i], i));
			zcs_bo_put(bo[i]);
		}
		arenas_go();
	}
}

static void evicted_bos_are_put(void **state)
{
	(void)state;
	zcs_test_for_each_backing(backing)
	{
		struct zcs_device *device = bo_device(backing, 0, BO_FILE);
		struct zcs_bo *bo[NR];

		make(device, bo);
		for (unsigned i = 0; i < NR; i++) {
			if (i % 2)
				assert_true(zcs_bo_evict(bo[i], 0) > 0);
			else
				bo_write_out(bo[i]);
		}
		for (unsigned i = 0; i < NR; i++)
			zcs_bo_put(bo[i]);
		bo_device_done(device);
	}
}

static void bos_are_put_while_they_are_written(void **state)
{
	(void)state;
	zcs_test_for_each_backing(backing)
	{
		struct zcs_device *device = bo_device(backing, 0, BO_FILE);
		struct zcs_bo *bo[NR];

		for (unsigned turn = 0; turn < 8; turn++) {
			make(device, bo);
			for (unsigned i = 0; i < NR; i++)
				assert_true(zcs_bo_evict(bo[i], ZCS_BACKUP_WRITEBACK) > 0);
			for (unsigned i = 0; i < NR; i++)
				zcs_bo_put(bo[i]);
		}
		bo_device_done(device);
	}
}

/* The device goes with its last bo, which is being fetched by one of its own threads. */
static void bos_are_put_while_they_are_fetched(void **state)
{
	(void)state;
#ifdef __SANITIZE_THREAD__
	zcs_test_skip_case("ThreadSanitizer takes the ring of one device for that of the next");
#endif
	zcs_test_for_each_backing(backing)
	{
		for (unsigned turn = 0; turn < 8; turn++) {
			struct zcs_device *device = bo_device(backing, 0, BO_FILE);
			struct zcs_bo *bo[NR];

			make(device, bo);
			for (unsigned i = 0; i < NR; i++)
				bo_write_out(bo[i]);
			zcs_device_destroy(device);
			for (unsigned i = 0; i < NR; i++)
				zcs_assert_ok(zcs_bo_prefetch(bo[i]));
			for (unsigned i = 0; i < NR; i++)
				zcs_bo_put(bo[i]);
			arenas_go();
		}
	}
}

struct shared {
	struct zcs_bo *bo[NR];
};

/* Each thread has a reference of its own, reads, and drops it as soon as it has its bytes. */
static uint64_t read_and_put(unsigned id, void *arg)
{
	struct shared *s = arg;
	uint64_t wrong = 0;

	for (unsigned i = 0; i < NR; i++) {
		unsigned n = (i + id) % NR;

		wrong += !bo_is(s->bo[n], n);
		zcs_bo_put(s->bo[n]);
	}
	return wrong;
}

static void others_put_during_a_touch(void **state)
{
	(void)state;
	zcs_test_for_each_backing(backing)
	{
		for (unsigned turn = 0; turn < 8; turn++) {
			struct zcs_device *device = bo_device(backing, 0, BO_FILE);
			struct shared s;

			make(device, s.bo);
			for (unsigned i = 0; i < NR; i++) {
				bo_write_out(s.bo[i]);
				zcs_bo_get(s.bo[i]);
				zcs_bo_get(s.bo[i]);
			}
			zcs_assert_is(zcs_test_threads(3, read_and_put, &s), 0);
			bo_device_done(device);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		zcs_test(a_device_lives_until_its_last_bo_is_gone),
		zcs_test(evicted_bos_are_put),
		zcs_test(bos_are_put_while_they_are_written),
		zcs_test(bos_are_put_while_they_are_fetched),
		zcs_test(others_put_during_a_touch),
	};

	if (!bo_has_userfaultfd())
		zcs_test_skip("no userfaultfd here");
	return zcs_test_run(tests);
}
