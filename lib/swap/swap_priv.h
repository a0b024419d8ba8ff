/* SPDX-License-Identifier: MIT */
#ifndef ZCS_LIB_SWAP_PRIV_H
#define ZCS_LIB_SWAP_PRIV_H

#include <pthread.h>
#include <stdatomic.h>

#include "swap.h"
#include "swap_map.h"

#define ZCS_SWAP_THREADS 4u

/*
 * struct zcs_slots - the slot maps of a device, under the swap's slots_lock
 * @nr: slots, a multiple of 512
 * @free: the free blocks, by order; number n stands for the slots from n << order. A buddy system:
 *	two free buddies are joined into one block of the next order
 * @used: a bit for each slot
 * @stale: free clusters that wait for their discard; each is in free[9] too
 * @nr_free, @nr_used, @nr_retired: slots; their sum is @nr
 * @nr_discarding: clusters that are being discarded; counted in @nr_free, but in no map
 * @nr_aside: slots that are set aside; counted in @nr_free, but in no map
 * @nr_stale: members of @stale
 */
struct zcs_slots {
	uint32_t nr;
	struct zcs_map free[ZCS_CLUSTER_ORDER + 1];
	uint64_t *used;
	struct zcs_map stale;
	uint64_t nr_free, nr_used, nr_retired, nr_aside;
	uint32_t nr_stale, nr_discarding;
	void *memory;
	size_t memory_bytes;
};

int zcs_slots_init(struct zcs_slots *slots, uint32_t nr);
void zcs_slots_fini(struct zcs_slots *slots);
int zcs_slots_alloc(struct zcs_slots *slots, unsigned order, uint32_t *slot);
/* Allocates the lowest run from slot @from on, or else the lowest of all. */
int zcs_slots_alloc_from(struct zcs_slots *slots, unsigned order, uint32_t from, uint32_t *slot);
bool zcs_slots_used(const struct zcs_slots *slots, uint32_t slot, unsigned order);
void zcs_slots_free(struct zcs_slots *slots, uint32_t slot, unsigned order, bool discard);
void zcs_slots_retire(struct zcs_slots *slots, uint32_t slot, unsigned order);
/*
 * Sets used slots aside: they count as free but are not given out. Later they become free or
 * retired.
 */
void zcs_slots_set_aside(struct zcs_slots *slots, uint32_t slot, unsigned order);
void zcs_slots_back_from_aside(struct zcs_slots *slots, uint32_t slot, unsigned order,
			       bool discard);
void zcs_slots_retire_aside(struct zcs_slots *slots, uint32_t slot, unsigned order);
/* Takes neighbouring stale clusters, at most @max, out of the maps; the second puts them back. */
uint32_t zcs_slots_discard_begin(struct zcs_slots *slots, uint32_t max, uint32_t *cluster);
void zcs_slots_discard_end(struct zcs_slots *slots, uint32_t cluster, uint32_t nr);
int zcs_slots_check(const struct zcs_slots *slots);

/*
 * struct zcs_swap_spec - the specification of one device
 * @path: decoded, to be freed; "": an unnamed file
 * @size: bytes; 0: the whole file or device
 * @direct: 1: insist on O_DIRECT; 0: refuse it; -1: either
 * @depth: 0: the default
 */
struct zcs_swap_spec {
	bool block, keep, discard;
	char *path;
	uint64_t size;
	int prio, direct;
	unsigned depth;
};

/* Enough for the runs that are likely to fail at once; further runs are not remembered. */
#define ZCS_OUTAGE_RUNS 128u

/*
 * struct zcs_slot_run - slots whose write failed, numbered within their device
 * @given: their writer has freed them
 * @judged: known whether the slots or the device are to blame
 * @bad: the slots are to blame
 */
struct zcs_slot_run {
	uint32_t slot;
	unsigned order;
	bool given, judged, bad;
};

/*
 * struct zcs_outage - how a device takes writes; see swap_outage.c for the states
 *
 * All of it is under the slots_lock, but readers without the lock may look at @doubt and @away.
 *
 * @doubt: some member below differs from that of a healthy device
 * @row: writes that failed since the last one that worked
 * @since_ns: time of the first of them
 * @error: error of the last of them
 * @alone: no slots are given out before @until_ns, and then one run for one write, the attempt
 * @probing: that attempt is under way
 * @probe: slot of the attempt
 * @away: an attempt has failed too
 * @pause_ns: from one attempt to the next
 * @place: place of the last attempt, in 65536ths of the device
 * @outages: times that @away became true
 * @run: runs that failed and are not settled
 * @suspect: runs that failed once while the device worked; an unused entry has no @bad
 */
struct zcs_outage {
	atomic_bool doubt, away;
	bool alone, probing;
	unsigned row;
	int error;
	uint32_t probe;
	uint16_t place;
	uint64_t since_ns, until_ns, pause_ns, outages;
	unsigned nr_runs, nr_suspects, next_suspect;
	struct zcs_slot_run run[ZCS_OUTAGE_RUNS], suspect[ZCS_OUTAGE_RUNS];
};

