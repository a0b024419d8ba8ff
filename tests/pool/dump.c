/* SPDX-License-Identifier: MIT */
/* The statistics as text: TTM's page_pool file, with a row for each list and a line for each node.
 */
#include "zcs_test.h"

static char text[65536];

static void dump(struct zcs_pool *pool)
{
	int64_t n = zcs_pool_dump(pool, text, sizeof(text));

	assert_true(n > 0 && (size_t)n < sizeof(text));
	zcs_assert_is(strlen(text), n);
}

/* The number after "label\t:"; the case fails if there is no such line. */
static uint64_t value_of(const char *label)
{
	size_t len = strlen(label);

	for (const char *at = text; (at = strstr(at, label)); at++)
		if ((at == text || at[-1] == '\n') && !strncmp(at + len, "\t:", 2))
			return strtoull(at + len + 2, NULL, 10);
	fail_msg("no line \"%s\" in:\n%s", label, text);
	return 0;
}

static void expect_row(const char *label, const unsigned folios[10])
{
	char row[256];
	int n = snprintf(row, sizeof(row), "\n%s\t:", label);

	for (unsigned order = 0; order <= ZCS_MAX_ORDER; order++)
		n += snprintf(row + n, sizeof(row) - (size_t)n, " %8u", folios[order]);
	snprintf(row + n, sizeof(row) - (size_t)n, "\n");
	if (!strstr(text, row))
		fail_msg("no row \"%s\" in:\n%s", row, text);
}

static void case_34_the_header_names_the_orders(void **state)
{
	struct zcs_pool *pool = zcs_test_pool(ZCS_BACKING_SMALL, 0, 0);

	(void)state;
	dump(pool);
	assert_memory_equal(
		text,
		"\t  --- 0--- --- 1--- --- 2--- --- 3--- --- 4--- --- 5--- --- 6--- --- 7---"
		" --- 8--- --- 9---\n",
		3 + 90);
	zcs_test_pool_done(pool);
}

static void case_34_rows_count_folios_and_not_pages(void **state)
{
	struct zcs_pool *pool = zcs_test_pool(ZCS_BACKING_SMALL, 0, 0);
	struct zcs_store *store = zcs_test_store();
	struct zcs_backup *backup = zcs_test_backup(store, 512);
	struct zcs_folio *active = zcs_test_folio(pool, 4), *a = zcs_test_folio(pool, 2),
			 *b = zcs_test_folio(pool, 2), *in = zcs_test_folio(pool, 9);

	(void)state;
	zcs_folio_put(a);
	zcs_folio_put(b);
	zcs_assert_is(zcs_backup_insert_folio(backup, in, 9, 0, 0), 1);
	dump(pool);
	expect_row("cached", (const unsigned[10]){ [2] = 2 });
	expect_row("active", (const unsigned[10]){ [4] = 1 });
	expect_row("inserted", (const unsigned[10]){ [9] = 1 });
	zcs_folio_put(active);
	zcs_test_backup_done(backup);
	zcs_test_store_done(store);
	zcs_test_pool_done(pool);
}

static void case_34_each_node_has_a_line_used_of_limit(void **state)
{
	struct zcs_pool *pool = zcs_test_pool(ZCS_BACKING_SMALL, 0, 1000 * (uint64_t)ZCS_PAGE_SIZE);

	(void)state;
	zcs_folio_put(zcs_test_folio(pool, 3));
	dump(pool);
	assert_non_null(strstr(text, "\n\ntotal node0\t:        8 of     1000\n"));
	zcs_test_pool_done(pool);
}

static void case_36_an_empty_pool_shows_zeros(void **state)
{
	struct zcs_pool *pool = zcs_test_pool(ZCS_BACKING_SMALL, 0, ZCS_PAGE_SIZE);
	const unsigned none[10] = { 0 };

	(void)state;
	dump(pool);
	expect_row("cached", none);
	expect_row("active", none);
	expect_row("inserted", none);
	assert_non_null(strstr(text, "\n\ntotal node0\t:        0 of        1\n"));
	zcs_test_pool_done(pool);
}

static void sums_and_counters_are_those_of_the_struct(void **state)
{
	struct zcs_pool *pool = zcs_test_pool(ZCS_BACKING_SMALL, 64 * ZCS_TEST_MIB, 0);
	struct zcs_folio *folio = zcs_test_folio(pool, 5);
	struct zcs_pool_stats st;

	(void)state;
	zcs_folio_put(zcs_test_folio(pool, 4));
	st = zcs_test_stats(pool);
	dump(pool);
	zcs_assert_is(value_of("resident"), 48);
	assert_non_null(strstr(text, "\nresident\t:       48 of    16384\n"));
	for (int c = 0; c < ZCS_COUNT_NR; c++) {
		assert_non_null(zcs_counter_name((enum zcs_counter)c));
		zcs_assert_is(value_of(zcs_counter_name((enum zcs_counter)c)),
			      (int64_t)st.counters[c]);
	}
	zcs_folio_put(folio);
	zcs_test_pool_done(pool);
}

static void counters_have_names_of_their_own(void **state)
{
	(void)state;
	for (int c = 0; c < ZCS_COUNT_NR; c++)
		for (int d = 0; d < c; d++)
			assert_string_not_equal(zcs_counter_name((enum zcs_counter)c),
						zcs_counter_name((enum zcs_counter)d));
	assert_null(zcs_counter_name(ZCS_COUNT_NR));
	assert_null(zcs_counter_name((enum zcs_counter) - 1));
	assert_null(zcs_counter_name((enum zcs_counter)1000));
}

static void a_short_buffer_cuts_the_text(void **state)
{
	struct zcs_pool *pool = zcs_test_pool(ZCS_BACKING_SMALL, 0, 0);
	int64_t whole;
	char cut[64];

	(void)state;
	dump(pool);
	whole = (int64_t)strlen(text);
	zcs_assert_is(zcs_pool_dump(pool, NULL, 0), whole);
	for (size_t size = 1; size <= sizeof(cut); size++) {
		memset(cut, 'x', sizeof(cut));
		zcs_assert_is(zcs_pool_dump(pool, cut, size), whole);
		zcs_assert_is(strlen(cut), (int64_t)size - 1);
		assert_memory_equal(cut, text, size - 1);
		if (size < sizeof(cut))
			assert_true(cut[size] == 'x');
	}
	zcs_assert_is(zcs_pool_dump(pool, NULL, 1), -EINVAL);
	zcs_assert_is(zcs_pool_dump(NULL, cut, sizeof(cut)), -EINVAL);
	zcs_test_pool_done(pool);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		zcs_test(case_34_the_header_names_the_orders),
		zcs_test(case_34_rows_count_folios_and_not_pages),
		zcs_test(case_34_each_node_has_a_line_used_of_limit),
		zcs_test(case_36_an_empty_pool_shows_zeros),
		zcs_test(sums_and_counters_are_those_of_the_struct),
		zcs_test(counters_have_names_of_their_own),
		zcs_test(a_short_buffer_cuts_the_text),
	};

	return zcs_test_run(tests);
}
