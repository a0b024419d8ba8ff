/* SPDX-License-Identifier: MIT */
/*
 * A model check of backups under threads: folios are inserted, put in the place of others, taken,
 * also by another pool, copied, dropped in parts and written back, in a store that is larger than
 * the pool. What every page must be is known.
 *
 * A unit of 512 pages of a backup is one thread's at a time; the backup, its store and both pools
 * are everybody's. A block that loses a part is split into pages, or the part is zeroed in place
 * where its arena cannot split. Both are right, and the model learns from the next take which it
 * was.
 */
#include <pthread.h>

#include "stress.h"

#define THREADS	   3u
#define BACKUPS	   3u
#define UNITS	   10u
#define UNIT_PAGES 512u
#define LIMIT	   (16 * ZCS_TEST_MIB)
#define OTHER_MIB  8
#define TOLD	   10u
#define WORDS	   (ZCS_PAGE_SIZE / sizeof(uint64_t))
#define SAME	   2u /* this bit of a value: each word is the value */

/*
 * struct page - what must be at an index
 * @here: the content is @value
 * @zeroed: dropped from a block that may not have been split: it reads as zero, and may be occupied
 * @cut: its block lost a part: it may be a block of its own now
 * @head, @order: of the block that it was inserted with
 */
struct page {
	uint64_t value;
	bool here, zeroed, cut;
	uint16_t head;
	uint8_t order;
};

struct unit {
	pthread_mutex_t lock;
	struct page page[UNIT_PAGES];
};

struct model {
	const struct stress_round *round;
	struct zcs_pool *pool, *other;
	struct zcs_store *store;
	struct zcs_backup *backup[BACKUPS];
	struct unit unit[BACKUPS][UNITS];
	_Atomic uint64_t wrong, inserts, takes, drops, refused;
	struct stress_watch watch;
};

struct thread {
	struct model *m;
	struct rng rng;
	unsigned b, u;
};

/* Assertions do not work in threads: the first mistakes are told, all are counted. */
static void wrong(struct thread *t, const char *what, unsigned page, int64_t got, int64_t want)
{
	if (t->m->wrong++ < TOLD)
		fprintf(stderr, "%s: backup %u, index %u: %" PRIx64 " is not %" PRIx64 "\n", what,
			t->b, t->u * UNIT_PAGES + page, (uint64_t)got, (uint64_t)want);
}

static bool allowed(struct thread *t, const char *what, unsigned page, int64_t result)
{
	if (result >= 0)
		return true;
	t->m->refused++;
	if (result != -ENOMEM && result != -EXDEV &&
	    !(stress_fails(t->m->round) && (result == -EIO || result == -EINTR)))
		wrong(t, what, page, result, 0);
	return false;
}

static struct unit *unit_of(struct thread *t)
{
	return &t->m->unit[t->b][t->u];
}

static struct zcs_backup *backup_of(struct thread *t)
{
	return t->m->backup[t->b];
}

static int64_t handle_of(const struct thread *t, unsigned page)
{
	return zcs_handle_from_index((uint64_t)t->u * UNIT_PAGES + page);
}

/* -- content */

static uint64_t word_of(uint64_t value, uint64_t i)
{
	return value & SAME ? value : value + i * UINT64_C(0x9e3779b97f4a7c15);
}

static void fill(char *at, uint64_t value)
{
	for (uint64_t i = 0; i < WORDS; i++)
		((uint64_t *)(void *)at)[i] = word_of(value, i);
}

static bool is(const char *at, uint64_t value)
{
	for (uint64_t i = 0; i < WORDS; i++)
		if (((const uint64_t *)(const void *)at)[i] != word_of(value, i))
			return false;
	return true;
}

static void check(struct thread *t, const char *what, const char *at, unsigned page)
{
	const struct page *p = &unit_of(t)->page[page];
	bool right = p->here ? is(at, p->value) : zcs_test_is_zero(at, ZCS_PAGE_SIZE);

	if (!right)
		wrong(t, what, page, *(const int64_t *)(const void *)at,
		      p->here ? (int64_t)p->value : 0);
}

