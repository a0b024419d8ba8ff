/* SPDX-License-Identifier: MIT */
/*
 * Objects: their life, their lock, and the source of their pages; see object.h.
 *
 * A waiter first gives the lock up and then sleeps on a lock of its own. So the work that the
 * store's thread left for the holder of the lock is handed back before any thread sleeps. A
 * sequence number, which changes under both locks, tells whether the wake-up came in between.
 */
#include <errno.h>
#include <string.h>

#include "store/local_priv.h"
#include "store/store.h"

static void enlist(struct zcs_object *o)
{
	struct zcs_store *store = o->store;

	zcs_store_get(store);
	pthread_mutex_lock(&store->objects_lock);
	TAILQ_INSERT_TAIL(&store->objects, o, in_store);
	pthread_mutex_unlock(&store->objects_lock);
}

/* Waits for a walk that looks at the object just now, for it holds no lock of the object. */
static void delist(struct zcs_object *o)
{
	struct zcs_store *store = o->store;

	pthread_mutex_lock(&store->objects_lock);
	TAILQ_REMOVE(&store->objects, o, in_store);
	while (o->pins)
		pthread_cond_wait(&store->unpinned, &store->objects_lock);
	pthread_mutex_unlock(&store->objects_lock);
}

int zcs_object_init(struct zcs_object *o, struct zcs_store *store, uint64_t num_pages)
{
	int err = zcs_table_init(&o->table, num_pages, ZCS_FAULT_ALLOC_NODE);

	if (err)
		return err;
	o->num_pages = num_pages;
	o->store = store;
	o->local.ra_next = UINT64_MAX;
	o->ahead.give_up = zcs_wb_give_up;
	pthread_mutex_init(&o->lock, NULL);
	pthread_mutex_init(&o->idle_lock, NULL);
	pthread_cond_init(&o->idle, NULL);
	enlist(o);
	if (store->ops->create)
		err = store->ops->create(o);
	if (err) {
		o->priv = NULL;
		zcs_object_fini(o);
	}
	return err;
}

void zcs_object_forget(struct zcs_object *o)
{
	if (o->priv)
		o->store->ops->destroy(o);
	o->priv = NULL;
}

void zcs_object_fini(struct zcs_object *o)
{
	delist(o);
	zcs_object_forget(o);
	zcs_table_fini(&o->table);
	pthread_cond_destroy(&o->idle);
	pthread_mutex_destroy(&o->idle_lock);
	pthread_mutex_destroy(&o->lock);
	zcs_store_close(o->store);
}

void zcs_object_wait(struct zcs_object *o)
{
	uint64_t seq = o->idle_seq;

	o->waiters++;
	zcs_object_unlock(o);
	pthread_mutex_lock(&o->idle_lock);
	while (o->idle_seq == seq)
		pthread_cond_wait(&o->idle, &o->idle_lock);
	pthread_mutex_unlock(&o->idle_lock);
	pthread_mutex_lock(&o->lock);
	o->waiters--;
}

void zcs_object_signal(struct zcs_object *o)
{
	if (!o->waiters)
		return;
	pthread_mutex_lock(&o->idle_lock);
	o->idle_seq++;
	pthread_cond_broadcast(&o->idle);
	pthread_mutex_unlock(&o->idle_lock);
}

void zcs_object_resume(struct zcs_object *o)
{
	zcs_wb_resume(o);
}

void zcs_object_drain(struct zcs_object *o)
{
	if (!o->store->ops->block)
		return;
	pthread_mutex_lock(&o->lock);
	o->store->ops->block->drain(o);
	zcs_object_unlock(o);
}

int zcs_object_copy(struct zcs_object *o, uint64_t index, void *dst, bool interruptible)
{
	struct zcs_block blk = zcs_table_get(&o->table, index);
	uint64_t at = index - blk.index;

	if (blk.entry != ZCS_E_EMPTY && o->store->ops->copy)
		return o->store->ops->copy(o, index, dst, interruptible);
	if (zcs_e_is_stored(blk.entry))
		return o->store->ops->block->copy(o, &blk, at, dst);
	if (blk.entry == ZCS_E_EMPTY || (o->foreign && zcs_foreign_is_hole(o->foreign, &blk)))
		memset(dst, 0, ZCS_PAGE_SIZE);
	else
		memcpy(dst, zcs_object_addr(o, &blk) + at * ZCS_PAGE_SIZE, ZCS_PAGE_SIZE);
	return 0;
}

int64_t zcs_object_write(struct zcs_object *o, uint64_t first, uint64_t last, bool wait)
{
	const struct zcs_store_ops *ops = o->store->ops;
	uint64_t begun;
	int64_t n = ops->writeback ? ops->writeback(o, first, last, &begun) : 0;

	return n > 0 && wait ? ops->wait(o, first, last) : n;
}

int zcs_object_new_folio(struct zcs_object *o, const struct zcs_block *blk, struct zcs_pool *pool,
			 const struct zcs_request *req, struct zcs_folio **folio)
{
	struct zcs_home *home = o->home;
	int err;

	if (home) {
		*folio = zcs_arena_folio(home->arena, home->pfn + blk->index);
		err = zcs_home_populate(pool, home, *folio, req);
	} else {
		err = zcs_pool_alloc(pool, blk->order, 0, req, folio);
	}
	if (!err)
		zcs_folio_set_state(*folio, ZCS_FS_BUSY);
	return err;
}

void zcs_object_free_folio(struct zcs_object *o, struct zcs_folio *folio)
{
	if (zcs_folio_flag(folio, ZCS_FF_HOMED))
		zcs_home_depopulate(o->pool, folio);
	else if (zcs_store_owns(o->store)) /* zeroing would fill a block that is a hole by now */
		zcs_pool_discard(folio);
	else
		zcs_pool_give(folio);
}

void zcs_fetch_init(struct zcs_fetch *fetch, struct zcs_object *o)
{
	fetch->object = o;
	fetch->reading = 0;
	fetch->nr = 0;
	fetch->alone = false;
	fetch->used = false;
}

void zcs_fetch_fini(struct zcs_fetch *fetch)
{
	if (!fetch->used)
		return;
	pthread_cond_destroy(&fetch->done);
	pthread_mutex_destroy(&fetch->lock);
}
