/* SPDX-License-Identifier: MIT */
/*
 * Who goes first: an urgent read goes before all that is queued, little is given to the kernel at a
 * time so that there is little it cannot overtake, and neither reads nor writes starve.
 */
#include <limits.h>

#include "swap_test.h"

#define WRITES 40u

static struct zcs_swap *swap;
static char *memory;
static uint32_t slot[WRITES + 1];
static struct swap_test_io io[WRITES + 4];
static struct swap_test_hold hold;
static atomic_uint counter;

/* Slots of 2 MiB each, the last of which is written. */
static void start(void)
{
	swap = swap_test_open("file:?size=%u", (WRITES + 2) * ZCS_CLUSTER_BYTES);
	/*
	 * where TMPDIR refuses O_DIRECT too: buffered writes have a rule of their own
	 * (buffered_writes.c)
	 */
	swap->dev[0].direct = true;
	memory = swap_test_memory((WRITES + 5) * 512);
	atomic_store(&counter, 0);
	for (unsigned i = 0; i <= WRITES; i++)
		slot[i] = swap_test_alloc(swap, ZCS_CLUSTER_ORDER);
	zcs_assert_ok(swap_test_write(swap, slot[WRITES], ZCS_CLUSTER_ORDER, memory));
}

static void queue(unsigned i, enum zcs_swap_op op, uint32_t s, uint32_t flags)
{
	/* what is read goes each to a place of its own */
	swap_test_prepare(&io[i], op, s, ZCS_CLUSTER_ORDER,
			  memory + (op == ZCS_SWAP_READ ? (size_t)(i + 1) * ZCS_CLUSTER_BYTES : 0));
	io[i].req.flags = flags;
	io[i].counter = &counter;
	zcs_swap_submit(swap, &io[i].req);
}

static void queue_writes(unsigned nr)
{
	for (unsigned i = 0; i < nr; i++)
		queue(i, ZCS_SWAP_WRITE, slot[i], 0);
}

static void wait_for(unsigned nr)
{
	for (unsigned i = 0; i < nr; i++)
		zcs_assert_ok(swap_test_wait(&io[i]));
}

/* The first that the I/O thread would take is @urgent; it is done in its place. */
static void assert_next(const struct swap_test_io *urgent)
{
	struct zcs_swap_req *next = zcs_swap_next(swap, false);

	assert_ptr_equal(next, &urgent->req);
	zcs_swap_do(swap, next);
}

static void an_urgent_read_overtakes_queued_writes(void **state)
{
	(void)state;
	start();
	swap_test_hold(swap, &hold);
	queue_writes(WRITES);
	queue(WRITES, ZCS_SWAP_READ, slot[WRITES], ZCS_SWAP_URGENT);
	assert_next(&io[WRITES]);
	swap_test_let_go(&hold);
	wait_for(WRITES + 1);
	swap_test_done(swap);
}

static void a_read_that_is_hurried_overtakes(void **state)
{
	(void)state;
	start();
	swap_test_hold(swap, &hold);
	for (unsigned i = 0; i < WRITES; i++)
		queue(i, ZCS_SWAP_READ, slot[WRITES], 0);
	zcs_swap_hurry(swap, &io[WRITES - 1].req);
	/* hurrying what is not a queued read does nothing */
	zcs_swap_hurry(swap, &io[WRITES - 1].req);
	zcs_swap_hurry(swap, &hold.io[0].req);
	assert_next(&io[WRITES - 1]);
	swap_test_let_go(&hold);
	wait_for(WRITES);
	swap_test_done(swap);
}

/*
 * How many writes end between an urgent read's submission and its end; others were queued before
 * it.
 */
