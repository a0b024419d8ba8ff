/* SPDX-License-Identifier: MIT */
/* Pins: they nest, restore, and keep a bo in memory whatever the pressure. */
#include <signal.h>
#include <stdatomic.h>
#include <unistd.h>

#include "bo_inside.h"

static void case_101_pins_nest(void **state)
{
	struct zcs_device *device = bo_device(ZCS_BACKING_SMALL, 0, BO_FILE);
	struct zcs_bo *bo = bo_new(device, BO_SIZE);

	(void)state;
	for (unsigned i = 1; i <= 3; i++) {
		zcs_assert_ok(zcs_bo_pin(bo, NULL));
		zcs_assert_is(bo_stats(bo).pinned, i);
		zcs_assert_is(bo_device_stats(device).pinned, 1);
		zcs_assert_is(bo_place(bo), ZCS_LRU_OFF);
		zcs_assert_is(zcs_bo_evict(bo, 0), -EBUSY);
	}
	zcs_bo_unpin(bo);
	zcs_bo_unpin(bo);
	zcs_assert_is(bo_place(bo), ZCS_LRU_OFF);
	zcs_assert_is(zcs_bo_evict(bo, 0), -EBUSY);
	zcs_bo_unpin(bo);
	zcs_assert_is(bo_place(bo), ZCS_LRU_ACTIVE);
	zcs_assert_is(bo_device_stats(device).pinned, 0);
	zcs_assert_is(zcs_bo_evict(bo, 0), BO_SIZE / ZCS_PAGE_SIZE);
	zcs_bo_put(bo);
	bo_device_done(device);
}

static void case_101_a_pinned_member_of_a_bulk_is_not_moved(void **state)
{
	struct zcs_device *device = bo_device(ZCS_BACKING_SMALL, 0, NULL);
	struct zcs_bo *bo[2] = { bo_new(device, 1), bo_new(device, 1) };
	struct zcs_bulk *bulk = NULL;

	(void)state;
	zcs_assert_ok(zcs_bulk_create(device, &bulk));
	zcs_assert_ok(zcs_bulk_add(bulk, bo[0]));
	zcs_assert_ok(zcs_bo_pin(bo[0], NULL));
	zcs_assert_ok(zcs_bulk_move_tail(bulk));
	zcs_assert_is(bo_place(bo[0]), ZCS_LRU_OFF);
	bo_device_ok(device);
	zcs_bo_unpin(bo[0]);
	/* it is a member as before */
	zcs_assert_is(zcs_bulk_add(bulk, bo[0]), -EBUSY);
	assert_ptr_equal(TAILQ_LAST(&device->lru.list[ZCS_LRU_ACTIVE][1], zcs_lru_head), bo[0]);
	zcs_assert_ok(zcs_bulk_add(bulk, bo[1]));
	zcs_assert_ok(zcs_bulk_move_tail(bulk));
	assert_ptr_equal(TAILQ_LAST(&device->lru.list[ZCS_LRU_ACTIVE][1], zcs_lru_head), bo[1]);
	zcs_bulk_destroy(bulk);
	zcs_bo_put(bo[0]);
	zcs_bo_put(bo[1]);
	bo_device_done(device);
}

static void a_pin_restores(void **state)
{
	(void)state;
	zcs_test_for_each_backing(backing)
	{
		struct zcs_device *device = bo_device(backing, 0, BO_FILE);
		struct zcs_bo *bo = bo_new(device, BO_SIZE);
		uint64_t touches;

		zcs_assert_ok(zcs_bo_pin(bo, NULL));
		zcs_assert_is(bo_stats(bo).mapped_bytes, BO_SIZE);
		assert_true(bo_is_zero(bo));
		bo_fill(bo, 1);
		zcs_bo_unpin(bo);
		bo_settle(device);
		touches = bo_stats(bo).touches;
		for (unsigned i = 0; i < 4; i++) {
			if (i % 2)
				bo_write_out(bo);
			else
				assert_true(zcs_bo_evict(bo, 0) > 0);
			zcs_assert_ok(zcs_bo_pin(bo, NULL));
			zcs_assert_is(zcs_test_present_pages(zcs_bo_address(bo),
							     BO_SIZE / ZCS_PAGE_SIZE) ||
					      backing != ZCS_BACKING_HUGETLB,
				      1);
			assert_true(bo_is(bo, 1));
			zcs_bo_unpin(bo);
		}
		zcs_assert_is(bo_stats(bo).touches, (int64_t)touches);
		zcs_bo_put(bo);
		bo_device_done(device);
	}
}

