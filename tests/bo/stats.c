/* SPDX-License-Identifier: MIT */
/* Prefetch, and what the statistics add up to. */
#include "bo_inside.h"

static void a_prefetched_bo_needs_no_touch(void **state)
{
	(void)state;
	zcs_test_for_each_backing(backing)
	{
		struct zcs_device *device = bo_device(backing, 0, BO_FILE);
		struct zcs_bo *bo = bo_new(device, BO_SIZE);
		uint64_t touches;

		bo_fill(bo, 1);
		bo_settle(device);
		bo_write_out(bo);
		touches = bo_stats(bo).touches;
		for (unsigned i = 0; i < 5; i++)
			zcs_assert_ok(zcs_bo_prefetch(bo));
		bo_wait_for(bo_stats(bo).mapped_bytes == BO_SIZE);
		assert_true(bo_is(bo, 1));
		zcs_assert_is(bo_stats(bo).touches, (int64_t)touches);
		/* of one that is in memory, and of one that is pinned: nothing */
		zcs_assert_ok(zcs_bo_prefetch(bo));
		zcs_assert_ok(zcs_bo_pin(bo, NULL));
		zcs_assert_ok(zcs_bo_prefetch(bo));
		zcs_bo_unpin(bo);
		assert_true(bo_is(bo, 1));
		zcs_bo_put(bo);
		bo_device_done(device);
	}
}

static void errors_of_a_prefetch_show_when_it_is_touched(void **state)
{
	struct zcs_device *device = bo_device(ZCS_BACKING_SMALL, 0, BO_FILE);
	struct zcs_bo *bo = bo_new(device, BO_SIZE);

	(void)state;
	bo_fill(bo, 1);
	bo_settle(device);
	bo_write_out(bo);
	zcs_test_fault("read", 0, 0, EIO);
	zcs_assert_ok(zcs_bo_prefetch(bo));
	bo_wait_for(zcs_test_fault_failed("read") > 0);
	zcs_test_faults_off();
	assert_true(bo_is(bo, 1));
	zcs_assert_is(bo_stats(bo).touch_errors, 0);
	zcs_bo_put(bo);
	bo_device_done(device);
}

static void assert_touches_add_up(const struct zcs_stats *st)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < ZCS_LATENCY_BUCKETS; i++)
		sum += st->latency[i];
	zcs_assert_is(sum, (int64_t)st->touches);
	zcs_assert_is(st->touch_empty + st->touch_resident + st->touch_read + st->touch_late,
		      (int64_t)st->touches);
	assert_true(st->touches == 0 || st->touch_ns > 0);
}

static void add_sizes(struct zcs_stats *sum, const struct zcs_stats *st)
{
	sum->size_bytes += st->size_bytes;
	sum->mapped_bytes += st->mapped_bytes;
	sum->inserted_bytes += st->inserted_bytes;
	sum->written_bytes += st->written_bytes;
	sum->same_bytes += st->same_bytes;
	sum->clean_bytes += st->clean_bytes;
	sum->dirty_bytes += st->dirty_bytes;
}

static void assert_same_sizes(const struct zcs_stats *a, const struct zcs_stats *b)
{
	zcs_assert_is(a->size_bytes, (int64_t)b->size_bytes);
	zcs_assert_is(a->mapped_bytes, (int64_t)b->mapped_bytes);
	zcs_assert_is(a->inserted_bytes, (int64_t)b->inserted_bytes);
	zcs_assert_is(a->written_bytes, (int64_t)b->written_bytes);
	zcs_assert_is(a->same_bytes, (int64_t)b->same_bytes);
	zcs_assert_is(a->clean_bytes, (int64_t)b->clean_bytes);
	zcs_assert_is(a->dirty_bytes, (int64_t)b->dirty_bytes);
}

/* Everything was touched, so that nothing is a hole. */
static void assert_sizes_add_up(const struct zcs_stats *st)
{
	zcs_assert_is(st->resident_bytes, (int64_t)(st->mapped_bytes + st->inserted_bytes));
	zcs_assert_is(st->resident_bytes, (int64_t)(st->clean_bytes + st->dirty_bytes));
	zcs_assert_is(st->size_bytes,
		      (int64_t)(st->resident_bytes + st->written_bytes + st->same_bytes));
}

