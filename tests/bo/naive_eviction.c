/* SPDX-License-Identifier: MIT */
/*
 * The negative control of the race test: the same writers against an eviction of two steps, an anonymous
 * mapping put over the range and then registered. A touch between the two is served by the kernel with a zero
 * page, and what is written there is lost. If this is not caught, the race test proves nothing.
 */
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <poll.h>
#include <stdatomic.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "bo_test.h"

#define BYTES (64u * ZCS_PAGE_SIZE)

struct naive {
	int memfd, uffd;
	char *at;
	uint64_t end_ms;
	atomic_bool stop;
	_Atomic unsigned evictions;
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

static uint64_t write_words(struct naive *n)
{
	static uint64_t expected[BYTES / ZCS_PAGE_SIZE];
	uint64_t wrong = 0;

	for (uint64_t i = 0; !wrong && bo_now_ms() < n->end_ms;) {
		for (unsigned k = 0; k < 4096; k++, i++) {
			uint64_t page = i % (BYTES / ZCS_PAGE_SIZE);
			volatile uint64_t *w =
				(volatile uint64_t *)(void *)(n->at + page * ZCS_PAGE_SIZE);

			wrong += *w != expected[page];
			*w = ++expected[page];
		}
	}
	n->stop = true;
	return wrong;
}

/* Evicts, and restores when the first event comes or a little later. */
static uint64_t evict_and_restore(struct naive *n)
{
	struct pollfd fd = { .fd = n->uffd, .events = POLLIN };
	struct uffd_msg msg;

	while (!n->stop) {
		evict(n);
		n->evictions++;
		poll(&fd, 1, 1);
		if (read(n->uffd, &msg, sizeof(msg)) < 0)
			errno = 0;
		map_back(n);
		unregister(n);
	}
	map_back(n);
	unregister(n);
	return 0;
}

static uint64_t run(unsigned id, void *arg)
{
	return id ? evict_and_restore(arg) : write_words(arg);
}

static void an_eviction_in_two_steps_is_caught(void **state)
{
	struct uffdio_api api = { .api = UFFD_API };
	struct naive n = { .memfd = memfd_create("naive", MFD_CLOEXEC) };
	uint64_t wrong;

	(void)state;
	n.uffd =
		(int)syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK | 1 /* UFFD_USER_MODE_ONLY */);
	zcs_assert_ok(ioctl(n.uffd, UFFDIO_API, &api));
	zcs_assert_ok(ftruncate(n.memfd, BYTES));
	n.at = mmap(NULL, BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, n.memfd, 0);
	assert_true(n.at != MAP_FAILED);
	n.end_ms = bo_now_ms() + 20000;
	wrong = zcs_test_threads(2, run, &n);
	print_message("# %u evictions, %" PRIu64 " wrong words\n", (unsigned)n.evictions, wrong);
	assert_true(wrong > 0);
	munmap(n.at, BYTES);
	close(n.uffd);
	close(n.memfd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		zcs_test(an_eviction_in_two_steps_is_caught),
	};

#ifdef __SANITIZE_THREAD__
	zcs_test_skip("ThreadSanitizer sees the race itself");
#endif
	if (!bo_has_userfaultfd())
		zcs_test_skip("no userfaultfd here");
	return zcs_test_run(tests);
}
