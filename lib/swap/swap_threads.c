/* SPDX-License-Identifier: MIT */
/*
 * The engine of threads, for where io_uring is not to be had: four threads that each take a
 * request, move it with pread or pwrite until it is whole, and finish it. One of the four is always
 * left to urgent reads (a quarter of the depth, swap_queue.c).
 */
#include <errno.h>

#include "swap_priv.h"
#include "sys/sys.h"

void zcs_swap_move(struct zcs_swap *s, struct zcs_swap_req *req)
{
	int64_t moved;

	do {
		char *addr = zcs_req_left_addr(req);
		size_t left = zcs_req_left(req);
		uint64_t offset = zcs_req_left_offset(req);

		if (req->op == ZCS_SWAP_WRITE)
			moved = zcs_sys_pwrite(req->dev->fd, addr, left, offset);
		else
			moved = zcs_sys_pread(req->dev->fd, addr, left, offset);
	} while (zcs_swap_step(s, req, moved));
}

/*
 * What was written through the page cache is not on disk yet, and an error would come when the
 * pages it came from are gone: so it is waited for.
 */
void zcs_swap_sync(struct zcs_swap *s, struct zcs_swap_req *req)
{
	int err;

	do {
		err = zcs_sys_sync_range(req->dev->fd, zcs_req_offset(req), zcs_req_bytes(req));
	} while (err && zcs_swap_again(s, req, err));
}

void zcs_swap_do(struct zcs_swap *s, struct zcs_swap_req *req)
{
	zcs_swap_move(s, req);
	if (!req->err && req->op == ZCS_SWAP_WRITE && !req->dev->direct)
		zcs_swap_sync(s, req);
	if (!req->dev->direct)
		zcs_sys_drop_cache(req->dev->fd, zcs_req_offset(req), zcs_req_bytes(req));
	zcs_swap_landed(s, req);
	if (!req->err && req->op == ZCS_SWAP_WRITE)
		zcs_swap_sum(s, req, 0, 1u << req->order);
	else if (!req->err)
		req->err = zcs_swap_verify(s, req);
	zcs_swap_finish(s, req);
}

void zcs_swap_serve(struct zcs_swap *s)
{
	struct zcs_swap_req *req;

	while ((req = zcs_swap_wait(s)))
		zcs_swap_do(s, req);
}

static void *run(void *arg)
{
	zcs_sys_own_thread("zcs-swap");
	zcs_swap_serve(arg);
	return NULL;
}

static void wake(struct zcs_swap *s)
{
	pthread_cond_broadcast(&s->work);
}

static int start(struct zcs_swap *s)
{
	int err = 0;

	s->depth = ZCS_SWAP_THREADS;
	while (s->nr_threads < ZCS_SWAP_THREADS && !err) {
		err = zcs_sys_thread(&s->thread[s->nr_threads], run, s);
		s->nr_threads += !err;
	}
	/* one is enough to go on with */
	return s->nr_threads ? 0 : err;
}

const struct zcs_swap_engine zcs_swap_threads = { .start = start, .wake = wake };
