/* SPDX-License-Identifier: MIT */
/* The order of eviction: priorities, age, bulk moves, and walks that end whatever the bos do. */
#include <stdatomic.h>

#include "bo_inside.h"

#define NR 6u

struct walk {
	struct zcs_bo *met[64];
	unsigned nr;
	void (*then)(struct zcs_bo *bo, void *arg);
	void *arg;
	int64_t result;
};

static int64_t meet(struct zcs_bo *bo, void *arg)
{
	struct walk *w = arg;

	assert_true(w->nr < 64);
	w->met[w->nr++] = bo;
	if (w->then)
		w->then(bo, w->arg);
	return w->result;
}

static uint64_t walk(struct zcs_device *device, struct walk *w, uint64_t target)
{
	return zcs_lru_walk(device, ZCS_LRU_ACTIVE, target, meet, w);
}

/* Whether these were met, in this order. */
static void assert_met(const struct walk *w, struct zcs_bo *const *bo, const char *order)
{
	zcs_assert_is(w->nr, (int64_t)strlen(order));
	for (unsigned i = 0; i < w->nr; i++)
		if (w->met[i] != bo[order[i] - '0'])
			fail_msg("bo %u of the walk is not %c", i, order[i]);
}

static void assert_order(struct zcs_device *device, struct zcs_bo *const *bo, const char *order)
{
	struct walk w = { .result = -EBUSY };

	zcs_assert_is(walk(device, &w, UINT64_MAX), 0);
	assert_met(&w, bo, order);
}

static struct zcs_device *make(struct zcs_bo **bo)
{
	struct zcs_device *device = bo_device(ZCS_BACKING_SMALL, 0, BO_FILE);

	for (unsigned i = 0; i < NR; i++)
		bo[i] = bo_new(device, ZCS_PAGE_SIZE);
	return device;
}

/* Pinned meanwhile: then it is at the tail at a moment that is known. */
static void fill_in_order(struct zcs_bo *bo, unsigned seed)
{
	zcs_assert_ok(zcs_bo_pin(bo, NULL));
	bo_fill(bo, seed);
	zcs_bo_unpin(bo);
}

static void done(struct zcs_device *device, struct zcs_bo **bo)
{
	bo_device_ok(device);
	for (unsigned i = 0; i < NR; i++)
		zcs_bo_put(bo[i]);
	bo_device_done(device);
}

static void case_100_use_moves_to_the_tail(void **state)
{
	struct zcs_bo *bo[NR];
	struct zcs_device *device = make(bo);
	struct zcs_bulk *bulk = NULL;

	(void)state;
	assert_order(device, bo, "012345");
	zcs_assert_ok(zcs_bo_pin(bo[1], NULL));
	assert_order(device, bo, "02345");
	zcs_bo_unpin(bo[1]);
	assert_order(device, bo, "023451");
	*bo_at(bo[2], 0) = 1;
	bo_settle(device);
	assert_order(device, bo, "034512");
	zcs_assert_ok(zcs_bulk_create(device, &bulk));
	zcs_assert_ok(zcs_bulk_add(bulk, bo[4]));
	zcs_assert_ok(zcs_bulk_add(bulk, bo[0]));
	assert_order(device, bo, "034512");
	zcs_assert_ok(zcs_bulk_move_tail(bulk));
	assert_order(device, bo, "351240");
	zcs_bulk_destroy(bulk);
	done(device, bo);
}

static void case_109_low_priorities_first_the_oldest_first(void **state)
{
	struct zcs_bo *bo[NR];
	struct zcs_device *device = make(bo);

	(void)state;
	zcs_assert_ok(zcs_bo_set_priority(bo[4], 0));
	zcs_assert_ok(zcs_bo_set_priority(bo[2], 0));
	zcs_assert_ok(zcs_bo_set_priority(bo[0], 3));
	zcs_assert_ok(zcs_bo_set_priority(bo[1], 2));
	assert_order(device, bo, "423510");
	zcs_assert_ok(zcs_bo_set_priority(bo[4], 0));
	assert_order(device, bo, "243510");
	done(device, bo);
}

