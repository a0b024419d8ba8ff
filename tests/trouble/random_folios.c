/* SPDX-License-Identifier: MIT */
/*
 * The calls of random_calls.c on folios of the caller, and on the pool.
 */
#include "random_calls.h"

uint64_t folio_pages(const struct folio *f)
{
	return UINT64_C(1) << f->order;
}

struct folio *free_place(void)
{
	for (unsigned i = 0; i < FOLIOS; i++)
		if (!m.folio[i].folio)
			return &m.folio[i];
	return NULL;
}

struct folio *some_folio(void)
{
	struct folio *f = &m.folio[below(FOLIOS)];

	return f->folio ? f : NULL;
}

void assert_folio(const struct folio *f)
{
	assert_int_equal(zcs_folio_order(f->folio), f->order);
	assert_true(pages_are(zcs_folio_address(f->folio), f->first, folio_pages(f)));
}

void alloc_folio(void)
{
	struct folio *f = free_place();
	unsigned order = (unsigned)(one_in(40) && m.backing != ZCS_BACKING_HUGETLB ? 9 : below(5));
	int err;

	if (!f)
		return;
	err = zcs_folio_alloc(m.pool, order, one_in(5) ? ZCS_ALLOC_NOWAIT : 0, &f->folio);
	count_result(err);
	if (err) {
		zcs_assert_is(err, -ENOMEM);
		assert_null(f->folio);
		return;
	}
	f->order = order;
	f->first = (struct content){ 0, 0 };
	assert_folio(f);
	if (!one_in(10))
		f->first = new_content(zcs_folio_address(f->folio), folio_pages(f));
}

void put_folio(void)
{
	struct folio *f = some_folio();
	uint64_t bad;

	if (!f)
		return;
	assert_folio(f);
	zcs_folio_put(f->folio);
	if (one_in(3)) {
		bad = zcs_test_counter(m.pool, ZCS_COUNT_BAD_PUT);
		zcs_folio_put(f->folio);
		zcs_assert_is(zcs_test_counter(m.pool, ZCS_COUNT_BAD_PUT), (int64_t)bad + 1);
	}
	f->folio = NULL;
}

unsigned places(void)
{
	unsigned nr = 0;

	for (unsigned i = 0; i < FOLIOS; i++)
		nr += !m.folio[i].folio;
	return nr;
}

void split_folio(void)
{
	struct folio *f = some_folio(), whole;
	struct zcs_folio *pieces[16];
	int err;

	if (!f || f->order > 4 || places() < folio_pages(f))
		return;
	whole = *f;
	err = zcs_folio_split(f->folio, pieces);
	count_result(err);
	if (err) {
		assert_true(m.faulty && err == -ENOMEM);
		return;
	}
	f->folio = NULL;
	for (uint64_t i = 0; i < folio_pages(&whole); i++) {
		f = free_place();
		*f = (struct folio){ pieces[i], 0, whole.first };
		f->first.index += i;
	}
}

void shrink(void)
{
	uint64_t nr = below(200);
	int64_t count = zcs_pool_count(m.pool, -1), freed = zcs_pool_shrink(m.pool, -1, nr);

	assert_true(freed >= 0 && freed <= count);
	assert_true(freed >= (int64_t)nr || freed == count);
}
