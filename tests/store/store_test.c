/* SPDX-License-Identifier: MIT */
/*
 * Functions that the tests of stores share, see store_test.h.
 *
 * The I/O thread is held, and the device not made slow: a slow transfer is only likely to be in
 * flight when the case looks, a thread that waits in done() makes it certain. The io_uring engine
 * gives a request to the kernel only when it finds no further one. A last one that fails by a fault
 * point ends there and then, so that its done() holds the thread with the others prepared.
 */
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "store_test.h"

#include "backup/backup.h"

#define PATHS_MAX 64

static char *paths[PATHS_MAX];
static unsigned nr_paths;

/*
 * The owner of a block that was taken while it was written may change it at once: what the device
 * reads then is never read back. ThreadSanitizer sees that where the device is a pwrite().
 */
const char *__tsan_default_suppressions(void);

const char *__tsan_default_suppressions(void)
{
	return "race:zcs_sys_pwrite\n";
}

void store_test_call_uring(void **state)
{
	if (!zcs_test_has_uring())
		zcs_test_skip_case("no io_uring here");
	zcs_test_call(state);
}

int store_test_setup_uring(void **state)
{
	if (zcs_test_has_uring())
		unsetenv("ZCSWAP_NO_URING");
	return zcs_test_setup(state);
}

int store_test_setup_threads(void **state)
{
	zcs_test_has_uring();
	setenv("ZCSWAP_NO_URING", "1", 1);
	return zcs_test_setup(state);
}

static int real_stderr = -1, log_fd;

int store_test_teardown(void **state)
{
	if (real_stderr >= 0)
		fprintf(stderr, "%s", store_test_log_end());
	return zcs_test_teardown(state);
}

/* -- stores */

static void remove_paths(void)
{
	for (unsigned i = 0; i < nr_paths; i++) {
		unlink(paths[i]);
		free(paths[i]);
	}
}

const char *store_test_path(void)
{
	const char *dir = getenv("TMPDIR");

	if (!nr_paths)
		atexit(remove_paths);
	assert_true(nr_paths < PATHS_MAX);
	if (asprintf(&paths[nr_paths], "%s/zcswap-store-test-%d-%u", dir && *dir ? dir : "/tmp",
		     (int)getpid(), nr_paths) < 0)
		fail_msg("out of memory");
	return paths[nr_paths++];
}

struct zcs_store *store_test_open(const char *fmt, ...)
{
	struct zcs_store *store = NULL;
	char spec[4096];
	va_list ap;

	va_start(ap, fmt);
	assert_in_range(vsnprintf(spec, sizeof(spec), fmt, ap), 1, sizeof(spec) - 1);
	va_end(ap);
	zcs_assert_ok(zcs_store_open(spec, &store));
	assert_non_null(store);
	return store;
}

struct zcs_store *store_test_file(unsigned mib)
{
	return store_test_open("file:?size=%uM", mib);
}

struct zcs_store_stats store_test_stats(struct zcs_store *store)
{
	struct zcs_store_stats st = { .struct_size = sizeof(st) };

	zcs_assert_ok(zcs_store_stats(store, &st));
	zcs_assert_is(st.free_slots + st.used_slots + st.retired_slots, (int64_t)st.slots);
	return st;
}

void store_test_done(struct zcs_store *store)
{
	struct zcs_store_stats st;

	zcs_test_faults_off();
	zcs_swap_drain(zcs_local(store)->swap);
	st = store_test_stats(store);
	zcs_assert_is(st.used_slots, 0);
	zcs_assert_is(zcs_store_bytes_avail(store), (int64_t)(st.free_slots * ZCS_SLOT_BYTES));
	zcs_assert_ok(zcs_store_check(store));
	zcs_store_close(store);
}

void store_test_idle(struct zcs_backup *backup)
{
	zcs_object_drain(&backup->o);
}

void store_test_flip(const char *path, uint64_t offset, size_t nr)
{
	int fd = open(path, O_RDWR | O_CLOEXEC);

	assert_true(fd >= 0);
	for (uint64_t at = offset; at < offset + nr; at++) {
		unsigned char byte;

		zcs_assert_is(pread(fd, &byte, 1, (off_t)at), 1);
		byte = (unsigned char)~byte;
		zcs_assert_is(pwrite(fd, &byte, 1, (off_t)at), 1);
	}
	zcs_assert_ok(fsync(fd));
	close(fd);
}

