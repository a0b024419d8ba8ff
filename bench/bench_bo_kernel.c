/* SPDX-License-Identifier: MIT */
/*
 * The same work on memory that the kernel swaps: a child in a memory cgroup with the device's
 * limit, and a swap file on the same disk. Its memory is a shmem memfd, mapped as a program would:
 * huge only where the system makes it so. The child lives for the whole case, so that a round's
 * pass finds what the one before left; it walks when it is told the number of a pass.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench_bo.h"

#define SPARE_BYTES (UINT64_C(64) << 20)

static int set_limit(const struct bo_kernel *k)
{
	bool v1 = strstr(k->swap.reclaim, "memory.force_empty") != NULL;
	char path[sizeof(k->swap.group) + 32];
	int fd, err = 0;

	snprintf(path, sizeof(path), "%s/%s", k->swap.group,
		 v1 ? "memory.limit_in_bytes" : "memory.max");
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (dprintf(fd, "%" PRIu64, k->work.memory) < 0)
		err = -errno;
	close(fd);
	return err;
}

static void serve(struct bo_kernel *k, struct bench *own, int in, int out)
{
	struct bench_bare bare;
	struct bench_span span;
	struct bo_set set;
	unsigned pass;

	bench_bare_open(own, &bare, BENCH_SMALL, k->work.nr * BO_BYTES);
	bo_set_open(own, &set, &k->work);
	for (uint32_t i = 0; i < k->work.nr; i++)
		set.addr[i] = bare.addr + i * BO_BYTES;
	while (read(in, &pass, sizeof(pass)) == sizeof(pass)) {
		bo_set_trace(&set, pass);
		span = bo_set_walk(own, &set);
		if (write(out, &span, sizeof(span)) != sizeof(span))
			_exit(1);
	}
}

/* The child. A call that fails is said on standard error. */
static void child(struct bo_kernel *k, int in, int out, pid_t parent)
{
	struct bench own = { .table = fopen("/dev/null", "we") };

	bench_leave_changes();
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent || !own.table)
		_exit(1);
	bench_init(&own, k->b->what);
	if (!store_swap_join(&k->swap))
		serve(k, &own, in, out);
	_exit(0);
}

static int start(struct bo_kernel *k)
{
	int down[2], up[2];
	pid_t parent = getpid();

	if (pipe2(down, O_CLOEXEC) || pipe2(up, O_CLOEXEC))
		return -errno;
	k->pid = fork();
	if (!k->pid) {
		close(down[1]);
		child(k, down[0], up[1], parent);
	}
	close(down[0]);
	close(up[1]);
	k->to = down[1];
	k->from = up[0];
	return k->pid < 0 ? -errno : 0;
}

bool bo_kernel_open(struct bench *b, struct bo_kernel *k, const struct bo_work *work, char *why,
		    size_t size)
{
	int err;

	*k = (struct bo_kernel){ .b = b, .work = *work };
	if (!store_swap_on(b, &k->swap, work->nr * BO_BYTES + SPARE_BYTES, why, size))
		return false;
	if (!k->swap.group[0]) {
		snprintf(why, size, "no memory cgroup can be made");
		store_swap_off();
		return false;
	}
	err = set_limit(k);
	if (!err)
		err = start(k);
	if (err) {
		snprintf(why, size, "the memory cgroup: %s", strerror(-err));
		store_swap_off();
	}
	return !err;
}

struct bench_span bo_kernel_walk(struct bo_kernel *k, unsigned pass)
{
	struct bench_span span;

	if (write(k->to, &pass, sizeof(pass)) != sizeof(pass) ||
	    read(k->from, &span, sizeof(span)) != sizeof(span))
		bench_die(k->b, "the kernel's swapping", -ECHILD);
	return span;
}

void bo_kernel_close(struct bo_kernel *k)
{
	close(k->to);
	close(k->from);
	waitpid(k->pid, NULL, 0);
	store_swap_off();
}
