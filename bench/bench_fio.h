/* SPDX-License-Identifier: MIT */
#ifndef ZCS_BENCH_FIO_H
#define ZCS_BENCH_FIO_H

#include "bench_span.h"

/*
 * struct bench_fio - a pass by fio's io_uring engine, in requests of 2 MiB by O_DIRECT
 * @bytes: from the beginning of a file that is at least as large
 * @depth: requests in flight
 * @huge: from huge pages
 */
struct bench_fio {
	uint64_t bytes;
	unsigned depth;
	bool write, huge;
};

/* Whether fio can be run; writes the first 2 MiB of the file. If not, that is said of the case. */
bool bench_has_fio(struct bench *b, const char *path);
/* Runs fio on the file and adds what it says of itself. A failure is said. */
void bench_fio_sample(struct bench *b, const struct bench_pair *pair, const char *path,
		      const struct bench_fio *fio);

#endif
