/* SPDX-License-Identifier: MIT */
/*
 * How short memory is, in the machine and in each control group around the process (version 1 or
 * 2), and whether a task waits for memory.
 *
 * The room of a group is its limit minus its charge, plus the inactive file pages that the charge
 * includes. The machine's room is MemAvailable. A hierarchy is found by its mount. In a container
 * only a part of a hierarchy may be mounted; then the process's path begins with the path of that
 * part.
 *
 * Cost: an answer opens and reads up to four small files for each group on the way up.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/fault.h"
#include "sys_file.h"
#include "sys_room.h"

#define PATH_BYTES 1024u
#define LINE_BYTES 4096u

/*
 * struct group - a control group with a memory controller
 * @dir: its directory
 * @top: length of the path of the mount; no group above the mount can be seen
 */
struct group {
	char dir[PATH_BYTES];
	size_t top;
	bool v1;
};

/*
 * struct need - the memory that should be available
 * @part: one part in this many of all memory
 * @most: upper bound in bytes
 * @lacking: bytes that are missing
 */
struct need {
	unsigned part;
	uint64_t most, lacking;
};

static _Atomic uint64_t fake_avail, fake_of;

void zcs_sys_fake_room(uint64_t avail, uint64_t of)
{
	fake_avail = avail;
	fake_of = of;
}

/*
 * Reads the number behind @key at the beginning of a line. A file of one number has the key "".
 * Return: 0; -ENOENT: no such file, line or number.
 */
static int read_field(const char *dir, const char *name, const char *key, uint64_t *value)
{
	char path[PATH_BYTES + 64], line[LINE_BYTES];
	size_t len = strlen(key);
	int err = -ENOENT;
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	f = fopen(path, "re");
	while (f && err && fgets(line, sizeof(line), f)) {
		char *end;

		if (strncmp(line, key, len) != 0)
			continue;
		*value = strtoull(line + len, &end, 10);
		err = end > line + len ? 0 : -ENOENT;
	}
	if (f)
		fclose(f);
	return err;
}

/* -- where the groups are */

/* The process's path in the hierarchy: "0::/path", or "4:cpu,memory:/path". */
static bool find_path(bool v1, char *path, size_t size)
{
	char line[LINE_BYTES];
	FILE *f = fopen("/proc/self/cgroup", "re");
	bool found = false;

	while (f && !found && fgets(line, sizeof(line), f)) {
		char *controllers = strchr(line, ':'),
		     *p = controllers ? strchr(controllers + 1, ':') : NULL;

		if (!p)
			continue;
		*p++ = '\0';
		p[strcspn(p, "\n")] = '\0';
		found = v1 ? strstr(controllers, "memory") != NULL : !controllers[1];
		if (found)
			snprintf(path, size, "%s", p);
	}
	if (f)
		fclose(f);
	return found;
}

/* "36 35 98:0 /root /mount/point options - type source options" */
static bool parse_mount(const char *line, bool v1, char *root, char *at)
{
	const char *type = strstr(line, " - ");

	if (!type || sscanf(line, "%*d %*d %*s %1023s %1023s", root, at) != 2)
		return false;
	if (v1)
		return !strncmp(type + 3, "cgroup ", 7) && strstr(type, "memory");
	return !strncmp(type + 3, "cgroup2 ", 8);
}

/* The last mount found is used, for a later mount hides an earlier one. */
static bool find_mount(bool v1, char *root, char *at)
{
	char line[LINE_BYTES], r[PATH_BYTES], a[PATH_BYTES];
	FILE *f = fopen("/proc/self/mountinfo", "re");
	bool found = false;

	while (f && fgets(line, sizeof(line), f)) {
		if (!parse_mount(line, v1, r, a))
			continue;
		memcpy(root, r, PATH_BYTES);
		memcpy(at, a, PATH_BYTES);
		found = true;
	}
	if (f)
		fclose(f);
	return found;
}

static bool find_group(bool v1, struct group *g)
{
	char path[PATH_BYTES], root[PATH_BYTES], at[PATH_BYTES];
	const char *below = path;
	size_t len;
	int n;

	if (!find_path(v1, path, sizeof(path)) || !find_mount(v1, root, at))
		return false;
	len = strcmp(root, "/") ? strlen(root) : 0;
	if (len && !strncmp(path, root, len) && (path[len] == '/' || !path[len]))
		below = path + len;
	if (!strcmp(below, "/"))
		below = "";
	g->v1 = v1;
	g->top = strlen(at);
	n = snprintf(g->dir, sizeof(g->dir), "%s%s", at, below);
	return n > 0 && (size_t)n < sizeof(g->dir);
}