static void numbers_add_up(void **state)
{
	(void)state;
	zcs_test_for_each_backing(backing)
	{
		struct zcs_device *device = bo_device(backing, 0, BO_FILE);
		struct zcs_stats sum = { 0 }, st;
		struct zcs_bo *bo[6];

		for (unsigned i = 0; i < 6; i++) {
			bo[i] = bo_new(device, i < 4 ? BO_SIZE : 5 * ZCS_PAGE_SIZE);
			bo_fill(bo[i], i);
		}
		bo_settle(device);
		bo_write_out(bo[0]);
		assert_true(zcs_bo_evict(bo[1], 0) > 0);
		memset(zcs_bo_address(bo[2]), 7, BO_SIZE);
		bo_settle(device);
		bo_write_out(bo[2]);
		zcs_assert_ok(zcs_bo_pin(bo[3], NULL));
		bo_settle(device);
		bo_write_out(bo[4]);
		assert_true(bo_is(bo[4], 4));
		bo_settle(device);
		for (unsigned i = 0; i < 6; i++) {
			st = bo_stats(bo[i]);
			assert_sizes_add_up(&st);
			assert_touches_add_up(&st);
			add_sizes(&sum, &st);
			sum.pinned += st.pinned;
			sum.touches += st.touches;
			sum.touch_ns += st.touch_ns;
		}
		st = bo_device_stats(device);
		assert_sizes_add_up(&st);
		assert_same_sizes(&st, &sum);
		assert_touches_add_up(&st);
		zcs_assert_is(st.bos, 6);
		zcs_assert_is(st.lru, 5);
		zcs_assert_is(st.pinned, (int64_t)sum.pinned);
		zcs_assert_is(st.touches, (int64_t)sum.touches);
		zcs_assert_is(st.touch_ns, (int64_t)sum.touch_ns);
		bo_device_ok(device);
		zcs_bo_unpin(bo[3]);
		for (unsigned i = 0; i < 6; i++)
			zcs_bo_put(bo[i]);
		bo_device_done(device);
	}
}

/*
 * A page that is read and not written to is clean where writes are watched; a write makes it dirty.
 */
static void clean_and_dirty(void **state)
{
	(void)state;
	zcs_test_for_each_backing(backing)
	{
		struct zcs_device *device = bo_device(backing, 0, BO_FILE);
		struct zcs_bo *bo = bo_new(device, BO_SIZE);
		bool watched = backing == ZCS_BACKING_HUGETLB;

		bo_fill(bo, 1);
		zcs_assert_is(bo_stats(bo).dirty_bytes, BO_SIZE);
		bo_write_out(bo);
		assert_true(bo_is(bo, 1));
		bo_settle(device);
		zcs_assert_is(bo_stats(bo).clean_bytes, watched ? BO_SIZE : 0);
		zcs_assert_is(bo_device_stats(device).clean_bytes, watched ? BO_SIZE : 0);
		*bo_at(bo, 5) = 1;
		assert_true(zcs_bo_evict(bo, 0) > 0);
		zcs_assert_is(bo_stats(bo).clean_bytes,
			      watched ? BO_SIZE - ZCS_TEST_HUGE_BYTES : 0);
		zcs_assert_is(bo_device_stats(device).dirty_bytes,
			      watched ? (int64_t)ZCS_TEST_HUGE_BYTES : BO_SIZE);
		zcs_bo_put(bo);
		bo_device_done(device);
	}
}

static void a_short_struct_is_filled_as_far_as_it_goes(void **state)
{
	struct zcs_device *device = bo_device(ZCS_BACKING_SMALL, 0, NULL);
	struct zcs_bo *bo = bo_new(device, 1);
	struct zcs_stats st;

	(void)state;
	memset(&st, 0xee, sizeof(st));
	st.struct_size = offsetof(struct zcs_stats, pinned);
	zcs_assert_ok(zcs_device_stats(device, &st));
	zcs_assert_is(st.bos, 1);
	zcs_assert_is(st.pinned, (int64_t)0xeeeeeeeeeeeeeeee);
	zcs_assert_is(st.struct_size, offsetof(struct zcs_stats, pinned));
	zcs_assert_ok(zcs_bo_stats(bo, &st));
	zcs_assert_is(st.bos, 1);
	zcs_assert_is(st.pinned, (int64_t)0xeeeeeeeeeeeeeeee);
	zcs_bo_put(bo);
	bo_device_done(device);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		zcs_test(a_prefetched_bo_needs_no_touch),
		zcs_test(errors_of_a_prefetch_show_when_it_is_touched),
		zcs_test(numbers_add_up),
		zcs_test(clean_and_dirty),
		zcs_test(a_short_struct_is_filled_as_far_as_it_goes),
	};

	if (!bo_has_userfaultfd())
		zcs_test_skip("no userfaultfd here");
	return zcs_test_run(tests);
}
