/* SPDX-License-Identifier: MIT */
/* Specifications: what each key means, and what the message says about what is wrong. */
#include "swap_test.h"

static struct zcs_swap_spec specs[ZCS_SWAP_DEVS_MAX];
static unsigned nr;

static void parse(const char *text)
{
	zcs_assert_ok(zcs_swap_parse(text, specs, &nr));
}

static void done(void)
{
	zcs_swap_free_specs(specs, nr);
}

static void every_key_is_understood(void **state)
{
	(void)state;
	parse("file:/a/b?size=8G&prio=-3&keep=1&discard=1&direct=0&depth=64");
	zcs_assert_is(nr, 1);
	assert_string_equal(specs[0].path, "/a/b");
	assert_false(specs[0].block);
	zcs_assert_is(specs[0].size, INT64_C(8) << 30);
	zcs_assert_is(specs[0].prio, -3);
	assert_true(specs[0].keep);
	assert_true(specs[0].discard);
	zcs_assert_is(specs[0].direct, 0);
	zcs_assert_is(specs[0].depth, 64);
	done();
}

static void keys_have_defaults(void **state)
{
	(void)state;
	parse("file:");
	assert_string_equal(specs[0].path, "");
	zcs_assert_is(specs[0].size, 0);
	zcs_assert_is(specs[0].prio, 0);
	assert_false(specs[0].keep);
	assert_false(specs[0].discard);
	zcs_assert_is(specs[0].direct, -1);
	zcs_assert_is(specs[0].depth, 0);
	done();
}

