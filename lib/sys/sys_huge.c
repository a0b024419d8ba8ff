/* SPDX-License-Identifier: MIT */
/*
 * A shmem file that is huge from the start, made by an ordinary user although
 * transparent_hugepage/shmem_enabled is never.
 *
 * That policy holds for memfds. A tmpfs has its own policy, the mount option huge=always, and root
 * of a user namespace may mount a tmpfs there. So a child makes the two namespaces for itself,
 * mounts a tmpfs outside every tree and makes an unlinked file in it. Then the child sends the
 * descriptor to its parent and exits; the file keeps the mount. Without this file a huge page costs
 * 0.5 to 0.7 ms more for each 2 MiB: small pages are cleared one by one and then copied into a huge
 * one.
 *
 * The child shares this process's memory while the caller sleeps, as in posix_spawn(). So nothing
 * of a large process is copied or write-protected. The child takes no signals, and calls nothing
 * that locks or allocates. Its exit raises no SIGCHLD, and wait() does not find it.
 *
 * Known limit: a sandbox may refuse or kill the child, and then there is no descriptor.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sys_file.h"
#include "sys_mem.h"

#define STACK_BYTES 65536u
#define POLICY	    "/sys/kernel/mm/transparent_hugepage/shmem_enabled"

/*
 * struct order - the child's task
 * @sock: the socket that the descriptor is sent to
 * @name: name of the file
 * @uid_map, @gid_map: the caller's ids, the same in the new namespace; "": no new namespace
 */
struct order {
	int sock;
	const char *name;
	char uid_map[40], gid_map[40];
};

bool zcs_sys_huge_by_policy(void)
{
	char line[128] = "";
	FILE *f = fopen(POLICY, "re");

	if (!f)
		return false;
	if (!fgets(line, sizeof(line), f))
		line[0] = '\0';
	fclose(f);
	return !strstr(line, "[never]");
}

static void write_text(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	ssize_t n = write(fd, text, strlen(text));

	(void)n; /* a failed map is noticed later: no file can be made */
	close(fd);
}

static void map_ids(const struct order *o)
{
	write_text("/proc/self/uid_map", o->uid_map);
	write_text("/proc/self/setgroups", "deny");
	write_text("/proc/self/gid_map", o->gid_map);
}

/* Mounts a tmpfs outside every tree. Its size has no limit, for the pool limits the arena. */
static int mount_tmpfs(void)
{
	int fs = fsopen("tmpfs", FSOPEN_CLOEXEC), mnt = -1;

	if (fs >= 0 && !fsconfig(fs, FSCONFIG_SET_STRING, "huge", "always", 0) &&
	    !fsconfig(fs, FSCONFIG_SET_STRING, "size", "0", 0) &&
	    !fsconfig(fs, FSCONFIG_SET_STRING, "mode", "0700", 0) &&
	    !fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0))
		mnt = fsmount(fs, FSMOUNT_CLOEXEC, 0);
	close(fs);
	return mnt;
}

static int make_huge_file(const char *name)
{
	int mnt = mount_tmpfs();
	int fd = openat(mnt, name, O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC, 0600);

	if (fd >= 0)
		unlinkat(mnt, name, 0);
	close(mnt);
	return fd;
}

/* A message of one byte that carries a descriptor. */
union control {
	struct cmsghdr header;
	char space[CMSG_SPACE(sizeof(int))];
};

static void send_fd(int sock, int fd)
{
	union control control = { .space = { 0 } };
	struct iovec byte = { .iov_base = control.space, .iov_len = 1 };
	struct msghdr msg = { .msg_iov = &byte,
			      .msg_iovlen = 1,
			      .msg_control = control.space,
			      .msg_controllen = sizeof(control.space) };

	control.header = (struct cmsghdr){ .cmsg_level = SOL_SOCKET,
					   .cmsg_type = SCM_RIGHTS,
					   .cmsg_len = CMSG_LEN(sizeof(int)) };
	memcpy(CMSG_DATA(&control.header), &fd, sizeof(fd));
	sendmsg(sock, &msg, MSG_NOSIGNAL);
}

