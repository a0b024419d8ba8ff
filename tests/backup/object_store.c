/* SPDX-License-Identifier: MIT */
/*
 * The interface between backup and store, with a store of the test's own: what it is told, in
 * vectors, and that what it refuses is undone exactly.
 */
#include "store/store.h"
#include "zcs_test.h"

#define NR    150u
#define CALLS 512u

/*
 * A store that writes down what it is told. @accepts, @gives: extents that insert() and take() let
 * pass before they refuse with @error (0: with a short count).
 */
static struct recorder {
	struct zcs_pool *pool;
	unsigned created, destroyed, closed, inserts, takes, copies, drops, writebacks, waits;
	uint64_t num_pages, accepts, gives;
	int error, create_error;
	uint32_t flags;
	struct zcs_extent in[CALLS], out[CALLS];
	size_t nr_in, nr_out, largest_vec;
	uint64_t drop_index, first, last, copied;
	unsigned drop_order;
	uint64_t cached_at_drop;
	bool interruptible;
} rec;

static char object;

static int64_t bytes_avail(struct zcs_store *store)
{
	assert_ptr_equal(store->priv, &rec);
	return 12345;
}

static void close_store(struct zcs_store *store)
{
	assert_ptr_equal(store->priv, &rec);
	rec.closed++;
}

static int create(struct zcs_object *o)
{
	if (rec.create_error)
		return rec.create_error;
	rec.created++;
	rec.num_pages = o->num_pages;
	o->priv = &object;
	return 0;
}

/* Folios must not be in a list, where another may take them, while the store still knows them. */
static void note_cached(void)
{
	if (rec.pool)
		rec.cached_at_drop = zcs_test_stats(rec.pool).cached_pages;
}

static void destroy(struct zcs_object *o)
{
	assert_ptr_equal(o->priv, &object);
	note_cached();
	rec.destroyed++;
}

static int64_t insert(struct zcs_object *o, const struct zcs_extent *vec, size_t nr, uint32_t flags)
{
	size_t n = 0;

	assert_ptr_equal(o->priv, &object);
	assert_true(nr > 0);
	rec.inserts++;
	rec.flags = flags;
	rec.largest_vec = nr > rec.largest_vec ? nr : rec.largest_vec;
	for (; n < nr && rec.accepts && rec.nr_in < CALLS; n++, rec.accepts--)
		rec.in[rec.nr_in++] = vec[n];
	return !n && rec.error ? rec.error : (int64_t)n;
}

static int64_t take(struct zcs_object *o, const struct zcs_extent *vec, size_t nr)
{
	size_t n = 0;

	assert_ptr_equal(o->priv, &object);
	assert_true(nr > 0);
	rec.takes++;
	for (; n < nr && rec.gives && rec.nr_out < CALLS; n++, rec.gives--)
		rec.out[rec.nr_out++] = vec[n];
	return !n && rec.error ? rec.error : (int64_t)n;
}

static int copy(struct zcs_object *o, uint64_t index, void *dst, bool interruptible)
{
	assert_ptr_equal(o->priv, &object);
	rec.copies++;
	rec.copied = index;
	rec.interruptible = interruptible;
	zcs_test_fill_page(dst, 99, index);
	return rec.error;
}

static int64_t writeback(struct zcs_object *o, uint64_t first, uint64_t last, uint64_t *begun)
{
	assert_ptr_equal(o->priv, &object);
	rec.writebacks++;
	rec.first = first;
	rec.last = last;
	*begun = 7;
	return rec.error ? rec.error : 7;
}

static int64_t wait_for(struct zcs_object *o, uint64_t first, uint64_t last)
{
	assert_ptr_equal(o->priv, &object);
	assert_int_equal(first, rec.first);
	assert_int_equal(last, rec.last);
	rec.waits++;
	return 5;
}

static void drop(struct zcs_object *o, uint64_t index, unsigned order)
{
	assert_ptr_equal(o->priv, &object);
	note_cached();
	rec.drops++;
	rec.drop_index = index;
	rec.drop_order = order;
}

static const struct zcs_store_ops ops = {
	.name = "recorder",
	.bytes_avail = bytes_avail,
	.close = close_store,
	.create = create,
	.destroy = destroy,
	.insert = insert,
	.take = take,
	.copy = copy,
	.writeback = writeback,
	.wait = wait_for,
	.drop = drop,
};

/* The same, of a store that owns what is inserted. */
static struct zcs_store_ops owner_ops;

static struct zcs_pool *pool;
static struct zcs_store *store;
static struct zcs_backup *backup;
static struct zcs_folio *folio[NR];
static struct zcs_insert in[NR];
static struct zcs_take out[NR];

