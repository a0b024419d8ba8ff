/* SPDX-License-Identifier: MIT */
/*
 * Tens of thousands of random calls, right and wrong, with faults strewn in, against a model that
 * knows what each page of each folio, backup and tt must contain. The seed is printed; ZCSWAP_SEED
 * repeats a run.
 *
 * The model says who owns what and what is in it; where the library may choose (how far a backup
 * gets, whether memory is to be had), the model takes over what it chose and checks that it was
 * among what is allowed.
 */
#include "seed.h"
#include "zcs_test.h"

#define FOLIOS	     32u
#define BACKUPS	     2u
#define BACKUP_PAGES 128u
#define TTS	     4u
#define TT_PAGES_MAX 1100u
#define POOL_PAGES   3000u
#define STEPS	     20000u
#define CHECK_EVERY  100u

/* What a page contains: page (index) of (seed); seed 0: zeros. */
struct content {
	uint64_t seed, index;
};

struct folio {
	struct zcs_folio *folio;
	unsigned order;
	struct content first; /* page i has first.index + i */
};

/* A page of a backup; the block it is in starts at @start and has @order. */
struct page {
	bool used;
	uint64_t start;
	unsigned order;
	struct content content;
};

struct backup {
	struct zcs_backup *backup;
	struct page page[BACKUP_PAGES];
};

struct tt {
	struct zcs_tt *tt;
	uint64_t nr;
	bool full[TT_PAGES_MAX]; /* a page or a handle */
	struct content content[TT_PAGES_MAX];
};

static struct {
	struct rng rng;
	enum zcs_backing backing;
	struct zcs_pool *pool;
	struct zcs_store *store;
	struct folio folio[FOLIOS];
	struct backup backup[BACKUPS];
	struct tt tt[TTS];
	uint64_t seeds, step, done[2]; /* calls that succeeded, that were refused */
	bool faulty; /* a fault point is on */
} m;

static uint64_t below(uint64_t nr)
{
	return rng_below(&m.rng, nr);
}

static bool one_in(uint64_t nr)
{
	return rng_one_in(&m.rng, nr);
}

static uint64_t count_result(int64_t ret)
{
	return m.done[ret < 0]++;
}

/* -- pages */

static bool page_is(const void *page, struct content c, uint64_t at)
{
	return c.seed ? zcs_test_page_is(page, c.seed, c.index + at)
		      : zcs_test_is_zero(page, ZCS_PAGE_SIZE);
}

static bool pages_are(const char *pages, struct content c, uint64_t nr)
{
	for (uint64_t i = 0; i < nr; i++)
		if (!page_is(pages + i * ZCS_PAGE_SIZE, c, i))
			return false;
	return true;
}

static struct content new_content(void *pages, uint64_t nr)
{
	struct content c = { ++m.seeds, 0 };

	zcs_test_fill(pages, c.seed, 0, nr);
	return c;
}

/* -- folios */

static uint64_t folio_pages(const struct folio *f)
{
	return UINT64_C(1) << f->order;
}

static struct folio *free_place(void)
{
	for (unsigned i = 0; i < FOLIOS; i++)
		if (!m.folio[i].folio)
			return &m.folio[i];
	return NULL;
}

static struct folio *some_folio(void)
{
	struct folio *f = &m.folio[below(FOLIOS)];

	return f->folio ? f : NULL;
}

static void assert_folio(const struct folio *f)
{
	assert_int_equal(zcs_folio_order(f->folio), f->order);
	assert_true(pages_are(zcs_folio_address(f->folio), f->first, folio_pages(f)));
}

static void alloc_folio(void)
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

static void put_folio(void)
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

static unsigned places(void)
{
	unsigned nr = 0;

	for (unsigned i = 0; i < FOLIOS; i++)
		nr += !m.folio[i].folio;
	return nr;
}

static void split_folio(void)
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

static void shrink(void)
{
	uint64_t nr = below(200);
	int64_t count = zcs_pool_count(m.pool, -1), freed = zcs_pool_shrink(m.pool, -1, nr);

	assert_true(freed >= 0 && freed <= count);
	assert_true(freed >= (int64_t)nr || freed == count);
}

/* -- backups */

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

/* What an insertion must give: the handle, or the first error in the order of the checks. */
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

static void insert_folio(void)
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
static void insert_folios(void)
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

static void take_folio(void)
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

