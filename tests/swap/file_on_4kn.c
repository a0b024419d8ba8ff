/* SPDX-License-Identifier: MIT */
/*
 * A file on a device with sectors of 4 KiB: a transfer that was short is continued at a sector. At
 * a multiple of 512 bytes, where it used to be continued, the kernel refuses it.
 */
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "swap_test.h"
#include "zcs_test_loop.h"

static const char *mount_point;

/* NULL, or why not. */
static const char *set_up(void)
{
	/* the mount is in no namespace but this program's */
	bool own = !unshare(CLONE_NEWNS) && !mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL);
	const char *why_not;
	struct zcs_test_loop loop;
	char command[128];
	int err;

	if (!own)
		return "no mount namespace";
	why_not = zcs_test_loop_open(&loop, swap_test_path(), 64, 4096);
	if (why_not)
		return why_not;
	snprintf(command, sizeof(command), "mkfs.ext4 -q %s >/dev/null 2>&1", loop.device);
	mount_point = swap_test_path();
	err = system(command) || mkdir(mount_point, 0700) ||
	      mount(loop.device, mount_point, "ext4", 0, NULL);
	/* detached when it is unmounted */
	zcs_test_loop_close(&loop);
	return err ? "no ext4 on a loop device" : NULL;
}

static void a_short_transfer_is_continued(void **state)
{
	char *out = swap_test_memory(8), *in = swap_test_memory(8);
	struct zcs_swap *swap = swap_test_open("file:%s/swap?size=4M&direct=1", mount_point);
	uint32_t slot = swap_test_alloc(swap, 3);

	(void)state;
	zcs_test_fill(out, 1, 0, 8);
	zcs_assert_is(swap->dev[0].sector, 4096);
	/* 16 of 32 KiB, then 8 of 16 */
	zcs_test_fault("short_write", 0, 2, 0);
	zcs_assert_ok(swap_test_write(swap, slot, 3, out));
	zcs_test_fault("short_read", 0, 2, 0);
	zcs_assert_ok(swap_test_read(swap, slot, 3, in));
	assert_true(zcs_test_is(in, 1, 0, 8));
	zcs_assert_is(swap_test_stats(swap).shorts, 4);
	swap_test_done(swap);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		swap_test_both(a_short_transfer_is_continued),
	};
	const char *why_not = geteuid() ? "needs root, for a loop device" : set_up();
	int failed;

	if (why_not)
		zcs_test_skip(why_not);
	failed = zcs_test_run(tests);
	umount2(mount_point, MNT_DETACH);
	return failed;
}
