/* SPDX-License-Identifier: MIT */
/*
 * Missing memory is that of the machine, and of a control group whose limit is smaller; in a child
 * that joins one.
 */
#include <mntent.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "zcs_test.h"

#include "sys/sys.h"

#define LIMIT (64 * ZCS_TEST_MIB)
#define USED  (60 * ZCS_TEST_MIB)
#define MOST  (UINT64_C(4) << 30)

static char group[512];
static bool v1;

static bool write_to(const char *name, const char *what)
{
	char path[640];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", group, name);
	f = fopen(path, "we");
	return f && fputs(what, f) >= 0 && !fclose(f);
}

static bool make_group(void)
{
	FILE *f = setmntent("/proc/self/mounts", "re");
	struct mntent *m;
	bool made = false;

	while (f && !made && (m = getmntent(f))) {
		v1 = !strcmp(m->mnt_type, "cgroup") && hasmntopt(m, "memory");
		if (!v1 && strcmp(m->mnt_type, "cgroup2") != 0)
			continue;
		snprintf(group, sizeof(group), "%s/zcswap-room-%d", m->mnt_dir, (int)getpid());
		if (mkdir(group, 0700))
			continue;
		made = write_to(v1 ? "memory.limit_in_bytes" : "memory.max", "67108864");
		if (!made)
			rmdir(group);
	}
	if (f)
		endmntent(f);
	return made;
}

static void fill_the_group(void *arg)
{
	char *p;

	(void)arg;
	assert_true(write_to("cgroup.procs", "0"));
	zcs_assert_is(zcs_sys_lacking(64, MOST), 0);
	p = mmap(NULL, USED, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	assert_true(p != MAP_FAILED);
	memset(p, 1, USED);
	/* a quarter is 16 MiB, and no more than 4 are left */
	assert_true(zcs_sys_lacking(4, MOST) >= (int64_t)(12 * ZCS_TEST_MIB));
	assert_true(zcs_sys_lacking(4, MOST) <= (int64_t)(16 * ZCS_TEST_MIB));
}

static void a_groups_limit_counts(void **state)
{
	struct zcs_test_child child;

	(void)state;
#ifdef __SANITIZE_THREAD__
	zcs_test_skip_case("what ThreadSanitizer needs is more than the group may have");
#endif
	if (!make_group())
		zcs_test_skip_case("no memory control group can be made");
	child = zcs_test_in_child(fill_the_group, NULL, 30);
	for (unsigned i = 0; i < 1000 && rmdir(group) && errno == EBUSY; i++)
		usleep(1000);
	zcs_test_child_passed(&child);
}

static void all_of_the_machine_is_never_free(void **state)
{
	(void)state;
	assert_true(zcs_sys_lacking(1, UINT64_MAX) > 0);
	zcs_assert_is(zcs_sys_lacking(1000000, MOST), 0);
}

static void what_cannot_be_told_is_an_error(void **state)
{
	(void)state;
	zcs_test_fault("memory_room", 0, 0, 0);
	zcs_assert_is(zcs_sys_lacking(8, MOST), -EACCES);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		zcs_test(a_groups_limit_counts),
		zcs_test(all_of_the_machine_is_never_free),
		zcs_test(what_cannot_be_told_is_an_error),
	};

	return zcs_test_run(tests);
}
