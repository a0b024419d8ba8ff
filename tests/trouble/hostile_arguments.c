/* SPDX-License-Identifier: MIT */
/*
 * Every public function of pools, stores, backups, tts and fault points, with every combination of
 * arguments in which at least one is wrong: NULL, zero, huge, unaligned, foreign, stale. The result
 * is an error that the header names, and nothing changes: not the pools' statistics, not the
 * backup, not a slot, not a byte.
 */
#include <fcntl.h>
#include <limits.h>
#include <sys/mman.h>
#include <unistd.h>

#include "zcs_test.h"

#define ARGS_MAX 6u
#define TT_PAGES 9u

/* A candidate for an argument. */
struct value {
	uint64_t v;
	bool good;
};

#define VALUES_MAX 16u
struct kind {
	struct value value[VALUES_MAX];
	unsigned nr;
};

/* The arguments and the objects of the calls. */
static struct {
	struct zcs_pool *pool, *other_pool;
	struct zcs_store *store;
	struct zcs_backup *backup; /* 64 pages, a block of order 3 at index 8 */
	struct zcs_tt *tt; /* slots 0 to 7 out, slot 8 in */
	struct zcs_folio *owned, *inserted, *given_back;
	int memfd, null_fd;
	void *out;
	uint64_t buffer[ZCS_PAGE_SIZE / 8];
} f;

static void *const untouched = &f;

static void *ptr(uint64_t v)
{
	return (void *)(uintptr_t)v;
}

static uint64_t num(const void *p)
{
	return (uintptr_t)p;
}

/* -- kinds of arguments */

static struct kind kind(unsigned nr, const struct value *values)
{
	struct kind k = { .nr = nr };

	assert_true(nr <= VALUES_MAX);
	memcpy(k.value, values, nr * sizeof(*values));
	return k;
}

#define KIND(...)                                                            \
	kind(sizeof((struct value[]){ __VA_ARGS__ }) / sizeof(struct value), \
	     (struct value[]){ __VA_ARGS__ })

static struct kind pool_kind(void)
{
	return KIND({ 0, false }, { num(f.pool), true });
}

static struct kind store_kind(void)
{
	return KIND({ 0, false }, { num(f.store), true });
}

static struct kind backup_kind(void)
{
	return KIND({ 0, false }, { num(f.backup), true });
}

static struct kind tt_kind(void)
{
	return KIND({ 0, false }, { num(f.tt), true });
}

static struct kind folio_kind(void)
{
	return KIND({ 0, false }, { num(f.owned), true }, { num(f.inserted), false },
		    { num(f.given_back), false });
}

static struct kind out_kind(void)
{
	return KIND({ 0, false }, { num(&f.out), true });
}

static struct kind pages_kind(void)
{
	return KIND({ 0, false }, { 1, true }, { UINT64_C(1) << 51, false }, { INT64_MAX, false },
		    { UINT64_MAX, false });
}

static struct kind flags_kind(uint32_t known)
{
	return KIND({ 0, true }, { known, true }, { known + 1, false }, { 1u << 31, false },
		    { UINT32_MAX, false });
}

static struct kind node_kind(void)
{
	return KIND({ (uint32_t)-1, true }, { 0, true }, { (uint32_t)-2, false }, { 1000, false },
		    { (uint32_t)INT_MIN, false }, { INT_MAX, false });
}

static struct kind size_kind(void)
{
	return KIND({ 0, true }, { 8, true });
}

static struct kind any_kind(void)
{
	return KIND({ 0, true }, { 1, true }, { UINT64_MAX, true });
}

/* Handles: none, negative, past the end, inside a block, of a hole; good: the block's. */
static struct kind handle_kind(void)
{
	return KIND({ 9, true }, { 0, false }, { (uint64_t)-1, false },
		    { (uint64_t)INT64_MIN, false }, { 65, false }, { INT64_MAX, false },
		    { 10, false }, { 1, false });
}

