/* SPDX-License-Identifier: MIT */
/*
 * io_uring that is missing or forbidden, or that fails while it is in use: threads take over, the
 * stats say why, and no transfer is lost.
 */
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "swap_test.h"

#define NR 30u

static void says(struct zcs_swap *swap, const char *what)
{
	char text[1024];

	zcs_swap_text(swap, text, sizeof(text));
	swap_test_log_has(text, what);
}

static void round_trips(struct zcs_swap *swap)
{
	char *memory = swap_test_memory(NR * 8), *in = swap_test_memory(8);
	struct swap_test_io io[NR];

	zcs_test_fill(memory, 4, 0, NR * 8);
	for (unsigned i = 0; i < NR; i++)
		swap_test_submit(swap, &io[i], ZCS_SWAP_WRITE, swap_test_alloc(swap, 3), 3,
				 memory + i * 8 * ZCS_PAGE_SIZE);
	for (unsigned i = 0; i < NR; i++)
		zcs_assert_ok(swap_test_wait(&io[i]));
	for (unsigned i = 0; i < NR; i++) {
		zcs_assert_ok(swap_test_read(swap, io[i].req.slot, 3, in));
		assert_true(zcs_test_is(in, 4, i * 8, 8));
		zcs_swap_free(swap, io[i].req.slot, 3);
	}
}

static void works_without(const char *why)
{
	struct zcs_swap *swap = swap_test_open("file:?size=8M");

	assert_false(swap_test_stats(swap).uring);
	assert_string_equal(swap_test_stats(swap).why_not, why);
	says(swap, "threads, io_uring ");
	says(swap, why);
	round_trips(swap);
	swap_test_done(swap);
}

static void threads_take_over_when_it_cannot_be_set_up(void **state)
{
	(void)state;
	zcs_test_fault("uring_setup", 0, 1, 0);
	works_without("forbidden (kernel.io_uring_disabled or seccomp)");
	zcs_test_fault("uring_setup", 0, 1, ENOSYS);
	works_without("not in this kernel");
	zcs_test_fault("uring_setup", 0, 1, EOPNOTSUPP);
	works_without("too old in this kernel");
	zcs_test_fault("uring_setup", 0, 1, ENOMEM);
	works_without("could not be set up");
	zcs_test_fault("eventfd", 0, 1, 0);
	works_without("could not be set up");
}

static void it_may_be_switched_off(void **state)
{
	(void)state;
	setenv("ZCSWAP_NO_URING", "1", 1);
	works_without("switched off by ZCSWAP_NO_URING");
	unsetenv("ZCSWAP_NO_URING");
}

/* As a sandbox does: from now on this process gets EPERM from io_uring's calls. */
static void forbid(bool setup)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, setup ? SYS_io_uring_setup : SYS_io_uring_enter,
			 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = { .len = sizeof(code) / sizeof(code[0]), .filter = code };

	zcs_assert_ok(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
	if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, &program))
		printf("no seccomp here\n");
}

static void open_in_a_sandbox(void *arg)
{
	(void)arg;
	forbid(true);
	works_without("forbidden (kernel.io_uring_disabled or seccomp)");
}

static void a_sandbox_that_forbids_it(void **state)
{
	struct zcs_test_child child = zcs_test_in_child(open_in_a_sandbox, NULL, 60);

	(void)state;
	zcs_test_child_passed(&child);
}

static struct zcs_swap *open_with_ring(void)
{
	struct zcs_swap *swap = swap_test_open("file:?size=8M");

	if (swap_test_stats(swap).uring)
		return swap;
	swap_test_done(swap);
	zcs_test_skip_case("io_uring is not to be had here");
	return NULL;
}

/* Transfers are queued, and some of them with the kernel, when the call is forbidden. */
static void forbid_later(void *arg)
{
	struct zcs_swap *swap = swap_test_open("file:?size=64M");
	static struct swap_test_io io[NR];
	char *memory = swap_test_memory(512), *in = swap_test_memory(512);

	(void)arg;
	zcs_test_fill(memory, 4, 0, 512);
	for (unsigned i = 0; i < NR; i++)
		swap_test_submit(swap, &io[i], ZCS_SWAP_WRITE, swap_test_alloc(swap, 9), 9, memory);
	forbid(false);
	for (unsigned i = 0; i < NR; i++)
		zcs_assert_ok(swap_test_wait(&io[i]));
	for (unsigned i = 0; i < NR; i++) {
		zcs_assert_ok(swap_test_read(swap, io[i].req.slot, 9, in));
		assert_true(zcs_test_is(in, 4, 0, 512));
	}
	says(swap, "threads, io_uring failed");
	swap_test_done(swap);
}