/* @nr filled folios of order 1 for the indexes 0, 2, 4, ... of a backup of 2 * NR pages. */
static void open_all(unsigned nr)
{
	memset(&rec, 0, sizeof(rec));
	rec.accepts = rec.gives = UINT64_MAX;
	pool = zcs_test_pool(ZCS_BACKING_SMALL, 0, 0);
	zcs_assert_ok(zcs_store_new(&ops, &rec, &store));
	backup = zcs_test_backup(store, 2 * NR);
	for (unsigned i = 0; i < nr; i++) {
		folio[i] = zcs_test_folio(pool, 1);
		zcs_test_fill_folio(folio[i], i + 1);
		in[i] = (struct zcs_insert){ .folio = folio[i], .index = 2 * i, .order = 1 };
		out[i] = (struct zcs_take){ .handle = 2 * i + 1 };
	}
}

static void close_all(void)
{
	zcs_test_backup_done(backup);
	zcs_assert_is(rec.destroyed, 1);
	zcs_assert_is(rec.closed, 0);
	zcs_test_store_done(store);
	zcs_assert_is(rec.closed, 1);
	zcs_test_pool_done(pool);
}

static void put_from(unsigned first, unsigned nr)
{
	for (unsigned i = first; i < nr; i++) {
		assert_true(zcs_test_folio_is(folio[i], i + 1));
		zcs_folio_put(folio[i]);
	}
}

static void an_object_is_made_for_each_backup(void **state)
{
	(void)state;
	open_all(0);
	zcs_assert_is(rec.created, 1);
	zcs_assert_is(rec.num_pages, 2 * NR);
	zcs_assert_is(zcs_store_bytes_avail(store), 12345);
	close_all();
}

static void a_refused_object_is_the_backups_refusal(void **state)
{
	struct zcs_backup *none = NULL;

	(void)state;
	open_all(0);
	rec.create_error = -ENOSPC;
	zcs_assert_is(zcs_backup_create(store, 8, &none), -ENOSPC);
	assert_null(none);
	zcs_assert_is(rec.destroyed, 0);
	close_all();
}

static void a_refused_backup_destroys_its_object(void **state)
{
	struct zcs_backup *none = NULL;

	(void)state;
	open_all(0);
	/* two levels of the index, then its leaf, when the object is there already */
	zcs_test_fault("alloc_index_node", 2, 1, 0);
	zcs_assert_is(zcs_backup_create(store, 8, &none), -ENOMEM);
	zcs_assert_is(rec.created, rec.destroyed + 1);
	zcs_test_faults_off();
	rec.destroyed = 0;
	close_all();
}

static void extents_say_where_each_folio_lies(void **state)
{
	(void)state;
	open_all(NR);
	zcs_assert_is(zcs_backup_insert_folios(backup, in, NR, ZCS_INSERT_WRITEBACK), NR);
	zcs_assert_is(rec.flags, ZCS_INSERT_WRITEBACK);
	zcs_assert_is(rec.nr_in, NR);
	for (unsigned i = 0; i < NR; i++) {
		zcs_assert_is(rec.in[i].index, 2 * i);
		zcs_assert_is(rec.in[i].pfn, (int64_t)zcs_folio_pfn(folio[i]));
		zcs_assert_is(rec.in[i].order, 1);
		zcs_assert_is(rec.in[i].reserved, 0);
	}
	zcs_assert_is(zcs_backup_take_folios(backup, out, NR, pool), NR);
	zcs_assert_is(rec.nr_out, NR);
	assert_memory_equal(rec.out, rec.in, NR * sizeof(rec.in[0]));
	put_from(0, NR);
	close_all();
}

static void many_folios_take_few_calls(void **state)
{
	(void)state;
	open_all(NR);
	zcs_assert_is(zcs_backup_insert_folios(backup, in, NR, 0), NR);
	zcs_assert_is(rec.inserts, (NR + 63) / 64);
	zcs_assert_is(rec.largest_vec, 64);
	zcs_assert_is(zcs_backup_take_folios(backup, out, NR, pool), NR);
	zcs_assert_is(rec.takes, (NR + 63) / 64);
	put_from(0, NR);
	close_all();
}

