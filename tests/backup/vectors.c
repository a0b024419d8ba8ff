/* SPDX-License-Identifier: MIT */
/*
 * Vectors of insertions and takes: elements go in order, the first that is refused ends the call,
 * what came before it is done, and what comes after it was not tried.
 */
#include "backup_test.h"

#define NR 200u

static struct zcs_folio *folio[NR];
static struct zcs_insert in[NR];
static struct zcs_take out[NR];

/* @nr folios of order 1, for the indexes 0, 2, 4, ... */
static void open_all(unsigned nr)
{
	backup_test_open(ZCS_BACKING_SMALL, 2 * NR);
	for (unsigned i = 0; i < nr; i++) {
		folio[i] = zcs_test_folio(pool, 1);
		zcs_test_fill_folio(folio[i], i + 1);
		in[i] = (struct zcs_insert){
			.folio = folio[i], .index = 2 * i, .order = 1, .handle = -77
		};
		out[i] = (struct zcs_take){ .handle = 2 * i + 1, .folio = folio[0] };
	}
}

/* The first @done elements are in the backup, the others are the caller's still. */
static void expect_inserted(unsigned nr, unsigned done, int64_t error)
{
	char page[ZCS_PAGE_SIZE];

	zcs_assert_is(zcs_test_inserted(pool, 1), done);
	for (unsigned i = 0; i < nr; i++) {
		zcs_assert_is(in[i].handle, i < done	? (int64_t)in[i].index + 1
					    : i == done ? error
							: 0);
		if (i >= done)
			continue;
		zcs_assert_ok(zcs_backup_copy_page(backup, page, in[i].handle + 1, false));
		assert_true(zcs_test_page_is(page, i + 1, 1));
	}
	for (unsigned i = done; i < nr; i++)
		assert_true(!in[i].folio || in[i].folio != folio[i] ||
			    zcs_test_folio_is(folio[i], i + 1));
	zcs_assert_ok(zcs_backup_check(backup));
	zcs_test_pool_ok(pool);
}

static void put_from(unsigned first, unsigned nr)
{
	for (unsigned i = first; i < nr; i++)
		zcs_folio_put(folio[i]);
}

static void all_are_inserted_and_taken(void **state)
{
	const unsigned sizes[] = { 1, 2, 63, 64, 65, 128, 129, NR };

	(void)state;
	for (size_t s = 0; s < sizeof(sizes) / sizeof(sizes[0]); s++) {
		unsigned nr = sizes[s];

		open_all(nr);
		zcs_assert_is(zcs_backup_insert_folios(backup, in, nr, 0), nr);
		expect_inserted(nr, nr, 0);
		zcs_assert_is(zcs_backup_take_folios(backup, out, nr, pool), nr);
		for (unsigned i = 0; i < nr; i++) {
			assert_ptr_equal(out[i].folio, folio[i]);
			assert_true(zcs_test_folio_is(folio[i], i + 1));
		}
		zcs_assert_is(zcs_test_counter(pool, ZCS_COUNT_TAKE_MOVED), nr);
		put_from(0, nr);
		backup_test_close();
	}
}

static void a_refused_element_ends_an_insertion(void **state)
{
	const unsigned at[] = { 0, 1, 63, 64, 65, 127, 128, NR - 1 };

	(void)state;
	for (size_t a = 0; a < sizeof(at) / sizeof(at[0]); a++) {
		unsigned k = at[a];

		open_all(NR);
		zcs_test_fault("insert", k, 1, EIO);
		zcs_assert_is(zcs_backup_insert_folios(backup, in, NR, 0), k ? (int64_t)k : -EIO);
		zcs_test_faults_off();
		expect_inserted(NR, k, -EIO);
		put_from(k, NR);
		backup_test_close();
	}
}

static void each_kind_of_refusal_has_its_error(void **state)
{
	(void)state;
	open_all(10);
	in[3].index = 7;
	zcs_assert_is(zcs_backup_insert_folios(backup, in, 10, 0), 3);
	expect_inserted(10, 3, -EINVAL);
	in[3].index = 4;
	zcs_assert_is(zcs_backup_insert_folios(backup, in + 3, 7, 0), -EEXIST);
	zcs_assert_is(in[3].handle, -EEXIST);
	in[3].index = 6;
	in[3].order = 2;
	zcs_assert_is(zcs_backup_insert_folios(backup, in + 3, 7, 0), -EINVAL);
	in[3].order = 1;
	in[3].reserved = 1;
	zcs_assert_is(zcs_backup_insert_folios(backup, in + 3, 7, 0), -EINVAL);
	in[3].reserved = 0;
	in[3].folio = NULL;
	zcs_assert_is(zcs_backup_insert_folios(backup, in + 3, 7, 0), -EINVAL);
	in[3].folio = folio[3];
	zcs_assert_is(zcs_backup_insert_folios(backup, in + 3, 7, 0), 7);
	expect_inserted(10, 10, 0);
	backup_test_close();
}

static void one_folio_twice_in_a_vector_goes_once(void **state)
{
	(void)state;
	open_all(6);
	in[4].folio = folio[1];
	zcs_assert_is(zcs_backup_insert_folios(backup, in, 6, 0), 4);
	zcs_assert_is(in[4].handle, -EINVAL);
	zcs_assert_is(zcs_test_inserted(pool, 1), 4);
	put_from(4, 6);
	backup_test_close();
}

