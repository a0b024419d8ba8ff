/* SPDX-License-Identifier: MIT */
/*
 * Evicting one bo, and offering it to the shrinker: results, errors, and the place in the LRU
 * afterwards.
 */
#include <pthread.h>
#include <stdatomic.h>

#include "bo_inside.h"
#include "store/store.h"

#define PAGES ((int64_t)(BO_SIZE / ZCS_PAGE_SIZE))

static const struct zcs_ctx no_wait = { .struct_size = sizeof(no_wait), .no_wait = true };

struct sample {
	struct zcs_device *device;
	struct zcs_bo *bo;
};

static struct sample sample(enum zcs_backing backing, const char *store)
{
	struct sample s = { .device = bo_device(backing, 0, store) };

	s.bo = bo_new(s.device, BO_SIZE);
	return s;
}

static void done(struct sample *s)
{
	zcs_test_faults_off();
	assert_true(bo_is(s->bo, 1));
	bo_device_ok(s->device);
	zcs_bo_put(s->bo);
	bo_device_done(s->device);
}

static void evicting_moves_the_pages_out(void **state)
{
	(void)state;
	zcs_test_for_each_backing(backing)
	{
		struct sample s = sample(backing, BO_FILE);

		zcs_assert_is(zcs_bo_evict(s.bo, 0), 0); /* nothing there yet */
		bo_fill(s.bo, 1);
		bo_settle(s.device);
		zcs_assert_is(zcs_bo_evict(s.bo, 0), PAGES);
		zcs_assert_is(zcs_bo_evict(s.bo, 0), 0);
		zcs_assert_is(bo_place(s.bo), ZCS_LRU_INACTIVE);
		zcs_assert_is(bo_stats(s.bo).inserted_bytes, BO_SIZE);
		assert_true(bo_is(s.bo, 1));
		bo_settle(s.device);
		zcs_assert_is(bo_place(s.bo), ZCS_LRU_ACTIVE);
		zcs_assert_is(zcs_bo_evict(s.bo, ZCS_BACKUP_WRITEBACK), PAGES);
		bo_wait_for(bo_stats(s.bo).resident_bytes == 0);
		zcs_assert_is(zcs_bo_evict(s.bo, ZCS_BACKUP_WRITEBACK), 0);
		zcs_assert_is(bo_place(s.bo), ZCS_LRU_OUT);
		zcs_assert_is(bo_stats(s.bo).written_bytes, BO_SIZE);
		zcs_assert_is(bo_device_stats(s.device).evicted, 2);
		done(&s);
	}
}

static void purging_drops_the_content(void **state)
{
	(void)state;
	zcs_test_for_each_backing(backing)
	{
		struct sample s = sample(backing, BO_FILE);

		for (unsigned i = 0; i < 3; i++) {
			bo_fill(s.bo, 2);
			bo_settle(s.device);
			if (i == 1)
				assert_true(zcs_bo_evict(s.bo, 0) > 0);
			if (i == 2)
				bo_write_out(s.bo);
			zcs_assert_is(zcs_bo_evict(s.bo, ZCS_BACKUP_PURGE), PAGES);
			zcs_assert_is(bo_stats(s.bo).resident_bytes, 0);
			zcs_assert_is(bo_stats(s.bo).written_bytes, 0);
			assert_true(bo_is_zero(s.bo));
			bo_settle(s.device);
		}
		bo_fill(s.bo, 1);
		done(&s);
	}
}

static void a_full_store_leaves_the_rest_in_memory(void **state)
{
	(void)state;
	zcs_test_for_each_backing(backing)
	{
		struct sample s = sample(backing, "file:?size=2M");

		bo_fill(s.bo, 1);
		bo_settle(s.device);
		assert_true(zcs_bo_evict(s.bo, ZCS_BACKUP_WRITEBACK) > 0);
		bo_wait_for(bo_stats(s.bo).written_bytes == ZCS_TEST_HUGE_BYTES);
		zcs_assert_is(bo_stats(s.bo).resident_bytes, BO_SIZE - ZCS_TEST_HUGE_BYTES);
		/* touches bring it back in memory; what keeps its slot keeps the store full */
		assert_true(bo_is(s.bo, 1));
		done(&s);
	}
}

