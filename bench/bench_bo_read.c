/* SPDX-License-Identifier: MIT */
/*
 * Touch of 2 MiB that were written back and whose memory was given up, against pread(2) by O_DIRECT
 * of 2 MiB of the same file into memory that is there. On small pages every page is touched,
 * otherwise one word. Bos are taken in random order, each read is a round, with a pause after it,
 * as in the benchmarks of the store.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bench_bo.h"

#define PAUSE_US 5000
#define READS	 20

struct read_case {
	struct bench *b;
	enum bench_kind kind;
	struct bo_device device;
	struct bench_bare buffer;
	struct bench_row *touch, *bare, *fresh;
	uint32_t *order;
	int fd;
};

/* MADV_COLLAPSE makes small pages first, and where it is all there is the copying has a price. */
static double aim_of(const struct read_case *c)
{
	return c->b->collapse ? 1.3 : 1.15;
}

static void open_file(struct read_case *c)
{
	char path[BENCH_PATH];

	bench_file_path(c->b, c->device.file.bytes, path);
	c->fd = open(path, O_RDONLY | O_DIRECT | O_CLOEXEC);
	if (c->fd < 0)
		c->fd = open(path, O_RDONLY | O_CLOEXEC);
	if (c->fd < 0)
		bench_die(c->b, path, -errno);
}

static void open_case(struct read_case *c)
{
	struct bench *b = c->b;
	uint32_t nr = b->quick ? 16 : 256;

	bo_device_open(b, &c->device, c->kind, 0, nr, BENCH_UNIT);
	for (uint32_t i = 0; i < nr; i++) {
		store_fill(zcs_bo_address(c->device.bo[i]), BENCH_UNIT, i + 1);
		bo_device_write_out(&c->device, i);
	}
	c->order = bench_calloc(b, nr, sizeof(*c->order));
	bench_shuffle(c->order, nr);
	bench_bare_open(b, &c->buffer, c->kind, BENCH_UNIT);
	bench_bare_populate(b, &c->buffer, 0, BENCH_UNIT);
	open_file(c);
	c->touch = bench_row(b, "ns", "2 MiB", 1, "touch");
	c->bare = bench_row(b, "ns", "2 MiB", 1, "bare: pread");
	c->fresh = bench_row(b, "ns", "2 MiB", 1, "bare: pread into fresh memory");
	bench_against(c->touch, c->bare, "pread",
		      c->kind == BENCH_SMALL ? BENCH_NO_AIM : BENCH_WITHIN, aim_of(c));
	bench_against(c->touch, c->fresh, "pread into fresh memory", BENCH_NO_AIM, 0);
}

static void close_case(struct read_case *c)
{
	close(c->fd);
	bench_bare_close(&c->buffer);
	free(c->order);
	bo_device_close(&c->device);
}

static void sample_since(struct bench *b, struct bench_row *row, uint64_t start)
{
	bench_sample(b, row, (double)(bench_now() - start));
	bench_nap(PAUSE_US);
}

static void bare_read(struct read_case *c, uint32_t i)
{
	ssize_t n = pread(c->fd, c->buffer.addr, BENCH_UNIT, (off_t)(i * BENCH_UNIT));

	if (n != (ssize_t)BENCH_UNIT)
		bench_die(c->b, "pread", n < 0 ? -errno : -EIO);
}

static void bare_reads(struct read_case *c, uint32_t i, uint32_t k)
{
	uint64_t start = bench_now();

	bare_read(c, i);
	sample_since(c->b, c->bare, start);
	bench_bare_punch(c->b, &c->buffer);
	start = bench_now();
	bench_bare_populate(c->b, &c->buffer, 0, BENCH_UNIT);
	bare_read(c, k);
	sample_since(c->b, c->fresh, start);
}

static void touch_one(struct read_case *c, uint32_t i)
{
	char *addr = zcs_bo_address(c->device.bo[i]);
	size_t step = bench_step(c->kind);
	uint64_t start = bench_now();

	for (size_t at = 0; at < BENCH_UNIT; at += step)
		(void)*(volatile char *)(addr + at);
	sample_since(c->b, c->touch, start);
	store_verify(c->b, addr, BENCH_UNIT, i + 1);
	store_dirty(addr, BENCH_UNIT);
	bo_device_write_out(&c->device, i);
}

void bo_read(struct bench *b, enum bench_kind kind)
{
	struct read_case c = { .b = b, .kind = kind };
	unsigned rounds = b->rounds;

	b->rounds *= READS;
	open_case(&c);
	while (bench_round(b)) {
		uint32_t nr = c.device.nr, at = b->round * 3;

		bare_reads(&c, c.order[at % nr], c.order[(at + 1) % nr]);
		touch_one(&c, c.order[(at + 2) % nr]);
	}
	b->rounds = rounds;
	close_case(&c);
}
