/* SPDX-License-Identifier: MIT */
/*
 * The C library's own allocator refuses: while a tt goes out and comes back that changes nothing,
 * because nothing is asked of it; and in the rest of a tt's life each single refusal is an error
 * that leaves nothing behind. The allocator is wrapped at link time (see meson.build).
 */
#include "zcs_test.h"

#define NR 1027u

/* Calls that pass before one is refused; negative: none is. Counted while @counting. */
static _Thread_local int64_t refuse_after = -1;
static _Thread_local bool counting, refuse_all;
static _Thread_local uint64_t calls, refused;

void *__real_malloc(size_t bytes);
void *__real_calloc(size_t nr, size_t bytes);
void *__real_realloc(void *p, size_t bytes);
void *__real_aligned_alloc(size_t align, size_t bytes);
int __real_posix_memalign(void **p, size_t align, size_t bytes);
void *__wrap_malloc(size_t bytes);
void *__wrap_calloc(size_t nr, size_t bytes);
void *__wrap_realloc(void *p, size_t bytes);
void *__wrap_aligned_alloc(size_t align, size_t bytes);
int __wrap_posix_memalign(void **p, size_t align, size_t bytes);

static bool refuse(void)
{
	if (!counting)
		return false;
	calls++;
	if (!refuse_all && (refuse_after < 0 || refuse_after--))
		return false;
	refused++;
	return true;
}

void *__wrap_malloc(size_t bytes)
{
	return refuse() ? NULL : __real_malloc(bytes);
}

void *__wrap_calloc(size_t nr, size_t bytes)
{
	return refuse() ? NULL : __real_calloc(nr, bytes);
}

void *__wrap_realloc(void *p, size_t bytes)
{
	return refuse() ? NULL : __real_realloc(p, bytes);
}

void *__wrap_aligned_alloc(size_t align, size_t bytes)
{
	return refuse() ? NULL : __real_aligned_alloc(align, bytes);
}

int __wrap_posix_memalign(void **p, size_t align, size_t bytes)
{
	return refuse() ? ENOMEM : __real_posix_memalign(p, align, bytes);
}

static void start(int64_t after)
{
	calls = refused = 0;
	refuse_after = after;
	refuse_all = after < 0;
	counting = true;
}

static void stop(void)
{
	counting = false;
	refuse_all = false;
	refuse_after = -1;
}

struct life {
	struct zcs_pool *pool;
	struct zcs_store *store;
	struct zcs_tt *tt;
};

/* 0, or the first error; what was made until then is in @l. */
static int be_born(struct life *l, enum zcs_backing backing, uint32_t flags)
{
	struct zcs_pool_params params = zcs_test_params(backing, 0, 0);
	int err = zcs_pool_create(&params, &l->pool);

	if (!err)
		err = zcs_store_open("mem:", &l->store);
	if (!err)
		err = zcs_tt_create(l->pool, NR, flags, &l->tt);
	if (!err)
		err = zcs_tt_setup_backup(l->tt, l->store);
	return err ? err : zcs_tt_populate(l->tt, NULL);
}

static void end(struct life *l)
{
	if (l->tt)
		zcs_test_tt_done(l->tt);
	if (l->store)
		zcs_test_store_done(l->store);
	if (l->pool) {
		zcs_test_pool_is_idle(l->pool);
		zcs_pool_destroy(l->pool);
	}
}

static void fill(struct life *l)
{
	for (uint64_t i = 0; i < NR; i++)
		zcs_test_fill_page(zcs_tt_page_address(l->tt, i), 1, i);
}

static void assert_filled(struct life *l)
{
	for (uint64_t i = 0; i < NR; i++)
		assert_true(zcs_test_page_is(zcs_tt_page_address(l->tt, i), 1, i));
}

/* Every way out and in, with no memory at all. */
static bool out_and_in_works(struct life *l)
{
	return zcs_tt_backup(l->tt, 0) == NR && !zcs_tt_restore(l->tt, NULL) &&
	       zcs_tt_backup_range(l->tt, 0, 512, 0) == 512 &&
	       zcs_tt_backup(l->tt, 0) == NR - 512 && zcs_tt_backup(l->tt, 0) == 0 &&
	       !zcs_tt_restore_range(l->tt, 1026, 1, NULL) && !zcs_tt_restore(l->tt, NULL);
}

static void swapping_out_asks_for_no_memory(void **state)
{
	(void)state;
	zcs_test_for_each_backing(backing) for (uint32_t flags = 0; flags <= ZCS_TT_CONTIGUOUS;
						flags += ZCS_TT_CONTIGUOUS)
	{
		struct life l = { 0 };
		bool works;

		zcs_assert_ok(be_born(&l, backing, flags));
		fill(&l);
		start(-1);
		works = out_and_in_works(&l);
		stop();
		assert_true(works);
		zcs_assert_is(calls, 0);
		assert_filled(&l);
		start(-1);
		works = zcs_tt_backup(l.tt, 0) == NR && !zcs_tt_drop_backup(l.tt);
		stop();
		assert_true(works);
		zcs_assert_is(calls, 0);
		end(&l);
	}
}

/*
 * A refused block asks for index nodes to be split; without them it stays whole and nothing is
 * lost.
 */
static void splitting_without_memory_leaves_the_block_whole(void **state)
{
	struct life l = { 0 };
	int64_t ret;

	(void)state;
	zcs_assert_ok(be_born(&l, ZCS_BACKING_SMALL, ZCS_TT_CONTIGUOUS));
	fill(&l);
	zcs_test_fault("insert_large", 0, 0, ENOSPC);
	start(-1);
	ret = zcs_tt_backup(l.tt, 0);
	stop();
	zcs_test_faults_off();
	zcs_assert_is(ret, -ENOSPC);
	assert_true(refused > 0);
	zcs_assert_is(zcs_test_active(l.pool, 9), 2);
	assert_filled(&l);
	zcs_assert_is(zcs_tt_backup(l.tt, 0), NR);
	zcs_assert_ok(zcs_tt_restore(l.tt, NULL));
	assert_filled(&l);
	end(&l);
}

/* The k-th call to the allocator is refused; whether there was a k-th. */
static bool one_refusal(enum zcs_backing backing, uint32_t flags, int64_t k, uint64_t *errors)
{
	struct life l = { 0 };
	int err;

	start(k);
	err = be_born(&l, backing, flags);
	stop();
	*errors += err != 0;
	/* an arena that cannot be made is done without where a smaller order will do */
	if (err && refused)
		zcs_assert_is(err, -ENOMEM);
	else
		zcs_assert_ok(err);
	end(&l);
	return refused;
}

static void each_single_refusal_is_an_error_without_a_leak(void **state)
{
	(void)state;
	zcs_test_for_each_backing(backing) for (uint32_t flags = 0; flags <= ZCS_TT_CONTIGUOUS;
						flags += ZCS_TT_CONTIGUOUS)
	{
		uint64_t errors = 0;
		int64_t k = 0;

		while (one_refusal(backing, flags, k, &errors))
			k++;
		/* pool, shards, store, backup, tt, their tables */
		assert_true(errors >= 8);
		/* two arenas at most */
		assert_true((uint64_t)k - errors <= 2);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		zcs_test(swapping_out_asks_for_no_memory),
		zcs_test(splitting_without_memory_leaves_the_block_whole),
		zcs_test(each_single_refusal_is_an_error_without_a_leak),
	};

	return zcs_test_run(tests);
}
