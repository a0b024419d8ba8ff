/* SPDX-License-Identifier: MIT */
/* Functions that the tests of the swap share, see swap_test.h. */
#include <dirent.h>
#include <fcntl.h>
#include <stdarg.h>
#include <sys/mman.h>
#include <unistd.h>

#include "swap_test.h"

#define PATHS_MAX 512

static char *paths[PATHS_MAX];
static unsigned nr_paths;

int swap_test_setup_uring(void **state)
{
	if (zcs_test_has_uring())
		unsetenv("ZCSWAP_NO_URING");
	return zcs_test_setup(state);
}

int swap_test_setup_threads(void **state)
{
	zcs_test_has_uring();
	setenv("ZCSWAP_NO_URING", "1", 1);
	return zcs_test_setup(state);
}

static void remove_paths(void)
{
	for (unsigned i = 0; i < nr_paths; i++) {
		unlink(paths[i]);
		rmdir(paths[i]);
		free(paths[i]);
	}
}

const char *swap_test_path(void)
{
	const char *dir = getenv("TMPDIR");

	if (!nr_paths)
		atexit(remove_paths);
	assert_true(nr_paths < PATHS_MAX);
	if (asprintf(&paths[nr_paths], "%s/zcswap-test-%d-%u", dir && *dir ? dir : "/tmp",
		     (int)getpid(), nr_paths) < 0)
		fail_msg("out of memory");
	return paths[nr_paths++];
}

static void format_spec(char *spec, size_t size, const char *fmt, va_list ap)
{
	assert_in_range(vsnprintf(spec, size, fmt, ap), 0, size - 1);
}

struct zcs_swap *swap_test_open(const char *fmt, ...)
{
	struct zcs_swap *swap = NULL;
	char spec[4096];
	va_list ap;

	va_start(ap, fmt);
	format_spec(spec, sizeof(spec), fmt, ap);
	va_end(ap);
	zcs_assert_ok(zcs_swap_open(spec, &swap));
	assert_non_null(swap);
	return swap;
}

int swap_test_try(const char *fmt, ...)
{
	struct zcs_swap *swap = NULL;
	char spec[4096];
	va_list ap;
	int err;

	va_start(ap, fmt);
	format_spec(spec, sizeof(spec), fmt, ap);
	va_end(ap);
	err = zcs_swap_open(spec, &swap);
	if (err)
		assert_null(swap);
	else
		zcs_assert_ok(zcs_swap_check(swap));
	zcs_swap_close(swap);
	return err;
}

void swap_test_done(struct zcs_swap *swap)
{
	struct zcs_swap_stats st;

	zcs_test_faults_off();
	zcs_swap_drain(swap);
	st = swap_test_stats(swap);
	zcs_assert_is(st.queued, 0);
	zcs_assert_is(st.in_flight, 0);
	zcs_assert_ok(zcs_swap_check(swap));
	zcs_swap_close(swap);
}

struct zcs_swap_stats swap_test_stats(struct zcs_swap *swap)
{
	struct zcs_swap_stats st;

	zcs_swap_stats(swap, &st);
	zcs_assert_is(st.free + st.used + st.retired, (int64_t)st.slots);
	zcs_assert_is(zcs_swap_avail(swap), (int64_t)(st.free * ZCS_SLOT_BYTES));
	return st;
}

uint32_t swap_test_alloc(struct zcs_swap *swap, unsigned order)
{
	uint32_t slot = UINT32_MAX;

	zcs_assert_ok(zcs_swap_alloc(swap, order, &slot));
	zcs_assert_is(slot % (1u << order), 0);
	return slot;
}

