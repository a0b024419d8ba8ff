/* SPDX-License-Identifier: MIT */
/*
 * ZCSWAP_FAULT is read when the library is loaded, so each case starts the program anew. The child
 * passes copy_page twelve times and prints which calls failed, and with what.
 */
#include "zcs_test.h"

static int child(void)
{
	char page[ZCS_PAGE_SIZE];
	struct zcs_store *store;
	struct zcs_backup *backup;

	if (zcs_store_open("mem:", &store) || zcs_backup_create(store, 1, &backup)) {
		puts("no backup");
		return 1;
	}
	fputs("calls ", stdout);
	for (unsigned i = 0; i < 12; i++) {
		int err = zcs_backup_copy_page(backup, page, 1, true);

		putchar(!err		  ? '.'
			: err == -EINTR	  ? 'i'
			: err == -EIO	  ? 'e'
			: err == -ENOMEM  ? 'm'
			: err == -EUCLEAN ? 'u'
					  : '?');
	}
	puts("");
	zcs_backup_destroy(backup);
	zcs_store_close(store);
	return 0;
}

static struct zcs_test_child run_with(const char *setting)
{
	const char *env[] = { setting, NULL };

	return zcs_test_exec("child", env, 30);
}

/* The child's calls failed as @pattern says, and nothing was ignored. */
static void expect_calls(const char *setting, const char *pattern)
{
	struct zcs_test_child c = run_with(setting);
	char line[32];

	zcs_test_child_passed(&c);
	snprintf(line, sizeof(line), "calls %s\n", pattern);
	if (!strstr(c.out, line) || strstr(c.out, "ignored"))
		fail_msg("%s: wanted \"%s\", got:\n%s", setting, pattern, c.out);
}

/* @part is named as ignored, and the calls failed as @pattern says. */
static void expect_ignored(const char *setting, const char *part, const char *pattern)
{
	struct zcs_test_child c = run_with(setting);
	char line[32], text[96];

	zcs_test_child_passed(&c);
	snprintf(line, sizeof(line), "calls %s\n", pattern);
	snprintf(text, sizeof(text), "zcswap: ZCSWAP_FAULT: \"%s\" ignored", part);
	if (!strstr(c.out, line) || !strstr(c.out, text))
		fail_msg("%s: wanted \"%s\" and \"%s\", got:\n%s", setting, pattern, text, c.out);
}

static void nothing_set_nothing_fails(void **state)
{
	(void)state;
	expect_calls("ZCSWAP_FAULT=", "............");
	expect_calls("ZCSWAP_FAULT=;;", "............");
}

static void a_name_alone_fails_always(void **state)
{
	(void)state;
	expect_calls("ZCSWAP_FAULT=copy_page", "iiiiiiiiiiii");
}

static void each_key_is_understood(void **state)
{
	(void)state;
	expect_calls("ZCSWAP_FAULT=copy_page:times=3", "iii.........");
	expect_calls("ZCSWAP_FAULT=copy_page:space=4", "....iiiiiiii");
	expect_calls("ZCSWAP_FAULT=copy_page:interval=5", "....i....i..");
	expect_calls("ZCSWAP_FAULT=copy_page:probability=100", "iiiiiiiiiiii");
	expect_calls("ZCSWAP_FAULT=copy_page:errno=EIO,times=2,space=1", ".ee.........");
	expect_calls("ZCSWAP_FAULT=copy_page:delay_ms=1", "............");
	expect_calls("ZCSWAP_FAULT=copy_page:delay_ms=1,errno=EIO,times=2", "ee..........");
	expect_calls("ZCSWAP_FAULT=copy_page:space=12,delay_ms=hang", "............");
}

static void errno_is_a_name_or_a_number(void **state)
{
	(void)state;
	expect_calls("ZCSWAP_FAULT=copy_page:errno=ENOMEM", "mmmmmmmmmmmm");
	expect_calls("ZCSWAP_FAULT=copy_page:errno=117", "uuuuuuuuuuuu");
}

static void parts_are_separated_by_semicolons(void **state)
{
	(void)state;
	expect_calls("ZCSWAP_FAULT=take;copy_page:times=1;insert:space=3", "i...........");
}

static void a_wrong_part_is_named_and_the_others_count(void **state)
{
	(void)state;
	expect_ignored("ZCSWAP_FAULT=nosuch;copy_page:times=1", "nosuch", "i...........");
	expect_ignored("ZCSWAP_FAULT=copy_page:times=1;take:every=2", "take:every=2",
		       "i...........");
	expect_ignored("ZCSWAP_FAULT=copy_page:probability=101", "copy_page:probability=101",
		       "............");
	expect_ignored("ZCSWAP_FAULT=copy_page:times=-1", "copy_page:times=-1", "............");
	expect_ignored("ZCSWAP_FAULT=copy_page:times=1x", "copy_page:times=1x", "............");
	expect_ignored("ZCSWAP_FAULT=copy_page:times=", "copy_page:times=", "............");
	expect_ignored("ZCSWAP_FAULT=copy_page:times", "copy_page:times", "............");
	expect_ignored("ZCSWAP_FAULT=copy_page:errno=EWRONG", "copy_page:errno=EWRONG",
		       "............");
	expect_ignored("ZCSWAP_FAULT=copy_page:errno=0", "copy_page:errno=0", "............");
	expect_ignored("ZCSWAP_FAULT=copy_page:delay_ms=late", "copy_page:delay_ms=late",
		       "............");
	expect_ignored("ZCSWAP_FAULT=:times=1", ":times=1", "............");
}

static void the_known_keys_are_listed(void **state)
{
	struct zcs_test_child c = run_with("ZCSWAP_FAULT=take:every=2");

	(void)state;
	for (const char *const *key = (const char *const[]){ "probability", "interval", "times",
							     "space", "errno", "delay_ms", NULL };
	     *key; key++)
		assert_non_null(strstr(c.out, *key));
}

static void the_star_is_understood(void **state)
{
	struct zcs_test_child c = run_with("ZCSWAP_FAULT=*");

	(void)state;
	zcs_assert_is(c.status, 1);
	assert_non_null(strstr(c.out, "no backup"));
	assert_null(strstr(c.out, "ignored"));
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		zcs_test(nothing_set_nothing_fails),
		zcs_test(a_name_alone_fails_always),
		zcs_test(each_key_is_understood),
		zcs_test(errno_is_a_name_or_a_number),
		zcs_test(parts_are_separated_by_semicolons),
		zcs_test(a_wrong_part_is_named_and_the_others_count),
		zcs_test(the_known_keys_are_listed),
		zcs_test(the_star_is_understood),
	};

	(void)argv;
	return argc > 1 ? child() : zcs_test_run(tests);
}
