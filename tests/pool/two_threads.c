/* SPDX-License-Identifier: MIT */
/*
 * Threads that allocate, fill, verify, split, give back and shrink at the same time: every folio is
 * zero when it is had and keeps its content until it is put, and when all is quiet the sums agree.
 */
#include "zcs_test.h"

#define HELD  24u
#define STEPS 6000u

struct worker {
	struct zcs_pool *pool;
	unsigned id;
	uint64_t x, wrong;
	struct {
		struct zcs_folio *folio;
		uint64_t seed;
	} held[HELD];
};

static uint64_t below(struct worker *w, uint64_t n)
{
	w->x ^= w->x << 13;
	w->x ^= w->x >> 7;
	w->x ^= w->x << 17;
	return w->x % n;
}

/* The first and the last page stand for the folio: filling 2 MiB at each step would be most of the
 * test. */
static void *last_page(const struct zcs_folio *folio)
{
	return (char *)zcs_folio_address(folio) +
	       ((UINT64_C(1) << zcs_folio_order(folio)) - 1) * ZCS_PAGE_SIZE;
}

static void get(struct worker *w, unsigned at)
{
	unsigned order = below(w, 4) ? (unsigned)below(w, 4) : (unsigned)below(w, 10);
	uint32_t flags = below(w, 8) ? 0 : ZCS_ALLOC_NOWAIT;
	struct zcs_folio *folio;

	if (zcs_folio_alloc(w->pool, order, flags, &folio))
		return;
	w->wrong += !zcs_test_is_zero(zcs_folio_address(folio), ZCS_PAGE_SIZE);
	w->wrong += !zcs_test_is_zero(last_page(folio), ZCS_PAGE_SIZE);
	w->held[at].folio = folio;
	w->held[at].seed = w->id * 1000000 + w->x % 1000000 + 1;
	zcs_test_fill_page(zcs_folio_address(folio), w->held[at].seed, 0);
	zcs_test_fill_page(last_page(folio), w->held[at].seed, 1);
}

static bool intact(const struct worker *w, unsigned at)
{
	const struct zcs_folio *folio = w->held[at].folio;

	return zcs_test_page_is(last_page(folio), w->held[at].seed, 1) &&
	       (!zcs_folio_order(folio) ||
		zcs_test_page_is(zcs_folio_address(folio), w->held[at].seed, 0));
}

static void put(struct worker *w, unsigned at)
{
	struct zcs_folio *piece[512];
	unsigned nr = 1u << zcs_folio_order(w->held[at].folio);

	w->wrong += !intact(w, at);
	if (below(w, 8) || zcs_folio_split(w->held[at].folio, piece))
		zcs_folio_put(w->held[at].folio);
	else
		for (unsigned i = 0; i < nr; i++)
			zcs_folio_put(piece[i]);
	w->held[at].folio = NULL;
}

static uint64_t work(unsigned id, void *arg)
{
	struct worker w = { .pool = arg, .id = id, .x = 88172645463325252u + id };
	unsigned steps = zcs_test_scale(STEPS);

	for (unsigned i = 0; i < steps; i++) {
		unsigned at = (unsigned)below(&w, HELD);

		if (below(&w, 200) == 0)
			zcs_pool_shrink(w.pool, -1, below(&w, 1000));
		else if (w.held[at].folio)
			put(&w, at);
		else
			get(&w, at);
	}
	for (unsigned at = 0; at < HELD; at++)
		if (w.held[at].folio)
			put(&w, at);
	return w.wrong;
}

/* Huge pages that khugepaged has made on this machine; 0 if it cannot be told. */
static int64_t collapsed(void)
{
	FILE *f = fopen("/sys/kernel/mm/transparent_hugepage/khugepaged/pages_collapsed", "re");
	long long n = 0;

	if (!f)
		return 0;
	if (fscanf(f, "%lld", &n) != 1)
		n = 0;
	fclose(f);
	return n;
}

/*
 * The arenas hold what the pool counts. khugepaged may have filled the holes of a huge page that
 * was split: at most one huge page for each that it made meanwhile.
 */
static void assert_counted(struct zcs_pool *pool, int64_t collapsed_before)
{
	int64_t have = zcs_test_arena_bytes(),
		counted = (int64_t)(zcs_test_stats(pool).resident_pages * ZCS_PAGE_SIZE),
		filled = (collapsed() - collapsed_before) * (int64_t)ZCS_TEST_HUGE_BYTES;

	if (have != counted)
		print_message("# %" PRId64 " KiB more than counted, khugepaged: %" PRId64 " KiB\n",
			      (have - counted) >> 10, filled >> 10);
	assert_true(have >= counted && have <= counted + filled);
}

static void run(enum zcs_backing backing, uint64_t max_bytes, uint64_t cache_bytes,
		unsigned threads)
{
	struct zcs_pool *pool = zcs_test_pool(backing, max_bytes, cache_bytes);
	int64_t before = collapsed();

	zcs_assert_is(zcs_test_threads(threads, work, pool), 0);
	zcs_assert_is(zcs_test_counter(pool, ZCS_COUNT_BAD_PUT), 0);
	assert_counted(pool, before);
	zcs_test_pool_done(pool);
}

static void case_33_sums_agree_after_two_threads(void **state)
{
	(void)state;
	zcs_test_for_each_backing(b) run(b, 0, 16 * ZCS_TEST_MIB, 2);
}

static void case_33_sums_agree_at_the_limits(void **state)
{
	(void)state;
	run(ZCS_BACKING_SMALL, 8 * ZCS_TEST_MIB, 4 * ZCS_TEST_MIB, 2);
	run(ZCS_BACKING_SMALL, 0, ZCS_PAGE_SIZE, 2);
}

static void case_33_sums_agree_after_more_threads_than_cpus(void **state)
{
	(void)state;
	run(ZCS_BACKING_SMALL, 16 * ZCS_TEST_MIB, 8 * ZCS_TEST_MIB, 7);
}

static uint64_t watch_or_work(unsigned id, void *arg)
{
	uint64_t wrong = 0;
	char text[8192];

	if (id)
		return work(id, arg);
	for (unsigned i = 0; i < zcs_test_scale(2000); i++) {
		struct zcs_pool_stats st = { .struct_size = sizeof(st) };

		wrong += zcs_pool_stats(arg, &st) != 0;
		wrong += st.resident_pages > st.max_pages;
		wrong += zcs_pool_dump(arg, text, sizeof(text)) <= 0;
		wrong += zcs_pool_count(arg, -1) < 0;
	}
	return wrong;
}

static void statistics_may_be_read_meanwhile(void **state)
{
	struct zcs_pool *pool =
		zcs_test_pool(ZCS_BACKING_SMALL, 8 * ZCS_TEST_MIB, 4 * ZCS_TEST_MIB);

	(void)state;
	zcs_assert_is(zcs_test_threads(2, watch_or_work, pool), 0);
	zcs_test_pool_done(pool);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		zcs_test(case_33_sums_agree_after_two_threads),
		zcs_test(case_33_sums_agree_at_the_limits),
		zcs_test(case_33_sums_agree_after_more_threads_than_cpus),
		zcs_test(statistics_may_be_read_meanwhile),
	};

	return zcs_test_run(tests);
}