/* -- backups */

static void insert(struct zcs_backup *backup, struct zcs_folio *folio, uint64_t index,
		   unsigned order, uint32_t flags)
{
	zcs_assert_is(zcs_backup_insert_folio(backup, folio, order, flags, index),
		      zcs_handle_from_index(index));
}

void store_test_insert(struct zcs_backup *backup, struct zcs_pool *pool, uint64_t seed,
		       uint64_t index, unsigned order, uint32_t flags)
{
	struct zcs_folio *folio = zcs_test_folio(pool, order);

	zcs_test_fill(zcs_folio_address(folio), seed, index, UINT64_C(1) << order);
	insert(backup, folio, index, order, flags);
}

void store_test_insert_word(struct zcs_backup *backup, struct zcs_pool *pool, uint64_t word,
			    uint64_t index, unsigned order, uint32_t flags)
{
	struct zcs_folio *folio = zcs_test_folio(pool, order);
	uint64_t *at = zcs_folio_address(folio);

	for (size_t i = 0; i < ((size_t)ZCS_PAGE_SIZE << order) / sizeof(word); i++)
		at[i] = word;
	insert(backup, folio, index, order, flags);
}

void store_test_take(struct zcs_backup *backup, struct zcs_pool *pool, uint64_t seed,
		     uint64_t index, unsigned order)
{
	struct zcs_folio *folio = NULL;

	zcs_assert_ok(zcs_backup_take_folio(backup, zcs_handle_from_index(index), pool, &folio));
	zcs_assert_is(zcs_folio_order(folio), order);
	assert_true(zcs_test_is(zcs_folio_address(folio), seed, index, UINT64_C(1) << order));
	zcs_folio_put(folio);
}

int store_test_take_fails(struct zcs_backup *backup, struct zcs_pool *pool, uint64_t index)
{
	struct zcs_folio *folio = NULL;
	int err = zcs_backup_take_folio(backup, zcs_handle_from_index(index), pool, &folio);

	assert_null(folio);
	assert_true(err < 0);
	return err;
}

void store_test_copy(struct zcs_backup *backup, uint64_t seed, uint64_t index)
{
	_Alignas(8) char page[ZCS_PAGE_SIZE];

	zcs_assert_ok(zcs_backup_copy_page(backup, page, zcs_handle_from_index(index), false));
	assert_true(zcs_test_page_is(page, seed, index));
}

void store_test_writeback(struct zcs_backup *backup, uint64_t first, uint64_t last)
{
	zcs_assert_is(zcs_backup_writeback(backup, first, last, ZCS_WB_WAIT),
		      (int64_t)(last - first + 1));
}

struct zcs_backup_stats store_test_backup_stats(struct zcs_backup *backup)
{
	struct zcs_backup_stats st = { .struct_size = sizeof(st) };

	zcs_assert_ok(zcs_backup_stats(backup, &st));
	return st;
}

void store_test_backup_done(struct zcs_backup *backup, struct zcs_pool *pool)
{
	zcs_test_backup_done(backup);
	zcs_test_pool_is_idle(pool);
	zcs_assert_is(zcs_test_arena_bytes(),
		      (int64_t)(zcs_test_stats(pool).resident_pages * ZCS_PAGE_SIZE));
}

void store_test_start(struct store_test_filled *s, uint64_t nr, const char *spec)
{
	s->nr = nr;
	s->pool = zcs_test_pool(ZCS_BACKING_SMALL, 0, 1);
	s->store = store_test_open("%s", spec);
	s->backup = zcs_test_backup(s->store, nr << STORE_TEST_ORDER);
	for (uint64_t i = 0; i < nr; i++)
		store_test_insert(s->backup, s->pool, 1, i << STORE_TEST_ORDER, STORE_TEST_ORDER,
				  0);
}

void store_test_finish(struct store_test_filled *s)
{
	for (uint64_t i = s->nr; i-- > 0;)
		store_test_take(s->backup, s->pool, 1, i << STORE_TEST_ORDER, STORE_TEST_ORDER);
	store_test_backup_done(s->backup, s->pool);
	store_test_done(s->store);
	zcs_test_pool_done(s->pool);
}

/* -- contiguous tts */

static char *user_page(struct zcs_tt *tt, uint64_t index)
{
	char *address = zcs_tt_address(tt);

	assert_non_null(address);
	return address + index * ZCS_PAGE_SIZE;
}

