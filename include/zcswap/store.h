/* SPDX-License-Identifier: MIT */
#ifndef ZCSWAP_STORE_H
#define ZCSWAP_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <zcswap/version.h>

#ifdef __cplusplus
extern "C" {
#endif

/**
 * DOC: store
 *
 * Where written-back folios live. A backup belongs to a store. Kernel counterpart: the swap
 * devices.
 *
 * A folio that cannot be written, because there is no free slot or the device has an error, stays
 * in memory. A device that takes no writes at all is left alone. It is tried again after 10 ms,
 * then after twice as long, up to a second, until a write succeeds. Meanwhile the other devices of
 * the store are used. A folio that cannot be read, or whose checksum does not match, is -EIO for
 * the call that needs it, and stays in its slot for another try.
 */
struct zcs_store;

/**
 * zcs_store_open - open a store
 * @spec: "mem:", or devices joined by ";"
 * @store: where the store is put
 *
 * Specs:
 *
 *	mem:			folios stay resident and are never written back
 *	file:/path?size=8G	a file that must not exist; it is unlinked at once
 *	file:?size=8G		an unnamed file in TMPDIR, else in /tmp
 *	file:/path?keep=1	a file that is kept, and may exist. Then it must be a regular file
 *				of the caller's, without other links, mode 0600. It is locked while
 *				the store is open
 *	/dev/..., dev:/dev/...	a block device, opened exclusively; its content is overwritten
 *
 * Keys follow "?" and are joined by "&":
 *
 *	size		bytes, with K, M, G or T
 *	prio		the higher is filled first; equal ones are striped
 *	keep		1: see above
 *	discard		1: give freed clusters back
 *	direct		1: O_DIRECT or fail; 0: never; default: where the file system takes it
 *	depth		transfers in flight
 *
 * %XX in a path is the byte XX. Files are made with mode 0600, never reached through a symlink, and
 * preallocated. The call takes the memory for slots, checksums and requests; afterwards the store
 * allocates nothing.
 *
 * Return: 0, and the caller holds a reference. Each error comes with a message that names the
 * device and the reason: -EINVAL: NULL, an empty spec, an unknown key (the known ones are listed)
 * or value, a size under 2 MiB, keep=1 without a path, more than 32 devices; -EPROTONOSUPPORT: no
 * such kind of store; -EEXIST: the file exists and keep=1 is not given; -ELOOP: a symlink; -EPERM:
 * an existing file that is not only the caller's; -EBUSY: in use; -ENOTBLK: no block device;
 * -EOPNOTSUPP: direct=1 and refused; -EFBIG: over RLIMIT_FSIZE, or 3968 GiB in all; -ENOSPC,
 * -ENOMEM, -EAGAIN: no threads; or another error of the system. Thread-safe.
 */
ZCS_API int zcs_store_open(const char *spec, struct zcs_store **store);

/**
 * zcs_store_bytes_avail - room left
 * @store: which
 *
 * Not every folio can use all of that room: a folio of 2^order pages needs that many slots in a
 * row, aligned to their number. Slots that clean folios in memory keep are not counted.
 *
 * Return: bytes of free slots; INT64_MAX for "mem:", which cannot be full (folios inserted there
 * still count against their pool); -EINVAL for NULL. Thread-safe. Kernel counterpart:
 * ttm_backup_bytes_avail().
 */
ZCS_API int64_t zcs_store_bytes_avail(struct zcs_store *store);

/**
 * zcs_store_close - drop the caller's reference
 * @store: NULL is ignored; the store closes when its last backup is gone
 *
 * Thread-safe.
 */
ZCS_API void zcs_store_close(struct zcs_store *store);

/**
 * zcs_store_check - verify a store's invariants
 * @store: quiescent
 *
 * Return: 0; -EUCLEAN, logged; -EINVAL.
 */
ZCS_API int zcs_store_check(struct zcs_store *store);

/**
 * struct zcs_store_stats - what a store holds and did; all 0 for "mem:"
 * @struct_size: sizeof(struct zcs_store_stats), set by the caller
 * @slots: slots of 4 KiB == @free_slots + @used_slots + @retired_slots. A slot is retired when its
 *	writes failed twice while writes to other slots of the device succeeded
 * @discarded_slots: slots given back to the device
 * @reads, @writes: transfers that succeeded; @read_bytes, @written_bytes: their bytes
 * @read_errors, @write_errors: transfers that failed; @bad_checksums: failed reads that brought
 *	other bytes than were written
 * @short_transfers, @retries: transfers that were continued; that were begun again
 * @written_blocks: folios written back; @same_blocks: same-filled folios, without I/O;
 *	@clean_blocks: folios whose slot was still valid, without I/O
 * @no_space: folios that stayed resident because no slot was free, or the slot's file system had no
 *	room
 * @cancelled, @abandoned: writes whose folio was wanted back before the device had the request;
 *	after it had the request
 * @ra_read: blocks read ahead; @ra_hits: blocks read ahead and taken later; @ra_wasted: blocks read
 *	ahead and not taken
 * @io_uring: true: io_uring transfers; false: threads transfer
 * @direct_devices, @buffered_devices: devices with O_DIRECT; without it
 * @devices_away: devices that take no writes now
 * @outages: times that a device began to take no writes. The begin and the end of each are logged
 * @held_back: folios that stayed resident because no device with free slots took writes
 */
struct zcs_store_stats {
	size_t struct_size;
	uint64_t slots, free_slots, used_slots, retired_slots, discarded_slots;
	uint64_t reads, writes, read_bytes, written_bytes;
	uint64_t read_errors, write_errors, bad_checksums, short_transfers, retries;
	uint64_t written_blocks, same_blocks, clean_blocks, no_space, cancelled, abandoned;
	uint64_t ra_read, ra_hits, ra_wasted;
	bool io_uring;
	uint32_t direct_devices, buffered_devices, devices_away;
	uint64_t outages, held_back;
};

/** zcs_store_stats - read a store's counters; 0 or -EINVAL. Thread-safe. */
ZCS_API int zcs_store_stats(struct zcs_store *store, struct zcs_store_stats *stats);

/**
 * zcs_store_dump - the devices and counters as one line of text
 * @store: which
 * @buf: at least @size bytes; may be NULL if @size is 0
 * @size: bytes at @buf; the text is cut there and always ends in NUL
 *
 * Return: bytes of the whole text without its NUL (snprintf's rule); -EINVAL. Thread-safe.
 */
ZCS_API int64_t zcs_store_dump(struct zcs_store *store, char *buf, size_t size);

#ifdef __cplusplus
}
#endif

#endif
