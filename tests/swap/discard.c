/* SPDX-License-Identifier: MIT */
/*
 * Clusters that became free are given back to the file system, by a thread and in batches; one that
 * is used again first is not; and while one is being discarded it is not handed out.
 */
#include <sys/stat.h>
#include <unistd.h>

#include "swap_test.h"

#define CLUSTERS 16u

static struct zcs_swap *swap;
static uint32_t slot[CLUSTERS];

static void start(const char *keys)
{
	swap = swap_test_open("file:?size=%u%s", CLUSTERS * ZCS_CLUSTER_BYTES, keys);
	for (unsigned i = 0; i < CLUSTERS; i++)
		slot[i] = swap_test_alloc(swap, ZCS_CLUSTER_ORDER);
}

static uint64_t file_bytes(void)
{
	struct stat st;

	zcs_assert_ok(fstat(swap->dev[0].fd, &st));
	return (uint64_t)st.st_blocks * 512;
}

static void freed_clusters_are_given_back(void **state)
{
	uint64_t before;

	(void)state;
	start("&discard=1");
	before = file_bytes();
	for (unsigned i = 0; i < 10; i++)
		zcs_swap_free(swap, slot[i], ZCS_CLUSTER_ORDER);
	zcs_swap_drain(swap);
	zcs_assert_is(before - file_bytes(), 10 * ZCS_CLUSTER_BYTES);
	zcs_assert_is(swap_test_stats(swap).discarded, 10 * ZCS_CLUSTER_SLOTS);
	zcs_assert_is(zcs_swap_avail(swap), 10 * ZCS_CLUSTER_BYTES);
	swap_test_done(swap);
}

/* Nobody waits for it, and it happens. */
static void it_needs_no_drain(void **state)
{
	(void)state;
	start("&discard=1");
	zcs_swap_free(swap, slot[0], ZCS_CLUSTER_ORDER);
	for (unsigned i = 0; i < 300 && !swap_test_stats(swap).discarded; i++)
		usleep(10000);
	zcs_assert_is(swap_test_stats(swap).discarded, ZCS_CLUSTER_SLOTS);
	swap_test_done(swap);
}

static void neighbours_go_with_one_call(void **state)
{
	(void)state;
	start("&discard=1");
	zcs_test_fault("discard", 1000, 0, 0);
	for (unsigned i = 0; i < CLUSTERS; i++)
		if (i != 8)
			zcs_swap_free(swap, slot[i], ZCS_CLUSTER_ORDER);
	zcs_swap_drain(swap);
	zcs_assert_is(swap_test_stats(swap).discarded, (CLUSTERS - 1) * ZCS_CLUSTER_SLOTS);
	zcs_assert_is(zcs_test_fault_calls("discard"), 2);
	swap_test_done(swap);
}

static void a_part_of_a_cluster_is_not_discarded(void **state)
{
	uint64_t before;

	(void)state;
	start("&discard=1");
	before = file_bytes();
	zcs_swap_free(swap, slot[0], 8);
	zcs_swap_free(swap, slot[0] + 256, 7);
	zcs_swap_drain(swap);
	zcs_assert_is(file_bytes(), (int64_t)before);
	zcs_swap_free(swap, slot[0] + 384, 7);
	zcs_swap_drain(swap);
	zcs_assert_is(before - file_bytes(), ZCS_CLUSTER_BYTES);
	swap_test_done(swap);
}

static void nothing_is_discarded_unasked(void **state)
{
	uint64_t before;

	(void)state;
	start("");
	before = file_bytes();
	for (unsigned i = 0; i < CLUSTERS; i++)
		zcs_swap_free(swap, slot[i], ZCS_CLUSTER_ORDER);
	zcs_swap_drain(swap);
	zcs_assert_is(file_bytes(), (int64_t)before);
	zcs_assert_is(swap_test_stats(swap).discarded, 0);
	swap_test_done(swap);
}

static void a_cluster_that_is_used_again_is_kept(void **state)
{
	char *out = swap_test_memory(512), *in = swap_test_memory(512);

	(void)state;
	start("&discard=1");
	zcs_test_fill(out, 1, 0, 512);
	for (unsigned i = 0; i < 20; i++) {
		zcs_swap_free(swap, slot[3], ZCS_CLUSTER_ORDER);
		zcs_assert_is(swap_test_alloc(swap, ZCS_CLUSTER_ORDER), slot[3]);
		zcs_assert_ok(swap_test_write(swap, slot[3], ZCS_CLUSTER_ORDER, out));
	}
	zcs_swap_drain(swap);
	zcs_assert_is(swap->dev[0].slots.nr_stale, 0);
	zcs_assert_ok(zcs_swap_read(swap, slot[3], ZCS_CLUSTER_ORDER, in));
	assert_true(zcs_test_is(in, 1, 0, 512));
	swap_test_done(swap);
}

