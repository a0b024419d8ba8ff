/* SPDX-License-Identifier: MIT */
/*
 * The same content out and back by the kernel: MADV_PAGEOUT of a shmem memfd to a swap file on the
 * same disk, and touching it.
 *
 * The kernel's part is done by a child in a memory cgroup of its own, a new one each round. Three
 * times are taken: until MADV_PAGEOUT returns, which is what aims are held against although no page
 * is free then; until the pages are free, as ours are; and touching every page when nothing is left
 * in the swap cache. Our way back ends with touching every page, too. hugetlb pages cannot be
 * swapped by the kernel: they are held against huge shmem pages.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench_store.h"

/*
 * struct answer - what the child found
 * @err: of joining the group or reclaiming
 * @cached, @left: swap cache after MADV_PAGEOUT, and before touching
 * @used: bytes of swap in use
 */
struct answer {
	int64_t err;
	struct bench_span out, freed, in;
	uint64_t cached, left, used;
};

struct kernel_case {
	struct bench *b;
	struct store_swap swap;
	enum bench_kind kind;
	size_t bytes;
	struct bench_pair out, in, kernel_out, kernel_freed, kernel_in;
	struct answer last;
};

static uint64_t swap_used(void)
{
	return bench_proc_number("/proc/meminfo", "SwapTotal") -
	       bench_proc_number("/proc/meminfo", "SwapFree");
}

static void out_and_in(struct kernel_case *c, struct bench *own, struct answer *a)
{
	struct bench_span start;
	struct bench_bare bare;

	bench_bare_open(own, &bare, c->kind, c->bytes);
	bench_bare_populate(own, &bare, 0, c->bytes);
	store_fill(bare.addr, c->bytes, 1);
	start = bench_span_now();
	if (madvise(bare.addr, c->bytes, MADV_PAGEOUT))
		bench_die(own, "MADV_PAGEOUT", -errno);
	a->out = bench_span_since(start);
	a->cached = bench_proc_number("/proc/meminfo", "SwapCached");
	a->used = swap_used();
	if (c->swap.group[0])
		a->err = store_swap_reclaim(&c->swap);
	a->freed = bench_span_since(start);
	a->left = bench_proc_number("/proc/meminfo", "SwapCached");
	start = bench_span_now();
	store_dirty(bare.addr, c->bytes);
	a->in = bench_span_since(start);
	if (!c->b->round)
		store_verify(own, bare.addr, c->bytes, 1);
}

/* The child. A call that fails is said on standard error. */
static void child(struct kernel_case *c, int fd, pid_t parent)
{
	struct bench own = { .table = fopen("/dev/null", "we") };
	struct answer a = { 0 };

	bench_leave_changes();
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent || !own.table)
		_exit(1);
	bench_init(&own, c->b->what);
	a.err = store_swap_join(&c->swap);
	if (!a.err)
		out_and_in(c, &own, &a);
	_exit(write(fd, &a, sizeof(a)) != sizeof(a));
}

static void kernel_pass(struct kernel_case *c)
{
	struct answer *a = &c->last;
	pid_t parent = getpid(), pid;
	int ends[2];
	ssize_t n;

	if (pipe2(ends, O_CLOEXEC))
		bench_die(c->b, "pipe", -errno);
	pid = fork();
	if (!pid)
		child(c, ends[1], parent);
	close(ends[1]);
	n = pid < 0 ? -1 : read(ends[0], a, sizeof(*a));
	close(ends[0]);
	if (pid > 0)
		waitpid(pid, NULL, 0);
	if (n != sizeof(*a))
		bench_die(c->b, "the kernel's swapping", -ECHILD);
	bench_must(c->b, "the memory cgroup", a->err);
	bench_pair_sample(c->b, &c->kernel_out, c->bytes, a->out);
	if (!c->swap.group[0])
		return;
	bench_pair_sample(c->b, &c->kernel_freed, c->bytes, a->freed);
	bench_pair_sample(c->b, &c->kernel_in, c->bytes, a->in);
}

static void make_rows(struct kernel_case *c)
{
	const char *pages = c->kind == BENCH_THP ? "huge" : "small";
	struct bench *b = c->b;

	c->out = bench_pair(b, c->bytes, "writeback");
	c->in = bench_pair(b, c->bytes, "read back and touch");
	c->kernel_out = bench_pair(b, c->bytes, "kernel: MADV_PAGEOUT, %s pages", pages);
	c->kernel_freed = bench_pair(b, c->bytes, "kernel: until they are free");
	c->kernel_in = bench_pair(b, c->bytes, "kernel: swap-in by touch");
	bench_pair_against(&c->out, &c->kernel_out, "MADV_PAGEOUT", 2.5, 5);
	bench_pair_against(&c->out, &c->kernel_freed, "MADV_PAGEOUT, until free", 0, 0);
	bench_pair_against(&c->in, &c->kernel_in, "kernel's swap-in", 2, 5);
}

static void our_pass(struct kernel_case *c, struct store_tt *t)
{
	struct bench_span start;

	store_dirty(t->addr, t->bytes);
	bench_pair_sample(c->b, &c->out, t->bytes, store_tt_out(t));
	start = bench_span_now();
	store_tt_in(t);
	store_dirty(t->addr, t->bytes);
	bench_pair_sample(c->b, &c->in, t->bytes, bench_span_since(start));
}

static void notes(struct kernel_case *c)
{
	const struct answer *a = &c->last;

	if (a->used < c->bytes - c->bytes / 10)
		bench_say(c->b,
			  "MADV_PAGEOUT left pages alone: %" PRIu64 " of %zu MiB went to swap",
			  a->used >> 20, c->bytes >> 20);
	if (c->swap.group[0])
		bench_say(c->b,
			  "swap cache after MADV_PAGEOUT %" PRIu64 " MiB, before touching %" PRIu64
			  " MiB",
			  a->cached >> 20, a->left >> 20);
	else
		bench_left_out(c->b, c->b->what,
			       "the kernel's swap-in: no memory cgroup to drop the swap cache");
}

void store_kernel(struct bench *b, enum bench_kind kind)
{
	struct kernel_case c = { .b = b, .kind = kind == BENCH_SMALL ? BENCH_SMALL : BENCH_THP };
	struct store_tt t;
	char why[128];

	c.bytes = (size_t)(b->quick ? 32 : 1024) << 20;
	/* before the library starts, so that the guardian holds none of its files */
	if (!store_swap_on(b, &c.swap, c.bytes + (UINT64_C(64) << 20), why, sizeof(why))) {
		bench_left_out(b, b->what, "%s", why);
		return;
	}
	store_tt_open(b, &t, kind, c.bytes);
	store_fill(t.addr, t.bytes, 1);
	make_rows(&c);
	while (bench_round(b)) {
		our_pass(&c, &t);
		kernel_pass(&c);
	}
	notes(&c);
	store_tt_close(&t);
	store_swap_off();
}
