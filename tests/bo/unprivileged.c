/* SPDX-License-Identifier: MIT */
/*
 * An ordinary user: touches work; a system call that is given an evicted address gets EFAULT, and
 * works once the bo is pinned. With the right to handle the kernel's own faults the system call
 * works at once.
 */
#include <fcntl.h>
#include <grp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "bo_inside.h"

#define NOBODY 65534

/*
 * Whether faults of the kernel's may be handled here too: uid 0 does not say so, as in a user
 * namespace.
 */
static bool may_handle_the_kernels_faults(void)
{
	long fd = syscall(SYS_userfaultfd, O_CLOEXEC);

	if (fd >= 0)
		close((int)fd);
	return fd >= 0;
}

static bool become_nobody(void)
{
	if (setgroups(0, NULL) || setresgid(NOBODY, NOBODY, NOBODY) ||
	    setresuid(NOBODY, NOBODY, NOBODY))
		return false;
	/* changing users made /proc/self root's */
	zcs_assert_ok(prctl(PR_SET_DUMPABLE, 1, 0, 0, 0));
	return true;
}

/* read(2) of a page into the bo's first; its result, or -errno. */
static int64_t read_into(struct zcs_bo *bo, uint64_t seed)
{
	static unsigned char page[ZCS_PAGE_SIZE] __attribute__((aligned(8)));
	int fds[2];
	ssize_t n;

	zcs_assert_ok(pipe(fds));
	zcs_test_fill_page(page, seed, 0);
	assert_int_equal(write(fds[1], page, sizeof(page)), sizeof(page));
	n = read(fds[0], bo_at(bo, 0), sizeof(page));
	n = n < 0 ? -errno : n;
	close(fds[0]);
	close(fds[1]);
	return n;
}

/*
 * A pin fails half-way, and its restored pages could not be mapped; a touch then restores the rest.
 * The next pin must map all of it, and not take the bo for complete.
 */
static void pin_after_one_that_failed(struct zcs_device *device, struct zcs_bo *bo)
{
	bo_settle(device);
	zcs_assert_is(zcs_bo_evict(bo, 0), BO_SIZE / ZCS_PAGE_SIZE);
	zcs_test_fault("take", 1, 2, EIO);
	zcs_test_fault("uffdio_unregister", 0, 1, EFAULT);
	zcs_test_fault("uffdio_continue", 0, 1, EFAULT);
	zcs_assert_is(zcs_bo_pin(bo, NULL), -EIO);
	zcs_test_faults_off();
	bo_read(bo, BO_SIZE - 1);
	bo_settle(device);
	zcs_assert_ok(zcs_bo_pin(bo, NULL));
	zcs_assert_is(read_into(bo, 9), ZCS_PAGE_SIZE);
	zcs_bo_unpin(bo);
}

static void use_bos(enum zcs_backing backing, bool kernel)
{
	struct zcs_device *device = bo_device(backing, 0, BO_FILE);
	struct zcs_bo *bo = bo_new(device, BO_SIZE);

	assert_true(bo_device_stats(device).touch);
	assert_int_equal(bo_device_stats(device).kernel_touch, kernel);
	assert_true(bo_is_zero(bo));
	bo_fill(bo, 1);
	assert_true(zcs_bo_evict(bo, 0) > 0);
	assert_true(bo_is(bo, 1));
	bo_write_out(bo);
	assert_true(bo_is(bo, 1));
	for (unsigned i = 0; i < 2; i++) {
		bo_settle(device);
		if (i)
			bo_write_out(bo);
		else
			assert_true(zcs_bo_evict(bo, 0) > 0);
		zcs_assert_is(read_into(bo, 2), kernel ? (int64_t)ZCS_PAGE_SIZE : -EFAULT);
		zcs_assert_ok(zcs_bo_pin(bo, NULL));
		zcs_assert_is(read_into(bo, 3 + i), ZCS_PAGE_SIZE);
		zcs_bo_unpin(bo);
		assert_true(zcs_test_page_is(bo_at(bo, 0), 3 + i, 0));
		assert_true(
			zcs_test_is(bo_at(bo, ZCS_PAGE_SIZE), 1, 1, BO_SIZE / ZCS_PAGE_SIZE - 1));
	}
	pin_after_one_that_failed(device, bo);
	bo_device_ok(device);
	zcs_bo_put(bo);
	bo_device_done(device);
}

/* Where a user without rights may make the store's file; NULL if there is no such place. */
static const char *place_for_nobody(void)
{
	static const char *const places[] = { NULL, "/tmp", "/var/tmp", "/dev/shm" };

	for (size_t i = 0; i < sizeof(places) / sizeof(*places); i++) {
		const char *dir = i ? places[i] : getenv("TMPDIR");

		if (dir && *dir && !faccessat(AT_FDCWD, dir, W_OK | X_OK, AT_EACCESS))
			return dir;
	}
	return NULL;
}

static void as_nobody(void *backing)
{
	const char *dir;

	if (!become_nobody())
		zcs_test_skip("may not become another user");
	if (may_handle_the_kernels_faults())
		zcs_test_skip("everybody may handle the kernel's faults here");
	dir = place_for_nobody();
	if (!dir)
		fail_msg("uid %d may write to no directory for temporary files", NOBODY);
	setenv("TMPDIR", dir, 1);
	use_bos(*(enum zcs_backing *)backing, false);
}

static void an_ordinary_user_can_touch(void **state)
{
	bool ordinary = !may_handle_the_kernels_faults();

	(void)state;
	zcs_test_for_each_backing(backing)
	{
		struct zcs_test_child child;

		if (ordinary) {
			use_bos(backing, false);
			continue;
		}
		child = zcs_test_in_child(as_nobody, &backing, 60);
		if (child.status == 77)
			zcs_test_skip_case(child.out);
		zcs_test_child_passed(&child);
	}
}

static void a_privileged_one_can_read_into_what_is_out(void **state)
{
	(void)state;
	if (!may_handle_the_kernels_faults())
		zcs_test_skip_case("may not handle the kernel's faults");
	zcs_test_for_each_backing(backing) use_bos(backing, true);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		zcs_test(an_ordinary_user_can_touch),
		zcs_test(a_privileged_one_can_read_into_what_is_out),
	};

	if (!bo_has_userfaultfd())
		zcs_test_skip("no userfaultfd here");
	return zcs_test_run(tests);
}
