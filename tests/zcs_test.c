/* SPDX-License-Identifier: MIT */
/*
 * The pieces that all test programs share, see zcs_test.h. The kernel's answers are read in
 * zcs_test_kernel.c, threads and processes are in zcs_test_child.c. It calls the public interface
 * alone, so that it links with the shared library and with the library's own objects alike.
 *
 * A case's state is static: cmocka runs one case at a time, and a pool that a case forgot must be
 * found by the teardown after the case's stack is gone.
 */
#include <fcntl.h>
#include <linux/io_uring.h>
#include <linux/mempolicy.h>
#include <linux/userfaultfd.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "zcs_test.h"

#define POOLS_MAX 16

static struct zcs_pool *pools[POOLS_MAX];
static unsigned arenas_before;
static bool left_early; /* the case failed, or was skipped */

void zcs_test_assert_result(int64_t result, int64_t expected, const char *what, const char *file,
			    int line)
{
	if (result == expected)
		return;
	/* on stdout, beside the line that says which case it was */
	print_message("# %s: %" PRId64 ", expected %" PRId64 "\n", what, result, expected);
	_fail(file, line);
}

/* -- cases and programs */

int zcs_test_setup(void **state)
{
	(void)state;
	zcs_test_faults_off();
	memset(pools, 0, sizeof(pools));
	arenas_before = zcs_test_arenas();
	left_early = false;
	return 0;
}

void zcs_test_call(void **state)
{
	const struct zcs_test_case *c = *state;

	left_early = true;
	c->fn(state);
	left_early = false;
}

unsigned zcs_test_arenas_before(void)
{
	return arenas_before;
}

int zcs_test_teardown(void **state)
{
	unsigned arenas = zcs_test_arenas(), forgotten = 0;

	(void)state;
	zcs_test_faults_off();
	for (unsigned i = 0; i < POOLS_MAX; i++)
		forgotten += pools[i] != NULL;
	/* of a case that failed everything is left, and the next ones begin with that */
	if (left_early || (!forgotten && arenas == arenas_before))
		return 0;
	print_error("teardown: %u pools without zcs_test_pool_done(), %u arenas left\n", forgotten,
		    arenas - arenas_before);
	return -1;
}

void zcs_test_skip(const char *reason)
{
	printf("%s\n", reason);
	exit(77);
}

bool zcs_test_under_valgrind(void)
{
	const char *preload = getenv("LD_PRELOAD");

	return preload && strstr(preload, "vgpreload");
}

unsigned zcs_test_scale(unsigned nr)
{
	unsigned by = 1;

#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
	by = 10;
#endif
	if (zcs_test_under_valgrind())
		by = 50;
	return nr / by ? nr / by : 1;
}

static int try_uring(void)
{
	struct io_uring_params params = { .flags = 0 };
	long fd = syscall(SYS_io_uring_setup, 2, &params);

	if (fd < 0)
		return errno;
	close((int)fd);
	return 0;
}

bool zcs_test_has_uring(void)
{
	static const char *without;
	static bool asked;

	if (!asked) {
		int err = getenv("ZCSWAP_NO_URING") ? 0 : try_uring();

		asked = true;
		if (getenv("ZCSWAP_NO_URING"))
			without = "switched off by ZCSWAP_NO_URING";
		else if (err)
			without = strerror(err);
		if (without)
			print_message("# without io_uring: %s\n", without);
	}
	return !without;
}

bool zcs_test_has_userfaultfd(void)
{
	long fd = syscall(SYS_userfaultfd, O_CLOEXEC | UFFD_USER_MODE_ONLY);

	if (fd >= 0)
		close((int)fd);
	return fd >= 0;
}

