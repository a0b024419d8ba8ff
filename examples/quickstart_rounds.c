/* SPDX-License-Identifier: MIT */
/*
 * The comparison. It favours the copying side. Swapping by copy has to free the pages that it
 * copied from, and to allocate new ones on the way back: here it does neither. The file is freed
 * outside the measured time. Both sides alternate, so that they meet the same machine.
 */
#include "quickstart_rounds.h"
#include "quickstart_proc.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum step { BACKUP, COPY_OUT, RESTORE, TOUCH, RESTORE_TOUCH, COPY_IN, RESIDENT, STEPS };

static const char *const step_name[STEPS] = {
	[BACKUP] = "zcs_tt_backup",
	[COPY_OUT] = "pwrite to a fresh shmem file",
	[RESTORE] = "zcs_tt_restore",
	[TOUCH] = "first touch of each page",
	[RESTORE_TOUCH] = "zcs_tt_restore and first touch",
	[COPY_IN] = "pread from the file",
	[RESIDENT] = "touch of each page again",
};

static unsigned check(const struct set *set, const uint64_t *want, const char *when)
{
	uint64_t count = set->bytes / HUGE, wrong = 0;
	uint64_t *hash = alloc(count, sizeof(*hash));

	set_hash(set, hash);
	for (uint64_t i = 0; i < count; i++)
		wrong += hash[i] != want[i];
	free(hash);
	if (wrong != 0)
		printf("  FAILED  %llu of %llu pieces of 2 MiB differ after %s\n",
		       (unsigned long long)wrong, (unsigned long long)count, when);
	return wrong != 0;
}

static unsigned swap_round(struct set *set, const uint64_t *hash, double us[STEPS])
{
	double start = now_us(), middle;
	uint64_t mapped;

	set_backup(set);
	us[BACKUP] = now_us() - start;
	mapped = proc_pagemap(set, NULL);
	start = now_us();
	set_restore(set);
	middle = now_us();
	set_touch(set);
	us[RESTORE] = middle - start;
	us[TOUCH] = now_us() - middle;
	us[RESTORE_TOUCH] = us[RESTORE] + us[TOUCH];
	start = now_us();
	set_touch(set);
	us[RESIDENT] = now_us() - start;
	if (mapped != 0)
		printf("  FAILED  %llu pages are mapped after the backup\n",
		       (unsigned long long)mapped);
	return check(set, hash, "zcs_tt_restore") + (mapped != 0);
}

static unsigned copy_round(struct set *set, const uint64_t *hash, double us[STEPS])
{
	int fd = memfd_create("quickstart copy", MFD_CLOEXEC);
	double start;

	SYS_CHECK(fd);
	start = now_us();
	set_copy_out(set, fd);
	us[COPY_OUT] = now_us() - start;
	start = now_us();
	set_copy_in(set, fd);
	us[COPY_IN] = now_us() - start;
	close(fd);
	return check(set, hash, "copying back");
}

static int by_size(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double median(const double *sorted, unsigned count)
{
	return (sorted[(count - 1) / 2] + sorted[count / 2]) / 2;
}

static double print_step(enum step step, double (*us)[STEPS], unsigned count, uint64_t pieces)
{
	double *sorted = alloc(count, sizeof(*sorted)), middle;

	for (unsigned i = 0; i < count; i++)
		sorted[i] = us[i][step];
	qsort(sorted, count, sizeof(*sorted), by_size);
	middle = median(sorted, count);
	printf("    %-30s %11.3f %11.3f %11.3f %14.2f\n", step_name[step], middle / 1e3,
	       sorted[0] / 1e3, sorted[count - 1] / 1e3, middle / (double)pieces);
	free(sorted);
	return middle;
}

static void print_ratio(const char *what, double ours, double copy)
{
	printf("    %-30s %11.1f times as long\n", what, copy / ours);
}

static void print_table(const struct set *set, double (*us)[STEPS], unsigned count)
{
	uint64_t pieces = set->bytes / HUGE;
	double ours, both, copy;

	printf("\n%llu MiB in %u tts, rounds: %u, times in ms\n",
	       (unsigned long long)(set->bytes / MIB), set->count, count);
	printf("  %-32s %11s %11s %11s %14s\n", "swap-out", "median", "min", "max", "us per 2 MiB");
	ours = print_step(BACKUP, us, count, pieces);
	copy = print_step(COPY_OUT, us, count, pieces);
	print_ratio("copying takes", ours, copy);
	printf("  restore\n");
	ours = print_step(RESTORE, us, count, pieces);
	print_step(TOUCH, us, count, pieces);
	both = print_step(RESTORE_TOUCH, us, count, pieces);
	copy = print_step(COPY_IN, us, count, pieces);
	print_ratio("copying takes", ours, copy);
	print_ratio("with the first touch", both, copy);
	printf("  to compare the first touch with\n");
	print_step(RESIDENT, us, count, pieces);
	printf("\n");
}

unsigned rounds_run(struct set *set, unsigned count, const uint64_t *hash)
{
	double(*us)[STEPS] = alloc(count, sizeof(*us));
	unsigned wrong = 0;

	for (unsigned i = 0; i < count; i++) {
		wrong += swap_round(set, hash, us[i]);
		wrong += copy_round(set, hash, us[i]);
	}
	print_table(set, us, count);
	free(us);
	return wrong;
}
