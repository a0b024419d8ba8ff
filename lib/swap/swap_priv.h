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
 * @free: by order, the free blocks: number n is the slots from n << order. A buddy system: two free
 *	neighbours that make a block of the next order are one
 * @used: a bit a slot
 * @stale: free clusters that are still to be discarded; each is in free[9] too
 * @nr_free, @nr_used, @nr_retired: slots; their sum is @nr
 * @nr_discarding: clusters being discarded, and @nr_aside: slots set aside: counted in @nr_free,
 *	but in no map
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
/* The lowest run from slot @from on, or if there is none, of all. */
int zcs_slots_alloc_from(struct zcs_slots *slots, unsigned order, uint32_t from, uint32_t *slot);
bool zcs_slots_used(const struct zcs_slots *slots, uint32_t slot, unsigned order);
void zcs_slots_free(struct zcs_slots *slots, uint32_t slot, unsigned order, bool discard);
void zcs_slots_retire(struct zcs_slots *slots, uint32_t slot, unsigned order);
/* Used slots that are free but not given out; they end free or retired. */
void zcs_slots_set_aside(struct zcs_slots *slots, uint32_t slot, unsigned order);
void zcs_slots_back_from_aside(struct zcs_slots *slots, uint32_t slot, unsigned order,
			       bool discard);
void zcs_slots_retire_aside(struct zcs_slots *slots, uint32_t slot, unsigned order);
/* Takes neighbouring stale clusters, @max at most, out of the maps; and puts them back. */
uint32_t zcs_slots_discard_begin(struct zcs_slots *slots, uint32_t max, uint32_t *cluster);
void zcs_slots_discard_end(struct zcs_slots *slots, uint32_t cluster, uint32_t nr);
int zcs_slots_check(const struct zcs_slots *slots);

/*
 * struct zcs_swap_spec - one device, as asked for
 * @path: decoded, to be freed; "": an unnamed file
 * @size: bytes; 0: all there is
 * @direct: 1 insisted on, 0 refused, -1 either
 * @depth: 0: the default
 */
struct zcs_swap_spec {
	bool block, keep, discard;
	char *path;
	uint64_t size;
	int prio, direct;
	unsigned depth;
};

/* As many runs as are likely to fail at once; of more, nothing is remembered. */
#define ZCS_OUTAGE_RUNS 128u

/*
 * struct zcs_slot_run - slots whose write failed, numbered within their device
 * @given: their writer has given them up
 * @judged: whether they or the device are to blame is known; @bad: they are
 */
struct zcs_slot_run {
	uint32_t slot;
	unsigned order;
	bool given, judged, bad;
};

/*
 * struct zcs_outage - how a device takes writes; under the slots_lock, but @doubt and @away for who
 * only looks
 * @doubt: something of the following is not as it is with a device that works
 * @row: writes that failed since the last that worked; @since_ns: when the first of them did;
 *	@error: of the last
 * @alone: no slots are given out before @until_ns, and then one run for one write: @probing, slot
 *	@probe
 * @away: that one failed too
 * @pause_ns: from one attempt to the next
 * @place: where the last attempt was made, in parts of the device
 * @outages: times that @away became true
 * @run: what failed and is not settled; @suspect: what failed once while the device worked; free
 *	places have no @bad
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
 * @sector: a transfer is continued at a multiple of this
 * @direct: O_DIRECT is on
 * @sparse: the file system could not preallocate
 * @refusing: its file system had no room for the last write
 * @writing: a buffered write is under way, from its transfer to the end of its sync; under the
 *	swap's lock
 * @outage, @slots: see there
 * @turn, @turn_left: in the first device of its priority: the device to allocate from, and how many
 *	slots more before the next one's turn
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

/* OWN is no queue: reads that their callers' threads do themselves. */
enum zcs_swap_queue {
	ZCS_QUEUE_URGENT,
	ZCS_QUEUE_READ,
	ZCS_QUEUE_WRITE,
	ZCS_QUEUE_OWN,
	ZCS_QUEUES
};

/* Of a request; 0 is what its owner's memory should say before the first submit. */
enum zcs_req_state { ZCS_REQ_IDLE, ZCS_REQ_QUEUED, ZCS_REQ_FLYING };

/* A request is in one list at a time. */
TAILQ_HEAD(zcs_req_list, zcs_swap_req);

/*
 * How requests reach the kernel. start() makes the I/O threads and leaves nothing on failure;
 * wake() rouses one that sleeps. @ring: one thread, and transfers that run side by side.
 */
struct zcs_swap_engine {
	bool ring;
	int (*start)(struct zcs_swap *swap);
	void (*wake)(struct zcs_swap *swap);
};

extern const struct zcs_swap_engine zcs_swap_uring, zcs_swap_threads;
struct zcs_uring;

/* Kinds of messages; of each there are only so many. */
enum zcs_complaint { ZCS_COMPLAINT_READ, ZCS_COMPLAINT_WRITE, ZCS_COMPLAINT_SUM, ZCS_COMPLAINTS };

