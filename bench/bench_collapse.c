/* SPDX-License-Identifier: MIT */
/*
 * The system's policy for huge shmem, for the time of a case: transparent_hugepage/shmem_enabled=advise.
 *
 * With never, Debian's default, MADV_COLLAPSE makes shmem huge, after small pages where a range traps; with
 * advise it is born huge. Both ways are worth a row.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bench.h"

static const char knob[] = "/sys/kernel/mm/transparent_hugepage/shmem_enabled";
static const char *const policies[] = {
	"always", "within_size", "advise", "never", "deny", "force"
};

#define POLICIES (sizeof(policies) / sizeof(*policies))

/* The policy in force, by its number; POLICIES if it cannot be told. */
static size_t current(void)
{
	char line[128] = "", name[32];
	int fd = open(knob, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, line, sizeof(line) - 1);
	size_t i = 0;

	if (fd >= 0)
		close(fd);
	for (; n > 0 && i < POLICIES; i++) {
		snprintf(name, sizeof(name), "[%s]", policies[i]);
		if (strstr(line, name))
			break;
	}
	return n > 0 ? i : POLICIES;
}

static bool set(size_t policy)
{
	int fd = open(knob, O_WRONLY | O_CLOEXEC);
	bool ok = fd >= 0 && dprintf(fd, "%s\n", policies[policy]) > 0;

	if (fd >= 0)
		close(fd);
	return ok;
}

static int64_t advise(void *arg)
{
	size_t before = current();

	(void)arg;
	if (before == POLICIES || !set(2))
		return -1;
	return (int64_t)before;
}

static void put_back(void *arg, int64_t before)
{
	(void)arg;
	/* not what somebody else has chosen meanwhile */
	if (current() == 2)
		set((size_t)before);
}

bool bench_is_huge_by_policy(void)
{
	size_t policy = current();

	return policy < POLICIES && strcmp(policies[policy], "never") &&
	       strcmp(policies[policy], "deny");
}

struct bench_change *bench_advise(struct bench *b)
{
	static struct bench_change change;

	change = (struct bench_change){ .make = advise, .undo = put_back };
	if (bench_is_huge_by_policy())
		bench_left_out(b, b->what, "huge shmem is the system's policy in all cases");
	else if (geteuid() || access(knob, W_OK))
		bench_left_out(b, b->what, "shmem_enabled cannot be written by this user");
	else if (bench_change(&change) < 0)
		bench_left_out(b, b->what, "shmem_enabled could not be set");
	else
		return &change;
	return NULL;
}
