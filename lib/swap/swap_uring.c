/* SPDX-License-Identifier: MIT */
/*
 * The io_uring engine: one ring, touched by one thread alone. The thread takes requests that may
 * start and hands them to the kernel with one call. Then it sums the writes it has just started
 * while the device works on them, and reaps completions. A landed transfer is verified only after
 * the device has its next work: some devices end many transfers with one interrupt, and would idle
 * during the sums of all of these. A submitter wakes the thread through an eventfd that the ring
 * reads, and only if the thread sleeps and could start the new request.
 *
 * Submitters do not fill the ring themselves, because the kernel finishes a transfer in the context
 * of the thread that started it. A caller that waits for its read would be woken, finish, wake the
 * I/O thread that reaps, and be woken again. A read with a waiting caller is best done without the
 * ring (zcs_swap_read()).
 *
 *	buffers are not registered	that would save 10 of the 1100 us of a 2 MiB transfer, and
 *					an arena is larger than the limit for registered memory
 *	a lone read is not split	its pieces came no sooner than the whole
 *	no DEFER_TASKRUN		completions must show up without a call, even when
 *					calls are suddenly refused
 *
 * A ring may fail later on, when a sandbox forbids its call. Then pread and pwrite move the
 * requests that the kernel did not take, and the thread waits for the others. From then on the
 * thread works like those of swap_threads.c.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/log.h"
#include "swap_priv.h"
#include "sys/sys.h"
#include "sys/sys_uring.h"

#define SUM_SLOTS 32u /* summed between two looks at the ring */
#define TRIES	  100

/*
 * struct zcs_uring
 * @event: eventfd
 * @counter: receives the value of @event
 * @entries: size of the ring
 * @req: requests of the last prepared entries, by @prepared % @entries; NULL: the event
 * @with_kernel: prepared and not reaped, without the event
 * @tries: calls that failed in a row
 * @unsummed: writes in flight whose checksums are not complete
 * @landed: transfers that are over, and are still to be summed or verified, and finished
 */
struct zcs_uring {
	struct zcs_swap *swap;
	struct io_uring ring;
	int event;
	uint64_t counter;
	unsigned entries;
	struct zcs_swap_req **req;
	uint64_t prepared;
	unsigned with_kernel, tries;
	bool dead;
	struct zcs_req_list unsummed, landed;
};

static void lose_ring(struct zcs_uring *u, const char *why)
{
	u->dead = true;
	zcs_warn("swap %s: io_uring failed: %s; going on without it", u->swap->dev[0].name, why);
}

/* Submits the prepared entries and waits for @wait completions. May lose the ring. */
static void enter_ring(struct zcs_uring *u, unsigned wait)
{
	int r = zcs_sys_uring_enter(&u->ring, wait);

	if (r >= 0)
		u->tries = 0;
	else if (r == -EINTR)
		return;
	else if ((r != -EAGAIN && r != -EBUSY) || ++u->tries > TRIES)
		lose_ring(u, strerror(-r));
	else if (!io_uring_cq_ready(&u->ring))
		zcs_sys_sleep_us(1000);
}

/* A free entry; NULL: the ring was lost. */
static struct io_uring_sqe *get_sqe(struct zcs_uring *u)
{
	for (unsigned i = 0; !u->dead; i++) {
		struct io_uring_sqe *sqe = zcs_sys_uring_sqe(&u->ring);

		if (sqe)
			return sqe;
		zcs_swap_count(u->swap, &u->swap->stats.full);
		if (i == TRIES)
			lose_ring(u, "the ring stays full");
		else
			enter_ring(u, 0);
	}
	return NULL;
}

static void set_req(struct zcs_uring *u, struct io_uring_sqe *sqe, struct zcs_swap_req *req)
{
	io_uring_sqe_set_data(sqe, req);
	u->req[u->prepared++ % u->entries] = req;
	u->with_kernel += req != NULL;
}

static void arm_event(struct zcs_uring *u)
{
	struct io_uring_sqe *sqe = get_sqe(u);

	if (!sqe)
		return;
	io_uring_prep_read(sqe, u->event, &u->counter, sizeof(u->counter), 0);
	set_req(u, sqe, NULL);
}

/* How much a transfer may move, or an error. A fault point may hold the transfer first. */
static int64_t allowed(struct zcs_swap_req *req)
{
	if (!req->held)
		req->allowed = zcs_sys_transfer_fault(req->op == ZCS_SWAP_WRITE, zcs_req_left(req),
						      &req->hold);
	req->held = zcs_fault_holds(&req->hold);
	return req->allowed;
}

