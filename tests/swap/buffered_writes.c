/* SPDX-License-Identifier: MIT */
/*
 * Through the page cache the writes of a device go one by one, each from its transfer to the end of
 * its sync. The kernel reports an error of writing out once for each open file, to the first caller
 * that asks. So of two writes one would be told of the other's error, and the other would look
 * good.
 */
#include "swap_test.h"

#define NR 24u

static struct zcs_swap *swap;
static char *memory;
static struct swap_test_io io[NR];
static struct swap_test_hold hold;

static void queue(unsigned i, enum zcs_swap_op op, uint32_t slot)
{
	swap_test_submit(swap, &io[i], op, slot, 0, memory + (size_t)i * ZCS_PAGE_SIZE);
}

static void queue_writes(unsigned nr)
{
	memory = swap_test_memory(NR);
	swap_test_hold(swap, &hold);
	for (unsigned i = 0; i < nr; i++)
		queue(i, ZCS_SWAP_WRITE, swap_test_alloc(swap, 0));
}

static void finish(unsigned nr)
{
	swap_test_let_go(&hold);
	for (unsigned i = 0; i < nr; i++)
		zcs_assert_ok(swap_test_wait(&io[i]));
	swap_test_done(swap);
}

/* The I/O thread is held: what it would take next is taken in its place. */
static void assert_next(const struct swap_test_io *next)
{
	assert_ptr_equal(zcs_swap_next(swap, false), next ? &next->req : NULL);
}

static void the_next_one_waits_for_the_end_of_the_sync(void **state)
{
	(void)state;
	swap = swap_test_open("file:?size=4M&direct=0");
	queue_writes(3);
	assert_next(&io[0]);
	assert_next(NULL);
	zcs_swap_move(swap, &io[0].req);
	zcs_swap_sync(swap, &io[0].req);
	assert_next(NULL);
	zcs_swap_landed(swap, &io[0].req);
	assert_next(&io[1]);
	assert_next(NULL);
	zcs_swap_finish(swap, &io[0].req);
	assert_next(NULL);
	zcs_swap_do(swap, &io[1].req);
	finish(3);
}

/* Nor may one that fails leave the next one waiting. */
static void a_failed_one_makes_room_too(void **state)
{
	(void)state;
	swap = swap_test_open("file:?size=4M&direct=0");
	queue_writes(2);
	assert_next(&io[0]);
	zcs_test_fault("sync_file_range", 0, 1, 0);
	swap_test_log_start();
	zcs_swap_do(swap, &io[0].req);
	swap_test_log_end();
	zcs_assert_is(swap_test_wait(&io[0]), -EIO);
	assert_next(&io[1]);
	zcs_swap_do(swap, &io[1].req);
	zcs_assert_ok(swap_test_wait(&io[1]));
	finish(0);
}

static void reads_and_other_devices_do_not_wait(void **state)
{
	uint32_t slot;

	(void)state;
	swap = swap_test_open("file:?size=4M&direct=0;file:?size=4M&direct=0");
	queue_writes(0);
	slot = hold.io[0].req.slot;
	queue(0, ZCS_SWAP_WRITE, swap->dev[0].first + 100);
	queue(1, ZCS_SWAP_WRITE, swap->dev[0].first + 101);
	queue(2, ZCS_SWAP_WRITE, swap->dev[1].first + 100);
	queue(3, ZCS_SWAP_READ, slot);
	assert_next(&io[3]);
	assert_next(&io[0]);
	assert_next(&io[2]);
	assert_next(NULL);
	zcs_swap_do(swap, &io[3].req);
	zcs_swap_do(swap, &io[0].req);
	assert_next(&io[1]);
	zcs_swap_do(swap, &io[1].req);
	zcs_swap_do(swap, &io[2].req);
	finish(4);
}

static atomic_uint together;

static void count_together(struct zcs_swap_req *req, int err)
{
	struct swap_test_io *of = req->user;
	unsigned now = swap_test_stats(swap).in_flight;

	if (now > together)
		together = now;
	of->err = err;
	sem_post(&of->done);
}

/* The engine itself: a request that ends finds no more than the one that began meanwhile. */
static void no_two_are_under_way(void **state)
{
	(void)state;
	swap = swap_test_open("file:?size=4M&direct=0");
	memory = swap_test_memory(NR);
	together = 0;
	swap_test_hold(swap, &hold);
	for (unsigned i = 0; i < NR; i++) {
		swap_test_prepare(&io[i], ZCS_SWAP_WRITE, swap_test_alloc(swap, 0), 0,
				  memory + (size_t)i * ZCS_PAGE_SIZE);
		io[i].req.done = count_together;
		io[i].req.user = &io[i];
		zcs_swap_submit(swap, &io[i].req);
	}
	swap_test_let_go(&hold);
	for (unsigned i = 0; i < NR; i++)
		zcs_assert_ok(swap_test_wait(&io[i]));
	assert_in_range(together, 0, 1);
	swap_test_done(swap);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		swap_test_both(the_next_one_waits_for_the_end_of_the_sync),
		swap_test_both(a_failed_one_makes_room_too),
		swap_test_both(reads_and_other_devices_do_not_wait),
		swap_test_both(no_two_are_under_way),
	};

	return zcs_test_run(tests);
}
