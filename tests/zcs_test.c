/* SPDX-License-Identifier: MIT */
/*
 * What the test programs share, see zcs_test.h. It calls the public interface alone, so that it
 * links with the shared library and with the library's own objects alike.
 *
 * A case's state is static: cmocka runs one case at a time, and a pool that a case forgot must be
 * found by the teardown after the case's stack is gone.
 */
#include <dirent.h>
#include <fcntl.h>
#include <linux/io_uring.h>
#include <linux/mempolicy.h>
#include <linux/userfaultfd.h>
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
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

/* -- what the kernel says */

static int pagemap_fd(void)
{
	static int fd = -1;
	static pid_t owner;

	if (fd >= 0 && owner == getpid())
		return fd;
	owner = getpid();
	fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	return fd;
}

uint64_t zcs_test_pagemap(const void *addr)
{
	uint64_t entry = 0;
	off_t at = (off_t)((uintptr_t)addr / ZCS_PAGE_SIZE * sizeof(entry));

	if (pread(pagemap_fd(), &entry, sizeof(entry), at) != (ssize_t)sizeof(entry))
		fail_msg("/proc/self/pagemap: %s", strerror(errno));
	return entry;
}

bool zcs_test_present(const void *addr)
{
	return zcs_test_pagemap(addr) >> 63;
}

uint64_t zcs_test_present_pages(const void *addr, uint64_t nr)
{
	uint64_t present = 0;

	for (uint64_t i = 0; i < nr; i++)
		present += zcs_test_present((const char *)addr + i * ZCS_PAGE_SIZE);
	return present;
}

uint64_t zcs_test_frame(const void *addr)
{
	uint64_t entry = zcs_test_pagemap(addr);

	return entry >> 63 ? entry & ((UINT64_C(1) << 55) - 1) : 0;
}

bool zcs_test_sees_frames(void)
{
	volatile char here = 1;

	return here && zcs_test_frame((const void *)&here) != 0;
}

/* Whether the line starts a mapping; *overlaps: one that reaches into [start, end). */
static bool starts_mapping(const char *line, uintptr_t start, uintptr_t end, bool *overlaps)
{
	unsigned long long from, to;

	if (sscanf(line, "%llx-%llx ", &from, &to) != 2)
		return false;
	*overlaps = from < end && to > start;
	return true;
}

uint64_t zcs_test_smaps(const void *addr, uint64_t bytes, const char *field)
{
	uintptr_t start = (uintptr_t)addr, end = start + bytes;
	size_t len = strlen(field);
	bool inside = false;
	uint64_t sum = 0;
	char line[512];
	FILE *f = fopen("/proc/self/smaps", "re");

	assert_non_null(f);
	while (fgets(line, sizeof(line), f)) {
		if (starts_mapping(line, start, end, &inside) || !inside)
			continue;
		if (!strncmp(line, field, len) && line[len] == ':')
			sum += strtoull(line + len + 1, NULL, 10) << 10;
	}
	fclose(f);
	return sum;
}

uint64_t zcs_test_rss(const void *addr, uint64_t bytes)
{
	return zcs_test_smaps(addr, bytes, "Rss") + zcs_test_smaps(addr, bytes, "Shared_Hugetlb") +
	       zcs_test_smaps(addr, bytes, "Private_Hugetlb");
}

uint64_t zcs_test_fd_bytes(int fd)
{
	struct stat st;

	zcs_assert_ok(fstat(fd, &st));
	return (uint64_t)st.st_blocks * 512;
}

/* "/memfd:zcswap arena", or on a tmpfs of its own "/zcswap arena". */
static bool is_arena(const char *target)
{
	static const char memfd[] = "/memfd:", name[] = "zcswap arena";

	target += strncmp(target, memfd, sizeof(memfd) - 1) ? 1 : sizeof(memfd) - 1;
	return !strncmp(target, name, sizeof(name) - 1);
}

/*
 * Counts the library's memory files among the open descriptors, and adds up their memory unless
 * @bytes is NULL: who only counts may do so while a thread of the library closes one.
 */
static unsigned walk_arenas(uint64_t *bytes)
{
	DIR *dir = opendir("/proc/self/fd");
	unsigned nr = 0;

	assert_non_null(dir);
	for (struct dirent *e = readdir(dir); e; e = readdir(dir)) {
		char target[64] = "";

		if (readlinkat(dirfd(dir), e->d_name, target, sizeof(target) - 1) < 0)
			continue;
		if (!is_arena(target))
			continue;
		nr++;
		if (bytes)
			*bytes += zcs_test_fd_bytes(atoi(e->d_name));
	}
	closedir(dir);
	return nr;
}