/* Whole folios of one word too, which take no slot. */
static void fill_folio(struct thread *t, char *at, unsigned nr, uint64_t *values)
{
	bool same = rng_one_in(&t->rng, 5);
	uint64_t value = rng_next(&t->rng) | 1 | SAME;

	for (unsigned i = 0; i < nr; i++) {
		values[i] = same ? value : rng_next(&t->rng) | 1;
		fill(at + i * ZCS_PAGE_SIZE, values[i]);
	}
}

/* -- the model */

static bool is_any_here(const struct unit *u, unsigned first, unsigned nr)
{
	for (unsigned i = first; i < first + nr; i++)
		if (u->page[i].here)
			return true;
	return false;
}

static bool is_any_zeroed(const struct unit *u, unsigned first, unsigned nr)
{
	for (unsigned i = first; i < first + nr; i++)
		if (u->page[i].zeroed)
			return true;
	return false;
}

static bool is_of(const struct page *p, unsigned head)
{
	return (p->here || p->zeroed) && p->head == head;
}

/* Blocks with one part in the range and one outside. */
static void cut_blocks(struct unit *u, unsigned first, unsigned nr)
{
	for (unsigned i = first; i < first + nr; i++) {
		unsigned head = u->page[i].head;

		for (unsigned k = 0; is_of(&u->page[i], head) && k < UNIT_PAGES; k++)
			if ((k < first || k >= first + nr) && is_of(&u->page[k], head))
				u->page[k].cut = u->page[i].cut = true;
	}
}

static void note_dropped(struct unit *u, unsigned first, unsigned nr)
{
	cut_blocks(u, first, nr);
	for (unsigned i = first; i < first + nr; i++) {
		struct page *p = &u->page[i];

		p->zeroed = (p->here || p->zeroed) && p->cut;
		p->here = false;
	}
}

static void note_gone(struct unit *u, unsigned first, unsigned nr)
{
	for (unsigned i = first; i < first + nr; i++)
		u->page[i] = (struct page){ 0 };
}

static void note_inserted(struct unit *u, unsigned first, unsigned order, const uint64_t *values)
{
	for (unsigned i = 0; i < 1u << order; i++)
		u->page[first + i] = (struct page){ .value = values[i],
						    .here = true,
						    .head = (uint16_t)first,
						    .order = (uint8_t)order };
}

/* -- what a thread does to a unit that is its own for now */

static unsigned any_page(struct thread *t)
{
	return (unsigned)rng_below(&t->rng, UNIT_PAGES);
}

static unsigned any_block(struct thread *t, unsigned *order)
{
	*order = rng_one_in(&t->rng, 4) ? ZCS_MAX_ORDER
					: (unsigned)rng_below(&t->rng, ZCS_MAX_ORDER + 1);
	return any_page(t) & ~((1u << *order) - 1);
}

static uint32_t any_writeback(struct thread *t)
{
	return rng_one_in(&t->rng, 2) ? ZCS_INSERT_WRITEBACK : 0;
}

static void insert_folio(struct thread *t, struct zcs_folio *folio, unsigned first, unsigned order)
{
	unsigned nr = 1u << order;
	struct unit *u = unit_of(t);
	bool here = is_any_here(u, first, nr), replace = here && rng_one_in(&t->rng, 3);
	uint64_t values[UNIT_PAGES];
	int64_t r;

	fill_folio(t, zcs_folio_address(folio), nr, values);
	r = zcs_backup_insert_folio(backup_of(t), folio, order,
				    any_writeback(t) | (replace ? ZCS_INSERT_REPLACE : 0),
				    (uint64_t)t->u * UNIT_PAGES + first);
	/* also if it is refused: a block may have been split to see */
	if (replace)
		cut_blocks(u, first, nr);
	if (r > 0) {
		if (here && !replace)
			wrong(t, "an occupied range was accepted", first, r, -EEXIST);
		note_inserted(u, first, order, values);
		t->m->inserts++;
		return;
	}
	if (r != -EEXIST)
		allowed(t, "insert", first, r);
	else if (!here && !is_any_zeroed(u, first, nr))
		wrong(t, "an empty range was refused", first, r, 0);
	zcs_folio_put(folio);
}

