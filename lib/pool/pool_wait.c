/* SPDX-License-Identifier: MIT */
/*-
 * Waits inside the pool, by callers that hold locks: a tt's, a backup's. There is one condition,
 * for three events:
 *
 *	an abandoned write lands	zcs_pool_punch(): the device may read the pages until then
 *	pages have left the pool	an allocation at the limit: another thread gives them back
 *	pages read ahead are free	an allocation that found no memory (pool_ahead.c)
 *
 * All are rare, so the threads that cause them only look whether a waiter exists:
 *
 *	waiter: waiters++, lock, look, sleep	teller: change, waiters? ─yes─▶ lock, broadcast
 *
 * The waiter counts itself before it looks, and the teller makes its change before it looks. So one
 * of the two sees the other.
 */
#include "common/held.h"
#include "pool_priv.h"
#include "sys/sys.h"

void zcs_pool_wait_init(struct zcs_pool *pool)
{
	pthread_mutex_init(&pool->wait_lock, NULL);
	zcs_sys_cond_init(&pool->changed);
}

void zcs_pool_wait_fini(struct zcs_pool *pool)
{
	pthread_cond_destroy(&pool->changed);
	pthread_mutex_destroy(&pool->wait_lock);
}

static void sleep_once(struct zcs_pool *pool, uint64_t ns)
{
	struct timespec until;

	if (!ns) {
		pthread_cond_wait(&pool->changed, &pool->wait_lock);
		return;
	}
	until = zcs_sys_deadline(ns);
	pthread_cond_timedwait(&pool->changed, &pool->wait_lock, &until);
}

void zcs_pool_wait(struct zcs_pool *pool, bool (*must)(struct zcs_pool *pool, const void *arg),
		   const void *arg, uint64_t ns)
{
	int cancel = zcs_sys_hold_cancel();

	atomic_fetch_add(&pool->waiters, 1);
	pthread_mutex_lock(&pool->wait_lock);
	if (must(pool, arg))
		sleep_once(pool, ns);
	pthread_mutex_unlock(&pool->wait_lock);
	atomic_fetch_sub(&pool->waiters, 1);
	zcs_sys_let_cancel(cancel);
}

void zcs_pool_tell(struct zcs_pool *pool)
{
	if (!atomic_load(&pool->waiters))
		return;
	pthread_mutex_lock(&pool->wait_lock);
	pthread_cond_broadcast(&pool->changed);
	pthread_mutex_unlock(&pool->wait_lock);
}

/* -- abandoned writes; their list is under the same lock */

void zcs_pool_fly(struct zcs_pool *pool, struct zcs_flying *write, const void *addr, size_t bytes)
{
	write->addr = addr;
	write->bytes = bytes;
	pthread_mutex_lock(&pool->wait_lock);
	LIST_INSERT_HEAD(&pool->flying, write, link);
	atomic_fetch_add(&pool->nr_flying, 1);
	pthread_mutex_unlock(&pool->wait_lock);
}

void zcs_pool_landed(struct zcs_pool *pool, struct zcs_flying *write)
{
	pthread_mutex_lock(&pool->wait_lock);
	LIST_REMOVE(write, link);
	atomic_fetch_sub(&pool->nr_flying, 1);
	/*
	 * under the lock, so that a thread that waits to free the pool is not done before this one
	 */
	pthread_cond_broadcast(&pool->changed);
	pthread_mutex_unlock(&pool->wait_lock);
}

/* With the lock held. */
static bool overlaps_flying(struct zcs_pool *pool, const void *folio)
{
	const char *addr = zcs_folio_bytes(folio);
	size_t bytes = (size_t)ZCS_PAGE_SIZE << zcs_folio_ord(folio);
	struct zcs_flying *w;

	zcs_assert_held(&pool->wait_lock);
	LIST_FOREACH(w, &pool->flying, link)
	{
		if (w->addr < addr + bytes && addr < w->addr + w->bytes)
			return true;
	}
	return false;
}

bool zcs_pool_is_flying(struct zcs_pool *pool, struct zcs_folio *folio)
{
	bool found;

	if (!atomic_load(&pool->nr_flying))
		return false;
	pthread_mutex_lock(&pool->wait_lock);
	found = overlaps_flying(pool, folio);
	pthread_mutex_unlock(&pool->wait_lock);
	return found;
}

void zcs_pool_wait_landed(struct zcs_pool *pool, struct zcs_folio *folio)
{
	while (zcs_pool_is_flying(pool, folio))
		zcs_pool_wait(pool, overlaps_flying, folio, 0);
}

static bool any_flying(struct zcs_pool *pool, const void *unused)
{
	(void)unused;
	return atomic_load(&pool->nr_flying);
}

void zcs_pool_wait_all_landed(struct zcs_pool *pool)
{
	do
		zcs_pool_wait(pool, any_flying, NULL, 0);
	while (any_flying(pool, NULL));
}