static void one_index_twice_in_a_vector_goes_once(void **state)
{
	(void)state;
	open_all(6);
	in[4].index = 2;
	zcs_assert_is(zcs_backup_insert_folios(backup, in, 6, 0), 4);
	zcs_assert_is(in[4].handle, -EEXIST);
	assert_true(zcs_test_folio_is(folio[4], 5));
	put_from(4, 6);
	backup_test_close();
}

static void one_index_twice_with_replace_keeps_the_later(void **state)
{
	char page[ZCS_PAGE_SIZE];

	(void)state;
	open_all(6);
	in[4].index = 2;
	zcs_assert_is(zcs_backup_insert_folios(backup, in, 6, ZCS_INSERT_REPLACE), 6);
	zcs_assert_is(zcs_test_counter(pool, ZCS_COUNT_INSERT_REPLACED), 1);
	zcs_assert_is(zcs_test_inserted(pool, 1), 5);
	zcs_assert_ok(zcs_backup_copy_page(backup, page, 3, false));
	assert_true(zcs_test_page_is(page, 5, 0));
	backup_test_close();
}

static void a_refused_element_ends_a_take(void **state)
{
	const unsigned at[] = { 0, 1, 63, 64, 65, 128, NR - 1 };

	(void)state;
	for (size_t a = 0; a < sizeof(at) / sizeof(at[0]); a++) {
		unsigned k = at[a];

		open_all(NR);
		zcs_assert_is(zcs_backup_insert_folios(backup, in, NR, 0), NR);
		zcs_test_fault("take", k, 1, 0);
		zcs_assert_is(zcs_backup_take_folios(backup, out, NR, pool),
			      k ? (int64_t)k : -ENOMEM);
		zcs_test_faults_off();
		for (unsigned i = 0; i < NR; i++)
			assert_ptr_equal(out[i].folio, i < k ? folio[i] : NULL);
		zcs_assert_is(zcs_test_inserted(pool, 1), NR - k);
		zcs_assert_ok(zcs_backup_check(backup));
		zcs_assert_is(zcs_backup_take_folios(backup, out + k, NR - k, pool), NR - k);
		put_from(0, NR);
		backup_test_close();
	}
}

static void one_handle_twice_in_a_take_goes_once(void **state)
{
	(void)state;
	open_all(6);
	zcs_assert_is(zcs_backup_insert_folios(backup, in, 6, 0), 6);
	out[4].handle = out[1].handle;
	zcs_assert_is(zcs_backup_take_folios(backup, out, 6, pool), 4);
	assert_null(out[4].folio);
	assert_null(out[5].folio);
	zcs_assert_is(zcs_test_counter(pool, ZCS_COUNT_BAD_TAKE), 1);
	zcs_assert_is(zcs_test_inserted(pool, 1), 2);
	put_from(0, 4);
	backup_test_close();
}

static void wrong_arguments_are_refused(void **state)
{
	(void)state;
	open_all(2);
	zcs_assert_is(zcs_backup_insert_folios(NULL, in, 2, 0), -EINVAL);
	zcs_assert_is(zcs_backup_insert_folios(backup, NULL, 2, 0), -EINVAL);
	zcs_assert_is(zcs_backup_insert_folios(backup, in, 0, 0), -EINVAL);
	zcs_assert_is(zcs_backup_insert_folios(backup, in, 2, 4), -EINVAL);
	zcs_assert_is(zcs_backup_take_folios(NULL, out, 2, pool), -EINVAL);
	zcs_assert_is(zcs_backup_take_folios(backup, NULL, 2, pool), -EINVAL);
	zcs_assert_is(zcs_backup_take_folios(backup, out, 0, pool), -EINVAL);
	zcs_assert_is(zcs_backup_take_folios(backup, out, 2, NULL), -EINVAL);
	put_from(0, 2);
	backup_test_close();
}

static void orders_may_be_mixed(void **state)
{
	struct zcs_insert vec[10];
	struct zcs_take take[10];

	(void)state;
	zcs_test_for_each_backing(b)
	{
		pool = zcs_test_pool(b, 0, 0);
		store = zcs_test_store();
		backup = zcs_test_backup(store, 1024);
		for (unsigned order = 0; order <= ZCS_MAX_ORDER; order++) {
			folio[order] = zcs_test_folio(pool, order);
			zcs_test_fill_folio(folio[order], order);
			vec[order] = (struct zcs_insert){ .folio = folio[order],
							  .index = 1u << order,
							  .order = order };
			take[order].handle = (1 << order) + 1;
		}
		zcs_assert_is(zcs_backup_insert_folios(backup, vec, 10, 0), 10);
		zcs_assert_ok(zcs_backup_check(backup));
		zcs_assert_is(zcs_backup_take_folios(backup, take, 10, pool), 10);
		for (unsigned order = 0; order <= ZCS_MAX_ORDER; order++) {
			assert_ptr_equal(take[order].folio, folio[order]);
			assert_true(zcs_test_folio_is(folio[order], order));
			zcs_folio_put(folio[order]);
		}
		backup_test_close();
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		zcs_test(all_are_inserted_and_taken),
		zcs_test(a_refused_element_ends_an_insertion),
		zcs_test(each_kind_of_refusal_has_its_error),
		zcs_test(one_folio_twice_in_a_vector_goes_once),
		zcs_test(one_index_twice_in_a_vector_goes_once),
		zcs_test(one_index_twice_with_replace_keeps_the_later),
		zcs_test(a_refused_element_ends_a_take),
		zcs_test(one_handle_twice_in_a_take_goes_once),
		zcs_test(wrong_arguments_are_refused),
		zcs_test(orders_may_be_mixed),
	};

	setenv("ZCSWAP_LOG", "off", 1);
	return zcs_test_run(tests);
}
