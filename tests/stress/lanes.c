/* SPDX-License-Identifier: MIT */
/*
 * A model check of bos under threads. Each thread owns one word of every page of every bo, its
 * lane, and knows what is in it; it reads and writes it by touching, pinned and not, while all of
 * them evict, write back, purge, prefetch, shrink, put and create. A lane that is ever anything
 * else than what its thread wrote is a lost write, or a page that came back older than it left.
 *
 *	page   | lane 0 | lane 1 | lane 2 | lane 3 | 0 ...
 *
 * What changes all lanes of a bo (purge, put) is done with the bo to oneself; everything else at
 * the same time. A page whose only copy cannot be read is SIGBUS: then the bo is pinned, which
 * makes it good, and the access is made once more.
 */
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <unistd.h>

#include "../bo/bo_test.h"
#include "stress.h"

#define THREADS	    4u
#define BOS	    40u
#define LIMIT	    (48 * ZCS_TEST_MIB)
#define LANE_BYTES  64u
#define TOLD	    10u
#define PIN_TRIES   20000u
#define PINNED_STEP 40u
#define TOUCH_STEP  64u
#define TOUCHES	    32u

/*
 * struct lane_bo - a bo and what must be in it
 * @lock: shared: use; exclusive: what changes other lanes than one's own
 * @expected: by lane and page
 */
struct lane_bo {
	pthread_rwlock_t lock;
	struct zcs_bo *bo;
	uint64_t pages;
	uint64_t *expected[THREADS];
};

struct lanes {
	const struct stress_round *round;
	struct zcs_device *device;
	struct zcs_bulk *bulk;
	struct lane_bo bo[BOS];
	_Atomic uint64_t bytes, budget, wrong, sigbus, refused;
	struct stress_watch watch;
};

struct thread {
	struct lanes *l;
	unsigned id;
	struct rng rng;
};

/* Assertions do not work in threads: the first mistakes are told, all are counted. */
#define wrong(l, ...)                                 \
	do {                                          \
		if ((l)->wrong++ < TOLD)              \
			fprintf(stderr, __VA_ARGS__); \
	} while (0)

/* -- access */

static __thread sigjmp_buf *volatile landing;

static void on_sigbus(int signal)
{
	if (landing)
		siglongjmp(*landing, 1);
	_exit(128 + signal);
}

/* False: it was SIGBUS. */
static bool access_word(volatile uint64_t *at, uint64_t *value, bool write)
{
	sigjmp_buf here;

	/* with the mask: ThreadSanitizer blocks every signal while a handler runs */
	if (sigsetjmp(here, 1)) {
		landing = NULL;
		return false;
	}
	landing = &here;
	if (write)
		*at = *value;
	else
		*value = *at;
	landing = NULL;
	return true;
}

static bool may_fail(int err)
{
	return err == -ENOMEM || err == -EBUSY || err == -EIO || err == -EINTR;
}

static int pin_at_last(struct lanes *l, struct zcs_bo *bo)
{
	int err = -EIO;

	for (unsigned i = 0; err && may_fail(err) && i < PIN_TRIES; i++) {
		err = zcs_bo_pin(bo, NULL);
		if (err)
			usleep(100);
		l->watch.ops++;
	}
	if (err)
		wrong(l, "pin, again and again: %d\n", err);
	return err;
}

/* Touches it; a page that is poisoned is made good first. */
static void reach(struct lanes *l, struct zcs_bo *bo, volatile uint64_t *at, uint64_t *value,
		  bool write)
{
	if (access_word(at, value, write))
		return;
	l->sigbus++;
	if (!stress_fails(l->round))
		wrong(l, "SIGBUS although no device fails\n");
	if (pin_at_last(l, bo))
		return;
	if (!access_word(at, value, write))
		wrong(l, "SIGBUS at a page that is pinned\n");
	zcs_bo_unpin(bo);
}

static volatile uint64_t *word(struct lane_bo *b, unsigned lane, uint64_t page)
{
	return (volatile uint64_t *)bo_at(b->bo, page * ZCS_PAGE_SIZE + lane * LANE_BYTES);
}

