/* SPDX-License-Identifier: MIT */
/* A size is read as it is written; any other text is refused and changes nothing. */
#include "common/size.h"
#include "zcs_test.h"

static void expect_size(const char *text, uint64_t bytes)
{
	uint64_t got = 0;

	zcs_assert_ok(zcs_parse_size(text, &got));
	if (got != bytes)
		fail_msg("\"%s\" is %" PRIu64 ", not %" PRIu64, text, got, bytes);
}

static void expect_refused(const char *text)
{
	uint64_t got = 7;

	if (zcs_parse_size(text, &got) != -EINVAL || got != 7)
		fail_msg("\"%s\" was taken for %" PRIu64, text, got);
}

static void sizes_are_read(void **state)
{
	(void)state;
	expect_size("0", 0);
	expect_size("4095", 4095);
	expect_size("010", 10);
	expect_size("3K", 3072);
	expect_size("2m", UINT64_C(2) << 20);
	expect_size("7G", UINT64_C(7) << 30);
	expect_size("1T", UINT64_C(1) << 40);
	expect_size("18446744073709551615", UINT64_MAX);
	expect_size("16777215T", UINT64_C(16777215) << 40);
}

static void anything_else_is_refused(void **state)
{
	static const char *const wrong[] = {
		"",
		" 1",
		"1 ",
		"+1",
		"-1",
		"K",
		"1KB",
		"1Q",
		"1.5G",
		"0x10",
		"18446744073709551616",
		"16777216T",
		"99999999999999999999K",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		expect_refused(wrong[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sizes_are_read),
		cmocka_unit_test(anything_else_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
