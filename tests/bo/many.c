/* SPDX-License-Identifier: MIT */
/*
 * Ten thousand bos from one page to 16 MiB, under the default vm.max_map_count: all touched, every
 * other one evicted (which splits the user map as far as it will), some of those touched again, all
 * evicted, all touched again. And what happens when nothing can be split any more.
 *
 * Nearly all are of 4 to 32 KiB and touched on each page. One in 225 is of 64 KiB to 16 MiB, each
 * size both evicted and not, and touched here and there only: a page each 64 KiB, from 2 MiB on one
 * each 8 MiB.
 */
#include "bo_test.h"

#define NR	      10000u
#define LARGE_EVERY   225u
#define LARGE_SIZES   9u
#define MAX_MAP_COUNT 65530u

static bool is_large(unsigned i)
{
	return i % LARGE_EVERY == LARGE_EVERY / 2;
}

static uint64_t size_of(unsigned i)
{
	if (is_large(i))
		return UINT64_C(65536) << i / LARGE_EVERY % LARGE_SIZES;
	return (UINT64_C(1) << i % 4) * ZCS_PAGE_SIZE;
}

/* Pages from one that is touched to the next. */
static uint64_t step_of(unsigned i)
{
	if (!is_large(i))
		return 1;
	return size_of(i) < ZCS_TEST_HUGE_BYTES ? 16 : 4 * ZCS_TEST_HUGE_PAGES;
}

static unsigned mappings(void)
{
	FILE *f = fopen("/proc/self/maps", "re");
	unsigned lines = 0;

	assert_non_null(f);
	for (int c = fgetc(f); c != EOF; c = fgetc(f))
		lines += c == '\n';
	fclose(f);
	return lines;
}

static uint64_t *word(struct zcs_bo *bo, uint64_t page)
{
	return (uint64_t *)(void *)bo_at(bo, page * ZCS_PAGE_SIZE);
}

static void write_all(struct zcs_bo **bo, unsigned nr)
{
	for (unsigned i = 0; i < nr; i++)
		for (uint64_t page = 0; page < size_of(i) / ZCS_PAGE_SIZE; page += step_of(i))
			*word(bo[i], page) = (uint64_t)i << 32 | page;
}

static void assert_words(struct zcs_bo **bo, unsigned i)
{
	for (uint64_t page = 0; page < size_of(i) / ZCS_PAGE_SIZE; page += step_of(i))
		if (*word(bo[i], page) != ((uint64_t)i << 32 | page))
			fail_msg("bo %u, page %" PRIu64, i, page);
}

static void assert_all(struct zcs_bo **bo, unsigned nr)
{
	for (unsigned i = 0; i < nr; i++)
		assert_words(bo, i);
}

/* Evicts a bo. A small one leaves as a whole, or is not resident. */
static void evict(struct zcs_bo **bo, unsigned i, uint32_t flags)
{
	int64_t n = zcs_bo_evict(bo[i], flags), pages = (int64_t)(size_of(i) / ZCS_PAGE_SIZE);

	if (is_large(i))
		assert_true(n > 0 && n <= pages);
	else
		zcs_assert_is(n, pages);
}

/* Half the limit is left to the program that links the library. */
static unsigned assert_few_mappings(unsigned most)
{
	unsigned now = mappings();

	if (now > MAX_MAP_COUNT / 2)
		fail_msg("%u mappings", now);
	return now > most ? now : most;
}

static void ten_thousand_bos(void **state)
{
	static struct zcs_bo *bo[NR];
	unsigned nr = zcs_test_scale(NR), most = 0;
	/*
	 * Not AUTO: where somebody else takes the hugetlb pages that were free when a bo was made,
	 * its touch waits for them, and meanwhile evicts other bos.
	 */
	struct zcs_device *device = bo_device(ZCS_BACKING_THP, 0, "file:?size=512M");

	(void)state;
	for (unsigned i = 0; i < nr; i++) {
		bo[i] = bo_new(device, size_of(i));
		zcs_assert_is(zcs_bo_size(bo[i]), (int64_t)size_of(i));
	}
	write_all(bo, nr);
	for (unsigned i = 0; i < nr; i += 2)
		evict(bo, i, ZCS_BACKUP_WRITEBACK);
	most = assert_few_mappings(most);
	for (unsigned i = 0; i < nr; i += 6)
		assert_words(bo, i);
	most = assert_few_mappings(most);
	assert_all(bo, nr);
	most = assert_few_mappings(most);
	for (unsigned i = 0; i < nr; i++)
		evict(bo, i, i % 3 ? ZCS_BACKUP_WRITEBACK : 0);
	most = assert_few_mappings(most);
	assert_all(bo, nr);
	print_message("# %u bos of %" PRIu64 " MiB, %u mappings at most, %" PRIu64 " touches\n", nr,
		      bo_device_stats(device).size_bytes >> 20, most,
		      bo_device_stats(device).touches);
	bo_device_ok(device);
	for (unsigned i = 0; i < nr; i++)
		zcs_bo_put(bo[i]);
	bo_device_done(device);
}