/* The store lets @k extents pass; @error 0: it says so by a short count. */
static void refuse_insertion_after(unsigned k, int error)
{
	struct zcs_backup_stats st = { .struct_size = sizeof(st) };
	int64_t expected = error ? error : -ENOMEM;

	open_all(NR);
	rec.accepts = k;
	rec.error = error;
	zcs_assert_is(zcs_backup_insert_folios(backup, in, NR, 0), k ? (int64_t)k : expected);
	for (unsigned i = 0; i < NR; i++) {
		/* a short count does not say why; the next vector does */
		int64_t why = k % 64 && i == k ? -ENOMEM : expected;

		zcs_assert_is(in[i].handle, i < k ? 2 * (int64_t)i + 1 : i == k ? why : 0);
	}
	zcs_assert_is(zcs_test_inserted(pool, 1), k);
	zcs_assert_is(zcs_test_active(pool, 1), NR - k);
	zcs_assert_is(zcs_test_counter(pool, ZCS_COUNT_INSERT_REFUSED), 1);
	zcs_assert_ok(zcs_backup_stats(backup, &st));
	zcs_assert_is(st.resident_pages, 2 * k);
	zcs_assert_ok(zcs_backup_check(backup));
	zcs_test_pool_ok(pool);
	/* what was undone can be done */
	rec.accepts = UINT64_MAX;
	zcs_assert_is(zcs_backup_insert_folios(backup, in + k, NR - k, 0), NR - k);
	zcs_assert_is(zcs_backup_take_folios(backup, out, NR, pool), NR);
	put_from(0, NR);
	close_all();
}

static void a_refusal_after_k_folios_is_undone_exactly(void **state)
{
	const unsigned at[] = { 0, 1, 63, 64, 65, 127, 128, NR - 1 };

	(void)state;
	for (size_t i = 0; i < sizeof(at) / sizeof(at[0]); i++) {
		refuse_insertion_after(at[i], 0);
		refuse_insertion_after(at[i], -ENOSPC);
	}
}

static void what_the_backup_refuses_is_not_told(void **state)
{
	(void)state;
	open_all(20);
	in[10].index = 3;
	zcs_assert_is(zcs_backup_insert_folios(backup, in, 20, 0), 10);
	zcs_assert_is(in[10].handle, -EINVAL);
	zcs_assert_is(rec.inserts, 1);
	zcs_assert_is(rec.nr_in, 10);
	zcs_assert_is(zcs_backup_insert_folio(backup, folio[11], 1, 0, 4), -EEXIST);
	zcs_assert_is(rec.inserts, 1);
	put_from(10, 20);
	close_all();
}

static void refuse_take_after(unsigned k, int error)
{
	open_all(NR);
	zcs_assert_is(zcs_backup_insert_folios(backup, in, NR, 0), NR);
	rec.gives = k;
	rec.error = error;
	zcs_assert_is(zcs_backup_take_folios(backup, out, NR, pool), k	     ? (int64_t)k
								     : error ? error
									     : -EIO);
	for (unsigned i = 0; i < NR; i++)
		assert_ptr_equal(out[i].folio, i < k ? folio[i] : NULL);
	zcs_assert_is(zcs_test_inserted(pool, 1), NR - k);
	zcs_assert_is(zcs_test_counter(pool, ZCS_COUNT_TAKE_MOVED), k);
	zcs_assert_ok(zcs_backup_check(backup));
	zcs_test_pool_ok(pool);
	rec.gives = UINT64_MAX;
	zcs_assert_is(zcs_backup_take_folios(backup, out + k, NR - k, pool), NR - k);
	put_from(0, NR);
	close_all();
}

static void a_take_that_is_refused_loses_nothing(void **state)
{
	const unsigned at[] = { 0, 1, 63, 64, 65, NR - 1 };

	(void)state;
	for (size_t i = 0; i < sizeof(at) / sizeof(at[0]); i++) {
		refuse_take_after(at[i], 0);
		refuse_take_after(at[i], -EINTR);
	}
}

static void a_replacement_is_asked_for_before_anything_is_dropped(void **state)
{
	(void)state;
	open_all(3);
	zcs_assert_is(zcs_backup_insert_folio(backup, folio[0], 1, 0, 0), 1);
	zcs_assert_is(rec.flags, 0);
	rec.accepts = 0;
	rec.error = -ENOSPC;
	zcs_assert_is(zcs_backup_insert_folio(backup, folio[1], 1, ZCS_INSERT_REPLACE, 0), -ENOSPC);
	zcs_assert_is(rec.flags, ZCS_INSERT_REPLACE);
	zcs_assert_is(zcs_test_counter(pool, ZCS_COUNT_INSERT_REPLACED), 0);
	zcs_assert_ok(zcs_backup_check(backup));
	rec.accepts = UINT64_MAX;
	zcs_assert_is(zcs_backup_insert_folio(backup, folio[1], 1, ZCS_INSERT_REPLACE, 0), 1);
	/* the store drops what it replaces: it is not told twice */
	zcs_assert_is(rec.drops, 0);
	zcs_assert_is(zcs_test_cached(pool, 1), 1);
	zcs_assert_ok(zcs_backup_take_folio(backup, 1, pool, &folio[1]));
	put_from(1, 3);
	close_all();
}

