/* SPDX-License-Identifier: MIT */
/*
 * The queues between submitters and the threads that do the I/O.
 *
 *	submit ─▶ urgent ─┐
 *	       ─▶ reads  ─┼─ next ─▶ engine ─▶ kernel ─▶ checksum ─▶ done
 *	       ─▶ writes ─┘
 *
 * A request in the kernel cannot be overtaken, so the kernel is given few bytes at a time:
 *
 *	8 MiB (4 clusters) of writes, and as much of reads that no thread waits for
 *	2 MiB while an urgent read is there
 *	32 MiB after 64 MiB without an urgent read
 *
 * The last limit counts where the I/O thread has to wait for a CPU: writes reach 0.78 of the
 * device's speed with 8 MiB, and all of it with 32 MiB. Bytes are bounded and not requests, for a
 * device needs more small requests to stay busy.
 *
 * A quarter of the depth is left to urgent reads, or one request after 64 MiB without any: with 12
 * of 16 requests a device wrote at 0.92 of its speed with 16. Of two classes that both wait, the
 * one with fewer requests in flight is next, so neither starves the other. A landed transfer, of
 * which only the checksum is missing, no longer counts.
 *
 * Without O_DIRECT the writes of a device go one at a time, from the transfer to the end of its
 * sync. The kernel keeps errors of writing out for each open file and reports each error once. Of
 * two writes, the first to be synced would receive the other's error. The other would then look
 * good, and its pages would be freed.
 */
#include <errno.h>

#include "common/log.h"
#include "swap_priv.h"

#define BYTES	      (8u << 20)
#define BYTES_HURRIED (2u << 20)
#define BYTES_CALM    (32u << 20)
#define CALM_AFTER    (64u << 20)

static void push(struct zcs_swap *s, struct zcs_swap_req *req, enum zcs_swap_queue q)
{
	req->queue = (uint8_t)q;
	TAILQ_INSERT_TAIL(&s->queue[q], req, link);
}

static void unlink_req(struct zcs_swap *s, struct zcs_swap_req *req)
{
	TAILQ_REMOVE(&s->queue[req->queue], req, link);
}

/*
 * Requests that the engine has in flight. Reads of the callers' own threads use none of the depth.
 */
static uint32_t all_in_flight(const struct zcs_swap *s)
{
	return s->in_flight[ZCS_QUEUE_URGENT] + s->in_flight[ZCS_QUEUE_READ] +
	       s->in_flight[ZCS_QUEUE_WRITE];
}

/* The first request of a queue whose device is ready for it. */
static struct zcs_swap_req *first_ready(const struct zcs_swap *s, enum zcs_swap_queue q)
{
	struct zcs_swap_req *req = TAILQ_FIRST(&s->queue[q]);

	while (req && q == ZCS_QUEUE_WRITE && req->dev->writing)
		req = TAILQ_NEXT(req, link);
	return req;
}

/* The next request of a queue, if it may go to the kernel now. */
static struct zcs_swap_req *may_start(const struct zcs_swap *s, enum zcs_swap_queue q)
{
	struct zcs_swap_req *req = first_ready(s, q);
	bool hurried = s->in_flight[ZCS_QUEUE_OWN] || s->in_flight[ZCS_QUEUE_URGENT] ||
		       !TAILQ_EMPTY(&s->queue[ZCS_QUEUE_URGENT]);
	bool calm = !hurried && s->calm >= CALM_AFTER;
	uint64_t limit = hurried ? BYTES_HURRIED : calm ? BYTES_CALM : BYTES;
	uint32_t left = calm ? 1 : (s->depth + 3) / 4;

	if (!req)
		return NULL;
	if (q == ZCS_QUEUE_URGENT)
		return all_in_flight(s) < s->depth ? req : NULL;
	if (all_in_flight(s) >= s->depth - left)
		return NULL;
	return !s->in_flight[q] || s->in_flight_bytes[q] + zcs_req_bytes(req) <= limit ? req : NULL;
}

