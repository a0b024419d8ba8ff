/* SPDX-License-Identifier: MIT */
/*
 * The registered pages of an arena and the number of their mappings: random changes against a plain
 * array.
 */
#include "zcs_test.h"

#include "arena/traps.h"

#define PAGES (6u * ZCS_TEST_HUGE_PAGES)

static struct zcs_traps traps;
static bool model[PAGES];

static int64_t changes(void)
{
	int64_t n = 0;

	for (unsigned i = 1; i < PAGES; i++)
		n += model[i] != model[i - 1];
	return n;
}

static unsigned below(uint64_t *x, unsigned most)
{
	*x = *x * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (unsigned)(*x >> 33) % most;
}

static void step(uint64_t *x)
{
	unsigned at = below(x, PAGES), most = below(x, 4) ? 8 : 3 * ZCS_TEST_HUGE_PAGES;
	unsigned nr = 1 + below(x, most);
	bool on = below(x, 2);
	int64_t before = changes(), cost;

	if (!below(x, 4))
		at &= ~(ZCS_TEST_HUGE_PAGES - 1);
	nr = nr < PAGES - at ? nr : PAGES - at;
	cost = zcs_traps_cost(&traps, at, nr, on);
	memset(model + at, on, nr);
	zcs_assert_is(cost, changes() - before);
	zcs_traps_set(&traps, at, nr, on);
	for (unsigned u = 0; u < PAGES / ZCS_TEST_HUGE_PAGES; u++)
		assert_int_equal(zcs_traps_in_unit(&traps, u),
				 memchr(model + u * ZCS_TEST_HUGE_PAGES, true,
					ZCS_TEST_HUGE_PAGES) != NULL);
}

static void random_changes_agree_with_the_model(void **state)
{
	uint64_t began = zcs_traps_mappings(), x = 1;

	(void)state;
	zcs_assert_ok(zcs_traps_init(&traps, PAGES));
	zcs_assert_ok(zcs_traps_open(&traps, 0, PAGES));
	for (unsigned i = 0; i < zcs_test_scale(20000); i++) {
		step(&x);
		zcs_assert_is(zcs_traps_mappings() - began, changes());
	}
	zcs_traps_fini(&traps);
	zcs_assert_is(zcs_traps_mappings(), began);
}

static void what_cannot_be_reserved_is_enomem(void **state)
{
	(void)state;
	for (uint64_t at = 0; at < 2; at++) {
		zcs_test_fault("mmap", at, 1, 0);
		zcs_assert_is(zcs_traps_init(&traps, PAGES), -ENOMEM);
	}
	zcs_test_faults_off();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		zcs_test(random_changes_agree_with_the_model),
		zcs_test(what_cannot_be_reserved_is_enomem),
	};

	return zcs_test_run(tests);
}