static void copies_are_the_stores(void **state)
{
	char page[ZCS_PAGE_SIZE];

	(void)state;
	open_all(1);
	zcs_assert_is(zcs_backup_insert_folio(backup, folio[0], 1, 0, 6), 7);
	zcs_assert_ok(zcs_backup_copy_page(backup, page, 8, true));
	assert_true(zcs_test_page_is(page, 99, 7));
	zcs_assert_is(rec.copied, 7);
	assert_true(rec.interruptible);
	zcs_assert_ok(zcs_backup_copy_page(backup, page, 7, false));
	assert_false(rec.interruptible);
	/* a hole is known without asking */
	zcs_assert_ok(zcs_backup_copy_page(backup, page, 1, false));
	assert_true(zcs_test_is_zero(page, sizeof(page)));
	zcs_assert_is(rec.copies, 2);
	rec.error = -EIO;
	zcs_assert_is(zcs_backup_copy_page(backup, page, 7, false), -EIO);
	close_all();
}

static void writeback_is_passed_on_and_clamped(void **state)
{
	(void)state;
	open_all(0);
	zcs_assert_is(zcs_backup_writeback(backup, 3, 5, ZCS_WB_WAIT), 5);
	zcs_assert_is(rec.waits, 1);
	zcs_assert_is(rec.first, 3);
	zcs_assert_is(rec.last, 5);
	zcs_assert_is(zcs_backup_writeback(backup, 0, UINT64_MAX, 0), 7);
	zcs_assert_is(rec.waits, 1);
	zcs_assert_is(rec.last, 2 * NR - 1);
	rec.error = -EIO;
	zcs_assert_is(zcs_backup_writeback(backup, 0, 0, 0), -EIO);
	zcs_assert_is(zcs_backup_writeback(backup, 2 * NR, 2 * NR, 0), -EINVAL);
	zcs_assert_is(rec.writebacks, 3);
	close_all();
}

static void drops_are_passed_on_before_the_pages_are_free(void **state)
{
	(void)state;
	open_all(2);
	rec.pool = pool;
	rec.cached_at_drop = UINT64_MAX;
	zcs_assert_is(zcs_backup_insert_folios(backup, in, 2, 0), 2);
	zcs_backup_drop(backup, 1, 1);
	zcs_assert_is(rec.drops, 1);
	zcs_assert_is(rec.drop_index, 0);
	zcs_assert_is(rec.drop_order, 1);
	zcs_assert_is(rec.cached_at_drop, 0);
	zcs_assert_is(zcs_test_cached(pool, 1), 1);
	/* part of a block */
	zcs_backup_drop(backup, 4, 0);
	zcs_assert_is(rec.drops, 2);
	zcs_assert_is(rec.drop_index, 3);
	zcs_assert_is(rec.drop_order, 0);
	/* a wrong one is not */
	zcs_backup_drop(backup, 2, 1);
	zcs_assert_is(rec.drops, 2);
	close_all();
}

static void the_end_of_an_object_is_one_call_before_the_pages_are_free(void **state)
{
	(void)state;
	open_all(20);
	rec.pool = pool;
	rec.cached_at_drop = UINT64_MAX;
	zcs_assert_is(zcs_backup_insert_folios(backup, in, 20, 0), 20);
	zcs_backup_destroy(backup);
	zcs_assert_is(rec.destroyed, 1);
	zcs_assert_is(rec.drops, 0);
	zcs_assert_is(rec.cached_at_drop, 0);
	zcs_assert_is(zcs_test_cached(pool, 1), 20);
	zcs_test_store_done(store);
	zcs_assert_is(rec.closed, 1);
	zcs_test_pool_done(pool);
}

static void the_store_closes_with_its_last_backup(void **state)
{
	struct zcs_backup *second;

	(void)state;
	open_all(0);
	second = zcs_test_backup(store, 8);
	zcs_store_close(store);
	zcs_assert_is(rec.closed, 0);
	zcs_test_backup_done(backup);
	zcs_assert_is(rec.closed, 0);
	zcs_test_backup_done(second);
	zcs_assert_is(rec.destroyed, 2);
	zcs_assert_is(rec.closed, 1);
	zcs_test_pool_done(pool);
}

