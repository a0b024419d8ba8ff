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
 * The library writes messages for the operator of the program to stderr, one line each: "zcswap: "
 * and a sentence. ZCSWAP_LOG in the environment selects which. A program or driver that must not
 * write to stderr can receive the messages itself.
 */

/**
 * enum zcs_log_level - what a message is about
 * @ZCS_LOG_OFF: no message has this level; ZCSWAP_LOG=off selects no message
 * @ZCS_LOG_WARN: something is wrong, or is done in a worse way than the caller asked for
 * @ZCS_LOG_DEBUG: the reason for something, such as the rule behind an -EINVAL
 */
enum zcs_log_level { ZCS_LOG_OFF, ZCS_LOG_WARN, ZCS_LOG_DEBUG };

/*
 * Receives a message, without prefix or newline and valid only during the call, and @user of
 * zcs_set_log(). The function runs on the thread that the message is from, on several threads at
 * once, and with locks of the library held. It must call nothing of the library, must touch no bo,
 * and must not fork.
 */
typedef void zcs_log_fn(enum zcs_log_level level, const char *message, void *user);

/**
 * zcs_set_log - set the function that receives the library's messages
 * @fn: called for each message that ZCSWAP_LOG selects; NULL: messages are written to stderr, which
 *	is the default
 * @user: passed on to @fn
 *
 * The setting belongs to the process and holds for all objects. When the call returns, the function
 * that was set before is not running any more and will not be called again. Only the messages are
 * redirected: with ZCSWAP_DEBUG a mistake still ends in abort().
 *
 * Context: thread-safe; not from @fn, nor from a signal handler.
 */
ZCS_API void zcs_set_log(zcs_log_fn *fn, void *user);

#ifdef __cplusplus
}
#endif

#endif
