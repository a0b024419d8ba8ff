/* SPDX-License-Identifier: MIT */
/*
 * Writers that never stop (words.h) against evictors that never stop: no word may be wrong, ever or
 * in the end. That these writers see what is lost is shown by the negative control, naive_eviction.
 */
#include <stdatomic.h>
#include <unistd.h>

#include "../trouble/seed.h"
#include "bo_test.h"
#include "words.h"

#define EVICTORS 2u
#define MS	 1200u

struct race {
	struct zcs_device *device;
	struct zcs_bo *bo;
	struct words words;
	uint64_t end_ms;
	_Atomic uint64_t evictions;
	int64_t (*evict)(struct race *r, struct rng *rng);
};

static uint64_t evict_for_ever(struct race *r, unsigned id)
{
	struct rng rng = rng_of(seed_of_run(), 100 + id);
	uint64_t wrong = 0;

	while (bo_now_ms() < r->end_ms) {
		int64_t n = r->evict(r, &rng);

		r->evictions += n > 0;
		wrong += n < 0 && n != -EBUSY;
		/*
		 * a thread that only takes the lock again and again keeps the fault threads from it
		 */
		if (n <= 0)
			usleep(50);
	}
	return wrong;
}

static uint64_t run(unsigned id, void *arg)
{
	struct race *r = arg;

	return id < WORDS_WRITERS ? words_write(&r->words, id, r->end_ms) : evict_for_ever(r, id);
}

static void race(enum zcs_backing backing, uint64_t size,
		 int64_t (*evict)(struct race *r, struct rng *rng), const char *how)
{
	struct race r = { .device = bo_device(backing, 0, BO_FILE), .evict = evict };

	r.bo = bo_new(r.device, size);
	words_begin(&r.words, zcs_bo_address(r.bo), size / ZCS_PAGE_SIZE, seed_of_run());
	r.end_ms = bo_now_ms() + MS;
	zcs_assert_is(zcs_test_threads(WORDS_WRITERS + EVICTORS, run, &r), 0);
	zcs_assert_is(words_compare(&r.words), 0);
	print_message("# %s, %" PRIu64 " KiB, %s: %" PRIu64 " writes, %" PRIu64 " evictions\n",
		      zcs_test_backing_name(backing), size >> 10, how, (uint64_t)r.words.writes,
		      (uint64_t)r.evictions);
	assert_true(r.words.writes > 0 && r.evictions > 0);
	words_end(&r.words);
	bo_device_ok(r.device);
	zcs_bo_put(r.bo);
	bo_device_done(r.device);
}

static int64_t insert_only(struct race *r, struct rng *rng)
{
	(void)rng;
	return zcs_bo_evict(r->bo, 0);
}

static int64_t with_writeback(struct race *r, struct rng *rng)
{
	int64_t n = zcs_bo_evict(r->bo, ZCS_BACKUP_WRITEBACK);

	/* sometimes long enough for the write to end */
	if (rng_one_in(rng, 2))
		bo_sleep_ms((unsigned)rng_below(rng, 4));
	return n;
}

static int64_t in_every_way(struct race *r, struct rng *rng)
{
	static const struct zcs_ctx no_wait = { .struct_size = sizeof(no_wait), .no_wait = true };
	int64_t n;

	switch (rng_below(rng, 6)) {
	case 0:
		return zcs_bo_evict(r->bo, 0);
	case 1:
		return zcs_bo_shrink(r->bo, rng_one_in(rng, 2) ? &no_wait : NULL,
				     rng_one_in(rng, 2) ? ZCS_BACKUP_WRITEBACK : 0);
	case 2:
		n = zcs_bo_evict(r->bo, ZCS_BACKUP_WRITEBACK);
		zcs_bo_prefetch(r->bo);
		return n;
	case 3:
		if (zcs_bo_pin(r->bo, NULL))
			return -EIO;
		zcs_bo_unpin(r->bo);
		return 0;
	case 4:
		return zcs_device_shrink(r->device, ZCS_TEST_HUGE_BYTES, ZCS_SHRINK_NO_WRITEBACK);
	default:
		return zcs_device_shrink(r->device, ZCS_TEST_HUGE_BYTES, 0);
	}
}

static void each_backing(int64_t (*evict)(struct race *r, struct rng *rng), const char *how)
{
	zcs_test_for_each_backing(backing)
	{
		race(backing, 2 * ZCS_TEST_HUGE_BYTES, evict, how);
		if (backing == ZCS_BACKING_SMALL)
			race(backing, 3 * ZCS_PAGE_SIZE, evict, how);
	}
}

static void no_word_is_lost_by_inserting(void **state)
{
	(void)state;
	each_backing(insert_only, "insert");
}

static void no_word_is_lost_by_writing_back(void **state)
{
	(void)state;
	each_backing(with_writeback, "writeback");
}

static void no_word_is_lost_in_any_way(void **state)
{
	(void)state;
	each_backing(in_every_way, "every way");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		zcs_test(no_word_is_lost_by_inserting),
		zcs_test(no_word_is_lost_by_writing_back),
		zcs_test(no_word_is_lost_in_any_way),
	};

	if (!bo_has_userfaultfd())
		zcs_test_skip("no userfaultfd here: an address that is out does not trap");
	seed_of_run();
	return zcs_test_run(tests);
}