/* The default policy of a page of its own: that changes nothing. */
bool zcs_test_may_bind(void)
{
	void *page = mmap(NULL, ZCS_PAGE_SIZE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	long err;

	assert_true(page != MAP_FAILED);
	err = syscall(SYS_mbind, page, ZCS_PAGE_SIZE, MPOL_DEFAULT, NULL, 0, 0);
	munmap(page, ZCS_PAGE_SIZE);
	return !err || (errno != EPERM && errno != ENOSYS);
}

/* -- pools, stores, backups */

static uint64_t hugetlb_number(const char *name)
{
	char path[128];
	unsigned long long n = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/sys/kernel/mm/hugepages/hugepages-2048kB/%s", name);
	f = fopen(path, "re");
	if (!f)
		return 0;
	if (fscanf(f, "%llu", &n) != 1)
		n = 0;
	fclose(f);
	return n;
}

uint64_t zcs_test_hugetlb_free(void)
{
	uint64_t nr = hugetlb_number("free_hugepages"), reserved = hugetlb_number("resv_hugepages");

	return nr > reserved ? nr - reserved : 0;
}

bool zcs_test_backing_works(enum zcs_backing backing)
{
	static bool told;

	if (backing != ZCS_BACKING_HUGETLB)
		return true;
	/* room for a test that runs beside this one */
	if (zcs_test_hugetlb_free() >= 2 * ZCS_TEST_HUGETLB_MAX)
		return true;
	if (!told)
		print_message("# without hugetlb: %" PRIu64
			      " of %u pages are free (vm.nr_hugepages)\n",
			      zcs_test_hugetlb_free(), 2 * ZCS_TEST_HUGETLB_MAX);
	told = true;
	return false;
}

const char *zcs_test_backing_name(enum zcs_backing backing)
{
	static const char *const names[] = { "auto", "hugetlb", "thp", "small" };

	return names[backing];
}

struct zcs_pool_params zcs_test_params(enum zcs_backing backing, uint64_t max_bytes,
				       uint64_t cache_bytes)
{
	return (struct zcs_pool_params){
		.struct_size = sizeof(struct zcs_pool_params),
		.max_bytes = max_bytes,
		.cache_bytes = cache_bytes,
		.node = -1,
		.backing = backing,
	};
}

static struct zcs_pool *remember(struct zcs_pool *pool)
{
	for (unsigned i = 0; i < POOLS_MAX; i++) {
		if (pools[i])
			continue;
		pools[i] = pool;
		return pool;
	}
	fail_msg("more than %u pools in one case", POOLS_MAX);
	return NULL;
}

struct zcs_pool *zcs_test_pool_with(const struct zcs_pool_params *params)
{
	struct zcs_pool *pool = NULL;

	zcs_assert_ok(zcs_pool_create(params, &pool));
	assert_non_null(pool);
	return remember(pool);
}

struct zcs_pool *zcs_test_pool(enum zcs_backing backing, uint64_t max_bytes, uint64_t cache_bytes)
{
	struct zcs_pool_params params = zcs_test_params(backing, max_bytes, cache_bytes);

	return zcs_test_pool_with(&params);
}

struct zcs_pool *zcs_test_pool_from_fd(const struct zcs_pool_params *params, int fd,
				       uint64_t offset, uint64_t bytes)
{
	struct zcs_pool *pool = NULL;

	zcs_assert_ok(zcs_pool_create_from_fd(params, fd, offset, bytes, &pool));
	assert_non_null(pool);
	return remember(pool);
}

/*
 * A thread of the store's may just be finishing: what is wrong stays wrong, a folio on its way does
 * not stay so.
 */
void zcs_test_pool_ok(struct zcs_pool *pool)
{
	for (unsigned us = 1000; us < 600000 && zcs_pool_check(pool); us *= 2)
		usleep(us);
	zcs_assert_ok(zcs_pool_check(pool));
}

void zcs_test_pool_is_idle(struct zcs_pool *pool)
{
	struct zcs_pool_stats st;

	zcs_test_pool_ok(pool);
	st = zcs_test_stats(pool);
	zcs_assert_is(st.active_pages, 0);
	zcs_assert_is(st.inserted_pages, 0);
	zcs_assert_is(st.kept_pages, 0);
	zcs_assert_is(st.home_pages, 0);
	zcs_assert_is(st.resident_pages, (int64_t)st.cached_pages);
}

void zcs_test_pool_forget(struct zcs_pool *pool)
{
	for (unsigned i = 0; i < POOLS_MAX; i++)
		if (pools[i] == pool)
			pools[i] = NULL;
}

void zcs_test_pool_done(struct zcs_pool *pool)
{
	zcs_test_faults_off();
	zcs_test_pool_is_idle(pool);
	zcs_test_pool_forget(pool);
	zcs_pool_destroy(pool);
}

struct zcs_pool_stats zcs_test_stats(struct zcs_pool *pool)
{
	struct zcs_pool_stats st = { .struct_size = sizeof(st) };

	zcs_assert_ok(zcs_pool_stats(pool, &st));
	return st;
}

uint64_t zcs_test_counter(struct zcs_pool *pool, enum zcs_counter counter)
{
	return zcs_test_stats(pool).counters[counter];
}

static uint64_t on_all_nodes(uint64_t folios[ZCS_STATS_NODES][ZCS_MAX_ORDER + 1], unsigned order)
{
	uint64_t nr = 0;

	for (unsigned node = 0; node < ZCS_STATS_NODES; node++)
		nr += folios[node][order];
	return nr;
}

uint64_t zcs_test_cached(struct zcs_pool *pool, unsigned order)
{
	struct zcs_pool_stats st = zcs_test_stats(pool);

	return on_all_nodes(st.cached, order);
}

uint64_t zcs_test_active(struct zcs_pool *pool, unsigned order)
{
	struct zcs_pool_stats st = zcs_test_stats(pool);

	return on_all_nodes(st.active, order);
}

uint64_t zcs_test_inserted(struct zcs_pool *pool, unsigned order)
{
	struct zcs_pool_stats st = zcs_test_stats(pool);

	return on_all_nodes(st.inserted, order);
}

struct zcs_folio *zcs_test_folio(struct zcs_pool *pool, unsigned order)
{
	struct zcs_folio *folio = NULL;

	zcs_assert_ok(zcs_folio_alloc(pool, order, 0, &folio));
	assert_non_null(folio);
	return folio;
}

struct zcs_store *zcs_test_store(void)
{
	struct zcs_store *store = NULL;

	zcs_assert_ok(zcs_store_open("mem:", &store));
	assert_non_null(store);
	return store;
}

struct zcs_backup *zcs_test_backup(struct zcs_store *store, uint64_t num_pages)
{
	struct zcs_backup *backup = NULL;

	zcs_assert_ok(zcs_backup_create(store, num_pages, &backup));
	assert_non_null(backup);
	return backup;
}

void zcs_test_backup_done(struct zcs_backup *backup)
{
	zcs_assert_ok(zcs_backup_check(backup));
	zcs_backup_destroy(backup);
}

void zcs_test_store_done(struct zcs_store *store)
{
	zcs_assert_ok(zcs_store_check(store));
	zcs_store_close(store);
}

void zcs_test_tt_done(struct zcs_tt *tt)
{
	zcs_assert_ok(zcs_tt_check(tt));
	zcs_tt_destroy(tt);
}

/* -- content */

#define PAGE_WORDS (ZCS_PAGE_SIZE / sizeof(uint64_t))

/* Every word has its own value: a page in the wrong place, or shifted, is seen. */
static uint64_t word_of(uint64_t seed, uint64_t index, uint64_t word)
{
	uint64_t x = (seed << 40) + index * PAGE_WORDS + word + 1;

	x *= 0x9e3779b97f4a7c15u;
	return x ^ x >> 29;
}

void zcs_test_fill_page(void *page, uint64_t seed, uint64_t index)
{
	uint64_t *words = page;

	for (uint64_t w = 0; w < PAGE_WORDS; w++)
		words[w] = word_of(seed, index, w);
}

bool zcs_test_page_is(const void *page, uint64_t seed, uint64_t index)
{
	const uint64_t *words = page;

	for (uint64_t w = 0; w < PAGE_WORDS; w++)
		if (words[w] != word_of(seed, index, w))
			return false;
	return true;
}

void zcs_test_fill(void *addr, uint64_t seed, uint64_t first, uint64_t nr)
{
	for (uint64_t i = 0; i < nr; i++)
		zcs_test_fill_page((char *)addr + i * ZCS_PAGE_SIZE, seed, first + i);
}

bool zcs_test_is(const void *addr, uint64_t seed, uint64_t first, uint64_t nr)
{
	for (uint64_t i = 0; i < nr; i++)
		if (!zcs_test_page_is((const char *)addr + i * ZCS_PAGE_SIZE, seed, first + i))
			return false;
	return true;
}

bool zcs_test_is_zero(const void *addr, uint64_t bytes)
{
	const unsigned char *p = addr;

	return !bytes || (!p[0] && !memcmp(p, p + 1, bytes - 1));
}

static uint64_t folio_pages(const struct zcs_folio *folio)
{
	return UINT64_C(1) << zcs_folio_order(folio);
}

void zcs_test_fill_folio(struct zcs_folio *folio, uint64_t seed)
{
	zcs_test_fill(zcs_folio_address(folio), seed, 0, folio_pages(folio));
}

bool zcs_test_folio_is(const struct zcs_folio *folio, uint64_t seed)
{
	return zcs_test_is(zcs_folio_address(folio), seed, 0, folio_pages(folio));
}

bool zcs_test_folio_is_zero(const struct zcs_folio *folio)
{
	return zcs_test_is_zero(zcs_folio_address(folio), folio_pages(folio) * ZCS_PAGE_SIZE);
}

unsigned zcs_test_occurrences(const char *text, const char *part)
{
	unsigned nr = 0;

	while ((text = strstr(text, part))) {
		text++;
		nr++;
	}
	return nr;
}

/* -- fault points */

void zcs_test_fault(const char *name, uint64_t space, uint64_t times, int error)
{
	struct zcs_fault_attr attr = {
		.struct_size = sizeof(attr), .space = space, .times = times, .error = error
	};

	zcs_assert_ok(zcs_fault_set(name, &attr));
}

void zcs_test_fault_every(const char *name, unsigned interval)
{
	struct zcs_fault_attr attr = { .struct_size = sizeof(attr), .interval = interval };

	zcs_assert_ok(zcs_fault_set(name, &attr));
}

void zcs_test_hang(const char *name, uint64_t space, uint64_t times, int error)
{
	struct zcs_fault_attr attr = { .struct_size = sizeof(attr),
				       .space = space,
				       .times = times,
				       .error = error,
				       .delay_ms = ZCS_FAULT_HANG };

	zcs_assert_ok(zcs_fault_set(name, &attr));
}

void zcs_test_wait_hung(const char *name, uint64_t nr)
{
	for (unsigned left = 30000; zcs_test_fault_failed(name) < nr; left--) {
		if (!left)
			fail_msg("%s: fewer than %" PRIu64 " calls hang", name, nr);
		usleep(1000);
	}
}

void zcs_test_fault_off(const char *name)
{
	zcs_assert_ok(zcs_fault_set(name, NULL));
}

void zcs_test_faults_off(void)
{
	zcs_test_fault_off("*");
}

uint64_t zcs_test_fault_calls(const char *name)
{
	uint64_t calls = 0;

	zcs_assert_ok(zcs_fault_count(name, &calls, NULL));
	return calls;
}

uint64_t zcs_test_fault_failed(const char *name)
{
	uint64_t failed = 0;

	zcs_assert_ok(zcs_fault_count(name, NULL, &failed));
	return failed;
}
