/* SPDX-License-Identifier: MIT */
/*
 * A text knows its length whether it fits or not, and writes nothing behind its buffer; statistics
 * are delivered as far as the caller's struct reaches.
 */
#include "common/deliver.h"
#include "common/text.h"
#include "zcs_test.h"

static void add_all(struct zcs_text *t)
{
	zcs_text_add(t, "%s", "four");
	zcs_text_add(t, "%d", 56);
	zcs_text_add(t, "%c", '7');
}

static void the_length_is_known_in_any_buffer(void **state)
{
	(void)state;
	for (size_t size = 0; size < 12; size++) {
		char buf[16];
		struct zcs_text t = { .buf = size ? buf : NULL, .size = size };

		memset(buf, '#', sizeof(buf));
		add_all(&t);
		zcs_assert_is(t.len, 7);
		if (size) {
			zcs_assert_is(strlen(buf), size <= 7 ? size - 1 : 7);
			assert_memory_equal(buf, "four567", strlen(buf));
		}
		for (size_t i = size; i < sizeof(buf); i++)
			zcs_assert_is(buf[i], '#');
	}
}

struct stats {
	size_t struct_size;
	uint64_t old, new;
};

static struct stats delivered(size_t size)
{
	struct stats to = { size, 1, 2 }, from = { sizeof(from), 3, 4 }, *caller = &to;

	assert_true(zcs_can_deliver(caller));
	zcs_deliver(caller, &from, sizeof(from));
	zcs_assert_is(to.struct_size, size);
	return to;
}

static void stats_reach_as_far_as_the_caller(void **state)
{
	struct stats none = { 0 }, *forgotten = &none;

	(void)state;
	zcs_assert_is(delivered(offsetof(struct stats, new)).old, 3);
	zcs_assert_is(delivered(offsetof(struct stats, new)).new, 2);
	zcs_assert_is(delivered(sizeof(struct stats)).new, 4);
	zcs_assert_is(delivered(sizeof(struct stats) + 64).new, 4);
	assert_false(zcs_can_deliver(forgotten));
	forgotten = NULL;
	assert_false(zcs_can_deliver(forgotten));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_length_is_known_in_any_buffer),
		cmocka_unit_test(stats_reach_as_far_as_the_caller),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
