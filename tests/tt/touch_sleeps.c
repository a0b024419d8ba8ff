/* SPDX-License-Identifier: MIT */
/*
 * A thread that touches the address of a slot that is out sleeps until the restore, and then sees
 * the right bytes: never zeros, never a signal. Each toucher is waited for with a time limit, so
 * that one that is never woken is a failed test and not one that hangs.
 */
#include <pthread.h>
#include <time.h>
#include <unistd.h>

#include "tt_test.h"

#define NR	1024u
#define SECONDS 20
#define A_WHILE 50000 /* us: long enough for a touch that does not sleep to be over */

struct toucher {
	pthread_t thread;
	volatile uint64_t *at;
	bool write;
	uint64_t saw;
	_Atomic bool begun, done;
};

static void *touch(void *arg)
{
	struct toucher *t = arg;

	t->begun = true;
	if (t->write)
		*t->at = 42;
	t->saw = *t->at;
	t->done = true;
	return NULL;
}

static void start(struct toucher *t, struct tt_case *c, uint64_t page, bool write)
{
	*t = (struct toucher){ .at = (uint64_t *)((char *)zcs_tt_address(c->tt) +
						  page * ZCS_PAGE_SIZE),
			       .write = write };
	zcs_assert_ok(pthread_create(&t->thread, NULL, touch, t));
	while (!t->begun)
		usleep(1000);
}

static void assert_sleeps(struct toucher *t)
{
	usleep(A_WHILE);
	assert_false(t->done);
}

/* The program ends if the toucher is never woken: it cannot be cancelled in a page fault. */
static void join(struct toucher *t)
{
	struct timespec until;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += SECONDS;
	if (!pthread_timedjoin_np(t->thread, NULL, &until))
		return;
	print_error("a thread that touched %p sleeps still\n", (void *)(uintptr_t)t->at);
	_exit(1);
}

static uint64_t word_of_page(struct tt_case *c, uint64_t page)
{
	static uint64_t words[ZCS_PAGE_SIZE / 8];

	zcs_test_fill_page(words, c->seed, page);
	return words[0];
}

static void readers_sleep_until_the_restore(void **state)
{
	static const uint64_t pages[] = { 0, 1, 511, 512, 700, 1023 };
	const size_t nr = sizeof(pages) / sizeof(pages[0]);

	(void)state;
	tt_for_each_backing(backing)
	{
		struct toucher t[6];
		struct tt_case c;

		tt_case_init(&c, backing, NR, ZCS_TT_CONTIGUOUS);
		zcs_assert_is(zcs_tt_backup(c.tt, 0), NR);
		for (size_t i = 0; i < nr; i++)
			start(&t[i], &c, pages[i], false);
		for (size_t i = 0; i < nr; i++)
			assert_sleeps(&t[i]);
		zcs_assert_ok(zcs_tt_restore(c.tt, NULL));
		for (size_t i = 0; i < nr; i++) {
			join(&t[i]);
			assert_int_equal(t[i].saw, word_of_page(&c, pages[i]));
		}
		assert_true(tt_case_is(&c));
		tt_case_fini(&c);
	}
}

static void a_writer_sleeps_and_its_write_is_kept(void **state)
{
	(void)state;
	tt_for_each_backing(backing)
	{
		struct toucher t;
		struct tt_case c;

		tt_case_init(&c, backing, NR, ZCS_TT_CONTIGUOUS);
		zcs_assert_is(zcs_tt_backup(c.tt, 0), NR);
		start(&t, &c, 600, true);
		assert_sleeps(&t);
		zcs_assert_ok(zcs_tt_restore(c.tt, NULL));
		join(&t);
		assert_int_equal(*(uint64_t *)zcs_tt_page_address(c.tt, 600), 42);
		assert_true(tt_is(c.tt, c.seed, 0, 600));
		assert_true(tt_is(c.tt, c.seed, 601, NR - 601));
		tt_case_fini(&c);
	}
}

