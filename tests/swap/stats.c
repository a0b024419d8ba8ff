/* SPDX-License-Identifier: MIT */
/*
 * The statistics: what each field counts, and the line of text, which is cut where the room ends.
 */
#include "swap_test.h"

static void each_field_counts_what_it_says(void **state)
{
	struct zcs_swap *swap = swap_test_open("file:?size=4M;file:?size=6M&direct=0");
	char *page = swap_test_memory(8);
	uint32_t slot = swap_test_alloc(swap, 3);
	struct zcs_swap_stats st = swap_test_stats(swap);

	(void)state;
	zcs_assert_is(st.slots, 5 * ZCS_CLUSTER_SLOTS);
	zcs_assert_is(st.used, 8);
	zcs_assert_is(st.buffered >= 1, true);
	zcs_assert_is(st.direct + st.buffered, 2);
	zcs_assert_is(st.reads + st.writes + st.cancelled, 0);
	zcs_assert_ok(swap_test_write(swap, slot, 3, page));
	zcs_assert_ok(swap_test_read(swap, slot, 3, page));
	zcs_swap_retire(swap, slot, 0);
	st = swap_test_stats(swap);
	zcs_assert_is(st.used, 7);
	zcs_assert_is(st.retired, 1);
	zcs_assert_is(st.writes, 1);
	zcs_assert_is(st.written_bytes, 8 * ZCS_SLOT_BYTES);
	zcs_assert_is(st.reads, 1);
	zcs_assert_is(st.read_bytes, 8 * ZCS_SLOT_BYTES);
	swap_test_done(swap);
}

static void the_text_is_one_line_with_every_device(void **state)
{
	const char *path = swap_test_path();
	struct zcs_swap *swap =
		swap_test_open("file:%s?size=4M&keep=1&prio=3&discard=1;file:?size=2M", path);
	char text[2048], device[512];
	int len;

	(void)state;
	swap_test_alloc(swap, 4);
	len = zcs_swap_text(swap, text, sizeof(text));
	zcs_assert_is(strlen(text), len);
	assert_null(strchr(text, '\n'));
	swap_test_log_has(text, "; slots 1536, free 1520, used 16, retired 0");
	snprintf(device, sizeof(device), "; %s: 4 MiB, prio 3, ", path);
	swap_test_log_has(text, device);
	swap_test_log_has(text, ", kept, discard; ");
	swap_test_log_has(text, ": 2 MiB, prio 0, ");
	swap_test_done(swap);
}

static void the_text_is_cut_where_the_room_ends(void **state)
{
	struct zcs_swap *swap = swap_test_open("file:?size=2M");
	char text[2048], cut[2048];
	int len = zcs_swap_text(swap, text, sizeof(text));

	(void)state;
	zcs_assert_is(zcs_swap_text(swap, NULL, 0), len);
	for (int size = 1; size <= len + 1; size++) {
		memset(cut, '#', sizeof(cut));
		zcs_assert_is(zcs_swap_text(swap, cut, (size_t)size), len);
		zcs_assert_is(strlen(cut), size - 1);
		assert_memory_equal(cut, text, size - 1);
		zcs_assert_is(cut[size], '#');
	}
	swap_test_done(swap);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		swap_test(each_field_counts_what_it_says),
		swap_test_both(the_text_is_one_line_with_every_device),
		swap_test(the_text_is_cut_where_the_room_ends),
	};

	return zcs_test_run(tests);
}