static uint64_t read_lane(struct lanes *l, struct lane_bo *b, unsigned lane, uint64_t page)
{
	uint64_t value = b->expected[lane][page];

	reach(l, b->bo, word(b, lane, page), &value, false);
	return value;
}

static void check_lane(struct lanes *l, struct lane_bo *b, unsigned lane, uint64_t page,
		       const char *when)
{
	uint64_t value = read_lane(l, b, lane, page), *expected = &b->expected[lane][page];

	if (value != *expected)
		wrong(l,
		      "bo of %" PRIu64 " pages, page %" PRIu64 ", lane %u: %" PRIx64
		      " is not %" PRIx64 " (%s)\n",
		      b->pages, page, lane, value, *expected, when);
	*expected = value;
}

static void visit(struct thread *t, struct lane_bo *b, uint64_t page, const char *when)
{
	uint64_t value = rng_next(&t->rng) | 1;

	check_lane(t->l, b, t->id, page, when);
	if (rng_one_in(&t->rng, 2))
		return;
	reach(t->l, b->bo, word(b, t->id, page), &value, true);
	b->expected[t->id][page] = value;
}

/* -- bos */

/* Of any size, but all of them together not too large for a device without a store. */
static uint64_t any_size(struct lanes *l, struct rng *rng)
{
	static const uint64_t kib[] = { 4, 12, 64, 1024, 2048, 3072, 4096, 8192 };
	uint64_t size = kib[rng_below(rng, sizeof(kib) / sizeof(kib[0]))] << 10;

	return l->bytes + size + ZCS_TEST_HUGE_BYTES > l->budget ? kib[rng_below(rng, 3)] << 10
								 : size;
}

/* With the bo to oneself. Nothing is a reason for ever. */
static void create(struct lanes *l, struct lane_bo *b, struct rng *rng)
{
	struct zcs_bo_params params = { .struct_size = sizeof(params),
					.priority = (unsigned)rng_below(rng, ZCS_PRIORITIES) };
	uint64_t size = any_size(l, rng);
	int err = -ENOMEM;

	for (unsigned i = 0; err && i < PIN_TRIES; i++) {
		err = zcs_bo_create(l->device, size, &params, &b->bo);
		if (err)
			usleep(100);
	}
	if (err) {
		fprintf(stderr, "create, again and again: %d\n", err);
		abort();
	}
	b->pages = zcs_bo_size(b->bo) / ZCS_PAGE_SIZE;
	l->bytes += zcs_bo_size(b->bo);
	for (unsigned i = 0; i < THREADS; i++)
		b->expected[i] = calloc(b->pages, sizeof(uint64_t));
}

static void put(struct lanes *l, struct lane_bo *b)
{
	l->bytes -= zcs_bo_size(b->bo);
	zcs_bo_put(b->bo);
	for (unsigned i = 0; i < THREADS; i++)
		free(b->expected[i]);
}

/* -- what a thread does to a bo that others use too */

static void touch(struct thread *t, struct lane_bo *b)
{
	uint64_t page = rng_below(&t->rng, b->pages);

	for (uint64_t n = rng_below(&t->rng, TOUCHES); n && page < b->pages; n--) {
		visit(t, b, page, "touched");
		page += 1 + rng_below(&t->rng, TOUCH_STEP);
	}
}

/* A refused call has changed nothing; any other call nothing that a lane would see. */
static void evict(struct thread *t, struct lane_bo *b)
{
	zcs_bo_evict(b->bo, rng_one_in(&t->rng, 2) ? ZCS_BACKUP_WRITEBACK : 0);
}

