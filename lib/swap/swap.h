/* SPDX-License-Identifier: MIT */
#ifndef ZCS_LIB_SWAP_H
#define ZCS_LIB_SWAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include "common/fault.h"

/*
 * DOC: swap
 *
 * Slots on files and block devices, and the I/O that fills and reads them. This room knows nothing
 * of folios, backups or pools: a request is an address, an order and a slot. Several devices make
 * one swap with one space of slot numbers. Devices of a higher priority are filled first; devices
 * of the same priority are striped by 2 MiB.
 *
 * A slot is 4 KiB. A cluster is 512 slots, aligned to 2 MiB in its device. A run of 2^order slots
 * is aligned to its size and lies in one cluster. Each slot has its own checksum, so aligned parts
 * of an allocated run may be read, freed and retired one by one.
 *
 *	 free ──alloc──▶ used ──retire──▶ retired
 *	   ▲               │
 *	   └─────free──────┘		free + used + retired == slots, always
 *
 * All functions are thread-safe. Only zcs_swap_open() allocates memory, and zcs_swap_close() frees
 * it. Slot maps and checksums have their size, and their pages, when zcs_swap_open() returns. The
 * caller owns the memory of its requests.
 *
 * Context of all functions, unless their comment says more: the caller may hold locks of its own,
 * but no lock of the swap. They take the locks of the swap for a moment and do not sleep otherwise.
 */

#define ZCS_SLOT_BYTES	   4096u
#define ZCS_CLUSTER_ORDER  9u
#define ZCS_CLUSTER_SLOTS  512u
#define ZCS_CLUSTER_BYTES  (ZCS_CLUSTER_SLOTS * ZCS_SLOT_BYTES)
#define ZCS_SWAP_SLOTS_MAX 0x3e000000u
#define ZCS_SWAP_DEVS_MAX  32u

struct zcs_swap;

/**
 * zcs_swap_open - open the devices of a specification
 * @spec: one device, or several joined by ";":
 *
 *	file:/path?size=8G	a file that must not exist; it is unlinked at once
 *	file:?size=8G		an unnamed file in TMPDIR, else in /tmp
 *	file:/path?keep=1	a file that is kept and may exist. An existing file must be regular,
 *				the caller's own, of mode 0600 and without other links. The
 *				file is locked while it is open
 *	/dev/..., dev:/dev/...	a block device, opened exclusively. ITS CONTENTS ARE OVERWRITTEN
 *
 *	Keys follow "?" and are joined by "&":
 *
 *	size	bytes, with K, M, G or T; default: all of an existing file or device
 *	prio	the higher is filled first; default 0
 *	keep	0 (default) or 1
 *	discard	1: give freed clusters back, after which a write may meet ENOSPC; default 0
 *	direct	1: O_DIRECT or fail; 0: never; default: O_DIRECT if the file system takes it
 *	depth	requests in flight; default 32
 *
 *	%XX in a path is the byte XX.
 * @swap: receives the swap
 *
 * Files are made with mode 0600, preallocated, and never reached through a symlink.
 *
 * Context: sleeps, allocates, makes threads; not on an I/O thread.
 *
 * Return: 0, or an error after a message that names device and reason. -EINVAL: the spec, or a size
 * under 2 MiB; -EEXIST: the file exists and keep=1 is not given; -ELOOP: a symlink; -EPERM: an
 * existing file that is not only the caller's; -EBUSY: in use; -ENOTBLK: no block device;
 * -EOPNOTSUPP: direct=1 and refused; -ENOSPC, -EFBIG, -ENOMEM, or another error of a system call.
 */
int zcs_swap_open(const char *spec, struct zcs_swap **swap);

/**
 * zcs_swap_close - wait for the requests and free everything; NULL is ignored
 *
 * No other call may use the swap meanwhile. Context: sleeps; not on an I/O thread.
 */
void zcs_swap_close(struct zcs_swap *swap);

/**
 * zcs_swap_alloc - allocate a run of 2^@order slots
 * @order: 0 to ZCS_CLUSTER_ORDER
 * @slot: receives the first slot
 *
 * Takes at most 10 steps per device, and finds a run if one is free. A device that is left alone
 * after failed writes (swap_outage.c) gives out no slots.
 *
 * Context: sleeps only if a run is being discarded and no other is free.
 *
 * Return: 0; -ENOSPC; -EINVAL; or, if a device that is left alone has free slots, the error of its
 * last write.
 */
int zcs_swap_alloc(struct zcs_swap *swap, unsigned order, uint32_t *slot);

/**
 * zcs_swap_free - free an aligned run of used slots; a thread discards it if the device asks for
 * that
 */
void zcs_swap_free(struct zcs_swap *swap, uint32_t slot, unsigned order);

/**
 * zcs_swap_free_failed - free the run of a write that failed
 *
 * If the device takes other writes, these slots may be bad. They are free once more, and are
 * retired when their next write fails as well. If the device takes no write, that is an outage and
 * the slots stay good (swap_outage.c).
 */
void zcs_swap_free_failed(struct zcs_swap *swap, uint32_t slot, unsigned order);

