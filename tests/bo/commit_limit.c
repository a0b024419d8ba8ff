/* SPDX-License-Identifier: MIT */
/*
 * vm.overcommit_memory=2: private memory that may be written counts against the commit limit of the
 * machine, touched or not, whatever MAP_NORESERVE says. A device of arenas of terabytes must count
 * little more than what it uses.
 */
#include "bo_test.h"

#define MOST (96 * ZCS_TEST_MIB)

/* Bytes of mappings that the kernel would count: private and writable. */
static uint64_t counted(void)
{
	FILE *f = fopen("/proc/self/maps", "re");
	char line[512], prot[5];
	uint64_t sum = 0;

	assert_non_null(f);
	while (fgets(line, sizeof(line), f)) {
		unsigned long long from, to;

		if (sscanf(line, "%llx-%llx %4s", &from, &to, prot) == 3 && prot[1] == 'w' &&
		    prot[3] == 'p')
			sum += to - from;
	}
	fclose(f);
	return sum;
}

static void device_counts_little(void **state)
{
	uint64_t before = counted(), now;
	struct zcs_device *device;
	struct zcs_bo *small, *large;

	(void)state;
	device = bo_device(ZCS_BACKING_AUTO, 64 * ZCS_TEST_MIB, BO_FILE);
	small = bo_new(device, ZCS_PAGE_SIZE);
	large = bo_new(device, 32 * ZCS_TEST_MIB);
	bo_fill(small, 1);
	bo_fill(large, 2);
	now = counted();
	print_message("# %" PRIu64 " MiB more are counted\n", (now - before) >> 20);
	assert_true(now > before);
	assert_true(now - before < MOST);
	zcs_bo_put(small);
	zcs_bo_put(large);
	bo_device_done(device);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		zcs_test(device_counts_little),
	};

	if (!bo_has_userfaultfd())
		zcs_test_skip("no userfaultfd here");
	return zcs_test_run(tests);
}
