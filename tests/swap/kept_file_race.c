/* SPDX-License-Identifier: MIT */
/*
 * Two stores that make the same kept file at the same time: one gets it, and the other takes
 * nothing away from it. What the other one does happens just before the library locks the file,
 * where it is made to call the test.
 */
#include <fcntl.h>
#include <stdarg.h>
#include <unistd.h>

#include "swap_test.h"

static void (*before_lock)(void);
static const char *path;
static struct zcs_swap *winner;

int __real_fcntl64(int fd, int cmd, ...);
int __wrap_fcntl64(int fd, int cmd, ...);

int __wrap_fcntl64(int fd, int cmd, ...)
{
	void (*other)(void) = before_lock;
	va_list ap;
	void *arg;

	va_start(ap, cmd);
	arg = va_arg(ap, void *);
	va_end(ap);
	if (cmd == F_OFD_SETLK && other) {
		before_lock = NULL;
		other();
	}
	return __real_fcntl64(fd, cmd, arg);
}

static void refused(int err, const char *text)
{
	swap_test_log_start();
	zcs_assert_is(swap_test_try("file:%s?size=2M&keep=1", path), err);
	swap_test_log_has(swap_test_log_end(), text);
	assert_null(before_lock);
}

static void be_quicker(void)
{
	winner = swap_test_open("file:%s?size=2M&keep=1", path);
}

static void whoever_made_it_does_not_remove_it(void **state)
{
	(void)state;
	path = swap_test_path();
	before_lock = be_quicker;
	refused(-EBUSY, "is in use by another store");
	zcs_assert_is(access(path, F_OK), 0);
	refused(-EBUSY, "is in use by another store");
	swap_test_done(winner);
	zcs_assert_ok(swap_test_try("file:%s?keep=1", path));
}

static void remove_it(void)
{
	zcs_assert_is(unlink(path), 0);
}

/*
 * A store that made the file, and cannot use it after all, removes it. Another store that opened it
 * meanwhile must not keep an unlinked file.
 */
static void a_removed_one_is_not_used(void **state)
{
	(void)state;
	path = swap_test_path();
	zcs_assert_ok(swap_test_try("file:%s?size=2M&keep=1", path));
	before_lock = remove_it;
	refused(-EBUSY, "has just been removed");
	zcs_assert_is(access(path, F_OK), -1);
}

static void make_it_shorter(void)
{
	zcs_assert_is(truncate(path, 0), 0);
}

/* Until it is locked, others may change its size. */
static void its_size_is_that_of_the_locked_file(void **state)
{
	(void)state;
	path = swap_test_path();
	zcs_assert_ok(swap_test_try("file:%s?size=2M&keep=1", path));
	before_lock = make_it_shorter;
	swap_test_log_start();
	zcs_assert_is(swap_test_try("file:%s?keep=1", path), -EINVAL);
	swap_test_log_has(swap_test_log_end(), "size= is needed");
}

static void what_is_not_in_use_is_not_called_so(void **state)
{
	(void)state;
	path = swap_test_path();
	zcs_test_fault("lock", 0, 1, ENOLCK);
	refused(-ENOLCK, "cannot be locked: No locks available");
	zcs_test_fault_off("lock");
	/* this one was its maker's to remove */
	zcs_assert_is(access(path, F_OK), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		swap_test(whoever_made_it_does_not_remove_it),
		swap_test(a_removed_one_is_not_used),
		swap_test(its_size_is_that_of_the_locked_file),
		swap_test(what_is_not_in_use_is_not_called_so),
	};

	return zcs_test_run(tests);
}
