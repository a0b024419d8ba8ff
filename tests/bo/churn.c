/* SPDX-License-Identifier: MIT */
/*
 * Churn: bos of all sizes, twice as much as the pool may hold, read and written without an end
 * while they are forced out and in by everything that can do so: evictors, the limit, the shrinker,
 * and memory pressure whose events a thread makes up, for those of the machine would not be the
 * same twice. Every toucher owns a word of each page of each shared bo, knows what must be in it,
 * and looks before it writes. Beside that each has bos of its own, which it makes, fills, marks
 * purgeable and drops.
 *
 * It lasts for some seconds. An argument makes it last for so many evictions, of all backings
 * together; ZCSWAP_SOAK_EVICTIONS, or else ZCSWAP_SOAK_SECONDS, in its stead. A run in which no
 * thread gets on for a minute aborts.
 */
#include <pthread.h>
#include <stdatomic.h>

#include "../trouble/seed.h"
#include "bo_inside.h"

#define TOUCHERS   4u
#define EVICTORS   2u
#define PRESSER	   (TOUCHERS + EVICTORS)
#define THREADS	   (PRESSER + 2) /* and one that watches */
#define BOS	   40u
#define PLAIN_MS   7500u
#define LIMIT	   (16 * ZCS_TEST_MIB)
#define HANG_TICKS 600u /* of 100 ms */

struct shared {
	struct zcs_bo *bo;
	uint64_t pages;
	uint32_t *expected[TOUCHERS];
};

struct churn {
	struct zcs_device *device;
	struct shared shared[BOS];
	struct zcs_bulk *bulk;
	uint64_t total, end_ms, evictions_wanted;
	atomic_bool stop;
	_Atomic uint64_t steps, evictions, wrong, made, purged;
};

static uint64_t default_evictions;

/* Of all backings, for the last line. */
static struct totals {
	uint64_t steps, evictions, touches, taken, read, made, dropped, pressed, wrong;
} totals;

static uint64_t env_number(const char *name)
{
	const char *s = getenv(name);

	return s && *s ? strtoull(s, NULL, 0) : 0;
}

static void complain(struct churn *c, const char *what, uint64_t a, uint64_t b)
{
	printf("# wrong: %s: %" PRIu64 ", %" PRIu64 "\n", what, a, b);
	fflush(stdout);
	atomic_fetch_add(&c->wrong, 1);
}

static struct shared *some(struct churn *c, struct rng *r)
{
	/* a third of them is hot */
	return &c->shared[rng_one_in(r, 4) ? rng_below(r, BOS) : rng_below(r, BOS / 3)];
}

static void use_page(struct churn *c, struct shared *s, unsigned id, uint64_t page, bool write)
{
	volatile uint64_t *w =
		(volatile uint64_t *)(void *)bo_at(s->bo, page * ZCS_PAGE_SIZE) + id * 61;
	uint64_t is = *w;

	if (is != s->expected[id][page])
		complain(c, "word, expected", is, s->expected[id][page]);
	if (write)
		*w = ++s->expected[id][page];
}

static void use_some(struct churn *c, struct rng *r, unsigned id)
{
	struct shared *s = some(c, r);
	bool write = !rng_one_in(r, 3);

	for (unsigned i = 0; i < 16; i++)
		use_page(c, s, id, rng_below(r, s->pages), write);
}

static void use_in_order(struct churn *c, struct rng *r, unsigned id)
{
	struct shared *s = some(c, r);
	uint64_t step = s->pages > 512 ? 512 : 1;

	for (uint64_t page = 0; page < s->pages; page += step)
		use_page(c, s, id, page, rng_one_in(r, 2));
}

static void pin_and_use(struct churn *c, struct rng *r, unsigned id)
{
	static const struct zcs_ctx no_wait = { .struct_size = sizeof(no_wait), .no_wait = true };
	bool patient = !rng_one_in(r, 3);
	struct shared *s = some(c, r);
	int err = zcs_bo_pin(s->bo, patient ? NULL : &no_wait);

	if (err) {
		if (err != -ENOMEM && (patient || err != -EBUSY))
			complain(c, "pin", (uint64_t)-err, s->pages);
		return;
	}
	use_page(c, s, id, rng_below(r, s->pages), true);
	if (zcs_bo_evict(s->bo, ZCS_BACKUP_WRITEBACK) != -EBUSY)
		complain(c, "a pinned bo was evicted", id, s->pages);
	if (bo_stats(s->bo).mapped_bytes != zcs_bo_size(s->bo))
		complain(c, "a pinned bo is not resident", bo_stats(s->bo).mapped_bytes, s->pages);
	zcs_bo_unpin(s->bo);
}

