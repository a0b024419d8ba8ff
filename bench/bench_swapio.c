/* SPDX-License-Identifier: MIT */
/*
 * How close the swap's I/O comes to the device. Each question is answered beside its baselines,
 * round by round on the same file, because a shared disk changes its speed within seconds:
 *
 *	write, read	2 MiB transfers through the swap, against fio's io_uring engine at depth
 *			16, and against a loop over io_uring at depth 16 from the very same memory,
 *			without checksums
 *	latency		one 2 MiB read that a thread waits for, against bare pread(2) and io_uring
 *
 * The memory is anonymous and of transparent huge pages. The file is unnamed and preallocated; the
 * round that warms up writes its blocks for the first time.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <liburing.h>
#include <semaphore.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "bench_fio.h"
#include "swap/swap.h"

#define CLUSTER	 ZCS_CLUSTER_BYTES
#define BUFFERS	 32u
#define DEPTH	 16u
#define READS	 20 /* for each round of the other cases */
#define PAUSE_US 20000

/*
 * struct swapio - a swap on one file, and the same file without it
 * @slot: clusters, @nr of them: all of the file
 * @memory: BUFFERS clusters; a transfer uses that of its number
 * @fd, @path: the file by O_DIRECT
 * @room: transfers of the swap that may begin; @err: of one that failed
 */
struct swapio {
	struct bench *b;
	struct zcs_swap *swap;
	uint32_t *slot;
	unsigned nr;
	char *mapping, *memory;
	int fd;
	char path[BENCH_PATH];
	struct io_uring ring;
	bool has_ring, has_fio;
	sem_t room;
	int err;
};

static uint64_t file_bytes(const struct bench *b)
{
	return (uint64_t)(b->quick ? 64 : 1024) << 20;
}

static void done(struct zcs_swap_req *req, int err)
{
	struct swapio *s = req->user;

	if (err)
		__atomic_store_n(&s->err, err, __ATOMIC_RELAXED);
	sem_post(&s->room);
}

static void submit(struct swapio *s, struct zcs_swap_req *req, enum zcs_swap_op op, unsigned i)
{
	while (sem_wait(&s->room))
		;
	*req = (struct zcs_swap_req){
		.op = op,
		.order = ZCS_CLUSTER_ORDER,
		.slot = s->slot[i],
		.addr = s->memory + (size_t)(i % BUFFERS) * CLUSTER,
		.done = done,
		.user = s,
	};
	zcs_swap_submit(s->swap, req);
}

/* Moves all slots once. */
static struct bench_span swap_pass(struct swapio *s, enum zcs_swap_op op)
{
	struct zcs_swap_req *req = bench_calloc(s->b, s->nr, sizeof(*req));
	struct bench_span span;

	sem_init(&s->room, 0, BUFFERS);
	span = bench_span_now();
	for (unsigned i = 0; i < s->nr; i++)
		submit(s, &req[i], op, i);
	zcs_swap_drain(s->swap);
	span = bench_span_since(span);
	sem_destroy(&s->room);
	free(req);
	bench_must(s->b, "a transfer", s->err);
	return span;
}

static struct io_uring_cqe *submit_and_wait(struct swapio *s)
{
	struct io_uring_cqe *cqe;

	if (io_uring_submit_and_wait(&s->ring, 1) < 0 || io_uring_wait_cqe(&s->ring, &cqe))
		bench_die(s->b, "io_uring", -EIO);
	if (cqe->res != (int)CLUSTER)
		bench_die(s->b, "io_uring", cqe->res < 0 ? cqe->res : -EIO);
	return cqe;
}

static void ring_prepare(struct swapio *s, enum zcs_swap_op op, unsigned i)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&s->ring);
	char *addr = s->memory + (size_t)(i % BUFFERS) * CLUSTER;
	uint64_t offset = (uint64_t)s->slot[i] * ZCS_SLOT_BYTES;

	if (op == ZCS_SWAP_WRITE)
		io_uring_prep_write(sqe, s->fd, addr, CLUSTER, offset);
	else
		io_uring_prep_read(sqe, s->fd, addr, CLUSTER, offset);
}

