/* SPDX-License-Identifier: MIT */
#ifndef ZCS_LIB_TEXT_H
#define ZCS_LIB_TEXT_H

#include <stddef.h>

/*
 * struct zcs_text - a text that is put together in the caller's buffer, as snprintf() does
 * @buf, @size: the buffer; NULL, 0: only the length is wanted
 * @len: what the text has by now, or would have in a buffer that is large enough; without the 0
 */
struct zcs_text {
	char *buf;
	size_t size, len;
};

/* Appends. What does not fit is cut off, and the buffer ends with a 0 if it has any room at all. */
void zcs_text_add(struct zcs_text *t, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#endif
