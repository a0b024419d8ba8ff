/* SPDX-License-Identifier: MIT */
#ifndef ZCSWAP_LOG_H
#define ZCSWAP_LOG_H

#include <zcswap/version.h>

#ifdef __cplusplus
extern "C" {
#endif

/**
 * DOC: messages
 *
 * The library says on stderr, one line each, what somebody should know who looks after the program:
 * "zcswap: " and a sentence. ZCSWAP_LOG in the environment selects which. A program or driver that
 * must not write there gets the messages itself.
 */

/**
 * enum zcs_log_level - what a message is about
 * @ZCS_LOG_OFF: of no message; as ZCSWAP_LOG=off it selects none
 * @ZCS_LOG_WARN: something is wrong, or is done in a worse way than was asked for
 * @ZCS_LOG_DEBUG: why something was done, such as which rule an -EINVAL stands for
 */
enum zcs_log_level { ZCS_LOG_OFF, ZCS_LOG_WARN, ZCS_LOG_DEBUG };

/*
 * Is given a message, without prefix or newline and valid only for the call, and @user of
 * zcs_set_log(). It runs on whatever thread the message is from, on several at once, and with locks
 * of the library held: it must call nothing of the library, must touch no bo, and must not fork.
 */
typedef void zcs_log_fn(enum zcs_log_level level, const char *message, void *user);

/**
 * zcs_set_log - who gets the library's messages
 * @fn: called for each message that ZCSWAP_LOG selects; NULL: they are written to stderr, as in the
 *	beginning
 * @user: passed on to @fn
 *
 * It is the process's, and counts for all objects. When the call returns, what was set before is
 * not running any more and will not be called again. Nothing but the message goes another way: with
 * ZCSWAP_DEBUG a mistake still ends in abort().
 *
 * Context: thread-safe; not from @fn, nor from a signal handler.
 */
ZCS_API void zcs_set_log(zcs_log_fn *fn, void *user);

#ifdef __cplusplus
}
#endif

#endif
