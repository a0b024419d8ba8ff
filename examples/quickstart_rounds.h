/* SPDX-License-Identifier: MIT */
#ifndef QUICKSTART_ROUNDS_H
#define QUICKSTART_ROUNDS_H

#include "quickstart_set.h"

/**
 * rounds_run - time @count rounds of both ways to swap a set out and back, and print them side by
 * side
 * @set: resident
 * @hash: what set_hash() must give after each half of a round
 *
 * One round: back up, see that nothing is mapped, restore, touch each page; then copy all bytes to
 * a fresh shmem file and back. The device must be idle.
 *
 * Return: how many halves left wrong content or mapped pages.
 */
unsigned rounds_run(struct set *set, unsigned count, const uint64_t *hash);

#endif
