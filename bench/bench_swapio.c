/* SPDX-License-Identifier: MIT */
/*
 * How close the swap's I/O comes to the device. Two questions, each answered beside its baseline,
 * turn by turn in the same run on the same file, because a shared disk changes its speed within
 * seconds:
 *
 *	throughput	2 MiB transfers through the swap, against fio's io_uring engine at depth 16 and
 *			against a loop over io_uring at depth 16 from the very same memory, without
 *			checksums
 *	latency		one 2 MiB read that somebody waits for, against pread(2) and io_uring, both bare
 *
 * fio's own memory is in small pages, which costs it: the loop is the harder baseline.
 *
 * Each row gives the median and the spread (10th to 90th percentile) over the turns, and the ratio
 * is the median of the ratios of each turn.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <liburing.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#include "bench_fio.h"
#include "swap/swap.h"

#define MIB	  (1u << 20)
#define CLUSTER	  ZCS_CLUSTER_BYTES
#define BUFFERS	  32u
#define DEPTH	  16u
#define TURNS_MAX 1000u

struct series {
	const char *name, *unit;
	double value[TURNS_MAX];
	double ratio[TURNS_MAX]; /* to the baseline of the same turn */
	unsigned nr;
	const char *to; /* the baseline's name; NULL: there is none */
	const char *skipped;
};

struct bench {
	const char *dir;
	char path[4096];
	uint64_t bytes;
	unsigned turns, reads;
	struct zcs_swap *swap;
	uint32_t *slot;
	unsigned nr;
	char *memory;
	int fd;
	struct io_uring ring;
	sem_t room;
	int err;
	FILE *json;
};

static char *made;

static void remove_file(void)
{
	if (made)
		unlink(made);
}

static void die(const char *what, int err)
{
	fprintf(stderr, "bench_swapio: %s: %s\n", what, strerror(err < 0 ? -err : err));
	exit(1);
}

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

/* The value below which @part of the values lie. */
static double quantile(const double *values, unsigned nr, double part)
{
	double sorted[TURNS_MAX];

	if (!nr)
		return 0;
	memcpy(sorted, values, nr * sizeof(*values));
	qsort(sorted, nr, sizeof(*sorted), compare);
	return sorted[(unsigned)((nr - 1) * part + 0.5)];
}

static void add(struct series *s, double value, double ratio)
{
	s->value[s->nr] = value;
	s->ratio[s->nr++] = ratio;
}

static void print(const struct bench *b, const struct series *s, bool last)
{
	double median = quantile(s->value, s->nr, 0.5), low = quantile(s->value, s->nr, 0.1),
	       high = quantile(s->value, s->nr, 0.9), ratio = quantile(s->ratio, s->nr, 0.5);

	if (s->skipped)
		printf("%-34s skipped: %s", s->name, s->skipped);
	else
		printf("%-34s %9.1f %-5s %9.1f - %-9.1f %4u", s->name, median, s->unit, low, high,
		       s->nr);
	if (!s->skipped && s->to)
		printf("   %.2f of %s", ratio, s->to);
	printf("\n");
	if (!b->json)
		return;
	if (s->skipped)
		fprintf(b->json, "  {\"name\": \"%s\", \"skipped\": \"%s\"}", s->name, s->skipped);
	else
		fprintf(b->json,
			"  {\"name\": \"%s\", \"unit\": \"%s\", \"n\": %u, \"median\": %.3f, "
			"\"p10\": %.3f, \"p90\": %.3f, \"ratio\": %.4f}",
			s->name, s->unit, s->nr, median, low, high, ratio);
	fprintf(b->json, last ? "\n" : ",\n");
}

static void done(struct zcs_swap_req *req, int err)
{
	struct bench *b = req->user;

	if (err)
		__atomic_store_n(&b->err, err, __ATOMIC_RELAXED);
	sem_post(&b->room);
}

