/* SPDX-License-Identifier: MIT */
#ifndef ZCS_LIB_REQUEST_H
#define ZCS_LIB_REQUEST_H

#include <stdbool.h>

#include <zcswap/pool.h>

/*
 * enum zcs_asker - the kind of caller that asks a pool for memory
 *	NORMAL	a call of the program. At the limit others are asked to make room; then -ENOMEM
 *	TOUCH	a thread that stands in a page fault. The same, but in the end it passes the limit
 *	AHEAD	read-ahead. It gets memory that is free and within the limit. No list is shrunk for
 *		it, no reserved page is used, and a refusal is not counted
 */
enum zcs_asker { ZCS_ASKER_NORMAL, ZCS_ASKER_TOUCH, ZCS_ASKER_AHEAD };

/*
 * struct zcs_request - the means of a call that allocates
 * @asker: the kind of caller
 * @may_wait: the call may wait for other threads: for eviction, and for reads under way
 * @interruptible: the call may end half-way with -EINTR
 */
struct zcs_request {
	enum zcs_asker asker;
	bool may_wait, interruptible;
};

static const struct zcs_request zcs_request_normal = { ZCS_ASKER_NORMAL, true, false };
static const struct zcs_request zcs_request_touch = { ZCS_ASKER_TOUCH, true, false };
static const struct zcs_request zcs_request_ahead = { ZCS_ASKER_AHEAD, false, false };

/* The request of a public call with @ctx, which may be NULL. */
static inline struct zcs_request zcs_request_of(const struct zcs_ctx *ctx)
{
	return (struct zcs_request){ .asker = ZCS_ASKER_NORMAL,
				     .may_wait = !ctx || !ctx->no_wait,
				     .interruptible = ctx && ctx->interruptible };
}

#endif