static void case_109_eviction_obeys_priorities(void **state)
{
	struct zcs_bo *bo[NR];
	struct zcs_device *device = make(bo);

	(void)state;
	for (unsigned i = 0; i < NR; i++)
		fill_in_order(bo[i], i);
	zcs_assert_ok(zcs_bo_set_priority(bo[5], 0));
	zcs_assert_ok(zcs_bo_set_priority(bo[0], 3));
	for (unsigned i = 0; i < NR; i++) {
		static const unsigned order[NR] = { 5, 1, 2, 3, 4, 0 };

		zcs_assert_is(zcs_device_shrink(device, ZCS_PAGE_SIZE, 0), ZCS_PAGE_SIZE);
		for (unsigned k = 0; k < NR; k++)
			zcs_assert_is(bo_stats(bo[order[k]]).resident_bytes,
				      k <= i ? 0 : (int64_t)ZCS_PAGE_SIZE);
	}
	for (unsigned i = 0; i < NR; i++)
		assert_true(zcs_test_page_is(bo_at(bo[i], 0), i, 0));
	done(device, bo);
}

/* To have been probed, and silent since, does not make a bo of a high priority go first. */
static void a_low_priority_goes_before_an_inactive_high_one(void **state)
{
	(void)state;
	zcs_test_for_each_backing(backing)
	{
		struct zcs_device *device = bo_device(backing, 0, BO_FILE);
		struct zcs_bo *high = bo_new_with(device, BO_SIZE, 3, 0),
			      *low = bo_new_with(device, BO_SIZE, 0, 0);

		fill_in_order(high, 1);
		fill_in_order(low, 2);
		bo_settle(device);
		assert_true(zcs_bo_evict(high, 0) > 0);
		zcs_assert_is(bo_place(high), ZCS_LRU_INACTIVE);
		zcs_assert_is(zcs_device_shrink(device, BO_SIZE, 0), BO_SIZE);
		zcs_assert_is(bo_stats(low).resident_bytes, 0);
		zcs_assert_is(bo_stats(high).resident_bytes, BO_SIZE);
		zcs_assert_is(zcs_device_shrink(device, BO_SIZE, 0), BO_SIZE);
		zcs_assert_is(bo_stats(high).resident_bytes, 0);
		assert_true(bo_is(high, 1));
		assert_true(bo_is(low, 2));
		zcs_bo_put(high);
		zcs_bo_put(low);
		bo_device_done(device);
	}
}

/* The background thread waits for the silence of those of low priority. */
static void the_background_obeys_priorities_too(void **state)
{
	enum { LOW = 7 };
	struct zcs_device *device = bo_device(ZCS_BACKING_SMALL, (LOW + 1) * BO_SIZE, BO_FILE);
	struct zcs_bo *high = bo_new_with(device, BO_SIZE, 3, 0), *low[LOW];

	(void)state;
	fill_in_order(high, LOW);
	bo_settle(device);
	assert_true(zcs_bo_evict(high, 0) > 0);
	zcs_assert_is(bo_place(high), ZCS_LRU_INACTIVE);
	for (unsigned i = 0; i < LOW; i++) {
		low[i] = bo_new_with(device, BO_SIZE, 0, 0);
		bo_fill(low[i], i);
	}
	bo_wait_for(bo_device_stats(device).resident_bytes <= device->low * ZCS_PAGE_SIZE);
	zcs_assert_is(bo_stats(high).resident_bytes, BO_SIZE);
	for (unsigned i = 0; i < LOW; i++) {
		assert_true(bo_is(low[i], i));
		zcs_bo_put(low[i]);
	}
	assert_true(bo_is(high, LOW));
	zcs_bo_put(high);
	bo_device_done(device);
}

struct busy {
	struct zcs_bo *low[6], *high;
	atomic_bool stop;
	uint64_t end_ms;
};

/* Thread 0 uses the low ones until the other sees that the high one is out. */
static uint64_t use_or_wait(unsigned id, void *arg)
{
	struct busy *b = arg;
	bool out = false;

	while (!id && !b->stop)
		for (unsigned i = 0; i < 6; i++)
			for (uint64_t at = 0; at < BO_SIZE; at += ZCS_TEST_HUGE_BYTES)
				bo_read(b->low[i], at);
	while (id && !out && bo_now_ms() < b->end_ms) {
		bo_sleep_ms(1);
		out = bo_stats(b->high).resident_bytes == 0;
	}
	b->stop = true;
	return id && !out;
}