static void take_folios(void)
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

static void assert_backup_page(struct backup *b, uint64_t index)
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

static void copy_page(void)
{
	assert_backup_page(some_backup(), below(BACKUP_PAGES));
}

static void drop(void)
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

static void write_back(void)
{
	uint64_t first = below(BACKUP_PAGES);

	zcs_assert_is(zcs_backup_writeback(some_backup()->backup, first, UINT64_MAX, 0), 0);
}

static void new_backup(struct backup *b)
{
	int err;

	zcs_backup_destroy(b->backup);
	memset(b, 0, sizeof(*b));
	err = zcs_backup_create(m.store, BACKUP_PAGES, &b->backup);
	if (err)
		zcs_assert_ok(zcs_backup_create(m.store, BACKUP_PAGES, &b->backup));
}

static void renew_backup(void)
{
	if (one_in(10) && !m.faulty)
		new_backup(some_backup());
}

/* -- tts */

static struct tt *some_tt(void)
{
	return &m.tt[below(TTS)];
}

static bool is_page(const struct tt *t, uint64_t index)
{
	uintptr_t slot = zcs_tt_slot(t->tt, index);

	return slot && !zcs_slot_is_handle(slot);
}

static uint64_t tt_handles(const struct tt *t)
{
	uint64_t nr = 0;

	for (uint64_t i = 0; i < t->nr; i++)
		nr += zcs_slot_is_handle(zcs_tt_slot(t->tt, i));
	return nr;
}

static bool is_backed_up(const struct tt *t)
{
	return zcs_tt_flags(t->tt) & ZCS_TT_BACKED_UP;
}

/* Slots that were filled (only if @may_fill) are zero pages; none may have become empty. */
static void look_for_new_pages(struct tt *t, bool may_fill)
{
	for (uint64_t i = 0; i < t->nr; i++) {
		bool full = zcs_tt_slot(t->tt, i) != 0;

		assert_true(full || !t->full[i]);
		assert_true(full == t->full[i] || may_fill);
		if (full && !t->full[i])
			t->content[i] = (struct content){ 0, 0 };
		t->full[i] = full;
	}
}

/* Slots that were emptied, all in the range; how many. */
static uint64_t look_for_holes(struct tt *t, uint64_t first, uint64_t count)
{
	uint64_t nr = 0;

	for (uint64_t i = 0; i < t->nr; i++) {
		bool full = zcs_tt_slot(t->tt, i) != 0;

		assert_true(t->full[i] || !full);
		assert_true(full == t->full[i] || (i >= first && i < first + count));
		nr += t->full[i] && !full;
		t->full[i] = full;
	}
	return nr;
}

/*
 * After a refused populate: where an address does not trap, or did not for a while, somebody may
 * have written to what was populated before the refusal. What held something has not gone.
 */
static void look_for_what_stayed(struct tt *t)
{
	for (uint64_t i = 0; i < t->nr; i++) {
		bool full = zcs_tt_slot(t->tt, i) != 0;

		assert_true(full || !t->full[i] || !t->content[i].seed);
		if (full && !t->full[i])
			t->content[i] = (struct content){ 0, 0 };
		t->full[i] = full;
	}
}

static void assert_tt_page(struct tt *t, uint64_t index)
{
	const char *user = zcs_tt_address(t->tt);

	if (!t->full[index] || !is_page(t, index))
		return;
	assert_true(page_is(zcs_tt_page_address(t->tt, index), t->content[index], 0));
	if (user && !(zcs_tt_flags(t->tt) & ZCS_TT_BACKED_UP))
		assert_true(page_is(user + index * ZCS_PAGE_SIZE, t->content[index], 0));
}

static void range_of(const struct tt *t, uint64_t *first, uint64_t *count)
{
	*first = one_in(2) ? 0 : below(t->nr);
	*count = one_in(2) ? t->nr - *first : 1 + below(t->nr - *first);
}

static void tt_populate(void)
{
	struct tt *t = some_tt();
	bool refused = is_backed_up(t);
	int err = zcs_tt_populate(t->tt, NULL);

	count_result(err);
	if (refused)
		zcs_assert_is(err, -EINVAL);
	else if (m.faulty)
		assert_true(err <= 0);
	else
		assert_true(!err || err == -ENOMEM);
	if (err && !refused && zcs_tt_address(t->tt))
		look_for_what_stayed(t);
	else if (err && !refused && !(zcs_tt_flags(t->tt) & ZCS_TT_POPULATED))
		assert_true(look_for_holes(t, 0, t->nr) <= t->nr);
	look_for_new_pages(t, !err);
}

