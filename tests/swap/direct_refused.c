/* SPDX-License-Identifier: MIT */
/*
 * A file system that refuses O_DIRECT: the swap goes through the page cache and says so, a write is
 * done only when it is on disk, and its pages do not stay in the cache.
 */
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "swap_test.h"
#include "sys/sys.h"

static bool is_direct(const struct zcs_swap *swap)
{
	return fcntl(swap->dev[0].fd, F_GETFL) & O_DIRECT;
}

static void says(struct zcs_swap *swap, const char *what)
{
	char text[1024];

	zcs_swap_text(swap, text, sizeof(text));
	swap_test_log_has(text, what);
}

static void round_trip(struct zcs_swap *swap)
{
	char *out = swap_test_memory(512), *in = swap_test_memory(512);

	for (unsigned order = 0; order <= ZCS_CLUSTER_ORDER; order += 3) {
		uint32_t slot = swap_test_alloc(swap, order);

		zcs_test_fill(out, 6, order, 1u << order);
		zcs_assert_ok(swap_test_write(swap, slot, order, out));
		zcs_assert_ok(swap_test_read(swap, slot, order, in));
		assert_true(zcs_test_is(in, 6, order, 1u << order));
		memset(in, 0, 512 * ZCS_PAGE_SIZE);
		zcs_assert_ok(zcs_swap_read(swap, slot, order, in));
		assert_true(zcs_test_is(in, 6, order, 1u << order));
	}
}

static void a_refusal_leads_to_buffered_io(void **state)
{
	struct zcs_swap *swap;

	(void)state;
	zcs_test_fault("open_direct", 0, 0, 0);
	swap = swap_test_open("file:?size=8M");
	assert_false(is_direct(swap));
	zcs_assert_is(swap_test_stats(swap).direct, 0);
	zcs_assert_is(swap_test_stats(swap).buffered, 1);
	says(swap, "buffered");
	round_trip(swap);
	swap_test_done(swap);
}

static void a_refusal_of_the_first_transfer_does_too(void **state)
{
	struct zcs_swap *swap;

	(void)state;
	zcs_test_fault("read", 0, 1, EINVAL);
	swap = swap_test_open("file:?size=8M");
	assert_false(is_direct(swap));
	round_trip(swap);
	swap_test_done(swap);
}

static void it_may_be_asked_for_or_against(void **state)
{
	struct zcs_swap *swap;

	(void)state;
	zcs_test_fault("open_direct", 0, 0, 0);
	swap_test_log_start();
	zcs_assert_is(swap_test_try("file:?size=8M&direct=1"), -EOPNOTSUPP);
	swap_test_log_has(swap_test_log_end(), "direct=1, but the file system refuses O_DIRECT");
	zcs_test_faults_off();
	swap = swap_test_open("file:?size=8M&direct=0");
	assert_false(is_direct(swap));
	round_trip(swap);
	swap_test_done(swap);
	swap = swap_test_open("file:?size=8M");
	if (swap_test_stats(swap).buffered) {
		swap_test_done(swap);
		zcs_test_skip_case("TMPDIR's file system refuses O_DIRECT");
	}
	assert_true(is_direct(swap));
	says(swap, "direct");
	swap_test_done(swap);
}

static void an_unreadable_file_is_no_refusal(void **state)
{
	(void)state;
	zcs_test_fault("read", 0, 1, EIO);
	swap_test_log_start();
	zcs_assert_is(swap_test_try("file:?size=8M"), -EIO);
	swap_test_log_has(swap_test_log_end(), "cannot be read: Input/output error");
}

static void an_error_of_writing_out_is_an_error_of_the_write(void **state)
{
	struct zcs_swap *swap = swap_test_open("file:?size=8M&direct=0");
	char *page = swap_test_memory(1), *in = swap_test_memory(1);
	uint32_t slot = swap_test_alloc(swap, 0);

	(void)state;
	zcs_test_fill(page, 1, 1, 1);
	zcs_test_fault("sync_file_range", 0, 1, 0);
	swap_test_log_start();
	zcs_assert_is(swap_test_write(swap, slot, 0, page), -EIO);
	swap_test_log_has(swap_test_log_end(), "write of slot 0");
	zcs_assert_is(swap_test_stats(swap).write_errors, 1);
	zcs_test_fault("sync_file_range", 0, 5, EINTR);
	zcs_assert_ok(swap_test_write(swap, slot, 0, page));
	zcs_assert_is(swap_test_stats(swap).retries, 5);
	zcs_assert_ok(zcs_swap_read(swap, slot, 0, in));
	assert_memory_equal(page, in, ZCS_PAGE_SIZE);
	swap_test_done(swap);
}

static unsigned cached_pages(int fd, size_t bytes)
{
	unsigned char in_core[512];
	unsigned nr = 0;
	char *p = mmap(NULL, bytes, PROT_READ, MAP_SHARED, fd, 0);

	assert_true(p != MAP_FAILED && bytes / ZCS_PAGE_SIZE <= sizeof(in_core));
	zcs_assert_ok(mincore(p, bytes, in_core));
	for (size_t i = 0; i < bytes / ZCS_PAGE_SIZE; i++)
		nr += in_core[i] & 1;
	munmap(p, bytes);
	return nr;
}

static void what_was_written_leaves_the_page_cache(void **state)
{
	struct zcs_swap *swap = swap_test_open("file:?size=2M&direct=0");
	char *memory = swap_test_memory(512);
	struct zcs_sys_file file;
	uint32_t slot = swap_test_alloc(swap, ZCS_CLUSTER_ORDER);

	(void)state;
	zcs_assert_ok(zcs_sys_file(swap->dev[0].fd, &file));
	if (file.memory) {
		swap_test_done(swap);
		zcs_test_skip_case("TMPDIR lies in RAM");
	}
	memset(memory, 3, 512 * ZCS_PAGE_SIZE);
	zcs_assert_ok(swap_test_write(swap, slot, ZCS_CLUSTER_ORDER, memory));
	assert_in_range(cached_pages(swap->dev[0].fd, 512 * ZCS_PAGE_SIZE), 0, 32);
	zcs_assert_ok(swap_test_read(swap, slot, ZCS_CLUSTER_ORDER, memory));
	assert_in_range(cached_pages(swap->dev[0].fd, 512 * ZCS_PAGE_SIZE), 0, 32);
	swap_test_done(swap);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		swap_test_both(a_refusal_leads_to_buffered_io),
		swap_test_both(a_refusal_of_the_first_transfer_does_too),
		swap_test(it_may_be_asked_for_or_against),
		swap_test(an_unreadable_file_is_no_refusal),
		swap_test_both(an_error_of_writing_out_is_an_error_of_the_write),
		swap_test_both(what_was_written_leaves_the_page_cache),
	};

	return zcs_test_run(tests);
}
