/* SPDX-License-Identifier: MIT */
/*
 * Messages: one line each on stderr, prefixed, selected by ZCSWAP_LOG; a caller's mistake in a
 * function that returns void is logged, and under ZCSWAP_DEBUG ends the program. The child makes
 * one such mistake.
 */
#include <signal.h>

#include "zcs_test.h"

static int child(void)
{
	zcs_backup_drop(NULL, 1, 0);
	puts("went on");
	return 0;
}

static struct zcs_test_child run_with(const char *log, const char *debug)
{
	const char *env[] = { log, debug, NULL };

	return zcs_test_exec("child", env, 30);
}

static void a_mistake_is_one_line(void **state)
{
	struct zcs_test_child c = run_with("ZCSWAP_LOG=warn", "ZCSWAP_DEBUG=0");
	const char *line = strstr(c.out, "zcswap: zcs_backup_drop: ");

	(void)state;
	zcs_test_child_passed(&c);
	assert_non_null(line);
	assert_null(strstr(line + 1, "zcswap: "));
	assert_non_null(strchr(line, '\n'));
	assert_non_null(strstr(c.out, "went on\n"));
}

static void off_is_silent(void **state)
{
	struct zcs_test_child c = run_with("ZCSWAP_LOG=off", "ZCSWAP_DEBUG=");

	(void)state;
	zcs_test_child_passed(&c);
	assert_string_equal(c.out, "went on\n");
}

static void an_unknown_level_is_the_default(void **state)
{
	struct zcs_test_child c = run_with("ZCSWAP_LOG=loud", "ZCSWAP_DEBUG=0");

	(void)state;
	assert_non_null(strstr(c.out, "zcswap: zcs_backup_drop: "));
}

static void debug_ends_the_program(void **state)
{
	struct zcs_test_child c = run_with("ZCSWAP_LOG=warn", "ZCSWAP_DEBUG=1");

	(void)state;
	zcs_assert_is(c.signal, SIGABRT);
	assert_non_null(strstr(c.out, "zcswap: zcs_backup_drop: "));
	assert_null(strstr(c.out, "went on"));
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		zcs_test(a_mistake_is_one_line),
		zcs_test(off_is_silent),
		zcs_test(an_unknown_level_is_the_default),
		zcs_test(debug_ends_the_program),
	};

	(void)argv;
	return argc > 1 ? child() : zcs_test_run(tests);
}
