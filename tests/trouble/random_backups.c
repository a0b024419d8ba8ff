/* SPDX-License-Identifier: MIT */
/*
 * The calls of random_calls.c on backups: what lies in which block, and when one is cut to pages.
 */
#include "random_calls.h"

static struct backup *some_backup(void)
{
	return &m.backup[below(BACKUPS)];
}

static bool range_used(const struct backup *b, uint64_t index, uint64_t nr)
{
	for (uint64_t i = index; i < index + nr; i++)
		if (b->page[i].used)
			return true;
	return false;
}

/* A block that lies partly in the range falls to pages; what lies in it is gone. */
static void model_drop(struct backup *b, uint64_t index, uint64_t nr)
{
	for (uint64_t i = index; i < index + nr; i++) {
		struct page hit = b->page[i];
		uint64_t end = hit.start + (UINT64_C(1) << hit.order);

		if (!hit.used)
			continue;
		for (uint64_t j = hit.start; (hit.start < index || end > index + nr) && j < end;
		     j++) {
			b->page[j].start = j;
			b->page[j].order = 0;
		}
		b->page[i].used = false;
	}
}

static void model_insert(struct backup *b, const struct folio *f, uint64_t index)
{
	for (uint64_t i = 0; i < folio_pages(f); i++) {
		b->page[index + i] = (struct page){ true, index, f->order, f->first };
		if (f->first.seed)
			b->page[index + i].content.index += i;
	}
}

/*
 * The result that an insertion must give: the handle, or the first error in the order of the
 * checks.
 */
static int64_t expected_insert(const struct backup *b, const struct folio *f, uint64_t index,
			       uint32_t flags)
{
	uint64_t nr = folio_pages(f);

	if (index % nr || nr > BACKUP_PAGES || index > BACKUP_PAGES - nr)
		return -EINVAL;
	if (range_used(b, index, nr) && !(flags & ZCS_INSERT_REPLACE))
		return -EEXIST;
	return zcs_handle_from_index(index);
}

static uint64_t some_index(const struct folio *f)
{
	uint64_t index = below(BACKUP_PAGES + 8);

	return one_in(8) ? index : index & ~(folio_pages(f) - 1);
}

void insert_folio(void)
{
	uint32_t flags = one_in(4) ? ZCS_INSERT_REPLACE : 0;
	struct backup *b = some_backup();
	struct folio *f = some_folio();
	int64_t expected, ret;
	uint64_t index;

	if (!f)
		return;
	index = some_index(f);
	expected = expected_insert(b, f, index, flags);
	ret = zcs_backup_insert_folio(b->backup, f->folio, f->order, flags, index);
	count_result(ret);
	if (ret != expected) {
		/* EEXIST: the fault refused to split what is to be replaced */
		assert_true(m.faulty && (ret == -ENOMEM || ret == -EEXIST));
		assert_folio(f);
		return;
	}
	if (ret < 0)
		return;
	model_drop(b, index, folio_pages(f));
	model_insert(b, f, index);
	f->folio = NULL;
}

/* Several at once: the first that is refused ends the call. */
void insert_folios(void)
{
	struct zcs_insert vec[4] = { { 0 } };
	struct folio *f[4];
	struct backup *b = some_backup();
	size_t nr = 0;
	int64_t ret;

	while (nr < 4) {
		f[nr] = some_folio();
		if (!f[nr])
			break;
		vec[nr].folio = f[nr]->folio;
		vec[nr].order = f[nr]->order;
		vec[nr].index = some_index(f[nr]);
		nr++;
	}
	if (!nr)
		return;
	ret = zcs_backup_insert_folios(b->backup, vec, nr, 0);
	count_result(ret);
	for (size_t i = 0; i < nr; i++) {
		int64_t expected =
			f[i]->folio ? expected_insert(b, f[i], vec[i].index, 0) : -EINVAL;

		if ((int64_t)i >= ret) {
			zcs_assert_is(vec[i].handle,
				      i == (ret < 0 ? 0 : (size_t)ret) ? vec[i].handle : 0);
			assert_true(vec[i].handle == expected || m.faulty || !vec[i].handle);
			continue;
		}
		zcs_assert_is(vec[i].handle, expected);
		model_insert(b, f[i], vec[i].index);
		f[i]->folio = NULL;
	}
}

