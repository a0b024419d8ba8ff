/* SPDX-License-Identifier: MIT */
/*
 * A zcs_pool_create_from_fd() that fails has not touched the file: after an error its content is as
 * before. The range is discarded last, when nothing else can fail.
 */
#include <linux/memfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include "zcs_test.h"

#define PAGES 1024u

static int filled_file(void)
{
	int fd = memfd_create("outside", MFD_CLOEXEC);
	char page[ZCS_PAGE_SIZE];

	assert_true(fd >= 0);
	for (uint64_t i = 0; i < PAGES; i++) {
		zcs_test_fill_page(page, 5, i);
		zcs_assert_is(pwrite(fd, page, sizeof(page), (off_t)(i * ZCS_PAGE_SIZE)),
			      sizeof(page));
	}
	return fd;
}

static bool is_filled(int fd)
{
	static char page[ZCS_PAGE_SIZE];

	for (uint64_t i = 0; i < PAGES; i++)
		if (pread(fd, page, sizeof(page), (off_t)(i * ZCS_PAGE_SIZE)) != sizeof(page) ||
		    !zcs_test_page_is(page, 5, i))
			return false;
	return true;
}

/* Call number @space of the point fails. False: no such call came, and the pool was made. */
static bool fails_at(int fd, const char *point, uint64_t space)
{
	struct zcs_pool *pool = NULL;
	uint64_t failed;
	int err;

	zcs_test_fault(point, space, 1, 0);
	err = zcs_pool_create_from_fd(NULL, fd, 0, PAGES * ZCS_PAGE_SIZE, &pool);
	failed = zcs_test_fault_failed(point);
	zcs_test_fault_off(point);
	if (err) {
		assert_null(pool);
		assert_true(failed);
		if (!is_filled(fd))
			fail_msg("%s, call %u: the content is gone", point, (unsigned)space);
		return true;
	}
	zcs_pool_destroy(pool);
	return failed;
}

static void a_failure_leaves_the_content(void **state)
{
	unsigned failures = 0;
	const char *point;

	(void)state;
	for (unsigned i = 0; (point = zcs_fault_name(i)); i++) {
		int fd = filled_file();

		for (uint64_t space = 0; fails_at(fd, point, space); space++) {
			failures++;
			if (!is_filled(fd)) { /* what failed could be done without */
				close(fd);
				fd = filled_file();
			}
		}
		close(fd);
	}
	assert_true(failures > 5);
}

/* It is the file that -EOPNOTSUPP tells something of. */
static void a_shortage_is_enomem(void **state)
{
	static const int errors[] = { EMFILE, ENFILE, ENOMEM, EAGAIN };
	int fd = filled_file();

	(void)state;
	for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
		struct zcs_pool *pool = NULL;

		zcs_test_fault("dupfd", 0, 1, errors[i]);
		zcs_assert_is(zcs_pool_create_from_fd(NULL, fd, 0, PAGES * ZCS_PAGE_SIZE, &pool),
			      -ENOMEM);
		zcs_test_fault_off("dupfd");
		assert_true(is_filled(fd));
	}
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		zcs_test(a_failure_leaves_the_content),
		zcs_test(a_shortage_is_enomem),
	};

	return zcs_test_run(tests);
}
