/* SPDX-License-Identifier: MIT */
/*
 * The swap cache: a folio that came back from a slot keeps it until it is written to. Going out
 * clean costs no I/O; being written to, by whatever way, is noticed. Only hugetlb is watched: on
 * shmem the slot is freed as the folio comes back.
 */
#include <pthread.h>
#include <unistd.h>

#include "store_test.h"

#include "tt/tt.h"

#define NR     (4 * 512u)
#define BLOCKS (NR / 512)

struct setting {
	struct zcs_pool *pool;
	struct zcs_store *store;
	struct zcs_tt *tt;
};

static void start(struct setting *s, enum zcs_backing backing)
{
	s->pool = zcs_test_pool(backing, 0, 1);
	s->store = store_test_file(16);
	zcs_assert_ok(zcs_tt_create(s->pool, NR, ZCS_TT_CONTIGUOUS, &s->tt));
	zcs_assert_ok(zcs_tt_setup_backup(s->tt, s->store));
	zcs_assert_ok(zcs_tt_populate(s->tt, NULL));
	store_test_fill(s->tt, 1, 0, NR);
}

static void finish(struct setting *s)
{
	zcs_test_tt_done(s->tt);
	zcs_test_pool_is_idle(s->pool);
	zcs_assert_is(zcs_test_arena_bytes(), 0);
	store_test_done(s->store);
	zcs_test_pool_done(s->pool);
}

static void out(struct setting *s)
{
	zcs_assert_is(zcs_tt_backup(s->tt, ZCS_BACKUP_WRITEBACK), NR);
	store_test_idle(s->tt->backup);
	zcs_assert_is(zcs_test_stats(s->pool).resident_pages, 0);
	zcs_assert_is(store_test_stats(s->store).used_slots, NR);
	zcs_assert_ok(zcs_tt_check(s->tt));
}

static void back(struct setting *s)
{
	zcs_assert_ok(zcs_tt_restore(s->tt, NULL));
	zcs_assert_ok(zcs_tt_check(s->tt));
}

static void out_and_back(struct setting *s)
{
	out(s);
	back(s);
}

/* Since the last call: blocks that were written, and blocks that were clean. */
static void went(struct setting *s, uint64_t written, uint64_t clean)
{
	static uint64_t last_written, last_clean;
	struct zcs_store_stats st = store_test_stats(s->store);

	if (written != UINT64_MAX) {
		zcs_assert_is(st.written_blocks - last_written, (int64_t)written);
		zcs_assert_is(st.clean_blocks - last_clean, (int64_t)clean);
	}
	last_written = st.written_blocks;
	last_clean = st.clean_blocks;
}

#define FROM_HERE(s) went(s, UINT64_MAX, 0)

/*
 * Whether writes to hugetlb folios are noticed here: that needs a kernel, and a tracer, that know
 * how.
 */
static bool is_watched(void)
{
	struct zcs_pool *pool = zcs_test_pool(ZCS_BACKING_HUGETLB, 0, 0);
	struct zcs_store *store = store_test_file(2);
	struct zcs_tt *tt;
	bool watched;

	zcs_assert_ok(zcs_tt_create(pool, 512, ZCS_TT_CONTIGUOUS, &tt));
	zcs_assert_ok(zcs_tt_setup_backup(tt, store));
	watched = tt->backup->tracked;
	zcs_test_tt_done(tt);
	store_test_done(store);
	zcs_test_pool_done(pool);
	return watched;
}

static bool hugetlb(void)
{
	if (!zcs_test_backing_works(ZCS_BACKING_HUGETLB))
		zcs_test_skip_case("without hugetlb pages nothing is watched");
	if (!is_watched())
		zcs_test_skip_case("no write protection by userfaultfd: nothing is watched");
	return true;
}

static void start_clean(struct setting *s)
{
	start(s, ZCS_BACKING_HUGETLB);
	out_and_back(s);
	zcs_assert_is(store_test_stats(s->store).used_slots, NR);
	FROM_HERE(s);
}

static void what_was_only_read_is_clean(void **state)
{
	struct setting s;

	(void)state;
	if (!hugetlb())
		return;
	start_clean(&s);
	for (unsigned i = 0; i < 3; i++) {
		assert_true(store_test_is(s.tt, 1, 0, NR));
		out_and_back(&s);
		went(&s, 0, BLOCKS);
	}
	assert_true(store_test_is(s.tt, 1, 0, NR));
	finish(&s);
}

static void what_was_not_touched_is_clean(void **state)
{
	struct setting s;

	(void)state;
	if (!hugetlb())
		return;
	start_clean(&s);
	out_and_back(&s);
	went(&s, 0, BLOCKS);
	assert_true(store_test_is(s.tt, 1, 0, NR));
	finish(&s);
}