/* Moves all slots once; MiB/s, and seconds of CPU for each GiB in @cpu. */
static double swap_pass(struct bench *b, enum zcs_swap_op op, double *cpu)
{
	struct zcs_swap_req *req = calloc(b->nr, sizeof(*req));
	struct rusage before, after;
	double start;

	if (!req)
		die("out of memory", ENOMEM);
	sem_init(&b->room, 0, BUFFERS);
	getrusage(RUSAGE_SELF, &before);
	start = now();
	for (unsigned i = 0; i < b->nr; i++) {
		while (sem_wait(&b->room))
			;
		req[i] = (struct zcs_swap_req){
			.op = op,
			.order = ZCS_CLUSTER_ORDER,
			.slot = b->slot[i],
			.addr = b->memory + (size_t)(i % BUFFERS) * CLUSTER,
			.done = done,
			.user = b,
		};
		zcs_swap_submit(b->swap, &req[i]);
	}
	zcs_swap_drain(b->swap);
	start = now() - start;
	getrusage(RUSAGE_SELF, &after);
	sem_destroy(&b->room);
	free(req);
	if (b->err)
		die("transfer", b->err);
	*cpu = (double)(after.ru_utime.tv_sec - before.ru_utime.tv_sec + after.ru_stime.tv_sec -
			before.ru_stime.tv_sec) +
	       (double)(after.ru_utime.tv_usec - before.ru_utime.tv_usec + after.ru_stime.tv_usec -
			before.ru_stime.tv_usec) /
		       1e6;
	*cpu *= (double)(1u << 30) / ((double)b->nr * CLUSTER);
	return (double)b->nr * CLUSTER / MIB / start;
}

/* MiB/s; 0: fio could not be run. */
static double fio_pass(const struct bench *b, bool write)
{
	struct bench_fio fio;

	if (!bench_fio(b->path, (uint64_t)b->nr * CLUSTER, DEPTH, write, true, &fio))
		return 0;
	return fio.rate / MIB;
}

static void bare_prepare(struct bench *b, enum zcs_swap_op op, unsigned i)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&b->ring);
	char *addr = b->memory + (size_t)(i % BUFFERS) * CLUSTER;
	uint64_t offset = (uint64_t)b->slot[i] * ZCS_SLOT_BYTES;

	if (op == ZCS_SWAP_WRITE)
		io_uring_prep_write(sqe, b->fd, addr, CLUSTER, offset);
	else
		io_uring_prep_read(sqe, b->fd, addr, CLUSTER, offset);
}

/* Moves all slots once; MiB/s. */
static double bare_pass(struct bench *b, enum zcs_swap_op op)
{
	unsigned begun = 0, ended = 0;
	struct io_uring_cqe *cqe;
	double start = now();

	while (ended < b->nr) {
		while (begun < b->nr && begun - ended < DEPTH)
			bare_prepare(b, op, begun++);
		if (io_uring_submit_and_wait(&b->ring, 1) < 0 || io_uring_wait_cqe(&b->ring, &cqe))
			die("io_uring", EIO);
		if (cqe->res != (int)CLUSTER)
			die("io_uring", cqe->res < 0 ? cqe->res : EIO);
		io_uring_cqe_seen(&b->ring, cqe);
		ended++;
	}
	return (double)b->nr * CLUSTER / MIB / (now() - start);
}

/* The rows of one direction. */
struct rows {
	struct series *fio, *bare, *ours, *to_bare, *cpu;
};

static void one_turn(struct bench *b, const struct rows *rows, enum zcs_swap_op op)
{
	double fio = rows->fio->skipped ? 0 : fio_pass(b, op == ZCS_SWAP_WRITE), bare = 0, cpu,
	       rate;

	if (!fio)
		rows->fio->skipped = "fio with its io_uring engine could not be run";
	else
		add(rows->fio, fio, 0);
	/* what others wrote is not what the checksums stand for */
	if (op == ZCS_SWAP_READ && !rows->ours->nr)
		swap_pass(b, ZCS_SWAP_WRITE, &cpu);
	rate = swap_pass(b, op, &cpu);
	if (!rows->bare->skipped) {
		bare = bare_pass(b, op);
		add(rows->bare, bare, 0);
	}
	add(rows->ours, rate, fio ? rate / fio : 0);
	add(rows->to_bare, rate, bare ? rate / bare : 0);
	add(rows->cpu, cpu * 1000, 0);
}

static void throughput(struct bench *b, const struct rows *rows, enum zcs_swap_op op)
{
	for (unsigned i = 0; i < b->turns; i++)
		one_turn(b, rows, op);
	rows->ours->to = rows->fio->skipped ? NULL : "fio";
	rows->to_bare->to = rows->bare->skipped ? NULL : "the bare loop";
}

