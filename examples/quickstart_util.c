/* SPDX-License-Identifier: MIT */
/*
 * How the example ends when it cannot go on, and its clock. Standard output carries the story and
 * is flushed first, so that the reason for an end stands below the last step that was reached.
 */
#include "quickstart_util.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static void say(const char *word, const char *format, va_list args)
{
	fflush(stdout);
	fprintf(stderr, "zcs-quickstart: %s: ", word);
	vfprintf(stderr, format, args);
	fputc('\n', stderr);
}

void die(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	say("FAILED", format, args);
	va_end(args);
	exit(EXIT_FAILURE);
}

void skip(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	say("skipped", format, args);
	va_end(args);
	exit(EXIT_SKIP);
}

void die_call(const char *call, const char *file, int line, const char *why)
{
	const char *base = strrchr(file, '/');
	int name = (int)strcspn(call, "(");

	die("%.*s (%s:%d): %s", name, call, base ? base + 1 : file, line, why);
}

const char *errno_name(int error)
{
	static char text[96];
	const char *name = strerrorname_np(error);

	snprintf(text, sizeof(text), "-%s (%s)", name ? name : "E?", strerror(error));
	return text;
}

double now_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec * 1e6 + (double)now.tv_nsec / 1e3;
}

void *alloc(uint64_t count, uint64_t size)
{
	void *memory = calloc(count ? count : 1, size);

	if (!memory)
		die("calloc of %llu x %llu bytes: no memory", (unsigned long long)count,
		    (unsigned long long)size);
	return memory;
}