/* One byte, anywhere in the block, and no other block is written again. */
static void what_was_written_to_is_dirty(void **state)
{
	struct setting s;

	(void)state;
	if (!hugetlb())
		return;
	start_clean(&s);
	for (uint64_t i = 0; i < 4; i++) {
		uint64_t page = i * 512 + i * 170;
		char *at = (char *)zcs_tt_address(s.tt) + page * ZCS_PAGE_SIZE;

		at[1234] ^= 1;
		out_and_back(&s);
		went(&s, 1, BLOCKS - 1);
		assert_false(zcs_test_page_is(at, 1, page));
		at[1234] ^= 1;
		assert_true(store_test_is(s.tt, 1, 0, NR));
		out_and_back(&s);
		went(&s, 1, BLOCKS - 1);
	}
	finish(&s);
}

/* By read(2), as the kernel writes for an application. */
static void what_the_kernel_wrote_is_dirty(void **state)
{
	struct setting s;
	int pipes[2];

	(void)state;
	if (!hugetlb())
		return;
	start_clean(&s);
	zcs_assert_ok(pipe(pipes));
	zcs_assert_is(write(pipes[1], "x", 1), 1);
	zcs_assert_is(read(pipes[0], (char *)zcs_tt_address(s.tt) + 700 * ZCS_PAGE_SIZE, 1), 1);
	close(pipes[0]);
	close(pipes[1]);
	out_and_back(&s);
	went(&s, 1, BLOCKS - 1);
	zcs_assert_is(((char *)zcs_tt_address(s.tt))[700 * ZCS_PAGE_SIZE], 'x');
	finish(&s);
}

static void what_the_linear_map_was_asked_for_is_dirty(void **state)
{
	struct setting s;
	char *at;

	(void)state;
	if (!hugetlb())
		return;
	start_clean(&s);
	at = zcs_tt_page_address(s.tt, 1000);
	zcs_assert_is(store_test_stats(s.store).used_slots, NR - 512);
	zcs_test_fill_page(at, 2, 1000);
	out_and_back(&s);
	went(&s, 1, BLOCKS - 1);
	assert_true(store_test_is(s.tt, 2, 1000, 1));
	assert_true(store_test_is(s.tt, 1, 1001, NR - 1001));
	finish(&s);
}

/* Inserted and taken again without a write: still clean, and still watched. */
static void a_resident_round_keeps_it_clean(void **state)
{
	struct setting s;

	(void)state;
	if (!hugetlb())
		return;
	start_clean(&s);
	zcs_assert_is(zcs_tt_backup(s.tt, 0), NR);
	back(&s);
	zcs_assert_is(store_test_stats(s.store).used_slots, NR);
	((char *)zcs_tt_address(s.tt))[5] ^= 1;
	zcs_assert_is(zcs_tt_backup(s.tt, 0), NR);
	zcs_assert_is(store_test_stats(s.store).used_slots, NR - 512);
	back(&s);
	out_and_back(&s);
	went(&s, 1, BLOCKS - 1);
	((char *)zcs_tt_address(s.tt))[5] ^= 1;
	assert_true(store_test_is(s.tt, 1, 0, NR));
	finish(&s);
}

/*
 * A backup that is refused half-way maps again what stayed, watched as before; the block that was
 * refused gave up its slot to be split.
 */
static void what_was_refused_is_still_watched(void **state)
{
	struct setting s;

	(void)state;
	if (!hugetlb())
		return;
	start_clean(&s);
	zcs_test_fault("insert", 2, 0, 0);
	zcs_assert_is(zcs_tt_backup(s.tt, 0), 1024);
	zcs_test_faults_off();
	((char *)zcs_tt_address(s.tt))[1536 * ZCS_PAGE_SIZE] ^= 1;
	zcs_assert_is(zcs_tt_backup(s.tt, ZCS_BACKUP_WRITEBACK), 1024);
	zcs_backup_writeback(s.tt->backup, 0, NR - 1, ZCS_WB_WAIT);
	went(&s, 2, BLOCKS - 2);
	back(&s);
	((char *)zcs_tt_address(s.tt))[1536 * ZCS_PAGE_SIZE] ^= 1;
	assert_true(store_test_is(s.tt, 1, 0, NR));
	finish(&s);
}

static void purging_and_unpopulating_give_the_slots_back(void **state)
{
	struct setting s;

	(void)state;
	if (!hugetlb())
		return;
	start_clean(&s);
	zcs_assert_is(zcs_tt_backup_range(s.tt, 512, 512, ZCS_BACKUP_PURGE), 512);
	zcs_assert_is(store_test_stats(s.store).used_slots, NR - 512);
	zcs_tt_unpopulate(s.tt);
	zcs_assert_is(store_test_stats(s.store).used_slots, 0);
	finish(&s);
}

