/* SPDX-License-Identifier: MIT */
/* Memory pressure by a process in a small control group, see press.h. */
#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <mntent.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bo_test.h"
#include "press.h"

#define GROUP_BYTES "16777216"
#define FILE_BYTES  (20 * ZCS_TEST_MIB)
#define READERS	    2u
#define LIFE_S	    90u

struct janitor {
	int socket, file;
	char group[PATH_MAX];
	pid_t reader;
};

static bool write_to(const char *dir, const char *name, const char *what)
{
	char path[PATH_MAX + 64];
	int fd;
	bool ok;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	ok = write(fd, what, strlen(what)) == (ssize_t)strlen(what);
	close(fd);
	return ok;
}

/* -- the reader */

/* In a file system whose pages can be dropped: in tmpfs the group would run out of memory. */
static int open_file(void)
{
	const char *dirs[] = { getenv("TMPDIR"), "/tmp", "/var/tmp" };

	for (unsigned i = 0; i < 3; i++) {
		int fd = dirs[i] ? open(dirs[i], O_TMPFILE | O_RDWR | O_CLOEXEC, 0600) : -1;
		struct statfs fs;

		if (fd >= 0 && !fstatfs(fd, &fs) && fs.f_type != TMPFS_MAGIC &&
		    fs.f_type != RAMFS_MAGIC)
			return fd;
		if (fd >= 0)
			close(fd);
	}
	return -1;
}

/* With whom they were made by, and not for ever. */
static void be_mortal(void)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	alarm(LIFE_S);
}

static void write_file(int file)
{
	char page[ZCS_PAGE_SIZE] = "";

	for (uint64_t at = 0; at < FILE_BYTES; at += sizeof(page))
		if (pwrite(file, page, sizeof(page), (off_t)at) != sizeof(page))
			_exit(1);
	fdatasync(file);
	posix_fadvise(file, 0, 0, POSIX_FADV_RANDOM);
}

/*
 * The file is only a little larger than the group: a page that is read again was dropped not long
 * ago, and by that the kernel tells waiting for memory from waiting for a disk.
 */
static _Noreturn void read_for_ever(struct janitor *j)
{
	char page[ZCS_PAGE_SIZE];
	uint64_t x = 1;

	be_mortal();
	if (!write_to(j->group, "cgroup.procs", "0"))
		_exit(1);
	write_file(j->file);
	for (unsigned i = 1; i < READERS && !fork(); i++)
		be_mortal();
	for (x += (uint64_t)getpid();;) {
		x = x * UINT64_C(6364136223846793005) + 1;
		if (pread(j->file, page, sizeof(page),
			  (off_t)((x >> 33) % (FILE_BYTES / sizeof(page)) * sizeof(page))) < 0)
			_exit(1);
	}
}

/* -- the janitor */

static bool make_group_in(struct janitor *j, const struct mntent *m)
{
	bool v1 = strcmp(m->mnt_type, "cgroup") == 0 && hasmntopt(m, "memory");

	if (!v1 && strcmp(m->mnt_type, "cgroup2") != 0)
		return false;
	snprintf(j->group, sizeof(j->group), "%s/zcswap-test-%d", m->mnt_dir, (int)getpid());
	if (mkdir(j->group, 0700))
		return false;
	if (write_to(j->group, v1 ? "memory.limit_in_bytes" : "memory.max", GROUP_BYTES))
		return true;
	rmdir(j->group);
	return false;
}

static bool make_group(struct janitor *j)
{
	FILE *f = setmntent("/proc/self/mounts", "re");
	bool made = false;

	for (struct mntent *m = f ? getmntent(f) : NULL; m && !made; m = getmntent(f))
		made = make_group_in(j, m);
	if (f)
		endmntent(f);
	return made;
}

/* One byte from the test, 0 if it is gone or takes too long. */
static char next_word(struct janitor *j)
{
	struct pollfd fd = { .fd = j->socket, .events = POLLIN };
	char c = 0;

	if (poll(&fd, 1, (int)LIFE_S * 1000) <= 0 || read(j->socket, &c, 1) != 1)
		return 0;
	return c;
}

