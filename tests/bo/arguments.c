/* SPDX-License-Identifier: MIT */
/* The arguments that every function of bo.h refuses, and that a refusal changes nothing. */
#include "bo_test.h"

static void a_device_is_refused(void **state)
{
	struct zcs_device_params p = bo_device_params(ZCS_BACKING_SMALL, 0, NULL);
	struct zcs_device *device = NULL;

	(void)state;
	zcs_assert_is(zcs_device_create(&p, NULL), -EINVAL);
	p.struct_size--;
	zcs_assert_is(zcs_device_create(&p, &device), -EINVAL);
	p = bo_device_params(ZCS_BACKING_SMALL, 0, NULL);
	p.flags = 1u << 31;
	zcs_assert_is(zcs_device_create(&p, &device), -EINVAL);
	p = bo_device_params(ZCS_BACKING_SMALL, 0, NULL);
	p.low_percent = p.high_percent = 50;
	zcs_assert_is(zcs_device_create(&p, &device), -EINVAL);
	p.low_percent = 95; /* high is 90 then */
	p.high_percent = 0;
	zcs_assert_is(zcs_device_create(&p, &device), -EINVAL);
	p.low_percent = 50;
	p.high_percent = 101;
	zcs_assert_is(zcs_device_create(&p, &device), -EINVAL);
	p = bo_device_params(ZCS_BACKING_SMALL, 0, "nonsense:");
	zcs_assert_is(zcs_device_create(&p, &device), -EPROTONOSUPPORT);
	p = bo_device_params(ZCS_BACKING_SMALL, 0, NULL);
	p.pool.backing = 77;
	zcs_assert_is(zcs_device_create(&p, &device), -EINVAL);
	assert_null(device);
	zcs_device_destroy(NULL);
}

/*
 * Parameters of a pool without a struct_size were meant: the call must not take them for the
 * defaults, without a limit.
 */
static void a_pool_without_a_size_is_refused(void **state)
{
	const struct zcs_pool_params set[] = {
		{ .max_bytes = ZCS_TEST_HUGE_BYTES },
		{ .cache_bytes = ZCS_PAGE_SIZE },
		{ .backing = ZCS_BACKING_SMALL },
		{ .node = -1 },
		{ .beneficial_order = ZCS_MAX_ORDER },
		{ .flags = 1 },
		{ .reserved[7] = 1 },
	};
	struct zcs_device_params p = { .struct_size = sizeof(p) };
	struct zcs_device *device = NULL;

	(void)state;
	for (size_t i = 0; i < sizeof(set) / sizeof(*set); i++) {
		p.pool = set[i];
		zcs_assert_is(zcs_device_create(&p, &device), -EINVAL);
	}
	assert_null(device);
	p.pool = (struct zcs_pool_params){ 0 };
	zcs_assert_ok(zcs_device_create(&p, &device));
	bo_device_done(device);
}

static void a_device_has_defaults(void **state)
{
	struct zcs_device *device = NULL;

	(void)state;
	zcs_assert_ok(zcs_device_create(NULL, &device));
	bo_device_done(device);
}

static void a_step_of_making_a_device_fails(void **state)
{
	static const char *const points[] = { "alloc_device", "epoll",	    "eventfd",
					      "io_thread",    "alloc_pool", "alloc_store" };

	(void)state;
	for (size_t i = 0; i < sizeof(points) / sizeof(*points); i++) {
		for (unsigned space = 0; space < 6; space++) {
			struct zcs_device_params p =
				bo_device_params(ZCS_BACKING_SMALL, 0, "file:?size=8M");
			struct zcs_device *device = NULL;
			int err;

			zcs_test_fault(points[i], space, 0, 0);
			err = zcs_device_create(&p, &device);
			if (!space && i != 3 && err >= 0)
				fail_msg("%s: not an error", points[i]);
			zcs_test_faults_off();
			if (!err)
				bo_device_done(device);
			bo_wait_for(bo_arenas_are_gone());
		}
	}
}

static void a_bo_is_refused(struct zcs_device *device)
{
	struct zcs_bo_params p = { .struct_size = sizeof(p) };
	struct zcs_bo *bo = NULL;

	zcs_assert_is(zcs_bo_create(NULL, 1, NULL, &bo), -EINVAL);
	zcs_assert_is(zcs_bo_create(device, 1, NULL, NULL), -EINVAL);
	zcs_assert_is(zcs_bo_create(device, 0, NULL, &bo), -EINVAL);
	zcs_assert_is(zcs_bo_create(device, UINT64_MAX, NULL, &bo), -EINVAL);
	zcs_assert_is(zcs_bo_create(device, INT64_MAX, NULL, &bo), -EINVAL);
	zcs_assert_is(zcs_bo_create(device, UINT64_C(1) << 60, NULL, &bo), -ENOMEM);
	p.priority = ZCS_PRIORITIES;
	zcs_assert_is(zcs_bo_create(device, 1, &p, &bo), -EINVAL);
	p.priority = 0;
	p.flags = 2;
	zcs_assert_is(zcs_bo_create(device, 1, &p, &bo), -EINVAL);
	p.flags = 0;
	p.struct_size = 0;
	zcs_assert_is(zcs_bo_create(device, 1, &p, &bo), -EINVAL);
	assert_null(bo);
	zcs_assert_is(bo_device_stats(device).bos, 0);
}

