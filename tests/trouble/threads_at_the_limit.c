/* SPDX-License-Identifier: MIT */
/*
 * Threads with tts and folios of their own share a pool that has less than they all want: some are
 * refused, none sees another's bytes, the limit is never exceeded, and in the end nothing is left
 * over.
 */
#include <stdatomic.h>

#include "seed.h"
#include "zcs_test.h"

#define THREADS	  6u
#define PER_TT	  200u
#define LIMIT	  (3 * PER_TT + 100) /* for half of them */
#define MAILBOXES 64u

struct crowd {
	struct zcs_pool *pool;
	struct zcs_store *store;
	enum zcs_backing backing;
	uint32_t flags;
	unsigned rounds;
	_Atomic uint64_t served, refused;
	_Atomic(struct zcs_folio *) mailbox[MAILBOXES];
};

static void crowd_init(struct crowd *c, enum zcs_backing backing, uint32_t flags, uint64_t limit,
		       unsigned rounds)
{
	*c = (struct crowd){ .backing = backing, .flags = flags, .rounds = zcs_test_scale(rounds) };
	c->pool = zcs_test_pool(backing, limit * ZCS_PAGE_SIZE, 0);
	c->store = zcs_test_store();
}

static void crowd_fini(struct crowd *c)
{
	zcs_test_store_done(c->store);
	zcs_test_pool_done(c->pool);
}

static uint64_t over_the_limit(struct crowd *c)
{
	struct zcs_pool_stats st = { .struct_size = sizeof(st) };

	return zcs_pool_stats(c->pool, &st) || st.resident_pages > st.max_pages;
}

/* -- whole tts */

static uint64_t fill_and_check_zero(struct zcs_tt *tt, uint64_t seed)
{
	uint64_t wrong = 0;

	for (uint64_t i = 0; i < zcs_tt_num_pages(tt); i++) {
		char *page = zcs_tt_page_address(tt, i);

		if (!page)
			return 1000000;
		wrong += !zcs_test_is_zero(page, ZCS_PAGE_SIZE);
		zcs_test_fill_page(page, seed, i);
	}
	return wrong;
}

static uint64_t check_content(struct zcs_tt *tt, uint64_t seed)
{
	uint64_t wrong = 0;

	for (uint64_t i = 0; i < zcs_tt_num_pages(tt); i++) {
		char *page = zcs_tt_page_address(tt, i);

		wrong += !page || !zcs_test_page_is(page, seed, i);
	}
	return wrong;
}

/* Out and in a few times; purging what was out makes room for others. */
static uint64_t live(struct crowd *c, struct zcs_tt *tt, struct rng *r, uint64_t seed)
{
	int64_t nr = (int64_t)zcs_tt_num_pages(tt);
	uint64_t wrong = fill_and_check_zero(tt, seed);

	for (unsigned i = 0; i < 3; i++) {
		wrong += zcs_tt_backup(tt, 0) != nr;
		wrong += over_the_limit(c);
		wrong += zcs_tt_restore(tt, NULL) != 0;
		wrong += check_content(tt, seed);
	}
	if (rng_one_in(r, 2))
		wrong += zcs_tt_backup(tt, rng_one_in(r, 2) ? ZCS_BACKUP_PURGE : 0) != nr;
	else if (rng_one_in(r, 2))
		zcs_tt_unpopulate(tt);
	return wrong;
}

static uint64_t one_tt_after_the_other(unsigned id, void *arg)
{
	struct crowd *c = arg;
	struct rng r = rng_of(seed_of_run(), id);
	uint64_t wrong = 0;

	for (unsigned i = 0; i < c->rounds; i++) {
		struct zcs_tt *tt = NULL;
		int err = zcs_tt_create(c->pool, PER_TT + rng_below(&r, 16), c->flags, &tt);

		if (err)
			return wrong + 1;
		wrong += zcs_tt_setup_backup(tt, c->store) != 0;
		err = zcs_tt_populate(tt, NULL);
		if (!err)
			wrong += live(c, tt, &r, (uint64_t)id * 100000 + i + 1);
		else
			wrong += err != -ENOMEM;
		atomic_fetch_add(err ? &c->refused : &c->served, 1);
		wrong += zcs_tt_check(tt) != 0;
		zcs_tt_destroy(tt);
	}
	return wrong;
}

