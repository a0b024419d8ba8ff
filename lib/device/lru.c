/* SPDX-License-Identifier: MIT */
/*
 * The LRU: lists of bos by priority, and the one walk over them.
 *
 * A walk meets each bo once. It leaves a mark behind the last bo and goes on from there, and it
 * passes over bos that came to their place after it began. So a bo that fails stays where it is and
 * does not stop the walk, and a bo that moves to the tail is not met twice. The walk ends, whatever
 * other walks do at the same time.
 *
 * Cost: one lock for all lists, taken once for each bo of a walk, for a few pointers.
 */
#include <errno.h>

#include "common/held.h"
#include "common/log.h"
#include "device_priv.h"

void zcs_lru_init(struct zcs_lru *lru)
{
	pthread_mutex_init(&lru->lock, NULL);
	for (unsigned l = 0; l < ZCS_LRU_LISTS; l++)
		for (unsigned p = 0; p < ZCS_PRIORITIES; p++)
			TAILQ_INIT(&lru->list[l][p]);
}

static struct zcs_lru_head *head_of(struct zcs_lru *lru, enum zcs_lru_list place, unsigned priority)
{
	return &lru->list[place][place == ZCS_LRU_OUT ? 0 : priority];
}

static uint64_t pages_of(const struct zcs_bo *bo)
{
	return (bo->end - bo->start) / ZCS_PAGE_SIZE;
}

/* The caller holds the lock. */
static void leave_list(struct zcs_lru *lru, struct zcs_bo *bo)
{
	zcs_assert_held(&lru->lock);
	if (bo->place == ZCS_LRU_OFF)
		return;
	TAILQ_REMOVE(head_of(lru, bo->place, bo->priority), bo, lru);
	if (bo->place == ZCS_LRU_INACTIVE)
		lru->inactive[bo->priority] -= pages_of(bo);
	bo->place = ZCS_LRU_OFF;
	lru->count--;
}

static void enter_list(struct zcs_lru *lru, struct zcs_bo *bo, enum zcs_lru_list place)
{
	zcs_assert_held(&lru->lock);
	TAILQ_INSERT_TAIL(head_of(lru, place, bo->priority), bo, lru);
	if (place == ZCS_LRU_INACTIVE)
		lru->inactive[bo->priority] += pages_of(bo);
	bo->place = place;
	bo->moved = ++lru->moves;
	lru->count++;
}

static void move_bo(struct zcs_lru *lru, struct zcs_bo *bo, enum zcs_lru_list place)
{
	zcs_assert_held(&lru->lock);
	leave_list(lru, bo);
	if (!bo->pins)
		enter_list(lru, bo, place);
}

void zcs_lru_move(struct zcs_bo *bo, enum zcs_lru_list place)
{
	struct zcs_lru *lru = &bo->device->lru;

	zcs_lru_lock(lru);
	move_bo(lru, bo, place);
	zcs_lru_unlock(lru);
}

void zcs_lru_read_again(struct zcs_bo *bo, bool keep)
{
	struct zcs_lru *lru = &bo->device->lru;

	zcs_lru_lock(lru);
	if (bo->place == ZCS_LRU_OUT && keep)
		move_bo(lru, bo, ZCS_LRU_ACTIVE);
	else if (bo->place != ZCS_LRU_ACTIVE)
		move_bo(lru, bo, ZCS_LRU_FRESH);
	zcs_lru_unlock(lru);
}

void zcs_lru_remove(struct zcs_bo *bo)
{
	struct zcs_lru *lru = &bo->device->lru;

	zcs_lru_lock(lru);
	leave_list(lru, bo);
	zcs_lru_unlock(lru);
}

void zcs_lru_pin(struct zcs_bo *bo)
{
	struct zcs_lru *lru = &bo->device->lru;

	zcs_lru_lock(lru);
	if (!bo->pins++)
		zcs_count(bo->device->pinned);
	leave_list(lru, bo);
	zcs_lru_unlock(lru);
}

bool zcs_lru_unpin(struct zcs_bo *bo)
{
	struct zcs_lru *lru = &bo->device->lru;
	bool pinned;

	zcs_lru_lock(lru);
	pinned = bo->pins > 0;
	if (pinned && !--bo->pins) {
		atomic_fetch_sub(&bo->device->pinned, 1);
		enter_list(lru, bo, ZCS_LRU_ACTIVE);
	}
	zcs_lru_unlock(lru);
	return pinned;
}

void zcs_lru_set_priority(struct zcs_bo *bo, unsigned priority)
{
	struct zcs_lru *lru = &bo->device->lru;
	enum zcs_lru_list place;

	zcs_lru_lock(lru);
	place = bo->place;
	leave_list(lru, bo);
	bo->priority = priority;
	if (place != ZCS_LRU_OFF)
		enter_list(lru, bo, place);
	zcs_lru_unlock(lru);
}

unsigned zcs_lru_pins(struct zcs_bo *bo)
{
	unsigned pins;

	zcs_lru_lock(&bo->device->lru);
	pins = bo->pins;
	zcs_lru_unlock(&bo->device->lru);
	return pins;
}

bool zcs_lru_is_idle(struct zcs_lru *lru)
{
	bool idle = true;

	zcs_lru_lock(lru);
	for (unsigned p = 0; p < ZCS_PRIORITIES; p++)
		for (int l = ZCS_LRU_ACTIVE; l < ZCS_LRU_OUT; l++)
			idle = idle && TAILQ_EMPTY(&lru->list[l][p]);
	zcs_lru_unlock(lru);
	return idle;
}

/* Takes a reference unless the last one is gone. */
static bool get_live(struct zcs_bo *bo)
{
	uint64_t refs = atomic_load(&bo->refs);

	while (refs)
		if (atomic_compare_exchange_weak(&bo->refs, &refs, refs + 1))
			return true;
	return false;
}