static void a_tt_is_backed_up_and_restored_through_it(void **state)
{
	struct zcs_tt *tt = NULL;

	(void)state;
	for (uint32_t flags = 0; flags <= ZCS_TT_CONTIGUOUS; flags += ZCS_TT_CONTIGUOUS) {
		open_all(0);
		zcs_assert_ok(zcs_tt_create(pool, 700, flags, &tt));
		zcs_assert_ok(zcs_tt_setup_backup(tt, store));
		zcs_assert_ok(zcs_tt_populate(tt, NULL));
		for (uint64_t i = 0; i < 700; i++)
			zcs_test_fill_page(zcs_tt_page_address(tt, i), 1, i);
		zcs_assert_is(zcs_tt_backup(tt, ZCS_BACKUP_WRITEBACK), 700);
		zcs_assert_is(rec.flags, ZCS_INSERT_WRITEBACK);
		rec.gives = 1;
		rec.error = -EINTR;
		zcs_assert_is(zcs_tt_restore(tt, NULL), -EINTR);
		rec.gives = UINT64_MAX;
		zcs_assert_ok(zcs_tt_restore(tt, NULL));
		for (uint64_t i = 0; i < 700; i++)
			assert_true(zcs_test_page_is(zcs_tt_page_address(tt, i), 1, i));
		zcs_test_tt_done(tt);
		rec.destroyed = 0;
		close_all();
	}
}

/* The limit has room for two folios. One that is inserted is the store's, and makes room. */
static void what_a_store_owns_is_charged_when_it_is_taken(void **state)
{
	const uint64_t bytes = 2 * ZCS_PAGE_SIZE;
	struct zcs_folio *more, *back = NULL;

	(void)state;
	memset(&rec, 0, sizeof(rec));
	rec.accepts = rec.gives = UINT64_MAX;
	owner_ops = ops;
	owner_ops.flags = ZCS_STORE_OWNS;
	pool = zcs_test_pool(ZCS_BACKING_SMALL, 2 * bytes, 0);
	zcs_assert_ok(zcs_store_new(&owner_ops, &rec, &store));
	backup = zcs_test_backup(store, 4);
	for (unsigned i = 0; i < 2; i++)
		folio[i] = zcs_test_folio(pool, 1);
	zcs_test_fill_folio(folio[0], 1);
	zcs_assert_is(zcs_backup_insert_folio(backup, folio[0], 1, 0, 0), 1);
	zcs_assert_is(zcs_test_stats(pool).resident_pages, 2);
	zcs_test_pool_ok(pool);
	more = zcs_test_folio(pool, 1);
	zcs_assert_is(zcs_backup_take_folio(backup, 1, pool, &back), -ENOMEM);
	assert_null(back);
	zcs_assert_is(rec.takes, 0);
	zcs_assert_is(zcs_test_inserted(pool, 1), 1);
	zcs_test_pool_ok(pool);
	/* refused by the store, it is uncharged once more */
	zcs_folio_put(more);
	rec.gives = 0;
	rec.error = -EINTR;
	zcs_assert_is(zcs_backup_take_folio(backup, 1, pool, &back), -EINTR);
	zcs_test_pool_ok(pool);
	rec.gives = UINT64_MAX;
	zcs_assert_ok(zcs_backup_take_folio(backup, 1, pool, &back));
	assert_ptr_equal(back, folio[0]);
	assert_true(zcs_test_folio_is(back, 1));
	/* dropped, it is freed and not charged */
	zcs_assert_is(zcs_backup_insert_folio(backup, back, 1, 0, 0), 1);
	zcs_backup_drop(backup, 1, 1);
	zcs_folio_put(folio[1]);
	close_all();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		zcs_test(an_object_is_made_for_each_backup),
		zcs_test(a_refused_object_is_the_backups_refusal),
		zcs_test(a_refused_backup_destroys_its_object),
		zcs_test(extents_say_where_each_folio_lies),
		zcs_test(many_folios_take_few_calls),
		zcs_test(a_refusal_after_k_folios_is_undone_exactly),
		zcs_test(what_the_backup_refuses_is_not_told),
		zcs_test(a_take_that_is_refused_loses_nothing),
		zcs_test(a_replacement_is_asked_for_before_anything_is_dropped),
		zcs_test(copies_are_the_stores),
		zcs_test(writeback_is_passed_on_and_clamped),
		zcs_test(drops_are_passed_on_before_the_pages_are_free),
		zcs_test(the_end_of_an_object_is_one_call_before_the_pages_are_free),
		zcs_test(the_store_closes_with_its_last_backup),
		zcs_test(a_tt_is_backed_up_and_restored_through_it),
		zcs_test(what_a_store_owns_is_charged_when_it_is_taken),
	};

	setenv("ZCSWAP_LOG", "off", 1);
	return zcs_test_run(tests);
}
