/* SPDX-License-Identifier: MIT */
/*
 * The slot maps against a model that is an array of slots: every allocation is aligned and of free
 * slots only, one fails only if the model has no aligned run either, what is available is exact
 * after each step, and the validator agrees.
 */
#include "swap_test.h"

#define CLUSTERS 24u
#define SLOTS	 (CLUSTERS * ZCS_CLUSTER_SLOTS)

enum state { FREE, USED, RETIRED };

static enum state model[SLOTS];
static struct {
	uint32_t slot;
	unsigned order;
} held[SLOTS];
static unsigned nr_held;
static uint64_t nr_state[3];
static struct zcs_swap *swap;
static uint64_t random_state;

static uint32_t random_below(uint32_t n)
{
	random_state = random_state * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(random_state >> 33) % n;
}

static void start(void)
{
	swap = swap_test_open("file:?size=%u", SLOTS * ZCS_SLOT_BYTES);
	memset(model, 0, sizeof(model));
	nr_held = 0;
	nr_state[FREE] = SLOTS;
	nr_state[USED] = nr_state[RETIRED] = 0;
	random_state = 7;
}

static void set(uint32_t slot, unsigned order, enum state from, enum state to)
{
	for (uint32_t i = slot; i < slot + (1u << order); i++) {
		if (model[i] != from)
			fail_msg("slot %u is in state %d, expected %d", i, model[i], from);
		model[i] = to;
	}
	nr_state[from] -= 1u << order;
	nr_state[to] += 1u << order;
}

static bool model_has(unsigned order)
{
	for (uint32_t s = 0; s < SLOTS; s += 1u << order) {
		uint32_t i = s;

		while (i < s + (1u << order) && model[i] == FREE)
			i++;
		if (i == s + (1u << order))
			return true;
	}
	return false;
}

static bool take(unsigned order)
{
	uint32_t slot;
	int err = zcs_swap_alloc(swap, order, &slot);

	if (err) {
		zcs_assert_is(err, -ENOSPC);
		assert_false(model_has(order));
		return false;
	}
	assert_in_range(slot, 0, SLOTS - 1);
	zcs_assert_is(slot % (1u << order), 0);
	set(slot, order, FREE, USED);
	held[nr_held].slot = slot;
	held[nr_held++].order = order;
	return true;
}

static void give(unsigned i, bool retire)
{
	uint32_t slot = held[i].slot;
	unsigned order = held[i].order;

	if (retire)
		zcs_swap_retire(swap, slot, order);
	else
		zcs_swap_free(swap, slot, order);
	set(slot, order, USED, retire ? RETIRED : FREE);
	held[i] = held[--nr_held];
}

/* Frees one half of a run; the other stays held. */
static void give_half(unsigned i)
{
	uint32_t half;

	if (!held[i].order)
		return;
	held[i].order--;
	half = held[i].slot + (1u << held[i].order);
	if (random_below(2)) {
		uint32_t other = held[i].slot;

		held[i].slot = half;
		half = other;
	}
	zcs_swap_free(swap, half, held[i].order);
	set(half, held[i].order, USED, FREE);
}

static void compare(void)
{
	struct zcs_swap_stats st = swap_test_stats(swap);

	zcs_assert_is(st.free, (int64_t)nr_state[FREE]);
	zcs_assert_is(st.used, (int64_t)nr_state[USED]);
	zcs_assert_is(st.retired, (int64_t)nr_state[RETIRED]);
}

static void random_steps_agree_with_the_model(void **state)
{
	unsigned steps = zcs_test_scale(60000), limit = 50;

	(void)state;
	start();
	for (unsigned i = 0; i < steps; i++) {
		unsigned dice = random_below(100);

		/* the fill level wanders, so that both a nearly empty and a full swap are met */
		limit = i % 2000 == 0 ? 20 + random_below(75) : limit;
		if (dice < limit || !nr_held)
			take(random_below(ZCS_CLUSTER_ORDER + 1));
		else if (dice == 99 && nr_state[RETIRED] < SLOTS / 10)
			give(random_below(nr_held), true);
		else if (dice % 8 == 0)
			give_half(random_below(nr_held));
		else
			give(random_below(nr_held), false);
		compare();
		if (i % 500 == 0)
			zcs_assert_ok(zcs_swap_check(swap));
	}
	while (nr_held)
		give(nr_held - 1, false);
	compare();
	swap_test_done(swap);
}

static void each_order_fills_the_swap_to_the_last_slot(void **state)
{
	(void)state;
	start();
	for (unsigned order = 0; order <= ZCS_CLUSTER_ORDER; order++) {
		while (take(order))
			;
		zcs_assert_is(nr_held, SLOTS >> order);
		zcs_assert_is(zcs_swap_avail(swap), 0);
		while (nr_held)
			give(random_below(nr_held), false);
		zcs_assert_ok(zcs_swap_check(swap));
	}
	/* all have merged again: whole clusters are free */
	while (take(ZCS_CLUSTER_ORDER))
		;
	zcs_assert_is(nr_held, CLUSTERS);
	while (nr_held)
		give(0, false);
	swap_test_done(swap);
}

