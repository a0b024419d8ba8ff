/* SPDX-License-Identifier: MIT */
/*
 * Text of a known length, as snprintf() makes it. The caller asks for the length without a buffer
 * first, or tries a buffer and learns how large it must be. Nothing is allocated.
 */
#include <stdarg.h>
#include <stdio.h>

#include "text.h"

void zcs_text_add(struct zcs_text *t, const char *fmt, ...)
{
	size_t left = t->len < t->size ? t->size - t->len : 0;
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(left ? t->buf + t->len : NULL, left, fmt, ap);
	va_end(ap);
	if (n > 0)
		t->len += (size_t)n;
}