/* A bo of the thread's own: zero, filled, perhaps dropped in between, and the right bytes. */
static void own_bo(struct churn *c, struct rng *r)
{
	uint64_t size =
		rng_one_in(r, 4) ? ZCS_TEST_HUGE_BYTES : (1 + rng_below(r, 20)) * ZCS_PAGE_SIZE;
	bool purgeable = rng_one_in(r, 2), dropped;
	struct zcs_bo_params params = { .struct_size = sizeof(params), .priority = 3 };
	uint64_t seed = rng_next(r) >> 40;
	struct zcs_bo *bo;

	if (zcs_bo_create(c->device, size, &params, &bo)) {
		complain(c, "create", size, 0);
		return;
	}
	if (!bo_is_zero(bo))
		complain(c, "a new bo is not zero", size, seed);
	bo_fill(bo, seed);
	if (purgeable)
		zcs_bo_set_purgeable(bo, true);
	bo_sleep_ms((unsigned)rng_below(r, 3));
	dropped = zcs_bo_set_purgeable(bo, false);
	c->made++;
	c->purged += dropped;
	if (dropped && !purgeable)
		complain(c, "dropped, and not purgeable", size, seed);
	if (!dropped && !bo_is(bo, seed))
		complain(c, "content of an own bo", size, seed);
	if (dropped && !bo_is_zero(bo))
		complain(c, "dropped, and not zero", size, seed);
	zcs_bo_put(bo);
}

static uint64_t touch_for_ever(struct churn *c, unsigned id)
{
	struct rng r = rng_of(seed_of_run(), id);

	while (!c->stop) {
		switch (rng_below(&r, 16)) {
		case 0:
			pin_and_use(c, &r, id);
			break;
		case 1:
			own_bo(c, &r);
			break;
		case 2:
			zcs_bo_prefetch(some(c, &r)->bo);
			break;
		case 3:
		case 4:
			use_in_order(c, &r, id);
			break;
		default:
			use_some(c, &r, id);
		}
		atomic_fetch_add(&c->steps, 1);
	}
	return 0;
}

static int64_t evict_some(struct churn *c, struct rng *r)
{
	static const uint32_t flags[] = { 0, 0, ZCS_BACKUP_WRITEBACK, ZCS_BACKUP_WRITEBACK };
	struct zcs_bo *bo = some(c, r)->bo;

	switch (rng_below(r, 24)) {
	case 0:
		return zcs_device_shrink(c->device, c->total >> (1 + rng_below(r, 6)), 0);
	case 1:
		return zcs_device_shrink(c->device, c->total >> (1 + rng_below(r, 6)),
					 ZCS_SHRINK_NO_WRITEBACK);
	case 2:
		return zcs_bo_set_priority(bo, (unsigned)rng_below(r, ZCS_PRIORITIES));
	case 3:
		return zcs_bulk_move_tail(c->bulk);
	case 4:
		zcs_bulk_remove(bo);
		zcs_bulk_add(c->bulk, bo);
		return 0;
	case 5:
		return zcs_bo_shrink(bo, NULL, flags[rng_below(r, 4)]);
	default:
		return zcs_bo_evict(bo, flags[rng_below(r, 4)]);
	}
}

static uint64_t evict_for_ever(struct churn *c, unsigned id)
{
	struct rng r = rng_of(seed_of_run(), 100 + id);

	while (!c->stop) {
		int64_t n = evict_some(c, &r);

		c->evictions += n > 0;
		if (n < 0 && n != -EBUSY)
			complain(c, "evict", (uint64_t)-n, id);
		if (rng_one_in(&r, 4))
			bo_sleep_ms((unsigned)rng_below(&r, 2));
	}
	return 0;
}

