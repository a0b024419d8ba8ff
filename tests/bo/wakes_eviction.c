/* SPDX-License-Identifier: MIT */
/*
 * The pool is over its limit and all of it is pinned, or wanted. When something becomes evictable
 * the background thread is told, whatever it was that made it so, and brings the pool under its
 * limit.
 */
#include "bo_inside.h"

#define LIMIT (32 * ZCS_TEST_MIB)
#define EACH  (8 * ZCS_TEST_MIB)
#define NR    6u

static struct zcs_bo *bo[NR];

/* More than the limit, all of it touched and held by @hold; the background thread has given up. */
static struct zcs_device *over_the_limit(const char *store, void (*hold)(struct zcs_bo *bo))
{
	struct zcs_device *device = bo_device(ZCS_BACKING_SMALL, LIMIT, store);

	for (unsigned i = 0; i < NR; i++) {
		bo[i] = bo_new(device, EACH);
		hold(bo[i]);
		bo_fill(bo[i], i + 1);
	}
	bo_settle(device);
	bo_sleep_ms(200);
	assert_true(bo_device_stats(device).resident_bytes > LIMIT);
	return device;
}

static void assert_falls(struct zcs_device *device)
{
	bo_wait_for(bo_device_stats(device).resident_bytes <= LIMIT);
}

static void put_all(struct zcs_device *device)
{
	for (unsigned i = 0; i < NR; i++)
		zcs_bo_put(bo[i]);
	bo_device_done(device);
}

/* A pin without a restore: that would be refused on the limit. */
static void hold_by_pin(struct zcs_bo *b)
{
	zcs_lru_pin(b);
}

static void nothing(struct zcs_bo *b)
{
	(void)b;
}

static void an_unpin(void **state)
{
	struct zcs_device *device = over_the_limit(BO_FILE, hold_by_pin);

	(void)state;
	for (unsigned i = 0; i < NR; i++)
		zcs_bo_unpin(bo[i]);
	assert_falls(device);
	for (unsigned i = 0; i < NR; i++)
		assert_true(bo_is(bo[i], i + 1));
	put_all(device);
}

static void a_bo_that_becomes_purgeable(void **state)
{
	struct zcs_device *device = over_the_limit(NULL, nothing);

	(void)state;
	for (unsigned i = 0; i < NR; i++)
		zcs_assert_is(zcs_bo_set_purgeable(bo[i], true), 0);
	assert_falls(device);
	put_all(device);
}

/* The store is full; the slots of a bo that dies have room for others. */
static void a_bo_that_dies(void **state)
{
	struct zcs_device *device = bo_device(ZCS_BACKING_SMALL, LIMIT, "file:?size=12M");
	struct zcs_bo *out = bo_new(device, 12 * ZCS_TEST_MIB);

	(void)state;
	bo_fill(out, 9);
	bo_settle(device);
	bo_write_out(out);
	for (unsigned i = 0; i < 5; i++) {
		bo[i] = bo_new(device, EACH);
		bo_fill(bo[i], i + 1);
	}
	bo[5] = bo_new(device, ZCS_PAGE_SIZE);
	bo_settle(device);
	bo_sleep_ms(200);
	assert_true(bo_device_stats(device).resident_bytes > LIMIT);
	zcs_bo_put(out);
	assert_falls(device);
	put_all(device);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		zcs_test(an_unpin),
		zcs_test(a_bo_that_becomes_purgeable),
		zcs_test(a_bo_that_dies),
	};

	if (!bo_has_userfaultfd())
		zcs_test_skip("no userfaultfd here");
	return zcs_test_run(tests);
}
