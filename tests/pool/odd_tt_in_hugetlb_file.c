/* SPDX-License-Identifier: MIT */
/*
 * A contiguous tt whose length is no multiple of 2 MiB, in a pool over a hugetlb file: such a file
 * has no page that is small enough. The tt is refused with -ENOMEM, whether the pool has cached
 * folios or not. The search for a cached run once looked for descriptors of small folios there, and
 * found none.
 */
#include <linux/memfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include "zcs_test.h"

#define HUGE ZCS_TEST_HUGE_BYTES

static void refuses_odd_tts(struct zcs_pool *pool)
{
	static const uint64_t lengths[] = { 1, 63, 100, 511, 513, 1000 };

	for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
		struct zcs_tt *tt = NULL;

		zcs_assert_is(zcs_tt_create(pool, lengths[i], ZCS_TT_CONTIGUOUS, &tt), -ENOMEM);
		assert_null(tt);
	}
	zcs_test_pool_ok(pool);
}

/* Nothing that was refused is counted as a home that waits for pages. */
static void takes_whole_tts(struct zcs_pool *pool)
{
	struct zcs_tt *tt = NULL;

	zcs_assert_ok(zcs_tt_create(pool, 1024, ZCS_TT_CONTIGUOUS, &tt));
	zcs_assert_ok(zcs_tt_populate(tt, NULL));
	zcs_test_tt_done(tt);
}

static void an_odd_tt_is_refused(void **state)
{
	struct zcs_folio *folio[2];
	struct zcs_pool *pool;
	int fd;

	(void)state;
	if (!zcs_test_backing_works(ZCS_BACKING_HUGETLB))
		zcs_test_skip_case("no hugetlb pages");
	fd = memfd_create("outside", MFD_CLOEXEC | MFD_HUGETLB | MFD_HUGE_2MB);
	assert_true(fd >= 0);
	zcs_assert_ok(ftruncate(fd, (off_t)(4 * HUGE)));
	pool = zcs_test_pool_from_fd(NULL, fd, 0, 4 * HUGE);
	refuses_odd_tts(pool);
	for (unsigned i = 0; i < 2; i++)
		folio[i] = zcs_test_folio(pool, ZCS_MAX_ORDER);
	for (unsigned i = 0; i < 2; i++)
		zcs_folio_put(folio[i]);
	zcs_assert_is(zcs_test_cached(pool, ZCS_MAX_ORDER), 2);
	refuses_odd_tts(pool);
	takes_whole_tts(pool);
	zcs_test_pool_done(pool);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		zcs_test(an_odd_tt_is_refused),
	};

	return zcs_test_run(tests);
}