void store_test_fill(struct zcs_tt *tt, uint64_t seed, uint64_t first, uint64_t nr)
{
	zcs_test_fill(user_page(tt, first), seed, first, nr);
}

bool store_test_is(struct zcs_tt *tt, uint64_t seed, uint64_t first, uint64_t nr)
{
	return zcs_test_is(user_page(tt, first), seed, first, nr);
}

/* -- holding the I/O thread */

static void held_done(struct zcs_swap_req *req, int err)
{
	struct store_test_hold *hold = req->user;

	(void)err;
	sem_post(&hold->held);
	while (sem_wait(&hold->go))
		;
}

static void wait_for(sem_t *sem)
{
	while (sem_wait(sem))
		if (errno != EINTR)
			fail_msg("sem_wait: %s", strerror(errno));
}

static void submit_held(struct store_test_hold *hold, unsigned i)
{
	zcs_assert_ok(zcs_swap_alloc(hold->swap, 0, &hold->slot[i]));
	hold->req[i] = (struct zcs_swap_req){ .op = ZCS_SWAP_WRITE,
					      .slot = hold->slot[i],
					      .addr = hold->page,
					      .done = held_done,
					      .user = hold };
	zcs_swap_submit(hold->swap, &hold->req[i]);
}

/* One request after the other, so that each holds a thread of its own. */
void store_test_hold(struct zcs_store *store, struct store_test_hold *hold)
{
	struct zcs_swap_stats st;

	*hold = (struct store_test_hold){ .swap = zcs_local(store)->swap };
	zcs_swap_stats(zcs_local(store)->swap, &st);
	sem_init(&hold->held, 0, 0);
	sem_init(&hold->go, 0, 0);
	hold->page = mmap(NULL, ZCS_PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			  -1, 0);
	assert_true(hold->page != MAP_FAILED);
	for (unsigned i = 0; i < (st.uring ? 1 : ZCS_SWAP_THREADS); i++) {
		submit_held(hold, i);
		wait_for(&hold->held);
		hold->nr = i + 1;
	}
}

void store_test_hold_flying(struct store_test_hold *hold)
{
	struct zcs_swap_stats st;

	zcs_swap_stats(hold->swap, &st);
	assert_true(st.uring && hold->nr == 1);
	/* also where TMPDIR refuses O_DIRECT: of buffered writes the thread takes but one */
	hold->swap->dev[0].direct = true;
	zcs_test_fault("write", st.queued, 1, EIO);
	submit_held(hold, 1);
	sem_post(&hold->go);
	wait_for(&hold->held);
	zcs_test_fault_off("write");
	hold->nr = 2;
}

/* The last one that was held: the others have been let go before. */
void store_test_let_go(struct store_test_hold *hold)
{
	bool flying = hold->nr == 2;

	for (unsigned i = flying; i < hold->nr; i++)
		sem_post(&hold->go);
	zcs_swap_drain(hold->swap);
	for (unsigned i = 0; i < hold->nr; i++)
		zcs_swap_free(hold->swap, hold->slot[i], 0);
	munmap(hold->page, ZCS_PAGE_SIZE);
}

void store_test_wait_queued(struct zcs_store *store, unsigned nr)
{
	struct zcs_swap_stats st;

	for (unsigned i = 0; i < 10000; i++) {
		zcs_swap_stats(zcs_local(store)->swap, &st);
		if (st.queued >= nr)
			return;
		usleep(1000);
	}
	fail_msg("%u of %u requests are queued", st.queued, nr);
}

/* -- messages */

void store_test_log_start(void)
{
	fflush(stderr);
	real_stderr = dup(STDERR_FILENO);
	log_fd = memfd_create("stderr of a test", MFD_CLOEXEC);
	assert_true(real_stderr >= 0 && log_fd >= 0);
	dup2(log_fd, STDERR_FILENO);
}

const char *store_test_log_end(void)
{
	static char text[32768];
	off_t bytes;
	ssize_t n;

	dup2(real_stderr, STDERR_FILENO);
	close(real_stderr);
	real_stderr = -1;
	bytes = lseek(log_fd, 0, SEEK_END);
	n = pread(log_fd, text, sizeof(text) - 1,
		  bytes < (off_t)sizeof(text) ? 0 : bytes - (off_t)sizeof(text) + 1);
	close(log_fd);
	text[n < 0 ? 0 : n] = '\0';
	return text;
}