static void null_bos_are_refused(void)
{
	struct zcs_stats st = { .struct_size = sizeof(st) };

	assert_null(zcs_bo_get(NULL));
	zcs_bo_put(NULL);
	assert_null(zcs_bo_address(NULL));
	zcs_assert_is(zcs_bo_size(NULL), 0);
	zcs_assert_is(zcs_bo_pin(NULL, NULL), -EINVAL);
	zcs_bo_unpin(NULL);
	zcs_assert_is(zcs_bo_evict(NULL, 0), -EINVAL);
	zcs_assert_is(zcs_bo_shrink(NULL, NULL, 0), -EINVAL);
	zcs_assert_is(zcs_bo_prefetch(NULL), -EINVAL);
	zcs_assert_is(zcs_bo_set_priority(NULL, 0), -EINVAL);
	zcs_assert_is(zcs_bo_set_purgeable(NULL, true), -EINVAL);
	zcs_assert_is(zcs_bo_stats(NULL, &st), -EINVAL);
}

static void a_bulk_is_refused(struct zcs_device *device, struct zcs_bo *bo)
{
	struct zcs_device *other = bo_device(ZCS_BACKING_SMALL, 0, NULL);
	struct zcs_bo *stranger = bo_new(other, 1);
	struct zcs_bulk *bulk = NULL;

	zcs_assert_is(zcs_bulk_create(NULL, &bulk), -EINVAL);
	zcs_assert_is(zcs_bulk_create(device, NULL), -EINVAL);
	zcs_assert_ok(zcs_bulk_create(device, &bulk));
	zcs_assert_is(zcs_bulk_add(NULL, bo), -EINVAL);
	zcs_assert_is(zcs_bulk_add(bulk, NULL), -EINVAL);
	zcs_assert_is(zcs_bulk_add(bulk, stranger), -EXDEV);
	zcs_assert_is(zcs_bulk_remove(NULL), -EINVAL);
	zcs_assert_is(zcs_bulk_remove(bo), -ENOENT);
	zcs_assert_ok(zcs_bulk_add(bulk, bo));
	zcs_assert_is(zcs_bulk_add(bulk, bo), -EBUSY);
	zcs_assert_ok(zcs_bulk_remove(bo));
	zcs_assert_is(zcs_bulk_move_tail(NULL), -EINVAL);
	zcs_assert_ok(zcs_bulk_move_tail(bulk));
	zcs_bulk_destroy(bulk);
	zcs_bulk_destroy(NULL);
	zcs_bo_put(stranger);
	zcs_device_destroy(other);
}

static void values_are_refused(struct zcs_device *device, struct zcs_bo *bo)
{
	struct zcs_stats st = { .struct_size = 0 };
	struct zcs_ctx ctx = { .struct_size = 1 };

	zcs_assert_is(zcs_bo_pin(bo, &ctx), -EINVAL);
	zcs_assert_is(zcs_bo_shrink(bo, &ctx, 0), -EINVAL);
	zcs_assert_is(zcs_bo_shrink(bo, NULL, 1u << 20), -EINVAL);
	zcs_assert_is(zcs_bo_evict(bo, 1u << 20), -EINVAL);
	zcs_assert_is(zcs_bo_set_priority(bo, ZCS_PRIORITIES), -EINVAL);
	zcs_assert_is(zcs_device_shrink(NULL, 1, 0), -EINVAL);
	zcs_assert_is(zcs_device_shrink(device, 1, 2), -EINVAL);
	zcs_assert_is(zcs_device_shrink(device, 0, 0), 0);
	zcs_assert_is(zcs_bo_stats(bo, &st), -EINVAL);
	zcs_assert_is(zcs_bo_stats(bo, NULL), -EINVAL);
	zcs_assert_is(zcs_device_stats(device, &st), -EINVAL);
	zcs_assert_is(zcs_device_stats(device, NULL), -EINVAL);
	zcs_assert_is(zcs_device_stats(NULL, &st), -EINVAL);
	zcs_assert_is(zcs_device_check(NULL), -EINVAL);
	assert_true(bo_is(bo, 3));
	zcs_assert_is(bo_stats(bo).pinned, 0);
}

static void wrong_arguments_are_refused(void **state)
{
	struct zcs_device *device = bo_device(ZCS_BACKING_SMALL, 0, NULL);
	struct zcs_bo *bo;

	(void)state;
	a_bo_is_refused(device);
	null_bos_are_refused();
	bo = bo_new(device, BO_SIZE);
	bo_fill(bo, 3);
	a_bulk_is_refused(device, bo);
	values_are_refused(device, bo);
	zcs_bo_put(bo);
	bo_device_done(device);
}

static void a_step_of_making_a_bo_fails(void **state)
{
	static const char *const points[] = { "alloc_bo", "alloc_tt", "alloc_backup", "alloc_arena",
					      "alloc_index_node" };
	struct zcs_device *device = bo_device(ZCS_BACKING_SMALL, 0, BO_FILE);

	(void)state;
	for (size_t i = 0; i < sizeof(points) / sizeof(*points); i++) {
		for (unsigned space = 0; space < 4; space++) {
			struct zcs_bo *bo = NULL;
			int err;

			zcs_test_fault(points[i], space, 0, 0);
			err = zcs_bo_create(device, BO_SIZE + 1, NULL, &bo);
			zcs_test_faults_off();
			if (err)
				zcs_assert_is(err, -ENOMEM);
			else
				zcs_bo_put(bo);
			zcs_assert_is(bo_device_stats(device).bos, 0);
			bo_device_ok(device);
		}
	}
	bo_device_done(device);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		zcs_test(a_device_is_refused),	       zcs_test(a_pool_without_a_size_is_refused),
		zcs_test(a_device_has_defaults),       zcs_test(a_step_of_making_a_device_fails),
		zcs_test(wrong_arguments_are_refused), zcs_test(a_step_of_making_a_bo_fails),
	};

	if (!bo_has_userfaultfd())
		zcs_test_skip("no userfaultfd here");
	return zcs_test_run(tests);
}