/* A low priority in use must not keep all the others in memory for nothing. */
static void the_background_passes_over_what_is_in_use(void **state)
{
	struct zcs_device *device = bo_device(ZCS_BACKING_SMALL, 7 * BO_SIZE, BO_FILE);
	struct busy b = { .high = bo_new_with(device, BO_SIZE, 3, 0) };

	(void)state;
	fill_in_order(b.high, 6);
	for (unsigned i = 0; i < 6; i++) {
		b.low[i] = bo_new_with(device, BO_SIZE, 0, 0);
		bo_fill(b.low[i], i);
	}
	b.end_ms = bo_now_ms() + 20000;
	zcs_assert_is(zcs_test_threads(2, use_or_wait, &b), 0);
	for (unsigned i = 0; i < 6; i++) {
		assert_true(bo_is(b.low[i], i));
		zcs_bo_put(b.low[i]);
	}
	assert_true(bo_is(b.high, 6));
	zcs_bo_put(b.high);
	bo_device_done(device);
}

/*
 * Probes count as in vain until one of the bos is touched while it is watched; what was read says
 * nothing of that.
 */
static void a_touch_of_what_is_watched_ends_the_silence(void **state)
{
	(void)state;
	zcs_test_for_each_backing(backing)
	{
		struct zcs_device *device = bo_device(backing, 0, BO_FILE);
		struct zcs_bo *bo[3];

		for (unsigned i = 0; i < 3; i++) {
			bo[i] = bo_new(device, BO_SIZE);
			fill_in_order(bo[i], i);
		}
		bo_settle(device);
		zcs_assert_is(device->hitless, 0);
		zcs_assert_is(zcs_device_shrink(device, 2 * BO_SIZE, 0), 2 * BO_SIZE);
		assert_true(device->hitless >= 2);
		bo_read(bo[0], 0);
		bo_settle(device);
		assert_true(device->hitless >= 2);
		zcs_assert_is(zcs_bo_evict(bo[2], 0) > 0, 1);
		bo_read(bo[2], 0);
		bo_settle(device);
		zcs_assert_is(device->hitless, 0);
		for (unsigned i = 0; i < 3; i++)
			zcs_bo_put(bo[i]);
		bo_device_done(device);
	}
}

static void a_walk_ends_at_its_target(void **state)
{
	struct zcs_bo *bo[NR];
	struct zcs_device *device = make(bo);
	struct walk w = { .result = 2 };

	(void)state;
	zcs_assert_is(walk(device, &w, 3), 4);
	assert_met(&w, bo, "01");
	assert_order(device, bo, "012345");
	done(device, bo);
}

static void requeue(struct zcs_bo *bo, void *arg)
{
	(void)arg;
	zcs_lru_move(bo, ZCS_LRU_ACTIVE);
}

/* Bug 5 of tests/README.md: what fails and is put at the tail was met again and again. */
static void bug_5_a_walk_ends_though_bos_go_to_the_tail(void **state)
{
	struct zcs_bo *bo[NR];
	struct zcs_device *device = make(bo);
	struct walk w = { .then = requeue, .result = -EBUSY };

	(void)state;
	zcs_assert_is(walk(device, &w, UINT64_MAX), 0);
	assert_met(&w, bo, "012345");
	done(device, bo);
}

static void case_110_a_failing_bo_stays_and_is_met_once(void **state)
{
	(void)state;
	zcs_test_for_each_backing(backing)
	{
		struct zcs_device *device = bo_device(backing, 0, BO_FILE);
		struct zcs_bo *bo[NR];

		for (unsigned i = 0; i < NR; i++) {
			bo[i] = bo_new(device, ZCS_TEST_HUGE_BYTES);
			fill_in_order(bo[i], i);
		}
		assert_order(device, bo, "012345");
		zcs_test_fault("insert_large", 0, 0, ENOMEM);
		zcs_test_fault("split", 0, 0, ENOMEM);
		zcs_assert_is(zcs_device_shrink(device, UINT64_C(1) << 40, 0), 0);
		zcs_assert_is(zcs_test_fault_calls("insert_large"), NR);
		zcs_test_faults_off();
		assert_order(device, bo, "012345");
		for (unsigned i = 0; i < NR; i++)
			assert_true(bo_is(bo[i], i));
		done(device, bo);
	}
}

static void evict_behind(struct zcs_bo *bo, void *arg)
{
	struct zcs_bo **all = arg;

	if (bo == all[1])
		zcs_assert_ok(zcs_bo_pin(all[2], NULL));
	if (bo == all[3])
		zcs_lru_move(all[3], ZCS_LRU_OUT);
}

static void a_walk_survives_that_its_neighbours_leave(void **state)
{
	struct zcs_bo *bo[NR];
	struct zcs_device *device = make(bo);
	struct walk w = { .then = evict_behind, .arg = bo, .result = -EBUSY };

	(void)state;
	walk(device, &w, UINT64_MAX);
	assert_met(&w, bo, "01345");
	zcs_bo_unpin(bo[2]);
	done(device, bo);
}

