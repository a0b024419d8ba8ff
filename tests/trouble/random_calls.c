/* SPDX-License-Identifier: MIT */
/*
 * Tens of thousands of random calls, right and wrong, with faults strewn in, against a model that
 * knows what each page of each folio, backup and tt must contain. The seed is printed; ZCSWAP_SEED
 * repeats a run.
 *
 * The model says who owns what and what is in it; where the library may choose (how far a backup
 * gets, whether memory is available), the model takes over what it chose and checks that it was
 * among what is allowed.
 */
#include "random_calls.h"

#define STEPS	    20000u
#define CHECK_EVERY 100u

struct model m;

uint64_t below(uint64_t nr)
{
	return rng_below(&m.rng, nr);
}

bool one_in(uint64_t nr)
{
	return rng_one_in(&m.rng, nr);
}

uint64_t count_result(int64_t ret)
{
	return m.done[ret < 0]++;
}

bool page_is(const void *page, struct content c, uint64_t at)
{
	return c.seed ? zcs_test_page_is(page, c.seed, c.index + at)
		      : zcs_test_is_zero(page, ZCS_PAGE_SIZE);
}

bool pages_are(const char *pages, struct content c, uint64_t nr)
{
	for (uint64_t i = 0; i < nr; i++)
		if (!page_is(pages + i * ZCS_PAGE_SIZE, c, i))
			return false;
	return true;
}

struct content new_content(void *pages, uint64_t nr)
{
	struct content c = { ++m.seeds, 0 };

	zcs_test_fill(pages, c.seed, 0, nr);
	return c;
}

static void check_all(void)
{
	uint64_t active = 0, inserted = 0;
	struct zcs_pool_stats st;

	zcs_test_pool_ok(m.pool);
	for (unsigned i = 0; i < FOLIOS; i++) {
		if (!m.folio[i].folio)
			continue;
		assert_folio(&m.folio[i]);
		active += folio_pages(&m.folio[i]);
	}
	for (unsigned b = 0; b < BACKUPS; b++) {
		zcs_assert_ok(zcs_backup_check(m.backup[b].backup));
		for (uint64_t i = 0; i < BACKUP_PAGES; i++) {
			inserted += m.backup[b].page[i].used;
			assert_backup_page(&m.backup[b], i);
		}
	}
	for (unsigned t = 0; t < TTS; t++) {
		zcs_assert_ok(zcs_tt_check(m.tt[t].tt));
		for (uint64_t i = 0; i < m.tt[t].nr; i++) {
			bool page = is_page(&m.tt[t], i);

			assert_int_equal(zcs_tt_slot(m.tt[t].tt, i) != 0, m.tt[t].full[i]);
			active += m.tt[t].full[i] && page;
			inserted += m.tt[t].full[i] && !page;
			assert_tt_page(&m.tt[t], i);
		}
	}
	st = zcs_test_stats(m.pool);
	zcs_assert_is(st.active_pages, (int64_t)active);
	zcs_assert_is(st.inserted_pages, (int64_t)inserted);
	assert_true(st.resident_pages <= st.max_pages);
}

static void (*const calls[])(void) = {
	alloc_folio,  alloc_folio,   put_folio,	  split_folio, shrink,	  insert_folio,
	insert_folio, insert_folios, take_folio,  take_folios, copy_page, drop,
	write_back,   renew_backup,  tt_populate, tt_write,    tt_write,  tt_backup,
	tt_backup,    tt_purge,	     tt_restore,  tt_restore,  tt_drop,	  tt_unpopulate,
	tt_setup,     renew_tt,
};

static const char *const points[] = {
	"folio_alloc",
	"insert",
	"insert_large",
	"take",
	"restore",
	"copy_page",
	"alloc_index_node",
	"backup_truncate",
	"store_full",
	"split",
	"punch_hole",
	"madvise_dontneed",
	"uffdio_register",
	"uffdio_unregister",
	"uffdio_continue",
	"alloc_backup",
	"madvise_populate_write",
	"madvise_collapse",
	"fallocate",
};

/* One call; one in eight with a fault point on, failing from some call on. */
static void step(void)
{
	const char *point = points[below(sizeof(points) / sizeof(points[0]))];

	m.step++;
	m.faulty = one_in(8);
	if (m.faulty)
		zcs_test_fault(point, below(4), one_in(2) ? 1 : 0, 0);
	calls[below(sizeof(calls) / sizeof(calls[0]))]();
	if (m.faulty)
		zcs_test_fault_off(point);
	m.faulty = false;
}

static void open_all(enum zcs_backing backing)
{
	memset(&m, 0, sizeof(m));
	m.rng = rng_of(seed_of_run(), backing);
	m.backing = backing;
	m.pool = zcs_test_pool(backing, POOL_PAGES * ZCS_PAGE_SIZE, 0);
	m.store = zcs_test_store();
	for (unsigned i = 0; i < BACKUPS; i++)
		new_backup(&m.backup[i]);
	for (unsigned i = 0; i < TTS; i++)
		new_tt(&m.tt[i]);
}

static void close_all(void)
{
	for (unsigned i = 0; i < FOLIOS; i++)
		zcs_folio_put(m.folio[i].folio);
	for (unsigned i = 0; i < BACKUPS; i++)
		zcs_test_backup_done(m.backup[i].backup);
	for (unsigned i = 0; i < TTS; i++)
		zcs_test_tt_done(m.tt[i].tt);
	zcs_test_store_done(m.store);
	zcs_test_pool_done(m.pool);
}

static void random_calls(void **state)
{
	enum zcs_backing backing = *(enum zcs_backing *)*state;

	if (!zcs_test_backing_works(backing))
		zcs_test_skip_case("no hugetlb pages");
	open_all(backing);
	for (unsigned i = 0; i < zcs_test_scale(STEPS); i++) {
		step();
		if (i % CHECK_EVERY == 0)
			check_all();
	}
	check_all();
	print_message("# %" PRIu64 " calls succeeded, %" PRIu64 " were refused\n", m.done[0],
		      m.done[1]);
	assert_true(m.done[0] > m.step / 10 && m.done[1] > m.step / 100);
	close_all();
}

/* Says where a run failed, so that a debugger can stop there. */
static int teardown(void **state)
{
	print_message("# %" PRIu64 " steps\n", m.step);
	return zcs_test_teardown(state);
}

int main(void)
{
	static enum zcs_backing backings[] = { ZCS_BACKING_HUGETLB, ZCS_BACKING_THP,
					       ZCS_BACKING_SMALL };
	struct CMUnitTest tests[] = {
		{ "random_calls_on_hugetlb", random_calls, zcs_test_setup, teardown, &backings[0] },
		{ "random_calls_on_thp", random_calls, zcs_test_setup, teardown, &backings[1] },
		{ "random_calls_on_small_pages", random_calls, zcs_test_setup, teardown,
		  &backings[2] },
	};

	setenv("ZCSWAP_LOG", "off", 0);
	seed_of_run();
	return zcs_test_run(tests);
}
