/* SPDX-License-Identifier: MIT */
/*
 * The time that the device alone needs for a pass: as much read and written as in the bos' pass,
 * side by side. Threads have 2 MiB each under way, four in either direction, on a preallocated file
 * in the same directory, from memory of the same kind. The device can do little more than this at
 * that hit rate.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <string.h>
#include <unistd.h>

#include "bench_bo.h"

#define STREAMS 4u /* in either direction */

struct stream {
	struct bo_limit *limit;
	bool write;
	uint64_t at, bytes;
	char *buffer;
	int err;
};

static void *stream(void *arg)
{
	struct stream *s = arg;

	for (uint64_t done = 0; done < s->bytes && !s->err; done += BENCH_UNIT) {
		off_t at = (off_t)((s->at + done) % s->limit->bytes);
		ssize_t n = s->write ? pwrite(s->limit->fd, s->buffer, BENCH_UNIT, at)
				     : pread(s->limit->fd, s->buffer, BENCH_UNIT, at);

		if (n != (ssize_t)BENCH_UNIT)
			s->err = n < 0 ? -errno : -EIO;
	}
	return NULL;
}

/* Stream @i: the even ones read. */
static struct stream part(struct bo_limit *limit, unsigned i, uint64_t read, uint64_t write)
{
	uint64_t bytes = i % 2 ? write : read, piece = bytes / STREAMS / BENCH_UNIT * BENCH_UNIT;

	/* the last one has the rest */
	return (struct stream){ .limit = limit,
				.write = i % 2,
				.at = i / 2 * piece,
				.bytes = i / 2 < STREAMS - 1 ? piece : bytes - i / 2 * piece,
				.buffer = limit->memory.addr + i * BENCH_UNIT };
}

struct bench_span bo_limit_run(struct bench *b, struct bo_limit *limit, uint64_t read,
			       uint64_t write)
{
	struct bench_span start = bench_span_now();
	struct stream s[2 * STREAMS];
	pthread_t thread[2 * STREAMS];

	for (unsigned i = 0; i < 2 * STREAMS; i++) {
		s[i] = part(limit, i, read, write);
		if (pthread_create(&thread[i], NULL, stream, &s[i]))
			bench_die(b, "pthread_create", -EAGAIN);
	}
	for (unsigned i = 0; i < 2 * STREAMS; i++) {
		pthread_join(thread[i], NULL);
		bench_must(b, s[i].write ? "pwrite" : "pread", s[i].err);
	}
	return bench_span_since(start);
}

void bo_limit_open(struct bench *b, struct bo_limit *limit, enum bench_kind kind, uint64_t bytes)
{
	const size_t buffers = 2 * STREAMS * BENCH_UNIT;

	limit->bytes = bytes;
	limit->fd = bench_direct_file(b, bytes);
	bench_bare_open(b, &limit->memory, kind, buffers);
	bench_bare_populate(b, &limit->memory, 0, buffers);
	memset(limit->memory.addr, 1, buffers);
	/* what was never written is read from nowhere */
	bo_limit_run(b, limit, 0, bytes);
}

void bo_limit_close(struct bo_limit *limit)
{
	bench_bare_close(&limit->memory);
	close(limit->fd);
}
