/* SPDX-License-Identifier: MIT */
/*
 * The file of a THP pool is huge from the start, whatever shmem_enabled says: no small page is made
 * first and nothing is collapsed. Making it leaves nothing behind, and where a sandbox refuses or
 * kills what it takes, a memfd takes its place.
 */
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "zcs_test.h"

#define NR 3u

static struct zcs_pool *pool;
static struct zcs_folio *folio[NR];

/* Pages of a pool that were collapsed; how many huge pages there are in the end. */
static uint64_t collapses(uint64_t *huge)
{
	uint64_t calls;

	pool = zcs_test_pool(ZCS_BACKING_THP, 0, 0);
	zcs_test_fault("madvise_collapse", UINT64_MAX, 0, 0); /* armed to count, never to fail */
	for (unsigned i = 0; i < NR; i++)
		folio[i] = zcs_test_folio(pool, 9);
	calls = zcs_test_fault_calls("madvise_collapse");
	*huge = zcs_test_smaps(zcs_folio_address(folio[0]), 1, "ShmemPmdMapped") /
		ZCS_TEST_HUGE_BYTES;
	return calls;
}

static void done(void)
{
	for (unsigned i = 0; i < NR; i++)
		zcs_folio_put(folio[i]);
	zcs_test_pool_done(pool);
}

static void mount_one(void *arg)
{
	(void)arg;
	execlp("unshare", "unshare", "-Urm", "mount", "-t", "tmpfs", "-o", "huge=always", "x",
	       "/tmp", (char *)NULL);
	_exit(1);
}

/* Asked without the library, by the tools that do the same. */
static bool is_to_be_had(void)
{
	struct zcs_test_child child = zcs_test_in_child(mount_one, NULL, 10);

	return !child.signal && !child.status;
}

static void memory_is_born_huge(void **state)
{
	uint64_t huge;

	(void)state;
	if (zcs_test_under_valgrind() || !is_to_be_had())
		zcs_test_skip_case("no tmpfs can be mounted in a namespace here");
	zcs_assert_is(collapses(&huge), 0);
	zcs_assert_is(huge, NR);
	zcs_assert_is(zcs_test_arena_bytes(), (int64_t)(NR * ZCS_TEST_HUGE_BYTES));
	for (unsigned i = 0; i < NR; i++) {
		assert_true(zcs_test_folio_is_zero(folio[i]));
		zcs_test_fill_folio(folio[i], i);
	}
	for (unsigned i = 0; i < NR; i++)
		assert_true(zcs_test_folio_is(folio[i], i));
	done();
}

static unsigned lines_of(const char *path)
{
	FILE *f = fopen(path, "r");
	unsigned lines = 0;
	int c;

	assert_non_null(f);
	while ((c = getc(f)) != EOF)
		lines += c == '\n';
	fclose(f);
	return lines;
}

static unsigned open_fds(void)
{
	unsigned nr = 0;

	for (int fd = 0; fd < 1024; fd++)
		nr += fcntl(fd, F_GETFD) >= 0;
	return nr;
}

static volatile sig_atomic_t child_signals;

static void on_child(int sig)
{
	(void)sig;
	child_signals++;
}

static void nothing_is_left_of_making_it(void **state)
{
	unsigned mounts = lines_of("/proc/self/mounts"), fds = open_fds();
	struct sigaction sa = { .sa_handler = on_child };
	sigset_t before, after;
	uint64_t huge;

	(void)state;
	sigaction(SIGCHLD, &sa, NULL);
	sigprocmask(SIG_SETMASK, NULL, &before);
	collapses(&huge);
	sigprocmask(SIG_SETMASK, NULL, &after);
	for (int sig = 1; sig < SIGRTMAX; sig++)
		zcs_assert_is(sigismember(&after, sig), sigismember(&before, sig));
	zcs_assert_is(child_signals, 0);
	zcs_assert_is(waitpid(-1, NULL, __WALL | WNOHANG), -1);
	zcs_assert_is(errno, ECHILD);
	zcs_assert_is(lines_of("/proc/self/mounts"), mounts);
	done();
	zcs_assert_is(open_fds(), fds);
}

static void refused_it_is_collapsed(void **state)
{
	uint64_t huge;

	(void)state;
	zcs_test_fault("huge_file", 0, 0, 0);
	collapses(&huge);
	zcs_assert_is(huge, NR);
	done();
}

/* A sandbox whose filter answers the making of a mount, or of a namespace, with @action. */
static void forbid(unsigned nr, unsigned action)
{
	struct sock_filter filter[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, nr, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, action),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = { .len = sizeof(filter) / sizeof(filter[0]), .filter = filter };

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ||
	    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program))
		printf("no seccomp here\n");
}

struct sandbox {
	unsigned nr, action;
};

static void work_in_a_sandbox(void *arg)
{
	const struct sandbox *s = arg;
	uint64_t huge;

	forbid(s->nr, s->action);
	zcs_test_fault("madvise_collapse", 0, 0, 0);
	collapses(&huge);
	zcs_test_fill_folio(folio[0], 7);
	assert_true(zcs_test_folio_is(folio[0], 7));
	done();
	_exit(0);
}

static void a_sandbox_may_refuse_it_or_kill(void **state)
{
	struct sandbox boxes[] = {
		{ SYS_fsopen, SECCOMP_RET_ERRNO | EPERM },
		{ SYS_clone, SECCOMP_RET_ERRNO | EPERM },
		{ SYS_fsopen, SECCOMP_RET_KILL_PROCESS },
		{ SYS_sendmsg, SECCOMP_RET_KILL_THREAD },
	};

	(void)state;
	if (zcs_test_under_valgrind())
		zcs_test_skip_case("what a filter kills goes on under valgrind");
	for (size_t i = 0; i < sizeof(boxes) / sizeof(boxes[0]); i++) {
		struct zcs_test_child child = zcs_test_in_child(work_in_a_sandbox, &boxes[i], 20);

		if (strstr(child.out, "no seccomp here"))
			zcs_test_skip_case("no seccomp here");
		zcs_test_child_passed(&child);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		zcs_test(memory_is_born_huge),
		zcs_test(nothing_is_left_of_making_it),
		zcs_test(refused_it_is_collapsed),
		zcs_test(a_sandbox_may_refuse_it_or_kill),
	};

	return zcs_test_run(tests);
}