/*
 * struct zcs_swap
 * @dev: by falling priority
 * @sum: a checksum a slot; written when its write is done, read when its read is
 * @slots_lock: protects the devices' slots, turns and discard flags
 * @slots_cond: a cluster became stale, or was discarded, or @discard_flush or @discard_stop changed
 * @lock: protects all below it
 * @queue: requests that no thread has taken
 * @pending: requests from submit to the return of done
 * @flying, @flying_bytes: taken by a thread and not landed, by queue
 * @calm: bytes that landed since the last urgent read
 * @idle: threads that sleep until woken; @stop: they are to end
 * @work: for the engine of threads; @drained: pending became 0
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
	uint32_t flying[ZCS_QUEUES];
	uint64_t flying_bytes[ZCS_QUEUES], calm;
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
 * -- swap_outage.c; all but the first two with the slots_lock held, and slots numbered within the
 * device
 */
/* Whether an error of a write may be the slots' or the device's. */
bool zcs_outage_concerns(int err);
/* What a write that is over says about its slots and its device. */
void zcs_outage_judge(struct zcs_swap *swap, const struct zcs_swap_req *req);
/* Whether slots may be given out now; and a run, under that condition. */
bool zcs_outage_allows(const struct zcs_swap_dev *dev);
int zcs_outage_alloc(struct zcs_swap_dev *dev, unsigned order, uint32_t *slot);
/* A run is given up; @failed: by its writer, after an error. True: it has been seen to. */
bool zcs_outage_give_up(struct zcs_swap_dev *dev, uint32_t slot, unsigned order, bool failed);
/* Gives back what is set aside, for there is no other slot. False: nothing was. */
bool zcs_outage_return_runs(struct zcs_swap_dev *dev);

/* -- swap_sum.c */
/* Stores the checksums of slots @from to @from + @nr of a request. */
void zcs_swap_sum(struct zcs_swap *swap, struct zcs_swap_req *req, uint32_t from, uint32_t nr);
/* Compares those of all its slots: 0, or -EIO and a message. */
int zcs_swap_verify(struct zcs_swap *swap, struct zcs_swap_req *req);

/* -- swap_discard.c */
int zcs_swap_discard_start(struct zcs_swap *swap);
void zcs_swap_discard_stop(struct zcs_swap *swap);
/* Waits until no cluster is stale. */
void zcs_swap_discard_flush(struct zcs_swap *swap);

/* -- swap_stats.c */
/* A message about a transfer, unless there were many of its kind. */
void zcs_swap_complain(struct zcs_swap *swap, const struct zcs_swap_req *req,
		       enum zcs_complaint kind, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));
/* Adds one to a member of the swap's stats; takes its lock. */
void zcs_swap_count(struct zcs_swap *swap, uint64_t *counter);

/* -- swap_queue.c, for the engines */
/*
 * A request that may go to the kernel now, or NULL; @sleep: the caller will then sleep until woken.
 */
struct zcs_swap_req *zcs_swap_next(struct zcs_swap *swap, bool sleep);
/* The same, but waits on @work; NULL: the thread is to end. */
struct zcs_swap_req *zcs_swap_wait(struct zcs_swap *swap);
/* The caller no longer sleeps. */
void zcs_swap_awake(struct zcs_swap *swap);
bool zcs_swap_stopped(struct zcs_swap *swap);
/* The transfer of @req is over; what is left to do is the caller's. Others may start. */
void zcs_swap_landed(struct zcs_swap *swap, struct zcs_swap_req *req);
/* The caller moves @req itself, at once and beside the queues. False: it is refused. */
bool zcs_swap_begin_own(struct zcs_swap *swap, struct zcs_swap_req *req);
/* Accounts for @req, which has landed, and calls its done. */
void zcs_swap_finish(struct zcs_swap *swap, struct zcs_swap_req *req);

/* -- swap_transfer.c */
/* What a transfer came to: true if it goes on. */
bool zcs_swap_step(struct zcs_swap *swap, struct zcs_swap_req *req, int64_t moved);
/* An error of a transfer: true if it is to be begun again, else it is the request's from now on. */
bool zcs_swap_again(struct zcs_swap *swap, struct zcs_swap_req *req, int err);
/* Moves what is left of a request with pread or pwrite. */
void zcs_swap_move(struct zcs_swap *swap, struct zcs_swap_req *req);
/* All of it, from the transfer to zcs_swap_finish(), on the caller's thread. */
void zcs_swap_do(struct zcs_swap *swap, struct zcs_swap_req *req);
/* Waits until a buffered write is on disk. */
void zcs_swap_sync(struct zcs_swap *swap, struct zcs_swap_req *req);

/* -- swap_uring.c */
/* When its thread has ended; nothing if there was none. */
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

/* What is left of a transfer: bytes, address, place on the device. */
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
