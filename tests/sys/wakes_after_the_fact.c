/* SPDX-License-Identifier: MIT */
/*
 * A thread that begins to wait just too late for the kernel's own wake: the area was taken out of
 * the userfaultfd, or the page was mapped, between its fault and its place in the queue. Only a
 * wake after the fact reaches it.
 *
 * That moment cannot be hit, so it is made: the thread waits, and then its page is put into an area
 * of its own that is not registered, or is mapped with a CONTINUE that wakes nobody.
 */
#include <linux/userfaultfd.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "zcs_test.h"

#include "arena/arena.h"
#include "sys/sys.h"

#define ORDER 3u
#define NR    (1u << ORDER)
#define PAGE  3u /* that is touched */
#define BYTE  0x5au

struct waiter {
	struct zcs_arena *arena;
	uint64_t pfn;
	pthread_t thread;
	unsigned char byte;
	atomic_bool over;
};

static char *page_of(const struct waiter *w)
{
	return zcs_arena_user(w->arena, w->pfn + PAGE);
}

static void *touch(void *arg)
{
	struct waiter *w = arg;

	w->byte = *(volatile unsigned char *)page_of(w);
	w->over = true;
	return NULL;
}

/* Populated, zapped and registered, and a thread waits for one of its pages. */
static void begin(struct waiter *w)
{
	struct zcs_sys_touch report = { 0 };
	unsigned ms = 0;
	bool huge;

	*w = (struct waiter){ 0 };
	zcs_assert_ok(zcs_arena_create(ZCS_ARENA_SMALL, 0, ZCS_UNIT_PAGES, &w->arena));
	assert_true(w->arena->uffd >= 0);
	zcs_assert_ok(zcs_arena_get_run(w->arena, NR, &w->pfn));
	zcs_assert_ok(zcs_arena_populate(w->arena, w->pfn, ORDER, 0, &huge));
	*zcs_arena_bytes(w->arena, w->pfn + PAGE) = BYTE;
	zcs_assert_ok(zcs_arena_zap(w->arena, w->pfn, NR));
	zcs_assert_ok(pthread_create(&w->thread, NULL, touch, w));
	while (zcs_sys_uffd_read(w->arena->uffd, &report) && ms++ < 10000)
		usleep(1000);
	assert_int_equal(report.addr, (uintptr_t)page_of(w));
}

static void end(struct waiter *w)
{
	for (unsigned ms = 0; !w->over && ms < 10000; ms++)
		usleep(1000);
	assert_true(w->over);
	pthread_join(w->thread, NULL);
	assert_int_equal(w->byte, BYTE);
	zcs_arena_put_run(w->arena, w->pfn, NR);
	zcs_arena_destroy(w->arena);
}

static void is_waiting(struct waiter *w)
{
	usleep(20000);
	assert_false(w->over);
}

/* The page in an area of its own, which no userfaultfd knows. */
static void leave_the_area(struct waiter *w)
{
	off_t at = (off_t)(w->arena->offset + (w->pfn + PAGE) * ZCS_PAGE_SIZE);

	assert_true(mmap(page_of(w), ZCS_PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED,
			 w->arena->fd, at) != MAP_FAILED);
	is_waiting(w);
}

static void an_unregister_that_finds_nothing_wakes(void **state)
{
	struct waiter w;

	(void)state;
	begin(&w);
	leave_the_area(&w);
	zcs_assert_ok(zcs_sys_uffd_unregister(w.arena->uffd, page_of(&w), ZCS_PAGE_SIZE));
	end(&w);
}

static void a_continue_of_what_is_mapped_wakes(void **state)
{
	struct uffdio_continue quiet = { .mode = UFFDIO_CONTINUE_MODE_DONTWAKE };
	struct waiter w;

	(void)state;
	begin(&w);
	quiet.range.start = (uintptr_t)page_of(&w);
	quiet.range.len = ZCS_PAGE_SIZE;
	zcs_assert_ok(ioctl(w.arena->uffd, UFFDIO_CONTINUE, &quiet));
	is_waiting(&w);
	zcs_assert_ok(zcs_sys_uffd_continue(w.arena->uffd, page_of(&w), ZCS_PAGE_SIZE,
					    ZCS_PAGE_SIZE, false));
	end(&w);
}

/*
 * No mapping can be split any more, so the range is mapped page by page; one page of it is not
 * registered.
 */
static void a_map_without_a_split_wakes_all_of_the_range(void **state)
{
	struct waiter w;

	(void)state;
	begin(&w);
	leave_the_area(&w);
	w.arena->served = true;
	zcs_test_fault("uffdio_unregister", 0, 0, ENOMEM);
	zcs_assert_is(zcs_arena_map(w.arena, w.pfn, NR, false), 1);
	zcs_test_faults_off();
	end(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		zcs_test(an_unregister_that_finds_nothing_wakes),
		zcs_test(a_continue_of_what_is_mapped_wakes),
		zcs_test(a_map_without_a_split_wakes_all_of_the_range),
	};
	bool kernel, wp;
	int uffd = zcs_sys_uffd(&kernel, &wp);

	if (uffd < 0)
		zcs_test_skip("no userfaultfd here");
	close(uffd);
	return zcs_test_run(tests);
}