/*
 * struct zcs_swap_dev - a device
 * @name: for messages
 * @first: its first slot in the swap
 * @made: a kept file that did not exist before
 * @bytes: usable, a multiple of 2 MiB
 * @sector: a short transfer continues at a multiple of this
 * @direct: O_DIRECT is on
 * @sparse: the file system could not preallocate
 * @refusing: its file system had no room for the last write
 * @writing: a buffered write is in flight, from its transfer to the end of its sync; under the
 *	swap's lock
 * @outage, @slots: see there
 * @turn: in the first device of its priority: the device to allocate from
 * @turn_left: slots that are left before the next device's turn
 */
struct zcs_swap_dev {
	char *name;
	int fd;
	bool block, keep, made, direct, discard, sparse, writing;
	int prio;
	uint64_t bytes;
	uint32_t sector, first;
	atomic_bool refusing;
	struct zcs_outage outage;
	struct zcs_slots slots;
	unsigned turn;
	uint32_t turn_left;
};

/* OWN is no queue: it counts the reads that their callers' threads do themselves. */
enum zcs_swap_queue {
	ZCS_QUEUE_URGENT,
	ZCS_QUEUE_READ,
	ZCS_QUEUE_WRITE,
	ZCS_QUEUE_OWN,
	ZCS_QUEUES
};

/* State of a request. The owner sets 0 (IDLE) before the first submission. */
enum zcs_req_state { ZCS_REQ_IDLE, ZCS_REQ_QUEUED, ZCS_REQ_IN_FLIGHT };

/* A request is in one list at a time. */
TAILQ_HEAD(zcs_req_list, zcs_swap_req);

/*
 * struct zcs_swap_engine - how requests reach the kernel
 * @ring: one thread, whose transfers run side by side
 * @start: makes the I/O threads; leaves nothing behind on failure
 * @wake: wakes a thread that sleeps
 */
struct zcs_swap_engine {
	bool ring;
	int (*start)(struct zcs_swap *swap);
	void (*wake)(struct zcs_swap *swap);
};

extern const struct zcs_swap_engine zcs_swap_uring, zcs_swap_threads;
struct zcs_uring;

/* Kinds of messages about transfers; each kind has a limit of its own. */
enum zcs_complaint { ZCS_COMPLAINT_READ, ZCS_COMPLAINT_WRITE, ZCS_COMPLAINT_SUM, ZCS_COMPLAINTS };

/*
 * struct zcs_swap
 * @dev: by falling priority
 * @sum: a checksum for each slot; set when the slot's write is done, compared when its read is
 * @slots_lock: protects the devices' slots, turns and discard flags
 * @slots_cond: a cluster became stale or was discarded, or @discard_flush or @discard_stop changed
 * @lock: protects all below it
 * @queue: requests that no thread has taken
 * @pending: requests from submission to the return of their done()
 * @in_flight, @in_flight_bytes: requests in flight, by queue: taken by a thread and not landed
 * @calm: bytes that landed since the last urgent read
 * @idle: threads that sleep until woken
 * @stop: the threads are to end
 * @work: for the engine of threads
 * @drained: @pending became 0
 * @complaints: messages so far, by kind
 */
struct zcs_swap {
	unsigned nr_devs, depth;
	struct zcs_swap_dev *dev;
	uint32_t nr_slots;
	uint32_t *sum;

	pthread_mutex_t slots_lock;
	pthread_cond_t slots_cond;
	pthread_t discard_thread;
	bool discard_running, discard_flush, discard_stop;
	uint64_t discarded;

	pthread_mutex_t lock;
	pthread_cond_t work, drained;
	const struct zcs_swap_engine *engine;
	pthread_t thread[ZCS_SWAP_THREADS];
	unsigned nr_threads;
	struct zcs_req_list queue[ZCS_QUEUES];
	uint32_t queued, pending;
	uint32_t in_flight[ZCS_QUEUES];
	uint64_t in_flight_bytes[ZCS_QUEUES], calm;
	unsigned idle;
	bool stop;
	unsigned complaints[ZCS_COMPLAINTS];
	struct zcs_swap_stats stats;
	struct zcs_uring *uring;
};

/* -- swap_spec.c */
int zcs_swap_parse(const char *text, struct zcs_swap_spec *specs, unsigned *nr);
void zcs_swap_free_specs(struct zcs_swap_spec *specs, unsigned nr);
int zcs_swap_open_dev(const struct zcs_swap_spec *spec, struct zcs_swap_dev *dev);

/* -- swap_slots.c */
int zcs_swap_reserve(size_t bytes, void **memory);
struct zcs_swap_dev *zcs_swap_dev_of(struct zcs_swap *swap, uint32_t slot, unsigned order);

/*
 * -- swap_outage.c; the caller holds the slots_lock, except in the first two. Slots are numbered
 * within the device
 */
/* Whether an error of a write may be the fault of the slots or the device. */
bool zcs_outage_concerns(int err);
/*
 * Draws the conclusions from the end of a write for its slots and its device. Takes the slots_lock.
 */