/*
 * Pressure comes and goes. The handler takes pages away and leaves a cap. The end of 10 s without
 * an event is made here, or each event would lower the cap until nothing is left to churn.
 */
static uint64_t press_for_ever(struct churn *c)
{
	struct rng r = rng_of(seed_of_run(), 200);

	bo_memory_is_short();
	for (unsigned i = 0; !c->stop; i++) {
		if (i % 16 == 0)
			zcs_background_on_pressure(c->device, ZCS_PSI_MACHINE);
		else if (rng_one_in(&r, 32))
			c->device->cap_until = 0;
		else if (zcs_device_shrink(c->device, c->total >> (1 + rng_below(&r, 8)),
					   rng_one_in(&r, 2) ? ZCS_SHRINK_NO_WRITEBACK : 0) < 0)
			complain(c, "shrink", i, c->total);
		bo_sleep_ms(1 + (unsigned)rng_below(&r, 30));
	}
	return 0;
}

static uint64_t times_out(struct churn *c)
{
	struct zcs_stats st = bo_device_stats(c->device);

	return st.evicted + st.probes + st.purged;
}

static bool finished(struct churn *c)
{
	if (c->wrong > 20)
		return true;
	return c->evictions_wanted ? times_out(c) >= c->evictions_wanted : bo_now_ms() >= c->end_ms;
}

static uint64_t watch(struct churn *c)
{
	uint64_t last = 0, idle = 0;

	while (!finished(c)) {
		bo_sleep_ms(100);
		idle = c->steps == last ? idle + 1 : 0;
		last = c->steps;
		if (idle < HANG_TICKS)
			continue;
		printf("# no thread gets on: %" PRIu64 " steps\n", last);
		fflush(stdout);
		abort();
	}
	c->stop = true;
	return 0;
}

static uint64_t run(unsigned id, void *arg)
{
	if (id < TOUCHERS)
		return touch_for_ever(arg, id);
	if (id < PRESSER)
		return evict_for_ever(arg, id);
	return id == PRESSER ? press_for_ever(arg) : watch(arg);
}

static void make_shared(struct churn *c, struct shared *s, struct rng *r, unsigned i)
{
	uint64_t size = i % 4 == 0 ? (1 + rng_below(r, 2)) * ZCS_TEST_HUGE_BYTES
				   : (1 + rng_below(r, 100)) * ZCS_PAGE_SIZE;

	s->bo = bo_new_with(c->device, size, (unsigned)rng_below(r, ZCS_PRIORITIES), 0);
	s->pages = zcs_bo_size(s->bo) / ZCS_PAGE_SIZE;
	c->total += zcs_bo_size(s->bo);
	for (unsigned id = 0; id < TOUCHERS; id++) {
		s->expected[id] = calloc(s->pages, sizeof(uint32_t));
		assert_non_null(s->expected[id]);
	}
	zcs_bulk_add(c->bulk, s->bo);
}

static void check_and_put(struct churn *c, struct shared *s)
{
	for (unsigned id = 0; id < TOUCHERS; id++) {
		for (uint64_t page = 0; page < s->pages; page++)
			use_page(c, s, id, page, false);
		free(s->expected[id]);
	}
	zcs_bo_put(s->bo);
}

static void tell(struct churn *c, enum zcs_backing backing)
{
	struct zcs_stats st = bo_device_stats(c->device);

	print_message("# %s: %" PRIu64 " MiB in %u: %" PRIu64 " steps, %" PRIu64
		      " evictions, %" PRIu64 " probes, %" PRIu64 " touches (%" PRIu64
		      " resident, %" PRIu64 " read, %" PRIu64 " late), %" PRIu64
		      " overshoots, %" PRIu64 " waits, %" PRIu64 " own bos, %" PRIu64
		      " dropped, %" PRIu64 " pressure events\n",
		      zcs_test_backing_name(backing), c->total >> 20, (unsigned)(LIMIT >> 20),
		      (uint64_t)c->steps, (uint64_t)c->evictions, st.probes, st.touches,
		      st.touch_resident, st.touch_read, st.touch_late, st.overshoots,
		      st.touch_waits, (uint64_t)c->made, (uint64_t)c->purged, st.psi_events);
}

/*
 * The device's own threads may still fetch, write back, and destroy bos that died on them: until
 * nothing has changed for a while.
 */
