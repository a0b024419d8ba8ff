/* SPDX-License-Identifier: MIT */
/*
 * Evict and touch of 2 MiB that never leave memory, against the least a program could do by itself.
 *
 * The bare way is a memfd, a userfaultfd and a thread that sleeps in read(2) on it. hugetlb: registered for
 * life, MADV_DONTNEED takes it away and UFFDIO_CONTINUE brings it back. shmem: UFFDIO_REGISTER and
 * MADV_DONTNEED, and UFFDIO_UNREGISTER. Both ways a thread has to wake up, which is most of the time and
 * varies most, so a sample is the median of a round's.
 *
 * shmem has another way, hugetlb's: registered for life, and CONTINUE, which maps it 4 KiB at a time; with
 * MODE_WP it is known afterwards whether it was written to, so that evicting it again may need no write. What
 * that costs is the time of the touch, and of every use of memory that is no longer mapped huge.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "bench_bo.h"

#define TIMES	  200u
#define TIMES_MIN 50u
#define PAUSE_US  100

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

struct bare {
	struct bench_bare mem;
	bool for_life, armed;
	int uffd;
	pthread_t handler;
};

static void restore(struct bare *bare)
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
	struct bare *bare = arg;
	struct uffd_msg msg;

	while (read(bare->uffd, &msg, sizeof(msg)) == sizeof(msg))
		if (msg.event == UFFD_EVENT_PAGEFAULT)
			restore(bare);
	return NULL;
}

static void watch(struct bench *b, struct bare *bare)
{
	struct uffdio_register r = {
		.range = { (uintptr_t)bare->mem.addr, bare->mem.bytes },
		.mode = UFFDIO_REGISTER_MODE_MISSING | UFFDIO_REGISTER_MODE_MINOR |
			(bare->armed ? UFFDIO_REGISTER_MODE_WP : 0),
	};

	if (ioctl(bare->uffd, UFFDIO_REGISTER, &r))
		bench_die(b, "UFFDIO_REGISTER", -errno);
}

/* False, with the reason said, if there is no such userfaultfd. */
static bool open_bare(struct bench *b, struct bare *bare, enum bench_kind kind, bool other)
{
	struct uffdio_api api = {
		.api = UFFD_API,
		.features = UFFD_FEATURE_MINOR_HUGETLBFS | UFFD_FEATURE_MINOR_SHMEM |
			    (other ? UFFD_FEATURE_WP_HUGETLBFS_SHMEM | UFFD_FEATURE_WP_ASYNC : 0),
	};

	bare->for_life = other || kind == BENCH_HUGETLB;
	bare->armed = other;

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

static void close_bare(struct bare *bare)
{
	pthread_cancel(bare->handler);
	pthread_join(bare->handler, NULL);
	close(bare->uffd);
	bench_bare_close(&bare->mem);
}

/* One way's rows. */
struct rows {
	struct bench_row *out, *in, *both;
	double *out_ns, *in_ns, *both_ns;
};

struct touch_case {
	struct bench *b;
	struct bo_device device;
	struct bare bare, other;
	bool has_other;
	unsigned times;
	struct rows ours, theirs, others;
};

static struct rows make_rows(struct touch_case *c, const char *name)
{
	struct bench *b = c->b;
	struct rows r = {
		.both = bench_row(b, "ns", "2 MiB", c->times, "%sevict and touch", name),
		.out = bench_row(b, "ns", "2 MiB", c->times, "%sevict", name),
		.in = bench_row(b, "ns", "2 MiB", c->times, "%stouch", name),
		.out_ns = bench_calloc(b, c->times, sizeof(double)),
		.in_ns = bench_calloc(b, c->times, sizeof(double)),
		.both_ns = bench_calloc(b, c->times, sizeof(double)),
	};

	return r;
}

static void free_rows(struct rows *r)
{
	free(r->out_ns);
	free(r->in_ns);
	free(r->both_ns);
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static void sample_median(struct bench *b, struct bench_row *row, double *ns, unsigned n)
{
	qsort(ns, n, sizeof(*ns), by_value);
	bench_value(b, row, ns[n / 2]);
}

static void bare_evict(struct touch_case *c)
{
	if (!c->bare.for_life)
		watch(c->b, &c->bare);
	bench_bare_zap(c->b, &c->bare.mem);
}

static void other_evict(struct touch_case *c)
{
	bench_bare_zap(c->b, &c->other.mem);
}

static void our_evict(struct touch_case *c)
{
	bench_must(c->b, "zcs_bo_evict", zcs_bo_evict(c->device.bo[0], 0));
}

static void measure(struct touch_case *c, struct rows *r, char *addr,
		    void (*evict)(struct touch_case *c))
{
	for (unsigned i = 0; i < c->times; i++) {
		uint64_t start = bench_now(), out, in;

		evict(c);
		out = bench_now();
		bench_touch(addr, 1, 1);
		in = bench_now();
		r->out_ns[i] = (double)(out - start);
		r->in_ns[i] = (double)(in - out);
		r->both_ns[i] = (double)(in - start);
		/* so that the handler sleeps again */
		usleep(PAUSE_US);
	}
	sample_median(c->b, r->out, r->out_ns, c->times);
	sample_median(c->b, r->in, r->in_ns, c->times);
	sample_median(c->b, r->both, r->both_ns, c->times);
}

void bo_touch(struct bench *b, enum bench_kind kind)
{
	struct touch_case c = { .b = b, .times = b->quick ? TIMES_MIN : TIMES };
	char *addr;

	if (!open_bare(b, &c.bare, kind, false))
		return;
	c.has_other = kind != BENCH_HUGETLB && open_bare(b, &c.other, kind, true);
	bo_device_open(b, &c.device, kind, 0, 1, BENCH_UNIT);
	addr = zcs_bo_address(c.device.bo[0]);
	c.ours = make_rows(&c, "");
	c.theirs = make_rows(&c, "bare: ");
	if (c.has_other) {
		c.others = make_rows(&c, "bare, CONTINUE with WP: ");
		bench_against(c.others.both, c.theirs.both, "UNREGISTER", BENCH_NO_AIM, 0);
	}
	bench_against(c.ours.both, c.theirs.both, "bare calls", BENCH_WITHIN, 1.3);
	bench_against(c.ours.out, c.theirs.out, "bare calls", BENCH_NO_AIM, 0);
	bench_against(c.ours.in, c.theirs.in, "bare calls", BENCH_NO_AIM, 0);
	bench_touch(addr, BENCH_UNIT, 4096);
	while (bench_round(b)) {
		measure(&c, &c.ours, addr, our_evict);
		measure(&c, &c.theirs, c.bare.mem.addr, bare_evict);
		if (c.has_other)
			measure(&c, &c.others, c.other.mem.addr, other_evict);
	}
	if (c.has_other) {
		free_rows(&c.others);
		close_bare(&c.other);
	}
	free_rows(&c.ours);
	free_rows(&c.theirs);
	bo_device_close(&c.device);
	close_bare(&c.bare);
}
