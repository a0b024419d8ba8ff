/* SPDX-License-Identifier: MIT */
#ifndef ZCS_BENCH_CHILD_H
#define ZCS_BENCH_CHILD_H

#include <stdbool.h>
#include <sys/types.h>

/*
 * bench_child_start - start another program, found by PATH
 * @env: its environment
 * @out: where its standard output goes, a descriptor above 2; -1: nowhere
 *
 * Its standard input is empty, and its standard error goes nowhere.
 *
 * Return: its pid, or -errno.
 */
pid_t bench_child_start(char *const argv[], char *const env[], int out);

/* Waits for its end. False: it failed. */
bool bench_child_good(pid_t pid);

#endif