/* For reading, any page of the backup is good. */
static struct kind page_handle_kind(void)
{
	return KIND({ 9, true }, { 1, true }, { 64, true }, { 0, false }, { (uint64_t)-1, false },
		    { (uint64_t)INT64_MIN, false }, { 65, false }, { INT64_MAX, false });
}

static struct zcs_pool_params hostile_params[10];

static struct kind params_kind(void)
{
	struct zcs_pool_params *p = hostile_params;
	struct kind k = KIND({ 0, true });

	for (unsigned i = 0; i < 10; i++)
		p[i] = zcs_test_params(ZCS_BACKING_SMALL, 0, 0);
	p[1].struct_size = 0;
	p[2].struct_size--;
	p[3].struct_size = SIZE_MAX;
	p[4].backing = (enum zcs_backing)(ZCS_BACKING_SMALL + 1);
	p[5].flags = 1;
	p[6].node = 1000;
	p[7].beneficial_order = ZCS_MAX_ORDER + 1;
	p[8].max_bytes = ZCS_PAGE_SIZE - 1;
	p[9].reserved[7] = 1;
	for (unsigned i = 0; i < 10; i++)
		k.value[k.nr++] = (struct value){ num(&p[i]), i == 0 };
	return k;
}

static struct kind ctx_kind(void)
{
	static const struct zcs_ctx none = { .struct_size = 0 }, small = { .struct_size = 4 },
				    large = { .struct_size = sizeof(large) + 1 };

	return KIND({ 0, true }, { num(&none), false }, { num(&small), false },
		    { num(&large), false });
}

static struct zcs_pool_stats short_stats;

static struct kind stats_kind(void)
{
	return KIND({ 0, false }, { num(&short_stats), false });
}

static struct kind specs_kind(void)
{
	return KIND({ 0, false }, { num(""), false }, { num("mem"), false },
		    { num("mem:?size=1G"), false }, { num("nonsense:"), false },
		    { num("file:?size=1"), false }, { num("file:?size=x"), false },
		    { num("file:?colour=red"), false },
		    { num("file:/nonexistent/x?size=4M"), false }, { num("/dev/null"), false },
		    { num("/dev/nonexistent"), false }, { num("mem:;mem:"), false },
		    { num(";"), false });
}

static struct zcs_insert hostile_vec[4];

static struct kind insert_vec_kind(void)
{
	struct zcs_insert *v = hostile_vec;

	v[0] = (struct zcs_insert){ .folio = f.owned, .index = 16, .order = 2, .reserved = 1 };
	v[1] = (struct zcs_insert){ .folio = f.owned, .index = 18, .order = 2 };
	v[2] = (struct zcs_insert){ .folio = f.owned, .index = 16, .order = UINT32_MAX };
	v[3] = (struct zcs_insert){ .folio = f.inserted, .index = 16, .order = 3 };
	return KIND({ 0, false }, { num(&v[0]), false }, { num(&v[1]), false },
		    { num(&v[2]), false }, { num(&v[3]), false });
}

static struct zcs_take hostile_takes[3];

static struct kind take_vec_kind(void)
{
	hostile_takes[0].handle = 0;
	hostile_takes[1].handle = INT64_MAX;
	hostile_takes[2].handle = 10;
	return KIND({ 0, false }, { num(&hostile_takes[0]), false },
		    { num(&hostile_takes[1]), false }, { num(&hostile_takes[2]), false });
}

static struct zcs_fault_attr hostile_attr[4];

static struct kind attr_kind(void)
{
	for (unsigned i = 0; i < 4; i++)
		hostile_attr[i].struct_size = sizeof(hostile_attr[i]);
	hostile_attr[0].struct_size = 0;
	hostile_attr[1].probability = 101;
	hostile_attr[2].error = -1;
	hostile_attr[3].probability = UINT_MAX;
	return KIND({ 0, true }, { num(&hostile_attr[0]), false }, { num(&hostile_attr[1]), false },
		    { num(&hostile_attr[2]), false }, { num(&hostile_attr[3]), false });
}

