/* SPDX-License-Identifier: MIT */
/*
 * Functions that the tt's tests share: a tt with a pool and a store of its own, content by slot,
 * and the sorts of slots. Everything here goes through the public headers.
 */
#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "tt_test.h"

#ifndef UFFD_USER_MODE_ONLY
#define UFFD_USER_MODE_ONLY 1
#endif

const uint64_t tt_sizes[] = { 1, 2, 3, 7, 10, 511, 512, 513, 1024, 1027, 1283 };
const size_t tt_nr_sizes = sizeof(tt_sizes) / sizeof(tt_sizes[0]);

const struct zcs_ctx tt_interruptible = { .struct_size = sizeof(struct zcs_ctx),
					  .interruptible = true };
const struct zcs_ctx tt_no_wait = { .struct_size = sizeof(struct zcs_ctx), .no_wait = true };
const struct zcs_ctx tt_mayfail = { .struct_size = sizeof(struct zcs_ctx), .retry_mayfail = true };

void tt_case_bare(struct tt_case *c, enum zcs_backing backing, uint64_t nr, uint32_t flags)
{
	static uint64_t seed;

	*c = (struct tt_case){ .nr = nr, .seed = ++seed };
	c->pool = zcs_test_pool(backing, 0, 0);
	c->store = zcs_test_store();
	zcs_assert_ok(zcs_tt_create(c->pool, nr, flags, &c->tt));
}

void tt_case_init(struct tt_case *c, enum zcs_backing backing, uint64_t nr, uint32_t flags)
{
	tt_case_bare(c, backing, nr, flags);
	zcs_assert_ok(zcs_tt_populate(c->tt, NULL));
	zcs_assert_ok(zcs_tt_setup_backup(c->tt, c->store));
	tt_fill(c->tt, c->seed);
}

void tt_case_ok(const struct tt_case *c)
{
	zcs_assert_ok(zcs_tt_check(c->tt));
	zcs_test_pool_ok(c->pool);
}

void tt_case_fini(struct tt_case *c)
{
	tt_case_ok(c);
	zcs_tt_destroy(c->tt);
	zcs_test_store_done(c->store);
	zcs_test_pool_done(c->pool);
}

uint64_t tt_blocks(uint64_t nr, unsigned order)
{
	return order == ZCS_MAX_ORDER ? nr >> order : nr >> order & 1;
}

void tt_fill(struct zcs_tt *tt, uint64_t seed)
{
	for (uint64_t i = 0; i < zcs_tt_num_pages(tt); i++) {
		void *page = zcs_tt_page_address(tt, i);

		assert_non_null(page);
		zcs_test_fill_page(page, seed, i);
	}
}

/* Where a page is seen: the linear map, and the user map if there is one. */
static size_t views(struct zcs_tt *tt, uint64_t index, const char *view[2])
{
	const char *user = zcs_tt_address(tt);

	view[0] = zcs_tt_page_address(tt, index);
	assert_non_null(view[0]);
	if (!user)
		return 1;
	view[1] = user + index * ZCS_PAGE_SIZE;
	return 2;
}

bool tt_is(struct zcs_tt *tt, uint64_t seed, uint64_t first, uint64_t nr)
{
	for (uint64_t i = first; i < first + nr; i++) {
		const char *view[2];
		size_t n = views(tt, i, view);

		for (size_t v = 0; v < n; v++) {
			if (zcs_test_page_is(view[v], seed, i))
				continue;
			print_message("# slot %" PRIu64 " is wrong in the %s map\n", i,
				      v ? "user" : "linear");
			return false;
		}
	}
	return true;
}

bool tt_is_zero(struct zcs_tt *tt, uint64_t first, uint64_t nr)
{
	for (uint64_t i = first; i < first + nr; i++) {
		const char *view[2];
		size_t n = views(tt, i, view);

		for (size_t v = 0; v < n; v++)
			if (!zcs_test_is_zero(view[v], ZCS_PAGE_SIZE))
				return false;
	}
	return true;
}

bool tt_case_is(const struct tt_case *c)
{
	return tt_is(c->tt, c->seed, 0, c->nr);
}

static enum tt_sort sort_of(const struct zcs_tt *tt, uint64_t index)
{
	uintptr_t slot = zcs_tt_slot(tt, index);

	if (!slot)
		return TT_EMPTY;
	return zcs_slot_is_handle(slot) ? TT_HANDLE : TT_PAGE;
}

uint64_t tt_count(const struct zcs_tt *tt, enum tt_sort sort)
{
	uint64_t nr = 0;

	for (uint64_t i = 0; i < zcs_tt_num_pages(tt); i++)
		nr += sort_of(tt, i) == sort;
	return nr;
}

bool tt_all(const struct zcs_tt *tt, uint64_t first, uint64_t nr, enum tt_sort sort)
{
	for (uint64_t i = first; i < first + nr; i++) {
		uintptr_t slot = zcs_tt_slot(tt, i);

		if (sort_of(tt, i) == sort &&
		    (sort != TT_HANDLE || zcs_slot_to_handle(slot) == zcs_handle_from_index(i)))
			continue;
		print_message("# slot %" PRIu64 " is %#" PRIxPTR "\n", i, slot);
		return false;
	}
	return true;
}

uint32_t tt_state(const struct zcs_tt *tt)
{
	return zcs_tt_flags(tt) & (ZCS_TT_POPULATED | ZCS_TT_BACKED_UP);
}

static uint64_t frame(const struct zcs_tt *tt, uint64_t index)
{
	const void *page = zcs_tt_page_address(tt, index);

	return page ? zcs_test_frame(page) : 0;
}

uint64_t *tt_frames(const struct tt_case *c)
{
	uint64_t *frames = calloc(c->nr, sizeof(*frames));

	assert_non_null(frames);
	for (uint64_t i = 0; i < c->nr; i++)
		frames[i] = frame(c->tt, i);
	return frames;
}

bool tt_frames_are(const struct tt_case *c, const uint64_t *frames)
{
	for (uint64_t i = 0; i < c->nr; i++) {
		uint64_t now = frame(c->tt, i);

		if (now == frames[i])
			continue;
		print_message("# slot %" PRIu64 ": frame %" PRIu64 ", was %" PRIu64 "\n", i, now,
			      frames[i]);
		return false;
	}
	return true;
}

bool tt_has_userfaultfd(void)
{
	return zcs_test_has_userfaultfd();
}