static void insert(struct thread *t)
{
	unsigned order, first = any_block(t, &order);
	struct zcs_folio *folio;
	int err = zcs_folio_alloc(t->m->pool, order, 0, &folio);

	if (!allowed(t, "alloc", first, err))
		return;
	if (!zcs_test_folio_is_zero(folio))
		wrong(t, "a new folio is not zero", first, 1, 0);
	insert_folio(t, folio, first, order);
}

static void check_folio(struct thread *t, struct zcs_folio *folio, unsigned first)
{
	struct unit *u = unit_of(t);
	const char *at = zcs_folio_address(folio);

	for (unsigned i = 0; i < 1u << zcs_folio_order(folio); i++) {
		const struct page *p = &u->page[first + i];

		if (!p->here && !p->zeroed)
			wrong(t, "a taken page was not there", first + i, 1, 0);
		check(t, "taken", at + i * ZCS_PAGE_SIZE, first + i);
	}
}

/* Written to where it was, or left. */
static void end_of_taken(struct thread *t, struct zcs_folio *folio, unsigned first, bool other)
{
	unsigned order = zcs_folio_order(folio);

	note_gone(unit_of(t), first, 1u << order);
	if (other || rng_one_in(&t->rng, 2))
		zcs_folio_put(folio);
	else
		insert_folio(t, folio, first, order);
}

/* @first is changed if the block that @first is in was never split: then it is taken whole. */
static int take_folio(struct thread *t, unsigned *first, struct zcs_pool *pool,
		      struct zcs_folio **folio)
{
	const struct page *p = &unit_of(t)->page[*first];
	int err;

	if (!p->cut)
		*first = p->head;
	err = zcs_backup_take_folio(backup_of(t), handle_of(t, *first), pool, folio);
	if (err != -EINVAL || !p->cut || p->head == *first)
		return err;
	*first = p->head;
	return zcs_backup_take_folio(backup_of(t), handle_of(t, *first), pool, folio);
}

static void take(struct thread *t)
{
	unsigned first = any_page(t), order;
	struct page page = unit_of(t)->page[first];
	bool other = rng_one_in(&t->rng, 6);
	struct zcs_folio *folio;
	int err;

	if (!page.here)
		return;
	err = take_folio(t, &first, other ? t->m->other : t->m->pool, &folio);
	if (!allowed(t, "take", first, err))
		return;
	order = zcs_folio_order(folio);
	if (order != page.order && !(page.cut && !order))
		wrong(t, "order of what was taken", first, order, page.order);
	t->m->takes++;
	check_folio(t, folio, first);
	end_of_taken(t, folio, first, other);
}

static void copy(struct thread *t)
{
	char page[ZCS_PAGE_SIZE] __attribute__((aligned(8)));
	unsigned i = any_page(t);
	int err = zcs_backup_copy_page(backup_of(t), page, handle_of(t, i), rng_one_in(&t->rng, 2));

	if (allowed(t, "copy", i, err))
		check(t, "copied", page, i);
}

static void drop(struct thread *t)
{
	unsigned order, first = any_block(t, &order);

	zcs_backup_drop(backup_of(t), handle_of(t, first), order);
	note_dropped(unit_of(t), first, 1u << order);
	t->m->drops++;
}

static void write_back(struct thread *t)
{
	uint64_t first = (uint64_t)t->u * UNIT_PAGES + any_page(t);

	/* no room, no index, a device that fails: best effort */
	zcs_backup_writeback(backup_of(t), first, first + rng_below(&t->rng, 2 * UNIT_PAGES),
			     rng_one_in(&t->rng, 3) ? ZCS_WB_WAIT : 0);
}

static void use_pool(struct thread *t)
{
	struct zcs_pool_stats st = { .struct_size = sizeof(st) };

	zcs_pool_stats(t->m->pool, &st);
	zcs_pool_shrink(t->m->pool, -1, rng_below(&t->rng, 2000));
}

/* -- threads */

static const struct op {
	void (*fn)(struct thread *t);
	unsigned share; /* of all that is done, in per cent */
} ops[] = {
	{ insert, 35 }, { take, 25 },	    { copy, 10 },
	{ drop, 10 },	{ write_back, 15 }, { use_pool, 5 },
};

