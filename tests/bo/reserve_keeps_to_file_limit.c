/* SPDX-License-Identifier: MIT */
/*
 * The file that keeps hugetlb pages back for evicted bos must not be larger than RLIMIT_FSIZE: the
 * first eviction would end the process with SIGXFSZ. With a low limit fewer pages are kept back,
 * and with a limit of less than one page none. Each case is a child with a limit of its own.
 */
#include <sys/resource.h>

#include "bo_test.h"

#define NR 6u

static void evict_and_touch(uint64_t arena_limit)
{
	const struct rlimit r = { arena_limit, arena_limit };
	struct zcs_device *device;
	struct zcs_bo *bo[NR];

	zcs_assert_ok(setrlimit(RLIMIT_FSIZE, &r));
	device = bo_device(ZCS_BACKING_HUGETLB, 0, NULL);
	for (unsigned i = 0; i < NR; i++) {
		bo[i] = bo_new(device, ZCS_TEST_HUGE_BYTES);
		bo_fill(bo[i], i);
	}
	for (unsigned i = 0; i < NR; i++)
		assert_true(zcs_bo_evict(bo[i], ZCS_BACKUP_PURGE) > 0);
	for (unsigned i = 0; i < NR; i++) {
		bo_fill(bo[i], i);
		assert_true(bo_is(bo[i], i));
		zcs_bo_put(bo[i]);
	}
	bo_device_done(device);
}

static void under_32_mib(void *arg)
{
	(void)arg;
	evict_and_touch(16 * ZCS_TEST_MIB);
}

/* Files may become no larger once the arena is there: not even one page can be kept back. */
static void lowered_later(void *arg)
{
	const struct rlimit r = { ZCS_TEST_MIB, ZCS_TEST_MIB };
	struct zcs_device *device = bo_device(ZCS_BACKING_HUGETLB, 0, NULL);
	struct zcs_bo *bo = bo_new(device, ZCS_TEST_HUGE_BYTES);

	(void)arg;
	bo_fill(bo, 1);
	zcs_assert_ok(setrlimit(RLIMIT_FSIZE, &r));
	assert_true(zcs_bo_evict(bo, ZCS_BACKUP_PURGE) > 0);
	bo_fill(bo, 2);
	assert_true(bo_is(bo, 2));
	zcs_bo_put(bo);
	bo_device_done(device);
}

static void passes(void (*fn)(void *))
{
	struct zcs_test_child c = zcs_test_in_child(fn, NULL, 60);

	zcs_test_child_passed(&c);
}

static void fewer_pages_are_kept_back(void **state)
{
	(void)state;
	passes(under_32_mib);
}

static void no_page_is_kept_back(void **state)
{
	(void)state;
	passes(lowered_later);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		zcs_test(fewer_pages_are_kept_back),
		zcs_test(no_page_is_kept_back),
	};

	if (!bo_has_userfaultfd())
		zcs_test_skip("no userfaultfd here");
	if (!zcs_test_backing_works(ZCS_BACKING_HUGETLB))
		zcs_test_skip("no hugetlb pages");
#ifdef __SANITIZE_THREAD__
	zcs_test_skip("ThreadSanitizer refuses threads in a child of a process that had some");
#endif
	return zcs_test_run(tests);
}
