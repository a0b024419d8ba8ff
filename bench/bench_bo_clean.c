/* SPDX-License-Identifier: MIT */
/*
 * Evicting again pages that were only read: the two ways that shmem has, without the library.
 *
 * UNREGISTER maps 2 MiB huge at once, and nobody can tell later whether they were written to, so
 * they are written out again. CONTINUE with MODE_WP maps 4 KiB at a time. After the zap the markers
 * in the page table tell, and clean pages leave without I/O. In exchange the touch takes longer, so
 * does reading through small mappings, and the first write to each page is one more fault. The gain
 * depends on the share of pages that are never written to. The note under the table works out from
 * which share on it pays, once in time and once in CPU, from the medians of the rows.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bench_bo.h"

#define TIMES	  50u
#define TIMES_MIN 10u
#define PAUSE_US  100
#define UFFD_WP	  (UINT64_C(1) << 57)

enum step { READ, WRITE, AGAIN, STEPS };

/*
 * struct way - one of the two
 * @sum: of the samples of a round; @time, @cpu: rows
 */
struct way {
	struct bo_bare bare;
	struct bench_span sum[STEPS];
	struct bench_row *time[STEPS], *cpu[STEPS];
};

struct clean_case {
	struct bench *b;
	unsigned times;
	int fd, pagemap;
	struct way huge, watched;
};

static void make_rows(struct clean_case *c, struct way *w, const char *name)
{
	static const char *const what[STEPS] = { "touch and read", "touch, read and write",
						 "evict what was only read" };

	for (unsigned i = 0; i < STEPS; i++) {
		w->time[i] = bench_row(c->b, "ns", "2 MiB", c->times, "%s: %s", name, what[i]);
		w->cpu[i] = bench_row(c->b, "ns", "2 MiB", c->times, "%s: %s, CPU", name, what[i]);
	}
}

static void add(struct way *w, enum step step, struct bench_span start)
{
	struct bench_span span = bench_span_since(start);

	w->sum[step].time += span.time;
	w->sum[step].cpu += span.cpu;
}

/* After a zap. */
static bool is_clean(struct clean_case *c, const char *addr)
{
	uint64_t entry[BENCH_UNIT_PAGES];
	off_t at = (off_t)((uintptr_t)addr / ZCS_PAGE_SIZE * sizeof(*entry));
	uint64_t all = UFFD_WP;

	if (pread(c->pagemap, entry, sizeof(entry), at) != (ssize_t)sizeof(entry))
		bench_die(c->b, "/proc/self/pagemap", -EIO);
	for (unsigned i = 0; i < BENCH_UNIT_PAGES; i++)
		all &= entry[i];
	return all;
}

/* Its outcome is known; what it finds must be that. */
static void evict(struct clean_case *c, struct way *w, bool clean)
{
	char *addr = w->bare.mem.addr;

	if (!w->bare.armed && clean && pwrite(c->fd, addr, BENCH_UNIT, 0) != (ssize_t)BENCH_UNIT)
		bench_die(c->b, "pwrite", -EIO);
	bo_bare_evict(c->b, &w->bare);
	if (w->bare.armed && is_clean(c, addr) != clean)
		bench_die(c->b, clean ? "clean memory is called dirty" : "a write was lost",
			  -EILSEQ);
}

static volatile uint64_t sink;

static void measure(struct clean_case *c, struct way *w)
{
	char *addr = w->bare.mem.addr;
	struct bench_span start;

	memset(w->sum, 0, sizeof(w->sum));
	for (unsigned i = 0; i < c->times; i++) {
		start = bench_span_now();
		sink = store_sum(addr);
		add(w, READ, start);
		start = bench_span_now();
		evict(c, w, true);
		add(w, AGAIN, start);
		bench_nap(PAUSE_US);
		start = bench_span_now();
		sink = store_sum(addr);
		store_dirty(addr, BENCH_UNIT);
		add(w, WRITE, start);
		evict(c, w, false);
		bench_nap(PAUSE_US);
	}
	for (unsigned i = 0; i < STEPS; i++) {
		bench_sample(c->b, w->time[i], (double)w->sum[i].time);
		bench_sample(c->b, w->cpu[i], (double)w->sum[i].cpu);
	}
}

static bool open_way(struct clean_case *c, struct way *w, enum bench_kind kind, bool armed)
{
	if (!bo_bare_open(c->b, &w->bare, kind, armed))
		return false;
	store_fill(w->bare.mem.addr, BENCH_UNIT, 1);
	bo_bare_evict(c->b, &w->bare);
	return true;
}

static void open_files(struct clean_case *c)
{
	struct bench *b = c->b;

	c->fd = bench_direct_file(b, BENCH_UNIT);
	c->pagemap = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	if (c->pagemap < 0)
		bench_die(b, "/proc/self/pagemap", -errno);
}

static double median_of(struct clean_case *c, const struct bench_row *row)
{
	double *v = bench_calloc(c->b, row->nr, sizeof(*v)), median;

	memcpy(v, row->value, row->nr * sizeof(*v));
	median = bench_median(v, row->nr);
	free(v);
	return median;
}

/*
 * Of what is read back, a part p is never written to. To watch it costs @read more each time it is
 * read, @write more each time it is written to, and saves @again where it was not.
 */
static void tell_break_even(struct clean_case *c, const char *what, struct bench_row *const *huge,
			    struct bench_row *const *watched)
{
	double read = median_of(c, watched[READ]) - median_of(c, huge[READ]);
	double write = median_of(c, watched[WRITE]) - median_of(c, huge[WRITE]);
	double again = median_of(c, huge[AGAIN]) - median_of(c, watched[AGAIN]);
	double part = write / (again - read + write);

	if (again <= read)
		bench_say(c->b, "in %s CONTINUE with WP never pays: %.0f us more, %.0f us saved",
			  what, read / 1000, again / 1000);
	else
		bench_say(c->b,
			  "in %s CONTINUE with WP pays if %.0f %% or more is never written to",
			  what, write > 0 ? part * 100 : 0.0);
}

void bo_clean(struct bench *b, enum bench_kind kind)
{
	struct clean_case c = { .b = b, .times = b->quick ? TIMES_MIN : TIMES };

	if (!open_way(&c, &c.huge, kind, false))
		return;
	if (!open_way(&c, &c.watched, kind, true)) {
		bo_bare_close(&c.huge.bare);
		return;
	}
	open_files(&c);
	make_rows(&c, &c.huge, "UNREGISTER");
	make_rows(&c, &c.watched, "CONTINUE with WP");
	for (unsigned i = 0; i < STEPS; i++) {
		bench_against(c.watched.time[i], c.huge.time[i], "UNREGISTER", BENCH_NO_AIM, 0);
		bench_against(c.watched.cpu[i], c.huge.cpu[i], "UNREGISTER", BENCH_NO_AIM, 0);
	}
	while (bench_round(b)) {
		measure(&c, &c.huge);
		measure(&c, &c.watched);
	}
	tell_break_even(&c, "time", c.huge.time, c.watched.time);
	tell_break_even(&c, "CPU", c.huge.cpu, c.watched.cpu);
	close(c.fd);
	close(c.pagemap);
	bo_bare_close(&c.huge.bare);
	bo_bare_close(&c.watched.bare);
}
