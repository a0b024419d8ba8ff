/* SPDX-License-Identifier: MIT */
/*
 * Checksums: the low 32 bits of XXH3 for each slot of 4 KiB, 1 MiB of memory for each GiB of swap.
 * With one for each slot, and not one for each run, a part of a run can be read or freed at the
 * same cost. A write is summed while the device reads the same pages; a read is summed after it.
 *
 * Pages that the device has just written lie in no cache of this CPU, so the sum runs at the speed
 * of memory, and the hardware's prefetcher stops at each page. A prefetch of the next slot during
 * the sum of this one saves a quarter. For 2 MiB: 190 us without, 140 us with, 120 us for only
 * adding up the words.
 */
#include <errno.h>

#include <xxhash.h>
#ifdef __x86_64__
/* takes AVX2 or AVX-512 where the machine has it */
#include <xxh_x86dispatch.h>
#endif

#include "common/fault.h"
#include "swap_priv.h"

#define LINE 64u

static void prefetch_slot(const char *slot)
{
	for (unsigned at = 0; at < ZCS_SLOT_BYTES; at += LINE)
		__builtin_prefetch(slot + at);
}

/* The checksum of slot @i of a request. */
static uint32_t sum_slot(const struct zcs_swap_req *req, uint32_t i)
{
	const char *slot = (const char *)req->addr + (size_t)i * ZCS_SLOT_BYTES;

	if (i + 1 < 1u << req->order)
		prefetch_slot(slot + ZCS_SLOT_BYTES);
	return (uint32_t)XXH3_64bits(slot, ZCS_SLOT_BYTES);
}

void zcs_swap_sum(struct zcs_swap *s, struct zcs_swap_req *req, uint32_t from, uint32_t nr)
{
	for (uint32_t i = from; i < from + nr; i++)
		s->sum[req->slot + i] = sum_slot(req, i);
}

int zcs_swap_verify(struct zcs_swap *s, struct zcs_swap_req *req)
{
	uint32_t flip = zcs_fault(ZCS_FAULT_CHECKSUM) ? 1 : 0, nr = 1u << req->order;

	for (uint32_t i = 0; i < nr; i++) {
		uint32_t sum = sum_slot(req, i) ^ flip;

		if (sum == s->sum[req->slot + i])
			continue;
		zcs_swap_complain(s, req, ZCS_COMPLAINT_SUM,
				  "slot %u does not hold what was written: its checksum is "
				  "%08x and should be %08x",
				  req->slot + i, sum, s->sum[req->slot + i]);
		zcs_swap_count(s, &s->stats.bad_checksums);
		return -EIO;
	}
	return 0;
}
