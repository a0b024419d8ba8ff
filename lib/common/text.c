/* SPDX-License-Identifier: MIT */
/*
 * Text of a known length. The caller asks once without a buffer, or tries one, and knows how large
 * it has to be; nothing is allocated.
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
