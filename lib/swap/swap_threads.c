/* SPDX-License-Identifier: MIT */
/*
 * The engine of threads, used where io_uring is missing or forbidden. Each of four threads takes a
 * request and does all of its transfer (swap_transfer.c). One of the four is always left to urgent
 * reads (a quarter of the depth, swap_queue.c).
 *
 * Known limit: at most four transfers in flight, whatever the depth of the specification.
 */
#include "swap_priv.h"
#include "sys/sys.h"

void zcs_swap_serve(struct zcs_swap *s)
{
	struct zcs_swap_req *req;

	while ((req = zcs_swap_wait(s)))
		zcs_swap_do(s, req);
}

static void *thread_main(void *arg)
{
	zcs_sys_own_thread("zcs-swap");
	zcs_swap_serve(arg);
	return NULL;
}

static void wake_threads(struct zcs_swap *s)
{
	pthread_cond_broadcast(&s->work);
}

static int start_threads(struct zcs_swap *s)
{
	int err = 0;

	s->depth = ZCS_SWAP_THREADS;
	while (s->nr_threads < ZCS_SWAP_THREADS && !err) {
		err = zcs_sys_thread(&s->thread[s->nr_threads], thread_main, s);
		s->nr_threads += !err;
	}
	/* one thread is enough to work */
	return s->nr_threads ? 0 : err;
}

const struct zcs_swap_engine zcs_swap_threads = { .start = start_threads, .wake = wake_threads };