static void do_one(struct thread *t)
{
	uint64_t at = rng_below(&t->rng, 100);
	const struct op *op = ops;

	t->b = (unsigned)rng_below(&t->rng, BACKUPS);
	t->u = (unsigned)rng_below(&t->rng, UNITS);
	if (pthread_mutex_trylock(&unit_of(t)->lock))
		return;
	for (; at >= op->share; op++)
		at -= op->share;
	op->fn(t);
	pthread_mutex_unlock(&unit_of(t)->lock);
	t->m->watch.ops++;
}

static uint64_t run_thread(unsigned id, void *arg)
{
	struct model *m = arg;
	struct thread t = { .m = m, .rng = rng_of(m->round->seed, id) };

	if (id == THREADS) {
		stress_watch(&m->watch, m->round->seconds);
		return 0;
	}
	while (!m->watch.stop)
		do_one(&t);
	m->watch.working--;
	return 0;
}

/* -- a round */

static void begin(struct model *m, const struct stress_round *round)
{
	*m = (struct model){ .round = round, .watch.working = THREADS };
	m->pool = zcs_test_pool(round->backing, round->limit ? round->limit : LIMIT, 0);
	m->other = zcs_test_pool(round->backing, OTHER_MIB * ZCS_TEST_MIB, 0);
	zcs_assert_ok(zcs_store_open(round->store, &m->store));
	for (unsigned b = 0; b < BACKUPS; b++) {
		m->backup[b] = zcs_test_backup(m->store, UNITS * UNIT_PAGES);
		for (unsigned u = 0; u < UNITS; u++)
			pthread_mutex_init(&m->unit[b][u].lock, NULL);
	}
	stress_faults_on(round);
}

static void check_unit(struct thread *t)
{
	char page[ZCS_PAGE_SIZE] __attribute__((aligned(8)));

	for (unsigned i = 0; i < UNIT_PAGES; i++) {
		int err = zcs_backup_copy_page(backup_of(t), page, handle_of(t, i), false);

		if (err)
			wrong(t, "copy in the end", i, err, 0);
		else
			check(t, "in the end", page, i);
	}
}

static void check_all(struct model *m)
{
	struct thread t = { .m = m };

	for (t.b = 0; t.b < BACKUPS; t.b++)
		for (t.u = 0; t.u < UNITS; t.u++)
			check_unit(&t);
}

static void tell(struct model *m)
{
	struct zcs_store_stats st = { .struct_size = sizeof(st) };

	zcs_assert_ok(zcs_store_stats(m->store, &st));
	printf("# %" PRIu64 " calls: %" PRIu64 " inserted, %" PRIu64 " taken, %" PRIu64
	       " dropped, %" PRIu64 " refused; %" PRIu64 " written, %" PRIu64 " read, %" PRIu64
	       " abandoned, %" PRIu64 " ahead; %" PRIu64 " wrong\n",
	       (uint64_t)m->watch.ops, (uint64_t)m->inserts, (uint64_t)m->takes, (uint64_t)m->drops,
	       (uint64_t)m->refused, st.writes, st.reads, st.abandoned, st.ra_read,
	       (uint64_t)m->wrong);
}

/* Writes may still be under way when the last page has been checked. */
static void end(struct model *m)
{
	struct zcs_store_stats st = { .struct_size = sizeof(st) };

	for (unsigned b = 0; b < BACKUPS; b++) {
		zcs_backup_writeback(m->backup[b], 0, UNITS * UNIT_PAGES - 1, ZCS_WB_WAIT);
		zcs_assert_ok(zcs_backup_check(m->backup[b]));
		zcs_backup_destroy(m->backup[b]);
	}
	zcs_assert_ok(zcs_store_stats(m->store, &st));
	zcs_assert_is(st.used_slots, 0);
	zcs_test_store_done(m->store);
	zcs_test_pool_done(m->pool);
	zcs_test_pool_done(m->other);
	zcs_assert_is(m->wrong, 0);
}

static void run(const struct stress_round *round)
{
	static struct model model;

	begin(&model, round);
	zcs_test_threads(THREADS + 1, run_thread, &model);
	zcs_test_faults_off();
	check_all(&model);
	tell(&model);
	end(&model);
}

int main(int argc, char **argv)
{
	return stress_main(argc, argv, run);
}