/* -- the calls */

#define CALL(name, expr)                       \
	static int64_t name(const uint64_t *a) \
	{                                      \
		(void)a;                       \
		return (int64_t)(expr);        \
	}

CALL(pool_create, zcs_pool_create(ptr(a[0]), ptr(a[1])))
CALL(pool_from_fd, zcs_pool_create_from_fd(NULL, (int)a[0], a[1], a[2], ptr(a[3])))
CALL(folio_alloc, zcs_folio_alloc(ptr(a[0]), (unsigned)a[1], (uint32_t)a[2], ptr(a[3])))
CALL(folio_put, (zcs_folio_put(ptr(a[0])), 0))
CALL(folio_split, zcs_folio_split(ptr(a[0]), ptr(a[1])))
CALL(folio_address, num(zcs_folio_address(ptr(a[0]))))
CALL(pool_shrink, zcs_pool_shrink(ptr(a[0]), (int)a[1], a[2]))
CALL(pool_count, zcs_pool_count(ptr(a[0]), (int)a[1]))
CALL(pool_stats, zcs_pool_stats(ptr(a[0]), ptr(a[1])))
CALL(pool_dump, zcs_pool_dump(ptr(a[0]), ptr(a[1]), a[2]))
CALL(pool_check, zcs_pool_check(ptr(a[0])))
CALL(store_open, zcs_store_open(ptr(a[0]), ptr(a[1])))
CALL(store_avail, zcs_store_bytes_avail(ptr(a[0])))
CALL(store_check, zcs_store_check(ptr(a[0])))
CALL(store_stats, zcs_store_stats(ptr(a[0]), ptr(a[1])))
CALL(store_dump, zcs_store_dump(ptr(a[0]), ptr(a[1]), a[2]))
CALL(backup_create, zcs_backup_create(ptr(a[0]), a[1], ptr(a[2])))
CALL(insert_folio,
     zcs_backup_insert_folio(ptr(a[0]), ptr(a[1]), (unsigned)a[2], (uint32_t)a[3], a[4]))
CALL(insert_folios, zcs_backup_insert_folios(ptr(a[0]), ptr(a[1]), a[2], (uint32_t)a[3]))
CALL(take_folio, zcs_backup_take_folio(ptr(a[0]), (int64_t)a[1], ptr(a[2]), ptr(a[3])))
CALL(take_folios, zcs_backup_take_folios(ptr(a[0]), ptr(a[1]), a[2], ptr(a[3])))
CALL(copy_page, zcs_backup_copy_page(ptr(a[0]), ptr(a[1]), (int64_t)a[2], a[3]))
CALL(writeback, zcs_backup_writeback(ptr(a[0]), a[1], a[2], (uint32_t)a[3]))
CALL(drop, (zcs_backup_drop(ptr(a[0]), (int64_t)a[1], (unsigned)a[2]), 0))
CALL(backup_check, zcs_backup_check(ptr(a[0])))
CALL(backup_stats, zcs_backup_stats(ptr(a[0]), ptr(a[1])))
CALL(tt_create, zcs_tt_create(ptr(a[0]), a[1], (uint32_t)a[2], ptr(a[3])))
CALL(tt_populate, zcs_tt_populate(ptr(a[0]), ptr(a[1])))
CALL(tt_setup_backup, zcs_tt_setup_backup(ptr(a[0]), ptr(a[1])))
CALL(tt_backup, zcs_tt_backup(ptr(a[0]), (uint32_t)a[1]))
CALL(tt_backup_range, zcs_tt_backup_range(ptr(a[0]), a[1], a[2], (uint32_t)a[3]))
CALL(tt_restore, zcs_tt_restore(ptr(a[0]), ptr(a[1])))
CALL(tt_restore_range, zcs_tt_restore_range(ptr(a[0]), a[1], a[2], ptr(a[3])))
CALL(tt_drop_backup, zcs_tt_drop_backup(ptr(a[0])))
CALL(tt_check, zcs_tt_check(ptr(a[0])))
CALL(tt_slot, zcs_tt_slot(ptr(a[0]), a[1]))
CALL(tt_page_address, num(zcs_tt_page_address(ptr(a[0]), a[1])))
CALL(fault_set, zcs_fault_set(ptr(a[0]), ptr(a[1])))
CALL(fault_count, zcs_fault_count(ptr(a[0]), NULL, NULL))
CALL(nothing_is_destroyed, (zcs_pool_destroy(NULL), zcs_store_close(NULL), zcs_backup_destroy(NULL),
			    zcs_tt_destroy(NULL), zcs_tt_unpopulate(NULL), zcs_folio_put(NULL), 0))