static void pressure_does_not_evict_the_pinned(void **state)
{
	(void)state;
	zcs_test_for_each_backing(backing)
	{
		struct zcs_device *device = bo_device(backing, 16 * ZCS_TEST_MIB, BO_FILE);
		struct zcs_bo *pinned = bo_new(device, BO_SIZE),
			      *others = bo_new(device, 40 * ZCS_TEST_MIB);

		zcs_assert_ok(zcs_bo_pin(pinned, NULL));
		bo_fill(pinned, 1);
		bo_fill(others, 2);
		zcs_device_shrink(device, UINT64_C(1) << 40, 0);
		zcs_assert_is(bo_stats(pinned).mapped_bytes, BO_SIZE);
		assert_true(bo_is(others, 2));
		zcs_assert_is(bo_stats(pinned).mapped_bytes, BO_SIZE);
		assert_true(bo_is(pinned, 1));
		zcs_assert_is(bo_stats(pinned).touch_resident + bo_stats(pinned).touch_read, 0);
		zcs_bo_unpin(pinned);
		zcs_bo_put(pinned);
		zcs_bo_put(others);
		bo_device_done(device);
	}
}

static void case_108_with_all_pinned_a_pin_is_refused(void **state)
{
	(void)state;
	zcs_test_for_each_backing(backing)
	{
		struct zcs_device *device = bo_device(backing, 2 * BO_SIZE, BO_FILE);
		struct zcs_bo *bo[3];

		for (unsigned i = 0; i < 3; i++) {
			bo[i] = bo_new(device, BO_SIZE);
			zcs_assert_is(zcs_bo_pin(bo[i], NULL), i < 2 ? 0 : -ENOMEM);
			if (i < 2)
				bo_fill(bo[i], i);
		}
		zcs_assert_is(bo_stats(bo[2]).pinned, 0);
		bo_device_ok(device);
		/* with one that may go it is accepted, and only that one goes */
		zcs_bo_unpin(bo[0]);
		zcs_assert_ok(zcs_bo_pin(bo[2], NULL));
		zcs_assert_is(bo_stats(bo[0]).resident_bytes, 0);
		zcs_assert_is(bo_stats(bo[1]).mapped_bytes, BO_SIZE);
		zcs_bo_unpin(bo[2]);
		assert_true(bo_is(bo[0], 0));
		assert_true(bo_is(bo[1], 1));
		zcs_bo_unpin(bo[1]);
		for (unsigned i = 0; i < 3; i++)
			zcs_bo_put(bo[i]);
		bo_device_done(device);
	}
}

/* Pinned meanwhile: then it comes to the LRU's tail at a moment that is known. */
static void fill_in_order(struct zcs_bo *bo, uint64_t seed)
{
	zcs_assert_ok(zcs_bo_pin(bo, NULL));
	bo_fill(bo, seed);
	zcs_bo_unpin(bo);
}

static void case_108_the_oldest_leaves_with_its_bytes(void **state)
{
	const uint64_t size = ZCS_TEST_HUGE_BYTES;

	(void)state;
	zcs_test_for_each_backing(backing)
	{
		struct zcs_device *device = bo_device(backing, 3 * size, BO_FILE);
		struct zcs_bo *bo[3] = { bo_new(device, size), bo_new(device, size),
					 bo_new(device, 2 * size) };

		fill_in_order(bo[1], 1);
		fill_in_order(bo[0], 0);
		zcs_assert_ok(zcs_bo_pin(bo[2], NULL));
		zcs_assert_is(bo_stats(bo[1]).written_bytes, (int64_t)size);
		zcs_assert_is(bo_stats(bo[0]).mapped_bytes, (int64_t)size);
		zcs_bo_unpin(bo[2]);
		assert_true(bo_is(bo[0], 0));
		assert_true(bo_is(bo[1], 1));
		for (unsigned i = 0; i < 3; i++)
			zcs_bo_put(bo[i]);
		bo_device_done(device);
	}
}

static uint64_t written(struct zcs_device *device)
{
	struct zcs_store_stats st = { .struct_size = sizeof(st) };

	zcs_assert_ok(zcs_store_stats(device->store, &st));
	return st.writes;
}

static void case_108_what_is_destroyed_is_not_written(void **state)
{
	(void)state;
	zcs_test_for_each_backing(backing)
	{
		struct zcs_device *device = bo_device(backing, BO_SIZE, BO_FILE);
		struct zcs_bo *dead = bo_new(device, BO_SIZE), *bo = bo_new(device, BO_SIZE);

		fill_in_order(dead, 1);
		zcs_bo_put(dead);
		bo_wait_for(bo_device_stats(device).bos == 1);
		zcs_assert_ok(zcs_bo_pin(bo, NULL));
		assert_true(bo_is_zero(bo));
		zcs_assert_is(written(device), 0);
		zcs_assert_is(bo_device_stats(device).evicted, 0);
		zcs_bo_unpin(bo);
		zcs_bo_put(bo);
		bo_device_done(device);
	}
}

