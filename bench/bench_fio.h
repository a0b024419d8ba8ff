/* SPDX-License-Identifier: MIT */
#ifndef ZCS_BENCH_FIO_H
#define ZCS_BENCH_FIO_H

#include <stdbool.h>
#include <stdint.h>

/*
 * struct bench_fio - what fio's io_uring engine made of a file, in requests of 2 MiB by O_DIRECT
 * @rate: bytes a second
 * @cpu: CPU seconds it used for them
 */
struct bench_fio {
	double rate, cpu;
};

/*
 * Writes or reads @bytes of a file of at least that size, from @huge pages or small ones. False:
 * fio with that engine could not be run.
 */
bool bench_fio(const char *path, uint64_t bytes, unsigned depth, bool write, bool huge,
	       struct bench_fio *fio);

#endif