static int receive_fd(int sock)
{
	char byte;
	union control control;
	struct iovec iov = { .iov_base = &byte, .iov_len = 1 };
	struct msghdr msg = { .msg_iov = &iov,
			      .msg_iovlen = 1,
			      .msg_control = control.space,
			      .msg_controllen = sizeof(control.space) };
	int fd = -EPERM;

	if (recvmsg(sock, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC) == 1 && CMSG_FIRSTHDR(&msg))
		memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&msg)), sizeof(fd));
	return fd < 0 ? fd : zcs_sys_new_fd(fd);
}

static int child_main(void *arg)
{
	const struct order *o = arg;
	int fd;

	if (*o->uid_map)
		map_ids(o);
	fd = make_huge_file(o->name);
	if (fd >= 0)
		send_fd(o->sock, fd);
	_exit(0);
}

/*
 * ThreadSanitizer takes every clone() for a fork, and would begin anew in memory that the parent
 * still uses. AddressSanitizer marks unusable parts of a stack, and a child that never returns
 * leaves its marks to the next user of that memory. Under either one the child gets a copy of the
 * memory.
 */
extern void __tsan_init(void) __attribute__((weak));
extern void __asan_init(void) __attribute__((weak));

static int sharing(void)
{
	return __tsan_init || __asan_init ? 0 : CLONE_VM;
}

/* Runs the child to its end. Only the socket tells how that went. */
static void run_child(struct order *o, char *stack, int namespaces)
{
	sigset_t all, old;
	pid_t pid;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	pid = clone(child_main, stack + STACK_BYTES, sharing() | CLONE_VFORK | namespaces, o);
	while (pid > 0 && waitpid(pid, NULL, __WCLONE) < 0 && errno == EINTR)
		;
	pthread_sigmask(SIG_SETMASK, &old, NULL);
}

/*
 * Asks for the file from a child in new namespaces, or, where those are refused, from a child in
 * the namespaces of the caller.
 */
static int ask_child(struct order *o, int sock, char *stack)
{
	int fd;

	snprintf(o->uid_map, sizeof(o->uid_map), "%u %u 1", geteuid(), geteuid());
	snprintf(o->gid_map, sizeof(o->gid_map), "%u %u 1", getegid(), getegid());
	run_child(o, stack, CLONE_NEWUSER | CLONE_NEWNS);
	fd = receive_fd(sock);
	if (fd >= 0)
		return fd;
	o->uid_map[0] = '\0';
	run_child(o, stack, 0);
	return receive_fd(sock);
}

/*
 * Whether this process runs under valgrind, which turns such a clone() into a fork on the wrong
 * stack.
 */
static bool under_valgrind(void)
{
	const char *preload = getenv("LD_PRELOAD");

	return preload && strstr(preload, "vgpreload");
}

static int make_pair(int *pair)
{
	if (socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, pair))
		return -errno;
	pair[0] = zcs_sys_new_fd(pair[0]);
	pair[1] = zcs_sys_new_fd(pair[1]);
	if (pair[0] >= 0 && pair[1] >= 0)
		return 0;
	zcs_sys_close(pair[0]);
	zcs_sys_close(pair[1]);
	return -EMFILE;
}

int zcs_sys_huge_file(const char *name)
{
	int err = -zcs_fault(ZCS_FAULT_HUGE_FILE), pair[2], fd;
	struct order o = { .name = name };
	void *stack;

	if (!err && under_valgrind())
		err = -EPERM;
	if (!err)
		err = make_pair(pair);
	if (err)
		return err;
	o.sock = pair[1];
	fd = zcs_sys_reserve(STACK_BYTES, &stack);
	if (!fd) {
		fd = ask_child(&o, pair[0], stack);
		zcs_sys_unmap(stack, STACK_BYTES);
	}
	close(pair[0]);
	close(pair[1]);
	return fd;
}
