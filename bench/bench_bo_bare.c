/* SPDX-License-Identifier: MIT */
/*
 * Evict and touch as a program could do them by itself, with nothing of the library: a userfaultfd
 * over memory that stays where it is, and a thread that sleeps in read(2) on it.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "bench_bo.h"

/* Debian 12's headers are those of 6.1. */
#ifndef UFFD_USER_MODE_ONLY
#define UFFD_USER_MODE_ONLY 1
#endif
#ifndef UFFD_FEATURE_WP_ASYNC
#define UFFD_FEATURE_WP_ASYNC (1 << 15)
#endif
#ifndef UFFDIO_CONTINUE_MODE_WP
#define UFFDIO_CONTINUE_MODE_WP ((__u64)1 << 1)
#endif

static void restore(struct bo_bare *bare)
{
	struct uffdio_range range = { (uintptr_t)bare->mem.addr, bare->mem.bytes };
	struct uffdio_continue c = { .range = range,
				     .mode = bare->armed ? UFFDIO_CONTINUE_MODE_WP : 0 };

	if (bare->for_life)
		ioctl(bare->uffd, UFFDIO_CONTINUE, &c);
	else
		ioctl(bare->uffd, UFFDIO_UNREGISTER, &range);
}

/* Ended by pthread_cancel() in read(). */
static void *handler(void *arg)
{
	struct bo_bare *bare = arg;
	struct uffd_msg msg;

	while (read(bare->uffd, &msg, sizeof(msg)) == sizeof(msg))
		if (msg.event == UFFD_EVENT_PAGEFAULT)
			restore(bare);
	return NULL;
}

static void watch(struct bench *b, struct bo_bare *bare)
{
	struct uffdio_register r = {
		.range = { (uintptr_t)bare->mem.addr, bare->mem.bytes },
		.mode = UFFDIO_REGISTER_MODE_MISSING | UFFDIO_REGISTER_MODE_MINOR |
			(bare->armed ? UFFDIO_REGISTER_MODE_WP : 0),
	};

	if (ioctl(bare->uffd, UFFDIO_REGISTER, &r))
		bench_die(b, "UFFDIO_REGISTER", -errno);
}

bool bo_bare_open(struct bench *b, struct bo_bare *bare, enum bench_kind kind, bool armed)
{
	struct uffdio_api api = {
		.api = UFFD_API,
		.features = UFFD_FEATURE_MINOR_HUGETLBFS | UFFD_FEATURE_MINOR_SHMEM |
			    (armed ? UFFD_FEATURE_WP_HUGETLBFS_SHMEM | UFFD_FEATURE_WP_ASYNC : 0),
	};

	bare->for_life = armed || kind == BENCH_HUGETLB;
	bare->armed = armed;
	bare->uffd = (int)syscall(SYS_userfaultfd, O_CLOEXEC | UFFD_USER_MODE_ONLY);
	if (bare->uffd < 0 || ioctl(bare->uffd, UFFDIO_API, &api)) {
		bench_left_out(b, b->what, "no userfaultfd: errno %d", errno);
		close(bare->uffd);
		return false;
	}
	bench_bare_open(b, &bare->mem, kind, BENCH_UNIT);
	bench_bare_populate(b, &bare->mem, 0, BENCH_UNIT);
	if (bare->for_life)
		watch(b, bare);
	if (pthread_create(&bare->handler, NULL, handler, bare))
		bench_die(b, "pthread_create", -EAGAIN);
	return true;
}

void bo_bare_evict(struct bench *b, struct bo_bare *bare)
{
	if (!bare->for_life)
		watch(b, bare);
	bench_bare_zap(b, &bare->mem);
}

void bo_bare_close(struct bo_bare *bare)
{
	pthread_cancel(bare->handler);
	pthread_join(bare->handler, NULL);
	close(bare->uffd);
	bench_bare_close(&bare->mem);
}
