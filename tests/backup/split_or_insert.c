/* SPDX-License-Identifier: MIT */
/*
 * Of two threads, one that splits a folio and one that inserts it as a whole, exactly one succeeds,
 * whichever is first. Insert once compared the order before it claimed the folio: then both could
 * succeed, and the backup held a block whose pages, all but one, belonged to the other thread.
 */
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>

#include "zcs_test.h"

#define ORDER  6u
#define PIECES (1u << ORDER)

struct race {
	struct zcs_pool *pool;
	struct zcs_backup *backup;
	struct zcs_folio *folio;
	_Atomic unsigned round, answered;
	atomic_bool split_over;
	int64_t handle;
	unsigned rounds;
};

static uint64_t insert_each(struct race *r)
{
	unsigned seed = 1;

	for (unsigned i = 1; i <= r->rounds; i++) {
		int64_t n;

		while (r->round != i)
			sched_yield();
		seed = seed * 1103515245u + 12345u;
		for (volatile unsigned k = seed >> 16 & 127; k; k--)
			;
		do
			n = zcs_backup_insert_folio(r->backup, r->folio, ORDER, 0, 0);
		while (n < 0 && !r->split_over);
		r->handle = n;
		r->answered = i;
	}
	return 0;
}

/* 1: both or neither had it. */
static uint64_t split_one(struct race *r, unsigned i)
{
	struct zcs_folio *piece[PIECES];
	bool split, inserted;

	if (zcs_folio_alloc(r->pool, ORDER, 0, &r->folio))
		return 1;
	r->split_over = false;
	r->round = i;
	split = !zcs_folio_split(r->folio, piece);
	r->split_over = true;
	while (r->answered != i)
		sched_yield();
	inserted = r->handle > 0;
	for (unsigned k = 0; split && k < PIECES; k++)
		zcs_folio_put(piece[k]);
	if (inserted)
		zcs_backup_drop(r->backup, r->handle, ORDER);
	return split == inserted;
}

static uint64_t split_or_insert(unsigned id, void *arg)
{
	struct race *r = arg;
	uint64_t wrong = 0;

	if (id)
		return insert_each(r);
	for (unsigned i = 1; i <= r->rounds; i++)
		wrong += split_one(r, i);
	return wrong;
}

static void one_of_two_has_the_folio(void **state)
{
	struct zcs_store *store = zcs_test_store();
	struct race r = { .pool = zcs_test_pool(ZCS_BACKING_SMALL, 0, 16 * ZCS_TEST_MIB),
			  .backup = zcs_test_backup(store, 512),
			  .rounds = zcs_test_scale(5000) };

	(void)state;
	zcs_assert_is(zcs_test_threads(2, split_or_insert, &r), 0);
	zcs_test_backup_done(r.backup);
	zcs_test_store_done(store);
	zcs_test_pool_done(r.pool);
}

struct insertion {
	struct zcs_backup *backup;
	struct zcs_folio *folio;
	int64_t result;
};

static void *insert(void *arg)
{
	struct insertion *in = arg;

	in->result = zcs_backup_insert_folio(in->backup, in->folio, ORDER, 0, 0);
	return NULL;
}

/* The insertion is held between its look at the order and its claim. */
static void a_split_before_the_claim_wins(void **state)
{
	struct zcs_fault_attr hang = { .struct_size = sizeof(hang), .delay_ms = ZCS_FAULT_HANG };
	struct zcs_store *store = zcs_test_store();
	struct zcs_pool *pool = zcs_test_pool(ZCS_BACKING_SMALL, 0, 16 * ZCS_TEST_MIB);
	struct insertion in = { .backup = zcs_test_backup(store, 512),
				.folio = zcs_test_folio(pool, ORDER) };
	struct zcs_folio *piece[PIECES];
	pthread_t thread;

	(void)state;
	zcs_assert_ok(zcs_fault_set("insert", &hang));
	zcs_assert_ok(pthread_create(&thread, NULL, insert, &in));
	while (!zcs_test_fault_failed("insert"))
		sched_yield();
	zcs_assert_ok(zcs_folio_split(in.folio, piece));
	zcs_test_faults_off();
	pthread_join(thread, NULL);
	zcs_assert_is(in.result, -EINVAL);
	for (unsigned i = 0; i < PIECES; i++)
		zcs_folio_put(piece[i]);
	zcs_test_backup_done(in.backup);
	zcs_test_store_done(store);
	zcs_test_pool_done(pool);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		zcs_test(a_split_before_the_claim_wins),
		zcs_test(one_of_two_has_the_folio),
	};

	return zcs_test_run(tests);
}