/* Allowed results, as bits: 0, and -errno. */
#define ZERO	    1u
#define E_INVAL	    2u
#define E_NOENT	    4u
#define E_XDEV	    8u
#define E_EXIST	    16u
#define E_OPNOTSUPP 32u
#define ANY_ERROR   64u

struct function {
	const char *name;
	int64_t (*call)(const uint64_t *args);
	unsigned allowed;
	unsigned nr_args;
	struct kind arg[ARGS_MAX];
};

static bool allowed(unsigned mask, int64_t ret)
{
	static const struct {
		unsigned bit;
		int64_t result;
	} results[] = { { ZERO, 0 },	    { E_INVAL, -EINVAL }, { E_NOENT, -ENOENT },
			{ E_XDEV, -EXDEV }, { E_EXIST, -EEXIST }, { E_OPNOTSUPP, -EOPNOTSUPP } };

	for (size_t i = 0; i < sizeof(results) / sizeof(results[0]); i++)
		if (mask & results[i].bit && ret == results[i].result)
			return true;
	return mask & ANY_ERROR && ret < 0;
}

/* -- what may not change */

struct picture {
	struct zcs_pool_stats pool, other;
	struct zcs_backup_stats backup;
	uint32_t flags;
	uintptr_t slots[TT_PAGES];
};

/* Refusals are counted: that alone changes. */
static void forget_refusals(struct zcs_pool_stats *st)
{
	st->counters[ZCS_COUNT_BAD_PUT] = 0;
	st->counters[ZCS_COUNT_BAD_TAKE] = 0;
	st->counters[ZCS_COUNT_BAD_DROP] = 0;
	st->counters[ZCS_COUNT_INSERT_REFUSED] = 0;
}

static struct picture take_picture(void)
{
	struct picture p;

	memset(&p, 0, sizeof(p));
	p.pool = zcs_test_stats(f.pool);
	p.other = zcs_test_stats(f.other_pool);
	forget_refusals(&p.pool);
	forget_refusals(&p.other);
	p.backup.struct_size = sizeof(p.backup);
	zcs_assert_ok(zcs_backup_stats(f.backup, &p.backup));
	p.flags = zcs_tt_flags(f.tt);
	for (uint64_t i = 0; i < TT_PAGES; i++)
		p.slots[i] = zcs_tt_slot(f.tt, i);
	return p;
}

static void assert_as_before(const struct picture *before, const char *name)
{
	struct picture after = take_picture();

	if (memcmp(before, &after, sizeof(after)) || f.out != untouched)
		fail_msg("%s changed something", name);
	if (!zcs_test_folio_is(f.owned, 1))
		fail_msg("%s changed a folio", name);
}

