/* SPDX-License-Identifier: MIT */
/*
 * Threads that back up and restore one tt against each other, whole and in ranges, with
 * interruptions; in the end every byte is there. In the second part other threads go on writing to
 * the address of the tt meanwhile: each write either lands before the zap, or sleeps until the
 * restore; none is lost.
 */
#include <stdatomic.h>
#include <time.h>
#include <unistd.h>

#include "seed.h"
#include "zcs_test.h"

#define NR	   1027u
#define NR_HOME	   1024u
#define THREADS	   4u
#define CONTEST_NS UINT64_C(300000000)

struct contest {
	struct zcs_pool *pool;
	struct zcs_store *store;
	struct zcs_tt *tt;
	uint64_t nr, end; /* in ns of the monotonic clock */
	uint64_t written[8]; /* by each writer, into its word of every page */
	_Atomic unsigned writers;
	_Atomic uint64_t outs;
};

static const struct zcs_ctx interruptible = { .struct_size = sizeof(struct zcs_ctx),
					      .interruptible = true };
static const struct zcs_ctx no_wait = { .struct_size = sizeof(struct zcs_ctx), .no_wait = true };

static uint64_t now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void contest_init(struct contest *c, enum zcs_backing backing, uint64_t nr, uint32_t flags)
{
	*c = (struct contest){ .nr = nr };
	c->pool = zcs_test_pool(backing, nr * ZCS_PAGE_SIZE, 0);
	c->store = zcs_test_store();
	zcs_assert_ok(zcs_tt_create(c->pool, nr, flags, &c->tt));
	zcs_assert_ok(zcs_tt_setup_backup(c->tt, c->store));
	zcs_assert_ok(zcs_tt_populate(c->tt, NULL));
}

static void restore_all(struct contest *c)
{
	if (zcs_tt_flags(c->tt) & ZCS_TT_BACKED_UP)
		zcs_assert_ok(zcs_tt_restore(c->tt, NULL));
	zcs_assert_is(zcs_tt_flags(c->tt) & ~ZCS_TT_CONTIGUOUS, ZCS_TT_POPULATED);
}

static void contest_fini(struct contest *c)
{
	zcs_test_tt_done(c->tt);
	zcs_test_store_done(c->store);
	zcs_test_pool_done(c->pool);
}

/* A range of up to the whole. */
static void some_range(struct contest *c, struct rng *r, uint64_t *first, uint64_t *count)
{
	*first = rng_below(r, c->nr);
	*count = 1 + rng_below(r, c->nr - *first);
	if (rng_one_in(r, 3)) {
		*first = 0;
		*count = c->nr;
	}
}

static bool push_out(struct contest *c, struct rng *r)
{
	uint64_t first, count;
	int64_t ret;

	some_range(c, r, &first, &count);
	ret = zcs_tt_backup_range(c->tt, first, count, 0);
	atomic_fetch_add(&c->outs, ret > 0);
	/* -ENOMEM: the fault refused the first page */
	return ret == -ENOMEM || (ret >= 0 && ret <= (int64_t)count);
}

static bool pull_in(struct contest *c, struct rng *r)
{
	const struct zcs_ctx *ctx[] = { NULL, &interruptible, &no_wait };
	uint64_t first, count;
	int err;

	some_range(c, r, &first, &count);
	err = zcs_tt_restore_range(c->tt, first, count, ctx[rng_below(r, 3)]);
	/* -EINVAL: the others were faster, and all is in already */
	return !err || err == -EINVAL || err == -EINTR || err == -EBUSY;
}

/* Even threads push, odd ones pull; the number of wrong results. */
static uint64_t push_or_pull(unsigned id, void *arg)
{
	struct contest *c = arg;
	struct rng r = rng_of(seed_of_run(), id);
	uint64_t wrong = 0;

	while (now() < c->end) {
		wrong += !(id % 2 ? pull_in(c, &r) : push_out(c, &r));
		wrong += zcs_tt_num_pages(c->tt) != c->nr;
		/* a slot is a page or a handle at any moment, never empty */
		wrong += !zcs_tt_slot(c->tt, rng_below(&r, c->nr));
	}
	return wrong;
}

