/* SPDX-License-Identifier: MIT */
/*
 * No caller is refused memory because of read-ahead. A take, of the same backup or of another, a
 * folio of the pool's and a tt get memory in a pool that is at its limit, also while the reads are
 * under way. There is no device, which would see to that by evicting.
 */
#include <unistd.h>

#include "store_test.h"

#define ORDER 3u
#define NR    32u
#define PAGES (NR << ORDER)
#define BLOCK (1u << ORDER)

struct setting {
	struct zcs_pool *pool;
	struct zcs_store *store;
	struct zcs_backup *backup;
	struct zcs_folio *taken[NR];
};

static struct zcs_backup *written_backup(struct setting *s, uint64_t seed)
{
	struct zcs_backup *backup = zcs_test_backup(s->store, PAGES);

	for (uint64_t i = 0; i < PAGES; i += BLOCK) {
		store_test_insert(backup, s->pool, seed, i, ORDER, 0);
		store_test_writeback(backup, i, i + BLOCK - 1);
	}
	return backup;
}

static void start(struct setting *s, unsigned blocks)
{
	memset(s, 0, sizeof(*s));
	s->pool = zcs_test_pool(ZCS_BACKING_SMALL, blocks * (ZCS_PAGE_SIZE << ORDER), 1);
	s->store = store_test_file(4);
	s->backup = written_backup(s, 1);
}

static void finish(struct setting *s)
{
	for (uint64_t i = 0; i < NR; i++) {
		if (!s->taken[i])
			continue;
		assert_true(zcs_test_is(zcs_folio_address(s->taken[i]), 1, i << ORDER, BLOCK));
		zcs_folio_put(s->taken[i]);
	}
	zcs_assert_ok(zcs_backup_check(s->backup));
	store_test_backup_done(s->backup, s->pool);
	store_test_done(s->store);
	zcs_test_pool_done(s->pool);
}

/* And keeps the folio. */
static int take(struct setting *s, uint64_t block)
{
	return zcs_backup_take_folio(s->backup, zcs_handle_from_index(block << ORDER), s->pool,
				     &s->taken[block]);
}

/* The first two of the pool's three blocks are out, and the third is what comes after the first. */
static void two_are_out(struct setting *s)
{
	start(s, 3);
	zcs_assert_ok(take(s, 0));
	store_test_idle(s->backup);
	zcs_assert_ok(take(s, 20));
	zcs_assert_is(store_test_backup_stats(s->backup).resident_pages, BLOCK);
	zcs_assert_is(zcs_test_stats(s->pool).resident_pages, 3 * BLOCK);
}

static void it_gave_way(struct setting *s)
{
	zcs_assert_is(store_test_backup_stats(s->backup).resident_pages, 0);
	zcs_assert_is(store_test_stats(s->store).ra_wasted, 1);
	finish(s);
}

static void to_a_take_elsewhere(void **state)
{
	struct setting s;

	(void)state;
	two_are_out(&s);
	zcs_assert_ok(take(&s, 10));
	/* now nothing is left that could */
	zcs_assert_is(take(&s, 5), -ENOMEM);
	it_gave_way(&s);
}

static void to_a_vector(void **state)
{
	struct zcs_take vec[3] = { { .handle = zcs_handle_from_index(7 << ORDER) },
				   { .handle = zcs_handle_from_index(8 << ORDER) },
				   { .handle = zcs_handle_from_index(9 << ORDER) } };
	struct setting s;

	(void)state;
	start(&s, 4);
	zcs_assert_ok(take(&s, 0));
	store_test_idle(s.backup);
	zcs_assert_is(store_test_backup_stats(s.backup).resident_pages, BLOCK);
	zcs_assert_is(zcs_backup_take_folios(s.backup, vec, 3, s.pool), 3);
	for (unsigned i = 0; i < 3; i++)
		s.taken[7 + i] = vec[i].folio;
	it_gave_way(&s);
}

static void to_a_take_of_another_backup(void **state)
{
	struct zcs_backup *other;
	struct setting s;

	(void)state;
	start(&s, 3);
	other = written_backup(&s, 2);
	zcs_assert_ok(take(&s, 0));
	store_test_idle(s.backup);
	zcs_assert_ok(take(&s, 20));
	store_test_take(other, s.pool, 2, 4 << ORDER, ORDER);
	zcs_test_backup_done(other);
	it_gave_way(&s);
}

