/* SPDX-License-Identifier: MIT */
/*
 * The table of blocks against a model of one entry an index: what covers each index, what is empty,
 * and that setting a block never allocates once its leaf is there.
 */
#include "store/table.h"
#include "sys/sys.h"
#include "zcs_test.h"

#define NR_MAX 5000u

static struct zcs_table table;
static uint64_t nr;
/* what covers an index: the first index of its block + 1, or 0 */
static uint64_t first[NR_MAX];
static unsigned order_of[NR_MAX];
static uint32_t entry_of[NR_MAX];
static uint64_t seed;

static uint64_t below(uint64_t n)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed % n;
}

static void start(uint64_t pages)
{
	nr = pages;
	seed = 88172645463325252u;
	memset(first, 0, sizeof(first));
	zcs_assert_ok(zcs_table_init(&table, nr, ZCS_FAULT_ALLOC_NODE));
	zcs_assert_ok(zcs_table_reserve_all(&table));
}

static bool model_empty(uint64_t index, unsigned order)
{
	for (uint64_t i = index; i < index + (UINT64_C(1) << order); i++)
		if (first[i])
			return false;
	return true;
}

static void set(uint64_t index, unsigned order, uint32_t entry)
{
	zcs_table_set(&table, index, order, entry);
	for (uint64_t i = index; i < index + (UINT64_C(1) << order); i++) {
		first[i] = index + 1;
		order_of[i] = order;
		entry_of[i] = entry;
	}
}

static void clear_block(uint64_t index)
{
	uint64_t head = first[index] - 1;
	unsigned order = order_of[index];

	zcs_table_clear(&table, head, order);
	for (uint64_t i = head; i < head + (UINT64_C(1) << order); i++)
		first[i] = 0;
}

static void update_block(uint64_t index, uint32_t entry)
{
	uint64_t head = first[index] - 1;

	zcs_table_update(&table, head, entry);
	for (uint64_t i = head; i < head + (UINT64_C(1) << order_of[index]); i++)
		entry_of[i] = entry;
}

static void compare_index(uint64_t i)
{
	struct zcs_block b = zcs_table_get(&table, i);

	if (!first[i]) {
		zcs_assert_is(b.entry, ZCS_E_EMPTY);
		assert_true(b.index <= i && zcs_block_end(&b) > i && zcs_block_end(&b) <= nr);
		for (uint64_t j = b.index; j < zcs_block_end(&b); j++)
			zcs_assert_is(first[j], 0);
		return;
	}
	if (b.index != first[i] - 1 || b.order != order_of[i] || b.entry != entry_of[i])
		fail_msg("index %" PRIu64 ": block %" PRIu64 " order %u entry %x, expected %" PRIu64
			 " %u %x",
			 i, b.index, b.order, b.entry, first[i] - 1, order_of[i], entry_of[i]);
}

static void compare(void)
{
	for (uint64_t i = 0; i < nr; i++)
		compare_index(i);
}

/* A range_empty() answer for every order at @index. */
static void compare_ranges(uint64_t index)
{
	for (unsigned order = 0; order <= ZCS_MAX_ORDER; order++) {
		uint64_t pages = UINT64_C(1) << order;

		if (index % pages || index + pages > nr)
			break;
		assert_int_equal(zcs_table_range_empty(&table, index, order),
				 model_empty(index, order));
	}
}

/* Every block that reaches into the range goes. */
static void empty_range(uint64_t index, unsigned order)
{
	for (uint64_t i = index; i < index + (UINT64_C(1) << order); i++)
		if (first[i])
			clear_block(i);
}

static void some_step(void)
{
	unsigned order = below(4) ? (unsigned)below(10) : 9;
	uint64_t index = below(nr) & ~((UINT64_C(1) << order) - 1);
	bool fits = index + (UINT64_C(1) << order) <= nr;

	compare_ranges(index);
	/* without it the table would fill up with small blocks */
	if (fits && below(4) == 0)
		empty_range(index, order);
	if (first[index] && below(3) == 0)
		update_block(index, zcs_e_page(below(1u << 20)));
	else if (first[index])
		clear_block(index);
	else if (fits && model_empty(index, order) && zcs_table_range_empty(&table, index, order))
		set(index, order, zcs_e_page(below(1u << 20)));
}

static void random_steps(uint64_t pages)
{
	unsigned steps = zcs_test_scale(20000);

	start(pages);
	/* whatever is set, nothing may be allocated */
	zcs_test_fault("alloc_index_node", 0, 0, 0);
	for (unsigned i = 0; i < steps; i++) {
		some_step();
		if (i % 100 == 0)
			compare();
	}
	compare();
	zcs_assert_is(zcs_test_fault_calls("alloc_index_node"), 0);
	zcs_test_faults_off();
	zcs_table_fini(&table);
}

static void whole_units_agree_with_the_model(void **state)
{
	(void)state;
	random_steps(4 * ZCS_UNIT_PAGES);
}

static void a_short_last_unit_agrees_with_the_model(void **state)
{
	(void)state;
	random_steps(3 * ZCS_UNIT_PAGES + 77);
	random_steps(77);
	random_steps(1);
}