void zcs_outage_judge(struct zcs_swap *swap, const struct zcs_swap_req *req);
/*
 * Whether slots of the device may be given out now. The second gives out a run under that
 * condition.
 */
bool zcs_outage_allows(const struct zcs_swap_dev *dev);
int zcs_outage_alloc(struct zcs_swap_dev *dev, unsigned order, uint32_t *slot);
/*
 * Notes that a writer frees a run; @failed: after an error. Return: true: the run is set aside or
 * settled, and the caller has nothing more to do.
 */
bool zcs_outage_give_up(struct zcs_swap_dev *dev, uint32_t slot, unsigned order, bool failed);
/* Frees all runs that are set aside, because no other slot is left. Return: false: no run was. */
bool zcs_outage_return_runs(struct zcs_swap_dev *dev);

/* -- swap_sum.c */
/* Stores the checksums of slots @from to @from + @nr of a request. */
void zcs_swap_sum(struct zcs_swap *swap, struct zcs_swap_req *req, uint32_t from, uint32_t nr);
/* Compares the checksums of all slots of a request. Return: 0; -EIO after a message. */
int zcs_swap_verify(struct zcs_swap *swap, struct zcs_swap_req *req);

/* -- swap_discard.c */
int zcs_swap_discard_start(struct zcs_swap *swap);
void zcs_swap_discard_stop(struct zcs_swap *swap);
/* Waits until no cluster is stale. */
void zcs_swap_discard_flush(struct zcs_swap *swap);

/* -- swap_stats.c */
/* Logs a message about a transfer, unless there were many of its kind. Takes the swap's lock. */
void zcs_swap_complain(struct zcs_swap *swap, const struct zcs_swap_req *req,
		       enum zcs_complaint kind, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));
/* Adds one to a counter of the swap's stats. Takes the swap's lock. */
void zcs_swap_count(struct zcs_swap *swap, uint64_t *counter);

/* -- swap_queue.c, for the engines */
/*
 * Takes a request that may go to the kernel now. Return: NULL: no request; with @sleep the caller
 * then sleeps until woken.
 */
struct zcs_swap_req *zcs_swap_next(struct zcs_swap *swap, bool sleep);
/* The same, but waits on @work. Return: NULL: the thread is to end. */
struct zcs_swap_req *zcs_swap_wait(struct zcs_swap *swap);
/* The caller no longer sleeps. */
void zcs_swap_awake(struct zcs_swap *swap);
bool zcs_swap_stopped(struct zcs_swap *swap);
/* Notes that the transfer of @req is over, so that others may start. The caller does the rest. */
void zcs_swap_landed(struct zcs_swap *swap, struct zcs_swap_req *req);
/*
 * Notes that the caller moves @req itself, at once and beside the queues. Return: false: refused.
 */
bool zcs_swap_begin_own(struct zcs_swap *swap, struct zcs_swap_req *req);
/* Accounts for @req, which has landed, and calls its done(). */
void zcs_swap_finish(struct zcs_swap *swap, struct zcs_swap_req *req);

/* -- swap_transfer.c */
/* Notes how much a transfer moved, or its error. Return: whether the transfer goes on. */
bool zcs_swap_step(struct zcs_swap *swap, struct zcs_swap_req *req, int64_t moved);
/*
 * Notes an error of a transfer. Return: true: the transfer is begun again; false: the request has
 * failed with this error.
 */
bool zcs_swap_again(struct zcs_swap *swap, struct zcs_swap_req *req, int err);
/* Moves what is left of a request with pread or pwrite. */
void zcs_swap_move(struct zcs_swap *swap, struct zcs_swap_req *req);
/* Does a whole request on the caller's thread, from the transfer to zcs_swap_finish(). */
void zcs_swap_do(struct zcs_swap *swap, struct zcs_swap_req *req);
/* Waits until a buffered write is on disk. */
void zcs_swap_sync(struct zcs_swap *swap, struct zcs_swap_req *req);

/* -- swap_uring.c */
/* Frees the ring, after its thread has ended. Does nothing if there is no ring. */
void zcs_uring_free(struct zcs_swap *swap);

/* -- swap_threads.c */
/* Serves requests until the thread is to end. */
void zcs_swap_serve(struct zcs_swap *swap);

static inline size_t zcs_req_bytes(const struct zcs_swap_req *req)
{
	return (size_t)ZCS_SLOT_BYTES << req->order;
}

static inline uint64_t zcs_req_offset(const struct zcs_swap_req *req)
{
	return (uint64_t)(req->slot - req->dev->first) * ZCS_SLOT_BYTES;
}

/* The rest of a transfer: bytes, address, place on the device. */
static inline size_t zcs_req_left(const struct zcs_swap_req *req)
{
	return zcs_req_bytes(req) - req->moved;
}

static inline char *zcs_req_left_addr(const struct zcs_swap_req *req)
{
	return (char *)req->addr + req->moved;
}

static inline uint64_t zcs_req_left_offset(const struct zcs_swap_req *req)
{
	return zcs_req_offset(req) + req->moved;
}

#endif