static void tts_of_one_pool_at_its_limit(void **state)
{
	(void)state;
	for (uint32_t flags = 0; flags <= ZCS_TT_CONTIGUOUS; flags += ZCS_TT_CONTIGUOUS) {
		struct crowd c;

		crowd_init(&c, ZCS_BACKING_SMALL, flags, LIMIT, 120);
		zcs_assert_is(zcs_test_threads(THREADS, one_tt_after_the_other, &c), 0);
		assert_true(c.served > 0);
		print_message("# %" PRIu64 " tts served, %" PRIu64 " refused\n", (uint64_t)c.served,
			      (uint64_t)c.refused);
		crowd_fini(&c);
	}
}

/* -- folios */

/*
 * A folio of another thread, from the mailbox, or a new one: zero when new, and always put in the
 * end.
 */
static uint64_t pass_on(struct crowd *c, struct rng *r, struct zcs_folio *folio)
{
	_Atomic(struct zcs_folio *) *box = &c->mailbox[rng_below(r, MAILBOXES)];

	zcs_folio_put(atomic_exchange(box, folio));
	return 0;
}

static uint64_t alloc_one(struct crowd *c, struct rng *r)
{
	unsigned order = (unsigned)rng_below(r, rng_one_in(r, 8) ? 10 : 4);
	struct zcs_folio *folio = NULL;
	int err = zcs_folio_alloc(c->pool, order, rng_one_in(r, 4) ? ZCS_ALLOC_NOWAIT : 0, &folio);
	uint64_t wrong;

	atomic_fetch_add(err ? &c->refused : &c->served, 1);
	if (err)
		return err != -ENOMEM;
	wrong = !zcs_test_folio_is_zero(folio) || zcs_folio_order(folio) != order;
	zcs_test_fill_page(zcs_folio_address(folio), rng_next(r), 0);
	return wrong + pass_on(c, r, folio);
}

static uint64_t storm(unsigned id, void *arg)
{
	struct crowd *c = arg;
	struct rng r = rng_of(seed_of_run(), 50 + id);
	uint64_t wrong = 0;

	for (unsigned i = 0; i < c->rounds; i++) {
		wrong += alloc_one(c, &r);
		if (rng_one_in(&r, 50))
			wrong += zcs_pool_shrink(c->pool, -1, rng_below(&r, 64)) < 0;
		if (rng_one_in(&r, 50))
			wrong += over_the_limit(c);
	}
	return wrong;
}

static void empty_mailboxes(struct crowd *c)
{
	for (unsigned i = 0; i < MAILBOXES; i++)
		zcs_folio_put(c->mailbox[i]);
}

static void folios_come_and_go_between_threads(void **state)
{
	(void)state;
	zcs_test_for_each_backing(backing)
	{
		struct crowd c;

		crowd_init(&c, backing, 0, 4 * 512, 5000);
		zcs_assert_is(zcs_test_threads(THREADS, storm, &c), 0);
		assert_true(c.served > 0);
		empty_mailboxes(&c);
		zcs_assert_is(zcs_test_counter(c.pool, ZCS_COUNT_BAD_PUT), 0);
		crowd_fini(&c);
	}
}

/* -- the pool goes while folios are out */

static uint64_t put_all(unsigned id, void *arg)
{
	struct crowd *c = arg;

	for (unsigned i = id; i < MAILBOXES; i += THREADS)
		zcs_folio_put(c->mailbox[i]);
	return 0;
}

static void the_last_put_of_several_threads_frees_the_pool(void **state)
{
	(void)state;
	for (unsigned round = 0; round < zcs_test_scale(50); round++) {
		struct crowd c;

		crowd_init(&c, ZCS_BACKING_SMALL, 0, 4096, 1);
		for (unsigned i = 0; i < MAILBOXES; i++)
			c.mailbox[i] = zcs_test_folio(c.pool, i % 4);
		zcs_test_pool_forget(c.pool);
		zcs_pool_destroy(c.pool);
		zcs_test_threads(THREADS, put_all, &c);
		zcs_assert_is(zcs_test_arenas(), 0);
		zcs_test_store_done(c.store);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		zcs_test(tts_of_one_pool_at_its_limit),
		zcs_test(folios_come_and_go_between_threads),
		zcs_test(the_last_put_of_several_threads_frees_the_pool),
	};

	seed_of_run();
	return zcs_test_run(tests);
}
