/* SPDX-License-Identifier: MIT */
/*
 * No thread of the library takes a signal: the program's handlers run on the program's threads,
 * where it expects them, and no handler interrupts a thread that others wait for.
 */
#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "bo_inside.h"

/* Signals that cannot be blocked, and signals that the C library keeps for itself. */
#define NEVER_BLOCKED 0x80040100u

static bool read_field(const char *task, const char *file, const char *key, char *value)
{
	char path[512], line[256];
	bool found = false;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/self/task/%s/%s", task, file);
	f = fopen(path, "re");
	while (f && !found && fgets(line, sizeof(line), f)) {
		found = strncmp(line, key, strlen(key)) == 0;
		snprintf(value, 64, "%.63s", line + strlen(key));
		value[strcspn(value, "\n")] = '\0';
	}
	if (f)
		fclose(f);
	return found;
}

/* 1: a thread of the library that blocks all signals; 0: not ours, or just ending. */
static unsigned check_thread(const char *task)
{
	uint64_t all = (UINT64_MAX >> 1) & ~(uint64_t)NEVER_BLOCKED & ~(UINT64_C(3) << 31);
	char name[64], blocked[64];

	if (!read_field(task, "comm", "", name) || strncmp(name, "zcs-", 4) != 0 ||
	    !read_field(task, "status", "SigBlk:\t", blocked))
		return 0;
	if ((strtoull(blocked, NULL, 16) & all) != all)
		fail_msg("%s blocks only %s", name, blocked);
	print_message("# %s: %s\n", name, blocked);
	return 1;
}

static unsigned check_threads(void)
{
	DIR *dir = opendir("/proc/self/task");
	unsigned n = 0;

	assert_non_null(dir);
	for (struct dirent *e = readdir(dir); e; e = readdir(dir))
		if (e->d_name[0] != '.')
			n += check_thread(e->d_name);
	closedir(dir);
	return n;
}

/* A thread gets its name when it is already running. */
static void wait_for_names(struct zcs_device *device)
{
	struct zcs_bo *bo = bo_new(device, BO_SIZE);

	bo_fill(bo, 1);
	bo_settle(device);
	bo_write_out(bo);
	assert_true(bo_is(bo, 1));
	bo_settle(device);
	zcs_bo_put(bo);
	bo_sleep_ms(20);
}

static void blocked_in(const char *store)
{
	struct zcs_device *device = bo_device(ZCS_BACKING_SMALL, 0, store);

	wait_for_names(device);
	/* touch, evict, writeback, and at least one that does I/O */
	assert_true(check_threads() >= ZCS_FAULT_THREADS + 3);
	bo_device_done(device);
}

static void with_one_kind_of_io(void **state)
{
	(void)state;
	blocked_in(BO_FILE);
}

static void with_threads_for_io(void **state)
{
	(void)state;
	zcs_test_fault("uring_setup", 0, 0, EPERM);
	blocked_in(BO_FILE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		zcs_test(with_one_kind_of_io),
		zcs_test(with_threads_for_io),
	};

	if (!bo_has_userfaultfd())
		zcs_test_skip("no userfaultfd here");
	return zcs_test_run(tests);
}
