/* SPDX-License-Identifier: MIT */
/*
 * Swap files: they are 0600 and unlinked at once unless kept, never reached through a symlink,
 * preallocated and locked. An existing file is accepted only if it is safe.
 */
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "swap_test.h"

#define refused(error, message, ...)                             \
	do {                                                     \
		int result;                                      \
                                                                 \
		swap_test_log_start();                           \
		result = swap_test_try(__VA_ARGS__);             \
		swap_test_log_has(swap_test_log_end(), message); \
		zcs_assert_is(result, error);                    \
	} while (0)

static void make_file(const char *path, unsigned mode, off_t bytes)
{
	int fd = open(path, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	zcs_assert_ok(ftruncate(fd, bytes));
	zcs_assert_ok(fchmod(fd, mode));
	close(fd);
}

/*
 * Not inlined: the sanitizers' checks of stat() have gcc believe that @path may be NULL from then
 * on.
 */
static __attribute__((noinline)) struct stat stat_path(const char *path)
{
	struct stat st;

	zcs_assert_ok(stat(path, &st));
	return st;
}

static struct stat stat_dev(const struct zcs_swap *swap)
{
	struct stat st;

	zcs_assert_ok(fstat(swap->dev[0].fd, &st));
	return st;
}

static void a_file_is_private_unlinked_and_preallocated(void **state)
{
	const char *path = swap_test_path();
	mode_t mask = umask(0);
	struct zcs_swap *swap = swap_test_open("file:%s?size=5M", path);
	struct stat st = stat_dev(swap);

	(void)state;
	umask(mask);
	zcs_assert_is(access(path, F_OK), -1);
	zcs_assert_is(st.st_mode & 07777, 0600);
	zcs_assert_is(st.st_nlink, 0);
	zcs_assert_is(st.st_size, 5 << 20);
	assert_true(st.st_blocks * 512 >= 5 << 20);
	/* whole clusters only */
	zcs_assert_is(zcs_swap_avail(swap), 4 << 20);
	swap_test_done(swap);
}

static void a_file_without_a_name_lies_in_tmpdir(void **state)
{
	const char *dir = swap_test_path(), *tmpdir = getenv("TMPDIR");
	char *old = tmpdir ? strdup(tmpdir) : NULL;
	struct stat in_dir, st;
	struct zcs_swap *swap;

	(void)state;
	zcs_assert_ok(mkdir(dir, 0700));
	setenv("TMPDIR", dir, 1);
	swap = swap_test_open("file:?size=2M");
	st = stat_dev(swap);
	in_dir = stat_path(dir);
	zcs_assert_is(st.st_dev, (int64_t)in_dir.st_dev);
	zcs_assert_is(st.st_nlink, 0);
	zcs_assert_is(st.st_mode & 07777, 0600);
	/* rmdir() works only if nothing is in there */
	zcs_assert_ok(rmdir(dir));
	swap_test_done(swap);
	refused(-ENOENT, "cannot be opened: No such file", "file:?size=2M");
	if (old)
		setenv("TMPDIR", old, 1);
	else
		unsetenv("TMPDIR");
	free(old);
}

static void a_kept_file_stays_and_is_used_again(void **state)
{
	const char *path = swap_test_path();
	struct stat st;

	(void)state;
	zcs_assert_ok(swap_test_try("file:%s?size=4M&keep=1", path));
	st = stat_path(path);
	zcs_assert_is(st.st_mode & 07777, 0600);
	zcs_assert_is(st.st_size, 4 << 20);
	zcs_assert_ok(swap_test_try("file:%s?keep=1", path));
	zcs_assert_ok(swap_test_try("file:%s?keep=1&size=6M", path));
	st = stat_path(path);
	zcs_assert_is(st.st_size, 6 << 20);
}

static void a_file_that_exists_is_not_taken_unless_kept(void **state)
{
	const char *path = swap_test_path();
	struct stat st;

	(void)state;
	make_file(path, 0600, 12345);
	refused(-EEXIST, "exists; remove it, or use it with keep=1", "file:%s?size=2M", path);
	st = stat_path(path);
	zcs_assert_is(st.st_size, 12345);
}

static void symlinks_are_never_followed(void **state)
{
	const char *target = swap_test_path(), *link = swap_test_path(),
		   *nowhere = swap_test_path();
	struct stat st;

	(void)state;
	make_file(target, 0600, 4 << 20);
	zcs_assert_ok(symlink(target, link));
	refused(-EEXIST, "exists", "file:%s?size=2M", link);
	refused(-ELOOP, "is a symlink, which is never followed", "file:%s?size=2M&keep=1", link);
	zcs_assert_ok(unlink(link));
	zcs_assert_ok(symlink(nowhere, link));
	refused(-EEXIST, "exists", "file:%s?size=2M", link);
	refused(-ELOOP, "is a symlink", "file:%s?size=2M&keep=1", link);
	zcs_assert_is(access(nowhere, F_OK), -1);
	st = stat_path(target);
	zcs_assert_is(st.st_size, 4 << 20);
}

static void an_existing_file_must_be_the_callers_alone(void **state)
{
	const char *path = swap_test_path(), *other = swap_test_path();

	(void)state;
	make_file(path, 0640, 4 << 20);
	refused(-EPERM, "may be read by others; chmod 600", "file:%s?keep=1", path);
	zcs_assert_ok(chmod(path, 0600));
	zcs_assert_ok(link(path, other));
	refused(-EPERM, "has another name", "file:%s?keep=1", path);
	zcs_assert_ok(unlink(other));
	zcs_assert_ok(swap_test_try("file:%s?keep=1", path));
	if (chown(path, 12345, (gid_t)-1))
		zcs_test_skip_case("no right to give a file to another user");
	refused(-EPERM, "belongs to another user", "file:%s?keep=1", path);
}

static void only_regular_files_are_files(void **state)
{
	const char *fifo = swap_test_path(), *dir = swap_test_path();

	(void)state;
	zcs_assert_ok(mkfifo(fifo, 0600));
	refused(-EINVAL, "is not a regular file", "file:%s?keep=1&size=2M", fifo);
	zcs_assert_ok(mkdir(dir, 0700));
	refused(-EISDIR, "is a directory; name a file in it", "file:%s?keep=1&size=2M", dir);
	refused(-EISDIR, "is a directory; name a file in it", "file:%s?size=2M", dir);
	refused(-EINVAL, "is not a regular file", "file:/dev/null?keep=1&size=2M");
}

static void a_file_that_is_too_small_is_refused(void **state)
{
	const char *path = swap_test_path(), *empty = swap_test_path();

	(void)state;
	refused(-EINVAL, "is too small; 2 MiB is the least", "file:%s?size=2047K", path);
	zcs_assert_is(access(path, F_OK), -1);
	refused(-EINVAL, "size= is needed for a new file", "file:%s", path);
	refused(-EINVAL, "size= is needed for a new file", "file:%s?keep=1", empty);
	zcs_assert_is(access(empty, F_OK), -1);
	make_file(path, 0600, (2 << 20) - 1);
	refused(-EINVAL, "is too small", "file:%s?keep=1", path);
	zcs_assert_ok(swap_test_try("file:%s?keep=1&size=2M", path));
}

static void a_kept_file_is_locked(void **state)
{
	const char *path = swap_test_path();
	struct zcs_swap *swap = swap_test_open("file:%s?size=2M&keep=1", path);

	(void)state;
	refused(-EBUSY, "is in use by another store", "file:%s?keep=1", path);
	refused(-EBUSY, "is in use by another store", "file:%s?keep=1&size=8M", path);
	zcs_assert_is(stat_dev(swap).st_size, 2 << 20);
	swap_test_done(swap);
	zcs_assert_ok(swap_test_try("file:%s?keep=1", path));
	zcs_test_fault("lock", 0, 1, 0);
	refused(-EBUSY, "is in use by another store", "file:%s?keep=1", path);
}

static void no_space_leaves_nothing_behind(void **state)
{
	const char *path = swap_test_path(), *old = swap_test_path();
	struct stat st;

	(void)state;
	make_file(old, 0600, 2 << 20);
	zcs_test_fault("fallocate", 0, 0, ENOSPC);
	refused(-ENOSPC, "4 MiB cannot be reserved: No space left", "file:%s?size=4M", path);
	zcs_assert_is(access(path, F_OK), -1);
	refused(-ENOSPC, "cannot be reserved", "file:%s?size=4M&keep=1", path);
	zcs_assert_is(access(path, F_OK), -1);
	refused(-ENOSPC, "cannot be reserved", "file:%s?size=4M&keep=1", old);
	st = stat_path(old);
	zcs_assert_is(st.st_size, 2 << 20);
}

static void without_fallocate_the_file_is_sparse_and_says_so(void **state)
{
	struct zcs_swap *swap;
	char text[1024];

	(void)state;
	zcs_test_fault("fallocate", 0, 1, EOPNOTSUPP);
	swap = swap_test_open("file:?size=4M");
	zcs_assert_is(stat_dev(swap).st_size, 4 << 20);
	zcs_swap_text(swap, text, sizeof(text));
	swap_test_log_has(text, "not preallocated");
	swap_test_done(swap);
}

static void the_limit_of_file_sizes_is_an_error_not_a_signal(void **state)
{
	struct rlimit old, small;

	(void)state;
	zcs_assert_ok(getrlimit(RLIMIT_FSIZE, &old));
	small = (struct rlimit){ .rlim_cur = 3 << 20, .rlim_max = old.rlim_max };
	zcs_assert_ok(setrlimit(RLIMIT_FSIZE, &small));
	refused(-EFBIG, "is over the limit of file sizes", "file:?size=4M");
	zcs_assert_ok(swap_test_try("file:?size=2M"));
	zcs_assert_ok(setrlimit(RLIMIT_FSIZE, &old));
}

static void what_cannot_be_opened_says_why(void **state)
{
	(void)state;
	refused(-ENOENT, "/no/such/dir/swap: cannot be opened: No such file",
		"file:/no/such/dir/swap?size=2M");
	zcs_test_fault("open", 0, 0, 0);
	refused(-EACCES, "cannot be opened: Permission denied", "file:?size=2M");
	zcs_test_fault("open", 0, 0, ETXTBSY);
	refused(-ETXTBSY, "is in use by the kernel", "file:%s?keep=1&size=2M", swap_test_path());
}

static void a_swap_in_ram_is_warned_of(void **state)
{
	char path[64];

	(void)state;
	snprintf(path, sizeof(path), "/dev/shm/zcswap-test-%d", (int)getpid());
	if (access("/dev/shm", W_OK))
		zcs_test_skip_case("there is no tmpfs at /dev/shm");
	refused(0, "lies in RAM (tmpfs)", "file:%s?size=2M", path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		swap_test(a_file_is_private_unlinked_and_preallocated),
		swap_test(a_file_without_a_name_lies_in_tmpdir),
		swap_test(a_kept_file_stays_and_is_used_again),
		swap_test(a_file_that_exists_is_not_taken_unless_kept),
		swap_test(symlinks_are_never_followed),
		swap_test(an_existing_file_must_be_the_callers_alone),
		swap_test(only_regular_files_are_files),
		swap_test(a_file_that_is_too_small_is_refused),
		swap_test(a_kept_file_is_locked),
		swap_test(no_space_leaves_nothing_behind),
		swap_test(without_fallocate_the_file_is_sparse_and_says_so),
		swap_test(the_limit_of_file_sizes_is_an_error_not_a_signal),
		swap_test(what_cannot_be_opened_says_why),
		swap_test(a_swap_in_ram_is_warned_of),
	};

	return zcs_test_run(tests);
}