static struct bench_span ring_pass(struct swapio *s, enum zcs_swap_op op)
{
	unsigned begun = 0, ended = 0;
	struct bench_span start = bench_span_now();

	while (ended < s->nr) {
		while (begun < s->nr && begun - ended < DEPTH)
			ring_prepare(s, op, begun++);
		io_uring_cqe_seen(&s->ring, submit_and_wait(s));
		ended++;
	}
	return bench_span_since(start);
}

static void open_memory(struct swapio *s)
{
	size_t bytes = (size_t)BUFFERS * CLUSTER;
	uint64_t *words;

	s->mapping = mmap(NULL, bytes + CLUSTER, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (s->mapping == MAP_FAILED)
		bench_die(s->b, "mmap", -errno);
	s->memory = s->mapping + CLUSTER - (uintptr_t)s->mapping % CLUSTER;
	madvise(s->memory, bytes, MADV_HUGEPAGE);
	words = (uint64_t *)s->memory;
	for (size_t i = 0; i < bytes / sizeof(*words); i++)
		words[i] = i * UINT64_C(0x9e3779b97f4a7c15);
}

static void open_file(struct swapio *s)
{
	struct bench *b = s->b;
	uint64_t bytes = file_bytes(b);
	char spec[64];

	snprintf(spec, sizeof(spec), "file:?direct=1&size=%" PRIu64, bytes);
	bench_must(b, "zcs_swap_open", zcs_swap_open(spec, &s->swap));
	bench_file_path(b, bytes, s->path);
	s->fd = open(s->path, O_RDWR | O_DIRECT | O_CLOEXEC);
	if (s->fd < 0)
		bench_die(b, s->path, -errno);
	s->nr = (unsigned)(bytes / CLUSTER);
	s->slot = bench_calloc(b, s->nr, sizeof(*s->slot));
	for (unsigned i = 0; i < s->nr; i++)
		bench_must(b, "zcs_swap_alloc",
			   zcs_swap_alloc(s->swap, ZCS_CLUSTER_ORDER, &s->slot[i]));
}

static void open_swapio(struct bench *b, struct swapio *s)
{
	*s = (struct swapio){ .b = b };
	open_memory(s);
	open_file(s);
	s->has_ring = !io_uring_queue_init(DEPTH, &s->ring, 0);
	if (!s->has_ring)
		bench_left_out(b, b->what, "io_uring is not available");
}

static void close_swapio(struct swapio *s)
{
	struct zcs_swap_stats stats;

	zcs_swap_stats(s->swap, &stats);
	if (!stats.uring)
		bench_say(s->b, "the swap could not use io_uring and used threads");
	if (s->has_ring)
		io_uring_queue_exit(&s->ring);
	close(s->fd);
	zcs_swap_close(s->swap);
	munmap(s->mapping, (size_t)(BUFFERS + 1) * CLUSTER);
	free(s->slot);
}

/* The rows of one direction. */
struct rows {
	struct bench_pair fio, ring, swap;
};

static void make_rows(const struct swapio *s, struct rows *r, const char *name)
{
	struct bench *b = s->b;
	uint64_t bytes = file_bytes(b);

	if (s->has_fio)
		r->fio = bench_pair(b, bytes, "%s, fio io_uring 2 MiB QD%u", name, DEPTH);
	if (s->has_ring)
		r->ring = bench_pair(b, bytes, "%s, bare io_uring 2 MiB QD%u", name, DEPTH);
	r->swap = bench_pair(b, bytes, "%s, swap", name);
	if (s->has_fio)
		bench_pair_against(&r->swap, &r->fio, "fio", 0, 0);
	if (s->has_ring)
		bench_pair_against(&r->swap, &r->ring, "the bare loop", 0, 0);
}

static void throughput(struct bench *b, enum zcs_swap_op op, const char *name)
{
	uint64_t bytes = file_bytes(b);
	const struct bench_fio fio = {
		.bytes = bytes, .depth = DEPTH, .write = op == ZCS_SWAP_WRITE, .huge = true
	};
	struct swapio s;
	struct rows r;

	open_swapio(b, &s);
	s.has_fio = bench_has_fio(b, s.path);
	make_rows(&s, &r, name);
	/* the checksums are of what the swap wrote */
	if (op == ZCS_SWAP_READ)
		swap_pass(&s, ZCS_SWAP_WRITE);
	while (bench_round(b)) {
		if (s.has_fio)
			bench_fio_sample(b, &r.fio, s.path, &fio);
		bench_pair_sample(b, &r.swap, bytes, swap_pass(&s, op));
		if (s.has_ring)
			bench_pair_sample(b, &r.ring, bytes, ring_pass(&s, op));
	}
	close_swapio(&s);
}

static void swapio_write(struct bench *b, enum bench_kind kind)
{
	(void)kind;
	throughput(b, ZCS_SWAP_WRITE, "write");
}

static void swapio_read(struct bench *b, enum bench_kind kind)
{
	(void)kind;
	throughput(b, ZCS_SWAP_READ, "read");
}

static void pread_once(struct swapio *s, unsigned i)
{
	ssize_t n = pread(s->fd, s->memory, CLUSTER, (off_t)s->slot[i] * ZCS_SLOT_BYTES);

	if (n != (ssize_t)CLUSTER)
		bench_die(s->b, "pread", n < 0 ? -errno : -EIO);
}

static void ring_once(struct swapio *s, unsigned i)
{
	ring_prepare(s, ZCS_SWAP_READ, i);
	io_uring_cqe_seen(&s->ring, submit_and_wait(s));
}

static void swap_once(struct swapio *s, unsigned i)
{
	bench_must(s->b, "zcs_swap_read",
		   zcs_swap_read(s->swap, s->slot[i], ZCS_CLUSTER_ORDER, s->memory));
}

/*
 * One read of any slot. A device that lets a burst through and then holds it back is given time to
 * recover.
 */
static void sample(struct swapio *s, struct bench_row *row,
		   void (*once)(struct swapio *s, unsigned i), unsigned *seed)
{
	unsigned i = (unsigned)rand_r(seed) % s->nr;
	uint64_t start = bench_now();

	once(s, i);
	bench_sample(s->b, row, (double)(bench_now() - start));
	bench_nap(PAUSE_US);
}

static void swapio_latency(struct bench *b, enum bench_kind kind)
{
	struct bench_row *bare, *ring, *swap;
	unsigned rounds = b->rounds, seed = 1;
	struct swapio s;

	(void)kind;
	b->rounds *= READS;
	open_swapio(b, &s);
	swap_pass(&s, ZCS_SWAP_WRITE);
	bare = bench_row(b, "ns", "2 MiB", 1, "one 2 MiB read, pread");
	ring = bench_row(b, "ns", "2 MiB", 1, "one 2 MiB read, io_uring");
	swap = bench_row(b, "ns", "2 MiB", 1, "one 2 MiB read, swap");
	bench_against(swap, bare, "pread", BENCH_NO_AIM, 0);
	while (bench_round(b)) {
		sample(&s, bare, pread_once, &seed);
		sample(&s, swap, swap_once, &seed);
		if (s.has_ring)
			sample(&s, ring, ring_once, &seed);
	}
	b->rounds = rounds;
	close_swapio(&s);
}

/* clang-format off */
#define NEEDS { 100, 100 }, { 0, 0 }, { 1024, 64 }

static const struct bench_case cases[] = {
	{ "write", "a file of 1 GiB written, against fio and a loop over io_uring",
	  swapio_write, 1u << BENCH_THP, NEEDS, NULL },
	{ "read", "the same read", swapio_read, 1u << BENCH_THP, NEEDS, NULL },
	{ "latency", "one 2 MiB read that a thread waits for, against pread and io_uring",
	  swapio_latency, 1u << BENCH_THP, NEEDS, NULL },
};
/* clang-format on */

const struct bench_program bench_program = {
	.name = "bench_swapio",
	.about = "At most 1 GiB of disk is used in TMPDIR (else /tmp), which should be on the\n"
		 "disk in question.\n",
	.cases = cases,
	.nr_cases = sizeof(cases) / sizeof(*cases),
	.rounds = 5,
	.describe = bench_describe_files,
};
