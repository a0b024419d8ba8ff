/* SPDX-License-Identifier: MIT */
/*
 * Threads that start together, and processes with a time limit whose output is kept, see
 * zcs_test.h.
 */
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "zcs_test.h"

struct thread {
	pthread_t thread;
	pthread_barrier_t *start;
	uint64_t (*fn)(unsigned id, void *arg);
	void *arg;
	unsigned id;
	uint64_t result;
};

static void *thread_main(void *arg)
{
	struct thread *t = arg;

	pthread_barrier_wait(t->start);
	t->result = t->fn(t->id, t->arg);
	return NULL;
}

uint64_t zcs_test_threads(unsigned nr, uint64_t (*fn)(unsigned id, void *arg), void *arg)
{
	struct thread *threads = calloc(nr, sizeof(*threads));
	pthread_barrier_t start;
	uint64_t sum = 0;

	assert_non_null(threads);
	pthread_barrier_init(&start, NULL, nr);
	for (unsigned i = 0; i < nr; i++) {
		threads[i] = (struct thread){ .start = &start, .fn = fn, .arg = arg, .id = i };
		zcs_assert_ok(pthread_create(&threads[i].thread, NULL, thread_main, &threads[i]));
	}
	for (unsigned i = 0; i < nr; i++) {
		pthread_join(threads[i].thread, NULL);
		sum += threads[i].result;
	}
	pthread_barrier_destroy(&start);
	free(threads);
	return sum;
}

/* The child's end of a fork: output to @out, a time limit, and failed assertions that end it. */
static void become_child(int out, unsigned seconds)
{
	const struct rlimit no_core = { 0, 0 };

	dup2(out, STDOUT_FILENO);
	dup2(out, STDERR_FILENO);
	signal(SIGALRM, SIG_DFL);
	/* cmocka turns these into failed assertions; here they are what a case may wait for */
	signal(SIGSEGV, SIG_DFL);
	signal(SIGBUS, SIG_DFL);
	setrlimit(RLIMIT_CORE, &no_core);
	setenv("CMOCKA_TEST_ABORT", "1", 1);
	alarm(seconds);
}

static struct zcs_test_child wait_for(pid_t pid, int out)
{
	struct zcs_test_child child = { .status = -1 };
	ssize_t n;
	int status;

	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			fail_msg("waitpid: %s", strerror(errno));
	if (WIFEXITED(status))
		child.status = WEXITSTATUS(status);
	else if (WIFSIGNALED(status))
		child.signal = WTERMSIG(status);
	n = pread(out, child.out, sizeof(child.out) - 1, 0);
	child.out[n < 0 ? 0 : n] = '\0';
	close(out);
	return child;
}

static pid_t start_child(int *out)
{
	pid_t pid;

	*out = memfd_create("output of a child", MFD_CLOEXEC);
	assert_true(*out >= 0);
	fflush(NULL);
	pid = fork();
	if (pid < 0)
		fail_msg("fork: %s", strerror(errno));
	return pid;
}

struct zcs_test_child zcs_test_in_child(void (*fn)(void *arg), void *arg, unsigned seconds)
{
	int out;
	pid_t pid = start_child(&out);

	if (!pid) {
		become_child(out, seconds);
		fn(arg);
		fflush(NULL);
		_exit(0);
	}
	return wait_for(pid, out);
}

static void exec_self(const char *argument, const char *const *env)
{
	char self[4096];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);

	for (; env && *env; env++)
		putenv((char *)(uintptr_t)*env);
	if (n > 0) {
		self[n] = '\0';
		execl(self, self, argument, (char *)NULL);
	}
	perror("exec");
	_exit(126);
}

struct zcs_test_child zcs_test_exec(const char *argument, const char *const *env, unsigned seconds)
{
	int out;
	pid_t pid = start_child(&out);

	if (!pid) {
		become_child(out, seconds);
		exec_self(argument, env);
	}
	return wait_for(pid, out);
}

void zcs_test_child_passed(const struct zcs_test_child *child)
{
	if (!child->status && !child->signal)
		return;
	print_error("child: status %d, signal %d:\n%s", child->status, child->signal, child->out);
	fail();
}