static void start_reader(struct janitor *j)
{
	j->reader = fork();
	if (!j->reader)
		read_for_ever(j);
}

static void remove_group(struct janitor *j)
{
	if (j->reader > 0) {
		kill(j->reader, SIGKILL);
		waitpid(j->reader, NULL, 0);
	}
	/* a process that has just left may still be counted */
	for (unsigned i = 0; i < 1000 && rmdir(j->group) && errno == EBUSY; i++)
		usleep(1000);
}

static void leave_the_test(void)
{
	int null = open("/dev/null", O_RDWR);

	setsid();
	for (int fd = 0; fd < 3; fd++)
		dup2(null, fd);
	signal(SIGINT, SIG_IGN);
	signal(SIGTERM, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	signal(SIGPIPE, SIG_IGN);
	alarm(0);
}

/* Its messages to the test: '+': ready; 'f', 'g': it has no file, or no group. */
static _Noreturn void be_janitor(int socket)
{
	struct janitor j = { .socket = socket };
	char word;

	leave_the_test();
	j.file = open_file();
	word = j.file < 0 ? 'f' : make_group(&j) ? '+' : 'g';
	if (word != '+') {
		(void)!write(socket, &word, 1);
		_exit(0);
	}
	if (write(socket, &word, 1) == 1 && next_word(&j))
		start_reader(&j);
	while (j.reader > 0 && next_word(&j))
		;
	remove_group(&j);
	_exit(0);
}

/* -- the test's side */

/* Whether a trigger may be set at all, and not only the file be read. */
static bool can_be_watched(int fd)
{
	static const char trigger[] = "some 150000 2000000";

	return fd >= 0 && write(fd, trigger, sizeof(trigger)) > 0;
}

static const char *start_janitor(struct press *p)
{
	int ends[2];
	char word = 0;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends))
		return "no socket";
	p->janitor = fork();
	if (!p->janitor) {
		close(ends[0]);
		be_janitor(ends[1]);
	}
	close(ends[1]);
	p->socket = ends[0];
	if (p->janitor < 0 || read(p->socket, &word, 1) != 1)
		return "no process that makes pressure";
	if (word == 'f')
		return "no place for a file but tmpfs";
	return word == '+' ? NULL
			   : "no memory control group that can be made (root, and the memory "
			     "controller in reach)";
}

const char *press_prepare(struct press *p)
{
	const char *why = "/proc/pressure/memory cannot be watched here";

	*p = (struct press){ .socket = -1, .janitor = -1 };
	p->stall = open("/proc/pressure/memory", O_RDWR | O_NONBLOCK | O_CLOEXEC);
	if (can_be_watched(p->stall))
		why = start_janitor(p);
	if (why)
		press_end(p);
	return why;
}

void press_begin(struct press *p)
{
	assert_int_equal(send(p->socket, "g", 1, MSG_NOSIGNAL), 1);
}

void press_end(struct press *p)
{
	close(p->socket);
	close(p->stall);
	if (p->janitor > 0)
		waitpid(p->janitor, NULL, 0);
	errno = 0;
}

uint64_t press_stalled_ms(const struct press *p)
{
	char text[256] = "", *total;

	assert_true(pread(p->stall, text, sizeof(text) - 1, 0) > 0);
	total = strstr(text, "total=");
	assert_non_null(total);
	return strtoull(total + strlen("total="), NULL, 10) / 1000;
}

bool press_find_cgroup2(char *path, unsigned size)
{
	FILE *f = setmntent("/proc/self/mounts", "re");
	bool found = false;

	for (struct mntent *m = f ? getmntent(f) : NULL; m && !found; m = getmntent(f)) {
		found = strcmp(m->mnt_type, "cgroup2") == 0;
		if (found)
			snprintf(path, size, "%s", m->mnt_dir);
	}
	if (f)
		endmntent(f);
	return found;
}
