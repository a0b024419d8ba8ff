/* SPDX-License-Identifier: MIT */
/*
 * Slots. A buddy system kept as bits: one set of free blocks for each order, 2.2 bits a slot in
 * all. One more bit a slot marks the used ones, so that a part of a run can be freed, and a slot
 * freed twice is noticed.
 *
 * An allocation takes the lowest free block of the smallest order that is large enough, and halves
 * the block until it fits. So small runs fill the holes of clusters in use before they open another
 * cluster, and the device is filled from its start. Freeing joins a block with its buddy as often
 * as the buddy is free. Both take at most 10 steps of at most 6 words each: 50-100 ns, against 300
 * us and more for the transfer of a cluster.
 *
 * The run map of the arenas (runs.h) does not fit here. That map looks at 64 open units and then
 * gives up, but a store that is nearly full must find the last run. Also a cluster must be taken
 * out of the maps by number while it is discarded.
 *
 *	order 0   . . . . . # . .	one free slot: 5
 *	order 1    .   .   .   #	a pair: 6, 7
 *	order 2      #       .		four: 0-3		(slot 4 is used)
 *
 * Known bottleneck: one lock for all devices. Folios of 2 MiB at 10 GB/s take it 10,000 times a
 * second.
 */
#include <errno.h>
#include <string.h>

#include "common/log.h"
#include "swap_priv.h"
#include "sys/sys.h"

/* Reserves memory and populates it now, so that the first use of a slot allocates nothing. */
int zcs_swap_reserve(size_t bytes, void **memory)
{
	int err;

	if (zcs_fault(ZCS_FAULT_ALLOC_SWAP))
		return -ENOMEM;
	err = zcs_sys_reserve(bytes, memory);
	if (err)
		return err;
	err = zcs_sys_populate(*memory, bytes);
	if (!err)
		return 0;
	zcs_sys_unmap(*memory, bytes);
	*memory = NULL;
	return -ENOMEM;
}

static size_t maps_bytes(uint32_t nr)
{
	size_t bytes = zcs_map_words(nr) * 8 + zcs_map_bytes(nr / ZCS_CLUSTER_SLOTS);

	for (unsigned o = 0; o <= ZCS_CLUSTER_ORDER; o++)
		bytes += zcs_map_bytes(nr >> o);
	return bytes;
}

int zcs_slots_init(struct zcs_slots *slots, uint32_t nr)
{
	uint64_t *at;
	int err;

	*slots = (struct zcs_slots){ .nr = nr, .nr_free = nr, .memory_bytes = maps_bytes(nr) };
	err = zcs_swap_reserve(slots->memory_bytes, &slots->memory);
	if (err)
		return err;
	at = slots->memory;
	slots->used = at;
	at = zcs_map_init(&slots->stale, nr / ZCS_CLUSTER_SLOTS, at + zcs_map_words(nr));
	for (unsigned o = 0; o <= ZCS_CLUSTER_ORDER; o++)
		at = zcs_map_init(&slots->free[o], nr >> o, at);
	for (uint32_t c = 0; c < nr / ZCS_CLUSTER_SLOTS; c++)
		zcs_map_set(&slots->free[ZCS_CLUSTER_ORDER], c);
	return 0;
}

void zcs_slots_fini(struct zcs_slots *slots)
{
	zcs_sys_unmap(slots->memory, slots->memory_bytes);
	memset(slots, 0, sizeof(*slots));
}

/* The bits of a word of @used that a run covers; run_words() says how many such words. */
static uint64_t run_mask(uint32_t slot, unsigned order)
{
	return order >= 6 ? UINT64_MAX : ((UINT64_C(1) << (1u << order)) - 1) << (slot % 64);
}

static uint32_t run_words(unsigned order)
{
	return order > 6 ? 1u << (order - 6) : 1;
}

static void mark_used(struct zcs_slots *slots, uint32_t slot, unsigned order, bool used)
{
	uint64_t mask = run_mask(slot, order);

	for (uint32_t w = slot / 64; w < slot / 64 + run_words(order); w++) {
		if (used)
			slots->used[w] |= mask;
		else
			slots->used[w] &= ~mask;
	}
}

bool zcs_slots_used(const struct zcs_slots *slots, uint32_t slot, unsigned order)
{
	uint64_t mask = run_mask(slot, order);

	for (uint32_t w = slot / 64; w < slot / 64 + run_words(order); w++)
		if ((slots->used[w] & mask) != mask)
			return false;
	return true;
}

static void not_stale(struct zcs_slots *slots, uint32_t cluster)
{
	if (!zcs_map_test(&slots->stale, cluster))
		return;
	zcs_map_clear(&slots->stale, cluster);
	slots->nr_stale--;
}

