/* SPDX-License-Identifier: MIT */
/*
 * A bo that is pinned after a walk of the LRU has picked it, and before its lock is had, is left
 * alone: it may be in a device's hands by then. The walk's attempt to get the lock is the moment,
 * and the linker leads it here.
 */
#include "bo_inside.h"

/* In whose lock's place the pin comes, once. */
static struct zcs_bo *victim;
static bool by_trying;

int __real_zcs_tt_lock(struct zcs_tt *tt, const struct zcs_ctx *ctx);
int __wrap_zcs_tt_lock(struct zcs_tt *tt, const struct zcs_ctx *ctx);

int __wrap_zcs_tt_lock(struct zcs_tt *tt, const struct zcs_ctx *ctx)
{
	struct zcs_bo *bo = victim;
	bool try = ctx && ctx->no_wait;

	if (bo && bo->tt == tt && try == by_trying) {
		victim = NULL;
		zcs_assert_ok(zcs_bo_pin(bo, NULL));
	}
	return __real_zcs_tt_lock(tt, ctx);
}

static struct zcs_bo *filled(struct zcs_device *device)
{
	struct zcs_bo *bo = bo_new(device, BO_SIZE);

	bo_fill(bo, 1);
	bo_settle(device);
	return bo;
}

/* Whoever @evict is picks the bo, and finds it pinned. */
static void pinned_meanwhile(struct zcs_bo *bo, bool trying, void (*evict)(struct zcs_bo *bo))
{
	by_trying = trying;
	victim = bo;
	evict(bo);
	assert_null(victim);
	zcs_assert_is(bo_stats(bo).pinned, 1);
	zcs_assert_is(bo_stats(bo).mapped_bytes, BO_SIZE);
	zcs_assert_is(bo_place(bo), ZCS_LRU_OFF);
	zcs_assert_is(zcs_bo_set_purgeable(bo, false), 0);
	assert_true(bo_is(bo, 1));
	zcs_bo_unpin(bo);
	bo_device_ok(bo->device);
}

static void each_backing(void (*prepare)(struct zcs_bo *bo), bool trying,
			 void (*evict)(struct zcs_bo *bo))
{
	zcs_test_for_each_backing(backing)
	{
		struct zcs_device *device = bo_device(backing, 0, BO_FILE);
		struct zcs_bo *bo = filled(device);

		if (prepare)
			prepare(bo);
		pinned_meanwhile(bo, trying, evict);
		zcs_bo_put(bo);
		bo_device_done(device);
	}
}

static void shrink_device(struct zcs_bo *bo)
{
	zcs_assert_is(zcs_device_shrink(bo->device, BO_SIZE, 0), 0);
}

static void a_probe_leaves_it_alone(void **state)
{
	(void)state;
	each_backing(NULL, true, shrink_device);
}

static void insert(struct zcs_bo *bo)
{
	assert_true(zcs_bo_evict(bo, 0) > 0);
	zcs_assert_is(bo_place(bo), ZCS_LRU_INACTIVE);
}

static void a_write_leaves_it_alone(void **state)
{
	(void)state;
	each_backing(insert, true, shrink_device);
}

static void make_purgeable(struct zcs_bo *bo)
{
	zcs_assert_is(zcs_bo_set_purgeable(bo, true), 0);
}

static void a_purge_leaves_it_alone(void **state)
{
	(void)state;
	each_backing(make_purgeable, true, shrink_device);
}

static void evict_explicitly(struct zcs_bo *bo)
{
	zcs_assert_is(zcs_bo_evict(bo, 0), -EBUSY);
}

static void an_explicit_eviction_leaves_it_alone(void **state)
{
	(void)state;
	each_backing(NULL, false, evict_explicitly);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		zcs_test(a_probe_leaves_it_alone),
		zcs_test(a_write_leaves_it_alone),
		zcs_test(a_purge_leaves_it_alone),
		zcs_test(an_explicit_eviction_leaves_it_alone),
	};

	if (!bo_has_userfaultfd())
		zcs_test_skip("no userfaultfd here");
	return zcs_test_run(tests);
}