static void the_last_free_slot_is_found_wherever_it_is(void **state)
{
	(void)state;
	start();
	while (take(0))
		;
	for (unsigned i = 0; i < 500; i++) {
		give(random_below(nr_held), false);
		assert_true(take(0));
		assert_false(take(0));
	}
	while (nr_held)
		give(0, false);
	swap_test_done(swap);
}

static void small_runs_fill_a_cluster_before_they_open_another(void **state)
{
	(void)state;
	start();
	for (unsigned i = 0; i < ZCS_CLUSTER_SLOTS / 2; i++)
		take(i % 4 ? 0 : 2);
	for (unsigned i = 0; i < nr_held; i++)
		assert_true(held[i].slot < ZCS_CLUSTER_SLOTS);
	for (unsigned i = 1; i < CLUSTERS; i++)
		assert_true(take(ZCS_CLUSTER_ORDER));
	while (nr_held)
		give(0, false);
	swap_test_done(swap);
}

static void what_is_not_in_use_cannot_be_freed_or_retired(void **state)
{
	const char *log;
	uint32_t slot;

	(void)state;
	start();
	slot = swap_test_alloc(swap, 4);
	swap_test_log_start();
	zcs_swap_free(swap, slot + 16, 4);
	zcs_swap_free(swap, slot + 1, 4);
	zcs_swap_free(swap, slot, 5);
	zcs_swap_free(swap, SLOTS, 0);
	zcs_swap_free(swap, UINT32_MAX, 0);
	zcs_swap_free(swap, 0, ZCS_CLUSTER_ORDER + 1);
	zcs_swap_retire(swap, slot + 16, 0);
	zcs_swap_free(swap, slot, 4);
	zcs_swap_free(swap, slot, 4);
	log = swap_test_log_end();
	zcs_assert_is(swap_test_stats(swap).free, SLOTS);
	zcs_assert_is(swap_test_stats(swap).retired, 0);
	swap_test_log_has(log, "slot 16, order 4 is freed, but is not in use");
	swap_test_log_has(log, "slot 16, order 0 is retired, but is not in use");
	for (unsigned lines = 0; lines < 8; lines++, log++) {
		log = strchr(log, '\n');
		assert_non_null(log);
	}
	assert_string_equal(log, "");
	zcs_assert_is(zcs_swap_alloc(swap, ZCS_CLUSTER_ORDER + 1, &slot), -EINVAL);
	swap_test_done(swap);
}

static void retired_slots_never_come_back(void **state)
{
	uint32_t slot;

	(void)state;
	start();
	slot = swap_test_alloc(swap, ZCS_CLUSTER_ORDER);
	zcs_swap_retire(swap, slot + 8, 3);
	for (uint32_t i = 0; i < ZCS_CLUSTER_SLOTS; i += 8)
		if (i != 8)
			zcs_swap_free(swap, slot + i, 3);
	set(8, 3, FREE, RETIRED);
	compare();
	while (take(0))
		;
	zcs_assert_is(nr_held, SLOTS - 8);
	compare();
	zcs_assert_ok(zcs_swap_check(swap));
	while (nr_held)
		give(0, false);
	swap_test_done(swap);
}

static void no_slot_by_a_fault_point(void **state)
{
	uint32_t slot = 5;

	(void)state;
	start();
	zcs_test_fault("swap_slot", 0, 1, 0);
	zcs_assert_is(zcs_swap_alloc(swap, 0, &slot), -ENOSPC);
	zcs_assert_is(slot, 5);
	zcs_assert_is(zcs_swap_avail(swap), SLOTS * ZCS_SLOT_BYTES);
	swap_test_done(swap);
}

static void the_validator_sees_a_slot_that_is_free_and_used(void **state)
{
	uint32_t slot;

	(void)state;
	start();
	slot = swap_test_alloc(swap, 0);
	swap_test_log_start();
	zcs_map_set(&swap->dev[0].slots.free[0], slot);
	zcs_assert_is(zcs_swap_check(swap), -EUCLEAN);
	zcs_map_clear(&swap->dev[0].slots.free[0], slot);
	swap->dev[0].slots.nr_retired++;
	zcs_assert_is(zcs_swap_check(swap), -EUCLEAN);
	swap->dev[0].slots.nr_retired--;
	swap->dev[0].slots.used[3] |= 1;
	zcs_assert_is(zcs_swap_check(swap), -EUCLEAN);
	swap->dev[0].slots.used[3] &= ~UINT64_C(1);
	swap_test_log_has(swap_test_log_end(), "slot maps disagree");
	zcs_swap_free(swap, slot, 0);
	swap_test_done(swap);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		swap_test(random_steps_agree_with_the_model),
		swap_test(each_order_fills_the_swap_to_the_last_slot),
		swap_test(the_last_free_slot_is_found_wherever_it_is),
		swap_test(small_runs_fill_a_cluster_before_they_open_another),
		swap_test(what_is_not_in_use_cannot_be_freed_or_retired),
		swap_test(retired_slots_never_come_back),
		swap_test(no_slot_by_a_fault_point),
		swap_test(the_validator_sees_a_slot_that_is_free_and_used),
	};

	return zcs_test_run(tests);
}