static void case_113_pinned_empty_or_busy(void **state)
{
	struct sample s = sample(ZCS_BACKING_SMALL, BO_FILE);

	(void)state;
	zcs_assert_is(zcs_bo_shrink(s.bo, NULL, 0), 0);
	bo_fill(s.bo, 1);
	bo_settle(s.device);
	zcs_assert_ok(zcs_bo_pin(s.bo, NULL));
	zcs_assert_is(zcs_bo_shrink(s.bo, NULL, 0), -EBUSY);
	zcs_assert_is(zcs_bo_shrink(s.bo, &no_wait, ZCS_BACKUP_WRITEBACK), -EBUSY);
	zcs_assert_is(zcs_bo_shrink(s.bo, NULL, ZCS_BACKUP_PURGE), -EBUSY);
	zcs_bo_unpin(s.bo);
	done(&s);
}

/*
 * There is nothing to be moved out of first; what takes the place of that move's -ENOMEM is a store
 * without room.
 */
static void case_114_no_room_to_move_to_is_busy(void **state)
{
	(void)state;
	zcs_test_for_each_backing(backing)
	{
		struct sample s = sample(backing, "file:?size=2M");
		struct zcs_bo *full = bo_new(s.device, ZCS_TEST_HUGE_BYTES);

		bo_fill(full, 2);
		bo_fill(s.bo, 1);
		bo_settle(s.device);
		zcs_assert_is(zcs_bo_shrink(full, NULL, ZCS_BACKUP_WRITEBACK),
			      ZCS_TEST_HUGE_BYTES / ZCS_PAGE_SIZE);
		bo_wait_for(bo_stats(full).written_bytes == ZCS_TEST_HUGE_BYTES);
		zcs_assert_is(zcs_bo_shrink(s.bo, NULL, 0), -EBUSY);
		zcs_assert_is(zcs_bo_shrink(s.bo, NULL, ZCS_BACKUP_WRITEBACK), -EBUSY);
		zcs_assert_is(bo_place(s.bo), ZCS_LRU_ACTIVE);
		zcs_assert_is(bo_stats(s.bo).mapped_bytes, BO_SIZE);
		assert_true(bo_is(full, 2));
		zcs_bo_put(full);
		done(&s);
	}
}

static void case_115_who_may_not_wait_is_told_it_is_busy(void **state)
{
	struct sample s = sample(ZCS_BACKING_SMALL, BO_FILE);

	(void)state;
	bo_fill(s.bo, 1);
	bo_settle(s.device);
	bo_hold(s.bo);
	zcs_assert_is(zcs_bo_shrink(s.bo, &no_wait, 0), -EBUSY);
	bo_let_go(s.bo);
	zcs_assert_is(zcs_bo_shrink(s.bo, &no_wait, 0), PAGES);
	done(&s);
}

struct shrinker {
	struct zcs_bo *bo;
	int64_t result;
	atomic_bool started, ended;
};

static void *shrink(void *arg)
{
	struct shrinker *s = arg;

	s->started = true;
	s->result = zcs_bo_shrink(s->bo, NULL, 0);
	s->ended = true;
	return NULL;
}

/*
 * The kernel gives up after 15 s. Here who holds a bo is a restore or an eviction, and those end.
 */
static void case_115_who_may_wait_waits_until_it_is_let_go(void **state)
{
	struct sample s = sample(ZCS_BACKING_SMALL, BO_FILE);
	struct shrinker shrinker = { .bo = s.bo };
	pthread_t thread;

	(void)state;
	bo_fill(s.bo, 1);
	bo_settle(s.device);
	bo_hold(s.bo);
	zcs_assert_ok(pthread_create(&thread, NULL, shrink, &shrinker));
	bo_wait_for(shrinker.started);
	bo_sleep_ms(20);
	assert_false(shrinker.ended);
	bo_let_go(s.bo);
	pthread_join(thread, NULL);
	zcs_assert_is(shrinker.result, PAGES);
	done(&s);
}