/*
 * struct cursor - a walk's place in a list
 * @mark: stands behind the bo that was met last. It has no references, so other walks pass over it
 * @start: bos that came to their place later are not met
 */
struct cursor {
	struct zcs_bo mark;
	bool marked;
	uint64_t start;
};

/* The next bo, with a reference; NULL: the end of the list, and the mark is removed. */
static struct zcs_bo *next_bo(struct zcs_lru *lru, struct zcs_lru_head *head, struct cursor *c)
{
	struct zcs_bo *bo;

	zcs_lru_lock(lru);
	bo = c->marked ? TAILQ_NEXT(&c->mark, lru) : TAILQ_FIRST(head);
	while (bo && (bo->moved > c->start || !get_live(bo)))
		bo = TAILQ_NEXT(bo, lru);
	if (c->marked)
		TAILQ_REMOVE(head, &c->mark, lru);
	if (bo)
		TAILQ_INSERT_AFTER(head, bo, &c->mark, lru);
	c->marked = bo != NULL;
	zcs_lru_unlock(lru);
	return bo;
}

static void end_walk(struct zcs_lru *lru, struct zcs_lru_head *head, struct cursor *c)
{
	zcs_lru_lock(lru);
	if (c->marked)
		TAILQ_REMOVE(head, &c->mark, lru);
	c->marked = false;
	zcs_lru_unlock(lru);
}

static uint64_t read_locked(struct zcs_lru *lru, const uint64_t *number)
{
	uint64_t n;

	zcs_lru_lock(lru);
	n = *number;
	zcs_lru_unlock(lru);
	return n;
}

uint64_t zcs_lru_count(struct zcs_lru *lru)
{
	return read_locked(lru, &lru->count);
}

uint64_t zcs_lru_inactive(struct zcs_lru *lru, unsigned priority)
{
	return read_locked(lru, &lru->inactive[priority]);
}

uint64_t zcs_lru_walk_one(struct zcs_device *dev, enum zcs_lru_list place, unsigned priority,
			  uint64_t target, int64_t (*fn)(struct zcs_bo *bo, void *arg), void *arg)
{
	struct zcs_lru_head *head = head_of(&dev->lru, place, priority);
	struct zcs_lru *lru = &dev->lru;
	struct cursor c = { .start = read_locked(lru, &lru->moves) };
	struct zcs_bo *bo;
	uint64_t sum = 0;

	while (sum < target && (bo = next_bo(lru, head, &c))) {
		int64_t n = fn(bo, arg);

		sum += n > 0 ? (uint64_t)n : 0;
		zcs_bo_put_later(bo);
	}
	end_walk(lru, head, &c);
	return sum;
}

uint64_t zcs_lru_walk(struct zcs_device *dev, enum zcs_lru_list place, uint64_t target,
		      int64_t (*fn)(struct zcs_bo *bo, void *arg), void *arg)
{
	unsigned priorities = place == ZCS_LRU_OUT ? 1 : ZCS_PRIORITIES;
	uint64_t sum = 0;

	for (unsigned p = 0; p < priorities && sum < target; p++)
		sum += zcs_lru_walk_one(dev, place, p, target - sum, fn, arg);
	return sum;
}

static int check_list(struct zcs_lru *lru, enum zcs_lru_list place, unsigned priority,
		      uint64_t *count, uint64_t *inactive)
{
	struct zcs_bo *bo;
	int err = 0;

	TAILQ_FOREACH(bo, head_of(lru, place, priority), lru)
	{
		if (!bo->device)
			continue; /* a walk's mark */
		++*count;
		inactive[priority] += place == ZCS_LRU_INACTIVE ? pages_of(bo) : 0;
		if (bo->place == place && !bo->pins &&
		    (place == ZCS_LRU_OUT || bo->priority == priority))
			continue;
		zcs_warn("zcs_device_check: bo %p is in list %d of priority %u, its state says %d, "
			 "%u, %u "
			 "pins",
			 (void *)bo, (int)place, priority, (int)bo->place, bo->priority, bo->pins);
		err = -EUCLEAN;
	}
	return err;
}

static int check_counts(struct zcs_lru *lru, uint64_t count, const uint64_t *inactive)
{
	int err = 0;

	if (count != lru->count) {
		zcs_warn("zcs_device_check: %llu bos walked, %llu counted",
			 (unsigned long long)count, (unsigned long long)lru->count);
		err = -EUCLEAN;
	}
	for (unsigned p = 0; p < ZCS_PRIORITIES; p++) {
		if (inactive[p] == lru->inactive[p])
			continue;
		zcs_warn("zcs_device_check: %llu inactive pages of priority %u walked, %llu "
			 "counted",
			 (unsigned long long)inactive[p], p, (unsigned long long)lru->inactive[p]);
		err = -EUCLEAN;
	}
	return err;
}

int zcs_lru_check(struct zcs_device *dev)
{
	struct zcs_lru *lru = &dev->lru;
	uint64_t count = 0, inactive[ZCS_PRIORITIES] = { 0 };
	int err = 0;

	zcs_lru_lock(lru);
	for (int l = ZCS_LRU_ACTIVE; l < ZCS_LRU_LISTS; l++)
		for (unsigned p = 0; p < (l == ZCS_LRU_OUT ? 1 : ZCS_PRIORITIES); p++)
			if (check_list(lru, (enum zcs_lru_list)l, p, &count, inactive))
				err = -EUCLEAN;
	if (check_counts(lru, count, inactive))
		err = -EUCLEAN;
	zcs_lru_unlock(lru);
	return err;
}
