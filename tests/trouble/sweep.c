/* SPDX-License-Identifier: MIT */
/*
 * Every fault point, by every pattern, through the whole life of a tt: create, populate, back up,
 * restore, back up again, drop, destroy. Whenever a call fails the point is switched off and the
 * same call must succeed: nothing was lost and nothing is in the way. In the end nothing is left:
 * no page, descriptor or mapping.
 *
 * A first cycle of each shape counts how often each point is passed; points that it never passes
 * are not swept there, and those that no shape passes are printed.
 */
#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "zcs_test.h"

#define POINTS_MAX 96u
/*
 * Stacks of threads and the like are kept by the C library; a leak in each cycle is soon more than
 * these.
 */
#define MAPS_SLACK 16u

/* @also: a point that fails always, beside the one that is swept */
struct shape {
	const char *spec; /* of the store */
	enum zcs_backing backing;
	uint32_t flags, backup_flags;
	uint64_t nr;
	const char *also;
};

static const struct {
	unsigned interval;
	uint64_t times;
} patterns[] = { { 1, 1 }, { 2, 0 }, { 3, 0 }, { 7, 0 }, { 1, 0 } };

struct cycle {
	const struct shape *shape;
	struct zcs_pool *pool;
	struct zcs_store *store;
	struct zcs_tt *tt;
	struct zcs_backup *backup;
	struct zcs_folio *folio;
	const char *point; /* NULL: none */
	struct zcs_fault_attr attr;
	uint64_t failures;
	uint64_t copy[ZCS_PAGE_SIZE / 8];
};

static uint64_t passed[POINTS_MAX]; /* over all shapes */
static const struct zcs_ctx interruptible = { .struct_size = sizeof(struct zcs_ctx),
					      .interruptible = true };

/* -- the steps; each may fail, and is done again */

static int64_t create_pool(struct cycle *c)
{
	struct zcs_pool_params params = zcs_test_params(c->shape->backing, 0, 0);

	return zcs_pool_create(&params, &c->pool);
}

static int64_t open_store(struct cycle *c)
{
	return zcs_store_open(c->shape->spec, &c->store);
}

static int64_t create_tt(struct cycle *c)
{
	return zcs_tt_create(c->pool, c->shape->nr, c->shape->flags, &c->tt);
}

static int64_t setup_backup(struct cycle *c)
{
	return zcs_tt_setup_backup(c->tt, c->store);
}

static int64_t populate(struct cycle *c)
{
	return zcs_tt_populate(c->tt, &interruptible);
}

static int64_t back_up(struct cycle *c)
{
	return zcs_tt_backup(c->tt, c->shape->backup_flags);
}

static int64_t restore(struct cycle *c)
{
	return zcs_tt_restore(c->tt, &interruptible);
}

static int64_t restore_half(struct cycle *c)
{
	return zcs_tt_restore_range(c->tt, 0, c->shape->nr / 2, &interruptible);
}

static int64_t drop(struct cycle *c)
{
	return zcs_tt_drop_backup(c->tt);
}

static int64_t create_backup(struct cycle *c)
{
	return zcs_backup_create(c->store, 16, &c->backup);
}

static int64_t alloc_folio(struct cycle *c)
{
	return zcs_folio_alloc(c->pool, 3, 0, &c->folio);
}

static int64_t insert_folio(struct cycle *c)
{
	return zcs_backup_insert_folio(c->backup, c->folio, 3, 0, 8);
}

static int64_t copy_page(struct cycle *c)
{
	return zcs_backup_copy_page(c->backup, c->copy, zcs_handle_from_index(10), true);
}

static int64_t take_folio(struct cycle *c)
{
	return zcs_backup_take_folio(c->backup, zcs_handle_from_index(8), c->pool, &c->folio);
}

static int64_t write_back(struct cycle *c)
{
	return zcs_backup_writeback(c->backup, 0, 15, ZCS_WB_WAIT);
}

/* -- what must hold in between */

static uint64_t full_slots(struct cycle *c)
{
	uint64_t nr = 0;

	for (uint64_t i = 0; i < c->shape->nr; i++)
		nr += zcs_tt_slot(c->tt, i) != 0;
	return nr;
}

/*
 * What is out may just be being written, and a write that nobody wants any more ends by itself: a
 * pool is quiescent when all is in and nothing is counted but what the tt has.
 */
