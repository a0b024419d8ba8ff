/* SPDX-License-Identifier: MIT */
/* A touch brings a folio back, from wherever it is, and is counted by where that was. */
#include "bo_inside.h"

#define FOLIOS (BO_SIZE / ZCS_TEST_HUGE_BYTES)

struct sample {
	struct zcs_device *device;
	struct zcs_bo *bo;
};

static struct sample sample(enum zcs_backing backing)
{
	struct sample s = { .device = bo_device(backing, 0, BO_FILE) };

	s.bo = bo_new(s.device, BO_SIZE);
	return s;
}

static void done(struct sample *s)
{
	bo_device_ok(s->device);
	zcs_bo_put(s->bo);
	bo_device_done(s->device);
}

static void write_out(struct zcs_bo *bo)
{
	bo_settle(bo->device);
	bo_write_out(bo);
}

static void insert(struct zcs_bo *bo)
{
	bo_settle(bo->device);
	zcs_assert_is(zcs_bo_evict(bo, 0), (int64_t)(zcs_bo_size(bo) / ZCS_PAGE_SIZE));
}

/* How many touches of each sort there were. */
static void assert_touches(struct zcs_bo *bo, int64_t empty, int64_t resident, int64_t read)
{
	struct zcs_stats st;

	bo_settle(bo->device);
	st = bo_stats(bo);
	zcs_assert_is(st.touch_empty, empty);
	zcs_assert_is(st.touch_resident, resident);
	zcs_assert_is(st.touch_read, read);
	zcs_assert_is(st.touch_errors, 0);
}

static void an_empty_folio_is_committed(void **state)
{
	(void)state;
	zcs_test_for_each_backing(backing)
	{
		struct sample s = sample(backing);

		assert_touches(s.bo, 0, 0, 0);
		zcs_assert_is(bo_read(s.bo, 0), 0);
		assert_touches(s.bo, 1, 0, 0);
		zcs_assert_is(bo_stats(s.bo).mapped_bytes, ZCS_TEST_HUGE_BYTES);
		*bo_at(s.bo, BO_SIZE - 1) = 1;
		assert_touches(s.bo, FOLIOS, 0, 0);
		bo_fill(s.bo, 1);
		assert_touches(s.bo, FOLIOS, 0, 0);
		done(&s);
	}
}

static void an_inserted_folio_is_taken_back(void **state)
{
	(void)state;
	zcs_test_for_each_backing(backing)
	{
		struct sample s = sample(backing);

		bo_fill(s.bo, 2);
		insert(s.bo);
		zcs_assert_is(bo_stats(s.bo).inserted_bytes, BO_SIZE);
		assert_true(bo_is(s.bo, 2));
		assert_touches(s.bo, FOLIOS, FOLIOS, 0);
		zcs_assert_is(bo_stats(s.bo).inserted_bytes, 0);
		done(&s);
	}
}

static void a_written_folio_is_read(void **state)
{
	(void)state;
	zcs_test_for_each_backing(backing)
	{
		struct sample s = sample(backing);

		bo_fill(s.bo, 3);
		write_out(s.bo);
		zcs_assert_is(bo_stats(s.bo).written_bytes, BO_SIZE);
		bo_read(s.bo, BO_SIZE - 1);
		assert_touches(s.bo, FOLIOS, 0, 1);
		assert_true(bo_is(s.bo, 3));
		assert_touches(s.bo, FOLIOS, 0, FOLIOS);
		done(&s);
	}
}

/* The first access after an eviction is a write; what the others' bytes were must be there. */
static void a_write_touch_keeps_the_rest(void **state)
{
	(void)state;
	zcs_test_for_each_backing(backing)
	{
		struct sample s = sample(backing);

		for (unsigned turn = 0; turn < 4; turn++) {
			bo_fill(s.bo, 4);
			if (turn % 2)
				write_out(s.bo);
			else
				insert(s.bo);
			zcs_test_fill_page(bo_at(s.bo, 7 * ZCS_PAGE_SIZE), 5, 7);
			assert_true(zcs_test_page_is(bo_at(s.bo, 7 * ZCS_PAGE_SIZE), 5, 7));
			zcs_test_fill_page(bo_at(s.bo, 7 * ZCS_PAGE_SIZE), 4, 7);
			assert_true(bo_is(s.bo, 4));
		}
		done(&s);
	}
}