static void settle(struct zcs_device *device)
{
	struct zcs_stats now, last = bo_device_stats(device);

	for (unsigned same = 0, i = 0; same < 100 && i < 10000; i++) {
		bo_sleep_ms(2);
		now = bo_device_stats(device);
		same = memcmp(&now, &last, sizeof(now)) || now.bos != BOS ? 0 : same + 1;
		last = now;
	}
}

static void add_totals(struct churn *c)
{
	struct zcs_stats st = bo_device_stats(c->device);

	totals.steps += c->steps;
	totals.evictions += times_out(c);
	totals.touches += st.touches;
	totals.taken += st.touch_resident;
	totals.read += st.touch_read;
	totals.made += c->made;
	totals.dropped += c->purged;
	totals.pressed += st.psi_events;
	totals.wrong += c->wrong;
}

/* Of the whole run each backing has its share. */
static void set_end(struct churn *c)
{
	uint64_t evictions = env_number("ZCSWAP_SOAK_EVICTIONS"), share = 0;
	uint64_t ms = env_number("ZCSWAP_SOAK_SECONDS") * 1000;

	zcs_test_for_each_backing(backing) share++;
	if (!evictions && !ms)
		evictions = default_evictions;
	c->evictions_wanted = (evictions + share - 1) / share;
	c->end_ms = bo_now_ms() + (ms ? ms : PLAIN_MS) / share;
}

static void churn(enum zcs_backing backing)
{
	struct rng r = rng_of(seed_of_run(), 1000);
	struct churn c = { .stop = false };

	c.device = bo_device(backing, LIMIT, "file:?size=512M");
	zcs_assert_ok(zcs_bulk_create(c.device, &c.bulk));
	for (unsigned i = 0; i < BOS; i++)
		make_shared(&c, &c.shared[i], &r, i);
	set_end(&c);
	zcs_test_threads(THREADS, run, &c);
	tell(&c, backing);
	settle(c.device);
	bo_device_ok(c.device);
	for (unsigned i = 0; i < BOS; i++)
		check_and_put(&c, &c.shared[i]);
	add_totals(&c);
	zcs_assert_is(c.wrong, 0);
	assert_true(c.evictions > 0);
	assert_true(bo_device_stats(c.device).psi_events > 0);
	zcs_bulk_destroy(c.bulk);
	bo_device_done(c.device);
}

static void hot_words_survive_churn_on_hugetlb(void **state)
{
	(void)state;
	if (!zcs_test_backing_works(ZCS_BACKING_HUGETLB))
		zcs_test_skip_case("no free hugetlb pages");
	churn(ZCS_BACKING_HUGETLB);
}

static void hot_words_survive_churn_on_thp(void **state)
{
	(void)state;
	churn(ZCS_BACKING_THP);
}

static void hot_words_survive_churn_on_small_pages(void **state)
{
	(void)state;
	churn(ZCS_BACKING_SMALL);
}

static void tell_totals(uint64_t ms)
{
	print_message("# total: %" PRIu64 " steps, %" PRIu64 " evictions, %" PRIu64
		      " touches, %" PRIu64 " taken, %" PRIu64 " read, %" PRIu64 " own bos, %" PRIu64
		      " dropped, %" PRIu64 " pressure events, %" PRIu64 " wrong, seed %" PRIu64
		      ", %" PRIu64 " s\n",
		      totals.steps, totals.evictions, totals.touches, totals.taken, totals.read,
		      totals.made, totals.dropped, totals.pressed, totals.wrong, seed_of_run(),
		      ms / 1000);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		zcs_test(hot_words_survive_churn_on_hugetlb),
		zcs_test(hot_words_survive_churn_on_thp),
		zcs_test(hot_words_survive_churn_on_small_pages),
	};
	uint64_t begin;
	int failed;

	if (!bo_has_userfaultfd())
		zcs_test_skip("no userfaultfd here: an address that is out does not trap");
	if (argc > 1)
		default_evictions = strtoull(argv[1], NULL, 0);
	seed_of_run();
	begin = bo_now_ms();
	failed = zcs_test_run(tests);
	tell_totals(bo_now_ms() - begin);
	return failed;
}