static void start_flight(struct zcs_swap *s, struct zcs_swap_req *req)
{
	req->state = ZCS_REQ_IN_FLIGHT;
	s->in_flight[req->queue]++;
	s->in_flight_bytes[req->queue] += zcs_req_bytes(req);
	if (req->queue == ZCS_QUEUE_WRITE)
		req->dev->writing = !req->dev->direct;
	if (req->queue == ZCS_QUEUE_URGENT || req->queue == ZCS_QUEUE_OWN)
		s->calm = 0;
}

static struct zcs_swap_req *take(struct zcs_swap *s)
{
	bool reads_first = s->in_flight[ZCS_QUEUE_READ] <= s->in_flight[ZCS_QUEUE_WRITE];
	const enum zcs_swap_queue order[] = {
		ZCS_QUEUE_URGENT,
		reads_first ? ZCS_QUEUE_READ : ZCS_QUEUE_WRITE,
		reads_first ? ZCS_QUEUE_WRITE : ZCS_QUEUE_READ,
	};

	for (unsigned i = 0; i < sizeof(order) / sizeof(order[0]); i++) {
		struct zcs_swap_req *req = may_start(s, order[i]);

		if (!req)
			continue;
		unlink_req(s, req);
		s->queued--;
		start_flight(s, req);
		return req;
	}
	return NULL;
}

struct zcs_swap_req *zcs_swap_next(struct zcs_swap *s, bool sleep)
{
	struct zcs_swap_req *req;

	pthread_mutex_lock(&s->lock);
	req = take(s);
	s->idle = !req && sleep && !s->stop;
	pthread_mutex_unlock(&s->lock);
	return req;
}

struct zcs_swap_req *zcs_swap_wait(struct zcs_swap *s)
{
	struct zcs_swap_req *req;

	pthread_mutex_lock(&s->lock);
	while (!(req = take(s)) && !s->stop) {
		s->idle++;
		pthread_cond_wait(&s->work, &s->lock);
		s->idle--;
	}
	pthread_mutex_unlock(&s->lock);
	return req;
}

bool zcs_swap_stopped(struct zcs_swap *s)
{
	bool stop;

	pthread_mutex_lock(&s->lock);
	stop = s->stop;
	pthread_mutex_unlock(&s->lock);
	return stop;
}

void zcs_swap_awake(struct zcs_swap *s)
{
	pthread_mutex_lock(&s->lock);
	s->idle = 0;
	pthread_mutex_unlock(&s->lock);
}

/* Whether the caller must wake a thread for its new request: the engine to wake, or NULL. */
static const struct zcs_swap_engine *to_wake(struct zcs_swap *s, const struct zcs_swap_req *req)
{
	if (!s->idle || !may_start(s, (enum zcs_swap_queue)req->queue))
		return NULL;
	if (s->engine->ring)
		s->idle = 0;
	return s->engine;
}

static bool prepare(struct zcs_swap *s, struct zcs_swap_req *req)
{
	req->dev = zcs_swap_dev_of(s, req->slot, req->order);
	req->err = 0;
	req->retries = 0;
	req->syncing = false;
	req->held = false;
	req->hashed = 0;
	req->moved = 0;
	return req->dev && req->done && req->op <= ZCS_SWAP_WRITE &&
	       !((uintptr_t)req->addr % ZCS_SLOT_BYTES);
}

static enum zcs_swap_queue queue_of(const struct zcs_swap_req *req)
{
	if (req->op == ZCS_SWAP_WRITE)
		return ZCS_QUEUE_WRITE;
	return req->flags & ZCS_SWAP_URGENT ? ZCS_QUEUE_URGENT : ZCS_QUEUE_READ;
}

void zcs_swap_submit(struct zcs_swap *s, struct zcs_swap_req *req)
{
	const struct zcs_swap_engine *engine;

	if (!prepare(s, req)) {
		zcs_misuse("swap: request of slot %u, order %u, address %p is refused", req->slot,
			   req->order, req->addr);
		if (req->done)
			req->done(req, -EINVAL);
		return;
	}
	pthread_mutex_lock(&s->lock);
	push(s, req, queue_of(req));
	req->state = ZCS_REQ_QUEUED;
	s->queued++;
	s->pending++;
	engine = to_wake(s, req);
	pthread_mutex_unlock(&s->lock);
	if (engine)
		engine->wake(s);
}