static void a_sandbox_that_is_entered_later(void **state)
{
	struct zcs_test_child child;

	(void)state;
	swap_test_done(open_with_ring());
	child = zcs_test_in_child(forbid_later, NULL, 60);
	zcs_test_child_passed(&child);
	swap_test_log_has(child.out,
			  "io_uring failed: Operation not permitted; going on without it");
}

static void a_ring_that_fails_is_given_up(void **state)
{
	struct zcs_swap *swap;

	(void)state;
	for (unsigned after = 0; after < 12; after++) {
		swap = open_with_ring();
		zcs_test_fault("uring_submit", after, 0, EBADF);
		swap_test_log_start();
		round_trips(swap);
		swap_test_log_has(swap_test_log_end(), "io_uring failed: Bad file descriptor");
		assert_false(swap_test_stats(swap).uring);
		round_trips(swap);
		swap_test_done(swap);
	}
}

static void a_ring_that_is_busy_is_tried_again(void **state)
{
	struct zcs_swap *swap = open_with_ring();

	(void)state;
	zcs_test_fault("uring_submit", 0, 10, 0);
	round_trips(swap);
	zcs_test_fault("uring_submit", 0, 10, EBUSY);
	round_trips(swap);
	zcs_test_fault("uring_submit", 0, 10, EINTR);
	round_trips(swap);
	zcs_test_fault_every("uring_submit", 2);
	round_trips(swap);
	assert_true(swap_test_stats(swap).uring);
	swap_test_done(swap);
}

static void a_ring_that_is_busy_for_ever_is_given_up(void **state)
{
	struct zcs_swap *swap = open_with_ring();

	(void)state;
	zcs_test_fault("uring_submit", 3, 0, 0);
	swap_test_log_start();
	round_trips(swap);
	swap_test_log_has(swap_test_log_end(), "io_uring failed: Resource temporarily unavailable");
	assert_false(swap_test_stats(swap).uring);
	swap_test_done(swap);
}

static void a_full_ring_is_emptied(void **state)
{
	struct zcs_swap *swap = open_with_ring();

	(void)state;
	zcs_test_fault("uring_full", 0, 20, 0);
	round_trips(swap);
	zcs_test_fault_every("uring_full", 2);
	round_trips(swap);
	assert_true(swap_test_stats(swap).full >= 40);
	assert_true(swap_test_stats(swap).uring);
	zcs_test_fault("uring_full", 5, 0, 0);
	swap_test_log_start();
	round_trips(swap);
	swap_test_log_has(swap_test_log_end(), "the ring stays full");
	swap_test_done(swap);
}

/* Buffered writes are two transfers each; the ring fails between them. */
static void a_ring_that_fails_between_a_write_and_its_sync(void **state)
{
	(void)state;
	for (unsigned after = 0; after < 8; after++) {
		struct zcs_swap *swap = swap_test_open("file:?size=8M&direct=0");

		zcs_test_fault("uring_submit", after, 0, EPERM);
		swap_test_log_start();
		round_trips(swap);
		swap_test_log_end();
		swap_test_done(swap);
	}
}

static void one_thread_is_enough(void **state)
{
	struct zcs_swap *swap;

	(void)state;
	setenv("ZCSWAP_NO_URING", "1", 1);
	zcs_test_fault("io_thread", 1, 0, 0);
	swap = swap_test_open("file:?size=8M");
	zcs_test_faults_off();
	zcs_assert_is(swap->nr_threads, 1);
	round_trips(swap);
	swap_test_done(swap);
	zcs_test_fault("io_thread", 0, 0, 0);
	zcs_assert_is(swap_test_try("file:?size=8M"), -EAGAIN);
	unsetenv("ZCSWAP_NO_URING");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		swap_test(threads_take_over_when_it_cannot_be_set_up),
		swap_test(it_may_be_switched_off),
		swap_test(a_sandbox_that_forbids_it),
		swap_test(a_sandbox_that_is_entered_later),
		swap_test(a_ring_that_fails_is_given_up),
		swap_test(a_ring_that_is_busy_is_tried_again),
		swap_test(a_ring_that_is_busy_for_ever_is_given_up),
		swap_test(a_full_ring_is_emptied),
		swap_test(a_ring_that_fails_between_a_write_and_its_sync),
		swap_test(one_thread_is_enough),
	};

	if (getenv("ZCSWAP_NO_URING"))
		zcs_test_skip("ZCSWAP_NO_URING is set");
	return zcs_test_run(tests);
}