/* Gives a transfer to the kernel. Return: -EINPROGRESS, or its result if that was decided here. */
static int64_t give(struct zcs_uring *u, struct zcs_swap_req *req)
{
	static struct __kernel_timespec tick = { .tv_nsec = 1000000 };
	int64_t len = allowed(req);
	bool decided = len < 0 && !req->held;
	struct io_uring_sqe *sqe = decided ? NULL : get_sqe(u);

	if (!sqe)
		return decided ? len : -ECANCELED;
	if (req->held)
		io_uring_prep_timeout(sqe, &tick, 0, 0);
	else if (req->op == ZCS_SWAP_WRITE)
		io_uring_prep_write(sqe, req->dev->fd, zcs_req_left_addr(req), (unsigned)len,
				    zcs_req_left_offset(req));
	else
		io_uring_prep_read(sqe, req->dev->fd, zcs_req_left_addr(req), (unsigned)len,
				   zcs_req_left_offset(req));
	set_req(u, sqe, req);
	return -EINPROGRESS;
}

/* Makes the checksums of the next slots of a write in flight, at most @max. */
static void sum_some(struct zcs_uring *u, struct zcs_swap_req *req, uint32_t max)
{
	uint32_t all = 1u << req->order, nr = all - req->hashed < max ? all - req->hashed : max;

	zcs_swap_sum(u->swap, req, req->hashed, nr);
	req->hashed += nr;
	if (req->hashed == all)
		TAILQ_REMOVE(&u->unsummed, req, link);
}

static void land(struct zcs_uring *u, struct zcs_swap_req *req);

/* Makes the kernel write a buffered write from the page cache to disk. */
static void run_sync(struct zcs_uring *u, struct zcs_swap_req *req)
{
	struct io_uring_sqe *sqe = NULL;
	int err;

	do {
		err = -zcs_fault(ZCS_FAULT_SYNC_RANGE);
		if (!err)
			sqe = get_sqe(u);
	} while (err && zcs_swap_again(u->swap, req, err));
	if (sqe) {
		io_uring_prep_sync_file_range(sqe, req->dev->fd, (unsigned)zcs_req_bytes(req),
					      zcs_req_offset(req), ZCS_SYS_SYNC_FLAGS);
		set_req(u, sqe, req);
		return;
	}
	if (!err)
		zcs_swap_sync(u->swap, req);
	land(u, req);
}

/* Handles the end of a transfer, good or bad. */
static void land(struct zcs_uring *u, struct zcs_swap_req *req)
{
	bool write = req->op == ZCS_SWAP_WRITE;

	if (write && !req->err && !req->dev->direct && !req->syncing) {
		req->syncing = true;
		run_sync(u, req);
		return;
	}
	if (write && req->hashed < 1u << req->order)
		TAILQ_REMOVE(&u->unsummed, req, link);
	zcs_swap_landed(u->swap, req);
	if (req->queue == ZCS_QUEUE_URGENT)
		TAILQ_INSERT_HEAD(&u->landed, req, link);
	else
		TAILQ_INSERT_TAIL(&u->landed, req, link);
}

static void finish_one(struct zcs_uring *u)
{
	struct zcs_swap_req *req = TAILQ_FIRST(&u->landed);

	TAILQ_REMOVE(&u->landed, req, link);
	if (!req->dev->direct)
		zcs_sys_drop_cache(req->dev->fd, zcs_req_offset(req), zcs_req_bytes(req));
	if (!req->err && req->op == ZCS_SWAP_WRITE)
		zcs_swap_sum(u->swap, req, req->hashed, (1u << req->order) - req->hashed);
	else if (!req->err)
		req->err = zcs_swap_verify(u->swap, req);
	zcs_swap_finish(u->swap, req);
}

/* Moves the rest of a request, or makes the kernel move it. */
static void run_transfer(struct zcs_uring *u, struct zcs_swap_req *req)
{
	bool again = true;

	while (again && !u->dead) {
		int64_t moved = give(u, req);

		if (moved == -EINPROGRESS)
			return;
		if (!u->dead)
			again = zcs_swap_step(u->swap, req, moved);
	}
	if (again)
		zcs_swap_move(u->swap, req);
	land(u, req);
}

static void completed(struct zcs_uring *u, struct zcs_swap_req *req, int result)
{
	u->with_kernel--;
	if (req->held)
		run_transfer(u, req);
	else if (!req->syncing && zcs_swap_step(u->swap, req, result))
		run_transfer(u, req);
	else if (req->syncing && result < 0 && zcs_swap_again(u->swap, req, result))
		run_sync(u, req);
	else
		land(u, req);
}

