/* SPDX-License-Identifier: MIT */
/*
 * Read-ahead gives way. Pages that were read before anybody asked for them are within the pool's
 * limit like all others, but nobody may be refused for their sake: who finds no memory asks here
 * and then tries again.
 *
 *	a backup reads ahead  ──▶ its struct zcs_ahead is in the pool's list from then on, and counts its pages
 *	-ENOMEM ──▶ zcs_ahead_forgo ──▶ give_up() of each that has some, until one gave ──▶ again
 *	                             └─ none could (a read is under way, a lock is taken) ──▶ waits
 *
 * Who asks holds no backup's lock, and may hold a tt's: a read that is under way ends without it.
 * The list's lock comes after the backups', which give_up() therefore only tries. Waiting is a loop
 * of short sleeps, for the time of one read; a condition would have to be signalled on each read,
 * by all.
 */
#include "pool_priv.h"
#include "sys/sys.h"

#define READING_US 50u /* a read of 2 MiB takes ten times that */

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
	/* in this order: who sees none left sees that some have ended */
	atomic_fetch_add(&pool->ahead_ended, 1);
	atomic_fetch_sub(&ahead->pages, nr);
	atomic_fetch_sub(&pool->ahead, nr);
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

uint64_t zcs_ahead_ended(const struct zcs_pool *pool)
{
	return atomic_load(&pool->ahead_ended);
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

bool zcs_ahead_forgo(struct zcs_pool *pool, uint64_t seen, const struct zcs_ctx *ctx)
{
	while (atomic_load(&pool->ahead) && zcs_ahead_ended(pool) == seen) {
		if (give_up_some(pool))
			return true;
		if (ctx && ctx->no_wait)
			return false;
		zcs_sys_sleep_us(READING_US);
	}
	return zcs_ahead_ended(pool) != seen;
}
