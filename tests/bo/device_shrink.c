/* SPDX-License-Identifier: MIT */
/*
 * The device's shrinker: its passes in order, purgeable bos first, and what it says it has freed.
 */
#include "bo_inside.h"

static void case_107_what_is_large_makes_the_small_leave(void **state)
{
	(void)state;
	zcs_test_for_each_backing(backing)
	{
		struct zcs_device *device = bo_device(backing, 16 * ZCS_TEST_MIB, BO_FILE);
		struct zcs_bo *small = bo_new(device, BO_SIZE),
			      *large = bo_new(device, 16 * ZCS_TEST_MIB);

		bo_fill(small, 1);
		bo_settle(device);
		zcs_assert_ok(zcs_bo_pin(large, NULL));
		zcs_assert_is(bo_stats(small).resident_bytes, 0);
		zcs_assert_is(bo_stats(small).written_bytes, BO_SIZE);
		zcs_bo_unpin(large);
		assert_true(bo_is(small, 1));
		zcs_bo_put(small);
		zcs_bo_put(large);
		bo_device_done(device);
	}
}

static void case_119_a_small_store_caps_it(void **state)
{
	(void)state;
	zcs_test_for_each_backing(backing)
	{
		struct zcs_device *device = bo_device(backing, 0, "file:?size=2M");
		struct zcs_bo *bo[3];

		for (unsigned i = 0; i < 3; i++) {
			bo[i] = bo_new(device, ZCS_TEST_HUGE_BYTES);
			bo_fill(bo[i], i);
		}
		bo_settle(device);
		zcs_assert_is(bo_device_stats(device).resident_bytes, 3 * ZCS_TEST_HUGE_BYTES);
		zcs_assert_is(zcs_device_shrink(device, 3 * ZCS_TEST_HUGE_BYTES, 0),
			      ZCS_TEST_HUGE_BYTES);
		zcs_assert_is(bo_device_stats(device).resident_bytes, 2 * ZCS_TEST_HUGE_BYTES);
		zcs_assert_is(zcs_device_shrink(device, 3 * ZCS_TEST_HUGE_BYTES, 0), 0);
		for (unsigned i = 0; i < 3; i++) {
			assert_true(bo_is(bo[i], i));
			zcs_bo_put(bo[i]);
		}
		bo_device_done(device);
	}
}

/* A pinned bo that is clean keeps slots that it has no use for as long as it is pinned. */
static void a_full_store_takes_back_what_pinned_bos_keep(void **state)
{
	(void)state;
	zcs_test_for_each_backing(backing)
	{
		struct zcs_device *device = bo_device(backing, 0, "file:?size=4M");
		struct zcs_bo *kept = bo_new(device, BO_SIZE),
			      *cold = bo_new(device, ZCS_TEST_HUGE_BYTES);

		bo_fill(kept, 1);
		bo_write_out(kept);
		zcs_assert_ok(zcs_bo_pin(kept, NULL));
		zcs_assert_is(zcs_store_bytes_avail(device->store),
			      kept->tt->backup->tracked ? 0 : BO_SIZE);
		bo_fill(cold, 2);
		bo_settle(device);
		zcs_assert_is(zcs_device_shrink(device, ZCS_TEST_HUGE_BYTES, 0),
			      ZCS_TEST_HUGE_BYTES);
		zcs_assert_is(bo_stats(cold).resident_bytes, 0);
		zcs_assert_is(bo_stats(kept).resident_bytes, BO_SIZE);
		assert_true(bo_is(kept, 1));
		assert_true(bo_is(cold, 2));
		zcs_bo_unpin(kept);
		zcs_bo_put(kept);
		zcs_bo_put(cold);
		bo_device_done(device);
	}
}