static int expected_take(const struct backup *b, uint64_t index)
{
	if (index >= BACKUP_PAGES)
		return -EINVAL;
	if (!b->page[index].used)
		return -ENOENT;
	return b->page[index].start == index ? 0 : -EINVAL;
}

static void model_take(struct backup *b, uint64_t index, struct folio *f, struct zcs_folio *folio)
{
	*f = (struct folio){ folio, b->page[index].order, b->page[index].content };
	for (uint64_t i = index; i < index + folio_pages(f); i++) {
		/*
		 * a folio that was put together from several contents cannot be: blocks only split
		 */
		assert_true(b->page[i].used && b->page[i].start == index);
		b->page[i].used = false;
	}
	assert_folio(f);
}

void take_folio(void)
{
	struct backup *b = some_backup();
	uint64_t index = below(BACKUP_PAGES + 4);
	struct folio *f = free_place();
	struct zcs_folio *folio = NULL;
	int expected = expected_take(b, index), err;

	if (!f)
		return;
	err = zcs_backup_take_folio(b->backup, zcs_handle_from_index(index), m.pool, &folio);
	count_result(err);
	if (err != expected)
		assert_true(m.faulty && err == -ENOMEM);
	if (!err)
		model_take(b, index, f, folio);
}

void take_folios(void)
{
	struct backup *b = some_backup();
	struct zcs_take vec[4];
	uint64_t index = below(BACKUP_PAGES);
	size_t nr = 0;
	int64_t ret;

	/* the next few blocks in a row */
	for (; nr < 4 && index < BACKUP_PAGES; index++)
		if (b->page[index].used && b->page[index].start == index)
			vec[nr++].handle = zcs_handle_from_index(index);
	if (!nr || places() < nr)
		return;
	ret = zcs_backup_take_folios(b->backup, vec, nr, m.pool);
	count_result(ret);
	assert_true(ret == (int64_t)nr || (m.faulty && (ret == -ENOMEM || ret > 0)));
	for (size_t i = 0; i < nr; i++) {
		if ((int64_t)i < ret)
			model_take(b, zcs_handle_to_index(vec[i].handle), free_place(),
				   vec[i].folio);
		else
			assert_null(vec[i].folio);
	}
}

void assert_backup_page(struct backup *b, uint64_t index)
{
	static uint64_t copy[ZCS_PAGE_SIZE / 8];
	const struct content zero = { 0, 0 };
	int err = zcs_backup_copy_page(b->backup, copy, zcs_handle_from_index(index), m.faulty);

	if (err) {
		assert_true(m.faulty && err == -EINTR);
		return;
	}
	assert_true(page_is(copy, b->page[index].used ? b->page[index].content : zero, 0));
}

void copy_page(void)
{
	assert_backup_page(some_backup(), below(BACKUP_PAGES));
}

void drop(void)
{
	struct backup *b = some_backup();
	unsigned order = (unsigned)below(6);
	uint64_t index = below(BACKUP_PAGES) & ~((UINT64_C(1) << order) - 1);

	/* a split that is refused zeroes in place: tested by itself */
	if (m.faulty)
		return;
	zcs_backup_drop(b->backup, zcs_handle_from_index(index), order);
	model_drop(b, index, UINT64_C(1) << order);
}

void write_back(void)
{
	uint64_t first = below(BACKUP_PAGES);

	zcs_assert_is(zcs_backup_writeback(some_backup()->backup, first, UINT64_MAX, 0), 0);
}

void new_backup(struct backup *b)
{
	int err;

	zcs_backup_destroy(b->backup);
	memset(b, 0, sizeof(*b));
	err = zcs_backup_create(m.store, BACKUP_PAGES, &b->backup);
	if (err)
		zcs_assert_ok(zcs_backup_create(m.store, BACKUP_PAGES, &b->backup));
}

void renew_backup(void)
{
	if (one_in(10) && !m.faulty)
		new_backup(some_backup());
}