static bool is_quiescent(struct cycle *c)
{
	struct zcs_pool_stats st;
	uint64_t full;

	if (!c->pool || !c->shape->backup_flags)
		return c->pool;
	if (!c->tt || zcs_tt_flags(c->tt) & ZCS_TT_BACKED_UP)
		return false;
	full = full_slots(c);
	for (unsigned ms = 0; ms < 2000; ms++) {
		st = zcs_test_stats(c->pool);
		if (st.active_pages + st.inserted_pages == full)
			return true;
		usleep(1000);
	}
	fail_msg("%" PRIu64 " pages active, %" PRIu64 " inserted; the tt has %" PRIu64,
		 st.active_pages, st.inserted_pages, full);
	return false;
}

static void check(struct cycle *c)
{
	if (c->tt)
		zcs_assert_ok(zcs_tt_check(c->tt));
	if (!is_quiescent(c))
		return;
	zcs_test_pool_ok(c->pool);
	if (c->store)
		zcs_assert_ok(zcs_store_check(c->store));
}

static void arm(struct cycle *c)
{
	if (c->shape->also)
		zcs_test_fault(c->shape->also, 0, 0, 0);
	if (c->point)
		zcs_assert_ok(zcs_fault_set(c->point, &c->attr));
}

static void disarm(struct cycle *c)
{
	if (c->shape->also)
		zcs_test_fault_off(c->shape->also);
	if (c->point)
		zcs_test_fault_off(c->point);
}

/* A step that did not do its work does it without the fault; the fault is back for the next one. */
static int64_t once_more(struct cycle *c, int64_t (*step)(struct cycle *c))
{
	int64_t ret;

	c->failures++;
	disarm(c);
	check(c);
	ret = step(c);
	if (ret < 0)
		print_error("%s, interval %u, times %" PRIu64 ": %" PRId64 " without the fault\n",
			    c->point ? c->point : "no fault", c->attr.interval, c->attr.times, ret);
	assert_true(ret >= 0);
	if (!c->attr.times || c->shape->also)
		arm(c);
	return ret;
}

static void attempt(struct cycle *c, int64_t (*step)(struct cycle *c))
{
	if (step(c) < 0)
		once_more(c, step);
	check(c);
}

static char *page(struct cycle *c, uint64_t index)
{
	return zcs_tt_page_address(c->tt, index);
}

static void assert_content(struct cycle *c)
{
	const char *user = zcs_tt_address(c->tt);

	for (uint64_t i = 0; i < c->shape->nr; i++) {
		assert_true(zcs_test_page_is(page(c, i), 7, i));
		if (user)
			assert_true(zcs_test_page_is(user + i * ZCS_PAGE_SIZE, 7, i));
	}
}

/* Pages hold their content, and no slot lost it; the number of slots that are pages. */
static uint64_t pages_left(struct cycle *c)
{
	uint64_t nr = 0;

	for (uint64_t i = 0; i < c->shape->nr; i++) {
		uintptr_t slot = zcs_tt_slot(c->tt, i);

		assert_true(slot != 0);
		if (zcs_slot_is_handle(slot))
			continue;
		assert_true(zcs_test_page_is(page(c, i), 7, i));
		nr++;
	}
	return nr;
}

/* A backup may be partial, or find nothing it may do: it is continued until all is out. */
static void out(struct cycle *c)
{
	uint64_t left = c->shape->nr;

	for (unsigned calls = 0; left; calls++) {
		uint64_t before = left;

		attempt(c, back_up);
		left = pages_left(c);
		if (left == before) {
			once_more(c, back_up);
			left = pages_left(c);
		}
		assert_true(left < before);
	}
}

/* Give writes the time to end, so that what comes back is read; none end where they all fail. */
static void settle(struct cycle *c)
{
	struct zcs_store_stats st = { .struct_size = sizeof(st) };

	for (unsigned ms = 0; c->shape->backup_flags && ms < 10; ms++) {
		zcs_assert_ok(zcs_store_stats(c->store, &st));
		if (!zcs_test_stats(c->pool).inserted_pages || st.write_errors || st.no_space)
			return;
		usleep(1000);
	}
}

static void in(struct cycle *c)
{
	attempt(c, restore);
	assert_content(c);
}