/** zcs_swap_retire - take an aligned run of used slots out of use for good */
void zcs_swap_retire(struct zcs_swap *swap, uint32_t slot, unsigned order);

/** zcs_swap_name - the file or device of a used slot, for messages */
const char *zcs_swap_name(struct zcs_swap *swap, uint32_t slot);

/** zcs_swap_avail - bytes of free slots, exactly */
int64_t zcs_swap_avail(struct zcs_swap *swap);

/**
 * zcs_swap_has_room - whether a device with free slots takes writes, or is due for another attempt
 */
bool zcs_swap_has_room(struct zcs_swap *swap);

enum zcs_swap_op { ZCS_SWAP_READ, ZCS_SWAP_WRITE };

/* a thread waits for it: goes ahead of all queued requests; reads only */
#define ZCS_SWAP_URGENT 1u

/**
 * struct zcs_swap_req - one transfer of a whole run; the caller's memory, the swap's until @done is
 * called
 * @op: READ or WRITE
 * @order, @slot: a run of used slots
 * @flags: ZCS_SWAP_URGENT
 * @addr: aligned to 4 KiB. The memory of a write must not change until @done, or the checksum fails
 *	on reading
 * @done: called once, on an I/O thread, with no lock held. It may submit, may free the request, and
 *	must not block. @err is 0, -EIO (the device, a truncated file, or a checksum that does not
 *	match) or another error of the transfer. The expected checksum is kept, so a second read may
 *	succeed
 * @user: the caller's
 */
struct zcs_swap_req {
	enum zcs_swap_op op;
	unsigned order;
	uint32_t slot;
	uint32_t flags;
	void *addr;
	void (*done)(struct zcs_swap_req *req, int err);
	void *user;
	/* the swap's, from zcs_swap_submit() to @done */
	TAILQ_ENTRY(zcs_swap_req) link;
	struct zcs_swap_dev *dev;
	int err;
	uint8_t state, queue, retries;
	bool syncing, held;
	uint32_t moved;
	uint32_t hashed;
	int64_t allowed;
	struct zcs_fault_hold hold;
};

/**
 * zcs_swap_submit - queue a transfer
 * @req: all fields above "the swap's" set; not queued already
 *
 * May write to an eventfd. A wrong request is logged, and its @done is called with -EINVAL before
 * this returns.
 */
void zcs_swap_submit(struct zcs_swap *swap, struct zcs_swap_req *req);

/**
 * zcs_swap_cancel - take a queued transfer back
 *
 * Return: true: the request was still queued, is the caller's again, and @done will not be called;
 * false: @done was or will be called.
 */
bool zcs_swap_cancel(struct zcs_swap *swap, struct zcs_swap_req *req);

/**
 * zcs_swap_hurry - make a queued read urgent, because a thread now waits for it; else do nothing
 */
void zcs_swap_hurry(struct zcs_swap *swap, struct zcs_swap_req *req);

/**
 * zcs_swap_read - read a run and wait for it
 *
 * The calling thread itself moves and verifies the run, which saves two wake-ups. So the read is
 * never queued. Meanwhile writes are held back as for an urgent read.
 *
 * Context: sleeps for the device; not on an I/O thread. Return: as for @done.
 */
int zcs_swap_read(struct zcs_swap *swap, uint32_t slot, unsigned order, void *addr);

/** zcs_swap_drain - wait until no request and no discard is left; sleeps; not on an I/O thread */
void zcs_swap_drain(struct zcs_swap *swap);

/**
 * struct zcs_swap_stats - state and counters of a swap
 * @slots, @free, @used, @retired: slots
 * @discarded: slots discarded
 * @reads, @writes: requests that succeeded
 * @read_bytes, @written_bytes: their bytes
 * @read_errors, @write_errors: requests that failed, bad checksums included
 * @bad_checksums: reads whose bytes differ from the written ones
 * @shorts: transfers that were short and continued
 * @retries: transfers that were interrupted and begun again
 * @full: times that the ring was full
 * @cancelled: requests taken back
 * @outages: times that a device went away (began to take no writes)
 * @away: devices that are away now
 * @queued: requests that wait now
 * @in_flight: requests in flight now
 * @uring: io_uring is used; otherwise @why_not says why
 * @direct: devices that use O_DIRECT
 * @buffered: devices that do not
 */
struct zcs_swap_stats {
	uint64_t slots, free, used, retired, discarded;
	uint64_t reads, writes, read_bytes, written_bytes;
	uint64_t read_errors, write_errors, bad_checksums;
	uint64_t shorts, retries, full, cancelled, outages;
	uint32_t queued, in_flight;
	bool uring;
	const char *why_not;
	unsigned direct, buffered, away;
};

void zcs_swap_stats(struct zcs_swap *swap, struct zcs_swap_stats *stats);

/** zcs_swap_text - the statistics and the devices in one line. Return: its length, as snprintf() */
int zcs_swap_text(struct zcs_swap *swap, char *text, size_t size);

/** zcs_swap_check - verify the slot maps. Return: 0; -EUCLEAN, logged */
int zcs_swap_check(struct zcs_swap *swap);

#endif
