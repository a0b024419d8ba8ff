/* SPDX-License-Identifier: MIT */
/*
 * mlockall() and the arenas' sparse maps: none of them is filled, and pages that the kernel locked
 * are evicted nevertheless. Each case is a child, for nothing may stay locked.
 */
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include "bo_test.h"

#define BOS   4u
#define SLACK (256 * ZCS_TEST_MIB) /* threads' stacks, tables */

#ifndef MCL_ONFAULT
#define MCL_ONFAULT 4
#endif

struct plan {
	int before, after;
};

static uint64_t rss_of(const char *field)
{
	char line[256];
	FILE *f = fopen("/proc/self/status", "re");
	unsigned long long kib = 0;

	assert_non_null(f);
	while (fgets(line, sizeof(line), f))
		if (!strncmp(line, field, strlen(field)))
			sscanf(line + strlen(field), ": %llu", &kib);
	fclose(f);
	return kib << 10;
}

/* Memory of the process that others can map too: both maps of a page count. */
static uint64_t rss(void)
{
	return rss_of("RssShmem") + rss_of("RssAnon");
}

/*
 * With MCL_FUTURE it is what is mapped next that is over RLIMIT_MEMLOCK, such as a thread's stack.
 */
static void lock(int how)
{
	size_t bytes = 64 * ZCS_TEST_MIB;
	void *p;

	if (how && mlockall(how))
		_exit(77);
	p = mmap(NULL, bytes, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (p == MAP_FAILED)
		_exit(77);
	munmap(p, bytes);
}

static void evict_and_read(struct zcs_device *device, struct zcs_bo **bo)
{
	for (unsigned i = 0; i < BOS; i++) {
		bo_write_out(bo[i]);
		assert_true(bo_is(bo[i], i));
		zcs_bo_put(bo[i]);
	}
	zcs_assert_is(bo_device_stats(device).pool.counters[ZCS_COUNT_ZAP_FAILED], 0);
	bo_device_done(device);
}

static void work(void *arg)
{
	const struct plan *plan = arg;

	/* should it be filled, the machine is to survive */
	setenv("ZCSWAP_ARENA_BYTES", "1G", 1);
	lock(plan->before);
	for (int backing = ZCS_BACKING_THP; backing <= ZCS_BACKING_SMALL; backing++) {
		struct zcs_bo *bo[BOS];
		uint64_t began = rss(), now;
		struct zcs_device *device =
			bo_device((enum zcs_backing)backing, 0, "file:?size=64M");

		for (unsigned i = 0; i < BOS; i++) {
			bo[i] = bo_new(device, BO_SIZE);
			bo_fill(bo[i], i);
		}
		lock(plan->after);
		now = rss();
		if (now > began + 2 * BOS * BO_SIZE + SLACK)
			fail_msg("%" PRIu64 " MiB more are in memory", (now - began) >> 20);
		evict_and_read(device, bo);
		munlockall();
		lock(plan->before);
	}
}

static void run(int before, int after)
{
	struct plan plan = { before, after };
	struct zcs_test_child child = zcs_test_in_child(work, &plan, 60);

	if (!child.signal && child.status == 77)
		zcs_test_skip_case("memory may not be locked here");
	zcs_test_child_passed(&child);
}

static void what_is_mapped_later_is_locked(void **state)
{
	(void)state;
	run(MCL_FUTURE, 0);
}

static void what_is_touched_later_is_locked(void **state)
{
	(void)state;
	run(MCL_FUTURE | MCL_ONFAULT, 0);
}

static void what_is_mapped_is_locked(void **state)
{
	(void)state;
	run(0, MCL_CURRENT);
}

static void all_is_locked(void **state)
{
	(void)state;
	run(MCL_CURRENT | MCL_FUTURE, MCL_CURRENT | MCL_FUTURE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		zcs_test(what_is_mapped_later_is_locked),
		zcs_test(what_is_touched_later_is_locked),
		zcs_test(what_is_mapped_is_locked),
		zcs_test(all_is_locked),
	};

	if (!bo_has_userfaultfd())
		zcs_test_skip("no userfaultfd here");
	return zcs_test_run(tests);
}