/* -- how full they are */

static void note_lacking(struct need *need, uint64_t avail, uint64_t of)
{
	uint64_t want = of / need->part < need->most ? of / need->part : need->most;

	if (want > avail && want - avail > need->lacking)
		need->lacking = want - avail;
}

static uint64_t limit_of(const struct group *g)
{
	uint64_t limit = UINT64_MAX, high = UINT64_MAX;

	if (g->v1) {
		read_field(g->dir, "memory.limit_in_bytes", "", &limit);
		return limit;
	}
	/* "max" is not a number and leaves the value as it was */
	read_field(g->dir, "memory.max", "", &limit);
	read_field(g->dir, "memory.high", "", &high);
	return high < limit ? high : limit;
}

static void look_at_group(const struct group *g, uint64_t machine, struct need *need)
{
	uint64_t limit = limit_of(g), used = 0, idle = 0;

	if (limit >= machine ||
	    read_field(g->dir, g->v1 ? "memory.usage_in_bytes" : "memory.current", "", &used))
		return;
	read_field(g->dir, "memory.stat", g->v1 ? "total_inactive_file " : "inactive_file ", &idle);
	used -= idle < used ? idle : used;
	note_lacking(need, used < limit ? limit - used : 0, limit);
}

/* Looks at a group and at all groups around it, whose limits hold for it as well. */
static void look_up_groups(struct group *g, uint64_t machine, struct need *need)
{
	for (;;) {
		char *slash;

		look_at_group(g, machine, need);
		slash = strrchr(g->dir, '/');
		if (!slash || strlen(g->dir) <= g->top)
			return;
		*slash = '\0';
	}
}

int64_t zcs_sys_lacking(unsigned part, uint64_t most)
{
	struct need need = { .part = part, .most = most };
	int err = zcs_fault(ZCS_FAULT_ROOM);
	uint64_t avail, total;
	struct group g;

	if (err)
		return -err;
	if (fake_of) {
		note_lacking(&need, fake_avail, fake_of);
		return (int64_t)need.lacking;
	}
	if (read_field("/proc", "meminfo", "MemTotal:", &total) ||
	    read_field("/proc", "meminfo", "MemAvailable:", &avail))
		return -ENOENT;
	note_lacking(&need, avail << 10, total << 10);
	for (int v1 = 0; v1 < 2; v1++)
		if (find_group(v1, &g))
			look_up_groups(&g, total << 10, &need);
	return (int64_t)need.lacking;
}

/* -- pressure stall information */

static int open_trigger(const char *path, unsigned stall_ms, unsigned window_s)
{
	int fd, err = zcs_fault(ZCS_FAULT_PSI);
	char trigger[64];

	if (err)
		return -err;
	fd = zcs_sys_new_fd(open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC));
	if (fd < 0)
		return fd;
	snprintf(trigger, sizeof(trigger), "some %u %u", stall_ms * 1000, window_s * 1000000);
	if (write(fd, trigger, strlen(trigger) + 1) >= 0)
		return fd;
	err = errno;
	close(fd);
	return -err;
}

/*
 * Opens the trigger of the process's group. The root of the hierarchy has no cgroup.type. That
 * group is the whole machine, and is refused unless @topmost.
 */
static int open_group(bool topmost, unsigned stall_ms, unsigned window_s)
{
	char path[PATH_BYTES + 32];
	struct group g;

	if (!find_group(false, &g))
		return -ENOENT;
	snprintf(path, sizeof(path), "%s/cgroup.type", g.dir);
	if (!topmost && access(path, F_OK))
		return -ENOENT;
	snprintf(path, sizeof(path), "%s/memory.pressure", g.dir);
	return open_trigger(path, stall_ms, window_s);
}

int zcs_sys_psi(enum zcs_psi whose, unsigned stall_ms, unsigned window_s)
{
	int fd, top;

	if (whose == ZCS_PSI_GROUP)
		return open_group(false, stall_ms, window_s);
	fd = open_trigger("/proc/pressure/memory", stall_ms, window_s);
	if (fd >= 0)
		return fd;
	top = open_group(true, stall_ms, window_s);
	return top >= 0 ? top : fd;
}
