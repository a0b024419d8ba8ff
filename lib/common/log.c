/* SPDX-License-Identifier: MIT */
/*
 * Messages. The environment is read once. A message is formatted into one buffer and written with
 * one write(), so that lines of several threads do not mix. That also avoids stdio's locks and
 * buffers, for a message may be written while memory is short.
 *
 * A receiver set by zcs_set_log() is called under a lock that all messages share. So a program that
 * sets another receiver knows that no call of the old one is left. The lock lies in memory that the
 * kernel clears in a child of fork(). A cleared lock is free, although a thread of the parent may
 * have held it: that thread does not exist in the child.
 *
 * Known limit: a receiver must not call zcs_set_log(), which would wait for that receiver.
 */
#include <poll.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "env.h"
#include "life.h"
#include "log.h"

#define LINE_MAX_BYTES 512

static struct {
	zcs_log_fn *fn;
	void *user;
} receiver;

static int level_from_env(void)
{
	const char *s = zcs_env(ZCS_ENV_LOG);

	if (!strcmp(s, "off"))
		return ZCS_LOG_OFF;
	if (!strcmp(s, "debug"))
		return ZCS_LOG_DEBUG;
	return ZCS_LOG_WARN;
}

static int log_level(void)
{
	static atomic_int level = -1;
	int l = atomic_load_explicit(&level, memory_order_relaxed);

	if (l < 0) {
		l = level_from_env();
		atomic_store_explicit(&level, l, memory_order_relaxed);
	}
	return l;
}

/*
 * Loses the message where nobody reads stderr. The caller holds locks and must not wait for a
 * reader, and a pipe without a reader raises SIGPIPE. A pipe that poll() reports writable takes a
 * whole line.
 */
static void write_line(char *line, size_t len)
{
	struct pollfd to = { .fd = STDERR_FILENO, .events = POLLOUT };
	ssize_t done;

	if (poll(&to, 1, 0) != 1 || to.revents != POLLOUT)
		return;
	line[len++] = '\n';
	done = write(STDERR_FILENO, line, len);
	(void)done;
}

static void emit(enum zcs_log_level level, const char *fmt, va_list ap)
{
	static const char prefix[] = "zcswap: ";
	char line[LINE_MAX_BYTES], *text = line + sizeof(prefix) - 1;
	size_t room = sizeof(line) - sizeof(prefix), len;
	int n;

	memcpy(line, prefix, sizeof(prefix));
	n = vsnprintf(text, room, fmt, ap);
	if (n < 0)
		return;
	len = (size_t)n < room ? (size_t)n : room - 1;
	pthread_rwlock_rdlock(&zcs_life.log_lock);
	if (receiver.fn)
		receiver.fn(level, text, receiver.user);
	else
		write_line(line, len + sizeof(prefix) - 1);
	pthread_rwlock_unlock(&zcs_life.log_lock);
}

void zcs_set_log(zcs_log_fn *fn, void *user)
{
	zcs_life_begin();
	pthread_rwlock_wrlock(&zcs_life.log_lock);
	receiver.fn = fn;
	receiver.user = user;
	pthread_rwlock_unlock(&zcs_life.log_lock);
}

void zcs_log(enum zcs_log_level level, const char *fmt, ...)
{
	va_list ap;

	if ((int)level > log_level())
		return;
	va_start(ap, fmt);
	emit(level, fmt, ap);
	va_end(ap);
}

bool zcs_broken(const char *call, const char *what, const char *rule, int64_t value)
{
	zcs_debug("%s: %s must be %s; it is %lld", call, what, rule, (long long)value);
	return false;
}

void zcs_misuse(const char *fmt, ...)
{
	va_list ap;

	if (log_level() >= ZCS_LOG_WARN) {
		va_start(ap, fmt);
		emit(ZCS_LOG_WARN, fmt, ap);
		va_end(ap);
	}
	if (zcs_env_is_on(ZCS_ENV_DEBUG))
		abort();
}