static void small_tts_sleep_as_well(void **state)
{
	(void)state;
	tt_for_each_backing(backing) for (uint64_t nr = 1; nr < 8; nr += 3)
	{
		struct toucher t;
		struct tt_case c;

		tt_case_init(&c, backing, nr, ZCS_TT_CONTIGUOUS);
		zcs_assert_is(zcs_tt_backup(c.tt, 0), (int64_t)nr);
		start(&t, &c, nr - 1, false);
		assert_sleeps(&t);
		zcs_assert_ok(zcs_tt_restore(c.tt, NULL));
		join(&t);
		assert_int_equal(t.saw, word_of_page(&c, nr - 1));
		tt_case_fini(&c);
	}
}

/* The block that somebody waits for decides, not the call. */
static void the_restore_of_another_block_does_not_wake(void **state)
{
	(void)state;
	tt_for_each_backing(backing)
	{
		struct toucher t;
		struct tt_case c;

		tt_case_init(&c, backing, NR, ZCS_TT_CONTIGUOUS);
		zcs_assert_is(zcs_tt_backup(c.tt, 0), NR);
		start(&t, &c, 700, false);
		zcs_assert_ok(zcs_tt_restore_range(c.tt, 0, 512, NULL));
		assert_sleeps(&t);
		zcs_assert_ok(zcs_tt_restore_range(c.tt, 512, 512, NULL));
		join(&t);
		assert_int_equal(t.saw, word_of_page(&c, 700));
		tt_case_fini(&c);
	}
}

static void an_interrupted_restore_wakes_those_it_has_served(void **state)
{
	(void)state;
	tt_for_each_backing(backing)
	{
		struct toucher first, second;
		struct tt_case c;

		tt_case_init(&c, backing, NR, ZCS_TT_CONTIGUOUS);
		zcs_assert_is(zcs_tt_backup(c.tt, 0), NR);
		start(&first, &c, 1, false);
		start(&second, &c, 513, false);
		zcs_test_fault("restore", 1, 1, 0);
		zcs_assert_is(zcs_tt_restore(c.tt, &tt_interruptible), -EINTR);
		join(&first);
		assert_int_equal(first.saw, word_of_page(&c, 1));
		assert_sleeps(&second);
		zcs_assert_ok(zcs_tt_restore(c.tt, &tt_interruptible));
		join(&second);
		assert_int_equal(second.saw, word_of_page(&c, 513));
		tt_case_fini(&c);
	}
}

/* A purged page is zero to the threads that waited for it. */
static void purged_pages_are_waited_for_too(void **state)
{
	(void)state;
	tt_for_each_backing(backing)
	{
		struct toucher t;
		struct tt_case c;

		tt_case_init(&c, backing, NR, ZCS_TT_CONTIGUOUS);
		zcs_assert_is(zcs_tt_backup(c.tt, ZCS_BACKUP_PURGE), NR);
		start(&t, &c, 700, false);
		assert_sleeps(&t);
		zcs_assert_ok(zcs_tt_restore(c.tt, NULL));
		join(&t);
		assert_int_equal(t.saw, 0);
		tt_case_fini(&c);
	}
}

/* A backup that gives up resolves what it had zapped. */
static void a_refused_backup_wakes_who_touched_meanwhile(void **state)
{
	(void)state;
	tt_for_each_backing(backing)
	{
		struct toucher t;
		struct tt_case c;

		tt_case_init(&c, backing, NR, ZCS_TT_CONTIGUOUS);
		zcs_test_fault("insert", 1, 0, 0);
		zcs_assert_is(zcs_tt_backup(c.tt, 0), 512);
		start(&t, &c, 700, false);
		join(&t);
		assert_int_equal(t.saw, word_of_page(&c, 700));
		zcs_test_faults_off();
		zcs_assert_ok(zcs_tt_restore(c.tt, NULL));
		assert_true(tt_case_is(&c));
		tt_case_fini(&c);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		zcs_test(readers_sleep_until_the_restore),
		zcs_test(a_writer_sleeps_and_its_write_is_kept),
		zcs_test(small_tts_sleep_as_well),
		zcs_test(the_restore_of_another_block_does_not_wake),
		zcs_test(an_interrupted_restore_wakes_those_it_has_served),
		zcs_test(purged_pages_are_waited_for_too),
		zcs_test(a_refused_backup_wakes_who_touched_meanwhile),
	};

	if (!tt_has_userfaultfd())
		zcs_test_skip("no userfaultfd here: an evicted address does not trap");
	return zcs_test_run(tests);
}
