/* SPDX-License-Identifier: MIT */
/*
 * Touches are served while something larger goes on: prefetches, the prefetch or the pin of the bo
 * itself, and waiting for room that the touch does not need; and a touch that has what it wanted
 * undoes no later eviction.
 */
#include <pthread.h>
#include <stdatomic.h>

#include "bo_inside.h"
#include "tt/tt_priv.h"

#define FETCHES 4u

struct worker {
	struct zcs_bo *bo;
	uint64_t offset;
	pthread_t thread;
	_Atomic bool over;
	int result;
};

static void *touch(void *arg)
{
	struct worker *w = arg;

	w->result = bo_read(w->bo, w->offset);
	w->over = true;
	return NULL;
}

static void *pin(void *arg)
{
	struct worker *w = arg;

	w->result = zcs_bo_pin(w->bo, NULL);
	w->over = true;
	return NULL;
}

static void start(struct worker *w, void *(*fn)(void *arg), struct zcs_bo *bo, uint64_t offset)
{
	*w = (struct worker){ .bo = bo, .offset = offset };
	zcs_assert_ok(pthread_create(&w->thread, NULL, fn, w));
	/* it should be waiting for the bo by now; if not, the case is easier */
	bo_sleep_ms(20);
}

static void end(struct worker *w, int result)
{
	bo_wait_for(w->over);
	pthread_join(w->thread, NULL);
	zcs_assert_is(w->result, result);
}

/* In use before, and inserted. */
static struct zcs_bo *inserted(struct zcs_device *device, uint64_t size)
{
	struct zcs_bo *bo = bo_new(device, size);

	*bo_at(bo, 0) = 1;
	*bo_at(bo, size - 1) = 2;
	bo_settle(device);
	assert_true(zcs_bo_evict(bo, 0) > 0);
	return bo;
}

static void prefetches_leave_a_thread_for_touches(void **state)
{
	(void)state;
	zcs_test_for_each_backing(backing)
	{
		struct zcs_device *device = bo_device(backing, 0, BO_FILE);
		struct zcs_bo *bo[FETCHES], *other = inserted(device, BO_SIZE);
		struct worker w;

		for (unsigned i = 0; i < FETCHES; i++)
			bo[i] = inserted(device, BO_SIZE);
		for (unsigned i = 0; i < FETCHES; i++) {
			bo_hold(bo[i]);
			zcs_assert_ok(zcs_bo_prefetch(bo[i]));
		}
		bo_sleep_ms(20);
		start(&w, touch, other, BO_SIZE - 1);
		end(&w, 2);
		for (unsigned i = 0; i < FETCHES; i++)
			bo_let_go(bo[i]);
		for (unsigned i = 0; i < FETCHES; i++) {
			bo_wait_for(bo_stats(bo[i]).mapped_bytes == BO_SIZE);
			bo_settle(device);
			zcs_bo_put(bo[i]);
		}
		zcs_bo_put(other);
		bo_device_done(device);
	}
}

/*
 * Something waits for the bo, which is held: it begins at the first folio. The touch is of the
 * last, and finds it where it was: nobody has restored it meanwhile. False: somebody had.
 */
static bool touch_the_end(struct zcs_bo *bo, const struct zcs_stats *before)
{
	struct zcs_stats after;
	struct worker w;

	start(&w, touch, bo, zcs_bo_size(bo) - 1);
	bo_wait_for(bo->tt->waiting == 1);
	bo_let_go(bo);
	end(&w, 2);
	bo_settle(bo->device);
	after = bo_stats(bo);
	return after.touch_late == before->touch_late &&
	       after.touch_resident == before->touch_resident + 1;
}