static void a_new_backup_starts_without_slots(void **state)
{
	struct zcs_store *other;
	struct setting s;

	(void)state;
	if (!hugetlb())
		return;
	start_clean(&s);
	other = store_test_file(16);
	zcs_assert_ok(zcs_tt_setup_backup(s.tt, other));
	zcs_assert_is(store_test_stats(s.store).used_slots, 0);
	zcs_assert_is(zcs_tt_backup(s.tt, ZCS_BACKUP_WRITEBACK), NR);
	store_test_idle(s.tt->backup);
	zcs_assert_is(store_test_stats(other).written_blocks, BLOCKS);
	back(&s);
	assert_true(store_test_is(s.tt, 1, 0, NR));
	zcs_tt_destroy(s.tt);
	s.tt = NULL;
	store_test_done(other);
	store_test_done(s.store);
	zcs_test_pool_done(s.pool);
}

static void on_shmem_the_slot_is_freed(void **state)
{
	(void)state;
	for (enum zcs_backing backing = ZCS_BACKING_THP; backing <= ZCS_BACKING_SMALL; backing++) {
		struct setting s;

		start(&s, backing);
		out_and_back(&s);
		zcs_assert_is(store_test_stats(s.store).used_slots, 0);
		FROM_HERE(&s);
		assert_true(store_test_is(s.tt, 1, 0, NR));
		out_and_back(&s);
		went(&s, BLOCKS, 0);
		assert_true(store_test_is(s.tt, 1, 0, NR));
		finish(&s);
	}
}

static void a_scattered_tt_gives_its_slots_back(void **state)
{
	struct setting s;

	(void)state;
	if (!hugetlb())
		return;
	s.pool = zcs_test_pool(ZCS_BACKING_HUGETLB, 0, 1);
	s.store = store_test_file(16);
	zcs_assert_ok(zcs_tt_create(s.pool, NR, 0, &s.tt));
	zcs_assert_ok(zcs_tt_setup_backup(s.tt, s.store));
	zcs_assert_ok(zcs_tt_populate(s.tt, NULL));
	for (uint64_t i = 0; i < NR; i++)
		zcs_test_fill_page(zcs_tt_page_address(s.tt, i), 1, i);
	out_and_back(&s);
	zcs_assert_is(store_test_stats(s.store).used_slots, 0);
	FROM_HERE(&s);
	out_and_back(&s);
	went(&s, BLOCKS, 0);
	finish(&s);
}

/*
 * Without write protection, or without the page map, nobody can tell: everything is dirty, and
 * still right.
 */
static void without(const char *point)
{
	struct setting s;

	if (!hugetlb())
		return;
	zcs_test_fault(point, 0, 0, 0);
	start(&s, ZCS_BACKING_HUGETLB);
	out_and_back(&s);
	zcs_assert_is(store_test_stats(s.store).used_slots, 0);
	FROM_HERE(&s);
	((char *)zcs_tt_address(s.tt))[700] ^= 1;
	out_and_back(&s);
	went(&s, BLOCKS, 0);
	((char *)zcs_tt_address(s.tt))[700] ^= 1;
	assert_true(store_test_is(s.tt, 1, 0, NR));
	assert_true(zcs_test_fault_failed(point) > 0);
	finish(&s);
}

static void without_write_protection(void **state)
{
	(void)state;
	without("userfaultfd_wp");
}

static void without_userfaultfd(void **state)
{
	(void)state;
	without("userfaultfd");
}

static void without_the_page_map(void **state)
{
	(void)state;
	without("pagemap");
}

/* The page map fails later on: what cannot be told to be clean is dirty. */
static void when_the_page_map_cannot_be_read(void **state)
{
	struct setting s;

	(void)state;
	if (!hugetlb())
		return;
	start_clean(&s);
	zcs_test_fault("pagemap", 0, 0, 0);
	((char *)zcs_tt_address(s.tt))[700] ^= 1;
	out_and_back(&s);
	went(&s, BLOCKS, 0);
	zcs_test_faults_off();
	((char *)zcs_tt_address(s.tt))[700] ^= 1;
	assert_true(store_test_is(s.tt, 1, 0, NR));
	finish(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		store_test_both(what_was_only_read_is_clean),
		store_test(what_was_not_touched_is_clean),
		store_test(what_was_written_to_is_dirty),
		store_test(what_the_kernel_wrote_is_dirty),
		store_test(what_the_linear_map_was_asked_for_is_dirty),
		store_test(a_resident_round_keeps_it_clean),
		store_test(what_was_refused_is_still_watched),
		store_test(purging_and_unpopulating_give_the_slots_back),
		store_test(a_new_backup_starts_without_slots),
		store_test(on_shmem_the_slot_is_freed),
		store_test(a_scattered_tt_gives_its_slots_back),
		store_test(without_write_protection),
		store_test(without_userfaultfd),
		store_test(without_the_page_map),
		store_test(when_the_page_map_cannot_be_read),
	};

	return zcs_test_run(tests);
}