static void to_a_folio_of_the_pool(void **state)
{
	struct zcs_folio *folio;
	struct setting s;

	(void)state;
	two_are_out(&s);
	zcs_assert_is(zcs_folio_alloc(s.pool, ORDER, ZCS_ALLOC_NOWAIT, &folio), -ENOMEM);
	zcs_assert_is(store_test_backup_stats(s.backup).resident_pages, BLOCK);
	zcs_assert_ok(zcs_folio_alloc(s.pool, ORDER, 0, &folio));
	zcs_folio_put(folio);
	it_gave_way(&s);
}

static void to_a_tt(uint32_t flags)
{
	struct zcs_tt *tt;
	struct setting s;

	two_are_out(&s);
	zcs_assert_ok(zcs_tt_create(s.pool, BLOCK, flags, &tt));
	zcs_assert_ok(zcs_tt_populate(tt, NULL));
	zcs_test_tt_done(tt);
	it_gave_way(&s);
}

static void to_a_scattered_tt(void **state)
{
	(void)state;
	to_a_tt(0);
}

static void to_a_contiguous_tt(void **state)
{
	(void)state;
	to_a_tt(ZCS_TT_CONTIGUOUS);
}

struct helper {
	pthread_t thread;
	struct setting *s;
	struct zcs_folio *folio;
	int take_err, alloc_err;
};

static void *take_thread(void *arg)
{
	struct helper *h = arg;

	h->take_err = take(h->s, 20);
	return NULL;
}

static void *alloc_thread(void *arg)
{
	struct helper *h = arg;

	h->alloc_err = zcs_folio_alloc(h->s->pool, ORDER, 0, &h->folio);
	return NULL;
}

/* Two blocks are out, and the reads of the other two wait behind the held request. */
static void while_it_is_read(void *(*fn)(void *arg))
{
	struct store_test_hold hold;
	struct setting s;
	struct helper h = { .s = &s };

	start(&s, 4);
	zcs_assert_ok(take(&s, 0));
	store_test_idle(s.backup);
	store_test_hold(s.store, &hold);
	zcs_assert_ok(take(&s, 1));
	store_test_wait_queued(s.store, 2);
	zcs_assert_is(zcs_test_stats(s.pool).resident_pages, 4 * BLOCK);
	zcs_assert_ok(pthread_create(&h.thread, NULL, fn, &h));
	usleep(20000);
	store_test_let_go(&hold);
	pthread_join(h.thread, NULL);
	zcs_assert_ok(h.take_err);
	zcs_assert_ok(h.alloc_err);
	assert_true(store_test_stats(s.store).ra_wasted > 0);
	zcs_folio_put(h.folio);
	finish(&s);
}

static void to_a_take_while_it_is_read(void **state)
{
	(void)state;
	while_it_is_read(take_thread);
}

static void to_a_folio_while_it_is_read(void **state)
{
	(void)state;
	while_it_is_read(alloc_thread);
}

/*
 * A backup moves to another pool while a block that was dropped is still being read into a folio of
 * the first.
 */
static void of_a_backup_that_changes_its_pool(void **state)
{
	struct store_test_hold hold;
	struct zcs_pool *other;
	struct setting s;
	struct helper h = { .s = &s };

	(void)state;
	start(&s, 4);
	zcs_assert_ok(take(&s, 0));
	store_test_idle(s.backup);
	store_test_hold(s.store, &hold);
	zcs_assert_ok(take(&s, 1));
	store_test_wait_queued(s.store, 2);
	for (uint64_t i = 2; i < NR; i++)
		zcs_backup_drop(s.backup, zcs_handle_from_index(i << ORDER), ORDER);
	zcs_assert_ok(pthread_create(&h.thread, NULL, alloc_thread, &h));
	store_test_let_go(&hold);
	other = zcs_test_pool(ZCS_BACKING_SMALL, 0, 1);
	store_test_insert(s.backup, other, 3, 0, ORDER, 0);
	pthread_join(h.thread, NULL);
	zcs_assert_ok(h.alloc_err);
	zcs_folio_put(h.folio);
	store_test_take(s.backup, other, 3, 0, ORDER);
	zcs_test_pool_ok(s.pool);
	finish(&s);
	zcs_test_pool_done(other);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		store_test(to_a_take_elsewhere),
		store_test(to_a_vector),
		store_test(to_a_take_of_another_backup),
		store_test(to_a_folio_of_the_pool),
		store_test(to_a_scattered_tt),
		store_test(to_a_contiguous_tt),
		store_test_both(to_a_take_while_it_is_read),
		store_test_both(to_a_folio_while_it_is_read),
		store_test(of_a_backup_that_changes_its_pool),
	};

	return zcs_test_run(tests);
}
