/* SPDX-License-Identifier: MIT */
/*
 * Evict and touch of 2 MiB that never leave memory, against the least a program could do by itself.
 *
 * The bare way is a memfd, a userfaultfd and a thread that sleeps in read(2) on it. hugetlb:
 * registered for life, MADV_DONTNEED takes it away and UFFDIO_CONTINUE brings it back. shmem:
 * UFFDIO_REGISTER and MADV_DONTNEED, and UFFDIO_UNREGISTER. Both ways a thread has to wake up,
 * which is most of the time and varies most, so a sample is the median of a round's.
 *
 * shmem has another way, hugetlb's: registered for life, and CONTINUE, which maps it 4 KiB at a
 * time; with MODE_WP it is known afterwards whether it was written to, so that evicting it again
 * may need no write. What that costs is the time of the touch, and of every use of memory that is
 * no longer mapped huge.
 */
#include <stdlib.h>
#include <unistd.h>

#include "bench_bo.h"

#define TIMES	  200u
#define TIMES_MIN 50u
#define PAUSE_US  100

/* One way's rows. */
struct rows {
	struct bench_row *out, *in, *both;
	double *out_ns, *in_ns, *both_ns;
};

struct touch_case {
	struct bench *b;
	struct bo_device device;
	struct bo_bare bare, other;
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

/* @bare: NULL: ours */
static void evict(struct touch_case *c, struct bo_bare *bare)
{
	if (bare)
		bo_bare_evict(c->b, bare);
	else
		bench_must(c->b, "zcs_bo_evict", zcs_bo_evict(c->device.bo[0], 0));
}

static void measure(struct touch_case *c, struct rows *r, struct bo_bare *bare)
{
	char *addr = bare ? bare->mem.addr : zcs_bo_address(c->device.bo[0]);

	for (unsigned i = 0; i < c->times; i++) {
		uint64_t start = bench_now(), out, in;

		evict(c, bare);
		out = bench_now();
		bench_touch(addr, 1, 1);
		in = bench_now();
		r->out_ns[i] = (double)(out - start);
		r->in_ns[i] = (double)(in - out);
		r->both_ns[i] = (double)(in - start);
		/* so that the handler sleeps again */
		bench_nap(PAUSE_US);
	}
	bench_value(c->b, r->out, bench_median(r->out_ns, c->times));
	bench_value(c->b, r->in, bench_median(r->in_ns, c->times));
	bench_value(c->b, r->both, bench_median(r->both_ns, c->times));
}

void bo_touch(struct bench *b, enum bench_kind kind)
{
	struct touch_case c = { .b = b, .times = b->quick ? TIMES_MIN : TIMES };

	if (!bo_bare_open(b, &c.bare, kind, false))
		return;
	c.has_other = kind != BENCH_HUGETLB && bo_bare_open(b, &c.other, kind, true);
	bo_device_open(b, &c.device, kind, 0, 1, BENCH_UNIT);
	c.ours = make_rows(&c, "");
	c.theirs = make_rows(&c, "bare: ");
	if (c.has_other) {
		c.others = make_rows(&c, "bare, CONTINUE with WP: ");
		bench_against(c.others.both, c.theirs.both, "UNREGISTER", BENCH_NO_AIM, 0);
	}
	bench_against(c.ours.both, c.theirs.both, "bare calls", BENCH_WITHIN, 1.3);
	bench_against(c.ours.out, c.theirs.out, "bare calls", BENCH_NO_AIM, 0);
	bench_against(c.ours.in, c.theirs.in, "bare calls", BENCH_NO_AIM, 0);
	bench_touch(zcs_bo_address(c.device.bo[0]), BENCH_UNIT, 4096);
	while (bench_round(b)) {
		measure(&c, &c.ours, NULL);
		measure(&c, &c.theirs, &c.bare);
		if (c.has_other)
			measure(&c, &c.others, &c.other);
	}
	if (c.has_other) {
		free_rows(&c.others);
		bo_bare_close(&c.other);
	}
	free_rows(&c.ours);
	free_rows(&c.theirs);
	bo_device_close(&c.device);
	bo_bare_close(&c.bare);
}
