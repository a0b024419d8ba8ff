/* SPDX-License-Identifier: MIT */
/*
 * Opening a swap may fail at every step: at each the error is returned, and no file, memory or
 * thread is left; or there is a way round it, and then the swap works.
 */
#include <sys/mman.h>
#include <unistd.h>

#include "swap_test.h"

/* Bytes that the library's objects have mapped; the program is linked with their calls wrapped. */
static atomic_llong mapped;

void *__real_mmap(void *addr, size_t bytes, int prot, int flags, int fd, off_t offset);
void *__real_mmap64(void *addr, size_t bytes, int prot, int flags, int fd, off_t offset);
int __real_munmap(void *addr, size_t bytes);
void *__wrap_mmap(void *addr, size_t bytes, int prot, int flags, int fd, off_t offset);
void *__wrap_mmap64(void *addr, size_t bytes, int prot, int flags, int fd, off_t offset);
int __wrap_munmap(void *addr, size_t bytes);

static void *count(void *p, size_t bytes)
{
	if (p != MAP_FAILED)
		atomic_fetch_add(&mapped, (long long)bytes);
	return p;
}

void *__wrap_mmap(void *addr, size_t bytes, int prot, int flags, int fd, off_t offset)
{
	return count(__real_mmap(addr, bytes, prot, flags, fd, offset), bytes);
}

/* the name of the same call where off_t is asked to have 64 bits */
void *__wrap_mmap64(void *addr, size_t bytes, int prot, int flags, int fd, off_t offset)
{
	return count(__real_mmap64(addr, bytes, prot, flags, fd, offset), bytes);
}

int __wrap_munmap(void *addr, size_t bytes)
{
	atomic_fetch_sub(&mapped, (long long)bytes);
	return __real_munmap(addr, bytes);
}

static void works(struct zcs_swap *swap)
{
	static char page[ZCS_PAGE_SIZE] __attribute__((aligned(ZCS_PAGE_SIZE)));
	uint32_t slot = swap_test_alloc(swap, 0);

	zcs_test_fill(page, 1, 0, 1);
	zcs_assert_ok(swap_test_write(swap, slot, 0, page));
	memset(page, 0, ZCS_PAGE_SIZE);
	zcs_assert_ok(swap_test_read(swap, slot, 0, page));
	assert_true(zcs_test_is(page, 1, 0, 1));
}

/* Opens with the @at-th passing of a point failing; false if it was passed less often. */
static bool fail_at(const char *point, unsigned at, const char *spec)
{
	unsigned fds = zcs_test_entries("/proc/self/fd");
	long long bytes = atomic_load(&mapped);
	struct zcs_swap *swap = NULL;
	bool failed;
	int err;

	zcs_test_fault(point, at, 1, 0);
	swap_test_log_start();
	err = zcs_swap_open(spec, &swap);
	swap_test_log_end();
	/* the wrapping works */
	assert_true(err || atomic_load(&mapped) > bytes);
	failed = zcs_test_fault_failed(point) != 0;
	zcs_test_faults_off();
	if (err) {
		assert_true(failed);
		assert_null(swap);
	} else {
		works(swap);
		swap_test_done(swap);
	}
	zcs_assert_is(zcs_test_entries("/proc/self/fd"), fds);
	zcs_assert_is(atomic_load(&mapped), bytes);
	return failed;
}

static void every_point_on_the_way_may_fail(void **state)
{
	const char *kept = swap_test_path();
	unsigned points = 0;
	char spec[512];

	(void)state;
	snprintf(spec, sizeof(spec), "file:%s?size=4M&keep=1&discard=1;file:?size=2M", kept);
	for (unsigned i = 0; zcs_fault_name(i); i++) {
		unsigned at = 0;

		while (fail_at(zcs_fault_name(i), at, spec))
			at++;
		points += at != 0;
		if (at)
			print_message("# %s: %u times\n", zcs_fault_name(i), at);
	}
	/* those that opening passes */
	assert_true(points >= 10);
}

static void no_kept_file_is_left_by_a_failure(void **state)
{
	static const char *const after[] = { "fallocate", "alloc_swap", "mmap" };
	const char *kept;

	(void)state;
	for (size_t i = 0; i < sizeof(after) / sizeof(after[0]); i++) {
		for (unsigned at = 0; at < 2; at++) {
			kept = swap_test_path();
			zcs_test_fault(after[i], at, 0, 0);
			swap_test_log_start();
			if (swap_test_try("file:%s?size=4M&keep=1", kept))
				zcs_assert_is(access(kept, F_OK), -1);
			swap_test_log_end();
			zcs_test_faults_off();
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		swap_test_both(every_point_on_the_way_may_fail),
		swap_test(no_kept_file_is_left_by_a_failure),
	};

	return zcs_test_run(tests);
}
