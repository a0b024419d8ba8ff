/* SPDX-License-Identifier: MIT */
/*
 * The kernel's swap, for the time of a case: a swap file in the bench's directory, made (by
 * mkswap), swapped on, swapped off and unlinked by a guardian, and a memory cgroup under the
 * bench's own.
 *
 * The group is needed because MADV_PAGEOUT frees nothing of a shmem file: what it wrote stays in
 * memory as swap cache, where a touch finds it without I/O. Asking the group to reclaim
 * (memory.reclaim in version 2, memory.force_empty in version 1) drops that, and nothing but the
 * memory of the process in it.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <mntent.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/swap.h>
#include <unistd.h>

#include "bench_child.h"
#include "bench_store.h"

static int make_swap(const char *path)
{
	char *argv[] = { "/sbin/mkswap", (char *)path, NULL };
	pid_t pid = bench_child_start(argv, environ, -1);

	if (pid < 0)
		return pid;
	return bench_child_good(pid) ? 0 : -EIO;
}

static int make_file(const struct store_swap *swap)
{
	int fd = open(swap->path, O_CREAT | O_EXCL | O_RDWR | O_NOFOLLOW | O_CLOEXEC, 0600);
	int err;

	if (fd < 0)
		return -errno;
	err = bench_fallocate(fd, 0, 0, swap->bytes) ? -errno : 0;
	close(fd);
	if (!err)
		err = make_swap(swap->path);
	if (!err && swapon(swap->path, 0))
		err = -errno;
	if (err)
		unlink(swap->path);
	return err;
}

static int64_t make(void *arg)
{
	const struct store_swap *swap = arg;
	int err = make_file(swap);

	if (!err && swap->group[0])
		mkdir(swap->group, 0755);
	return err;
}

/* Ends what the bench put into the group; false: somebody is still there. */
static bool empty_group(const struct store_swap *swap)
{
	char path[sizeof(swap->group) + 16];
	bool empty = true;
	FILE *f;
	int pid;

	snprintf(path, sizeof(path), "%s/cgroup.procs", swap->group);
	f = fopen(path, "re");
	while (f && fscanf(f, "%d", &pid) == 1) {
		kill(pid, SIGKILL);
		empty = false;
	}
	if (f)
		fclose(f);
	return empty;
}

static void undo(void *arg, int64_t made)
{
	const struct store_swap *swap = arg;

	(void)made;
	for (unsigned i = 0; i < 200 && swap->group[0] && !empty_group(swap); i++)
		bench_nap(10000);
	swapoff(swap->path);
	unlink(swap->path);
	for (unsigned i = 0; i < 200 && swap->group[0] && rmdir(swap->group) && errno == EBUSY; i++)
		bench_nap(10000);
}

static bool has_swap(void)
{
	FILE *f = fopen("/proc/swaps", "re");
	unsigned lines = 0;
	int c;

	while (f && (c = getc(f)) != EOF)
		lines += c == '\n';
	if (f)
		fclose(f);
	return lines > 1;
}

/*
 * The path of the own memory cgroup: of the hierarchy of version 1 with that controller, or of
 * version 2.
 */
static bool own_group(bool v1, char *out, size_t size)
{
	FILE *f = fopen("/proc/self/cgroup", "re");
	char line[600];
	bool found = false;

	while (f && !found && fgets(line, sizeof(line), f)) {
		char *names = strchr(line, ':'), *path = names ? strchr(names + 1, ':') : NULL;

		if (!path)
			continue;
		*path++ = '\0';
		found = v1 ? strstr(names, "memory") != NULL : !names[1];
		if (found)
			snprintf(out, size, "%.*s", (int)strcspn(path, "\n"), path);
	}
	if (f)
		fclose(f);
	return found;
}

/* Whether a group made in @parent can be reclaimed; sets where. It is removed again. */
static bool try_group(struct store_swap *swap, const char *parent, const char *file)
{
	bool good;

	if ((size_t)snprintf(swap->group, sizeof(swap->group), "%s/zcswap-bench-%d", parent,
			     (int)getpid()) >= sizeof(swap->group))
		return false;
	snprintf(swap->reclaim, sizeof(swap->reclaim), "%s/%s", swap->group, file);
	if (mkdir(swap->group, 0755))
		return false;
	good = !access(swap->reclaim, W_OK);
	rmdir(swap->group);
	return good;
}

static bool try_mount(struct store_swap *swap, const struct mntent *m)
{
	bool v1 = !strcmp(m->mnt_type, "cgroup");
	const char *file = v1 ? "memory.force_empty" : "memory.reclaim";
	char own[256], parent[400];

	if (v1 ? !hasmntopt(m, "memory") : strcmp(m->mnt_type, "cgroup2") != 0)
		return false;
	if (v1)
		snprintf(swap->amount, sizeof(swap->amount), "0");
	else
		snprintf(swap->amount, sizeof(swap->amount), "%" PRIu64, swap->bytes);
	if (own_group(v1, own, sizeof(own))) {
		snprintf(parent, sizeof(parent), "%.127s%s", m->mnt_dir, own);
		if (try_group(swap, parent, file))
			return true;
	}
	return try_group(swap, m->mnt_dir, file);
}

static void find_group(struct store_swap *swap)
{
	FILE *f = setmntent("/proc/self/mounts", "re");
	struct mntent *m;
	bool found = false;

	while (f && !found && (m = getmntent(f)))
		found = try_mount(swap, m);
	if (f)
		endmntent(f);
	if (!found)
		swap->group[0] = '\0';
}

static struct bench_change change = { .make = make, .undo = undo };

bool store_swap_on(struct bench *b, struct store_swap *swap, uint64_t bytes, char *why, size_t size)
{
	int64_t err;

	*swap = (struct store_swap){ .bytes = bytes };
	if (geteuid() || has_swap()) {
		snprintf(why, size, geteuid() ? "only root can swap on" : "other swap is on");
		return false;
	}
	snprintf(swap->path, sizeof(swap->path), "%.400s/zcswap-bench-%d.swap", b->dir,
		 (int)getpid());
	find_group(swap);
	change.arg = swap;
	err = bench_change(&change);
	if (err)
		snprintf(why, size, "a swap file in %s: %s", b->dir, strerror((int)-err));
	return !err;
}

void store_swap_off(void)
{
	const struct store_swap *swap = change.arg;

	bench_undo(&change);
	if (!access(swap->path, F_OK))
		fprintf(stderr, "bench_store: %s is still there: swapoff failed\n", swap->path);
}

static int write_text(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC), err = 0;

	if (fd < 0)
		return -errno;
	if (write(fd, text, strlen(text)) < 0)
		err = -errno;
	close(fd);
	return err;
}

int store_swap_join(const struct store_swap *swap)
{
	char path[sizeof(swap->group) + 16], pid[16];

	if (!swap->group[0])
		return 0;
	snprintf(path, sizeof(path), "%s/cgroup.procs", swap->group);
	snprintf(pid, sizeof(pid), "%d", (int)getpid());
	return write_text(path, pid);
}

int store_swap_reclaim(const struct store_swap *swap)
{
	int err = write_text(swap->reclaim, swap->amount);

	/* less than asked for is no failure */
	return err == -EAGAIN ? 0 : err;
}