static void case_116_errors_are_mapped(void **state)
{
	static const struct {
		int error;
		int64_t shrink;
	} error[] = { { ENOMEM, -EBUSY }, { ENOSPC, -EBUSY }, { EIO, -EBUSY }, { EINTR, -EINTR } };

	(void)state;
	zcs_test_for_each_backing(backing)
	{
		struct sample s = sample(backing, BO_FILE);

		bo_fill(s.bo, 1);
		bo_settle(s.device);
		for (size_t i = 0; i < sizeof(error) / sizeof(*error); i++) {
			zcs_test_fault("insert", 0, 0, error[i].error);
			zcs_assert_is(zcs_bo_shrink(s.bo, NULL, 0), error[i].shrink);
			zcs_assert_is(zcs_bo_evict(s.bo, 0), -error[i].error);
			zcs_test_faults_off();
			zcs_assert_is(bo_place(s.bo), ZCS_LRU_ACTIVE);
			assert_true(bo_is(s.bo, 1));
		}
		zcs_assert_is(zcs_bo_shrink(s.bo, NULL, 0), PAGES);
		zcs_assert_is(zcs_bo_shrink(s.bo, NULL, 0), 0);
		done(&s);
	}
}

static void case_117_after_success_it_is_out_and_populating_brings_it_back(void **state)
{
	struct sample s = sample(ZCS_BACKING_SMALL, BO_FILE);
	struct zcs_bo *other = bo_new(s.device, 1);
	struct zcs_bulk *bulk = NULL;

	(void)state;
	zcs_assert_ok(zcs_bulk_create(s.device, &bulk));
	zcs_assert_ok(zcs_bulk_add(bulk, s.bo));
	bo_fill(s.bo, 1);
	bo_settle(s.device);
	zcs_assert_is(zcs_bo_shrink(s.bo, NULL, ZCS_BACKUP_WRITEBACK), PAGES);
	zcs_assert_is(bo_place(s.bo), ZCS_LRU_OUT);
	/* not part of what the bulk moves */
	zcs_assert_ok(zcs_bulk_move_tail(bulk));
	zcs_assert_is(bo_place(s.bo), ZCS_LRU_OUT);
	bo_wait_for(bo_stats(s.bo).resident_bytes == 0);
	zcs_assert_ok(zcs_bo_pin(s.bo, NULL));
	zcs_bo_unpin(s.bo);
	zcs_assert_is(bo_place(s.bo), ZCS_LRU_ACTIVE);
	assert_ptr_equal(TAILQ_LAST(&s.device->lru.list[ZCS_LRU_ACTIVE][1], zcs_lru_head), s.bo);
	zcs_bulk_destroy(bulk);
	zcs_bo_put(other);
	done(&s);
}

/* Half of it was refused: what stayed can be evicted by the next who comes. */
static void a_bo_that_is_half_out_can_still_be_evicted(void **state)
{
	(void)state;
	zcs_test_for_each_backing(backing)
	{
		struct sample s = sample(backing, BO_FILE);

		bo_fill(s.bo, 1);
		bo_settle(s.device);
		zcs_test_fault("insert", 1, 0, ENOMEM);
		assert_true(zcs_bo_evict(s.bo, ZCS_BACKUP_WRITEBACK) > 0);
		zcs_test_faults_off();
		assert_true(bo_stats(s.bo).mapped_bytes > 0);
		zcs_assert_is(bo_place(s.bo), ZCS_LRU_ACTIVE);
		assert_true(zcs_device_shrink(s.device, 2 * BO_SIZE, 0) > 0);
		bo_wait_for(bo_stats(s.bo).resident_bytes == 0);
		done(&s);
	}
}

/* A probe may have inserted it at any moment: a caller that wants it written gets it written. */
static void what_is_inserted_is_written_when_asked_for(void **state)
{
	(void)state;
	zcs_test_for_each_backing(backing)
	{
		for (unsigned i = 0; i < 2; i++) {
			struct sample s = sample(backing, BO_FILE);

			bo_fill(s.bo, 1);
			bo_settle(s.device);
			zcs_assert_is(zcs_bo_evict(s.bo, 0), PAGES);
			zcs_assert_is(bo_place(s.bo), ZCS_LRU_INACTIVE);
			zcs_assert_is(i ? zcs_bo_shrink(s.bo, NULL, ZCS_BACKUP_WRITEBACK)
					: zcs_bo_evict(s.bo, ZCS_BACKUP_WRITEBACK),
				      PAGES);
			zcs_assert_is(bo_place(s.bo), ZCS_LRU_OUT);
			zcs_assert_is(zcs_bo_evict(s.bo, ZCS_BACKUP_WRITEBACK), 0);
			bo_wait_for(bo_stats(s.bo).resident_bytes == 0);
			zcs_assert_is(bo_stats(s.bo).written_bytes, BO_SIZE);
			zcs_assert_is(bo_device_stats(s.device).evicted, 2);
			done(&s);
		}
	}
}