bool zcs_swap_begin_own(struct zcs_swap *s, struct zcs_swap_req *req)
{
	if (!prepare(s, req))
		return false;
	req->queue = ZCS_QUEUE_OWN;
	pthread_mutex_lock(&s->lock);
	s->pending++;
	start_flight(s, req);
	pthread_mutex_unlock(&s->lock);
	return true;
}

bool zcs_swap_cancel(struct zcs_swap *s, struct zcs_swap_req *req)
{
	bool queued;

	pthread_mutex_lock(&s->lock);
	queued = req->state == ZCS_REQ_QUEUED;
	if (queued) {
		unlink_req(s, req);
		req->state = ZCS_REQ_IDLE;
		s->queued--;
		s->stats.cancelled++;
		if (!--s->pending)
			pthread_cond_broadcast(&s->drained);
	}
	pthread_mutex_unlock(&s->lock);
	return queued;
}

void zcs_swap_hurry(struct zcs_swap *s, struct zcs_swap_req *req)
{
	const struct zcs_swap_engine *engine = NULL;

	pthread_mutex_lock(&s->lock);
	if (req->state == ZCS_REQ_QUEUED && req->queue == ZCS_QUEUE_READ) {
		unlink_req(s, req);
		push(s, req, ZCS_QUEUE_URGENT);
		engine = to_wake(s, req);
	}
	pthread_mutex_unlock(&s->lock);
	if (engine)
		engine->wake(s);
}

/* Notes whether the last conclusive write found no room in the device's file system. */
static void note_room(const struct zcs_swap_req *req)
{
	if (!req->err)
		atomic_store(&req->dev->refusing, false);
	else if (req->err == -ENOSPC || req->err == -EDQUOT)
		atomic_store(&req->dev->refusing, true);
}

static void account(struct zcs_swap *s, const struct zcs_swap_req *req)
{
	struct zcs_swap_stats *st = &s->stats;
	bool write = req->op == ZCS_SWAP_WRITE;

	if (write)
		note_room(req);
	if (req->err) {
		st->write_errors += write;
		st->read_errors += !write;
	} else if (write) {
		st->writes++;
		st->written_bytes += zcs_req_bytes(req);
	} else {
		st->reads++;
		st->read_bytes += zcs_req_bytes(req);
	}
}

/* Whether a sleeping thread could start a request, now that a transfer has landed. */
static const struct zcs_swap_engine *to_wake_any(struct zcs_swap *s)
{
	if (!s->idle || !(may_start(s, ZCS_QUEUE_URGENT) || may_start(s, ZCS_QUEUE_READ) ||
			  may_start(s, ZCS_QUEUE_WRITE)))
		return NULL;
	return s->engine;
}

void zcs_swap_landed(struct zcs_swap *s, struct zcs_swap_req *req)
{
	const struct zcs_swap_engine *engine;

	pthread_mutex_lock(&s->lock);
	s->in_flight[req->queue]--;
	s->in_flight_bytes[req->queue] -= zcs_req_bytes(req);
	if (req->queue == ZCS_QUEUE_WRITE)
		req->dev->writing = false;
	if (req->queue == ZCS_QUEUE_WRITE || req->queue == ZCS_QUEUE_READ)
		s->calm += zcs_req_bytes(req);
	engine = to_wake_any(s);
	pthread_mutex_unlock(&s->lock);
	if (engine)
		engine->wake(s);
}

void zcs_swap_finish(struct zcs_swap *s, struct zcs_swap_req *req)
{
	int err = req->err;

	if (req->op == ZCS_SWAP_WRITE)
		zcs_outage_judge(s, req);
	pthread_mutex_lock(&s->lock);
	account(s, req);
	req->state = ZCS_REQ_IDLE;
	pthread_mutex_unlock(&s->lock);
	req->done(req, err);
	pthread_mutex_lock(&s->lock);
	if (!--s->pending)
		pthread_cond_broadcast(&s->drained);
	pthread_mutex_unlock(&s->lock);
}