/*
 * There is no other kind of memory that could be busy; what takes its place is a store without
 * room.
 */
static void case_108_with_a_full_store_a_pin_is_refused(void **state)
{
	(void)state;
	zcs_test_for_each_backing(backing)
	{
		struct zcs_device *device = bo_device(backing, BO_SIZE, "file:?size=2M");
		struct zcs_bo *in_the_way = bo_new(device, BO_SIZE), *bo = bo_new(device, BO_SIZE);

		fill_in_order(in_the_way, 1);
		zcs_assert_is(zcs_bo_pin(bo, NULL), -ENOMEM);
		zcs_assert_is(bo_stats(bo).pinned, 0);
		zcs_assert_is(bo_stats(in_the_way).resident_bytes, BO_SIZE - ZCS_TEST_HUGE_BYTES);
		bo_device_ok(device);
		zcs_bo_put(bo);
		assert_true(bo_is(in_the_way, 1));
		zcs_bo_put(in_the_way);
		bo_device_done(device);
	}
}

/* More than 64 rounds of making room, one huge page each. */
static void a_large_pin_evicts_as_much_as_it_needs(void **state)
{
	uint64_t size = 160 * ZCS_TEST_MIB;
	struct zcs_device *device = bo_device(ZCS_BACKING_SMALL, size, "file:?size=512M");
	struct zcs_bo *a = bo_new(device, size), *b = bo_new(device, size);

	(void)state;
	zcs_assert_ok(zcs_bo_pin(a, NULL));
	for (uint64_t i = 0; i < size; i += ZCS_PAGE_SIZE)
		memcpy(bo_at(a, i), &i, sizeof(i));
	zcs_bo_unpin(a);
	zcs_assert_ok(zcs_bo_pin(b, NULL));
	zcs_assert_is(bo_stats(b).mapped_bytes, (int64_t)size);
	zcs_assert_is(bo_stats(a).resident_bytes, 0);
	zcs_bo_unpin(b);
	zcs_bo_put(b);
	for (uint64_t i = 0; i < size; i += ZCS_PAGE_SIZE)
		assert_memory_equal(bo_at(a, i), &i, sizeof(i));
	zcs_bo_put(a);
	bo_device_done(device);
}

static void contexts_are_obeyed(void **state)
{
	static const struct zcs_ctx no_wait = { .struct_size = sizeof(no_wait), .no_wait = true };
	static const struct zcs_ctx stop = { .struct_size = sizeof(stop), .interruptible = true };
	struct zcs_device *device = bo_device(ZCS_BACKING_SMALL, 0, BO_FILE);
	struct zcs_bo *bo = bo_new(device, BO_SIZE);

	(void)state;
	bo_fill(bo, 1);
	bo_settle(device);
	bo_hold(bo);
	zcs_assert_is(zcs_bo_pin(bo, &no_wait), -EBUSY);
	bo_let_go(bo);
	zcs_assert_is(bo_stats(bo).pinned, 0);
	zcs_assert_ok(zcs_bo_pin(bo, &no_wait));
	zcs_bo_unpin(bo);
	bo_write_out(bo);
	zcs_test_fault("restore", 0, 1, EINTR);
	zcs_assert_is(zcs_bo_pin(bo, &stop), -EINTR);
	zcs_assert_is(bo_stats(bo).pinned, 0);
	zcs_assert_is(bo_device_stats(device).pinned, 0);
	zcs_assert_ok(zcs_bo_pin(bo, &stop));
	assert_true(bo_is(bo, 1));
	zcs_bo_unpin(bo);
	zcs_bo_put(bo);
	bo_device_done(device);
}

/* Bug 7 of tests/README.md: a restore that was interrupted and finished leaves no state behind. */
static void bug_7_a_resumed_restore_leaves_nothing_behind(void **state)
{
	static const struct zcs_ctx stop = { .struct_size = sizeof(stop), .interruptible = true };

	(void)state;
	zcs_test_for_each_backing(backing)
	{
		struct zcs_device *device = bo_device(backing, 0, BO_FILE);
		struct zcs_bo *bo = bo_new(device, BO_SIZE);

		bo_fill(bo, 1);
		for (unsigned i = 0; i < 4; i++) {
			bo_settle(device);
			if (i % 2)
				bo_write_out(bo);
			else
				assert_true(zcs_bo_evict(bo, 0) > 0);
			zcs_test_fault("restore", 1, 1, EINTR);
			zcs_assert_is(zcs_bo_pin(bo, &stop), -EINTR);
			zcs_test_faults_off();
			assert_true(zcs_tt_flags(bo->tt) & ZCS_TT_BACKED_UP);
			if (i < 2)
				zcs_assert_ok(zcs_bo_pin(bo, &stop));
			else
				assert_true(bo_is(bo, 1));
			bo_settle(device);
			assert_false(zcs_tt_flags(bo->tt) & ZCS_TT_BACKED_UP);
			zcs_assert_is(bo_stats(bo).mapped_bytes, BO_SIZE);
			zcs_assert_is(bo_stats(bo).inserted_bytes + bo_stats(bo).written_bytes, 0);
			bo_device_ok(device);
			if (i < 2)
				zcs_bo_unpin(bo);
			bo_settle(device);
			zcs_assert_is(zcs_bo_evict(bo, 0), BO_SIZE / ZCS_PAGE_SIZE);
			assert_true(bo_is(bo, 1));
		}
		zcs_bo_put(bo);
		bo_device_done(device);
	}
}