/* A folio by itself: in, read in place, out; in again, and a page of it dropped. */
static void folio_life(struct cycle *c)
{
	attempt(c, create_backup);
	attempt(c, alloc_folio);
	zcs_test_fill_folio(c->folio, 9);
	attempt(c, insert_folio);
	attempt(c, copy_page);
	assert_true(zcs_test_page_is(c->copy, 9, 2));
	attempt(c, write_back);
	attempt(c, take_folio);
	assert_true(zcs_test_folio_is(c->folio, 9));
	attempt(c, insert_folio);
	zcs_backup_drop(c->backup, zcs_handle_from_index(11), 0);
	attempt(c, copy_page);
	assert_true(zcs_test_page_is(c->copy, 9, 2));
	disarm(c);
	zcs_assert_ok(zcs_backup_copy_page(c->backup, c->copy, zcs_handle_from_index(11), false));
	assert_true(zcs_test_is_zero(c->copy, ZCS_PAGE_SIZE));
	zcs_test_backup_done(c->backup);
	arm(c);
}

static void whole_life(struct cycle *c)
{
	arm(c);
	attempt(c, create_pool);
	attempt(c, open_store);
	attempt(c, create_tt);
	attempt(c, setup_backup);
	attempt(c, populate);
	for (uint64_t i = 0; i < c->shape->nr; i++)
		zcs_test_fill_page(page(c, i), 7, i);
	out(c);
	settle(c);
	in(c);
	out(c);
	settle(c);
	attempt(c, restore_half);
	/* half of a tt of one block is all of it */
	if (!(zcs_tt_flags(c->tt) & ZCS_TT_BACKED_UP))
		out(c);
	attempt(c, drop);
	attempt(c, populate);
	for (uint64_t i = 0; i < c->shape->nr; i++)
		assert_true(zcs_test_is_zero(page(c, i), ZCS_PAGE_SIZE));
	zcs_tt_destroy(c->tt);
	c->tt = NULL;
	folio_life(c);
	zcs_store_close(c->store);
	disarm(c);
	zcs_test_pool_is_idle(c->pool);
	zcs_pool_destroy(c->pool);
}

/* -- what is left */

static unsigned count_maps(void)
{
	FILE *f = fopen("/proc/self/maps", "re");
	unsigned nr = 0;
	int ch;

	assert_non_null(f);
	while ((ch = getc(f)) != EOF)
		nr += ch == '\n';
	fclose(f);
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
	nr = 0; /* shadow memory comes and goes */
#endif
	return nr;
}

/* -- the sweep */

static void count_passes(const struct shape *shape, uint64_t calls[POINTS_MAX])
{
	const struct zcs_fault_attr count = { .struct_size = sizeof(count), .space = UINT64_MAX };
	struct cycle first = { .shape = shape }, second = { .shape = shape };

	whole_life(&first);
	zcs_assert_ok(zcs_fault_set("*", &count));
	whole_life(&second);
	if (!shape->also)
		zcs_assert_is(second.failures, 0);
	for (unsigned i = 0; zcs_fault_name(i); i++) {
		assert_true(i < POINTS_MAX);
		calls[i] = zcs_test_fault_calls(zcs_fault_name(i));
		passed[i] += calls[i];
	}
	zcs_test_faults_off();
}

static bool has_device(const struct shape *shape)
{
	return shape->backup_flags != 0;
}

/*
 * Devices are slow, and so are sanitizers: fewer patterns there, the first time and always among
 * them.
 */
static bool left_out(const struct shape *shape, size_t pattern)
{
	unsigned slow = has_device(shape) + (zcs_test_scale(20) < 20);

	return pattern % (1u << slow) != 0;
}

static void sweep_point(const struct shape *shape, const char *point, unsigned fds, unsigned maps)
{
	for (size_t p = 0; p < sizeof(patterns) / sizeof(patterns[0]); p++) {
		struct cycle c = { .shape = shape,
				   .point = point,
				   .attr = { .struct_size = sizeof(c.attr),
					     .interval = patterns[p].interval,
					     .times = patterns[p].times } };

		if (left_out(shape, p))
			continue;
		whole_life(&c);
		if (zcs_test_entries("/proc/self/fd") != fds || count_maps() > maps + MAPS_SLACK)
			fail_msg("%s, interval %u: %u descriptors and %u maps, were %u and %u",
				 point, patterns[p].interval, zcs_test_entries("/proc/self/fd"),
				 count_maps(), fds, maps);
	}
}

static void sweep(void **state)
{
	const struct shape *shape = *state;
	uint64_t calls[POINTS_MAX];
	unsigned fds, maps;

	if (!zcs_test_backing_works(shape->backing))
		zcs_test_skip_case("no hugetlb pages");
	count_passes(shape, calls);
	fds = zcs_test_entries("/proc/self/fd");
	maps = count_maps();
	for (unsigned i = 0; zcs_fault_name(i); i++)
		if (calls[i])
			sweep_point(shape, zcs_fault_name(i), fds, maps);
}