uint64_t zcs_test_arena_bytes(void)
{
	uint64_t bytes = 0;

	walk_arenas(&bytes);
	return bytes;
}

unsigned zcs_test_arenas(void)
{
	return walk_arenas(NULL);
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

/* -- threads and processes */

struct thread {
	pthread_t thread;
	pthread_barrier_t *start;
	uint64_t (*fn)(unsigned id, void *arg);
	void *arg;
	unsigned id;
	uint64_t result;
};

static void *thread_main(void *arg)
{
	struct thread *t = arg;

	pthread_barrier_wait(t->start);
	t->result = t->fn(t->id, t->arg);
	return NULL;
}

uint64_t zcs_test_threads(unsigned nr, uint64_t (*fn)(unsigned id, void *arg), void *arg)
{
	struct thread *threads = calloc(nr, sizeof(*threads));
	pthread_barrier_t start;
	uint64_t sum = 0;

	assert_non_null(threads);
	pthread_barrier_init(&start, NULL, nr);
	for (unsigned i = 0; i < nr; i++) {
		threads[i] = (struct thread){ .start = &start, .fn = fn, .arg = arg, .id = i };
		zcs_assert_ok(pthread_create(&threads[i].thread, NULL, thread_main, &threads[i]));
	}
	for (unsigned i = 0; i < nr; i++) {
		pthread_join(threads[i].thread, NULL);
		sum += threads[i].result;
	}
	pthread_barrier_destroy(&start);
	free(threads);
	return sum;
}

/* The child's end of a fork: output to @out, a time limit, and failed assertions that end it. */
static void become_child(int out, unsigned seconds)
{
	const struct rlimit no_core = { 0, 0 };

	dup2(out, STDOUT_FILENO);
	dup2(out, STDERR_FILENO);
	signal(SIGALRM, SIG_DFL);
	/* cmocka turns these into failed assertions; here they are what a case may wait for */
	signal(SIGSEGV, SIG_DFL);
	signal(SIGBUS, SIG_DFL);
	setrlimit(RLIMIT_CORE, &no_core);
	setenv("CMOCKA_TEST_ABORT", "1", 1);
	alarm(seconds);
}

static struct zcs_test_child wait_for(pid_t pid, int out)
{
	struct zcs_test_child child = { .status = -1 };
	ssize_t n;
	int status;

	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			fail_msg("waitpid: %s", strerror(errno));
	if (WIFEXITED(status))
		child.status = WEXITSTATUS(status);
	else if (WIFSIGNALED(status))
		child.signal = WTERMSIG(status);
	n = pread(out, child.out, sizeof(child.out) - 1, 0);
	child.out[n < 0 ? 0 : n] = '\0';
	close(out);
	return child;
}

static pid_t start_child(int *out)
{
	pid_t pid;

	*out = memfd_create("output of a child", MFD_CLOEXEC);
	assert_true(*out >= 0);
	fflush(NULL);
	pid = fork();
	if (pid < 0)
		fail_msg("fork: %s", strerror(errno));
	return pid;
}

struct zcs_test_child zcs_test_in_child(void (*fn)(void *arg), void *arg, unsigned seconds)
{
	int out;
	pid_t pid = start_child(&out);

	if (!pid) {
		become_child(out, seconds);
		fn(arg);
		fflush(NULL);
		_exit(0);
	}
	return wait_for(pid, out);
}

static void exec_self(const char *argument, const char *const *env)
{
	char self[4096];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);

	for (; env && *env; env++)
		putenv((char *)(uintptr_t)*env);
	if (n > 0) {
		self[n] = '\0';
		execl(self, self, argument, (char *)NULL);
	}
	perror("exec");
	_exit(126);
}

struct zcs_test_child zcs_test_exec(const char *argument, const char *const *env, unsigned seconds)
{
	int out;
	pid_t pid = start_child(&out);

	if (!pid) {
		become_child(out, seconds);
		exec_self(argument, env);
	}
	return wait_for(pid, out);
}

void zcs_test_child_passed(const struct zcs_test_child *child)
{
	if (!child->status && !child->signal)
		return;
	print_error("child: status %d, signal %d:\n%s", child->status, child->signal, child->out);
	fail();
}