/* Takes a free block of order @from and halves it until it fits. */
static void take_block(struct zcs_slots *slots, unsigned from, int64_t block, unsigned order,
		       uint32_t *slot)
{
	zcs_map_clear(&slots->free[from], (uint64_t)block);
	if (from == ZCS_CLUSTER_ORDER)
		not_stale(slots, (uint32_t)block);
	while (from > order) {
		from--;
		block *= 2;
		zcs_map_set(&slots->free[from], (uint64_t)block + 1);
	}
	*slot = (uint32_t)block << order;
	mark_used(slots, *slot, order, true);
	slots->nr_free -= 1u << order;
	slots->nr_used += 1u << order;
}

int zcs_slots_alloc(struct zcs_slots *slots, unsigned order, uint32_t *slot)
{
	for (unsigned from = order; from <= ZCS_CLUSTER_ORDER; from++) {
		int64_t block = zcs_map_first(&slots->free[from]);

		if (block < 0)
			continue;
		take_block(slots, from, block, order, slot);
		return 0;
	}
	return -ENOSPC;
}

int zcs_slots_alloc_from(struct zcs_slots *slots, unsigned order, uint32_t at, uint32_t *slot)
{
	for (unsigned from = order; from <= ZCS_CLUSTER_ORDER; from++) {
		int64_t block = zcs_map_from(&slots->free[from], at >> from);

		if (block < 0)
			continue;
		take_block(slots, from, block, order, slot);
		return 0;
	}
	return zcs_slots_alloc(slots, order, slot);
}

/* Puts free slots into the maps and joins them with their buddies. */
static void join(struct zcs_slots *slots, uint32_t slot, unsigned order, bool discard)
{
	uint32_t block = slot >> order;

	while (order < ZCS_CLUSTER_ORDER && zcs_map_test(&slots->free[order], block ^ 1)) {
		zcs_map_clear(&slots->free[order], block ^ 1);
		block /= 2;
		order++;
	}
	zcs_map_set(&slots->free[order], block);
	if (!discard || order < ZCS_CLUSTER_ORDER)
		return;
	zcs_map_set(&slots->stale, block);
	slots->nr_stale++;
}

void zcs_slots_free(struct zcs_slots *slots, uint32_t slot, unsigned order, bool discard)
{
	mark_used(slots, slot, order, false);
	slots->nr_free += 1u << order;
	slots->nr_used -= 1u << order;
	join(slots, slot, order, discard);
}

void zcs_slots_set_aside(struct zcs_slots *slots, uint32_t slot, unsigned order)
{
	mark_used(slots, slot, order, false);
	slots->nr_used -= 1u << order;
	slots->nr_free += 1u << order;
	slots->nr_aside += 1u << order;
}

void zcs_slots_back_from_aside(struct zcs_slots *slots, uint32_t slot, unsigned order, bool discard)
{
	slots->nr_aside -= 1u << order;
	join(slots, slot, order, discard);
}

void zcs_slots_retire_aside(struct zcs_slots *slots, uint32_t slot, unsigned order)
{
	(void)slot;
	slots->nr_aside -= 1u << order;
	slots->nr_free -= 1u << order;
	slots->nr_retired += 1u << order;
}

void zcs_slots_retire(struct zcs_slots *slots, uint32_t slot, unsigned order)
{
	mark_used(slots, slot, order, false);
	slots->nr_used -= 1u << order;
	slots->nr_retired += 1u << order;
}

uint32_t zcs_slots_discard_begin(struct zcs_slots *slots, uint32_t max, uint32_t *cluster)
{
	int64_t first = zcs_map_first(&slots->stale);
	uint32_t nr = 0, clusters = slots->nr / ZCS_CLUSTER_SLOTS;

	if (first < 0)
		return 0;
	*cluster = (uint32_t)first;
	while (nr < max && *cluster + nr < clusters && zcs_map_test(&slots->stale, *cluster + nr)) {
		zcs_map_clear(&slots->free[ZCS_CLUSTER_ORDER], *cluster + nr);
		not_stale(slots, *cluster + nr);
		nr++;
	}
	slots->nr_discarding += nr;
	return nr;
}

void zcs_slots_discard_end(struct zcs_slots *slots, uint32_t cluster, uint32_t nr)
{
	for (uint32_t c = cluster; c < cluster + nr; c++)
		zcs_map_set(&slots->free[ZCS_CLUSTER_ORDER], c);
	slots->nr_discarding -= nr;
}

/*
 * Adds up the free blocks of one order. -EUCLEAN: a slot of such a block is used, or its buddy or a
 * block around it is free too.
 */