static bool have_userfaultfd(void)
{
	long fd = syscall(SYS_userfaultfd, O_CLOEXEC | 1 /* UFFD_USER_MODE_ONLY */);

	if (fd >= 0)
		close((int)fd);
	return fd >= 0;
}

/* The points of the core are all passed; of the others it is only told which were not. */
static void every_point_of_the_core_was_passed(void **state)
{
	static const char *const core[] = {
		"memfd_create",
		"ftruncate",
		"mmap",
		"mprotect",
		"punch_hole",
		"madvise_populate_write",
		"madvise_collapse",
		"madvise_dontneed",
		"mbind",
		"userfaultfd",
		"uffdio_register",
		"uffdio_unregister",
		"alloc_arena",
		"alloc_pool",
		"alloc_store",
		"alloc_backup",
		"alloc_tt",
		"alloc_index_node",
		"folio_alloc",
		"insert",
		"insert_large",
		"take",
		"backup_truncate",
		"restore",
		"store_full",
		"split",
		"copy_page",
	};

	bool uffd = have_userfaultfd();

	(void)state;
	for (unsigned i = 0; zcs_fault_name(i); i++) {
		bool in_core = false;

		for (size_t k = 0; k < sizeof(core) / sizeof(core[0]); k++)
			in_core |= !strcmp(core[k], zcs_fault_name(i));
		if (!uffd && !strncmp(zcs_fault_name(i), "uffdio", 6))
			continue;
		if (!passed[i])
			print_message("# never passed: %s\n", zcs_fault_name(i));
		assert_true(passed[i] || !in_core);
	}
}

#define MEM(b, f, n)                                   \
	{                                              \
		"mem:", ZCS_BACKING_##b, f, 0, n, NULL \
	}
#define FILE_(b, f, n)                                                              \
	{                                                                           \
		"file:?size=16M", ZCS_BACKING_##b, f, ZCS_BACKUP_WRITEBACK, n, NULL \
	}
#define HOME ZCS_TT_CONTIGUOUS

static struct shape shapes[] = {
	MEM(AUTO, 0, 515),
	MEM(AUTO, HOME, 1024),
	MEM(HUGETLB, 0, 515),
	MEM(HUGETLB, HOME, 1024),
	MEM(THP, 0, 515),
	MEM(THP, HOME, 1024),
	MEM(SMALL, 0, 515),
	MEM(SMALL, HOME, 515),
	FILE_(AUTO, HOME, 1024),
	FILE_(SMALL, 0, 515),
	{ "mem:", ZCS_BACKING_THP, HOME, 0, 512, "insert_large" },
	{ "mem:", ZCS_BACKING_THP, HOME, 0, 1024, "huge_file" },
	{ "mem:", ZCS_BACKING_SMALL, 0, 0, 515, "insert_large" },
};
#define NR_SHAPES (sizeof(shapes) / sizeof(shapes[0]))

/* The cases whose store has a device, or those that have none; how many. */
static size_t choose(struct CMUnitTest *tests, bool devices)
{
	static char names[NR_SHAPES][64];
	size_t nr = 0;

	for (size_t i = 0; i < NR_SHAPES; i++) {
		if (has_device(&shapes[i]) != devices)
			continue;
		snprintf(names[i], sizeof(names[i]), "%s_%s%s%s",
			 zcs_test_backing_name(shapes[i].backing),
			 shapes[i].flags ? "contiguous" : "scattered",
			 shapes[i].also ? "_without_" : "", shapes[i].also ? shapes[i].also : "");
		tests[nr++] = (struct CMUnitTest){ names[i], sweep, zcs_test_setup,
						   zcs_test_teardown, &shapes[i] };
	}
	return nr;
}

/* With an argument: stores on devices. */
int main(int argc, char **argv)
{
	struct CMUnitTest tests[NR_SHAPES + 1];
	bool devices = argc > 1;
	size_t nr = choose(tests, devices);

	(void)argv;
#ifdef __SANITIZE_THREAD__
	/* by design: what it wrote is thrown away */
	if (devices)
		zcs_test_skip(
			"an abandoned write goes on reading its folio, which is a race to see");
#endif
	setenv("ZCSWAP_LOG", "off", 0);
	if (!devices)
		tests[nr++] = (struct CMUnitTest)cmocka_unit_test_setup_teardown(
			every_point_of_the_core_was_passed, zcs_test_setup, zcs_test_teardown);
	return _cmocka_run_group_tests("sweep", tests, nr, NULL, NULL);
}