static void a_discard_that_fails_is_switched_off(void **state)
{
	(void)state;
	start("&discard=1");
	zcs_test_fault("discard", 0, 1, 0);
	swap_test_log_start();
	zcs_swap_free(swap, slot[0], ZCS_CLUSTER_ORDER);
	zcs_swap_free(swap, slot[5], ZCS_CLUSTER_ORDER);
	zcs_swap_drain(swap);
	swap_test_log_has(swap_test_log_end(),
			  "discard failed: Operation not supported; it is switched off");
	zcs_assert_is(zcs_swap_avail(swap), 2 * ZCS_CLUSTER_BYTES);
	zcs_swap_free(swap, slot[6], ZCS_CLUSTER_ORDER);
	zcs_swap_drain(swap);
	zcs_assert_is(swap_test_stats(swap).discarded, 0);
	zcs_assert_is(zcs_swap_avail(swap), 3 * ZCS_CLUSTER_BYTES);
	swap_test_done(swap);
}

/* The swap is full but for clusters that come and go: what is free can always be had. */
static uint64_t come_and_go(unsigned id, void *arg)
{
	unsigned rounds = zcs_test_scale(1000);
	uint64_t bad = 0;
	uint32_t mine;

	(void)arg;
	(void)id;
	for (unsigned i = 0; i < rounds; i++) {
		if (zcs_swap_alloc(swap, ZCS_CLUSTER_ORDER, &mine)) {
			bad++;
			continue;
		}
		if (i % 50 == 0)
			usleep(120000 / zcs_test_scale(10));
		zcs_swap_free(swap, mine, ZCS_CLUSTER_ORDER);
	}
	return bad;
}

static void what_is_free_can_be_had_while_it_is_discarded(void **state)
{
	(void)state;
	start("&discard=1");
	for (unsigned i = 0; i < 4; i++)
		zcs_swap_free(swap, slot[i], ZCS_CLUSTER_ORDER);
	zcs_assert_is(zcs_test_threads(4, come_and_go, NULL), 0);
	zcs_assert_is(zcs_swap_avail(swap), 4 * ZCS_CLUSTER_BYTES);
	swap_test_done(swap);
}

/* A cluster that is being discarded is not handed out: a write to it would be lost. */
static void what_is_being_discarded_is_not_handed_out(void **state)
{
	uint32_t cluster, other;

	(void)state;
	start("");
	zcs_slots_free(&swap->dev[0].slots, slot[2], ZCS_CLUSTER_ORDER, true);
	zcs_slots_free(&swap->dev[0].slots, slot[3], ZCS_CLUSTER_ORDER, true);
	zcs_assert_is(zcs_slots_discard_begin(&swap->dev[0].slots, 1, &cluster), 1);
	zcs_assert_is(cluster, 2);
	zcs_assert_is(zcs_swap_avail(swap), 2 * ZCS_CLUSTER_BYTES);
	zcs_assert_ok(zcs_swap_check(swap));
	zcs_assert_is(swap_test_alloc(swap, 0), slot[3]);
	zcs_assert_is(zcs_slots_alloc(&swap->dev[0].slots, ZCS_CLUSTER_ORDER, &other), -ENOSPC);
	zcs_slots_discard_end(&swap->dev[0].slots, cluster, 1);
	zcs_assert_is(swap_test_alloc(swap, ZCS_CLUSTER_ORDER), slot[2]);
	swap_test_done(swap);
}

static atomic_bool allocated;

static void *allocate(void *arg)
{
	uint32_t *cluster = arg;

	*cluster = zcs_swap_alloc(swap, ZCS_CLUSTER_ORDER, cluster) ? UINT32_MAX : *cluster;
	atomic_store(&allocated, true);
	return NULL;
}

static void the_last_cluster_is_waited_for_while_it_is_discarded(void **state)
{
	uint32_t cluster, got = 0;
	pthread_t thread;

	(void)state;
	start("");
	atomic_store(&allocated, false);
	zcs_slots_free(&swap->dev[0].slots, slot[2], ZCS_CLUSTER_ORDER, true);
	zcs_assert_is(zcs_slots_discard_begin(&swap->dev[0].slots, 1, &cluster), 1);
	zcs_assert_ok(pthread_create(&thread, NULL, allocate, &got));
	usleep(50000);
	assert_false(atomic_load(&allocated));
	pthread_mutex_lock(&swap->slots_lock);
	zcs_slots_discard_end(&swap->dev[0].slots, cluster, 1);
	pthread_cond_broadcast(&swap->slots_cond);
	pthread_mutex_unlock(&swap->slots_lock);
	zcs_assert_ok(pthread_join(thread, NULL));
	zcs_assert_is(got, slot[2]);
	swap_test_done(swap);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		swap_test(freed_clusters_are_given_back),
		swap_test(it_needs_no_drain),
		swap_test(neighbours_go_with_one_call),
		swap_test(a_part_of_a_cluster_is_not_discarded),
		swap_test(nothing_is_discarded_unasked),
		swap_test(a_cluster_that_is_used_again_is_kept),
		swap_test(a_discard_that_fails_is_switched_off),
		swap_test(what_is_free_can_be_had_while_it_is_discarded),
		swap_test(what_is_being_discarded_is_not_handed_out),
		swap_test(the_last_cluster_is_waited_for_while_it_is_discarded),
	};

	return zcs_test_run(tests);
}