static void a_bo_that_is_half_inserted_is_written_whole(void **state)
{
	(void)state;
	zcs_test_for_each_backing(backing)
	{
		struct sample s = sample(backing, BO_FILE);

		bo_fill(s.bo, 1);
		bo_settle(s.device);
		zcs_assert_is(zcs_bo_evict(s.bo, 0), PAGES);
		bo_read(s.bo, 0);
		bo_settle(s.device);
		assert_in_range(bo_stats(s.bo).mapped_bytes, 1, BO_SIZE - 1);
		zcs_assert_is(zcs_bo_evict(s.bo, ZCS_BACKUP_WRITEBACK), PAGES);
		bo_wait_for(bo_stats(s.bo).resident_bytes == 0);
		zcs_assert_is(bo_place(s.bo), ZCS_LRU_OUT);
		done(&s);
	}
}

/* The mapped pages were refused; pages inserted before are written nevertheless. */
static void a_refusal_does_not_keep_the_rest_from_being_written(void **state)
{
	(void)state;
	zcs_test_for_each_backing(backing)
	{
		struct sample s = sample(backing, BO_FILE);
		uint64_t mapped;

		bo_fill(s.bo, 1);
		bo_settle(s.device);
		zcs_assert_is(zcs_bo_evict(s.bo, 0), PAGES);
		bo_read(s.bo, 0);
		bo_settle(s.device);
		mapped = bo_stats(s.bo).mapped_bytes;
		zcs_test_fault("insert", 0, 0, ENOMEM);
		zcs_assert_is(zcs_bo_evict(s.bo, ZCS_BACKUP_WRITEBACK),
			      (int64_t)((BO_SIZE - mapped) / ZCS_PAGE_SIZE));
		bo_wait_for(bo_stats(s.bo).resident_bytes == mapped);
		zcs_assert_is(bo_place(s.bo), ZCS_LRU_ACTIVE);
		done(&s);
	}
}

/* Evicted, but the write failed: it is written later, when a write may succeed. */
static void a_failed_write_is_tried_again(void **state)
{
	(void)state;
	zcs_test_for_each_backing(backing)
	{
		struct sample s = sample(backing, BO_FILE);

		bo_fill(s.bo, 1);
		bo_settle(s.device);
		zcs_test_fault("write", 0, 0, EIO);
		zcs_assert_is(zcs_bo_evict(s.bo, ZCS_BACKUP_WRITEBACK), PAGES);
		bo_wait_for(!zcs_store_pending(s.device->store));
		zcs_assert_is(bo_stats(s.bo).resident_bytes, BO_SIZE);
		zcs_assert_is(zcs_device_shrink(s.device, BO_SIZE, 0), 0);
		zcs_test_faults_off();
		zcs_assert_is(zcs_device_shrink(s.device, BO_SIZE, 0), BO_SIZE);
		zcs_assert_is(bo_stats(s.bo).resident_bytes, 0);
		done(&s);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		zcs_test(evicting_moves_the_pages_out),
		zcs_test(purging_drops_the_content),
		zcs_test(a_full_store_leaves_the_rest_in_memory),
		zcs_test(case_113_pinned_empty_or_busy),
		zcs_test(case_114_no_room_to_move_to_is_busy),
		zcs_test(case_115_who_may_not_wait_is_told_it_is_busy),
		zcs_test(case_115_who_may_wait_waits_until_it_is_let_go),
		zcs_test(case_116_errors_are_mapped),
		zcs_test(case_117_after_success_it_is_out_and_populating_brings_it_back),
		zcs_test(a_bo_that_is_half_out_can_still_be_evicted),
		zcs_test(what_is_inserted_is_written_when_asked_for),
		zcs_test(a_bo_that_is_half_inserted_is_written_whole),
		zcs_test(a_refusal_does_not_keep_the_rest_from_being_written),
		zcs_test(a_failed_write_is_tried_again),
	};

	if (!bo_has_userfaultfd())
		zcs_test_skip("no userfaultfd here");
	return zcs_test_run(tests);
}