static bool prefetch_and_touch(enum zcs_backing backing)
{
	struct zcs_device *device = bo_device(backing, 0, BO_FILE);
	struct zcs_bo *bo = inserted(device, BO_SIZE);
	struct zcs_stats before = bo_stats(bo);
	bool let_in;

	bo_hold(bo);
	zcs_assert_ok(zcs_bo_prefetch(bo));
	bo_sleep_ms(20);
	let_in = touch_the_end(bo, &before);
	bo_wait_for(bo_stats(bo).mapped_bytes == BO_SIZE);
	bo_settle(device);
	bo_device_ok(device);
	zcs_bo_put(bo);
	bo_device_done(device);
	return let_in;
}

/* One folio more than are restored at a time. */
static bool pin_and_touch(enum zcs_backing backing)
{
	uint64_t size = (ZCS_VEC + 1) * ZCS_TEST_HUGE_BYTES;
	struct zcs_device *device = bo_device(backing, 0, BO_FILE);
	struct zcs_bo *bo = inserted(device, size);
	struct zcs_stats before = bo_stats(bo);
	struct worker w;
	bool let_in;

	bo_hold(bo);
	start(&w, pin, bo, 0);
	let_in = touch_the_end(bo, &before);
	end(&w, 0);
	zcs_assert_is(bo_stats(bo).mapped_bytes, (int64_t)size);
	zcs_bo_unpin(bo);
	bo_device_ok(device);
	zcs_bo_put(bo);
	bo_device_done(device);
	return let_in;
}

/*
 * Standing back for a touch lasts 1 ms at most, in which a thread may not get a CPU where others
 * want it; but a touch that is not let in is late every time.
 */
static void assert_let_in(bool (*once)(enum zcs_backing backing), enum zcs_backing backing)
{
	unsigned left = 10;

	while (left && !once(backing))
		left--;
	assert_true(left);
}

static void a_prefetch_lets_touches_of_its_bo_in(void **state)
{
	(void)state;
	zcs_test_for_each_backing(backing) assert_let_in(prefetch_and_touch, backing);
}

static void a_pin_lets_touches_of_its_bo_in(void **state)
{
	(void)state;
	assert_let_in(pin_and_touch, ZCS_BACKING_SMALL);
}

/* Asked for again while it is under way, and by several: all of it is there in the end. */
static void a_prefetch_may_be_asked_for_again(void **state)
{
	struct zcs_device *device = bo_device(ZCS_BACKING_SMALL, 0, BO_FILE);
	uint64_t size = 8 * ZCS_TEST_HUGE_BYTES;
	struct zcs_bo *bo[FETCHES];

	(void)state;
	for (unsigned i = 0; i < FETCHES; i++) {
		bo[i] = bo_new(device, size);
		bo_fill(bo[i], i);
	}
	bo_settle(device);
	for (unsigned i = 0; i < FETCHES; i++)
		bo_write_out(bo[i]);
	for (unsigned turn = 0; turn < 50; turn++)
		for (unsigned i = 0; i < FETCHES; i++)
			zcs_assert_ok(zcs_bo_prefetch(bo[i]));
	for (unsigned i = 0; i < FETCHES; i++)
		bo_wait_for(bo_stats(bo[i]).mapped_bytes == size);
	bo_settle(device);
	for (unsigned i = 0; i < FETCHES; i++) {
		assert_true(bo_is(bo[i], i));
		zcs_bo_put(bo[i]);
	}
	bo_device_done(device);
}

/* The pool is said to be far over its limit, and nobody evicts. */
static void only_touches_that_take_memory_wait_for_room(void **state)
{
	(void)state;
	zcs_test_for_each_backing(backing)
	{
		struct zcs_device *device = bo_device(backing, 16 * ZCS_TEST_MIB, BO_FILE);
		struct zcs_bo *bo = inserted(device, BO_SIZE), *empty = bo_new(device, BO_SIZE);
		uint64_t more = 32 * ZCS_TEST_MIB / ZCS_PAGE_SIZE;
		struct worker w;

		pthread_mutex_lock(&device->work_lock);
		atomic_fetch_add(&zcs_pool_shown(device->pool)->resident, more);
		zcs_assert_is(bo_read(bo, 0), 1);
		zcs_assert_is(bo_read(bo, BO_SIZE - 1), 2);
		bo_settle(device);
		zcs_assert_is(bo_stats(bo).touch_waits, 0);
		start(&w, touch, empty, 0);
		bo_wait_for(bo_stats(empty).touch_waits > 0);
		assert_false(w.over);
		atomic_fetch_sub(&zcs_pool_shown(device->pool)->resident, more);
		pthread_mutex_unlock(&device->work_lock);
		end(&w, 0);
		bo_settle(device);
		zcs_bo_put(bo);
		zcs_bo_put(empty);
		bo_device_done(device);
	}
}