static void open_all(void)
{
	struct zcs_folio *folio;

	memset(&f, 0, sizeof(f));
	f.out = untouched;
	f.pool = zcs_test_pool(ZCS_BACKING_SMALL, 0, 0);
	f.other_pool = zcs_test_pool(ZCS_BACKING_SMALL, 0, 0);
	f.store = zcs_test_store();
	f.backup = zcs_test_backup(f.store, 64);
	f.owned = zcs_test_folio(f.pool, 2);
	zcs_test_fill_folio(f.owned, 1);
	folio = f.inserted = zcs_test_folio(f.pool, 3);
	zcs_assert_is(zcs_backup_insert_folio(f.backup, folio, 3, 0, 8), 9);
	f.given_back = zcs_test_folio(f.pool, 1);
	zcs_folio_put(f.given_back);
	zcs_assert_ok(zcs_tt_create(f.pool, TT_PAGES, 0, &f.tt));
	zcs_assert_ok(zcs_tt_setup_backup(f.tt, f.store));
	zcs_assert_ok(zcs_tt_populate(f.tt, NULL));
	zcs_assert_is(zcs_tt_backup_range(f.tt, 0, 8, 0), 8);
	f.memfd = memfd_create("hostile", MFD_CLOEXEC);
	zcs_assert_ok(ftruncate(f.memfd, 4 * ZCS_TEST_MIB));
	f.null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	assert_true(f.null_fd >= 0);
}

static void close_all(void)
{
	zcs_assert_ok(zcs_tt_restore(f.tt, NULL));
	zcs_test_tt_done(f.tt);
	zcs_folio_put(f.owned);
	zcs_test_backup_done(f.backup);
	zcs_test_store_done(f.store);
	close(f.memfd);
	close(f.null_fd);
	zcs_test_pool_done(f.other_pool);
	zcs_test_pool_done(f.pool);
}

/* -- every combination */

/* The next combination; false after the last. */
static bool advance(const struct function *fn, unsigned at[ARGS_MAX])
{
	for (unsigned i = 0; i < fn->nr_args; i++) {
		if (++at[i] < fn->arg[i].nr)
			return true;
		at[i] = 0;
	}
	return false;
}

/* The arguments of a combination; whether any of them is wrong. */
static bool arguments(const struct function *fn, const unsigned at[ARGS_MAX],
		      uint64_t args[ARGS_MAX])
{
	bool wrong = fn->nr_args == 0;

	for (unsigned i = 0; i < fn->nr_args; i++) {
		args[i] = fn->arg[i].value[at[i]].v;
		wrong |= !fn->arg[i].value[at[i]].good;
	}
	return wrong;
}

static uint64_t try_all(const struct function *fn)
{
	struct picture before = take_picture();
	unsigned at[ARGS_MAX] = { 0 };
	uint64_t args[ARGS_MAX] = { 0 }, tried = 0;

	do {
		int64_t ret;

		if (!arguments(fn, at, args))
			continue;
		ret = fn->call(args);
		if (!allowed(fn->allowed, ret))
			fail_msg("%s(%#" PRIx64 ", %#" PRIx64 ", %#" PRIx64 ", %#" PRIx64
				 ", %#" PRIx64 "): %" PRId64,
				 fn->name, args[0], args[1], args[2], args[3], args[4], ret);
		assert_as_before(&before, fn->name);
		tried++;
	} while (advance(fn, at));
	return tried;
}

static void try_table(const struct function *table, size_t nr)
{
	uint64_t tried = 0;

	for (size_t i = 0; i < nr; i++)
		tried += try_all(&table[i]);
	zcs_test_pool_ok(f.pool);
	zcs_test_pool_ok(f.other_pool);
	zcs_assert_ok(zcs_backup_check(f.backup));
	zcs_assert_ok(zcs_tt_check(f.tt));
	print_message("# %" PRIu64 " calls refused\n", tried);
}

#define F(name, allowed, nr, ...)         \
	{                                 \
#name, name, allowed, nr, \
		{                         \
			__VA_ARGS__       \
		}                         \
	}
#define TRY(table) try_table(table, sizeof(table) / sizeof(table[0]))

