/* SPDX-License-Identifier: MIT */
/*
 * Messages. The environment is read once; a message is formatted into one buffer and written with one
 * write, so that lines of several threads do not mix, and stdio's locks and buffers are not involved
 * (a message may be written while memory is short).
 */
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "log.h"

#define LINE_MAX_BYTES 512

static int level_from_env(void)
{
	const char *s = getenv("ZCSWAP_LOG");

	if (!s || !strcmp(s, "warn"))
		return ZCS_LOG_WARN;
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

static void emit(const char *fmt, va_list ap)
{
	char line[LINE_MAX_BYTES] = "zcswap: ";
	size_t len = strlen(line);
	int n = vsnprintf(line + len, sizeof(line) - len - 1, fmt, ap);
	ssize_t done;

	if (n < 0)
		return;
	len += (size_t)n < sizeof(line) - len - 1 ? (size_t)n : sizeof(line) - len - 2;
	line[len++] = '\n';
	done = write(STDERR_FILENO, line, len);
	(void)done;
}

void zcs_log(enum zcs_log_level level, const char *fmt, ...)
{
	va_list ap;

	if ((int)level > log_level())
		return;
	va_start(ap, fmt);
	emit(fmt, ap);
	va_end(ap);
}

void zcs_misuse(const char *fmt, ...)
{
	const char *debug = getenv("ZCSWAP_DEBUG");
	va_list ap;

	if (log_level() >= ZCS_LOG_WARN) {
		va_start(ap, fmt);
		emit(fmt, ap);
		va_end(ap);
	}
	if (debug && *debug && strcmp(debug, "0") != 0)
		abort();
}
