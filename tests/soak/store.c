/* SPDX-License-Identifier: MIT */
/*
 * Everything at once, for a long time: threads that evict, take, drop, purge, restore and copy at
 * random, in one store that is too small for them, on devices that fail now and then. Each thread
 * owns two tts and a range of a backup that all share, and knows what every page of them must be.
 * In the end nothing is lost, no call was answered with an error that it may not have, and every
 * page, slot and word has come back.
 *
 * It goes in rounds, each with a store of its own, because a failed write retires its slots for
 * good: one store would have none left after a while, and nothing would be written any more.
 *
 * ZCSWAP_SOAK_SECONDS: how long (600); ZCSWAP_SEED: to make the same choices as a run before.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <time.h>
#include <unistd.h>

#include "../trouble/seed.h"
#include "store_test.h"

#include "store/same.h"
#include "tt/tt.h"

#define THREADS	   4u
#define TT_PAGES   1283u
#define BIG_PAGES  1024u
#define BLOCKS	   48u /* of a thread, in the shared backup */
#define BLOCK_STEP 64u
#define MAX_ORDER  6u
#define TRIES	   200u
#define ROUND	   20u /* seconds */

/* Of all rounds, for the last line. */
static struct totals {
	uint64_t calls, evictions, takes, drops, no_space, io_errors, errors, no_memory, wrong;
} totals;

static uint64_t next_random(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

/* The content that a page must have: a version of the thread's seed, or zeros. */
struct page {
	uint32_t version;
	bool zero;
};

/*
 * struct buffer - a contiguous tt and its content
 * @pages: what each page must be
 */
struct buffer {
	struct zcs_tt *tt;
	uint64_t nr;
	struct page *pages;
};

/* A block of the shared backup; nothing is there while @order is negative. */
struct block {
	int order;
	uint32_t version;
	bool same;
	uint64_t dropped; /* a bit a page */
};

struct soak;

struct thread {
	struct soak *soak;
	unsigned id;
	uint64_t random;
	uint32_t version;
	struct buffer buffer[2];
	struct block block[BLOCKS];
};

struct soak {
	struct zcs_pool *pool;
	struct zcs_store *store;
	struct zcs_backup *backup;
	struct timespec begin;
	long seconds;
	struct thread thread[THREADS];
	_Atomic uint64_t ops, wrong, errors, no_memory, evictions, takes, drops;
};

static long seconds_of_run(void)
{
	const char *given = getenv("ZCSWAP_SOAK_SECONDS");

	return given && *given ? strtol(given, NULL, 0) : 600;
}

static long elapsed(const struct soak *s)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec - s->begin.tv_sec;
}

/* Assertions do not work in threads: the first mistakes are told, all are counted. */
static void wrong(struct thread *t, const char *what, int64_t where, int64_t result)
{
	if (t->soak->wrong++ < 10)
		fprintf(stderr, "thread %u: %s %" PRId64 ": %" PRId64 "\n", t->id, what, where,
			result);
}

/* Errors that the devices and the memory may give; the caller tries again, now or later. */
static bool allowed(struct thread *t, const char *what, int64_t where, int64_t result)
{
	if (result >= 0)
		return true;
	if (result == -ENOMEM)
		t->soak->no_memory++;
	else if (result == -EIO || result == -ENOSPC || result == -EBUSY)
		t->soak->errors++;
	else
		wrong(t, what, where, result);
	return false;
}

static uint64_t seed_of(const struct thread *t, uint32_t version)
{
	return ((uint64_t)t->id << 20 | (version & 0xfffff)) + 1;
}

/* -- buffers */

static char *at(struct buffer *b, uint64_t page)
{
	return (char *)zcs_tt_address(b->tt) + page * ZCS_PAGE_SIZE;
}

static bool page_is(struct thread *t, struct buffer *b, uint64_t page)
{
	const struct page *p = &b->pages[page];

	if (p->zero)
		return zcs_test_is_zero(at(b, page), ZCS_PAGE_SIZE);
	return zcs_test_page_is(at(b, page), seed_of(t, p->version), page);
}

static void write_pages(struct thread *t, struct buffer *b, uint64_t first, uint64_t nr)
{
	bool zero = next_random(&t->random) % 8 == 0;

	t->version++;
	for (uint64_t i = first; i < first + nr; i++) {
		b->pages[i] = (struct page){ t->version, zero };
		if (zero)
			memset(at(b, i), 0, ZCS_PAGE_SIZE);
		else
			zcs_test_fill_page(at(b, i), seed_of(t, t->version), i);
	}
}