static void pin(struct thread *t, struct lane_bo *b)
{
	struct zcs_ctx ctx = { .struct_size = sizeof(ctx),
			       .no_wait = rng_one_in(&t->rng, 2),
			       .interruptible = true };
	int err = zcs_bo_pin(b->bo, &ctx);

	if (err) {
		t->l->refused++;
		if (!may_fail(err))
			wrong(t->l, "pin: %d\n", err);
		return;
	}
	for (uint64_t page = 0; page < b->pages; page += 1 + rng_below(&t->rng, PINNED_STEP))
		visit(t, b, page, "pinned");
	zcs_bo_unpin(b->bo);
}

static void prefetch(struct thread *t, struct lane_bo *b)
{
	(void)t;
	zcs_bo_prefetch(b->bo);
}

static void set_priority(struct thread *t, struct lane_bo *b)
{
	zcs_bo_set_priority(b->bo, (unsigned)rng_below(&t->rng, ZCS_PRIORITIES));
}

static void shrink_device(struct thread *t, struct lane_bo *b)
{
	(void)b;
	zcs_device_shrink(t->l->device, rng_below(&t->rng, 8) * ZCS_TEST_MIB,
			  rng_one_in(&t->rng, 2) ? ZCS_SHRINK_NO_WRITEBACK : 0);
}

static void shrink(struct thread *t, struct lane_bo *b)
{
	struct zcs_ctx ctx = { .struct_size = sizeof(ctx), .no_wait = true };

	(void)t;
	zcs_bo_shrink(b->bo, &ctx, ZCS_BACKUP_WRITEBACK);
}

static void stats(struct thread *t, struct lane_bo *b)
{
	struct zcs_stats st = { .struct_size = sizeof(st) };

	zcs_bo_stats(b->bo, &st);
	if (rng_one_in(&t->rng, 8))
		zcs_device_stats(t->l->device, &st);
}

static void bulk(struct thread *t, struct lane_bo *b)
{
	if (zcs_bulk_add(t->l->bulk, b->bo))
		zcs_bulk_remove(b->bo);
	zcs_bulk_move_tail(t->l->bulk);
}

/* -- what it does with the bo to itself */

static void renew(struct thread *t, struct lane_bo *b)
{
	put(t->l, b);
	create(t->l, b, &t->rng);
}

/* Whether a page that may be zero is: told by a lane that was not. */
static bool was_dropped(struct lanes *l, struct lane_bo *b, uint64_t page)
{
	for (unsigned lane = 0; lane < THREADS; lane++)
		if (b->expected[lane][page])
			return !read_lane(l, b, lane, page);
	return true;
}

/*
 * All of a page is what it was, or, if it was dropped, all of it is zero. @all: each page was
 * dropped.
 */
static void check_dropped(struct thread *t, struct lane_bo *b, bool dropped, bool all)
{
	for (uint64_t page = 0; page < b->pages; page++) {
		bool zero = all || (dropped && was_dropped(t->l, b, page));

		for (unsigned lane = 0; lane < THREADS; lane++) {
			if (zero)
				b->expected[lane][page] = 0;
			check_lane(t->l, b, lane, page, "after a drop");
		}
	}
}

static void purge(struct thread *t, struct lane_bo *b)
{
	int64_t n = zcs_bo_evict(b->bo, ZCS_BACKUP_PURGE);

	check_dropped(t, b, true, n > 0);
}

static void be_purgeable(struct thread *t, struct lane_bo *b)
{
	int dropped;

	zcs_bo_set_purgeable(b->bo, true);
	zcs_device_shrink(t->l->device, ZCS_TEST_MIB, ZCS_SHRINK_NO_WRITEBACK);
	dropped = zcs_bo_set_purgeable(b->bo, false);
	if (dropped < 0)
		wrong(t->l, "set_purgeable: %d\n", dropped);
	check_dropped(t, b, dropped, false);
}

/* -- threads */

/*
 * struct op - something to do
 * @share: of all that is done, in per cent
 * @alone: with the bo to oneself
 */
static const struct op {
	void (*fn)(struct thread *t, struct lane_bo *b);
	unsigned share;
	bool alone;
} ops[] = {
	{ touch, 52, false },	{ evict, 11, false },	    { pin, 12, false },
	{ prefetch, 6, false }, { set_priority, 4, false }, { shrink_device, 3, false },
	{ shrink, 3, false },	{ stats, 3, false },	    { bulk, 2, false },
	{ renew, 2, true },	{ purge, 1, true },	    { be_purgeable, 1, true },
};

