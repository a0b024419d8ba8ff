/* SPDX-License-Identifier: MIT */
/*
 * The negative control of the race test: its writers (words.h) against an eviction of two steps, an
 * anonymous mapping put over the range and then registered. A touch between the two is served by
 * the kernel with a zero page, and a write there is lost. If this is not caught, the race test
 * proves nothing.
 *
 * A writer comes by again and sees it before the end, so that the comparison in the end has a
 * control of its own: words that get lost when no thread writes any more.
 */
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "../trouble/seed.h"
#include "bo_test.h"
#include "words.h"

#define PAGES  64u
#define BYTES  (PAGES * ZCS_PAGE_SIZE)
#define MS     200u
#define ROUNDS 100u

struct naive {
	int memfd, uffd;
	char *at;
	struct words words;
	uint64_t end_ms;
	unsigned evictions;
};

static void unregister(struct naive *n)
{
	struct uffdio_range range = { (uintptr_t)n->at, BYTES };

	ioctl(n->uffd, UFFDIO_UNREGISTER, &range);
	ioctl(n->uffd, UFFDIO_WAKE, &range);
}

static void map_back(struct naive *n)
{
	mmap(n->at, BYTES, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, n->memfd, 0);
}

static void evict(struct naive *n)
{
	struct uffdio_register reg = { .range = { (uintptr_t)n->at, BYTES },
				       .mode = UFFDIO_REGISTER_MODE_MISSING };

	mmap(n->at, BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
	ioctl(n->uffd, UFFDIO_REGISTER, &reg);
}

/* Evicts, and restores when the first event comes or a little later. */
static uint64_t evict_and_restore(struct naive *n)
{
	struct pollfd fd = { .fd = n->uffd, .events = POLLIN };
	struct uffd_msg msg;

	while (bo_now_ms() < n->end_ms) {
		evict(n);
		n->evictions++;
		poll(&fd, 1, 1);
		if (read(n->uffd, &msg, sizeof(msg)) < 0)
			errno = 0;
		map_back(n);
		unregister(n);
	}
	return 0;
}

static uint64_t run(unsigned id, void *arg)
{
	struct naive *n = arg;

	return id < WORDS_WRITERS ? words_write(&n->words, id, n->end_ms) : evict_and_restore(n);
}

static void begin(struct naive *n)
{
	struct uffdio_api api = { .api = UFFD_API };

	*n = (struct naive){ .memfd = memfd_create("naive", MFD_CLOEXEC) };
	n->uffd =
		(int)syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK | 1 /* UFFD_USER_MODE_ONLY */);
	zcs_assert_ok(ioctl(n->uffd, UFFDIO_API, &api));
	zcs_assert_ok(ftruncate(n->memfd, BYTES));
	n->at = mmap(NULL, BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, n->memfd, 0);
	assert_true(n->at != MAP_FAILED);
	words_begin(&n->words, n->at, PAGES, seed_of_run());
}

static void end(struct naive *n)
{
	words_end(&n->words);
	munmap(n->at, BYTES);
	close(n->uffd);
	close(n->memfd);
}

static void an_eviction_in_two_steps_is_caught(void **state)
{
	struct naive n;
	uint64_t wrong = 0;

	(void)state;
	begin(&n);
	for (unsigned i = 0; !wrong && i < ROUNDS; i++) {
		n.end_ms = bo_now_ms() + MS;
		wrong = zcs_test_threads(WORDS_WRITERS + 1, run, &n);
	}
	print_message("# %u evictions, %" PRIu64 " writes, %" PRIu64 " wrong words\n", n.evictions,
		      (uint64_t)n.words.writes, wrong);
	assert_true(wrong > 0);
	end(&n);
}

static void what_is_lost_in_the_end_is_caught(void **state)
{
	struct naive n;

	(void)state;
	begin(&n);
	n.end_ms = bo_now_ms() + MS;
	zcs_assert_is(zcs_test_threads(WORDS_WRITERS, run, &n), 0);
	zcs_assert_is(words_compare(&n.words), 0);
	memset(n.at + 7 * ZCS_PAGE_SIZE, 0, ZCS_PAGE_SIZE);
	zcs_assert_is(words_compare(&n.words), WORDS_WRITERS);
	end(&n);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		zcs_test(an_eviction_in_two_steps_is_caught),
		zcs_test(what_is_lost_in_the_end_is_caught),
	};

#ifdef __SANITIZE_THREAD__
	zcs_test_skip("ThreadSanitizer sees the race itself");
#endif
	if (!bo_has_userfaultfd())
		zcs_test_skip("no userfaultfd here");
	seed_of_run();
	return zcs_test_run(tests);
}