static bool restore(struct thread *t, struct buffer *b, uint64_t first, uint64_t nr)
{
	int err = -EIO;

	if (!(zcs_tt_flags(b->tt) & ZCS_TT_BACKED_UP))
		return true;
	for (unsigned i = 0; err && i < TRIES; i++) {
		err = zcs_tt_restore_range(b->tt, first, nr, NULL);
		if (err && allowed(t, "restore", (int64_t)first, err))
			break;
		if (err == -ENOMEM)
			return false;
	}
	if (err)
		wrong(t, "restore again and again", (int64_t)first, err);
	else
		t->soak->takes++;
	return !err;
}

/* Checks, and now and then changes, some pages. */
static void use(struct thread *t, struct buffer *b)
{
	uint64_t first = next_random(&t->random) % b->nr, nr = 1 + next_random(&t->random) % 64;

	if (nr > b->nr - first)
		nr = b->nr - first;
	if (!restore(t, b, first, nr))
		return;
	for (uint64_t i = first; i < first + nr; i++)
		if (!page_is(t, b, i))
			wrong(t, "page", (int64_t)i, b->pages[i].version);
	if (next_random(&t->random) % 2)
		write_pages(t, b, first, nr);
}

static void evict(struct thread *t, struct buffer *b)
{
	uint64_t r = next_random(&t->random), first = r % b->nr,
		 nr = 1 + (r >> 32) % (b->nr - first);
	uint32_t flags = r >> 16 & 1 ? ZCS_BACKUP_WRITEBACK : 0;
	int64_t n;

	if (r >> 17 & 1) {
		first = 0;
		nr = b->nr;
	}
	n = zcs_tt_backup_range(b->tt, first, nr, flags);
	allowed(t, "backup", (int64_t)first, n);
	t->soak->evictions += n > 0;
	if (r >> 18 & 1)
		allowed(t, "writeback", (int64_t)first,
			zcs_backup_writeback(b->tt->backup, first, first + nr - 1,
					     r >> 19 & 1 ? ZCS_WB_WAIT : 0));
}

/* A purged page is zero when it comes back; blocks that reach out of the range stay. */
static void purge(struct thread *t, struct buffer *b)
{
	uint64_t r = next_random(&t->random), first = r % b->nr,
		 nr = 1 + (r >> 32) % (b->nr - first);
	int64_t n = zcs_tt_backup_range(b->tt, first, nr, ZCS_BACKUP_PURGE);

	if (n < 0)
		wrong(t, "purge", (int64_t)first, n);
	t->soak->drops += n > 0;
	for (uint64_t i = first; i < first + nr; i++)
		if (!zcs_tt_slot(b->tt, i))
			b->pages[i].zero = true;
}

static void check_all(struct thread *t, struct buffer *b)
{
	if (!restore(t, b, 0, b->nr)) {
		wrong(t, "no restore, in the end, of buffer", b - t->buffer, 0);
		return;
	}
	for (uint64_t i = 0; i < b->nr; i++)
		if (!page_is(t, b, i))
			wrong(t, "page, in the end", (int64_t)i, b->pages[i].version);
}

/* -- the shared backup */

static uint64_t index_of(const struct thread *t, unsigned block)
{
	return ((uint64_t)t->id * BLOCKS + block) * BLOCK_STEP;
}

static bool bytes_are(struct thread *t, const struct block *b, const char *bytes, uint64_t page)
{
	if (b->dropped >> page & 1)
		return zcs_test_is_zero(bytes, ZCS_PAGE_SIZE);
	if (!b->same)
		return zcs_test_page_is(bytes, seed_of(t, b->version), page);
	for (unsigned i = 0; i < ZCS_PAGE_SIZE / 8; i++)
		if (((const uint64_t *)bytes)[i] != b->version % 300)
			return false;
	return true;
}

static void fill(struct thread *t, const struct block *b, char *bytes)
{
	uint64_t nr = UINT64_C(1) << b->order, word = b->version % 300;

	if (!b->same)
		zcs_test_fill(bytes, seed_of(t, b->version), 0, nr);
	for (size_t i = 0; b->same && i < nr * ZCS_PAGE_SIZE / 8; i++)
		((uint64_t *)bytes)[i] = word;
}