/*
 * A bo that is held, and a fault thread that has the report of a toucher of its first page in its
 * hands.
 */
static struct zcs_bo *reported(enum zcs_backing backing, struct worker *w)
{
	struct zcs_bo *bo = inserted(bo_device(backing, 0, BO_FILE), BO_SIZE);

	bo_hold(bo);
	start(w, touch, bo, 0);
	bo_wait_for(bo->tt->waiting == 1);
	return bo;
}

/* Both at once, so that the fault thread does not come in between. */
static void evict_held(struct zcs_bo *bo, uint64_t pages)
{
	zcs_assert_is(zcs_tt_backup_locked(bo->tt, 0, bo->tt->nr, 0), (int64_t)pages);
	bo_let_go(bo);
}

/* So much of it is mapped in the end, and the rest comes back. */
static void end_reported(struct zcs_bo *bo, uint64_t mapped)
{
	struct zcs_device *device = bo->device;

	bo_settle(device);
	zcs_assert_is(bo_stats(bo).mapped_bytes, (int64_t)mapped);
	zcs_assert_is(bo_read(bo, BO_SIZE - 1), 2);
	bo_settle(device);
	zcs_bo_put(bo);
	bo_device_done(device);
}

/*
 * Somebody else restored what was touched, and it was evicted again, before the fault thread got
 * the lock.
 */
static void a_report_from_before_an_eviction_restores_nothing(void **state)
{
	(void)state;
	zcs_test_for_each_backing(backing)
	{
		struct worker w;
		struct zcs_bo *bo = reported(backing, &w);
		uint64_t late = bo_device_stats(bo->device).touch_late;

		zcs_assert_ok(
			zcs_tt_restore_locked(bo->tt, 0, bo->tt->nr, &zcs_request_normal, true));
		end(&w, 1);
		evict_held(bo, bo->tt->nr);
		bo_settle(bo->device);
		zcs_assert_is(bo_stats(bo).touch_late, (int64_t)late + 1);
		end_reported(bo, 0);
	}
}

/* The eviction was of another bo: a waiter must not wait for ever. */
static void a_report_from_before_an_eviction_is_made_again(void **state)
{
	uint64_t half = BO_SIZE / 2 / ZCS_PAGE_SIZE;

	(void)state;
	zcs_test_for_each_backing(backing)
	{
		struct worker w;
		struct zcs_bo *bo = reported(backing, &w);

		zcs_assert_ok(zcs_tt_restore_locked(bo->tt, half, half, &zcs_request_normal, true));
		assert_false(w.over);
		evict_held(bo, half);
		end(&w, 1);
		end_reported(bo, BO_SIZE / 2);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		zcs_test(prefetches_leave_a_thread_for_touches),
		zcs_test(a_prefetch_lets_touches_of_its_bo_in),
		zcs_test(a_pin_lets_touches_of_its_bo_in),
		zcs_test(a_prefetch_may_be_asked_for_again),
		zcs_test(only_touches_that_take_memory_wait_for_room),
		zcs_test(a_report_from_before_an_eviction_restores_nothing),
		zcs_test(a_report_from_before_an_eviction_is_made_again),
	};

	if (!bo_has_userfaultfd())
		zcs_test_skip("no userfaultfd here");
	return zcs_test_run(tests);
}