static void case_120_the_first_pass_may_be_enough(void **state)
{
	(void)state;
	zcs_test_for_each_backing(backing)
	{
		struct zcs_device *device = bo_device(backing, 0, BO_FILE);
		struct zcs_bo *old = bo_new(device, BO_SIZE), *drop = bo_new(device, BO_SIZE);

		bo_fill(old, 1);
		bo_fill(drop, 2);
		bo_settle(device);
		zcs_assert_is(zcs_bo_set_purgeable(drop, true), 0);
		zcs_assert_is(zcs_device_shrink(device, BO_SIZE, 0), BO_SIZE);
		zcs_assert_is(bo_stats(old).mapped_bytes, BO_SIZE);
		zcs_assert_is(bo_stats(drop).resident_bytes, 0);
		zcs_assert_is(bo_device_stats(device).purged, 1);
		zcs_assert_is(bo_device_stats(device).probes, 0);
		zcs_assert_is(zcs_bo_set_purgeable(drop, false), 1);
		zcs_assert_is(zcs_bo_set_purgeable(drop, false), 0);
		assert_true(bo_is_zero(drop));
		assert_true(bo_is(old, 1));
		zcs_bo_put(old);
		zcs_bo_put(drop);
		bo_device_done(device);
	}
}

static uint64_t written(struct zcs_device *device)
{
	struct zcs_store_stats st = { .struct_size = sizeof(st) };

	zcs_assert_ok(zcs_store_stats(device->store, &st));
	return st.writes;
}

/* Clean folios are only told where the user map is watched for writes: hugetlb. */
static void case_120_the_second_pass_frees_what_is_clean(void **state)
{
	struct zcs_device *device;
	struct zcs_bo *clean, *dirty;
	uint64_t writes;

	(void)state;
	if (!zcs_test_backing_works(ZCS_BACKING_HUGETLB))
		zcs_test_skip_case("no free hugetlb pages");
	device = bo_device(ZCS_BACKING_HUGETLB, 0, BO_FILE);
	clean = bo_new(device, BO_SIZE);
	dirty = bo_new(device, BO_SIZE);
	bo_fill(clean, 1);
	bo_fill(dirty, 2);
	bo_settle(device);
	bo_write_out(clean);
	assert_true(bo_is(clean, 1));
	bo_settle(device);
	zcs_assert_is(zcs_bo_evict(dirty, 0), BO_SIZE / ZCS_PAGE_SIZE);
	zcs_assert_is(zcs_bo_evict(clean, 0), BO_SIZE / ZCS_PAGE_SIZE);
	writes = written(device);
	zcs_assert_is(zcs_device_shrink(device, BO_SIZE, 0), BO_SIZE);
	zcs_assert_is(written(device), (int64_t)writes);
	zcs_assert_is(bo_stats(clean).resident_bytes, 0);
	zcs_assert_is(bo_stats(dirty).inserted_bytes, BO_SIZE);
	assert_true(bo_is(clean, 1));
	assert_true(bo_is(dirty, 2));
	zcs_bo_put(clean);
	zcs_bo_put(dirty);
	bo_device_done(device);
}

static void case_120_only_the_third_pass_writes(void **state)
{
	(void)state;
	zcs_test_for_each_backing(backing)
	{
		struct zcs_device *device = bo_device(backing, 0, BO_FILE);
		struct zcs_bo *bo = bo_new(device, BO_SIZE);

		bo_fill(bo, 1);
		bo_settle(device);
		zcs_assert_is(zcs_device_shrink(device, BO_SIZE, ZCS_SHRINK_NO_WRITEBACK), 0);
		zcs_assert_is(written(device), 0);
		zcs_assert_is(bo_stats(bo).resident_bytes, BO_SIZE);
		zcs_assert_is(zcs_device_shrink(device, BO_SIZE, 0), BO_SIZE);
		assert_true(written(device) > 0);
		zcs_assert_is(bo_stats(bo).resident_bytes, 0);
		zcs_assert_is(zcs_device_shrink(device, BO_SIZE, 0), 0);
		assert_true(bo_is(bo, 1));
		zcs_bo_put(bo);
		bo_device_done(device);
	}
}