static void put_block(struct thread *t, unsigned i)
{
	uint64_t r = next_random(&t->random);
	struct block *b = &t->block[i];
	struct zcs_folio *folio = NULL;
	int64_t handle;
	int err;

	*b = (struct block){ .order = (int)(r % (MAX_ORDER + 1)),
			     .version = ++t->version,
			     .same = r >> 8 & 1 };
	err = zcs_folio_alloc(t->soak->pool, (unsigned)b->order, 0, &folio);
	if (err) {
		b->order = -1;
		allowed(t, "alloc", i, err);
		return;
	}
	fill(t, b, zcs_folio_address(folio));
	handle = zcs_backup_insert_folio(t->soak->backup, folio, (unsigned)b->order,
					 r >> 9 & 1 ? ZCS_INSERT_WRITEBACK : 0, index_of(t, i));
	if (handle == zcs_handle_from_index(index_of(t, i))) {
		t->soak->evictions++;
		return;
	}
	if (allowed(t, "insert", i, handle))
		wrong(t, "handle of block", i, handle);
	zcs_folio_put(folio);
	b->order = -1;
}

/* One page of a block, or the pages that are left of one that was cut. */
static bool take_piece(struct thread *t, unsigned i, uint64_t page, unsigned order)
{
	int64_t handle = zcs_handle_from_index(index_of(t, i) + page);
	struct zcs_folio *folio = NULL;
	int err = -EIO;

	for (unsigned n = 0; err && n < TRIES; n++) {
		err = zcs_backup_take_folio(t->soak->backup, handle, t->soak->pool, &folio);
		if (err && !allowed(t, "take", i, err) && err == -ENOMEM)
			return false;
	}
	if (err) {
		wrong(t, "take again and again", i, err);
		return false;
	}
	for (uint64_t p = 0; p < UINT64_C(1) << order; p++)
		if (zcs_folio_order(folio) != order ||
		    !bytes_are(t, &t->block[i],
			       (char *)zcs_folio_address(folio) + p * ZCS_PAGE_SIZE, page + p))
			wrong(t, "taken block", i, (int64_t)(page + p));
	zcs_folio_put(folio);
	t->soak->takes++;
	return true;
}

static void take_block(struct thread *t, unsigned i)
{
	struct block *b = &t->block[i];

	if (b->order < 0 || b->dropped)
		return;
	if (take_piece(t, i, 0, (unsigned)b->order))
		b->order = -1;
}

static void drop_block(struct thread *t, unsigned i)
{
	struct block *b = &t->block[i];

	if (b->order < 0)
		return;
	zcs_backup_drop(t->soak->backup, zcs_handle_from_index(index_of(t, i)), (unsigned)b->order);
	t->soak->drops++;
	b->order = -1;
}

static void drop_part(struct thread *t, unsigned i)
{
	struct block *b = &t->block[i];
	uint64_t r = next_random(&t->random), page, nr;
	unsigned order;

	if (b->order < 1)
		return;
	order = (unsigned)(r % (unsigned)b->order);
	nr = UINT64_C(1) << order;
	page = (r >> 16) % (UINT64_C(1) << b->order) & ~(nr - 1);
	zcs_backup_drop(t->soak->backup, zcs_handle_from_index(index_of(t, i) + page), order);
	b->dropped |= ((UINT64_C(1) << nr) - 1) << page;
	t->soak->drops++;
}

static void copy_pages(struct thread *t, unsigned i)
{
	_Alignas(8) char bytes[ZCS_PAGE_SIZE];
	struct block *b = &t->block[i];
	int err = -EIO;
	uint64_t page;

	if (b->order < 0)
		return;
	page = next_random(&t->random) % (UINT64_C(1) << b->order);
	for (unsigned n = 0; err && n < TRIES; n++) {
		err = zcs_backup_copy_page(t->soak->backup, bytes,
					   zcs_handle_from_index(index_of(t, i) + page), false);
		if (err)
			allowed(t, "copy", i, err);
	}
	if (err || !bytes_are(t, b, bytes, page))
		wrong(t, "copied page of block", i, (int64_t)page);
}

static void write_blocks(struct thread *t)
{
	uint64_t r = next_random(&t->random), first = index_of(t, 0);

	allowed(t, "writeback of blocks", 0,
		zcs_backup_writeback(t->soak->backup, first + r % (BLOCKS * BLOCK_STEP),
				     first + BLOCKS * BLOCK_STEP - 1,
				     r >> 40 & 1 ? ZCS_WB_WAIT : 0));
}

/* -- threads */

static void put_some(struct thread *t, unsigned first)
{
	for (unsigned i = first; i < first + 8 && i < BLOCKS; i++)
		if (t->block[i].order < 0)
			put_block(t, i);
}

static void rare_op(struct thread *t, struct buffer *b, unsigned i)
{
	uint64_t r = next_random(&t->random);

	if (r % 8 == 0)
		purge(t, b);
	else if (r % 8 < 4)
		drop_block(t, i);
	else
		/* in order, for the read-ahead */
		for (unsigned n = i; n < i + 8 && n < BLOCKS; n++)
			take_block(t, n);
}