static void walk_inside(struct zcs_bo *bo, void *arg)
{
	struct walk w = { .result = -EBUSY };

	(void)arg;
	walk(bo->device, &w, UINT64_MAX);
	zcs_assert_is(w.nr, NR);
}

static void walks_do_not_disturb_each_other(void **state)
{
	struct zcs_bo *bo[NR];
	struct zcs_device *device = make(bo);
	struct walk w = { .then = walk_inside, .result = -EBUSY };

	(void)state;
	walk(device, &w, UINT64_MAX);
	assert_met(&w, bo, "012345");
	done(device, bo);
}

static void move_bulk(struct zcs_bo *bo, void *arg)
{
	(void)bo;
	zcs_assert_ok(zcs_bulk_move_tail(arg));
}

static void case_112_a_bulk_moves_while_a_walk_is_inside(void **state)
{
	struct zcs_bo *bo[NR];
	struct zcs_device *device = make(bo);
	struct zcs_bulk *bulk = NULL;
	struct walk w = { .then = move_bulk, .result = -EBUSY };

	(void)state;
	zcs_assert_ok(zcs_bulk_create(device, &bulk));
	for (unsigned i = 1; i < 4; i++)
		zcs_assert_ok(zcs_bulk_add(bulk, bo[i]));
	w.arg = bulk;
	walk(device, &w, UINT64_MAX);
	/* 1 to 3 went to the tail before they were met */
	assert_met(&w, bo, "045");
	assert_order(device, bo, "045123");
	zcs_bulk_destroy(bulk);
	done(device, bo);
}

/* Bug 6 of tests/README.md: a bulk kept members that were swapped out and then freed. */
static void bug_6_case_111_an_evicted_member_is_freed(void **state)
{
	struct zcs_bo *bo[NR];
	struct zcs_device *device = make(bo);
	struct zcs_bulk *bulk = NULL;

	(void)state;
	zcs_assert_ok(zcs_bulk_create(device, &bulk));
	for (unsigned i = 0; i < NR; i++) {
		fill_in_order(bo[i], i);
		zcs_assert_ok(zcs_bulk_add(bulk, bo[i]));
	}
	/* first, middle and last of the range, evicted in both ways, are freed */
	zcs_assert_is(zcs_bo_evict(bo[0], 0), 1);
	zcs_assert_is(zcs_device_shrink(device, 2 * ZCS_PAGE_SIZE, 0), 2 * ZCS_PAGE_SIZE);
	zcs_assert_is(zcs_bo_evict(bo[3], ZCS_BACKUP_WRITEBACK), 1);
	zcs_assert_is(zcs_bo_evict(bo[5], ZCS_BACKUP_PURGE), 1);
	for (unsigned i = 0; i < NR; i++) {
		if (i == 1 || i == 4)
			continue;
		zcs_bo_put(bo[i]);
		zcs_assert_ok(zcs_bulk_move_tail(bulk));
	}
	bo_wait_for(bo_device_stats(device).bos == 2);
	zcs_assert_ok(zcs_bulk_move_tail(bulk));
	bo_device_ok(device);
	zcs_bo_put(bo[1]);
	zcs_bulk_destroy(bulk);
	/* the one that is left is in no bulk */
	zcs_assert_is(zcs_bulk_remove(bo[4]), -ENOENT);
	zcs_bo_put(bo[4]);
	bo_device_done(device);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		zcs_test(case_100_use_moves_to_the_tail),
		zcs_test(case_109_low_priorities_first_the_oldest_first),
		zcs_test(case_109_eviction_obeys_priorities),
		zcs_test(a_low_priority_goes_before_an_inactive_high_one),
		zcs_test(the_background_obeys_priorities_too),
		zcs_test(the_background_passes_over_what_is_in_use),
		zcs_test(a_touch_of_what_is_watched_ends_the_silence),
		zcs_test(a_walk_ends_at_its_target),
		zcs_test(bug_5_a_walk_ends_though_bos_go_to_the_tail),
		zcs_test(case_110_a_failing_bo_stays_and_is_met_once),
		zcs_test(a_walk_survives_that_its_neighbours_leave),
		zcs_test(walks_do_not_disturb_each_other),
		zcs_test(case_112_a_bulk_moves_while_a_walk_is_inside),
		zcs_test(bug_6_case_111_an_evicted_member_is_freed),
	};

	if (!bo_has_userfaultfd())
		zcs_test_skip("no userfaultfd here");
	return zcs_test_run(tests);
}
