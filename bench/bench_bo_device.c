/* SPDX-License-Identifier: MIT */
/*
 * A device and bos of one size. Its store is an unnamed file a little larger than the bos, as in
 * the benchmarks of the store; the machine's memory pressure is not watched, for other programs
 * cause it.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <unistd.h>

#include "bench_bo.h"

#define NAP_US	    200
#define PATIENCE_US 60000000
#define SPARE_BYTES (UINT64_C(64) << 20)

void bo_device_open(struct bench *b, struct bo_device *d, enum bench_kind kind, uint64_t max_bytes,
		    uint32_t nr, uint64_t size)
{
	struct zcs_device_params params = {
		.struct_size = sizeof(params),
		.pool = { .struct_size = sizeof(params.pool),
			  .max_bytes = max_bytes,
			  .node = -1,
			  .backing = bench_backing[kind] },
		.flags = ZCS_DEVICE_NO_PSI,
	};
	char spec[128];

	*d = (struct bo_device){ .b = b, .nr = nr, .file.bytes = nr * size + SPARE_BYTES };
	snprintf(spec, sizeof(spec), "file:?size=%" PRIu64 "M&depth=%u", d->file.bytes >> 20,
		 STORE_DEPTH);
	params.store = spec;
	bench_must(b, "zcs_device_create", zcs_device_create(&params, &d->device));
	d->bo = bench_calloc(b, nr, sizeof(struct zcs_bo *));
	for (uint32_t i = 0; i < nr; i++)
		bench_must(b, "zcs_bo_create", zcs_bo_create(d->device, size, NULL, &d->bo[i]));
}

struct zcs_stats bo_device_stats(const struct bo_device *d)
{
	struct zcs_stats stats = { .struct_size = sizeof(stats) };

	bench_must(d->b, "zcs_device_stats", zcs_device_stats(d->device, &stats));
	return stats;
}

static void note(const struct bo_device *d)
{
	struct zcs_stats stats = bo_device_stats(d);
	const uint64_t *n = stats.pool.counters;

	if (n[ZCS_COUNT_HUGETLB_FALLBACK] || n[ZCS_COUNT_THP_FALLBACK] ||
	    n[ZCS_COUNT_ORDER_FALLBACK])
		bench_say(d->b, "%" PRIu64 " times the pool had no huge page and used smaller ones",
			  n[ZCS_COUNT_HUGETLB_FALLBACK] + n[ZCS_COUNT_THP_FALLBACK] +
				  n[ZCS_COUNT_ORDER_FALLBACK]);
	if (!stats.touch)
		bench_say(d->b, "no userfaultfd is to be had");
}

void bo_device_close(struct bo_device *d)
{
	note(d);
	for (uint32_t i = 0; i < d->nr; i++)
		zcs_bo_put(d->bo[i]);
	free(d->bo);
	zcs_device_destroy(d->device);
}

void bo_device_write_out(struct bo_device *d, uint32_t i)
{
	struct zcs_stats stats = { .struct_size = sizeof(stats) };

	bench_must(d->b, "zcs_bo_evict", zcs_bo_evict(d->bo[i], ZCS_BACKUP_WRITEBACK));
	for (unsigned naps = 0;; naps++) {
		bench_must(d->b, "zcs_bo_stats", zcs_bo_stats(d->bo[i], &stats));
		if (!stats.resident_bytes)
			return;
		if (naps > PATIENCE_US / NAP_US) {
			bench_say(d->b,
				  "bo %" PRIu32 ": %" PRIu64 " bytes mapped, %" PRIu64
				  " inserted, %" PRIu64 " touches, %" PRIu64 " of them late",
				  i, stats.mapped_bytes, stats.inserted_bytes, stats.touches,
				  stats.touch_late);
			bench_die(d->b, "writeback", -ETIME);
		}
		bench_nap(NAP_US);
	}
}
