/* SPDX-License-Identifier: MIT */
/*
 * Stores: opening by spec, references, and two kinds. "mem:" is the absence of a device: what is
 * inserted there stays resident, nothing is ever written, and nothing can be full. A store on
 * devices has a swap (slots and I/O), a writeback thread, and the words of same-filled folios.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/deliver.h"
#include "common/log.h"
#include "same.h"
#include "store_priv.h"
#include "swap/swap.h"
#include "sys/sys.h"
#include "writeback.h"

static int64_t mem_bytes_avail(struct zcs_store *store)
{
	(void)store;
	return INT64_MAX;
}

static void mem_close(struct zcs_store *store)
{
	(void)store;
}

static const struct zcs_store_ops mem_ops = {
	.name = "mem",
	.bytes_avail = mem_bytes_avail,
	.close = mem_close,
};

static int64_t swap_bytes_avail(struct zcs_store *store)
{
	return zcs_swap_avail(store->swap);
}

static void swap_close(struct zcs_store *store)
{
	zcs_wb_destroy(store->wb);
	zcs_swap_close(store->swap);
	if (store->same)
		zcs_same_fini(store->same);
	free(store->same);
}

static const struct zcs_store_ops swap_ops = {
	.name = "swap",
	.bytes_avail = swap_bytes_avail,
	.close = swap_close,
};

int zcs_store_new(const struct zcs_store_ops *ops, void *priv, struct zcs_store **store)
{
	struct zcs_store *s = zcs_sys_calloc(ZCS_FAULT_ALLOC_STORE, 1, sizeof(*s));

	if (!s)
		return -ENOMEM;
	s->ops = ops;
	s->priv = priv;
	s->life = zcs_life_begin();
	s->refs = 1;
	*store = s;
	return 0;
}

static int open_devices(struct zcs_store *s, const char *spec)
{
	int err = zcs_swap_open(spec, &s->swap);

	if (err)
		return err;
	s->same = zcs_sys_calloc(ZCS_FAULT_ALLOC_STORE, 1, sizeof(*s->same));
	if (!s->same)
		return -ENOMEM;
	zcs_same_init(s->same);
	return zcs_wb_create(s->swap, s->same, &s->wb);
}

static int open_swap(const char *spec, struct zcs_store **store)
{
	struct zcs_store *s;
	int err = zcs_store_new(&swap_ops, NULL, &s);

	if (err)
		return err;
	err = open_devices(s, spec);
	if (err)
		zcs_store_close(s);
	else
		*store = s;
	return err;
}

static bool is_device(const char *spec)
{
	return !strncmp(spec, "file:", 5) || !strncmp(spec, "dev:", 4) ||
	       !strncmp(spec, "/dev/", 5);
}

int zcs_store_open(const char *spec, struct zcs_store **store)
{
	if (!zcs_expect(store, != NULL) || !zcs_expect(spec, != NULL) || !zcs_expect(*spec, != 0))
		return -EINVAL;
	if (!strcmp(spec, "mem:"))
		return zcs_store_new(&mem_ops, NULL, store);
	if (!strncmp(spec, "mem:", 4)) {
		zcs_warn("store \"%s\": %s", spec,
			 strchr(spec, ';') ? "mem: cannot be joined with others"
			 : spec[4] == '?'  ? "mem: takes no keys"
					   : "nothing follows mem:");
		return -EINVAL;
	}
	if (is_device(spec))
		return open_swap(spec, store);
	zcs_warn("store \"%s\": unknown kind; known are mem:, file:, dev: and /dev/...", spec);
	return -EPROTONOSUPPORT;
}

int64_t zcs_store_bytes_avail(struct zcs_store *store)
{
	if (!store)
		return -EINVAL;
	if (zcs_inherited(store))
		return -ECHILD;
	if (zcs_fault(ZCS_FAULT_STORE_FULL))
		return 0;
	return store->ops->bytes_avail(store);
}

void zcs_store_get(struct zcs_store *store)
{
	atomic_fetch_add(&store->refs, 1);
}

void zcs_store_close(struct zcs_store *store)
{
	if (!store || zcs_inherited(store) || atomic_fetch_sub(&store->refs, 1) != 1)
		return;
	store->ops->close(store);
	free(store);
}

int zcs_store_check(struct zcs_store *store)
{
	if (!store)
		return -EINVAL;
	if (zcs_inherited(store))
		return -ECHILD;
	if (!store->refs) {
		zcs_warn("zcs_store_check: store %p has no references", (void *)store);
		return -EUCLEAN;
	}
	return store->swap ? zcs_swap_check(store->swap) : 0;
}

static void fill_swap(struct zcs_store *store, struct zcs_store_stats *st)
{
	struct zcs_swap_stats sw;
	struct zcs_wb_stats wb;

	zcs_swap_stats(store->swap, &sw);
	zcs_wb_stats(store->wb, &wb);
	st->slots = sw.slots;
	st->free_slots = sw.free;
	st->used_slots = sw.used;
	st->retired_slots = sw.retired;
	st->discarded_slots = sw.discarded;
	st->reads = sw.reads;
	st->writes = sw.writes;
	st->read_bytes = sw.read_bytes;
	st->written_bytes = sw.written_bytes;
	st->read_errors = sw.read_errors;
	st->write_errors = sw.write_errors;
	st->bad_checksums = sw.bad_checksums;
	st->short_transfers = sw.shorts;
	st->retries = sw.retries;
	st->written_blocks = wb.written_blocks;
	st->same_blocks = wb.same_blocks;
	st->clean_blocks = wb.clean_blocks;
	st->no_space = wb.refused_no_space;
	st->cancelled = wb.cancelled;
	st->abandoned = wb.abandoned;
	st->ra_read = wb.ra_read;
	st->ra_hits = wb.ra_hits;
	st->ra_wasted = wb.ra_wasted;
	st->io_uring = sw.uring;
	st->direct_devices = sw.direct;
	st->buffered_devices = sw.buffered;
	st->devices_away = sw.away;
	st->outages = sw.outages;
	st->held_back = wb.held_back;
}

int zcs_store_stats(struct zcs_store *store, struct zcs_store_stats *stats)
{
	struct zcs_store_stats st = { 0 };

	if (!store || !zcs_can_deliver(stats))
		return -EINVAL;
	if (zcs_inherited(store))
		return -ECHILD;
	if (store->swap)
		fill_swap(store, &st);
	zcs_deliver(stats, &st, sizeof(st));
	return 0;
}

int64_t zcs_store_dump(struct zcs_store *store, char *buf, size_t size)
{
	if (!store || (!buf && size))
		return -EINVAL;
	if (zcs_inherited(store))
		return -ECHILD;
	if (!store->swap)
		return snprintf(buf, size, "%s: never written back", store->ops->name);
	return zcs_swap_text(store->swap, buf, size);
}
