/* SPDX-License-Identifier: MIT */
/*
 * A swap is closed with transfers queued and under way: each of them ends first, done is called for
 * each, and nothing of the swap is left: no file open, no thread.
 */
#include <unistd.h>

#include "swap_test.h"

#define NR 60u

static void every_request_ends_before_the_swap_does(void **state)
{
	static struct swap_test_io io[NR];
	char *memory = swap_test_memory((NR + 1) * 512);
	atomic_uint counter = 0;
	struct zcs_swap *swap;
	unsigned fds, tasks;

	(void)state;
	/* a sanitizer makes a thread of its own beside the first */
	zcs_assert_ok(swap_test_try("file:?size=2M"));
	fds = zcs_test_entries("/proc/self/fd");
	tasks = zcs_test_entries("/proc/self/task");
	swap = swap_test_open("file:?size=128M&discard=1");
	for (unsigned i = 0; i < NR; i++) {
		bool read = i % 4 == 3;

		swap_test_prepare(&io[i], read ? ZCS_SWAP_READ : ZCS_SWAP_WRITE,
				  swap_test_alloc(swap, ZCS_CLUSTER_ORDER), ZCS_CLUSTER_ORDER,
				  memory + (size_t)(read ? i + 1 : 0) * ZCS_CLUSTER_BYTES);
		io[i].counter = &counter;
	}
	/* slots that were never written hold nothing that could be read */
	swap_test_log_start();
	for (unsigned i = 0; i < NR; i++)
		zcs_swap_submit(swap, &io[i].req);
	zcs_swap_close(swap);
	swap_test_log_end();
	zcs_assert_is(atomic_load(&counter), NR);
	for (unsigned i = 0; i < NR; i++)
		assert_true(i % 4 == 3 ? io[i].err == -EIO : !io[i].err);
	zcs_assert_is(zcs_test_entries("/proc/self/fd"), fds);
	/* a joined thread's entry may outlive the join for a moment */
	for (unsigned i = 0; i < 100 && zcs_test_entries("/proc/self/task") != tasks; i++)
		usleep(10000);
	zcs_assert_is(zcs_test_entries("/proc/self/task"), tasks);
}

struct slow {
	struct swap_test_io io;
	atomic_bool ended;
};

static void slow_done(struct zcs_swap_req *req, int err)
{
	struct slow *slow = req->user;

	(void)err;
	usleep(100000);
	atomic_store(&slow->ended, true);
}

static void closing_waits_for_a_done_that_is_running(void **state)
{
	struct zcs_swap *swap = swap_test_open("file:?size=2M");
	struct slow slow = { .ended = false };

	(void)state;
	swap_test_submit_with(swap, &slow.io, swap_test_memory(1), slow_done, &slow);
	zcs_swap_close(swap);
	assert_true(atomic_load(&slow.ended));
}

static void draining_waits_for_it_too(void **state)
{
	struct zcs_swap *swap = swap_test_open("file:?size=2M");
	struct slow slow = { .ended = false };

	(void)state;
	swap_test_submit_with(swap, &slow.io, swap_test_memory(1), slow_done, &slow);
	zcs_swap_drain(swap);
	assert_true(atomic_load(&slow.ended));
	swap_test_done(swap);
}

static void a_swap_may_be_closed_at_once(void **state)
{
	(void)state;
	for (unsigned i = 0; i < zcs_test_scale(50); i++)
		zcs_swap_close(swap_test_open("file:?size=2M&discard=1"));
	zcs_swap_close(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		swap_test_both(every_request_ends_before_the_swap_does),
		swap_test_both(closing_waits_for_a_done_that_is_running),
		swap_test_both(draining_waits_for_it_too),
		swap_test_both(a_swap_may_be_closed_at_once),
	};

	return zcs_test_run(tests);
}