static unsigned writes_before_a_read(void)
{
	unsigned before;

	start();
	queue_writes(WRITES);
	zcs_assert_ok(swap_test_wait(&io[0]));
	queue(WRITES, ZCS_SWAP_READ, slot[WRITES], ZCS_SWAP_URGENT);
	before = atomic_load(&counter);
	zcs_assert_ok(swap_test_wait(&io[WRITES]));
	for (unsigned i = 1; i < WRITES; i++)
		zcs_assert_ok(swap_test_wait(&io[i]));
	swap_test_done(swap);
	return io[WRITES].place > before ? io[WRITES].place - before : 0;
}

/*
 * The writes are on their way already: a few are begun and end first. Where CPUs are short the
 * thread that took the read may lose its own while the others go on; but a read that waits for its
 * turn is last every time.
 */
static void an_urgent_read_waits_for_few_writes(void **state)
{
	unsigned least = UINT_MAX;

	(void)state;
	for (unsigned i = 0; i < 5 && least > WRITES / 2; i++) {
		unsigned nr = writes_before_a_read();

		least = nr < least ? nr : least;
	}
	assert_in_range(least, 0, WRITES / 2);
}

/*
 * In which order the I/O thread takes them, as if each took as long as any other: what was taken
 * first ends when nothing more may be taken. The device may well be faster with one kind.
 */
static void reads_and_writes_do_not_starve_each_other(void **state)
{
	struct zcs_swap_req *taken[40];
	unsigned early[2] = { 0, 0 }, nr = 0, done = 0;

	(void)state;
	start();
	swap_test_hold(swap, &hold);
	for (unsigned i = 0; i < 20; i++)
		queue(i, ZCS_SWAP_WRITE, slot[i], 0);
	for (unsigned i = 20; i < 40; i++)
		queue(i, ZCS_SWAP_READ, slot[WRITES], 0);
	while (done < 40) {
		struct zcs_swap_req *req = zcs_swap_next(swap, false);

		if (req) {
			taken[nr] = req;
			early[req->op == ZCS_SWAP_READ] += nr < 20;
			nr++;
		} else {
			zcs_swap_do(swap, taken[done++]);
		}
	}
	/* one that starves comes only when the other is through */
	assert_in_range(early[0], 5, 15);
	assert_in_range(early[1], 5, 15);
	swap_test_let_go(&hold);
	wait_for(40);
	swap_test_done(swap);
}

static uint64_t in_flight_bytes(enum zcs_swap_queue q)
{
	uint64_t bytes;

	pthread_mutex_lock(&swap->lock);
	bytes = swap->in_flight_bytes[q];
	pthread_mutex_unlock(&swap->lock);
	return bytes;
}

/* The request that the I/O thread takes next: seen by taking in its place while it is held. */
static unsigned take_all(enum zcs_swap_queue q, struct zcs_swap_req **taken)
{
	unsigned nr = 0;

	while ((taken[nr] = zcs_swap_next(swap, false)))
		nr++;
	for (unsigned i = 0; i < nr; i++)
		zcs_assert_is(taken[i]->queue, q);
	return nr;
}

static void give_back(struct zcs_swap_req **taken, unsigned nr)
{
	for (unsigned i = 0; i < nr; i++)
		zcs_swap_do(swap, taken[i]);
}

static void little_is_given_to_the_kernel(void **state)
{
	struct zcs_swap_req *taken[WRITES + 1], *read;
	unsigned nr;

	(void)state;
	start();
	swap_test_hold(swap, &hold);
	queue_writes(12);
	nr = take_all(ZCS_QUEUE_WRITE, taken);
	zcs_assert_is(in_flight_bytes(ZCS_QUEUE_WRITE), nr * ZCS_CLUSTER_BYTES);
	zcs_assert_is(nr, swap_test_stats(swap).uring ? 4 : 3);
	give_back(taken, nr);
	/* and less beside an urgent read */
	queue(12, ZCS_SWAP_READ, slot[WRITES], ZCS_SWAP_URGENT);
	read = zcs_swap_next(swap, false);
	assert_ptr_equal(read, &io[12].req);
	zcs_assert_is(take_all(ZCS_QUEUE_WRITE, taken), 1);
	give_back(taken, 1);
	zcs_swap_do(swap, read);
	/* or beside one that its caller does by itself */
	pthread_mutex_lock(&swap->lock);
	swap->in_flight[ZCS_QUEUE_OWN]++;
	pthread_mutex_unlock(&swap->lock);
	zcs_assert_is(take_all(ZCS_QUEUE_WRITE, taken), 1);
	give_back(taken, 1);
	pthread_mutex_lock(&swap->lock);
	swap->in_flight[ZCS_QUEUE_OWN]--;
	pthread_mutex_unlock(&swap->lock);
	swap_test_let_go(&hold);
	wait_for(13);
	swap_test_done(swap);
}

