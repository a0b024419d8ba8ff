/* SPDX-License-Identifier: MIT */
/*
 * A page's only copy cannot be read: its touchers get SIGBUS, zcs_bo_pin() says -EIO and may be
 * tried again, a success makes the address good, and nothing else is harmed.
 */
#include <setjmp.h>
#include <signal.h>

#include "bo_inside.h"

static sigjmp_buf back;
static volatile uintptr_t fault_at;

static void on_sigbus(int sig, siginfo_t *info, void *context)
{
	(void)sig;
	(void)context;
	fault_at = (uintptr_t)info->si_addr;
	siglongjmp(back, 1);
}

/* Whether reading the byte is a SIGBUS; its address must be in the same page, or huge page. */
static bool read_is_sigbus(struct zcs_bo *bo, uint64_t offset)
{
	struct sigaction sa = { .sa_sigaction = on_sigbus, .sa_flags = SA_SIGINFO }, old;
	uintptr_t at = (uintptr_t)bo_at(bo, offset);
	volatile bool caught = true;

	sigaction(SIGBUS, &sa, &old);
	if (!sigsetjmp(back, 1)) {
		bo_read(bo, offset);
		caught = false;
	}
	sigaction(SIGBUS, &old, NULL);
	bo_settle(bo->device);
	if (caught && fault_at / ZCS_TEST_HUGE_BYTES != at / ZCS_TEST_HUGE_BYTES)
		fail_msg("SIGBUS at %#" PRIxPTR ", touched %#" PRIxPTR, (uintptr_t)fault_at, at);
	return caught;
}

struct sample {
	struct zcs_device *device;
	struct zcs_bo *bo, *other, *here;
};

/* Two bos that are out and one that is in memory. */
static struct sample sample(enum zcs_backing backing)
{
	struct sample s = { .device = bo_device(backing, 0, BO_FILE) };

	s.bo = bo_new(s.device, BO_SIZE);
	s.other = bo_new(s.device, BO_SIZE);
	s.here = bo_new(s.device, BO_SIZE);
	bo_fill(s.bo, 1);
	bo_fill(s.other, 2);
	bo_fill(s.here, 3);
	bo_settle(s.device);
	bo_write_out(s.bo);
	bo_write_out(s.other);
	return s;
}

static void done(struct sample *s)
{
	assert_true(bo_is(s->bo, 1));
	assert_true(bo_is(s->other, 2));
	assert_true(bo_is(s->here, 3));
	/* what was poisoned once goes out and comes back like any other */
	bo_write_out(s->bo);
	assert_true(bo_is(s->bo, 1));
	bo_device_ok(s->device);
	zcs_bo_put(s->bo);
	zcs_bo_put(s->other);
	zcs_bo_put(s->here);
	bo_device_done(s->device);
}

static void a_touch_gets_sigbus_and_a_pin_mends_it(void **state)
{
	(void)state;
	zcs_test_for_each_backing(backing)
	{
		struct sample s = sample(backing);

		zcs_test_fault("read", 0, 0, EIO);
		assert_true(read_is_sigbus(s.bo, 5 * ZCS_PAGE_SIZE + 1));
		assert_true(read_is_sigbus(s.bo, 5 * ZCS_PAGE_SIZE + 1));
		assert_true(bo_is(s.here, 3));
		zcs_assert_is(zcs_bo_pin(s.bo, NULL), -EIO);
		zcs_assert_is(bo_stats(s.bo).pinned, 0);
		assert_true(bo_stats(s.bo).touch_errors > 0);
		zcs_test_faults_off();
		zcs_assert_ok(zcs_bo_pin(s.bo, NULL));
		assert_true(bo_is(s.bo, 1));
		zcs_bo_unpin(s.bo);
		done(&s);
	}
}

static void one_failing_page_fails_alone(void **state)
{
	(void)state;
	zcs_test_for_each_backing(backing)
	{
		struct sample s = sample(backing);

		zcs_test_fault("read", 0, 0, EIO);
		assert_true(read_is_sigbus(s.bo, 0));
		zcs_test_faults_off();
		/* the other half of the bo, and another bo */
		assert_true(zcs_test_is(bo_at(s.bo, ZCS_TEST_HUGE_BYTES), 1, ZCS_TEST_HUGE_PAGES,
					ZCS_TEST_HUGE_PAGES));
		assert_true(bo_is(s.other, 2));
		assert_true(read_is_sigbus(s.bo, 0));
		zcs_assert_ok(zcs_bo_pin(s.bo, NULL));
		zcs_bo_unpin(s.bo);
		done(&s);
	}
}

/*
 * On small pages the pages beside the poisoned one are not; touching one of them restores the whole
 * folio.
 */
