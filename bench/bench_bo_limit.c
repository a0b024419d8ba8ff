/* SPDX-License-Identifier: MIT */
/*
 * What the device alone needs for a pass: as much read and written as the bos' pass was, by two threads with a
 * pread() and a pwrite() of 2 MiB each at a time, side by side, on a file in the same directory. No library can be
 * faster on that device with that hit rate.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bench_bo.h"

struct stream {
	struct bo_limit *limit;
	bool write;
	uint64_t bytes;
	char *buffer;
	int err;
};

static void *stream(void *arg)
{
	struct stream *s = arg;

	for (uint64_t done = 0; done < s->bytes && !s->err; done += BENCH_UNIT) {
		off_t at = (off_t)(done % s->limit->bytes);
		ssize_t n = s->write ? pwrite(s->limit->fd, s->buffer, BENCH_UNIT, at)
				     : pread(s->limit->fd, s->buffer, BENCH_UNIT, at);

		if (n != (ssize_t)BENCH_UNIT)
			s->err = n < 0 ? -errno : -EIO;
	}
	return NULL;
}

static void run(struct bench *b, struct stream *s)
{
	pthread_t thread;

	if (pthread_create(&thread, NULL, stream, &s[0]))
		bench_die(b, "pthread_create", -EAGAIN);
	stream(&s[1]);
	pthread_join(thread, NULL);
	bench_must(b, "pread", s[0].err);
	bench_must(b, "pwrite", s[1].err);
}

struct store_span bo_limit_run(struct bench *b, struct bo_limit *limit, uint64_t read,
			       uint64_t write)
{
	struct stream s[2] = {
		{ .limit = limit, .bytes = read, .buffer = limit->buffer },
		{ .limit = limit,
		  .bytes = write,
		  .buffer = limit->buffer + BENCH_UNIT,
		  .write = true },
	};
	struct store_span start = store_now();

	run(b, s);
	return store_since(start);
}

void bo_limit_open(struct bench *b, struct bo_limit *limit, uint64_t bytes)
{
	limit->bytes = bytes;
	limit->fd = open(b->dir, O_TMPFILE | O_RDWR | O_CLOEXEC | O_DIRECT, 0600);
	if (limit->fd < 0)
		limit->fd = open(b->dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	if (limit->fd < 0)
		bench_die(b, "open", -errno);
	limit->buffer = aligned_alloc(BENCH_UNIT, 2 * BENCH_UNIT);
	if (!limit->buffer)
		bench_die(b, "aligned_alloc", -ENOMEM);
	memset(limit->buffer, 1, 2 * BENCH_UNIT);
	/* what was never written is read from nowhere */
	bo_limit_run(b, limit, 0, bytes);
}

void bo_limit_close(struct bo_limit *limit)
{
	free(limit->buffer);
	close(limit->fd);
}