char *swap_test_memory(uint64_t nr_pages)
{
	char *p = mmap(NULL, nr_pages * ZCS_PAGE_SIZE, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	assert_true(p != MAP_FAILED);
	return p;
}

static void io_done(struct zcs_swap_req *req, int err)
{
	struct swap_test_io *io = req->user;

	io->err = err;
	if (io->counter)
		io->place = atomic_fetch_add(io->counter, 1) + 1;
	sem_post(&io->done);
}

void swap_test_prepare(struct swap_test_io *io, enum zcs_swap_op op, uint32_t slot, unsigned order,
		       void *addr)
{
	memset(io, 0, sizeof(*io));
	sem_init(&io->done, 0, 0);
	io->err = 1;
	io->req = (struct zcs_swap_req){
		.op = op,
		.order = order,
		.slot = slot,
		.addr = addr,
		.done = io_done,
		.user = io,
	};
}

void swap_test_submit(struct zcs_swap *swap, struct swap_test_io *io, enum zcs_swap_op op,
		      uint32_t slot, unsigned order, void *addr)
{
	swap_test_prepare(io, op, slot, order, addr);
	zcs_swap_submit(swap, &io->req);
}

void swap_test_submit_with(struct zcs_swap *swap, struct swap_test_io *io, void *page,
			   void (*done)(struct zcs_swap_req *req, int err), void *user)
{
	swap_test_prepare(io, ZCS_SWAP_WRITE, swap_test_alloc(swap, 0), 0, page);
	io->req.done = done;
	io->req.user = user;
	zcs_swap_submit(swap, &io->req);
}

int swap_test_wait(struct swap_test_io *io)
{
	while (sem_wait(&io->done))
		if (errno != EINTR)
			fail_msg("sem_wait: %s", strerror(errno));
	return io->err;
}

int swap_test_write(struct zcs_swap *swap, uint32_t slot, unsigned order, void *addr)
{
	struct swap_test_io io;

	swap_test_submit(swap, &io, ZCS_SWAP_WRITE, slot, order, addr);
	return swap_test_wait(&io);
}

int swap_test_read(struct zcs_swap *swap, uint32_t slot, unsigned order, void *addr)
{
	struct swap_test_io io;

	swap_test_submit(swap, &io, ZCS_SWAP_READ, slot, order, addr);
	return swap_test_wait(&io);
}

static void held_done(struct zcs_swap_req *req, int err)
{
	struct swap_test_hold *hold = req->user;
	unsigned i = 0;

	while (&hold->io[i].req != req)
		i++;
	hold->io[i].err = err;
	sem_post(&hold->io[i].done);
	while (sem_wait(&hold->go))
		;
}

/* One request after the other, so that each holds a thread of its own. */
void swap_test_hold(struct zcs_swap *swap, struct swap_test_hold *hold)
{
	char *page = swap_test_memory(1);

	hold->nr = swap_test_stats(swap).uring ? 1 : ZCS_SWAP_THREADS;
	sem_init(&hold->go, 0, 0);
	for (unsigned i = 0; i < hold->nr; i++) {
		swap_test_submit_with(swap, &hold->io[i], page, held_done, hold);
		zcs_assert_ok(swap_test_wait(&hold->io[i]));
	}
}

void swap_test_let_go(struct swap_test_hold *hold)
{
	for (unsigned i = 0; i < hold->nr; i++)
		sem_post(&hold->go);
}

static int real_stderr = -1, log_fd;

void swap_test_log_start(void)
{
	fflush(stderr);
	real_stderr = dup(STDERR_FILENO);
	log_fd = memfd_create("stderr of a test", MFD_CLOEXEC);
	assert_true(real_stderr >= 0 && log_fd >= 0);
	dup2(log_fd, STDERR_FILENO);
}

const char *swap_test_log_end(void)
{
	static char text[16384];
	ssize_t n;

	dup2(real_stderr, STDERR_FILENO);
	close(real_stderr);
	n = pread(log_fd, text, sizeof(text) - 1, 0);
	close(log_fd);
	text[n < 0 ? 0 : n] = '\0';
	return text;
}

void swap_test_peek(const char *path, uint64_t offset, void *bytes, size_t nr)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	assert_true(fd >= 0);
	zcs_assert_is(pread(fd, bytes, nr, (off_t)offset), (int64_t)nr);
	close(fd);
}

void swap_test_poke(const char *path, uint64_t offset, const void *bytes, size_t nr)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	assert_true(fd >= 0);
	zcs_assert_is(pwrite(fd, bytes, nr, (off_t)offset), (int64_t)nr);
	zcs_assert_ok(fsync(fd));
	close(fd);
}