static uint64_t counted(struct zcs_device *device, enum zcs_counter counter)
{
	return bo_device_stats(device).pool.counters[counter];
}

/* A bo that cannot be registered is not evicted, is counted, and stays as it was. */
static void no_mapping_can_be_split_to_evict(void **state)
{
	struct zcs_device *device = bo_device(ZCS_BACKING_SMALL, 0, BO_FILE);
	struct zcs_bo *bo[16];

	(void)state;
	for (unsigned i = 0; i < 16; i++)
		bo[i] = bo_new(device, size_of(i));
	write_all(bo, 16);
	zcs_test_fault("uffdio_register", 0, 0, ENOMEM);
	for (unsigned i = 0; i < 16; i++)
		zcs_assert_is(zcs_bo_evict(bo[i], 0), -ENOMEM);
	zcs_assert_is(zcs_device_shrink(device, UINT64_C(1) << 40, 0), 0);
	assert_true(counted(device, ZCS_COUNT_ZAP_FAILED) >= 16);
	assert_all(bo, 16);
	zcs_test_faults_off();
	for (unsigned i = 0; i < 16; i++)
		assert_true(zcs_bo_evict(bo[i], 0) > 0);
	assert_all(bo, 16);
	for (unsigned i = 0; i < 16; i++)
		zcs_bo_put(bo[i]);
	bo_device_done(device);
}

/*
 * With all of it in memory nothing has to go for a pin, and nothing does: the others' pages stay.
 */
static void pin_unsplit(struct zcs_device *device, struct zcs_bo *bo, struct zcs_bo *other)
{
	uint64_t failed = counted(device, ZCS_COUNT_MAP_FAILED);
	struct zcs_stats before = bo_stats(other), after;

	zcs_assert_ok(zcs_bo_pin(bo, NULL));
	after = bo_stats(other);
	zcs_assert_is(after.mapped_bytes, (int64_t)before.mapped_bytes);
	zcs_assert_is(zcs_test_present_pages(bo_at(bo, ZCS_TEST_HUGE_BYTES), ZCS_TEST_HUGE_PAGES),
		      ZCS_TEST_HUGE_PAGES);
	assert_true(counted(device, ZCS_COUNT_MAP_FAILED) > failed);
	assert_true(bo_is(bo, 1));
	zcs_assert_ok(zcs_bo_pin(bo, NULL));
	zcs_bo_unpin(bo);
	zcs_bo_unpin(bo);
}

/* Neither a touch nor a pin waits for a mapping that cannot be split: it is served page by page. */
static void no_mapping_can_be_split_to_restore(void **state)
{
	(void)state;
	for (enum zcs_backing backing = ZCS_BACKING_THP; backing <= ZCS_BACKING_SMALL; backing++) {
		struct zcs_device *device = bo_device(backing, 0, BO_FILE);
		struct zcs_bo *bo[17];

		for (unsigned i = 0; i < 16; i++)
			bo[i] = bo_new(device, size_of(i));
		bo[16] = bo_new(device, BO_SIZE);
		write_all(bo, 16);
		bo_fill(bo[16], 1);
		for (unsigned i = 0; i < 17; i++)
			bo_write_out(bo[i]);
		zcs_test_fault("uffdio_unregister", 0, 0, ENOMEM);
		assert_all(bo, 16);
		assert_true(bo_is(bo[16], 1));
		assert_true(counted(device, ZCS_COUNT_MAP_FAILED) >= 17);
		bo_write_out(bo[16]);
		/* half of it is back already, and does not trap where it was mapped before */
		zcs_test_faults_off();
		*word(bo[16], 0) = *word(bo[16], 0);
		zcs_test_fault("uffdio_unregister", 0, 0, ENOMEM);
		pin_unsplit(device, bo[16], bo[15]);
		for (unsigned i = 0; i < 17; i++)
			bo_write_out(bo[i]);
		assert_all(bo, 16);
		zcs_test_faults_off();
		assert_true(bo_is(bo[16], 1));
		for (unsigned i = 0; i < 17; i++)
			bo_write_out(bo[i]);
		assert_all(bo, 16);
		assert_true(bo_is(bo[16], 1));
		for (unsigned i = 0; i < 17; i++)
			zcs_bo_put(bo[i]);
		bo_device_done(device);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		zcs_test(ten_thousand_bos),
		zcs_test(no_mapping_can_be_split_to_evict),
		zcs_test(no_mapping_can_be_split_to_restore),
	};

	if (!bo_has_userfaultfd())
		zcs_test_skip("no userfaultfd here");
	return zcs_test_run(tests);
}
