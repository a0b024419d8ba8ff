/* SPDX-License-Identifier: MIT */
/*
 * The part that uses libzcswap. A contiguous tt has its address for life, so memory that a driver
 * imported once stays valid through backup and restore. Between the two nobody may touch it.
 */
#include "quickstart_set.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void set_open(struct set *set, enum zcs_backing backing, const char *store, uint32_t room)
{
	struct zcs_pool_params params = ZCS_POOL_PARAMS_INIT;

	params.backing = backing;
	memset(set, 0, sizeof(*set));
	set->room = room;
	set->tt = alloc(room, sizeof(*set->tt));
	ZCS_CHECK(zcs_pool_create(&params, &set->pool));
	ZCS_CHECK(zcs_store_open(store, &set->store));
}

void *set_add(struct set *set, uint64_t bytes)
{
	struct zcs_tt *tt;

	if (set->count == set->room)
		die("set_add: more than %u tts", set->room);
	ZCS_CHECK(zcs_tt_create(set->pool, bytes / PAGE, ZCS_TT_CONTIGUOUS, &tt));
	ZCS_CHECK(zcs_tt_populate(tt, NULL));
	ZCS_CHECK(zcs_tt_setup_backup(tt, set->store));
	set->tt[set->count++] = tt;
	set->bytes += bytes;
	return zcs_tt_address(tt);
}

void set_close(struct set *set)
{
	for (uint32_t i = 0; i < set->count; i++)
		zcs_tt_destroy(set->tt[i]);
	zcs_store_close(set->store);
	zcs_pool_destroy(set->pool);
	free(set->tt);
}

uint8_t *set_address(const struct set *set, uint32_t i)
{
	return zcs_tt_address(set->tt[i]);
}

uint64_t set_size(const struct set *set, uint32_t i)
{
	return zcs_tt_num_pages(set->tt[i]) * PAGE;
}

uint64_t set_backup(struct set *set)
{
	uint64_t pages = 0;

	for (uint32_t i = 0; i < set->count; i++) {
		int64_t done = zcs_tt_backup(set->tt[i], 0);

		ZCS_CHECK(done);
		pages += (uint64_t)done;
	}
	return pages;
}

void set_restore(struct set *set)
{
	for (uint32_t i = 0; i < set->count; i++)
		ZCS_CHECK(zcs_tt_restore(set->tt[i], NULL));
}

uint64_t set_touch(const struct set *set)
{
	uint64_t pages = 0;

	for (uint32_t i = 0; i < set->count; i++) {
		const volatile uint8_t *address = set_address(set, i);
		uint64_t bytes = set_size(set, i);

		for (uint64_t at = 0; at < bytes; at += PAGE, pages++)
			(void)address[at];
	}
	return pages;
}

/* Four lanes of multiply and rotate: each word changes its lane for good. */
static uint64_t hash_piece(const uint8_t *data)
{
	const uint64_t factor = 0x9e3779b97f4a7c15ull;
	uint64_t lane[4] = { 1, 2, 3, 4 }, word[4];

	for (uint64_t at = 0; at < HUGE; at += sizeof(word)) {
		memcpy(word, data + at, sizeof(word));
		for (int i = 0; i < 4; i++) {
			lane[i] = (lane[i] ^ word[i]) * factor;
			lane[i] ^= lane[i] >> 32;
		}
	}
	return ((lane[0] * factor ^ lane[1]) * factor ^ lane[2]) * factor ^ lane[3];
}

void set_hash(const struct set *set, uint64_t *hash)
{
	for (uint32_t i = 0; i < set->count; i++)
		for (uint64_t at = 0; at < set_size(set, i); at += HUGE)
			*hash++ = hash_piece(set_address(set, i) + at);
}

static void write_piece(int fd, const uint8_t *data, uint64_t offset)
{
	for (uint64_t done = 0; done < HUGE;) {
		ssize_t now = pwrite(fd, data + done, HUGE - done, (off_t)(offset + done));

		SYS_CHECK(now);
		done += (uint64_t)now;
	}
}

static void read_piece(int fd, uint8_t *data, uint64_t offset)
{
	for (uint64_t done = 0; done < HUGE;) {
		ssize_t now = pread(fd, data + done, HUGE - done, (off_t)(offset + done));

		SYS_CHECK(now);
		if (now == 0)
			die("pread: the copy ends at byte %llu",
			    (unsigned long long)(offset + done));
		done += (uint64_t)now;
	}
}

void set_copy_out(const struct set *set, int fd)
{
	uint64_t offset = 0;

	for (uint32_t i = 0; i < set->count; i++)
		for (uint64_t at = 0; at < set_size(set, i); at += HUGE, offset += HUGE)
			write_piece(fd, set_address(set, i) + at, offset);
}

void set_copy_in(const struct set *set, int fd)
{
	uint64_t offset = 0;

	for (uint32_t i = 0; i < set->count; i++)
		for (uint64_t at = 0; at < set_size(set, i); at += HUGE, offset += HUGE)
			read_piece(fd, set_address(set, i) + at, offset);
}