static void against_each_other(enum zcs_backing backing, uint64_t nr, uint32_t flags)
{
	struct contest c;

	contest_init(&c, backing, nr, flags);
	for (uint64_t i = 0; i < nr; i++)
		zcs_test_fill_page(zcs_tt_page_address(c.tt, i), 3, i);
	zcs_test_fault_every("restore", 5);
	zcs_test_fault_every("insert", 11);
	c.end = now() + CONTEST_NS;
	zcs_assert_is(zcs_test_threads(THREADS, push_or_pull, &c), 0);
	zcs_test_faults_off();
	restore_all(&c);
	for (uint64_t i = 0; i < nr; i++)
		assert_true(zcs_test_page_is(zcs_tt_page_address(c.tt, i), 3, i));
	zcs_assert_is(zcs_test_stats(c.pool).inserted_pages, 0);
	contest_fini(&c);
}

static void backing_up_and_restoring_against_each_other(void **state)
{
	(void)state;
	zcs_test_for_each_backing(backing)
	{
		against_each_other(backing, NR, 0);
		against_each_other(backing, NR_HOME, ZCS_TT_CONTIGUOUS);
	}
}

/* -- writers at the address */

#define WRITERS 2u
#define MOVERS	2u

static _Atomic uint64_t *word(struct contest *c, uint64_t page, unsigned id)
{
	char *at = (char *)zcs_tt_address(c->tt) + page * ZCS_PAGE_SIZE;

	return (_Atomic uint64_t *)(void *)at + id;
}

/* Each writer counts up its own word of random pages; the sum must be there in the end. */
static uint64_t count_up(struct contest *c, unsigned id)
{
	struct rng r = rng_of(seed_of_run(), 100 + id);

	while (now() < c->end) {
		atomic_fetch_add_explicit(word(c, rng_below(&r, c->nr), id), 1,
					  memory_order_relaxed);
		c->written[id]++;
	}
	atomic_fetch_sub(&c->writers, 1);
	return 0;
}

/*
 * As long as a thread writes, all goes out and comes back: a sleeper is always woken by the next
 * round.
 */
static uint64_t move(struct contest *c, unsigned id)
{
	struct rng r = rng_of(seed_of_run(), 200 + id);
	uint64_t wrong = 0;

	while (atomic_load(&c->writers)) {
		wrong += !push_out(c, &r);
		if (rng_one_in(&r, 2))
			usleep((useconds_t)rng_below(&r, 50));
		wrong += !pull_in(c, &r);
		if (zcs_tt_flags(c->tt) & ZCS_TT_BACKED_UP) {
			int err = zcs_tt_restore(c->tt, NULL);

			wrong += err && err != -EINVAL;
		}
	}
	return wrong;
}

static uint64_t write_or_move(unsigned id, void *arg)
{
	struct contest *c = arg;

	return id < WRITERS ? count_up(c, id) : move(c, id);
}

static uint64_t sum_of(struct contest *c, unsigned id)
{
	uint64_t sum = 0;

	for (uint64_t i = 0; i < c->nr; i++)
		sum += *word(c, i, id);
	return sum;
}

static void no_write_is_lost(enum zcs_backing backing, uint64_t nr)
{
	struct contest c;

	contest_init(&c, backing, nr, ZCS_TT_CONTIGUOUS);
	c.end = now() + CONTEST_NS;
	c.writers = WRITERS;
	zcs_assert_is(zcs_test_threads(WRITERS + MOVERS, write_or_move, &c), 0);
	restore_all(&c);
	print_message("# %s, %" PRIu64 " pages: %" PRIu64 " writes, %" PRIu64 " times out\n",
		      zcs_test_backing_name(backing), nr, c.written[0] + c.written[1],
		      (uint64_t)c.outs);
	assert_true(c.outs > 0);
	for (unsigned id = 0; id < WRITERS; id++)
		zcs_assert_is(sum_of(&c, id), (int64_t)c.written[id]);
	contest_fini(&c);
}

static void writers_at_the_address_lose_nothing(void **state)
{
	(void)state;
	zcs_test_for_each_backing(backing)
	{
		no_write_is_lost(backing, NR_HOME);
		no_write_is_lost(backing, 9);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		zcs_test(backing_up_and_restoring_against_each_other),
		zcs_test(writers_at_the_address_lose_nothing),
	};

	seed_of_run();
	return zcs_test_run(tests);
}
