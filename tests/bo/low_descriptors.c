/* SPDX-License-Identifier: MIT */
/*
 * A program that was started with 0, 1 and 2 closed, as daemons are: no descriptor of the library
 * may be one of these. Otherwise the output of the program and the library would be written into an
 * arena or a swap file.
 */
#include <dirent.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "bo_test.h"

/* The state of descriptors 0 to 2; they are not inherited open by the child. */
static unsigned low_ones(char *what, size_t room)
{
	unsigned nr = 0;

	*what = '\0';
	for (int fd = 0; fd < 3; fd++) {
		char name[32], target[128];
		ssize_t n;

		snprintf(name, sizeof(name), "/proc/self/fd/%d", fd);
		n = readlink(name, target, sizeof(target) - 1);
		if (n < 0)
			continue;
		target[n] = '\0';
		nr++;
		snprintf(what + strlen(what), room - strlen(what), " %d: %s;", fd, target);
	}
	return nr;
}

static int report(int out, const char *when, const char *what)
{
	dprintf(out, "%s:%s\n", when, what);
	return 1;
}

/*
 * Everything that makes descriptors: arenas, their page maps and userfaultfds, rings, events, swap
 * files.
 */
static int use_a_device(int out, enum zcs_backing backing, const char *store)
{
	struct zcs_device_params params = bo_device_params(backing, 0, store);
	struct zcs_device *device;
	struct zcs_bo *bo;
	char what[512];
	int wrong = 0;

	params.flags = 0; /* with pressure events */
	if (zcs_device_create(&params, &device))
		return report(out, "device", " not made");
	if (low_ones(what, sizeof(what)))
		wrong = report(out, "device made", what);
	if (zcs_bo_create(device, BO_SIZE, NULL, &bo))
		return report(out, "bo", " not made");
	bo_fill(bo, 1);
	if (zcs_bo_evict(bo, ZCS_BACKUP_WRITEBACK) <= 0)
		wrong = report(out, "evict", " failed");
	zcs_backup_drop(NULL, 1, 0); /* any message will do */
	if (!bo_is(bo, 1))
		wrong = report(out, "touched", " wrong bytes");
	if (low_ones(what, sizeof(what)))
		wrong = report(out, "touched", what);
	zcs_bo_put(bo);
	zcs_device_destroy(device);
	return wrong;
}

static int use_a_file(int out)
{
	struct zcs_folio *folio = NULL;
	struct zcs_pool *pool = NULL;
	int fd = memfd_create("outside", MFD_CLOEXEC), wrong = 0, high;
	char what[512];

	high = fcntl(fd, F_DUPFD_CLOEXEC, 10);
	close(fd);
	if (high < 0 || ftruncate(high, ZCS_TEST_HUGE_BYTES) ||
	    zcs_pool_create_from_fd(NULL, high, 0, ZCS_TEST_HUGE_BYTES, &pool) ||
	    zcs_folio_alloc(pool, 0, 0, &folio))
		return report(out, "from_fd", " not made");
	if (low_ones(what, sizeof(what)))
		wrong = report(out, "from_fd", what);
	zcs_folio_put(folio);
	zcs_pool_destroy(pool);
	close(high);
	return wrong;
}

/* A descriptor that cannot be moved is not kept, nor is a file that was just made. */
static int refused(int out)
{
	struct zcs_store *store = NULL;
	char spec[256], what[512], *path = spec + strlen("file:");
	const char *dir = getenv("TMPDIR");
	int err, wrong = 0;

	snprintf(spec, sizeof(spec), "file:%s/zcswap-low-%d?size=64M", dir ? dir : "/tmp",
		 (int)getpid());
	zcs_fault_set("dupfd",
		      &(struct zcs_fault_attr){ .struct_size = sizeof(struct zcs_fault_attr) });
	err = zcs_store_open(spec, &store);
	if (err != -EMFILE)
		wrong = report(out, "refused", " not with EMFILE");
	if (low_ones(what, sizeof(what)))
		wrong = report(out, "refused", what);
	*strchr(path, '?') = '\0';
	if (!access(path, F_OK))
		wrong = report(out, "refused", " the file is still there");
	zcs_store_close(store);
	return wrong;
}

static int child(const char *store)
{
	int out = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 20), wrong = 0;
	static const enum zcs_backing backings[] = { ZCS_BACKING_SMALL, ZCS_BACKING_THP,
						     ZCS_BACKING_AUTO };

	for (int fd = 0; fd < 3; fd++)
		close(fd);
	if (!strcmp(store, "refused"))
		return refused(out);
	for (size_t i = 0; i < sizeof(backings) / sizeof(backings[0]); i++)
		wrong |= use_a_device(out, backings[i], store);
	wrong |= use_a_file(out);
	return wrong;
}

static void runs_without(const char *store, const char *const *env)
{
	struct zcs_test_child c = zcs_test_exec(store, env, 60);

	zcs_test_child_passed(&c);
}

static void none_becomes_a_standard_descriptor(void **state)
{
	(void)state;
	runs_without("mem:", NULL);
	runs_without("file:?size=64M", NULL);
}

static void none_with_threads_for_io(void **state)
{
	static const char *const env[] = { "ZCSWAP_NO_URING=1", NULL };

	(void)state;
	runs_without("file:?size=64M&direct=0", env);
}

static void what_cannot_be_moved_is_not_kept(void **state)
{
	(void)state;
	runs_without("refused", NULL);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		zcs_test(none_becomes_a_standard_descriptor),
		zcs_test(none_with_threads_for_io),
		zcs_test(what_cannot_be_moved_is_not_kept),
	};

	if (argc > 1)
		return child(argv[1]);
#ifdef __SANITIZE_THREAD__
	zcs_test_skip("ThreadSanitizer does not know an epoll descriptor that was moved");
#endif
	if (!bo_has_userfaultfd())
		zcs_test_skip("no userfaultfd here");
	return zcs_test_run(tests);
}
