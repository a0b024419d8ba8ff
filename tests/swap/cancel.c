/* SPDX-License-Identifier: MIT */
/*
 * A request is taken back while it is queued: then done is never called; later it is called once.
 */
#include "swap_test.h"

#define NR 30u

static struct zcs_swap *swap;
static char *memory;
static struct swap_test_io io[NR];
static struct swap_test_hold hold;
static atomic_uint counter;

static void start(void)
{
	swap = swap_test_open("file:?size=64M");
	memory = swap_test_memory(512);
	atomic_store(&counter, 0);
}

static void queue(unsigned i, enum zcs_swap_op op, uint32_t flags)
{
	swap_test_prepare(&io[i], op, swap_test_alloc(swap, 3), 3, memory);
	io[i].req.flags = flags;
	io[i].counter = &counter;
	zcs_swap_submit(swap, &io[i].req);
}

static void queued_requests_are_taken_back(void **state)
{
	(void)state;
	start();
	swap_test_hold(swap, &hold);
	/* the first, one in the middle, the last of a queue, and an only one */
	for (unsigned i = 0; i < 8; i++)
		queue(i, ZCS_SWAP_WRITE, 0);
	queue(8, ZCS_SWAP_READ, ZCS_SWAP_URGENT);
	assert_true(zcs_swap_cancel(swap, &io[0].req));
	assert_true(zcs_swap_cancel(swap, &io[4].req));
	assert_true(zcs_swap_cancel(swap, &io[7].req));
	assert_true(zcs_swap_cancel(swap, &io[8].req));
	assert_false(zcs_swap_cancel(swap, &io[4].req));
	zcs_assert_is(swap_test_stats(swap).queued, 5);
	zcs_assert_is(swap_test_stats(swap).cancelled, 4);
	swap_test_let_go(&hold);
	for (unsigned i = 1; i < 7; i++)
		if (i != 4)
			zcs_assert_ok(swap_test_wait(&io[i]));
	zcs_swap_drain(swap);
	zcs_assert_is(atomic_load(&counter), 5);
	zcs_assert_is(io[0].err, 1);
	zcs_assert_is(io[8].err, 1);
	swap_test_done(swap);
}

static void what_was_taken_back_can_be_submitted_again(void **state)
{
	(void)state;
	start();
	swap_test_hold(swap, &hold);
	queue(0, ZCS_SWAP_WRITE, 0);
	assert_true(zcs_swap_cancel(swap, &io[0].req));
	zcs_swap_submit(swap, &io[0].req);
	swap_test_let_go(&hold);
	zcs_assert_ok(swap_test_wait(&io[0]));
	zcs_assert_is(atomic_load(&counter), 1);
	swap_test_done(swap);
}

static void what_is_done_cannot_be_taken_back(void **state)
{
	(void)state;
	start();
	queue(0, ZCS_SWAP_WRITE, 0);
	zcs_assert_ok(swap_test_wait(&io[0]));
	assert_false(zcs_swap_cancel(swap, &io[0].req));
	zcs_assert_is(swap_test_stats(swap).cancelled, 0);
	swap_test_done(swap);
}

static void cancelling_the_last_request_ends_a_drain(void **state)
{
	(void)state;
	start();
	swap_test_hold(swap, &hold);
	for (unsigned i = 0; i < NR; i++)
		queue(i, ZCS_SWAP_WRITE, 0);
	for (unsigned i = 0; i < NR; i++)
		assert_true(zcs_swap_cancel(swap, &io[i].req));
	swap_test_let_go(&hold);
	zcs_swap_drain(swap);
	zcs_assert_is(atomic_load(&counter), 0);
	swap_test_done(swap);
}

/* Each request has one end: taken back or done, never both and never neither. */
static uint64_t race(unsigned id, void *arg)
{
	unsigned rounds = zcs_test_scale(3000);
	struct swap_test_io mine;
	uint64_t bad = 0;
	uint32_t slot;

	(void)arg;
	bad += zcs_swap_alloc(swap, 0, &slot) != 0;
	for (unsigned i = 0; i < rounds; i++) {
		swap_test_submit(swap, &mine, ZCS_SWAP_WRITE, slot, 0, memory);
		for (volatile unsigned spin = 0; spin < (i * 37 + id) % 500; spin++)
			;
		if (!zcs_swap_cancel(swap, &mine.req))
			bad += swap_test_wait(&mine) != 0;
		else
			bad += mine.err != 1;
	}
	return bad;
}

static void every_request_has_one_end(void **state)
{
	struct zcs_swap_stats st;

	(void)state;
	start();
	zcs_assert_is(zcs_test_threads(4, race, NULL), 0);
	zcs_swap_drain(swap);
	st = swap_test_stats(swap);
	zcs_assert_is(st.writes + st.cancelled, 4 * zcs_test_scale(3000));
	swap_test_done(swap);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		swap_test_both(queued_requests_are_taken_back),
		swap_test_both(what_was_taken_back_can_be_submitted_again),
		swap_test_both(what_is_done_cannot_be_taken_back),
		swap_test_both(cancelling_the_last_request_ends_a_drain),
		swap_test_both(every_request_has_one_end),
	};

	return zcs_test_run(tests);
}
