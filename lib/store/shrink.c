/* SPDX-License-Identifier: MIT */
/*
 * Shrinking a store: pages of all its objects leave memory. The objects that were used longest ago
 * come first.
 *
 *	list of objects ─oldest not visited─▶ pinned ─▶ lock ─▶ copies freed, the rest written
 *	                                     unpinned ◀────────────────────────────────┘
 *
 * The age belongs to the object, not to the block: the time of last use that came with the last
 * insertion. An object in a walk cannot go away, and is locked without the list's lock.
 *
 * Cost: finding the oldest object is a walk over the list each time. A store has thousands of
 * objects, and a shrink takes few of them.
 */
#include "store/store.h"

#define STEP ZCS_UNIT_PAGES

/* Finds and pins the oldest object that this walk has not seen; NULL: no object is left. */
static struct zcs_object *next_oldest(struct zcs_store *store, uint64_t walk,
				      uint64_t older_than_ns)
{
	struct zcs_object *o, *found = NULL;

	pthread_mutex_lock(&store->objects_lock);
	TAILQ_FOREACH(o, &store->objects, in_store)
	{
		if (o->visited != walk && o->used_ns <= older_than_ns &&
		    (!found || o->used_ns < found->used_ns))
			found = o;
	}
	if (found) {
		found->visited = walk;
		found->pins++;
	}
	pthread_mutex_unlock(&store->objects_lock);
	return found;
}

static void unpin(struct zcs_store *store, struct zcs_object *o)
{
	pthread_mutex_lock(&store->objects_lock);
	if (!--o->pins)
		pthread_cond_broadcast(&store->unpinned);
	pthread_mutex_unlock(&store->objects_lock);
}

static uint64_t free_copies(struct zcs_object *o, uint64_t pages)
{
	uint64_t n = 0, at = 0;
	bool left;

	while (o->store->ops->reclaim && at < o->num_pages && n < pages) {
		zcs_object_lock(o);
		n += o->store->ops->reclaim(o, &at, 0, &left);
		zcs_object_unlock(o);
	}
	return n;
}

static uint64_t begin_writes(struct zcs_object *o, uint64_t pages)
{
	uint64_t n = 0;

	for (uint64_t i = 0; i < o->num_pages && n < pages; i += STEP) {
		uint64_t last = i + STEP < o->num_pages ? i + STEP : o->num_pages, begun = 0;

		zcs_object_lock(o);
		if (o->resident_pages)
			o->store->ops->writeback(o, i, last - 1, &begun);
		else
			i = o->num_pages - STEP;
		zcs_object_unlock(o);
		n += begun;
	}
	return n;
}

int64_t zcs_store_shrink(struct zcs_store *store, uint64_t pages, uint64_t older_than_ns)
{
	struct zcs_object *o;
	uint64_t n = 0, walk;

	if (!store->ops->writeback)
		return 0;
	pthread_mutex_lock(&store->shrink_lock);
	walk = ++store->walks;
	while (n < pages && (o = next_oldest(store, walk, older_than_ns))) {
		n += free_copies(o, pages - n);
		if (n < pages)
			n += begin_writes(o, pages - n);
		unpin(store, o);
	}
	pthread_mutex_unlock(&store->shrink_lock);
	return (int64_t)n;
}
