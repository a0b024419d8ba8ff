/* SPDX-License-Identifier: MIT */
/* The calls of random_calls.c on tts. The result of a refused call is read from the slots. */
#include "random_calls.h"

static struct tt *some_tt(void)
{
	return &m.tt[below(TTS)];
}

bool is_page(const struct tt *t, uint64_t index)
{
	uintptr_t slot = zcs_tt_slot(t->tt, index);

	return slot && !zcs_slot_is_handle(slot);
}

static uint64_t tt_handles(const struct tt *t)
{
	uint64_t nr = 0;

	for (uint64_t i = 0; i < t->nr; i++)
		nr += zcs_slot_is_handle(zcs_tt_slot(t->tt, i));
	return nr;
}

static bool is_backed_up(const struct tt *t)
{
	return zcs_tt_flags(t->tt) & ZCS_TT_BACKED_UP;
}

/* Slots that were filled (only if @may_fill) are zero pages; none may have become empty. */
static void look_for_new_pages(struct tt *t, bool may_fill)
{
	for (uint64_t i = 0; i < t->nr; i++) {
		bool full = zcs_tt_slot(t->tt, i) != 0;

		assert_true(full || !t->full[i]);
		assert_true(full == t->full[i] || may_fill);
		if (full && !t->full[i])
			t->content[i] = (struct content){ 0, 0 };
		t->full[i] = full;
	}
}

/* Slots that were emptied, all in the range; how many. */
static uint64_t look_for_holes(struct tt *t, uint64_t first, uint64_t count)
{
	uint64_t nr = 0;

	for (uint64_t i = 0; i < t->nr; i++) {
		bool full = zcs_tt_slot(t->tt, i) != 0;

		assert_true(t->full[i] || !full);
		assert_true(full == t->full[i] || (i >= first && i < first + count));
		nr += t->full[i] && !full;
		t->full[i] = full;
	}
	return nr;
}

/*
 * After a refused populate: where an address does not trap, or did not for a while, a thread may
 * have written to the pages populated before the refusal. A page that held bytes is still there.
 */
static void look_for_what_stayed(struct tt *t)
{
	for (uint64_t i = 0; i < t->nr; i++) {
		bool full = zcs_tt_slot(t->tt, i) != 0;

		assert_true(full || !t->full[i] || !t->content[i].seed);
		if (full && !t->full[i])
			t->content[i] = (struct content){ 0, 0 };
		t->full[i] = full;
	}
}

void assert_tt_page(struct tt *t, uint64_t index)
{
	const char *user = zcs_tt_address(t->tt);

	if (!t->full[index] || !is_page(t, index))
		return;
	assert_true(page_is(zcs_tt_page_address(t->tt, index), t->content[index], 0));
	if (user && !t->unmapped && !is_backed_up(t))
		assert_true(page_is(user + index * ZCS_PAGE_SIZE, t->content[index], 0));
}

static void range_of(const struct tt *t, uint64_t *first, uint64_t *count)
{
	*first = one_in(2) ? 0 : below(t->nr);
	*count = one_in(2) ? t->nr - *first : 1 + below(t->nr - *first);
}

void tt_populate(void)
{
	struct tt *t = some_tt();
	bool refused = is_backed_up(t);
	int err = zcs_tt_populate(t->tt, NULL);

	count_result(err);
	if (!refused)
		t->unmapped = err && m.faulty;
	if (refused)
		zcs_assert_is(err, -EINVAL);
	else if (m.faulty)
		assert_true(err <= 0);
	else
		assert_true(!err || err == -ENOMEM);
	if (err && !refused && zcs_tt_address(t->tt))
		look_for_what_stayed(t);
	else if (err && !refused && !(zcs_tt_flags(t->tt) & ZCS_TT_POPULATED))
		assert_true(look_for_holes(t, 0, t->nr) <= t->nr);
	look_for_new_pages(t, !err);
}