static void sizes_have_units(void **state)
{
	static const struct {
		const char *text;
		int64_t size;
	} sizes[] = {
		{ "file:?size=4096", 4096 },	       { "file:?size=3K", 3 << 10 },
		{ "file:?size=5m", 5 << 20 },	       { "file:?size=7G", INT64_C(7) << 30 },
		{ "file:?size=2T", INT64_C(2) << 40 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		parse(sizes[i].text);
		zcs_assert_is(specs[0].size, sizes[i].size);
		done();
	}
}

static void devices_are_told_from_files(void **state)
{
	(void)state;
	parse("/dev/sdb;dev:/dev/sdc?prio=2;file:/dev/shm/x?size=2M;dev:relative");
	zcs_assert_is(nr, 4);
	assert_true(specs[0].block && specs[1].block && !specs[2].block && specs[3].block);
	assert_string_equal(specs[0].path, "/dev/sdb");
	assert_string_equal(specs[1].path, "/dev/sdc");
	zcs_assert_is(specs[1].prio, 2);
	assert_string_equal(specs[2].path, "/dev/shm/x");
	assert_string_equal(specs[3].path, "relative");
	done();
}

static void any_byte_may_be_in_a_path(void **state)
{
	(void)state;
	parse("file:/a%3fb%3Bc%25d,e&f?size=2M");
	assert_string_equal(specs[0].path, "/a?b;c%d,e&f");
	done();
}

static void refused(const char *text, const char *message)
{
	struct zcs_swap *swap = NULL;
	int err;

	swap_test_log_start();
	err = zcs_swap_open(text, &swap);
	swap_test_log_has(swap_test_log_end(), message);
	zcs_assert_is(err, -EINVAL);
	assert_null(swap);
}

static void unknown_keys_are_refused_with_the_known_ones(void **state)
{
	const char *known = "known keys: size, prio, keep, discard, direct, depth\n";

	(void)state;
	refused("file:?size=2M&colour=red", known);
	refused("file:?size=2M&colour=red", "unknown key \"colour\"");
	refused("file:?size=2M&siz=2M", known);
	refused("file:?=2M", known);
	refused("file:?size=2M;file:?size=2M&sizes=1", known);
}

static void wrong_values_are_refused_with_what_is_right(void **state)
{
	(void)state;
	refused("file:?size=", "size=: must be a number of bytes over 0, with K, M, G or T");
	refused("file:?size", "size=: must be");
	refused("file:?size=2X", "size=2X: must be");
	refused("file:?size=2MB", "size=2MB: must be");
	refused("file:?size=-2M", "size=-2M: must be");
	refused("file:?size=0", "size=0: must be");
	refused("file:?size=99999999999999999999", "must be");
	refused("file:?size=16777216T", "must be");
	refused("file:?size=2M&prio=high", "prio=high: must be -32767 to 32767");
	refused("file:?size=2M&prio=32768", "must be");
	refused("file:?size=2M&prio=--1", "must be");
	refused("file:?size=2M&keep=2", "keep=2: must be 0 or 1");
	refused("file:?size=2M&keep=yes", "must be");
	refused("file:?size=2M&discard=2", "must be");
	refused("file:?size=2M&direct=-1", "must be");
	refused("file:?size=2M&depth=1", "depth=1: must be 2 to 1024");
	refused("file:?size=2M&depth=1025", "must be");
	refused("dev:/dev/null?keep=1", "keep=1: must be 0 or 1, for files only");
}

static void what_is_no_device_is_refused(void **state)
{
	(void)state;
	refused("", "names no device");
	refused(";", "names no device");
	refused("/tmp/swap", "a device is file:/path?size=");
	refused("mem:", "a device is file:");
	refused("file:/a%2?size=2M", "bad path");
	refused("file:/a%zz?size=2M", "bad path");
	refused("file:/a%00?size=2M", "bad path");
	zcs_assert_is(zcs_swap_open(NULL, NULL), -EINVAL);
	zcs_assert_is(zcs_swap_open("file:?size=2M", NULL), -EINVAL);
}

static void there_may_be_32_devices(void **state)
{
	char text[1024] = "";

	(void)state;
	for (unsigned i = 0; i < ZCS_SWAP_DEVS_MAX; i++)
		strcat(text, "file:?size=2M;");
	parse(text);
	zcs_assert_is(nr, ZCS_SWAP_DEVS_MAX);
	done();
	strcat(text, "file:?size=2M");
	refused(text, "more than 32 devices");
}

/* Where nothing stands, something was forgotten or is there too much. */
static void empty_parts_are_refused(void **state)
{
	(void)state;
	refused(";;", "an empty device beside \";\"");
	refused("file:?size=2M;;file:?size=2M", "an empty device beside \";\"");
	refused(";file:?size=2M", "an empty device beside \";\"");
	refused("file:?size=2M;file:?size=2M;;", "an empty device beside \";\"");
	refused("file:?size=2M&&prio=1", "an empty key beside \"&\"");
	refused("file:?size=2M&", "an empty key beside \"&\"");
}

static void a_key_is_given_once(void **state)
{
	(void)state;
	refused("file:?size=4M&size=8M", "swap \"file:\": size= is given twice");
	refused("file:?size=4M&prio=1&prio=1", "prio= is given twice");
	parse("file:?size=2M&prio=1;file:?size=2M&prio=1");
	done();
}

static void messages_quote_the_device(void **state)
{
	(void)state;
	refused("file:?size=0", "swap \"file:\": size=0: must be");
	refused("file:?size=2M&colour=red", "swap \"file:\": unknown key");
	refused("file:?size=2M&keep=1", "swap \"file:\": keep=1 needs a path");
	refused("dev:", "swap \"dev:\": a device needs a path");
}

static void mem_stands_alone(void **state)
{
	static const struct {
		const char *spec, *message;
	} wrong[] = {
		{ "mem:;file:?size=2M", "store \"mem:;file:?size=2M\": mem: cannot be joined" },
		{ "mem:?size=1G", "store \"mem:?size=1G\": mem: takes no keys" },
		{ "mem:/tmp", "store \"mem:/tmp\": nothing follows mem:" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		struct zcs_store *store = NULL;
		int err;

		swap_test_log_start();
		err = zcs_store_open(wrong[i].spec, &store);
		swap_test_log_has(swap_test_log_end(), wrong[i].message);
		zcs_assert_is(err, -EINVAL);
		assert_null(store);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		swap_test(every_key_is_understood),
		swap_test(keys_have_defaults),
		swap_test(sizes_have_units),
		swap_test(devices_are_told_from_files),
		swap_test(any_byte_may_be_in_a_path),
		swap_test(unknown_keys_are_refused_with_the_known_ones),
		swap_test(wrong_values_are_refused_with_what_is_right),
		swap_test(what_is_no_device_is_refused),
		swap_test(there_may_be_32_devices),
		swap_test(empty_parts_are_refused),
		swap_test(a_key_is_given_once),
		swap_test(messages_quote_the_device),
		swap_test(mem_stands_alone),
	};

	return zcs_test_run(tests);
}
