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
 * Slots on files and block devices, and the I/O that fills and reads them. It knows nothing of
 * folios, backups or pools: a request is an address, an order and a slot. Several devices make one
 * swap: one space of slot numbers, devices of a higher priority filled first, devices of the same
 * priority striped by 2 MiB.
 *
 * A slot is 4 KiB. A cluster is 512 slots, aligned to 2 MiB in its device; a run of 2^order slots
 * is aligned to its size and lies in one cluster. What was allocated as one run may be read, freed
 * and retired in aligned parts, because each slot has its own checksum.
 *
 *	 free ──alloc──▶ used ──retire──▶ retired		free + used + retired == slots, always
 *	   ▲               │
 *	   └─────free──────┘
 *
 * All functions are thread-safe. None but open allocates memory, and close frees it: slot maps and
 * checksums have their size, and their memory, when zcs_swap_open() returns; requests are the
 * caller's.
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
 *	file:/path?keep=1	a file that is kept, and may exist: then regular, the caller's own, without
 *				other links, mode 0600. It is locked while open
 *	/dev/..., dev:/dev/...	a block device, opened exclusively. WHAT IT HOLDS IS OVERWRITTEN
 *
 *	Keys follow "?" and are joined by "&": size (K, M, G, T; of an existing file or a device the
 *	default is all of it), prio (the higher is filled first; 0), keep (0), discard (0; 1: give
 *	freed clusters back, after which a write may meet ENOSPC), direct (1: O_DIRECT or fail, 0:
 *	never, else where the file system takes it), depth (requests in flight; 32). %XX in a path
 *	is the byte XX.
 * @swap: where the swap is put
 *
 * Files are made with mode 0600, never reached through a symlink, and preallocated.
 *
 * Return: 0, or after a message that names device and reason: -EINVAL: the spec, or a size under 2
 * MiB; -EEXIST: the file exists and keep=1 is not given; -ELOOP: a symlink; -EPERM: an existing
 * file that is not only the caller's; -EBUSY: in use; -ENOTBLK: no block device; -EOPNOTSUPP:
 * direct=1 and refused; -ENOSPC, -EFBIG, -ENOMEM, or what the system says.
 */
int zcs_swap_open(const char *spec, struct zcs_swap **swap);

/**
 * zcs_swap_close - wait for the requests and free everything; NULL is ignored. No call may be going
 * on.
 */
void zcs_swap_close(struct zcs_swap *swap);

/**
 * zcs_swap_alloc - allocate a run of 2^@order slots
 * @order: 0 to ZCS_CLUSTER_ORDER
 * @slot: where its first slot is put
 *
 * At most 10 steps per device. Finds a run if there is one. Waits only if the one run left is being
 * discarded. A device that takes no writes is left alone.
 *
 * Return: 0; -ENOSPC; the error of the last write to a device that is left alone; -EINVAL.
 */
int zcs_swap_alloc(struct zcs_swap *swap, unsigned order, uint32_t *slot);

/**
 * zcs_swap_free - free an aligned run of used slots; discarding it, if asked for, is done by a
 * thread
 */
void zcs_swap_free(struct zcs_swap *swap, uint32_t slot, unsigned order);

/**
 * zcs_swap_free_failed - free the run of a write that failed
 *
 * If the device takes other writes the slots may be bad: they are free once more, and when their
 * next write fails as well they are retired. If the device takes none, that is an outage, and they
 * stay good (swap_outage.c).
 */
void zcs_swap_free_failed(struct zcs_swap *swap, uint32_t slot, unsigned order);

/** zcs_swap_retire - take an aligned run of used slots out of use for good */
void zcs_swap_retire(struct zcs_swap *swap, uint32_t slot, unsigned order);

/** zcs_swap_name - the file or device that a used slot is in, for messages */
const char *zcs_swap_name(struct zcs_swap *swap, uint32_t slot);