static int check_order(const struct zcs_slots *slots, unsigned order, uint64_t *free)
{
	for (uint32_t b = 0; b < slots->nr >> order; b++) {
		if (!zcs_map_test(&slots->free[order], b))
			continue;
		*free += 1u << order;
		for (uint32_t s = b << order; s < (b + 1) << order; s++)
			if (zcs_slots_used(slots, s, 0))
				return -EUCLEAN;
		if (order < ZCS_CLUSTER_ORDER && zcs_map_test(&slots->free[order], b ^ 1))
			return -EUCLEAN;
		for (unsigned o = order + 1; o <= ZCS_CLUSTER_ORDER; o++)
			if (zcs_map_test(&slots->free[o], b >> (o - order)))
				return -EUCLEAN;
	}
	return 0;
}

static int check_stale(const struct zcs_slots *slots)
{
	uint32_t nr = 0;

	for (uint32_t c = 0; c < slots->nr / ZCS_CLUSTER_SLOTS; c++) {
		if (!zcs_map_test(&slots->stale, c))
			continue;
		if (!zcs_map_test(&slots->free[ZCS_CLUSTER_ORDER], c))
			return -EUCLEAN;
		nr++;
	}
	return nr == slots->nr_stale ? 0 : -EUCLEAN;
}

int zcs_slots_check(const struct zcs_slots *slots)
{
	uint64_t free = (uint64_t)slots->nr_discarding * ZCS_CLUSTER_SLOTS + slots->nr_aside,
		 used = 0;

	for (unsigned o = 0; o <= ZCS_CLUSTER_ORDER; o++)
		if (check_order(slots, o, &free))
			return -EUCLEAN;
	for (uint32_t w = 0; w < slots->nr / 64; w++)
		used += (uint64_t)__builtin_popcountll(slots->used[w]);
	if (free != slots->nr_free || used != slots->nr_used)
		return -EUCLEAN;
	if (free + used + slots->nr_retired != slots->nr)
		return -EUCLEAN;
	return check_stale(slots);
}

struct zcs_swap_dev *zcs_swap_dev_of(struct zcs_swap *s, uint32_t slot, unsigned order)
{
	if (order > ZCS_CLUSTER_ORDER || slot >= s->nr_slots || slot % (1u << order))
		return NULL;
	for (unsigned i = 0; i < s->nr_devs; i++)
		if (slot - s->dev[i].first < s->dev[i].slots.nr)
			return &s->dev[i];
	return NULL;
}

const char *zcs_swap_name(struct zcs_swap *swap, uint32_t slot)
{
	return zcs_swap_dev_of(swap, slot, 0)->name;
}

/*
 * Allocates from the devices [@first, @first + @nr), which have one priority: 2 MiB from each in
 * turn. Considers only devices that are @refusing, or only those that are not.
 */
static int alloc_striped(struct zcs_swap *s, unsigned first, unsigned nr, unsigned order,
			 bool refusing, uint32_t *slot)
{
	struct zcs_swap_dev *head = &s->dev[first];

	for (unsigned i = 0; i < nr; i++) {
		unsigned turn = (head->turn + i) % nr;
		struct zcs_swap_dev *d = &s->dev[first + turn];

		if (atomic_load(&d->refusing) != refusing || !zcs_outage_allows(d) ||
		    zcs_outage_alloc(d, order, slot))
			continue;
		*slot += d->first;
		if (i)
			head->turn_left = ZCS_CLUSTER_SLOTS;
		head->turn = turn;
		if (head->turn_left > 1u << order) {
			head->turn_left -= 1u << order;
		} else {
			head->turn = (turn + 1) % nr;
			head->turn_left = ZCS_CLUSTER_SLOTS;
		}
		return 0;
	}
	return -ENOSPC;
}

static int alloc_by_priority(struct zcs_swap *s, unsigned order, bool refusing, uint32_t *slot)
{
	unsigned nr;

	for (unsigned first = 0; first < s->nr_devs; first += nr) {
		for (nr = 1; first + nr < s->nr_devs; nr++)
			if (s->dev[first + nr].prio != s->dev[first].prio)
				break;
		if (!alloc_striped(s, first, nr, order, refusing, slot))
			return 0;
	}
	return -ENOSPC;
}

/*
 * Tries a device without room in its file system last. Its slots stay free, so it would otherwise
 * be the first choice for ever.
 */
static int alloc_ready(struct zcs_swap *s, unsigned order, uint32_t *slot)
{
	int err = alloc_by_priority(s, order, false, slot);

	return err ? alloc_by_priority(s, order, true, slot) : 0;
}

/*
 * The error of an allocation that found no run. -ENOSPC, or the last error of a device that is left
 * alone and has free slots, for it may take writes again later. Its pause may be over by now.
 */
