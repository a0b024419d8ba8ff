/* SPDX-License-Identifier: MIT */
/*
 * Every call on a parent's device, bo or bulk, in a child of fork(): it does nothing and returns at
 * once what zcswap(7) says. A program below a layer does not know that it has bos: its destructors
 * run in the child as well. A bo that was put there was once punched under the parent.
 */
#include <unistd.h>

#include "bo_test.h"
#include "device/device_priv.h"

#define NR 3u

struct parent {
	struct zcs_device *device;
	struct zcs_bulk *bulk;
	struct zcs_bo *bo[NR]; /* mapped, inserted, written */
};

static struct parent parents; /* for destructors */

static void init(struct parent *p, enum zcs_backing backing, const char *store)
{
	p->device = bo_device(backing, 0, store);
	zcs_assert_ok(zcs_bulk_create(p->device, &p->bulk));
	for (unsigned i = 0; i < NR; i++) {
		p->bo[i] = bo_new(p->device, BO_SIZE);
		bo_fill(p->bo[i], i);
	}
	zcs_assert_ok(zcs_bulk_add(p->bulk, p->bo[0]));
	assert_true(zcs_bo_evict(p->bo[1], 0) > 0);
	if (store)
		bo_write_out(p->bo[2]);
}

static void drop_bos(struct parent *p)
{
	bo_device_ok(p->device);
	zcs_assert_ok(zcs_bulk_remove(p->bo[0]));
	zcs_bulk_destroy(p->bulk);
	zcs_assert_is(bo_device_stats(p->device).bos, NR);
	for (unsigned i = 0; i < NR; i++) {
		assert_true(bo_is(p->bo[i], i));
		zcs_bo_put(p->bo[i]);
	}
}

static void fini(struct parent *p)
{
	drop_bos(p);
	bo_device_done(p->device);
}

static void use_bo(struct zcs_bo *bo)
{
	struct zcs_stats stats = { .struct_size = sizeof(stats) };

	assert_null(zcs_bo_address(bo));
	zcs_assert_is(zcs_bo_size(bo), 0);
	zcs_assert_is(zcs_bo_pin(bo, NULL), -ECHILD);
	zcs_assert_is(zcs_bo_evict(bo, ZCS_BACKUP_PURGE), -ECHILD);
	zcs_assert_is(zcs_bo_evict(bo, ZCS_BACKUP_WRITEBACK), -ECHILD);
	zcs_assert_is(zcs_bo_shrink(bo, NULL, ZCS_BACKUP_PURGE), -ECHILD);
	zcs_assert_is(zcs_bo_prefetch(bo), -ECHILD);
	zcs_assert_is(zcs_bo_set_priority(bo, 0), -ECHILD);
	zcs_assert_is(zcs_bo_set_purgeable(bo, true), -ECHILD);
	zcs_assert_is(zcs_bo_stats(bo, &stats), -ECHILD);
	zcs_bo_unpin(bo);
	assert_ptr_equal(zcs_bo_get(bo), bo);
	zcs_bo_put(bo);
	zcs_bo_put(bo);
	zcs_bo_put(bo);
}

static void use_device(struct parent *p)
{
	struct zcs_stats stats = { .struct_size = sizeof(stats) };
	struct zcs_bulk *bulk = NULL;
	struct zcs_bo *bo = NULL;

	zcs_assert_is(zcs_bo_create(p->device, BO_SIZE, NULL, &bo), -ECHILD);
	zcs_assert_is(zcs_bulk_create(p->device, &bulk), -ECHILD);
	zcs_assert_is(zcs_bulk_add(p->bulk, p->bo[1]), -ECHILD);
	zcs_assert_is(zcs_bulk_remove(p->bo[0]), -ECHILD);
	zcs_assert_is(zcs_bulk_move_tail(p->bulk), -ECHILD);
	zcs_assert_is(zcs_device_shrink(p->device, UINT64_MAX, 0), -ECHILD);
	zcs_assert_is(zcs_device_stats(p->device, &stats), -ECHILD);
	zcs_assert_is(zcs_device_check(p->device), -ECHILD);
}

static void destroy_all(struct parent *p)
{
	for (unsigned i = 0; i < NR; i++)
		zcs_bo_put(p->bo[i]);
	zcs_bulk_destroy(p->bulk);
	zcs_device_destroy(p->device);
}

static void use_all(void *arg)
{
	struct parent *p = arg;

	use_device(p);
	for (unsigned i = 0; i < NR; i++)
		use_bo(p->bo[i]);
	destroy_all(p);
	destroy_all(p);
}

static void in_a_destructor(void)
{
	destroy_all(&parents);
}

static void exit_with_destructors(void *arg)
{
	(void)arg;
	atexit(in_a_destructor);
	exit(0);
}

/* A bo of the child's is not served by the parent's threads, nor the other way round. */
__attribute__((unused)) static void use_own_as_well(void *arg)
{
	struct parent *p = arg, own;

	use_all(p);
	init(&own, ZCS_BACKING_SMALL, BO_FILE);
	use_all(p);
	zcs_assert_is(zcs_bulk_add(own.bulk, p->bo[1]), -ECHILD);
	zcs_assert_is(zcs_bulk_add(p->bulk, own.bo[1]), -ECHILD);
	drop_bos(&own);
	zcs_device_destroy(own.device);
	use_all(p);
}

static void passes(void (*fn)(void *), const char *store)
{
	zcs_test_for_each_backing(backing)
	{
		struct zcs_test_child c;

		init(&parents, backing, store);
		c = zcs_test_in_child(fn, &parents, 60);
		zcs_test_child_passed(&c);
		fini(&parents);
	}
}

static void calls_of_a_child_do_nothing(void **state)
{
	(void)state;
	passes(use_all, NULL);
	passes(use_all, BO_FILE);
}

static void destructors_of_a_child_do_nothing(void **state)
{
	(void)state;
	passes(exit_with_destructors, BO_FILE);
}

static void a_child_has_bos_of_its_own(void **state)
{
	(void)state;
#ifdef __SANITIZE_THREAD__
	zcs_test_skip_case("ThreadSanitizer refuses threads in a child of a process that had some");
#else
	passes(use_own_as_well, BO_FILE);
#endif
}

static void locks_of_the_parent_do_not_matter(void **state)
{
	struct zcs_test_child c;
	struct parent p;

	(void)state;
	init(&p, ZCS_BACKING_SMALL, BO_FILE);
	pthread_mutex_lock(&p.device->work_lock);
	pthread_mutex_lock(&p.bo[0]->tt->lock);
	pthread_mutex_lock(&p.device->lru.lock);
	pthread_rwlock_wrlock(&p.device->tree_lock);
	c = zcs_test_in_child(use_all, &p, 20);
	pthread_rwlock_unlock(&p.device->tree_lock);
	pthread_mutex_unlock(&p.device->lru.lock);
	pthread_mutex_unlock(&p.bo[0]->tt->lock);
	pthread_mutex_unlock(&p.device->work_lock);
	zcs_test_child_passed(&c);
	fini(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		zcs_test(calls_of_a_child_do_nothing),
		zcs_test(destructors_of_a_child_do_nothing),
		zcs_test(a_child_has_bos_of_its_own),
		zcs_test(locks_of_the_parent_do_not_matter),
	};

	if (!bo_has_userfaultfd())
		zcs_test_skip("no userfaultfd here");
	return zcs_test_run(tests);
}