static void reap(struct zcs_uring *u)
{
	struct io_uring_cqe *cqe;

	while (!io_uring_peek_cqe(&u->ring, &cqe)) {
		struct zcs_swap_req *req = io_uring_cqe_get_data(cqe);
		int result = cqe->res;

		io_uring_cqe_seen(&u->ring, cqe);
		if (req)
			completed(u, req, result);
		else
			arm_event(u);
	}
}

/* Empties the dead ring: waits for the requests that the kernel took, and moves the others. */
static void empty_dead_ring(struct zcs_uring *u)
{
	unsigned left = io_uring_sq_ready(&u->ring), requests = 0;

	for (unsigned i = 1; i <= left; i++)
		requests += u->req[(u->prepared - i) % u->entries] != NULL;
	for (reap(u); u->with_kernel > requests; reap(u))
		zcs_sys_sleep_us(1000);
	for (unsigned i = left; i > 0; i--) {
		struct zcs_swap_req *req = u->req[(u->prepared - i) % u->entries];

		if (req && req->syncing)
			run_sync(u, req);
		else if (req)
			run_transfer(u, req);
	}
	while (!TAILQ_EMPTY(&u->landed))
		finish_one(u);
}

static void use_threads(struct zcs_swap *s)
{
	pthread_mutex_lock(&s->lock);
	s->engine = &zcs_swap_threads;
	s->idle = 0;
	s->stats.uring = false;
	s->stats.why_not = "failed";
	pthread_mutex_unlock(&s->lock);
}

/* Does one round. Return: false: the swap is being closed. */
static bool do_round(struct zcs_uring *u)
{
	bool busy = !TAILQ_EMPTY(&u->unsummed) || !TAILQ_EMPTY(&u->landed);
	struct zcs_swap_req *req = zcs_swap_next(u->swap, !busy);

	if (req) {
		if (req->op == ZCS_SWAP_WRITE)
			TAILQ_INSERT_TAIL(&u->unsummed, req, link);
		run_transfer(u, req);
		return true;
	}
	if (!busy) {
		if (zcs_swap_stopped(u->swap))
			return false;
		enter_ring(u, 1);
		zcs_swap_awake(u->swap);
	} else if (io_uring_sq_ready(&u->ring)) {
		enter_ring(u, 0);
	} else if (!TAILQ_EMPTY(&u->landed)) {
		finish_one(u);
	} else {
		sum_some(u, TAILQ_FIRST(&u->unsummed), SUM_SLOTS);
	}
	reap(u);
	return true;
}

static void *uring_main(void *arg)
{
	struct zcs_uring *u = arg;

	zcs_sys_own_thread("zcs-swap");
	arm_event(u);
	while (!u->dead)
		if (!do_round(u))
			return NULL;
	empty_dead_ring(u);
	use_threads(u->swap);
	zcs_swap_serve(u->swap);
	return NULL;
}

static void wake_uring(struct zcs_swap *s)
{
	zcs_sys_event_add(s->uring->event);
}

void zcs_uring_free(struct zcs_swap *s)
{
	struct zcs_uring *u = s->uring;

	if (!u)
		return;
	if (u->entries)
		io_uring_queue_exit(&u->ring);
	zcs_sys_close(u->event);
	free(u->req);
	free(u);
	s->uring = NULL;
}

static int set_up_uring(struct zcs_uring *u)
{
	unsigned entries = 16;
	int err;

	while (entries < u->swap->depth + 1)
		entries *= 2;
	u->req = zcs_sys_calloc(ZCS_FAULT_ALLOC_SWAP, entries, sizeof(*u->req));
	if (!u->req)
		return -ENOMEM;
	u->event = zcs_sys_event();
	if (u->event < 0)
		return u->event;
	err = zcs_sys_uring(&u->ring, entries);
	if (!err)
		u->entries = entries;
	return err;
}

static int start_uring(struct zcs_swap *s)
{
	int err;

	s->uring = zcs_sys_calloc(ZCS_FAULT_ALLOC_SWAP, 1, sizeof(*s->uring));
	if (!s->uring)
		return -ENOMEM;
	s->uring->swap = s;
	s->uring->event = -1;
	TAILQ_INIT(&s->uring->unsummed);
	TAILQ_INIT(&s->uring->landed);
	err = set_up_uring(s->uring);
	if (!err)
		err = zcs_sys_thread(&s->thread[0], uring_main, s->uring);
	if (err)
		zcs_uring_free(s);
	else
		s->nr_threads = 1;
	return err;
}

const struct zcs_swap_engine zcs_swap_uring = { .ring = true,
						.start = start_uring,
						.wake = wake_uring };
