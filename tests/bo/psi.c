/* SPDX-License-Identifier: MIT */
/*
 * Memory pressure from the kernel to the eviction: a real stall (press.h) raises an event on the
 * file that the device watches, and resident pages become fewer. The file is the machine's, or,
 * where that is missing as in many a container, the control group's.
 */
#include <dirent.h>
#include <limits.h>
#include <sched.h>
#include <sys/mount.h>
#include <unistd.h>

#include "bo_inside.h"
#include "press.h"

#define BOS	 8u
#define WAIT_MS	 30000u
#define PART	 8u /* one part in so many goes on an event */
#define STALL_MS 4000u /* in all of WAIT_MS: so much that 150 ms of 2 s must have been among it */

/* Whether one of the process's files is called so. */
static bool is_open(const char *name)
{
	DIR *dir = opendir("/proc/self/fd");
	bool found = false;

	assert_non_null(dir);
	for (struct dirent *e = readdir(dir); e && !found; e = readdir(dir)) {
		char target[PATH_MAX] = "";

		if (readlinkat(dirfd(dir), e->d_name, target, sizeof(target) - 1) > 0)
			found = strcmp(target, name) == 0;
	}
	closedir(dir);
	return found;
}

static struct zcs_device *watching_device(struct zcs_bo **bo)
{
	struct zcs_device_params params = bo_device_params(ZCS_BACKING_SMALL, 0, BO_FILE);
	struct zcs_device *device;

	params.flags = 0;
	device = bo_device_with(&params);
	for (unsigned i = 0; i < BOS; i++) {
		bo[i] = bo_new(device, BO_SIZE);
		bo_fill(bo[i], i);
	}
	return device;
}

/* False: there was no pressure to speak of, so that nothing was to be told. */
static bool wait_for_event(struct press *p, struct zcs_device *device)
{
	uint64_t events = bo_device_stats(device).psi_events, stalled = press_stalled_ms(p);

	press_begin(p);
	for (unsigned ms = 0; ms < WAIT_MS; ms += 10) {
		if (bo_device_stats(device).psi_events > events)
			break;
		bo_sleep_ms(10);
	}
	stalled = press_stalled_ms(p) - stalled;
	print_message("# %" PRIu64 " events\n", bo_device_stats(device).psi_events - events);
	if (bo_device_stats(device).psi_events > events)
		return true;
	press_end(p);
	if (stalled >= STALL_MS)
		fail_msg("no event though the machine waited for memory");
	return false;
}

static void assert_events_arrive(struct press *p, const char *file, bool room)
{
	struct zcs_bo *bo[BOS];
	struct zcs_device *device = watching_device(bo);
	const uint64_t all = BOS * BO_SIZE;

	if (room)
		bo_memory_is_free();
	else
		bo_memory_is_short();
	zcs_assert_is(bo_device_stats(device).psi_error, 0);
	assert_true(bo_device_stats(device).psi);
	assert_true(is_open(file));
	if (!wait_for_event(p, device))
		zcs_test_skip("no memory pressure could be caused in a control group");
	if (!room)
		bo_wait_for(bo_device_stats(device).resident_bytes <= all - all / PART);
	press_end(p);
	bo_memory_is_as_it_is();
	zcs_assert_is(bo_device_stats(device).psi_ignored,
		      room ? (int64_t)bo_device_stats(device).psi_events : 0);
	if (room)
		zcs_assert_is(bo_device_stats(device).resident_bytes, all);
	for (unsigned i = 0; i < BOS; i++) {
		assert_true(bo_is(bo[i], i));
		zcs_bo_put(bo[i]);
	}
	bo_device_done(device);
}

static void press_machine(bool room)
{
	struct press p;
	const char *why = press_prepare(&p);

	if (why)
		zcs_test_skip(why);
	assert_events_arrive(&p, "/proc/pressure/memory", room);
}

static void the_machines_pressure_evicts(void **state)
{
	(void)state;
	press_machine(false);
}

/* A process waits at the limit of a group of its own. */
static void strangers_pressure_does_not_while_there_is_room(void **state)
{
	(void)state;
	press_machine(true);
}

/* -- where the machine's file is missing */

static void must(bool ok, const char *what)
{
	char reason[160];

	if (ok)
		return;
	snprintf(reason, sizeof(reason), "%s: %s", what, strerror(errno));
	zcs_test_skip(reason);
}

static void join_root(const char *cgroup2)
{
	char path[PATH_MAX + 16];
	FILE *f;

	snprintf(path, sizeof(path), "%s/cgroup.procs", cgroup2);
	f = fopen(path, "we");
	must(f && fputs("0", f) >= 0 && !fclose(f), "joining the root control group");
}

/* Mounts of this process alone: nothing at /proc/pressure, and version 2 where it is looked for. */
static void hide_the_machines_file(void)
{
	char cgroup2[PATH_MAX];

	must(press_find_cgroup2(cgroup2, sizeof(cgroup2)), "no control groups of version 2");
	must(!unshare(CLONE_NEWNS) && !mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) &&
		     !mount("none", "/proc/pressure", "tmpfs", 0, NULL),
	     "mounts of its own");
	join_root(cgroup2);
	if (strcmp(cgroup2, "/sys/fs/cgroup") != 0)
		must(!mount(cgroup2, "/sys/fs/cgroup", NULL, MS_BIND, NULL),
		     "/sys/fs/cgroup of its own");
	must(!access("/sys/fs/cgroup/memory.pressure", R_OK | W_OK), "memory.pressure");
}

static void watch_the_group(void *arg)
{
	const char *why;
	struct press p;

	(void)arg;
	why = press_prepare(&p);
	if (why)
		zcs_test_skip(why);
	hide_the_machines_file();
	assert_true(access("/proc/pressure/memory", F_OK));
	assert_events_arrive(&p, "/sys/fs/cgroup/memory.pressure", false);
}

static void else_the_control_groups_does(void **state)
{
	struct zcs_test_child child = zcs_test_in_child(watch_the_group, NULL, 60);

	(void)state;
	print_message("%s", child.out);
	if (!child.signal && child.status == 77)
		zcs_test_skip_case("see above");
	zcs_test_child_passed(&child);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		zcs_test(the_machines_pressure_evicts),
		zcs_test(strangers_pressure_does_not_while_there_is_room),
		zcs_test(else_the_control_groups_does),
	};

	if (geteuid())
		zcs_test_skip("not root: no control group can be made");
	if (!bo_has_userfaultfd())
		zcs_test_skip("no userfaultfd here");
	return zcs_test_run(tests);
}
