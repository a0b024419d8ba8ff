/* SPDX-License-Identifier: MIT */
#ifndef BO_PRESS_H
#define BO_PRESS_H

#include <stdbool.h>
#include <stdint.h>

/*
 * Real memory pressure that harms nobody. A process in a memory control group of its own, of a few
 * MiB, reads a file that is larger than that. So it waits for memory nearly all the time, and no
 * other process does. The kernel counts the stall for the machine as well.
 *
 *	the test ──socket──▶ janitor ──forks──▶ reader, in the group
 *
 * The janitor makes the group, kills the reader and removes the group when the socket ends, which
 * happens also when the test crashes. It has left the test's session, so that the end of that
 * session does not end it.
 */
struct press {
	int socket, stall;
	int janitor;
};

/* Before there are threads. NULL, or why there can be no pressure; then nothing is left behind. */
const char *press_prepare(struct press *p);
void press_begin(struct press *p);
void press_end(struct press *p);
/* For how many ms some task of the machine has waited for memory, ever. */
uint64_t press_stalled_ms(const struct press *p);
/* Where control groups of version 2 are mounted; false: nowhere. */
bool press_find_cgroup2(char *path, unsigned size);

#endif