static void pools_and_folios(void **state)
{
	(void)state;
	open_all();
	const struct function table[] = {
		F(pool_create, E_INVAL, 2, params_kind(), out_kind()),
		F(pool_from_fd, E_INVAL | E_OPNOTSUPP, 4,
		  KIND({ (uint64_t)f.memfd, true }, { (uint32_t)-1, false }, { INT_MAX, false },
		       { (uint64_t)f.null_fd, false }),
		  KIND({ 0, true }, { 4096, false }, { 4 * ZCS_TEST_MIB, false },
		       { UINT64_MAX - 2 * ZCS_TEST_MIB + 1, false }, { UINT64_MAX, false }),
		  KIND({ 2 * ZCS_TEST_MIB, true }, { 0, false }, { 4096, false },
		       { 6 * ZCS_TEST_MIB, false }, { UINT64_C(1) << 63, false }),
		  out_kind()),
		F(folio_alloc, E_INVAL, 4, pool_kind(),
		  KIND({ 0, true }, { 9, true }, { 10, false }, { UINT32_MAX, false }),
		  flags_kind(1), out_kind()),
		F(folio_put, ZERO, 1, folio_kind()),
		F(folio_split, E_INVAL, 2, folio_kind(),
		  KIND({ 0, false }, { num(f.buffer), true })),
		F(folio_address, ZERO, 1, folio_kind()),
		F(pool_shrink, E_INVAL, 3, pool_kind(), node_kind(), any_kind()),
		F(pool_count, E_INVAL, 2, pool_kind(), node_kind()),
		F(pool_stats, E_INVAL, 2, pool_kind(), stats_kind()),
		F(pool_dump, E_INVAL, 3, KIND({ 0, false }),
		  KIND({ 0, true }, { num(f.buffer), true }), size_kind()),
		F(pool_dump, E_INVAL, 3, pool_kind(), KIND({ 0, false }), KIND({ 1, true })),
		F(pool_check, E_INVAL, 1, KIND({ 0, false })),
		F(nothing_is_destroyed, ZERO, 0, KIND({ 0, true })),
	};
	TRY(table);
	close_all();
}

static void stores_and_backups(void **state)
{
	(void)state;
	open_all();
	const struct function table[] = {
		F(store_open, ANY_ERROR, 2, specs_kind(), out_kind()),
		F(store_avail, E_INVAL, 1, KIND({ 0, false })),
		F(store_check, E_INVAL, 1, KIND({ 0, false })),
		F(store_stats, E_INVAL, 2, store_kind(), stats_kind()),
		F(store_dump, E_INVAL, 3, KIND({ 0, false }), KIND({ num(f.buffer), true }),
		  size_kind()),
		F(store_dump, E_INVAL, 3, store_kind(), KIND({ 0, false }), KIND({ 1, true })),
		F(backup_create, E_INVAL, 3, store_kind(), pages_kind(), out_kind()),
		F(insert_folio, E_INVAL | E_EXIST, 5, backup_kind(), folio_kind(),
		  KIND({ 2, true }, { 0, false }, { 3, false }, { 10, false },
		       { UINT32_MAX, false }),
		  KIND({ 0, true }, { 4, false }, { UINT32_MAX, false }),
		  KIND({ 16, true }, { 17, false }, { 8, false }, { 64, false },
		       { UINT64_MAX - 3, false }, { UINT64_MAX, false })),
		F(insert_folios, E_INVAL, 4, backup_kind(), insert_vec_kind(),
		  KIND({ 0, false }, { 1, true }), KIND({ 0, true }, { 4, false })),
		F(take_folio, E_INVAL | E_NOENT | E_XDEV, 4, backup_kind(), handle_kind(),
		  KIND({ 0, false }, { num(f.pool), true }, { num(f.other_pool), false }),
		  out_kind()),
		F(take_folios, E_INVAL, 4, backup_kind(), take_vec_kind(),
		  KIND({ 0, false }, { 1, true }), pool_kind()),
		F(copy_page, E_INVAL, 4, backup_kind(), KIND({ 0, false }, { num(f.buffer), true }),
		  page_handle_kind(), size_kind()),
		F(writeback, E_INVAL, 4, backup_kind(),
		  KIND({ 0, true }, { 64, false }, { UINT64_MAX, false }),
		  KIND({ 63, true }, { UINT64_MAX, true }), flags_kind(1)),
		F(writeback, E_INVAL, 4, backup_kind(), KIND({ 9, false }), KIND({ 8, true }),
		  flags_kind(1)),
		F(drop, ZERO, 3, backup_kind(),
		  KIND({ 0, false }, { (uint64_t)-1, false }, { (uint64_t)INT64_MIN, false },
		       { 65, false }, { INT64_MAX, false }, { 10, false }),
		  KIND({ 1, true }, { 3, true }, { 10, false }, { UINT32_MAX, false })),
		F(drop, ZERO, 3, KIND({ 0, false }), KIND({ 9, true }), KIND({ 3, true })),
		F(drop, ZERO, 3, backup_kind(), KIND({ 9, true }),
		  KIND({ 7, false }, { 9, false }, { 10, false }, { UINT32_MAX, false })),
		F(backup_check, E_INVAL, 1, KIND({ 0, false })),
		F(backup_stats, E_INVAL, 2, backup_kind(), stats_kind()),
	};
	TRY(table);
	close_all();
}