void tt_write(void)
{
	struct tt *t = some_tt();

	for (unsigned i = 0; i < 8; i++) {
		uint64_t index = below(t->nr);
		char *page = zcs_tt_page_address(t->tt, index);

		assert_int_equal(page != NULL, t->full[index] && is_page(t, index));
		if (page)
			t->content[index] = new_content(page, 1);
	}
}

void tt_backup(void)
{
	struct tt *t = some_tt();
	uint64_t first, count, before = tt_handles(t);
	int64_t ret;

	range_of(t, &first, &count);
	ret = zcs_tt_backup_range(t->tt, first, count, one_in(2) ? ZCS_BACKUP_WRITEBACK : 0);
	count_result(ret);
	assert_true(ret >= 0 || m.faulty);
	assert_true(ret <= (int64_t)count);
	zcs_assert_is(tt_handles(t) - before, ret < 0 ? 0 : ret);
	look_for_new_pages(t, false);
}

void tt_purge(void)
{
	struct tt *t = some_tt();
	uint64_t first, count;
	int64_t ret;

	range_of(t, &first, &count);
	ret = zcs_tt_backup_range(t->tt, first, count, ZCS_BACKUP_PURGE);
	count_result(ret);
	assert_true(ret >= 0 || m.faulty);
	zcs_assert_is(look_for_holes(t, first, count), ret < 0 ? 0 : ret);
}

void tt_restore(void)
{
	struct zcs_ctx ctx = { .struct_size = sizeof(ctx), .interruptible = true };
	struct tt *t = some_tt();
	bool refused = !is_backed_up(t);
	uint64_t first, count;
	int err;

	range_of(t, &first, &count);
	err = zcs_tt_restore_range(t->tt, first, count, one_in(2) ? &ctx : NULL);
	count_result(err);
	if (refused)
		zcs_assert_is(err, -EINVAL);
	else
		assert_true(!err || err == -ENOMEM || m.faulty);
	look_for_new_pages(t, !refused);
	for (uint64_t i = first; !err && i < first + count; i++)
		assert_true(is_page(t, i));
}

void tt_drop(void)
{
	struct tt *t = some_tt();
	bool refused = !is_backed_up(t);
	int err;

	if (!one_in(4))
		return;
	err = zcs_tt_drop_backup(t->tt);
	zcs_assert_is(err, refused ? -EINVAL : 0);
	look_for_holes(t, 0, err ? 0 : t->nr);
	for (uint64_t i = 0; !err && i < t->nr; i++)
		assert_false(t->full[i]);
}

void tt_unpopulate(void)
{
	struct tt *t = some_tt();
	uint64_t handles = tt_handles(t);

	if (!one_in(4))
		return;
	zcs_tt_unpopulate(t->tt);
	look_for_holes(t, 0, t->nr);
	zcs_assert_is(tt_handles(t), (int64_t)handles);
	for (uint64_t i = 0; i < t->nr; i++)
		assert_false(is_page(t, i));
}

void tt_setup(void)
{
	struct tt *t = some_tt();
	bool busy = tt_handles(t) != 0;
	int err = zcs_tt_setup_backup(t->tt, m.store);

	if (busy)
		zcs_assert_is(err, -EBUSY);
	else
		assert_true(!err || (m.faulty && err == -ENOMEM));
	look_for_new_pages(t, false);
}

void new_tt(struct tt *t)
{
	static const uint64_t lengths[] = { 1, 3, 64, 77, 511, 512, 515, 1024, 1100 };
	uint64_t nr = lengths[below(sizeof(lengths) / sizeof(lengths[0]))];

	zcs_tt_destroy(t->tt);
	memset(t, 0, sizeof(*t));
	t->nr = nr;
	zcs_assert_ok(zcs_tt_create(m.pool, nr, one_in(2) ? ZCS_TT_CONTIGUOUS : 0, &t->tt));
	if (!one_in(4))
		zcs_assert_ok(zcs_tt_setup_backup(t->tt, m.store));
}

void renew_tt(void)
{
	if (one_in(10) && !m.faulty)
		new_tt(some_tt());
}
