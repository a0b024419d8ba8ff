/* SPDX-License-Identifier: MIT */
#ifndef QUICKSTART_SET_H
#define QUICKSTART_SET_H

#include <stdbool.h>
#include <stdint.h>

#include <zcswap/zcswap.h>

#include "quickstart_util.h"

/**
 * struct set - the device memory of the scene: contiguous tts of one pool, with backups in one
 * store
 * @tt: @count of them; their sizes are multiples of 2 MiB
 * @bytes: of all tts together
 */
struct set {
	struct zcs_pool *pool;
	struct zcs_store *store;
	struct zcs_tt **tt;
	uint32_t count, room;
	uint64_t bytes;
};

/** set_open - make the pool, the store by its spec, and room for @room tts */
void set_open(struct set *set, enum zcs_backing backing, const char *store, uint32_t room);
/** set_add - add a populated tt of @bytes with a backup; Return: its address, which stays */
void *set_add(struct set *set, uint64_t bytes);
void set_close(struct set *set);

/** set_address, set_size - where the @i-th tt is, and its bytes */
uint8_t *set_address(const struct set *set, uint32_t i);
uint64_t set_size(const struct set *set, uint32_t i);

/** set_backup - back every tt up; Return: pages */
uint64_t set_backup(struct set *set);
void set_restore(struct set *set);
/** set_touch - read one byte of each page; Return: pages */
uint64_t set_touch(const struct set *set);
/** set_hash - a 64-bit hash of each 2 MiB, @set->bytes / HUGE of them, in the order of the tts */
void set_hash(const struct set *set, uint64_t *hash);

/** set_copy_out, set_copy_in - copy all bytes to and from the file @fd, 2 MiB a call */
void set_copy_out(const struct set *set, int fd);
void set_copy_in(const struct set *set, int fd);

#endif
