/* SPDX-License-Identifier: MIT */
/*
 * A child has no bos: their addresses are unmapped there, and nothing that the child does changes
 * the parent's.
 */
#include <signal.h>
#include <unistd.h>

#include "bo_test.h"

struct parent {
	struct zcs_device *device;
	struct zcs_bo *bo[3]; /* mapped, inserted, written */
};

static void init(struct parent *p, enum zcs_backing backing)
{
	p->device = bo_device(backing, 0, BO_FILE);
	for (unsigned i = 0; i < 3; i++) {
		p->bo[i] = bo_new(p->device, BO_SIZE);
		bo_fill(p->bo[i], i);
	}
	assert_true(zcs_bo_evict(p->bo[1], 0) > 0);
	bo_write_out(p->bo[2]);
}

static void fini(struct parent *p)
{
	for (unsigned i = 0; i < 3; i++) {
		assert_true(bo_is(p->bo[i], i));
		bo_write_out(p->bo[i]);
		assert_true(bo_is(p->bo[i], i));
		zcs_bo_put(p->bo[i]);
	}
	bo_device_done(p->device);
}

static void write_to(void *arg)
{
	*(volatile char *)arg = 1;
}

__attribute__((unused)) static void use_bos_of_its_own(void *arg)
{
	struct zcs_device *device = bo_device(*(enum zcs_backing *)arg, 0, BO_FILE);
	struct zcs_bo *bo = bo_new(device, BO_SIZE);

	bo_fill(bo, 77);
	bo_write_out(bo);
	assert_true(bo_is(bo, 77));
	zcs_bo_put(bo);
	zcs_device_destroy(device);
}

static void just_exit(void *arg)
{
	(void)arg;
	exit(0);
}

static void a_child_cannot_harm_the_parents_bos(void **state)
{
	(void)state;
	zcs_test_for_each_backing(backing)
	{
		struct zcs_test_child child;
		struct parent p;

		init(&p, backing);
		for (unsigned i = 0; i < 3; i++) {
			child = zcs_test_in_child(write_to, bo_at(p.bo[i], ZCS_PAGE_SIZE), 20);
			zcs_assert_is(child.signal, SIGSEGV);
		}
#ifndef __SANITIZE_THREAD__ /* refuses threads in a child of a process that had some */
		child = zcs_test_in_child(use_bos_of_its_own, &backing, 20);
		zcs_test_child_passed(&child);
#endif
		child = zcs_test_in_child(just_exit, NULL, 20);
		zcs_test_child_passed(&child);
		fini(&p);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		zcs_test(a_child_cannot_harm_the_parents_bos),
	};

	if (!bo_has_userfaultfd())
		zcs_test_skip("no userfaultfd here");
	return zcs_test_run(tests);
}
