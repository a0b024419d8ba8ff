/* SPDX-License-Identifier: MIT */
/*
 * Every fault point, at each of the first calls and then at ever more distant ones, in one life of
 * a store: opened, written to, read from, closed. Whatever fails, fails once: the call that met it
 * is made again and goes on, no byte is wrong, no page, slot or word is left.
 */
#include <unistd.h>

#include "store_test.h"

#include "store/same.h"
#include "tt/tt.h"

#define TRIES	  8u
#define TT_PAGES  512u
#define RAW	  12u
#define RAW_ORDER 3u

struct world {
	enum zcs_backing backing;
	const char *spec;
	struct zcs_pool *pool;
	struct zcs_store *store;
	struct zcs_backup *backup;
	struct zcs_tt *tt;
};

/* A call that may fail, with an error, and then does not. */
#define retry(expr)                                                                  \
	do {                                                                         \
		int64_t result_ = -1;                                                \
		for (unsigned try_ = 0; result_ < 0 && try_ < TRIES; try_++) {       \
			result_ = (expr);                                            \
			assert_true(result_ > -4096);                                \
		}                                                                    \
		if (result_ < 0)                                                     \
			fail_msg("%s: %" PRId64 " again and again", #expr, result_); \
	} while (0)

static void ok(struct world *w)
{
	zcs_assert_ok(zcs_backup_check(w->backup));
	zcs_assert_ok(zcs_tt_check(w->tt));
	zcs_assert_ok(zcs_store_check(w->store));
	zcs_test_pool_ok(w->pool);
}

static int make_pool(struct world *w)
{
	struct zcs_pool_params params = zcs_test_params(w->backing, 0, 1);

	return zcs_pool_create(&params, &w->pool);
}

static void make(struct world *w)
{
	retry(zcs_store_open(w->spec, &w->store));
	retry(make_pool(w));
	retry(zcs_backup_create(w->store, RAW << RAW_ORDER, &w->backup));
	retry(zcs_tt_create(w->pool, TT_PAGES, ZCS_TT_CONTIGUOUS, &w->tt));
	retry(zcs_tt_setup_backup(w->tt, w->store));
	retry(zcs_tt_populate(w->tt, NULL));
	store_test_fill(w->tt, 1, 0, TT_PAGES);
}

static int64_t insert(struct world *w, uint64_t index)
{
	struct zcs_folio *folio = NULL;
	int64_t handle;

	retry(zcs_folio_alloc(w->pool, RAW_ORDER, 0, &folio));
	zcs_test_fill(zcs_folio_address(folio), 2, index, 1u << RAW_ORDER);
	/* some are zero */
	if (index % 32 == 0)
		memset(zcs_folio_address(folio), 0, (size_t)ZCS_PAGE_SIZE << RAW_ORDER);
	handle = zcs_backup_insert_folio(w->backup, folio, RAW_ORDER, 0, index);
	if (handle < 0)
		zcs_folio_put(folio);
	return handle;
}

/* Everything is out; a write that failed is tried again. */
static void all_out(struct world *w, struct zcs_backup *backup)
{
	for (unsigned i = 0; i < TRIES; i++) {
		int64_t n = zcs_backup_writeback(backup, 0, UINT64_MAX, ZCS_WB_WAIT);

		assert_true(n > -4096);
		ok(w);
		if (!store_test_backup_stats(backup).resident_pages)
			return;
	}
	fail_msg("%" PRIu64 " pages do not go", store_test_backup_stats(backup).resident_pages);
}

static void out(struct world *w)
{
	for (uint64_t i = 0; i < RAW; i++)
		retry(insert(w, i << RAW_ORDER));
	all_out(w, w->backup);
	for (unsigned i = 0; i < TRIES && w->tt->pages; i++) {
		zcs_tt_backup(w->tt, ZCS_BACKUP_WRITEBACK);
		store_test_idle(w->tt->backup);
		ok(w);
	}
	all_out(w, w->tt->backup);
}

static void take(struct world *w, uint64_t index)
{
	struct zcs_folio *folio = NULL;

	retry(zcs_backup_take_folio(w->backup, zcs_handle_from_index(index), w->pool, &folio));
	if (index % 32 == 0)
		assert_true(zcs_test_folio_is_zero(folio));
	else
		assert_true(zcs_test_is(zcs_folio_address(folio), 2, index, 1u << RAW_ORDER));
	zcs_folio_put(folio);
}

static void back(struct world *w)
{
	_Alignas(8) char page[ZCS_PAGE_SIZE];

	retry(zcs_backup_copy_page(w->backup, page, zcs_handle_from_index(13), true));
	assert_true(zcs_test_page_is(page, 2, 13));
	zcs_backup_drop(w->backup, zcs_handle_from_index(16), 1);
	zcs_backup_drop(w->backup, zcs_handle_from_index(18), 1);
	for (uint64_t i = 0; i < RAW; i++)
		if (i != 2)
			take(w, i << RAW_ORDER);
	retry(zcs_tt_restore(w->tt, NULL));
	assert_true(store_test_is(w->tt, 1, 0, TT_PAGES));
	/* what was read ahead and is not taken may be under way */
	store_test_idle(w->backup);
	ok(w);
	zcs_backup_drop(w->backup, zcs_handle_from_index(16), RAW_ORDER);
}

static void end(struct world *w)
{
	zcs_tt_destroy(w->tt);
	zcs_backup_destroy(w->backup);
	zcs_test_pool_is_idle(w->pool);
	for (unsigned i = 0; i < ZCS_SAME_WORDS; i++)
		assert_int_equal(zcs_local(w->store)->same->slot[i].refs, 0);
	store_test_done(w->store);
	zcs_pool_destroy(w->pool);
}

static bool met(const char *point, uint64_t space, const struct world *like)
{
	struct world w = { .backing = like->backing, .spec = like->spec };
	uint64_t failed;

	dprintf(STDERR_FILENO, "%s after %" PRIu64 " calls\n", point, space);
	zcs_test_fault(point, space, 1, 0);
	make(&w);
	out(&w);
	back(&w);
	/* the second round meets what is clean, and one block that is dirty */
	store_test_fill(w.tt, 1, 5, 1);
	out(&w);
	back(&w);
	failed = zcs_test_fault_failed(point);
	zcs_test_faults_off();
	end(&w);
	return failed;
}

static void sweep(const struct world *like)
{
	unsigned points = 0, failures = 0;

	for (unsigned i = 0; zcs_fault_name(i); i++) {
		uint64_t space = 0, before = failures;

		while (space < 2000 && met(zcs_fault_name(i), space, like)) {
			failures++;
			space = 2 * space + 1;
		}
		points += failures > before;
	}
	print_message("# %s, %s: %u points, %u failures\n", zcs_test_backing_name(like->backing),
		      like->spec, points, failures);
	assert_true(points > 20);
}

static void quiet(void (*fn)(const struct world *), const struct world *like)
{
	const char *log;

	store_test_log_start();
	fn(like);
	log = store_test_log_end();
	/* the validators would have said so */
	assert_null(strstr(log, "_check:"));
}

static void with_huge_pages(void **state)
{
	struct world like = { .backing = ZCS_BACKING_THP, .spec = "file:?size=8M" };

	(void)state;
	if (zcs_test_backing_works(ZCS_BACKING_HUGETLB))
		like.backing = ZCS_BACKING_HUGETLB;
	quiet(sweep, &like);
}

/* In memory where that may be, because each write is waited for. */
static void buffered_and_discarded(void **state)
{
	struct world like = { .backing = ZCS_BACKING_SMALL };
	char spec[128];

	(void)state;
	snprintf(spec, sizeof(spec), "file:/dev/shm/zcswap-sweep-%d?size=8M&direct=0&discard=1",
		 (int)getpid());
	like.spec = access("/dev/shm", W_OK) ? "file:?size=8M&direct=0&discard=1" : spec;
	quiet(sweep, &like);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		store_test(with_huge_pages),
		store_test_entry("buffered_and_discarded (threads)", buffered_and_discarded,
				 zcs_test_call, store_test_setup_threads),
	};

	if (zcs_test_under_valgrind())
		zcs_test_skip("hundreds of stores take too long under valgrind");
	return zcs_test_run(tests);
}