static void one_op(struct thread *t)
{
	uint64_t r = next_random(&t->random);
	struct buffer *b = &t->buffer[r >> 8 & 1];
	unsigned i = (unsigned)(r >> 16) % BLOCKS;

	t->soak->ops++;
	switch (r % 8) {
	case 0:
	case 1:
		use(t, b);
		break;
	case 2:
		evict(t, b);
		break;
	case 3:
		if (t->block[i].order < 0)
			put_block(t, i);
		else
			take_block(t, i);
		break;
	case 4:
		copy_pages(t, i);
		drop_part(t, i);
		break;
	case 5:
		copy_pages(t, i);
		put_some(t, i);
		break;
	case 6:
		write_blocks(t);
		break;
	default:
		rare_op(t, b, i);
	}
}

static uint64_t run(unsigned id, void *arg)
{
	struct soak *s = arg;
	struct thread *t = &s->thread[id];

	while (elapsed(s) < s->seconds && !s->wrong)
		one_op(t);
	return 0;
}

static void make_buffer(struct soak *s, struct buffer *b, uint64_t nr)
{
	b->nr = nr;
	b->pages = calloc(nr, sizeof(*b->pages));
	assert_non_null(b->pages);
	zcs_assert_ok(zcs_tt_create(s->pool, nr, ZCS_TT_CONTIGUOUS, &b->tt));
	zcs_assert_ok(zcs_tt_setup_backup(b->tt, s->store));
	zcs_assert_ok(zcs_tt_populate(b->tt, NULL));
	for (uint64_t i = 0; i < nr; i++)
		b->pages[i].zero = true;
}

static void make_thread(struct soak *s, unsigned id, unsigned round)
{
	struct thread *t = &s->thread[id];

	*t = (struct thread){ .soak = s, .id = id };
	t->random = rng_of(seed_of_run(), round * THREADS + id).x;
	make_buffer(s, &t->buffer[0], TT_PAGES);
	make_buffer(s, &t->buffer[1], BIG_PAGES);
	for (unsigned i = 0; i < BLOCKS; i++)
		t->block[i].order = -1;
}

/*
 * A call in a hundred. Writes fail a few times and then no more, so that there are slots to the
 * end.
 */
static void start_faults(void)
{
	struct zcs_fault_attr attr = { .struct_size = sizeof(attr), .probability = 1 };

	zcs_assert_ok(zcs_fault_set("read", &attr));
	zcs_assert_ok(zcs_fault_set("checksum", &attr));
	zcs_assert_ok(zcs_fault_set("short_read", &attr));
	zcs_assert_ok(zcs_fault_set("short_write", &attr));
	zcs_assert_ok(zcs_fault_set("swap_slot", &attr));
	zcs_assert_ok(zcs_fault_set("folio_alloc", &attr));
	zcs_assert_ok(zcs_fault_set("insert_large", &attr));
	attr.times = 8;
	zcs_assert_ok(zcs_fault_set("write", &attr));
}

static void end_thread(struct soak *s, unsigned id)
{
	struct thread *t = &s->thread[id];

	for (unsigned i = 0; i < 2; i++) {
		check_all(t, &t->buffer[i]);
		zcs_test_tt_done(t->buffer[i].tt);
		free(t->buffer[i].pages);
	}
	for (unsigned i = 0; i < BLOCKS; i++) {
		copy_pages(t, i);
		take_block(t, i);
		if (t->block[i].order >= 0 && !t->block[i].dropped)
			wrong(t, "no take, in the end, of block", i, 0);
		drop_block(t, i);
	}
}

static void add_totals(const struct soak *s)
{
	struct zcs_store_stats st = store_test_stats(s->store);

	totals.calls += s->ops;
	totals.evictions += s->evictions;
	totals.takes += s->takes;
	totals.drops += s->drops;
	totals.no_space += st.no_space;
	totals.io_errors += st.read_errors + st.write_errors;
	totals.errors += s->errors;
	totals.no_memory += s->no_memory;
	totals.wrong += s->wrong;
}

static void tell(const struct soak *s, enum zcs_backing backing)
{
	struct zcs_store_stats st = store_test_stats(s->store);

	print_message("# %s: %ld s, %" PRIu64 " calls, %" PRIu64 " wrong, %" PRIu64
		      " errors, %" PRIu64 " times no memory\n",
		      zcs_test_backing_name(backing), elapsed(s), (uint64_t)s->ops,
		      (uint64_t)s->wrong, (uint64_t)s->errors, (uint64_t)s->no_memory);
	print_message("# written %" PRIu64 ", same %" PRIu64 ", clean %" PRIu64 ", read %" PRIu64
		      ", no space %" PRIu64 ", cancelled %" PRIu64 ", abandoned %" PRIu64
		      ", ahead %" PRIu64 " (%" PRIu64 " hits), retired %" PRIu64 "\n",
		      st.written_blocks, st.same_blocks, st.clean_blocks, st.reads, st.no_space,
		      st.cancelled, st.abandoned, st.ra_read, st.ra_hits, st.retired_slots);
}