static double pread_once(const struct bench *b, uint32_t slot)
{
	double start = now();

	if (pread(b->fd, b->memory, CLUSTER, (off_t)slot * ZCS_SLOT_BYTES) != CLUSTER)
		die("pread", errno);
	return (now() - start) * 1e6;
}

static double uring_once(struct bench *b, uint32_t slot)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&b->ring);
	struct io_uring_cqe *cqe = NULL;
	double start = now();

	io_uring_prep_read(sqe, b->fd, b->memory + CLUSTER, CLUSTER,
			   (uint64_t)slot * ZCS_SLOT_BYTES);
	if (io_uring_submit_and_wait(&b->ring, 1) < 0 || io_uring_wait_cqe(&b->ring, &cqe))
		die("io_uring", EIO);
	if (cqe->res != CLUSTER)
		die("io_uring", cqe->res);
	io_uring_cqe_seen(&b->ring, cqe);
	return (now() - start) * 1e6;
}

static double swap_once(struct bench *b, uint32_t slot)
{
	double start = now();
	int err = zcs_swap_read(b->swap, slot, ZCS_CLUSTER_ORDER, b->memory + (size_t)2 * CLUSTER);

	if (err)
		die("swap read", err);
	return (now() - start) * 1e6;
}

/*
 * A device that lets a burst through and then holds it back is given time to recover between reads.
 */
static void latency(struct bench *b, struct series *ours, struct series *plain, struct series *ring)
{
	unsigned seed = 1;

	for (unsigned i = 0; i < b->reads; i++) {
		double bare = pread_once(b, b->slot[(unsigned)rand_r(&seed) % b->nr]), mine;

		usleep(20000);
		mine = swap_once(b, b->slot[(unsigned)rand_r(&seed) % b->nr]);
		usleep(20000);
		add(plain, bare, 0);
		add(ours, mine, mine / bare);
		if (ring->skipped)
			continue;
		add(ring, uring_once(b, b->slot[(unsigned)rand_r(&seed) % b->nr]), 0);
		usleep(20000);
	}
}