/** zcs_swap_avail - bytes of free slots, exactly */
int64_t zcs_swap_avail(struct zcs_swap *swap);

/**
 * zcs_swap_has_room - whether a device with free slots takes writes, or is to be tried again now
 */
bool zcs_swap_has_room(struct zcs_swap *swap);

enum zcs_swap_op { ZCS_SWAP_READ, ZCS_SWAP_WRITE };

/* somebody waits for it: it goes before all that is queued; reads only */
#define ZCS_SWAP_URGENT 1u

/**
 * struct zcs_swap_req - one transfer of a whole run; the caller's memory until @done is called
 * @op: READ or WRITE
 * @order, @slot: a run of used slots
 * @flags: ZCS_SWAP_URGENT
 * @addr: aligned to 4 KiB. What is written must not change until @done, or the checksum fails on
 *	reading
 * @done: called once, on an I/O thread, with no lock held; it may submit, free the request, and
 *	must not block. 0; -EIO: the device, a file that was truncated, or a checksum that does not
 *	match (the expected one is kept: reading again may succeed); another error of the transfer
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
	/* the swap's, from submit to done */
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
 * Takes a lock for a moment, and may write to an eventfd. A request that is wrong is logged and its
 * @done called with -EINVAL before this returns.
 */
void zcs_swap_submit(struct zcs_swap *swap, struct zcs_swap_req *req);

/**
 * zcs_swap_cancel - take a transfer back
 *
 * Return: true: it had not been given to the kernel, is the caller's again, and @done will not be
 * called; false: @done was or will be called.
 */
bool zcs_swap_cancel(struct zcs_swap *swap, struct zcs_swap_req *req);

/**
 * zcs_swap_hurry - make a queued read urgent, because somebody now waits for it; else do nothing
 */
void zcs_swap_hurry(struct zcs_swap *swap, struct zcs_swap_req *req);

/**
 * zcs_swap_read - read a run and wait for it
 *
 * The caller's thread moves and verifies it itself, which saves two wake-ups, so it is never
 * queued; while it is under way writes are held back as for an urgent read. Not on an I/O thread.
 *
 * Return: as for @done.
 */
int zcs_swap_read(struct zcs_swap *swap, uint32_t slot, unsigned order, void *addr);

/** zcs_swap_drain - wait until no request and no discard is left; not on an I/O thread */
void zcs_swap_drain(struct zcs_swap *swap);

/**
 * struct zcs_swap_stats - what a swap holds and did
 * @slots, @free, @used, @retired: slots
 * @discarded: slots discarded
 * @reads, @writes: requests that succeeded; @read_bytes, @written_bytes: their bytes
 * @read_errors, @write_errors: requests that failed, bad checksums included
 * @bad_checksums: requests that read other bytes than were written
 * @shorts: transfers that were short and continued; @retries: that were begun again
 * @full: times that the ring was full
 * @cancelled: requests taken back
 * @outages: times that a device began to take no writes; @away: devices that take none now
 * @queued, @flying: requests now waiting, and with the kernel
 * @uring: io_uring is used; otherwise @why_not says why
 * @direct: devices that use O_DIRECT; @buffered: devices that do not
 */
struct zcs_swap_stats {
	uint64_t slots, free, used, retired, discarded;
	uint64_t reads, writes, read_bytes, written_bytes;
	uint64_t read_errors, write_errors, bad_checksums;
	uint64_t shorts, retries, full, cancelled, outages;
	uint32_t queued, flying;
	bool uring;
	const char *why_not;
	unsigned direct, buffered, away;
};

void zcs_swap_stats(struct zcs_swap *swap, struct zcs_swap_stats *stats);

/** zcs_swap_text - the same and the devices in one line. Return: its length, as snprintf() */
int zcs_swap_text(struct zcs_swap *swap, char *text, size_t size);

/** zcs_swap_check - verify the slot maps. Return: 0; -EUCLEAN, logged */
int zcs_swap_check(struct zcs_swap *swap);

#endif