static void unpin_too_often(void *arg)
{
	struct zcs_device *device = bo_device(ZCS_BACKING_SMALL, 0, NULL);
	struct zcs_bo *bo = bo_new(device, 1);

	setenv("ZCSWAP_DEBUG", arg ? "1" : "0", 1);
	zcs_assert_ok(zcs_bo_pin(bo, NULL));
	zcs_bo_unpin(bo);
	zcs_bo_unpin(bo);
	zcs_assert_is(bo_stats(bo).pinned, 0);
	zcs_assert_is(bo_device_stats(device).pinned, 0);
	zcs_assert_is(bo_device_stats(device).bad_unpins, 1);
	zcs_bo_put(bo);
	bo_device_done(device);
}

static void unpinning_the_unpinned_is_logged(void **state)
{
	struct zcs_test_child child = zcs_test_in_child(unpin_too_often, NULL, 20);

	(void)state;
	zcs_test_child_passed(&child);
	assert_non_null(strstr(child.out, "is not pinned"));
	child = zcs_test_in_child(unpin_too_often, &child, 20);
	zcs_assert_is(child.signal, SIGABRT);
	assert_non_null(strstr(child.out, "is not pinned"));
}

struct contest {
	struct zcs_device *device;
	struct zcs_bo *bo;
	uint64_t end_ms;
	_Atomic uint64_t pins;
};

/* Even threads pin and look whether it stays; odd ones evict, shrink and purge. */
static uint64_t pin_or_evict(unsigned id, void *arg)
{
	struct contest *c = arg;
	uint64_t wrong = 0;

	while (bo_now_ms() < c->end_ms || !c->pins) {
		if (id % 2) {
			zcs_bo_evict(c->bo, id == 1 ? 0 : ZCS_BACKUP_WRITEBACK);
			zcs_device_shrink(c->device, BO_SIZE,
					  id == 1 ? ZCS_SHRINK_NO_WRITEBACK : 0);
			/*
			 * a thread that only takes the lock again and again keeps the others from
			 * it
			 */
			usleep(50);
			continue;
		}
		wrong += zcs_bo_pin(c->bo, NULL) != 0;
		for (unsigned i = 0; i < 20; i++)
			wrong += bo_stats(c->bo).mapped_bytes != BO_SIZE;
		zcs_bo_unpin(c->bo);
		c->pins++;
	}
	return wrong;
}

static void an_eviction_that_has_begun_does_not_take_a_pinned_bo(void **state)
{
	(void)state;
	zcs_test_for_each_backing(backing)
	{
		struct contest c = { .device = bo_device(backing, 0, BO_FILE) };

		c.bo = bo_new(c.device, BO_SIZE);
		bo_fill(c.bo, 1);
		c.end_ms = bo_now_ms() + 300;
		zcs_assert_is(zcs_test_threads(4, pin_or_evict, &c), 0);
		zcs_assert_is(bo_device_stats(c.device).pinned, 0);
		assert_true(bo_is(c.bo, 1));
		assert_true(c.pins > 0);
		zcs_bo_put(c.bo);
		bo_device_done(c.device);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		zcs_test(case_101_pins_nest),
		zcs_test(case_101_a_pinned_member_of_a_bulk_is_not_moved),
		zcs_test(a_pin_restores),
		zcs_test(pressure_does_not_evict_the_pinned),
		zcs_test(case_108_with_all_pinned_a_pin_is_refused),
		zcs_test(case_108_the_oldest_leaves_with_its_bytes),
		zcs_test(case_108_what_is_destroyed_is_not_written),
		zcs_test(case_108_with_a_full_store_a_pin_is_refused),
		zcs_test(a_large_pin_evicts_as_much_as_it_needs),
		zcs_test(contexts_are_obeyed),
		zcs_test(bug_7_a_resumed_restore_leaves_nothing_behind),
		zcs_test(unpinning_the_unpinned_is_logged),
		zcs_test(an_eviction_that_has_begun_does_not_take_a_pinned_bo),
	};

	if (!bo_has_userfaultfd())
		zcs_test_skip("no userfaultfd here");
	return zcs_test_run(tests);
}