static void tt_write(void)
{
	struct tt *t = some_tt();

	for (unsigned i = 0; i < 8; i++) {
		uint64_t index = below(t->nr);
		char *page = zcs_tt_page_address(t->tt, index);

		assert_int_equal(page != NULL, t->full[index] && is_page(t, index));
		if (page)
			t->content[index] = new_content(page, 1);
	}
}

static void tt_backup(void)
{
	struct tt *t = some_tt();
	uint64_t first, count, before = tt_handles(t);
	int64_t ret;

	range_of(t, &first, &count);
	ret = zcs_tt_backup_range(t->tt, first, count, one_in(2) ? ZCS_BACKUP_WRITEBACK : 0);
	count_result(ret);
	assert_true(ret >= 0 || m.faulty);
	assert_true(ret <= (int64_t)count);
	zcs_assert_is(tt_handles(t) - before, ret < 0 ? 0 : ret);
	look_for_new_pages(t, false);
}

static void tt_purge(void)
{
	struct tt *t = some_tt();
	uint64_t first, count;
	int64_t ret;

	range_of(t, &first, &count);
	ret = zcs_tt_backup_range(t->tt, first, count, ZCS_BACKUP_PURGE);
	count_result(ret);
	assert_true(ret >= 0 || m.faulty);
	zcs_assert_is(look_for_holes(t, first, count), ret < 0 ? 0 : ret);
}

static void tt_restore(void)
{
	struct zcs_ctx ctx = { .struct_size = sizeof(ctx), .interruptible = true };
	struct tt *t = some_tt();
	bool refused = !is_backed_up(t);
	uint64_t first, count;
	int err;

	range_of(t, &first, &count);
	err = zcs_tt_restore_range(t->tt, first, count, one_in(2) ? &ctx : NULL);
	count_result(err);
	if (refused)
		zcs_assert_is(err, -EINVAL);
	else
		assert_true(!err || err == -ENOMEM || m.faulty);
	look_for_new_pages(t, !refused);
	for (uint64_t i = first; !err && i < first + count; i++)
		assert_true(is_page(t, i));
}

static void tt_drop(void)
{
	struct tt *t = some_tt();
	bool refused = !is_backed_up(t);
	int err;

	if (!one_in(4))
		return;
	err = zcs_tt_drop_backup(t->tt);
	zcs_assert_is(err, refused ? -EINVAL : 0);
	look_for_holes(t, 0, err ? 0 : t->nr);
	for (uint64_t i = 0; !err && i < t->nr; i++)
		assert_false(t->full[i]);
}

static void tt_unpopulate(void)
{
	struct tt *t = some_tt();
	uint64_t handles = tt_handles(t);

	if (!one_in(4))
		return;
	zcs_tt_unpopulate(t->tt);
	look_for_holes(t, 0, t->nr);
	zcs_assert_is(tt_handles(t), (int64_t)handles);
	for (uint64_t i = 0; i < t->nr; i++)
		assert_false(is_page(t, i));
}

static void tt_setup(void)
{
	struct tt *t = some_tt();
	bool busy = tt_handles(t) != 0;
	int err = zcs_tt_setup_backup(t->tt, m.store);

	if (busy)
		zcs_assert_is(err, -EBUSY);
	else
		assert_true(!err || (m.faulty && err == -ENOMEM));
	look_for_new_pages(t, false);
}

static void new_tt(struct tt *t)
{
	static const uint64_t lengths[] = { 1, 3, 64, 77, 511, 512, 515, 1024, 1100 };
	uint64_t nr = lengths[below(sizeof(lengths) / sizeof(lengths[0]))];

	zcs_tt_destroy(t->tt);
	memset(t, 0, sizeof(*t));
	t->nr = nr;
	zcs_assert_ok(zcs_tt_create(m.pool, nr, one_in(2) ? ZCS_TT_CONTIGUOUS : 0, &t->tt));
	if (!one_in(4))
		zcs_assert_ok(zcs_tt_setup_backup(t->tt, m.store));
}

static void renew_tt(void)
{
	if (one_in(10) && !m.faulty)
		new_tt(some_tt());
}

/* -- the whole */

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