static struct kind first_kind(void)
{
	return KIND({ 0, true }, { TT_PAGES, false }, { TT_PAGES + 1, false }, { INT64_MAX, false },
		    { UINT64_MAX, false });
}

static struct kind count_kind(void)
{
	return KIND({ 1, true }, { 0, false }, { TT_PAGES + 1, false }, { INT64_MAX, false },
		    { UINT64_MAX, false });
}

static void tts_and_fault_points(void **state)
{
	(void)state;
	open_all();
	const struct function table[] = {
		F(tt_create, E_INVAL, 4, pool_kind(), pages_kind(), flags_kind(7), out_kind()),
		F(tt_populate, E_INVAL, 2, tt_kind(), ctx_kind()),
		F(tt_setup_backup, E_INVAL, 2, tt_kind(), KIND({ 0, false })),
		F(tt_setup_backup, E_INVAL, 2, KIND({ 0, false }), store_kind()),
		F(tt_backup, E_INVAL, 2, tt_kind(), flags_kind(3)),
		F(tt_backup_range, E_INVAL, 4, tt_kind(), first_kind(), count_kind(),
		  flags_kind(3)),
		F(tt_restore, E_INVAL, 2, tt_kind(), ctx_kind()),
		F(tt_restore_range, E_INVAL, 4, tt_kind(), first_kind(), count_kind(), ctx_kind()),
		F(tt_drop_backup, E_INVAL, 1, KIND({ 0, false })),
		F(tt_check, E_INVAL, 1, KIND({ 0, false })),
		F(tt_slot, ZERO, 2, tt_kind(),
		  KIND({ TT_PAGES, false }, { INT64_MAX, false }, { UINT64_MAX, false })),
		F(tt_page_address, ZERO, 2, tt_kind(),
		  KIND({ TT_PAGES, false }, { INT64_MAX, false }, { UINT64_MAX, false })),
		F(fault_set, E_INVAL | E_NOENT, 2,
		  KIND({ num("split"), true }, { 0, false }, { num(""), false },
		       { num("nonsense"), false }),
		  attr_kind()),
		F(fault_count, E_INVAL | E_NOENT, 1,
		  KIND({ 0, false }, { num(""), false }, { num("nonsense"), false })),
	};
	TRY(table);
	assert_null(zcs_fault_name(UINT_MAX));
	assert_null(zcs_counter_name((enum zcs_counter)ZCS_COUNT_NR));
	assert_null(zcs_counter_name((enum zcs_counter)UINT_MAX));
	zcs_assert_is(zcs_folio_pfn(NULL), -1);
	zcs_assert_is(zcs_folio_order(NULL), 0);
	zcs_assert_is(zcs_folio_node(NULL), -1);
	close_all();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		zcs_test(pools_and_folios),
		zcs_test(stores_and_backups),
		zcs_test(tts_and_fault_points),
	};

	setenv("ZCSWAP_LOG", "off", 0);
	return zcs_test_run(tests);
}
