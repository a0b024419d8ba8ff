/* SPDX-License-Identifier: MIT */
/*
 * A message must not stop anything: where stderr is a pipe that nobody reads, it is lost. It once
 * waited until somebody did, with locks of the library held; and where the reader was gone it ended
 * the program with SIGPIPE.
 */
#include <fcntl.h>
#include <unistd.h>

#include "zcs_test.h"

static void make_mistake(void)
{
	zcs_backup_drop(NULL, 1, 0);
}

static void stderr_to(int fd)
{
	assert_true(dup2(fd, STDERR_FILENO) == STDERR_FILENO);
}

static void with_a_full_pipe(void *arg)
{
	int pair[2], flags;
	char byte = 0;

	(void)arg;
	zcs_assert_ok(pipe(pair));
	flags = fcntl(pair[1], F_GETFL);
	zcs_assert_ok(fcntl(pair[1], F_SETFL, flags | O_NONBLOCK));
	while (write(pair[1], &byte, 1) == 1)
		;
	zcs_assert_ok(fcntl(pair[1], F_SETFL, flags));
	stderr_to(pair[1]);
	for (unsigned i = 0; i < 10; i++)
		make_mistake();
}

static void without_a_reader(void *arg)
{
	int pair[2];

	(void)arg;
	zcs_assert_ok(pipe(pair));
	stderr_to(pair[1]);
	close(pair[0]);
	make_mistake();
}

static void passes(void (*fn)(void *))
{
	struct zcs_test_child c = zcs_test_in_child(fn, NULL, 10);

	zcs_test_child_passed(&c);
}

static void a_full_pipe_holds_nobody_up(void **state)
{
	(void)state;
	passes(with_a_full_pipe);
}

static void a_reader_that_is_gone_kills_nobody(void **state)
{
	(void)state;
	passes(without_a_reader);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		zcs_test(a_full_pipe_holds_nobody_up),
		zcs_test(a_reader_that_is_gone_kills_nobody),
	};

	return zcs_test_run(tests);
}