static void cached_folios_go_without_writing(void **state)
{
	(void)state;
	zcs_test_for_each_backing(backing)
	{
		struct zcs_device *device = bo_device(backing, 0, BO_FILE);
		struct zcs_bo *bo = bo_new(device, BO_SIZE);
		uint64_t cached;

		bo_fill(bo, 1);
		bo_settle(device);
		zcs_bo_put(bo);
		bo_wait_for(bo_device_stats(device).bos == 0);
		cached = bo_device_stats(device).pool.cached_pages * ZCS_PAGE_SIZE;
		zcs_assert_is(cached, BO_SIZE);
		zcs_assert_is(zcs_device_shrink(device, cached, ZCS_SHRINK_NO_WRITEBACK),
			      (int64_t)cached);
		zcs_assert_is(bo_device_stats(device).resident_bytes, 0);
		bo_device_done(device);
	}
}

static void a_device_on_mem_frees_only_what_is_dropped(void **state)
{
	struct zcs_device *device = bo_device(ZCS_BACKING_SMALL, 0, NULL);
	struct zcs_bo *keep = bo_new(device, BO_SIZE),
		      *drop = bo_new_with(device, BO_SIZE, 1, ZCS_BO_PURGEABLE);

	(void)state;
	bo_fill(keep, 1);
	bo_fill(drop, 2);
	bo_settle(device);
	zcs_assert_is(zcs_device_shrink(device, 4 * BO_SIZE, 0), BO_SIZE);
	zcs_assert_is(zcs_device_shrink(device, 4 * BO_SIZE, 0), 0);
	assert_true(bo_is(keep, 1));
	assert_true(bo_is_zero(drop));
	zcs_bo_put(keep);
	zcs_bo_put(drop);
	bo_device_done(device);
}

/* Purgeable bos go whatever state they are in, except pinned. */
static void purgeable_bos_are_dropped_from_everywhere(void **state)
{
	(void)state;
	zcs_test_for_each_backing(backing)
	{
		struct zcs_device *device = bo_device(backing, 0, BO_FILE);
		struct zcs_bo *bo[4];

		for (unsigned i = 0; i < 4; i++) {
			bo[i] = bo_new(device, BO_SIZE);
			bo_fill(bo[i], i);
		}
		bo_settle(device);
		assert_true(zcs_bo_evict(bo[1], 0) > 0);
		bo_write_out(bo[2]);
		zcs_assert_ok(zcs_bo_pin(bo[3], NULL));
		for (unsigned i = 0; i < 4; i++)
			zcs_assert_is(zcs_bo_set_purgeable(bo[i], true), 0);
		/* what was written out, or is pinned, frees nothing */
		zcs_assert_is(zcs_device_shrink(device, UINT64_C(1) << 40, ZCS_SHRINK_NO_WRITEBACK),
			      2 * BO_SIZE);
		for (unsigned i = 0; i < 4; i++)
			zcs_assert_is(zcs_bo_set_purgeable(bo[i], true), i < 3);
		for (unsigned i = 0; i < 3; i++)
			assert_true(bo_is_zero(bo[i]));
		assert_true(bo_is(bo[3], 3));
		zcs_bo_unpin(bo[3]);
		for (unsigned i = 0; i < 4; i++)
			zcs_bo_put(bo[i]);
		bo_device_done(device);
	}
}

/* Slots that are dropped are no memory: what was asked for is found elsewhere. */
static void dropping_slots_frees_no_memory(void **state)
{
	(void)state;
	zcs_test_for_each_backing(backing)
	{
		struct zcs_device *device = bo_device(backing, 0, BO_FILE);
		struct zcs_bo *dirty = bo_new(device, BO_SIZE), *drop = bo_new(device, BO_SIZE);

		bo_fill(dirty, 1);
		bo_fill(drop, 2);
		bo_settle(device);
		bo_write_out(drop);
		zcs_assert_is(zcs_bo_set_purgeable(drop, true), 0);
		zcs_assert_is(zcs_device_shrink(device, BO_SIZE, 0), BO_SIZE);
		zcs_assert_is(bo_stats(dirty).resident_bytes, 0);
		assert_true(bo_is(dirty, 1));
		zcs_bo_put(dirty);
		zcs_bo_put(drop);
		bo_device_done(device);
	}
}

struct contest {
	struct zcs_device *device;
	struct zcs_bo *bo;
	uint64_t end_ms;
};