/* A landed transfer that only needs its sum holds no other request back. */
static void what_has_landed_makes_room(void **state)
{
	struct zcs_swap_req *taken[WRITES + 1], *more[WRITES + 1];
	unsigned nr;

	(void)state;
	start();
	swap_test_hold(swap, &hold);
	queue_writes(12);
	nr = take_all(ZCS_QUEUE_WRITE, taken);
	for (unsigned i = 0; i < nr; i++)
		zcs_swap_landed(swap, taken[i]);
	zcs_assert_is(in_flight_bytes(ZCS_QUEUE_WRITE), 0);
	zcs_assert_is(take_all(ZCS_QUEUE_WRITE, more), nr);
	for (unsigned i = 0; i < nr; i++)
		zcs_swap_finish(swap, taken[i]);
	give_back(more, nr);
	swap_test_let_go(&hold);
	wait_for(12);
	swap_test_done(swap);
}

static void more_is_given_when_nobody_was_in_a_hurry_for_long(void **state)
{
	struct zcs_swap_req *taken[WRITES + 1];
	bool uring;

	(void)state;
	start();
	uring = swap_test_stats(swap).uring;
	for (unsigned i = 0; i < 32; i++)
		zcs_assert_ok(swap_test_write(swap, slot[i], ZCS_CLUSTER_ORDER, memory));
	swap_test_hold(swap, &hold);
	queue_writes(WRITES);
	zcs_assert_is(take_all(ZCS_QUEUE_WRITE, taken), uring ? 16 : 3);
	give_back(taken, uring ? 16 : 3);
	/* until somebody is */
	zcs_assert_ok(
		zcs_swap_read(swap, slot[WRITES], ZCS_CLUSTER_ORDER, memory + ZCS_CLUSTER_BYTES));
	zcs_assert_is(take_all(ZCS_QUEUE_WRITE, taken), uring ? 4 : 3);
	give_back(taken, uring ? 4 : 3);
	swap_test_let_go(&hold);
	wait_for(WRITES);
	swap_test_done(swap);
}

static void small_requests_are_bounded_by_the_depth(void **state)
{
	struct zcs_swap_req *taken[WRITES + 1];
	unsigned nr;

	(void)state;
	start();
	swap_test_hold(swap, &hold);
	for (unsigned i = 0; i < WRITES; i++)
		swap_test_submit(swap, &io[i], ZCS_SWAP_WRITE, slot[i], 0, memory);
	nr = take_all(ZCS_QUEUE_WRITE, taken);
	zcs_assert_is(nr, swap->depth - swap->depth / 4);
	give_back(taken, nr);
	swap_test_let_go(&hold);
	wait_for(WRITES);
	swap_test_done(swap);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		swap_test_both(an_urgent_read_overtakes_queued_writes),
		swap_test_both(an_urgent_read_waits_for_few_writes),
		swap_test_both(a_read_that_is_hurried_overtakes),
		swap_test_both(reads_and_writes_do_not_starve_each_other),
		swap_test_both(little_is_given_to_the_kernel),
		swap_test_both(what_has_landed_makes_room),
		swap_test_both(more_is_given_when_nobody_was_in_a_hurry_for_long),
		swap_test_both(small_requests_are_bounded_by_the_depth),
	};

	return zcs_test_run(tests);
}