static void set_up(struct bench *b)
{
	char spec[4400];
	int err;

	snprintf(b->path, sizeof(b->path), "%s/zcswap-bench-%d", b->dir, (int)getpid());
	snprintf(spec, sizeof(spec), "file:%s?keep=1&direct=1&size=%llu", b->path,
		 (unsigned long long)b->bytes);
	err = zcs_swap_open(spec, &b->swap);
	if (err)
		die(b->path, err);
	made = b->path;
	atexit(remove_file);
	b->nr = (unsigned)(b->bytes / CLUSTER);
	b->slot = calloc(b->nr, sizeof(*b->slot));
	if (!b->slot)
		die("out of memory", ENOMEM);
	for (unsigned i = 0; i < b->nr; i++)
		if (zcs_swap_alloc(b->swap, ZCS_CLUSTER_ORDER, &b->slot[i]))
			die("no slot", ENOSPC);
	b->memory = mmap(NULL, (size_t)(BUFFERS + 1) * CLUSTER, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (b->memory == MAP_FAILED)
		die("mmap", errno);
	b->memory += CLUSTER - (uintptr_t)b->memory % CLUSTER;
	madvise(b->memory, (size_t)BUFFERS * CLUSTER, MADV_HUGEPAGE);
	for (size_t i = 0; i < (size_t)BUFFERS * CLUSTER / 8; i++)
		((uint64_t *)b->memory)[i] = i * UINT64_C(0x9e3779b97f4a7c15);
	b->fd = open(b->path, O_RDWR | O_DIRECT | O_CLOEXEC);
	if (b->fd < 0)
		die(b->path, errno);
	/* from here on nothing is left behind, however this ends */
	unlink(b->path);
	snprintf(b->path, sizeof(b->path), "/proc/%d/fd/%d", (int)getpid(), b->fd);
}

static void usage(int status)
{
	puts("usage: bench_swapio [OPTION]...\n"
	     "  --dir=DIR     where the file is made (TMPDIR, else /tmp)\n"
	     "  --size=MIB    size of the file (1024)\n"
	     "  --turns=N     passes over the file (5)\n"
	     "  --reads=N     single reads (100)\n"
	     "  --quick       64 MiB, 2 turns, 20 reads\n"
	     "  --json=FILE   the results as JSON too");
	exit(status);
}

static void quick(struct bench *b)
{
	b->bytes = UINT64_C(64) * MIB;
	b->turns = 2;
	b->reads = 20;
}

static void parse(struct bench *b, int argc, char **argv)
{
	static const struct option options[] = {
		{ "dir", required_argument, NULL, 'd' },
		{ "size", required_argument, NULL, 's' },
		{ "turns", required_argument, NULL, 't' },
		{ "reads", required_argument, NULL, 'r' },
		{ "json", required_argument, NULL, 'j' },
		{ "quick", no_argument, NULL, 'q' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	int c;

	while ((c = getopt_long(argc, argv, "", options, NULL)) >= 0) {
		if (c == 'd')
			b->dir = optarg;
		else if (c == 's')
			b->bytes = strtoull(optarg, NULL, 10) * MIB;
		else if (c == 't')
			b->turns = (unsigned)strtoul(optarg, NULL, 10);
		else if (c == 'r')
			b->reads = (unsigned)strtoul(optarg, NULL, 10);
		else if (c == 'j')
			b->json = fopen(optarg, "we");
		else if (c == 'q')
			quick(b);
		else
			usage(c == 'h' ? 0 : 2);
		if (c == 'j' && !b->json)
			die(optarg, errno);
	}
	if (b->bytes < CLUSTER || !b->turns || b->turns > TURNS_MAX || b->reads > TURNS_MAX)
		usage(2);
}

static void print_head(const struct bench *b)
{
	struct utsname u;
	char text[1024];

	uname(&u);
	zcs_swap_text(b->swap, text, sizeof(text));
	printf("%s %s, %ld CPUs; file of %u MiB; %s\n\n", u.sysname, u.release,
	       sysconf(_SC_NPROCESSORS_ONLN), b->nr * 2, text);
	printf("%-34s %9s %-5s %21s %4s   %s\n", "", "median", "", "p10 - p90", "n", "ratio");
	if (b->json)
		fprintf(b->json,
			"{\"kernel\": \"%s\", \"cpus\": %ld, \"file_mib\": %u, \"rows\": [\n",
			u.release, sysconf(_SC_NPROCESSORS_ONLN), b->nr * 2);
}

int main(int argc, char **argv)
{
	static struct bench b = { .bytes = UINT64_C(1) << 30, .turns = 5, .reads = 100, .fd = -1 };
	static struct series s[] = {
		{ .name = "write, fio io_uring 2 MiB QD16", .unit = "MiB/s" },
		{ .name = "write, bare io_uring 2 MiB QD16", .unit = "MiB/s" },
		{ .name = "write, swap", .unit = "MiB/s" },
		{ .name = "write, swap", .unit = "MiB/s" },
		{ .name = "write, swap, CPU per GiB", .unit = "ms" },
		{ .name = "read, fio io_uring 2 MiB QD16", .unit = "MiB/s" },
		{ .name = "read, bare io_uring 2 MiB QD16", .unit = "MiB/s" },
		{ .name = "read, swap", .unit = "MiB/s" },
		{ .name = "read, swap", .unit = "MiB/s" },
		{ .name = "read, swap, CPU per GiB", .unit = "ms" },
		{ .name = "one 2 MiB read, pread", .unit = "us" },
		{ .name = "one 2 MiB read, io_uring", .unit = "us" },
		{ .name = "one 2 MiB read, swap", .unit = "us", .to = "pread" },
	};
	const struct rows writes = { &s[0], &s[1], &s[2], &s[3], &s[4] };
	const struct rows reads = { &s[5], &s[6], &s[7], &s[8], &s[9] };
	const unsigned nr = sizeof(s) / sizeof(s[0]);
	double cpu;

	b.dir = getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp";
	parse(&b, argc, argv);
	set_up(&b);
	print_head(&b);
	/* the first write of a preallocated block is another thing than the next */
	swap_pass(&b, ZCS_SWAP_WRITE, &cpu);
	if (io_uring_queue_init(DEPTH, &b.ring, 0))
		s[1].skipped = s[6].skipped = s[11].skipped = "io_uring is not to be had";
	throughput(&b, &writes, ZCS_SWAP_WRITE);
	throughput(&b, &reads, ZCS_SWAP_READ);
	latency(&b, &s[12], &s[10], &s[11]);
	for (unsigned i = 0; i < nr; i++)
		print(&b, &s[i], i == nr - 1);
	if (b.json) {
		fprintf(b.json, "]}\n");
		fclose(b.json);
	}
	zcs_swap_close(b.swap);
	return 0;
}
