/* SPDX-License-Identifier: MIT */
/*
 * max_bytes is hard: over it populating fails (TTM goes on when nothing can be swapped out), unless
 * cached folios, or what the pool's owner gives up when asked, make room first.
 */
#include "tt_inside.h"

#define LIMIT 64u

struct limited {
	struct zcs_pool *pool;
	struct zcs_tt *tt;
	/* given up when asked */
	struct zcs_folio *held[LIMIT];
	unsigned nr_held, asked;
	uint64_t asked_pages;
};

static void limited_init(struct limited *l, uint64_t nr, uint32_t flags)
{
	*l = (struct limited){ 0 };
	l->pool = zcs_test_pool(ZCS_BACKING_SMALL, LIMIT * ZCS_PAGE_SIZE, 0);
	zcs_assert_ok(zcs_tt_create(l->pool, nr, flags, &l->tt));
}

static void limited_fini(struct limited *l)
{
	zcs_test_tt_done(l->tt);
	while (l->nr_held)
		zcs_folio_put(l->held[--l->nr_held]);
	zcs_test_pool_done(l->pool);
}

static void hold(struct limited *l, unsigned nr)
{
	while (nr--)
		l->held[l->nr_held++] = zcs_test_folio(l->pool, 0);
}

/* The pool's reclaim hook: one held folio a call. */
static int64_t give_one_up(void *arg, uint64_t nr_pages)
{
	struct limited *l = arg;

	l->asked++;
	l->asked_pages += nr_pages;
	if (!l->nr_held)
		return 0;
	zcs_folio_put(l->held[--l->nr_held]);
	return 1;
}

static void with_hook(struct limited *l)
{
	zcs_pool_set_hooks(l->pool, give_one_up, NULL, 0, l);
}

static void assert_refused(struct limited *l, const struct zcs_ctx *ctx)
{
	uint64_t before = zcs_test_counter(l->pool, ZCS_COUNT_LIMIT_REFUSED);

	zcs_assert_is(zcs_tt_populate(l->tt, ctx), -ENOMEM);
	assert_true(zcs_test_counter(l->pool, ZCS_COUNT_LIMIT_REFUSED) > before);
	zcs_assert_is(tt_state(l->tt), 0);
	/*
	 * where the address does not trap, a thread may have written to what was populated: that
	 * stays
	 */
	if (!zcs_tt_address(l->tt) || zcs_test_has_userfaultfd()) {
		assert_true(tt_all(l->tt, 0, zcs_tt_num_pages(l->tt), TT_EMPTY));
		zcs_assert_is(zcs_test_stats(l->pool).active_pages, l->nr_held);
	}
	assert_true(zcs_test_stats(l->pool).resident_pages <= LIMIT);
	zcs_test_pool_ok(l->pool);
}

static void case_97_over_the_limit_is_an_error(void **state)
{
	(void)state;
	for (uint32_t flags = 0; flags <= ZCS_TT_CONTIGUOUS; flags += ZCS_TT_CONTIGUOUS) {
		struct limited l;

		limited_init(&l, LIMIT + 1, flags);
		assert_refused(&l, NULL);
		limited_fini(&l);
		limited_init(&l, LIMIT, flags);
		hold(&l, 1);
		assert_refused(&l, NULL);
		limited_fini(&l);
		limited_init(&l, LIMIT, flags);
		zcs_assert_ok(zcs_tt_populate(l.tt, NULL));
		limited_fini(&l);
	}
}

static void case_97_the_owner_of_the_pool_makes_room(void **state)
{
	(void)state;
	for (uint32_t flags = 0; flags <= ZCS_TT_CONTIGUOUS; flags += ZCS_TT_CONTIGUOUS) {
		struct limited l;

		limited_init(&l, LIMIT, flags);
		hold(&l, 5);
		with_hook(&l);
		zcs_assert_ok(zcs_tt_populate(l.tt, NULL));
		zcs_assert_is(l.nr_held, 0);
		zcs_assert_is(l.asked, 5);
		assert_true(zcs_test_stats(l.pool).resident_pages <= LIMIT);
		limited_fini(&l);
	}
}

static void case_97_nothing_to_give_up_is_an_error(void **state)
{
	struct limited l;

	(void)state;
	limited_init(&l, LIMIT + 1, 0);
	with_hook(&l);
	assert_refused(&l, NULL);
	assert_true(l.asked > 0 && l.asked_pages >= l.asked);
	limited_fini(&l);
}

static void who_may_not_wait_does_not_ask(void **state)
{
	struct limited l;

	(void)state;
	limited_init(&l, LIMIT, 0);
	hold(&l, 5);
	with_hook(&l);
	assert_refused(&l, &tt_no_wait);
	zcs_assert_is(l.asked, 0);
	zcs_assert_ok(zcs_tt_populate(l.tt, NULL));
	limited_fini(&l);
}

static void cached_folios_never_cause_a_refusal(void **state)
{
	(void)state;
	for (uint32_t flags = 0; flags <= ZCS_TT_CONTIGUOUS; flags += ZCS_TT_CONTIGUOUS) {
		struct limited l;

		limited_init(&l, LIMIT, flags);
		hold(&l, 30);
		while (l.nr_held)
			zcs_folio_put(l.held[--l.nr_held]);
		zcs_assert_is(zcs_test_stats(l.pool).cached_pages, 30);
		zcs_assert_ok(zcs_tt_populate(l.tt, &tt_no_wait));
		zcs_assert_is(zcs_test_stats(l.pool).resident_pages, LIMIT);
		limited_fini(&l);
	}
}

/* What is inserted in "mem:" is resident and goes on counting; restoring it needs nothing. */
static void backed_up_pages_count_against_the_limit(void **state)
{
	struct zcs_store *store = zcs_test_store();
	struct zcs_tt *other;
	struct limited l;

	(void)state;
	limited_init(&l, LIMIT, 0);
	zcs_assert_ok(zcs_tt_populate(l.tt, NULL));
	zcs_assert_ok(zcs_tt_setup_backup(l.tt, store));
	zcs_assert_is(zcs_tt_backup(l.tt, 0), LIMIT);
	zcs_assert_ok(zcs_tt_create(l.pool, 1, 0, &other));
	zcs_assert_is(zcs_tt_populate(other, NULL), -ENOMEM);
	zcs_assert_ok(zcs_tt_restore(l.tt, NULL));
	zcs_tt_destroy(other);
	limited_fini(&l);
	zcs_test_store_done(store);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		zcs_test(case_97_over_the_limit_is_an_error),
		zcs_test(case_97_the_owner_of_the_pool_makes_room),
		zcs_test(case_97_nothing_to_give_up_is_an_error),
		zcs_test(who_may_not_wait_does_not_ask),
		zcs_test(cached_folios_never_cause_a_refusal),
		zcs_test(backed_up_pages_count_against_the_limit),
	};

	return zcs_test_run(tests);
}