/* Written, read, and only then written to: the write must not be lost with a slot that is kept. */
static void a_write_after_a_read_touch_is_dirt(void **state)
{
	(void)state;
	zcs_test_for_each_backing(backing)
	{
		struct sample s = sample(backing);

		bo_fill(s.bo, 6);
		for (unsigned turn = 0; turn < 3; turn++) {
			write_out(s.bo);
			assert_true(bo_is(s.bo, 6 + turn));
			write_out(s.bo);
			assert_true(bo_is(s.bo, 6 + turn));
			bo_fill(s.bo, 7 + turn);
		}
		done(&s);
	}
}

static void a_same_filled_folio_needs_no_read(void **state)
{
	(void)state;
	zcs_test_for_each_backing(backing)
	{
		struct sample s = sample(backing);

		memset(zcs_bo_address(s.bo), 0x5a, BO_SIZE);
		write_out(s.bo);
		zcs_assert_is(bo_stats(s.bo).same_bytes, BO_SIZE);
		zcs_assert_is(bo_stats(s.bo).written_bytes, 0);
		for (uint64_t i = 0; i < BO_SIZE; i += 511)
			zcs_assert_is(bo_read(s.bo, i), 0x5a);
		assert_touches(s.bo, FOLIOS, FOLIOS, 0);
		done(&s);
	}
}

static uint64_t touch_one_folio(unsigned id, void *arg)
{
	struct zcs_bo *bo = arg;

	return !zcs_test_page_is(bo_at(bo, id * 3 * ZCS_PAGE_SIZE), 8, id * 3);
}

static void of_many_touchers_one_restores(void **state)
{
	(void)state;
	zcs_test_for_each_backing(backing)
	{
		struct zcs_device *device = bo_device(backing, 0, BO_FILE);
		struct zcs_bo *bo = bo_new(device, ZCS_TEST_HUGE_BYTES);

		for (unsigned turn = 1; turn <= 20; turn++) {
			bo_fill(bo, 8);
			write_out(bo);
			zcs_assert_is(zcs_test_threads(8, touch_one_folio, bo), 0);
			bo_settle(device);
			zcs_assert_is(bo_stats(bo).touch_read, turn);
		}
		print_message("# %s: %" PRIu64 " of 160 touchers were late\n",
			      zcs_test_backing_name(backing), bo_stats(bo).touch_late);
		bo_device_ok(device);
		zcs_bo_put(bo);
		bo_device_done(device);
	}
}

/* Small bos: each of its own folios, and neighbours are not touched. */
static void small_bos_come_back_one_by_one(void **state)
{
	struct zcs_device *device = bo_device(ZCS_BACKING_AUTO, 0, BO_FILE);
	struct zcs_bo *bo[32];

	(void)state;
	for (unsigned i = 0; i < 32; i++) {
		bo[i] = bo_new(device, (1 + i % 5) * ZCS_PAGE_SIZE);
		bo_fill(bo[i], i);
	}
	for (unsigned i = 0; i < 32; i++)
		write_out(bo[i]);
	for (unsigned i = 0; i < 32; i += 2)
		assert_true(bo_is(bo[i], i));
	bo_settle(device);
	for (unsigned i = 0; i < 32; i++)
		zcs_assert_is(bo_stats(bo[i]).resident_bytes,
			      i % 2 ? 0 : (int64_t)zcs_bo_size(bo[i]));
	for (unsigned i = 0; i < 32; i++) {
		assert_true(bo_is(bo[i], i));
		zcs_bo_put(bo[i]);
	}
	bo_device_done(device);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		zcs_test(an_empty_folio_is_committed),
		zcs_test(an_inserted_folio_is_taken_back),
		zcs_test(a_written_folio_is_read),
		zcs_test(a_write_touch_keeps_the_rest),
		zcs_test(a_write_after_a_read_touch_is_dirt),
		zcs_test(a_same_filled_folio_needs_no_read),
		zcs_test(of_many_touchers_one_restores),
		zcs_test(small_bos_come_back_one_by_one),
	};

	if (!bo_has_userfaultfd())
		zcs_test_skip("no userfaultfd here");
	return zcs_test_run(tests);
}