static int why_none(const struct zcs_swap *s)
{
	for (unsigned i = 0; i < s->nr_devs; i++)
		if (s->dev[i].slots.nr_free && s->dev[i].outage.alone)
			return s->dev[i].outage.error;
	return -ENOSPC;
}

static int alloc_anywhere(struct zcs_swap *s, unsigned order, uint32_t *slot)
{
	bool returned = false;

	if (!alloc_ready(s, order, slot))
		return 0;
	for (unsigned i = 0; i < s->nr_devs; i++)
		if (zcs_outage_allows(&s->dev[i]))
			returned |= zcs_outage_return_runs(&s->dev[i]);
	return returned && !alloc_ready(s, order, slot) ? 0 : why_none(s);
}

static bool is_any_discarding(const struct zcs_swap *s)
{
	for (unsigned i = 0; i < s->nr_devs; i++)
		if (s->dev[i].slots.nr_discarding)
			return true;
	return false;
}

int zcs_swap_alloc(struct zcs_swap *s, unsigned order, uint32_t *slot)
{
	int err;

	if (order > ZCS_CLUSTER_ORDER)
		return -EINVAL;
	err = -zcs_fault(ZCS_FAULT_SWAP_SLOT);
	if (err)
		return err;
	pthread_mutex_lock(&s->slots_lock);
	while ((err = alloc_anywhere(s, order, slot)) && is_any_discarding(s))
		pthread_cond_wait(&s->slots_cond, &s->slots_lock);
	pthread_mutex_unlock(&s->slots_lock);
	return err;
}

enum end { FREE, FAILED, RETIRED };

/* Ends the use of a run, which becomes free or retired, or is set aside. */
static void end_run(struct zcs_swap *s, uint32_t slot, unsigned order, enum end end)
{
	struct zcs_swap_dev *d = zcs_swap_dev_of(s, slot, order);
	bool bad = !d, stale = false;

	pthread_mutex_lock(&s->slots_lock);
	bad = bad || !zcs_slots_used(&d->slots, slot - d->first, order);
	if (bad || zcs_outage_give_up(d, slot - d->first, order, end == FAILED))
		;
	else if (end == RETIRED)
		zcs_slots_retire(&d->slots, slot - d->first, order);
	else
		zcs_slots_free(&d->slots, slot - d->first, order, d->discard);
	if (!bad)
		stale = d->slots.nr_stale == 1;
	if (stale)
		pthread_cond_broadcast(&s->slots_cond);
	pthread_mutex_unlock(&s->slots_lock);
	if (bad)
		zcs_misuse("swap: slot %u, order %u is %s, but is not in use", slot, order,
			   end == RETIRED ? "retired" : "freed");
}

void zcs_swap_free(struct zcs_swap *s, uint32_t slot, unsigned order)
{
	end_run(s, slot, order, FREE);
}

void zcs_swap_free_failed(struct zcs_swap *s, uint32_t slot, unsigned order)
{
	end_run(s, slot, order, FAILED);
}

void zcs_swap_retire(struct zcs_swap *s, uint32_t slot, unsigned order)
{
	end_run(s, slot, order, RETIRED);
}

int64_t zcs_swap_avail(struct zcs_swap *s)
{
	uint64_t nr = 0;

	pthread_mutex_lock(&s->slots_lock);
	for (unsigned i = 0; i < s->nr_devs; i++)
		nr += s->dev[i].slots.nr_free;
	pthread_mutex_unlock(&s->slots_lock);
	return (int64_t)(nr * ZCS_SLOT_BYTES);
}

bool zcs_swap_has_room(struct zcs_swap *s)
{
	bool room = false;

	pthread_mutex_lock(&s->slots_lock);
	for (unsigned i = 0; i < s->nr_devs; i++)
		room |= s->dev[i].slots.nr_free && zcs_outage_allows(&s->dev[i]);
	pthread_mutex_unlock(&s->slots_lock);
	return room;
}

int zcs_swap_check(struct zcs_swap *s)
{
	int err = 0;

	pthread_mutex_lock(&s->slots_lock);
	for (unsigned i = 0; i < s->nr_devs; i++) {
		const struct zcs_slots *m = &s->dev[i].slots;

		if (!zcs_slots_check(m))
			continue;
		err = -EUCLEAN;
		zcs_warn("swap %s: slot maps disagree: %llu free, %llu used, %llu retired of %u",
			 s->dev[i].name, (unsigned long long)m->nr_free,
			 (unsigned long long)m->nr_used, (unsigned long long)m->nr_retired, m->nr);
	}
	pthread_mutex_unlock(&s->slots_lock);
	return err;
}
