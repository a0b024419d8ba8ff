/* SPDX-License-Identifier: MIT */
/*
 * Writers that never stop against evictors that never stop. Each writer owns a word of every page, knows what
 * must be in it, and looks before each write; in the end all words are compared once more. A write that falls
 * between two steps of an eviction, or a page that comes back older than it left, is a wrong word.
 */
#include <stdatomic.h>
#include <unistd.h>

#include "../trouble/seed.h"
#include "bo_test.h"

#define WRITERS	 2u
#define EVICTORS 2u
#define MS	 1200u

struct race {
	struct zcs_device *device;
	struct zcs_bo *bo;
	uint64_t pages, end_ms;
	uint32_t *expected[WRITERS];
	_Atomic uint64_t writes, evictions;
	int64_t (*evict)(struct race *r, struct rng *rng);
};

static volatile uint64_t *word(struct race *r, uint64_t page, unsigned id)
{
	return (volatile uint64_t *)(void *)bo_at(r->bo, page * ZCS_PAGE_SIZE) + id * 37;
}

static uint64_t write_words(struct race *r, unsigned id)
{
	struct rng rng = rng_of(seed_of_run(), id);
	uint64_t wrong = 0, n = 0;

	while (n % 1024 || bo_now_ms() < r->end_ms) {
		uint64_t page = rng_below(&rng, r->pages);
		volatile uint64_t *w = word(r, page, id);

		wrong += *w != r->expected[id][page];
		*w = ++r->expected[id][page];
		n++;
	}
	r->writes += n;
	return wrong;
}

static uint64_t evict_for_ever(struct race *r, unsigned id)
{
	struct rng rng = rng_of(seed_of_run(), 100 + id);
	uint64_t wrong = 0;

	while (bo_now_ms() < r->end_ms) {
		int64_t n = r->evict(r, &rng);

		r->evictions += n > 0;
		wrong += n < 0 && n != -EBUSY;
		/* who only takes the lock again and again keeps the fault threads from it */
		if (n <= 0)
			usleep(50);
	}
	return wrong;
}

static uint64_t run(unsigned id, void *arg)
{
	return id < WRITERS ? write_words(arg, id) : evict_for_ever(arg, id);
}

static uint64_t compare(struct race *r)
{
	uint64_t wrong = 0;

	for (unsigned id = 0; id < WRITERS; id++)
		for (uint64_t page = 0; page < r->pages; page++)
			wrong += *word(r, page, id) != r->expected[id][page];
	return wrong;
}

static void race(enum zcs_backing backing, uint64_t size,
		 int64_t (*evict)(struct race *r, struct rng *rng), const char *how)
{
	struct race r = { .device = bo_device(backing, 0, BO_FILE), .evict = evict };

	r.bo = bo_new(r.device, size);
	r.pages = size / ZCS_PAGE_SIZE;
	for (unsigned id = 0; id < WRITERS; id++) {
		r.expected[id] = calloc(r.pages, sizeof(uint32_t));
		assert_non_null(r.expected[id]);
	}
	r.end_ms = bo_now_ms() + MS;
	zcs_assert_is(zcs_test_threads(WRITERS + EVICTORS, run, &r), 0);
	zcs_assert_is(compare(&r), 0);
	print_message("# %s, %" PRIu64 " KiB, %s: %" PRIu64 " writes, %" PRIu64 " evictions\n",
		      zcs_test_backing_name(backing), size >> 10, how, (uint64_t)r.writes,
		      (uint64_t)r.evictions);
	assert_true(r.writes > 0 && r.evictions > 0);
	for (unsigned id = 0; id < WRITERS; id++)
		free(r.expected[id]);
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
