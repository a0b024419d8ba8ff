/* SPDX-License-Identifier: MIT */
/*
 * The hugetlb reserve, for the time of a run.
 *
 * It is changed by a difference under a lock on the knob, so that two programs that do so at a time
 * restore what both found. Pages still in use become surplus and go when they are freed.
 */
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <sys/file.h>
#include <unistd.h>

#include "bench.h"

static const char knob[] = "/proc/sys/vm/nr_hugepages";

static int64_t read_knob(int fd)
{
	char text[32] = "";

	return pread(fd, text, sizeof(text) - 1, 0) > 0 ? strtoll(text, NULL, 10) : -1;
}

/* Changes the reserve by @delta pages; returns by how much it really changed. */
static int64_t change(int64_t delta)
{
	int fd = open(knob, O_RDWR | O_CLOEXEC);
	int64_t old, now = 0;

	if (fd < 0)
		return 0;
	flock(fd, LOCK_EX);
	old = read_knob(fd);
	if (old >= 0 && old + delta >= 0 && dprintf(fd, "%" PRId64 "\n", old + delta) > 0)
		now = read_knob(fd) - old;
	close(fd);
	return now;
}

static int64_t add_pages(void *arg)
{
	return change(*(int64_t *)arg);
}

static void take_pages(void *arg, int64_t added)
{
	(void)arg;
	change(-added);
}

static const char *why_not(uint64_t nr)
{
	if (bench_proc_number("/proc/meminfo", "Hugepagesize") != BENCH_UNIT)
		return "the default huge page is not 2 MiB";
	if (geteuid() || access(knob, W_OK))
		return "vm.nr_hugepages cannot be written by this user";
	if (bench_memory_avail() < nr * BENCH_UNIT * 2)
		return "too little memory is available";
	return NULL;
}

/*
 * By the whole of what is needed, also if pages are free: those may be about to be used by another.
 */
void bench_reserve_hugetlb(struct bench *b, uint64_t nr)
{
	static struct bench_change reserve = { .make = add_pages, .undo = take_pages };
	static int64_t want;
	const char *why = why_not(nr);
	int64_t added;

	want = (int64_t)nr;
	reserve.arg = &want;
	if (why) {
		bench_fact(b, "reserve", "not raised: %s", why);
		return;
	}
	added = bench_change(&reserve);
	bench_fact(b, "reserve", "vm.nr_hugepages raised by %" PRId64 " for this run",
		   added > 0 ? added : 0);
}