static struct soak *make(enum zcs_backing backing, const char *spec, long seconds)
{
	static unsigned round;
	struct soak *s = calloc(1, sizeof(*s));

	assert_non_null(s);
	s->pool = zcs_test_pool(backing, 64 * ZCS_TEST_MIB, 4 * ZCS_TEST_MIB);
	s->store = store_test_open("%s", spec);
	s->backup = zcs_test_backup(s->store, THREADS * BLOCKS * BLOCK_STEP);
	for (unsigned i = 0; i < THREADS; i++)
		make_thread(s, i, round);
	round++;
	s->seconds = seconds;
	clock_gettime(CLOCK_MONOTONIC, &s->begin);
	return s;
}

static void done(struct soak *s)
{
	store_test_idle(s->backup);
	zcs_assert_ok(zcs_backup_check(s->backup));
	for (unsigned i = 0; i < THREADS; i++)
		end_thread(s, i);
	add_totals(s);
	zcs_assert_is(s->wrong, 0);
	assert_true(s->ops > 0);
	store_test_backup_done(s->backup, s->pool);
	for (unsigned i = 0; i < ZCS_SAME_WORDS; i++)
		assert_int_equal(zcs_local(s->store)->same->slot[i].refs, 0);
	store_test_done(s->store);
	zcs_test_pool_done(s->pool);
	free(s);
}

static void soak_round(enum zcs_backing backing, const char *spec, long seconds)
{
	struct soak *s = make(backing, spec, seconds);
	const char *log;

	store_test_log_start();
	start_faults();
	zcs_test_threads(THREADS, run, s);
	zcs_test_faults_off();
	log = store_test_log_end();
	if (s->wrong)
		fprintf(stderr, "%s", log);
	tell(s, backing);
	done(s);
}

static void soak(enum zcs_backing backing, const char *spec, unsigned share)
{
	long left = seconds_of_run() / share;

	do {
		soak_round(backing, spec, left > ROUND ? ROUND : left > 0 ? left : 1);
		left -= ROUND;
	} while (left > 0);
}

static void on_small_pages(void **state)
{
	(void)state;
	soak(ZCS_BACKING_SMALL, "file:?size=24M;file:?size=8M&prio=-1&discard=1", 4);
}

static void on_huge_pages(void **state)
{
	(void)state;
	soak(zcs_test_backing_works(ZCS_BACKING_HUGETLB) ? ZCS_BACKING_HUGETLB : ZCS_BACKING_THP,
	     "file:?size=32M", 2);
}

static void with_threads(void **state)
{
	(void)state;
	soak(ZCS_BACKING_THP, "file:?size=16M&direct=0;file:?size=16M", 4);
}

static void tell_totals(long seconds)
{
	print_message("# total: %" PRIu64 " calls, %" PRIu64 " evictions, %" PRIu64
		      " takes, %" PRIu64 " drops, %" PRIu64 " ENOSPC, %" PRIu64 " EIO, %" PRIu64
		      " calls refused, %" PRIu64 " without memory, %" PRIu64 " wrong, seed %" PRIu64
		      ", %ld s\n",
		      totals.calls, totals.evictions, totals.takes, totals.drops, totals.no_space,
		      totals.io_errors, totals.errors, totals.no_memory, totals.wrong,
		      seed_of_run(), seconds);
}

/* A run that never came to one of them has soaked nothing. */
static bool reached(const char *what, uint64_t times)
{
	if (!times)
		print_message("# the soak reached no %s\n", what);
	return times > 0;
}

static bool reached_all(void)
{
	bool all = reached("evictions", totals.evictions);

	all &= reached("takes", totals.takes);
	all &= reached("drops", totals.drops);
	all &= reached("ENOSPC", totals.no_space);
	return reached("EIO", totals.io_errors) && all;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		store_test(on_small_pages),
		store_test(on_huge_pages),
		store_test_entry("with_threads", with_threads, zcs_test_call,
				 store_test_setup_threads),
	};
	time_t begin = time(NULL);
	int failed;

	seed_of_run();
	failed = zcs_test_run(tests);
	tell_totals((long)(time(NULL) - begin));
	return failed || !reached_all();
}
