/* SPDX-License-Identifier: MIT */
/*
 * Block devices: opened exclusively, all of it or as much as size= says, discarded by BLKDISCARD;
 * any other file is refused. A loop device stands for one.
 */
#include "swap_test.h"
#include "zcs_test_loop.h"

#define MIB 24u

static struct zcs_test_loop loop;
static const char *file;

static void refused(int error, const char *message, const char *spec)
{
	int result;

	swap_test_log_start();
	result = swap_test_try("%s", spec);
	swap_test_log_has(swap_test_log_end(), message);
	zcs_assert_is(result, error);
}

static void round_trip(struct zcs_swap *swap)
{
	char *out = swap_test_memory(512), *in = swap_test_memory(512);
	uint32_t slot = swap_test_alloc(swap, ZCS_CLUSTER_ORDER);

	zcs_test_fill(out, 1, 0, 512);
	zcs_assert_ok(swap_test_write(swap, slot, ZCS_CLUSTER_ORDER, out));
	zcs_assert_ok(swap_test_read(swap, slot, ZCS_CLUSTER_ORDER, in));
	assert_true(zcs_test_is(in, 1, 0, 512));
	memset(in, 0, 512 * ZCS_PAGE_SIZE);
	zcs_assert_ok(zcs_swap_read(swap, slot, ZCS_CLUSTER_ORDER, in));
	assert_true(zcs_test_is(in, 1, 0, 512));
	zcs_swap_free(swap, slot, ZCS_CLUSTER_ORDER);
}

static void all_of_a_device_is_used(void **state)
{
	struct zcs_swap *swap = swap_test_open("%s", loop.device);

	(void)state;
	zcs_assert_is(zcs_swap_avail(swap), MIB << 20);
	round_trip(swap);
	swap_test_done(swap);
	swap = swap_test_open("dev:%s?size=5M", loop.device);
	zcs_assert_is(zcs_swap_avail(swap), 4 << 20);
	swap_test_done(swap);
}

static void a_device_has_one_user(void **state)
{
	struct zcs_swap *swap = swap_test_open("%s", loop.device);

	(void)state;
	refused(-EBUSY, "is in use: mounted, or another store's", loop.device);
	swap_test_done(swap);
	zcs_assert_ok(swap_test_try("%s", loop.device));
}

static void a_device_that_is_too_small_is_refused(void **state)
{
	char spec[128];

	(void)state;
	snprintf(spec, sizeof(spec), "%s?size=1G", loop.device);
	refused(-ENOSPC, "holds 24 MiB, and size= asks for 1024", spec);
	snprintf(spec, sizeof(spec), "%s?size=1M", loop.device);
	refused(-EINVAL, "is too small; 2 MiB is the least", spec);
}

static void what_is_no_device_is_refused(void **state)
{
	char spec[128];

	(void)state;
	refused(-ENOTBLK, "is no block device; for a file write file:", "/dev/null");
	refused(-ENOENT, "cannot be opened", "/dev/no-such-device");
	snprintf(spec, sizeof(spec), "dev:%s", file);
	refused(-ENOTBLK, "is no block device", spec);
	snprintf(spec, sizeof(spec), "file:%s?keep=1", loop.device);
	refused(-EINVAL, "is a block device; write dev: in place of file:", spec);
}

static bool on_disk(uint64_t offset, const void *bytes, size_t nr)
{
	char disk[ZCS_PAGE_SIZE];

	swap_test_peek(loop.device, offset, disk, nr);
	return !memcmp(disk, bytes, nr);
}

static void freed_clusters_are_discarded(void **state)
{
	char *page = swap_test_memory(512), zeros[ZCS_PAGE_SIZE] = { 0 };
	struct zcs_swap *swap = swap_test_open("%s?discard=1", loop.device);
	uint32_t slot = swap_test_alloc(swap, ZCS_CLUSTER_ORDER);

	(void)state;
	zcs_test_fill(page, 1, 0, 512);
	zcs_assert_ok(swap_test_write(swap, slot, ZCS_CLUSTER_ORDER, page));
	assert_true(on_disk((uint64_t)slot * ZCS_SLOT_BYTES, page, ZCS_PAGE_SIZE));
	zcs_swap_free(swap, slot, ZCS_CLUSTER_ORDER);
	zcs_swap_drain(swap);
	if (!swap_test_stats(swap).discarded) {
		swap_test_done(swap);
		zcs_test_skip_case("the loop device does not discard here");
	}
	/* a device discards to zeros or to nothing known; a loop device on a file to zeros */
	assert_true(on_disk((uint64_t)slot * ZCS_SLOT_BYTES, zeros, ZCS_PAGE_SIZE));
	zcs_assert_is(swap_test_stats(swap).discarded, 512);
	swap_test_done(swap);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		swap_test_both(all_of_a_device_is_used),
		swap_test(a_device_has_one_user),
		swap_test(a_device_that_is_too_small_is_refused),
		swap_test(what_is_no_device_is_refused),
		swap_test(freed_clusters_are_discarded),
	};
	const char *why;

	file = swap_test_path();
	why = zcs_test_loop_open(&loop, file, MIB, 512);
	if (why)
		zcs_test_skip(why);
	return zcs_test_run(tests);
}