/* Thread 0 lends its bo to the shrinker and takes it back; the other shrinks. */
static uint64_t lend_or_shrink(unsigned id, void *arg)
{
	struct contest *c = arg;
	uint64_t wrong = 0;

	for (unsigned i = 0; bo_now_ms() < c->end_ms; i++) {
		if (id) {
			zcs_device_shrink(c->device, BO_SIZE, ZCS_SHRINK_NO_WRITEBACK);
			continue;
		}
		bo_fill(c->bo, i);
		zcs_bo_set_purgeable(c->bo, true);
		if (zcs_bo_set_purgeable(c->bo, false))
			wrong += !bo_is_zero(c->bo);
		else
			wrong += !bo_is(c->bo, i);
	}
	return wrong;
}

static void who_is_told_not_dropped_has_its_bytes(void **state)
{
	(void)state;
	zcs_test_for_each_backing(backing)
	{
		struct contest c = { .device = bo_device(backing, 0, BO_FILE) };

		c.bo = bo_new(c.device, ZCS_TEST_HUGE_BYTES);
		c.end_ms = bo_now_ms() + 300;
		zcs_assert_is(zcs_test_threads(2, lend_or_shrink, &c), 0);
		zcs_bo_put(c.bo);
		bo_device_done(c.device);
	}
}

struct tally {
	unsigned dropped, interrupted, successful;
};

/* Tries again for as long as it is interrupted; what a try restored stays, so that it ends. */
static void read_back(struct zcs_bo *bo, unsigned seed, struct tally *t)
{
	static const struct zcs_ctx stop = { .struct_size = sizeof(stop), .interruptible = true };
	int err;

	while ((err = zcs_bo_pin(bo, &stop)) == -EINTR)
		t->interrupted++;
	zcs_assert_ok(err);
	assert_true(bo_is(bo, seed));
	zcs_bo_unpin(bo);
	t->successful++;
}

/*
 * Twice the limit in bos, a third of them purgeable: all that is not purgeable is there in the end,
 * though every third step of reading it back is interrupted.
 */
static void case_121_twice_the_memory(void **state)
{
	(void)state;
	zcs_test_for_each_backing(backing)
	{
		struct zcs_device *device = bo_device(backing, 16 * ZCS_TEST_MIB, BO_FILE);
		struct tally t = { .dropped = 0 };
		struct zcs_bo *bo[12];

		for (unsigned i = 0; i < 12; i++) {
			bo[i] = bo_new_with(device, BO_SIZE, 1, i % 3 ? 0 : ZCS_BO_PURGEABLE);
			bo_fill(bo[i], i);
		}
		zcs_test_fault_every("restore", 3);
		for (unsigned i = 0; i < 12; i++) {
			bool gone = zcs_bo_set_purgeable(bo[i], false);

			assert_true(!gone || i % 3 == 0);
			t.dropped += gone;
			if (!gone)
				read_back(bo[i], i, &t);
			zcs_bo_put(bo[i]);
		}
		print_message("# %s: %u dropped, %u pins interrupted, %u successful\n",
			      zcs_test_backing_name(backing), t.dropped, t.interrupted,
			      t.successful);
		assert_true(t.dropped > 0 && t.interrupted > 0);
		zcs_assert_is(t.dropped + t.successful, 12);
		bo_device_done(device);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		zcs_test(case_107_what_is_large_makes_the_small_leave),
		zcs_test(case_119_a_small_store_caps_it),
		zcs_test(a_full_store_takes_back_what_pinned_bos_keep),
		zcs_test(case_120_the_first_pass_may_be_enough),
		zcs_test(case_120_the_second_pass_frees_what_is_clean),
		zcs_test(case_120_only_the_third_pass_writes),
		zcs_test(cached_folios_go_without_writing),
		zcs_test(a_device_on_mem_frees_only_what_is_dropped),
		zcs_test(purgeable_bos_are_dropped_from_everywhere),
		zcs_test(dropping_slots_frees_no_memory),
		zcs_test(who_is_told_not_dropped_has_its_bytes),
		zcs_test(case_121_twice_the_memory),
	};

	if (!bo_has_userfaultfd())
		zcs_test_skip("no userfaultfd here");
	return zcs_test_run(tests);
}