static void a_touch_beside_it_mends_it_too(void **state)
{
	(void)state;
	for (enum zcs_backing backing = ZCS_BACKING_THP; backing <= ZCS_BACKING_SMALL; backing++) {
		struct sample s = sample(backing);

		zcs_test_fault("read", 0, 0, EIO);
		assert_true(read_is_sigbus(s.bo, 3 * ZCS_PAGE_SIZE));
		zcs_test_faults_off();
		assert_true(zcs_test_page_is(bo_at(s.bo, 4 * ZCS_PAGE_SIZE), 1, 4));
		assert_true(zcs_test_page_is(bo_at(s.bo, 3 * ZCS_PAGE_SIZE), 1, 3));
		done(&s);
	}
}

static void a_bad_checksum_is_an_error_too(void **state)
{
	(void)state;
	zcs_test_for_each_backing(backing)
	{
		struct sample s = sample(backing);

		zcs_test_fault("checksum", 0, 0, EIO);
		assert_true(read_is_sigbus(s.bo, 0));
		zcs_assert_is(zcs_bo_pin(s.bo, NULL), -EIO);
		zcs_test_faults_off();
		zcs_assert_ok(zcs_bo_pin(s.bo, NULL));
		zcs_bo_unpin(s.bo);
		done(&s);
	}
}

/* Nobody reads a bo that is dropped: its poisoned page is zero for the next owner. */
static void a_poisoned_bo_can_be_put(void **state)
{
	(void)state;
	zcs_test_for_each_backing(backing)
	{
		struct zcs_device *device = bo_device(backing, 0, BO_FILE);

		for (unsigned i = 0; i < 3; i++) {
			struct zcs_bo *bo = bo_new(device, BO_SIZE);

			assert_true(bo_is_zero(bo));
			bo_fill(bo, 9);
			bo_settle(device);
			bo_write_out(bo);
			zcs_test_fault("read", 0, 0, EIO);
			assert_true(read_is_sigbus(bo, 0));
			zcs_test_faults_off();
			zcs_bo_put(bo);
		}
		bo_device_done(device);
	}
}

/*
 * A page that was read back and not written to is mapped write-protected where dirt is tracked. Its
 * zap leaves a marker in the page table, which poison does not replace. The toucher must not sleep
 * for ever.
 */
static void a_page_that_was_evicted_clean(void **state)
{
	(void)state;
	zcs_test_for_each_backing(backing)
	{
		struct sample s = sample(backing);

		zcs_assert_ok(zcs_bo_pin(s.bo, NULL));
		zcs_bo_unpin(s.bo);
		bo_write_out(s.bo);
		zcs_test_fault("read", 0, 0, EIO);
		assert_true(read_is_sigbus(s.bo, 0));
		assert_true(read_is_sigbus(s.bo, ZCS_TEST_HUGE_BYTES));
		zcs_test_faults_off();
		zcs_assert_ok(zcs_bo_pin(s.bo, NULL));
		zcs_bo_unpin(s.bo);
		done(&s);
	}
}

/* A home on addresses of an earlier one inherits the markers in its page table. */
static void a_page_whose_address_had_been_evicted_clean(void **state)
{
	(void)state;
	zcs_test_for_each_backing(backing)
	{
		struct zcs_device *device = bo_device(backing, 0, BO_FILE);
		struct zcs_bo *bo = bo_new(device, BO_SIZE);
		void *at = bo_at(bo, 0);

		bo_fill(bo, 1);
		bo_settle(device);
		bo_write_out(bo);
		zcs_assert_ok(zcs_bo_pin(bo, NULL));
		zcs_bo_unpin(bo);
		bo_write_out(bo);
		zcs_bo_put(bo);
		bo = bo_new(device, BO_SIZE);
		assert_ptr_equal(bo_at(bo, 0), at);
		bo_fill(bo, 2);
		bo_settle(device);
		bo_write_out(bo);
		zcs_test_fault("read", 0, 0, EIO);
		assert_true(read_is_sigbus(bo, 0));
		zcs_test_faults_off();
		zcs_bo_put(bo);
		bo_device_done(device);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		zcs_test(a_touch_gets_sigbus_and_a_pin_mends_it),
		zcs_test(one_failing_page_fails_alone),
		zcs_test(a_touch_beside_it_mends_it_too),
		zcs_test(a_bad_checksum_is_an_error_too),
		zcs_test(a_poisoned_bo_can_be_put),
		zcs_test(a_page_that_was_evicted_clean),
		zcs_test(a_page_whose_address_had_been_evicted_clean),
	};

	if (!bo_has_userfaultfd())
		zcs_test_skip("no userfaultfd here");
	return zcs_test_run(tests);
}