static void a_table_with_one_reservation_agrees_with_the_model(void **state)
{
	(void)state;
	/* over 16 units */
	_Static_assert(NR_MAX < 17 * ZCS_UNIT_PAGES, "make the model larger");
	nr = 17 * ZCS_UNIT_PAGES;
	zcs_assert_ok(zcs_table_init(&table, nr, ZCS_FAULT_ALLOC_NODE));
	zcs_assert_ok(zcs_table_reserve_all(&table));
	for (uint64_t i = 0; i < nr; i += 2)
		zcs_table_set(&table, i, 1, zcs_e_page(i));
	for (uint64_t i = 0; i < nr; i++) {
		struct zcs_block b = zcs_table_get(&table, i);

		zcs_assert_is(b.index, (int64_t)(i & ~UINT64_C(1)));
		zcs_assert_is(b.order, 1);
		zcs_assert_is(zcs_e_ppn(b.entry), (int64_t)b.index);
	}
	zcs_table_fini(&table);
}

static void a_unit_takes_a_block_of_order_9_after_small_ones(void **state)
{
	(void)state;
	start(2 * ZCS_UNIT_PAGES);
	for (uint64_t i = 0; i < ZCS_UNIT_PAGES; i++)
		set(i, 0, zcs_e_page(i));
	compare();
	for (uint64_t i = 0; i < ZCS_UNIT_PAGES; i++)
		clear_block(i);
	assert_true(zcs_table_range_empty(&table, 0, 9));
	set(0, 9, zcs_e_page(5));
	compare();
	clear_block(0);
	set(8, 3, zcs_e_page(6));
	compare();
	zcs_table_fini(&table);
}

static void entries_keep_what_they_say(void **state)
{
	const uint64_t ppn[] = { 0, 1, 511, 512, 0xbfffffffu };

	(void)state;
	for (size_t i = 0; i < sizeof(ppn) / sizeof(ppn[0]); i++) {
		assert_true(zcs_e_is_page(zcs_e_page(ppn[i])));
		zcs_assert_is(zcs_e_ppn(zcs_e_page(ppn[i])), (int64_t)ppn[i]);
	}
	assert_false(zcs_e_is_page(ZCS_E_EMPTY));
	assert_false(zcs_e_is_page(ZCS_E_HANDLE));
	assert_false(zcs_e_is_page(ZCS_E_LEAF));
	assert_false(zcs_e_is_page(ZCS_E_STORED));
}

/* A leaf that cannot be had leaves the table usable and is had later; what is set stays. */
static void a_refused_leaf_changes_nothing(void **state)
{
	(void)state;
	zcs_assert_ok(zcs_table_init(&table, 4 * ZCS_UNIT_PAGES, ZCS_FAULT_ALLOC_NODE));
	nr = 4 * ZCS_UNIT_PAGES;
	memset(first, 0, sizeof(first));
	set(0, 9, zcs_e_page(3));
	zcs_test_fault("alloc_index_node", 0, 0, 0);
	zcs_assert_is(zcs_table_reserve(&table, ZCS_UNIT_PAGES + 3), -ENOMEM);
	assert_false(zcs_table_has_leaf(&table, ZCS_UNIT_PAGES));
	zcs_assert_is(zcs_table_reserve_all(&table), -ENOMEM);
	compare();
	zcs_test_faults_off();
	zcs_assert_ok(zcs_table_reserve(&table, ZCS_UNIT_PAGES + 3));
	assert_true(zcs_table_has_leaf(&table, ZCS_UNIT_PAGES));
	zcs_assert_ok(zcs_table_reserve(&table, ZCS_UNIT_PAGES + 3));
	set(ZCS_UNIT_PAGES + 4, 2, zcs_e_page(9));
	zcs_assert_ok(zcs_table_reserve(&table, 0));
	compare();
	zcs_table_fini(&table);
}

static void a_table_that_cannot_be_made_leaves_nothing(void **state)
{
	(void)state;
	for (uint64_t at = 0; at < 2; at++) {
		zcs_test_fault("alloc_index_node", at, 1, 0);
		zcs_assert_is(zcs_table_init(&table, 2000, ZCS_FAULT_ALLOC_NODE), -ENOMEM);
	}
	zcs_test_faults_off();
}

static void bytes_are_as_the_layout_says(void **state)
{
	(void)state;
	start(4 * ZCS_UNIT_PAGES);
	zcs_assert_is(zcs_table_bytes(&table), 4 * 12 + 4 * ZCS_UNIT_PAGES * 4);
	zcs_table_fini(&table);
	/* a large one counts a leaf when it is in use */
	nr = 100 * ZCS_UNIT_PAGES;
	zcs_assert_ok(zcs_table_init(&table, nr, ZCS_FAULT_ALLOC_NODE));
	zcs_assert_ok(zcs_table_reserve_all(&table));
	zcs_assert_is(zcs_table_bytes(&table), 100 * 12);
	zcs_table_set(&table, 512, 0, zcs_e_page(1));
	zcs_assert_is(zcs_table_bytes(&table), 100 * 12 + ZCS_UNIT_PAGES * 4);
	zcs_table_fini(&table);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		zcs_test(whole_units_agree_with_the_model),
		zcs_test(a_short_last_unit_agrees_with_the_model),
		zcs_test(a_table_with_one_reservation_agrees_with_the_model),
		zcs_test(a_unit_takes_a_block_of_order_9_after_small_ones),
		zcs_test(entries_keep_what_they_say),
		zcs_test(a_refused_leaf_changes_nothing),
		zcs_test(a_table_that_cannot_be_made_leaves_nothing),
		zcs_test(bytes_are_as_the_layout_says),
	};

	return zcs_test_run(tests);
}