static const struct op *any_op(struct rng *rng)
{
	uint64_t at = rng_below(rng, 100);
	const struct op *op = ops;

	for (; at >= op->share; op++)
		at -= op->share;
	return op;
}

static void do_one(struct thread *t)
{
	struct lane_bo *b = &t->l->bo[rng_below(&t->rng, BOS)];
	const struct op *op = any_op(&t->rng);

	if (!op->alone)
		pthread_rwlock_rdlock(&b->lock);
	else if (pthread_rwlock_trywrlock(&b->lock))
		return;
	op->fn(t, b);
	pthread_rwlock_unlock(&b->lock);
	t->l->watch.ops++;
}

static uint64_t run_thread(unsigned id, void *arg)
{
	struct lanes *l = arg;
	struct thread t = { .l = l, .id = id, .rng = rng_of(l->round->seed, id) };

	if (id == THREADS) {
		stress_watch(&l->watch, l->round->seconds);
		return 0;
	}
	while (!l->watch.stop)
		do_one(&t);
	l->watch.working--;
	return 0;
}

/* -- a round */

static void begin(struct lanes *l, const struct stress_round *round)
{
	bool mem = strcmp(round->store, "mem:") == 0;
	struct rng rng = rng_of(round->seed, THREADS);
	uint64_t limit = round->limit ? round->limit : mem ? 0 : LIMIT;

	*l = (struct lanes){ .round = round, .watch.working = THREADS };
	/* without a store all of it stays in memory */
	l->budget = mem ? LIMIT : UINT64_MAX;
	l->device = bo_device(round->backing, limit, round->store);
	zcs_assert_ok(zcs_bulk_create(l->device, &l->bulk));
	stress_faults_on(round);
	for (unsigned i = 0; i < BOS; i++) {
		pthread_rwlock_init(&l->bo[i].lock, NULL);
		create(l, &l->bo[i], &rng);
	}
}

static void check_all(struct lanes *l)
{
	for (unsigned i = 0; i < BOS; i++)
		for (unsigned lane = 0; lane < THREADS; lane++)
			for (uint64_t page = 0; page < l->bo[i].pages; page++)
				check_lane(l, &l->bo[i], lane, page, "in the end");
}

static void tell(struct lanes *l)
{
	struct zcs_stats st = bo_device_stats(l->device);

	printf("# %" PRIu64 " calls, %" PRIu64 " touches: %" PRIu64 " read, %" PRIu64
	       " errors; %" PRIu64 " evicted, %" PRIu64 " pins refused, %" PRIu64 " wrong\n",
	       (uint64_t)l->watch.ops, st.touches, st.touch_read, st.touch_errors, st.evicted,
	       (uint64_t)l->refused, (uint64_t)l->wrong);
}

static void end(struct lanes *l)
{
	bo_device_ok(l->device);
	for (unsigned i = 0; i < BOS; i++) {
		put(l, &l->bo[i]);
		pthread_rwlock_destroy(&l->bo[i].lock);
	}
	zcs_bulk_destroy(l->bulk);
	bo_device_done(l->device);
	zcs_assert_is(l->wrong, 0);
}

static void run(const struct stress_round *round)
{
	static struct lanes lanes;
	struct sigaction action = { .sa_handler = on_sigbus, .sa_flags = SA_NODEFER };

	sigaction(SIGBUS, &action, NULL);
	begin(&lanes, round);
	zcs_test_threads(THREADS + 1, run_thread, &lanes);
	zcs_test_faults_off();
	check_all(&lanes);
	tell(&lanes);
	end(&lanes);
}

int main(int argc, char **argv)
{
	if (!bo_has_userfaultfd())
		zcs_test_skip("no userfaultfd here: an address that is out does not trap");
	return stress_main(argc, argv, run);
}
