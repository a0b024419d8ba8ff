/* SPDX-License-Identifier: MIT */
/*
 * Out and in again, the same physical pages stand behind the same slots: nothing was copied. The
 * kernel may move a page by itself (compaction), so one undisturbed round of several proves it: a
 * copy would show in every round.
 */
#include "tt_test.h"

#define ROUNDS 4

static bool round_moves_nothing(struct tt_case *c)
{
	uint64_t *before = tt_frames(c);
	bool same;

	zcs_assert_is(zcs_tt_backup(c->tt, 0), (int64_t)c->nr);
	zcs_assert_ok(zcs_tt_restore(c->tt, NULL));
	assert_true(tt_case_is(c));
	same = tt_frames_are(c, before);
	free(before);
	return same;
}

/* The user map shows the frames of the linear map. */
static bool maps_agree(struct tt_case *c)
{
	const char *user = zcs_tt_address(c->tt);

	for (uint64_t i = 0; user && i < c->nr; i++)
		if (zcs_test_frame(user + i * ZCS_PAGE_SIZE) !=
		    zcs_test_frame(zcs_tt_page_address(c->tt, i)))
			return false;
	return true;
}

static void the_frames_stay(struct tt_case *c)
{
	bool proved = false;

	for (int i = 0; i < ROUNDS && !proved; i++)
		proved = round_moves_nothing(c) && maps_agree(c);
	assert_true(proved);
}

static void case_57_whole_tts_stay_in_their_frames(void **state)
{
	(void)state;
	tt_for_each_shape(backing, flags)
	{
		for (size_t i = 0; i < tt_nr_sizes; i++) {
			struct tt_case c;

			tt_case_init(&c, backing, tt_sizes[i], flags);
			the_frames_stay(&c);
			tt_case_fini(&c);
		}
	}
}

/* Split blocks too: splitting changes descriptors, not memory. */
static void split_blocks_stay_in_their_frames(void **state)
{
	(void)state;
	tt_for_each_splittable(backing, flags)
	{
		struct tt_case c;

		tt_case_init(&c, backing, 512, flags);
		zcs_test_fault("insert_large", 0, 0, 0);
		the_frames_stay(&c);
		zcs_test_faults_off();
		tt_case_fini(&c);
	}
}

static void a_partial_round_moves_nothing(void **state)
{
	(void)state;
	tt_for_each_shape(backing, flags)
	{
		bool proved = false;
		struct tt_case c;

		tt_case_init(&c, backing, 1027, flags);
		for (int i = 0; i < ROUNDS && !proved; i++) {
			uint64_t *before = tt_frames(&c);

			zcs_assert_is(zcs_tt_backup_range(c.tt, 512, 514, 0), 514);
			zcs_assert_ok(zcs_tt_restore(c.tt, NULL));
			proved = tt_frames_are(&c, before);
			free(before);
		}
		assert_true(proved);
		tt_case_fini(&c);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		zcs_test(case_57_whole_tts_stay_in_their_frames),
		zcs_test(split_blocks_stay_in_their_frames),
		zcs_test(a_partial_round_moves_nothing),
	};

	if (!zcs_test_sees_frames())
		zcs_test_skip("physical page numbers in /proc/self/pagemap are for root alone");
	return zcs_test_run(tests);
}
