/* SPDX-License-Identifier: MIT */
/*-
 * Read-ahead gives way. Pages that were read before anybody asked for them count against the pool's
 * limit like all others, but no caller may be refused because of them. An allocation that finds no
 * memory reclaims such pages here and then tries again:
 *
 *	retry = zcs_retry_begin(pool, req);
 *	do
 *		err = allocate();
 *	while (zcs_retry(&retry, err));
 *
 *	a backup reads ahead ──▶ its struct zcs_ahead joins the pool's list, and counts its pages
 *	-ENOMEM ──▶ zcs_retry ──▶ give_up() of each that has pages, until one gave some ──▶ again
 *	                       └─ none could (a read is under way, a lock is taken) ──▶ waits
 *
 * The caller holds no backup's lock, and may hold a tt's: a read that is under way ends without it.
 * The list's lock comes after the backups' locks, so that give_up() only tries to take those.
 * A wait lasts as long as one read, and looks again after AGAIN_NS: a lock that was taken tells
 * nobody when it is free. The generation number ahead_ended closes the gap between the failed try
 * and the look at the list: pages that others freed in that gap are a reason to try again, too.
 */
#include <errno.h>

#include "pool_priv.h"
#include "sys/sys.h"

#define AGAIN_NS UINT64_C(1000000)

void zcs_ahead_add(struct zcs_pool *pool, struct zcs_ahead *ahead, uint64_t nr)
{
	if (!ahead->listed) {
		pthread_mutex_lock(&pool->ahead_lock);
		LIST_INSERT_HEAD(&pool->ahead_list, ahead, node);
		pthread_mutex_unlock(&pool->ahead_lock);
		ahead->listed = true;
	}
	atomic_fetch_add(&ahead->pages, nr);
	atomic_fetch_add(&pool->ahead, nr);
}

void zcs_ahead_end(struct zcs_pool *pool, struct zcs_ahead *ahead, uint64_t nr)
{
	/* in this order: a thread that sees no page left also sees that some have ended */
	atomic_fetch_add(&pool->ahead_ended, 1);
	atomic_fetch_sub(&ahead->pages, nr);
	atomic_fetch_sub(&pool->ahead, nr);
	zcs_pool_tell(pool);
}

void zcs_ahead_forget(struct zcs_pool *pool, struct zcs_ahead *ahead)
{
	if (!ahead->listed)
		return;
	pthread_mutex_lock(&pool->ahead_lock);
	LIST_REMOVE(ahead, node);
	pthread_mutex_unlock(&pool->ahead_lock);
	ahead->listed = false;
}

static bool give_up_some(struct zcs_pool *pool)
{
	struct zcs_ahead *ahead;
	uint64_t nr = 0;

	pthread_mutex_lock(&pool->ahead_lock);
	LIST_FOREACH(ahead, &pool->ahead_list, node)
	if (!nr && atomic_load(&ahead->pages))
		nr = ahead->give_up(ahead);
	pthread_mutex_unlock(&pool->ahead_lock);
	return nr;
}

/* @seen: the generation that the caller knows. */
static bool none_ended(struct zcs_pool *pool, const void *seen)
{
	return atomic_load(&pool->ahead) &&
	       atomic_load(&pool->ahead_ended) == *(const uint64_t *)seen;
}

/* Frees pages that were read ahead; false: none was freed or taken since @seen. */
static bool reclaim_ahead(struct zcs_pool *pool, uint64_t seen, bool may_wait)
{
	while (none_ended(pool, &seen)) {
		if (give_up_some(pool))
			return true;
		if (!may_wait)
			return false;
		zcs_pool_wait(pool, none_ended, &seen, AGAIN_NS);
	}
	return atomic_load(&pool->ahead_ended) != seen;
}

struct zcs_retry zcs_retry_begin(struct zcs_pool *pool, const struct zcs_request *req)
{
	return (struct zcs_retry){ pool, req, atomic_load(&pool->ahead_ended) };
}

bool zcs_retry(struct zcs_retry *retry, int err)
{
	if (err != -ENOMEM || !reclaim_ahead(retry->pool, retry->seen, retry->req->may_wait))
		return false;
	retry->seen = atomic_load(&retry->pool->ahead_ended);
	return true;
}
