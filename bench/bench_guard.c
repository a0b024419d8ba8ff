/* SPDX-License-Identifier: MIT */
/*
 * Changes to the machine, for the time of a run.
 *
 * Each is in the care of a guardian: a process in a session of its own, with every signal blocked,
 * that makes the change, holds one end of a pipe, and undoes the change when the other end closes:
 * when the bench has done with it, at exit, and also when the bench is killed in whatever way. The
 * guardian makes the change itself, so that there is no moment at which nobody would undo it.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench.h"

#define CHANGES 4

/* Those in force; a place is set before its guardian starts and cleared after it ended. */
static struct bench_change *volatile in_force[CHANGES];

void bench_undo(struct bench_change *change)
{
	int fd = change->hold;

	change->hold = -1;
	if (!change->guardian || fd < 0)
		return;
	close(fd);
	while (waitpid(change->guardian, NULL, 0) < 0 && errno == EINTR)
		;
	change->guardian = 0;
	for (unsigned i = 0; i < CHANGES; i++)
		if (in_force[i] == change)
			in_force[i] = NULL;
}

void bench_undo_all(void)
{
	for (unsigned i = CHANGES; i-- > 0;)
		if (in_force[i])
			bench_undo(in_force[i]);
}

void bench_leave_changes(void)
{
	for (unsigned i = 0; i < CHANGES; i++) {
		if (in_force[i] && in_force[i]->hold >= 0)
			close(in_force[i]->hold);
		in_force[i] = NULL;
	}
}

/* The default action follows when the handler returns: SA_RESETHAND. */
static void on_signal(int sig)
{
	bench_undo_all();
	raise(sig);
}

static void handle_signals(void)
{
	static const int sigs[] = { SIGINT,  SIGTERM, SIGHUP, SIGQUIT, SIGPIPE,
				    SIGABRT, SIGSEGV, SIGBUS, SIGALRM, SIGXCPU };
	struct sigaction sa = { .sa_handler = on_signal, .sa_flags = (int)SA_RESETHAND };
	static bool done;

	if (done)
		return;
	done = true;
	for (unsigned i = 0; i < sizeof(sigs) / sizeof(*sigs); i++)
		sigaction(sigs[i], &sa, NULL);
	atexit(bench_undo_all);
}

/* The guardian, every signal blocked. */
static void guard(const struct bench_change *change, int from_bench, int to_bench)
{
	int64_t made;
	char byte;

	setsid();
	bench_leave_changes();
	for (int fd = 0; fd < 3; fd++)
		close(fd);
	made = change->make(change->arg);
	if (write(to_bench, &made, sizeof(made)) == sizeof(made))
		close(to_bench);
	while (read(from_bench, &byte, 1) < 0 && errno == EINTR)
		;
	if (made >= 0)
		change->undo(change->arg, made);
	_exit(0);
}

static bool find_place(struct bench_change *change)
{
	for (unsigned i = 0; i < CHANGES; i++)
		if (!in_force[i]) {
			in_force[i] = change;
			return true;
		}
	return false;
}

static int64_t answer(struct bench_change *change, pid_t pid, int to_guardian, int from_guardian)
{
	int64_t made;

	if (pid < 0 || !find_place(change)) {
		close(to_guardian);
		return -EAGAIN;
	}
	change->guardian = pid;
	change->hold = to_guardian;
	handle_signals();
	if (read(from_guardian, &made, sizeof(made)) != sizeof(made))
		made = -EIO;
	return made;
}

int64_t bench_change(struct bench_change *change)
{
	int down[2], up[2];
	sigset_t all, before;
	int64_t made;
	pid_t pid;

	if (pipe2(down, O_CLOEXEC) || pipe2(up, O_CLOEXEC))
		return -errno;
	sigfillset(&all);
	sigprocmask(SIG_BLOCK, &all, &before);
	pid = fork();
	if (!pid) {
		close(down[1]);
		close(up[0]);
		guard(change, down[0], up[1]);
	}
	close(down[0]);
	close(up[1]);
	made = answer(change, pid, down[1], up[0]);
	close(up[0]);
	sigprocmask(SIG_SETMASK, &before, NULL);
	if (made < 0)
		bench_undo(change);
	return made;
}
