/* SPDX-License-Identifier: MIT */
/*
 * Passes over a set larger than memory, by bos and by the kernel's swap, and their hits.
 *
 * A pass visits as many buffers as there are. The warm-up fills them. A hit is 2 MiB that did not
 * have to be read. The reads are those that the kernel counted for this process, so that read-ahead
 * counts, also in vain.
 */
#include <inttypes.h>

#include "bench_bo.h"

struct walk_case {
	struct bench *b;
	struct bo_work work;
	struct bo_set set;
	struct bo_device device;
	struct bo_kernel kernel;
	bool has_kernel;
	struct bo_limit limit;
	struct bench_pair bos, swap, alone;
	struct bench_row *hit, *fifo, *lru;
	struct bo_policy is_fifo, is_lru;
};

/* Same-filled folios take no I/O. */
static bool needs_device(const struct walk_case *c)
{
	return c->work.content == BO_WORDS || c->work.content == BO_COUNTING;
}

static void make_rows(struct walk_case *c, bool aim)
{
	uint64_t bytes = c->work.nr * BO_BYTES;
	struct bench *b = c->b;

	c->bos = bench_pair(b, bytes, "bos");
	if (c->has_kernel) {
		c->swap = bench_pair(b, bytes, "kernel: shmem in a cgroup, swap");
		bench_pair_against(&c->bos, &c->swap, "kernel", aim ? 12 : 0, aim ? 25 : 0);
	}
	if (needs_device(c)) {
		c->alone = bench_pair(b, bytes, "device alone: the same I/O");
		bench_pair_against(&c->bos, &c->alone, "device", 0, 0);
	}
	c->hit = bench_row(b, "%", "2 MiB", bytes / BENCH_UNIT, "hits");
	c->fifo = bench_row(b, "%", "2 MiB", bytes / BENCH_UNIT, "FIFO would hit");
	c->lru = bench_row(b, "%", "2 MiB", bytes / BENCH_UNIT, "LRU would hit");
	bench_against(c->hit, c->fifo, "FIFO", BENCH_NO_AIM, 0);
	bench_against(c->hit, c->lru, "LRU", BENCH_NO_AIM, 0);
	/* a loop is what FIFO and LRU never hit */
	if (c->work.order == BO_IN_ORDER && c->work.content == BO_WORDS)
		bench_against(c->hit, NULL, "over FIFO's 0", BENCH_AT_LEAST, 1);
}

static void our_pass(struct walk_case *c)
{
	uint64_t bytes = c->work.nr * BO_BYTES, read, write;

	read = bench_proc_number("/proc/self/io", "read_bytes");
	write = bench_proc_number("/proc/self/io", "write_bytes");
	bench_pair_sample(c->b, &c->bos, bytes, bo_set_walk(c->b, &c->set));
	read = bench_proc_number("/proc/self/io", "read_bytes") - read;
	write = bench_proc_number("/proc/self/io", "write_bytes") - write;
	bench_value(c->b, c->hit, 100 * (1 - (double)read / (double)bytes));
	if (needs_device(c))
		bench_pair_sample(c->b, &c->alone, bytes,
				  bo_limit_run(c->b, &c->limit, read, write));
}

static void walk_round(struct walk_case *c)
{
	unsigned pass = c->b->round;

	bo_set_trace(&c->set, pass);
	our_pass(c);
	if (c->has_kernel)
		bench_pair_sample(c->b, &c->swap, c->work.nr * BO_BYTES,
				  bo_kernel_walk(&c->kernel, pass));
	bench_value(c->b, c->fifo, bo_policy_pass(&c->is_fifo, &c->set));
	bench_value(c->b, c->lru, bo_policy_pass(&c->is_lru, &c->set));
}

static void notes(struct walk_case *c)
{
	struct zcs_stats s = bo_device_stats(&c->device);

	bench_say(c->b,
		  "touches %" PRIu64 ": empty %" PRIu64 ", in memory %" PRIu64 ", read %" PRIu64
		  ", late %" PRIu64 ", waits %" PRIu64,
		  s.touches, s.touch_empty, s.touch_resident, s.touch_read, s.touch_late,
		  s.touch_waits);
	bench_say(c->b, "evicted %" PRIu64 ", probes %" PRIu64 ", overshoots %" PRIu64, s.evicted,
		  s.probes, s.overshoots);
}

static void open_case(struct walk_case *c, enum bench_kind kind)
{
	struct bench *b = c->b;

	bo_device_open(b, &c->device, kind, c->work.memory, c->work.nr, BO_BYTES);
	bo_set_open(b, &c->set, &c->work);
	if (needs_device(c))
		bo_limit_open(b, &c->limit, kind, c->work.memory);
	for (uint32_t i = 0; i < c->work.nr; i++)
		c->set.addr[i] = zcs_bo_address(c->device.bo[i]);
	bo_policy_open(b, &c->is_fifo, &c->work, false);
	bo_policy_open(b, &c->is_lru, &c->work, true);
}

static void close_case(struct walk_case *c)
{
	notes(c);
	bo_policy_close(&c->is_lru);
	bo_policy_close(&c->is_fifo);
	bo_set_close(&c->set);
	if (needs_device(c))
		bo_limit_close(&c->limit);
	bo_device_close(&c->device);
	if (c->has_kernel)
		bo_kernel_close(&c->kernel);
}

/* @quarters: of memory that the set is */
static void run(struct bench *b, enum bench_kind kind, unsigned quarters, const struct bo_work *how,
		bool aim)
{
	struct walk_case c = { .b = b, .work = *how };
	char why[128];

	c.work.memory = UINT64_C(1) << (b->quick ? 27 : 30);
	c.work.nr = (uint32_t)(c.work.memory / BO_BYTES * quarters / 4);
	if (b->quick && !aim)
		snprintf(why, sizeof(why), "they take minutes, this is a quick run");
	else
		c.has_kernel = bo_kernel_open(b, &c.kernel, &c.work, why, sizeof(why));
	if (!c.has_kernel)
		bench_left_out(b, b->what, "the kernel's rows: %s", why);
	open_case(&c, kind);
	make_rows(&c, aim);
	while (bench_round(b))
		walk_round(&c);
	close_case(&c);
}

void bo_walk(struct bench *b, enum bench_kind kind)
{
	run(b, kind, 8, &(struct bo_work){ .threads = 1 }, kind != BENCH_SMALL);
}

void bo_walk_random(struct bench *b, enum bench_kind kind)
{
	run(b, kind, 8, &(struct bo_work){ .threads = 1, .order = BO_SHUFFLED }, false);
}

void bo_walk_hot(struct bench *b, enum bench_kind kind)
{
	run(b, kind, 8, &(struct bo_work){ .threads = 1, .order = BO_HOT }, false);
}

void bo_walk_threads(struct bench *b, enum bench_kind kind)
{
	run(b, kind, 8, &(struct bo_work){ .threads = 2 }, false);
}

void bo_walk_zero(struct bench *b, enum bench_kind kind)
{
	run(b, kind, 8, &(struct bo_work){ .threads = 1, .content = BO_ZERO }, false);
}

void bo_walk_counting(struct bench *b, enum bench_kind kind)
{
	run(b, kind, 8, &(struct bo_work){ .threads = 1, .content = BO_COUNTING }, false);
}

void bo_walk_word(struct bench *b, enum bench_kind kind)
{
	run(b, kind, 8, &(struct bo_work){ .threads = 1, .content = BO_ONE_WORD }, false);
}

void bo_loop(struct bench *b, enum bench_kind kind)
{
	run(b, kind, 5, &(struct bo_work){ .threads = 1 }, false);
}
