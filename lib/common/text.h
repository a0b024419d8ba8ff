/* SPDX-License-Identifier: MIT */
#ifndef ZCS_LIB_TEXT_H
#define ZCS_LIB_TEXT_H

#include <stddef.h>

/*
 * struct zcs_text - a text that grows in the caller's buffer, as snprintf() does
 * @buf, @size: the buffer; NULL, 0: only the length is wanted
 * @len: length of the text so far in a buffer that is large enough, without the final 0
 */
struct zcs_text {
	char *buf;
	size_t size, len;
};

/*
 * Appends to a text. Cuts off the part that does not fit. A buffer of at least one byte ends with a
 * 0. Context: any; allocates nothing.
 */
void zcs_text_add(struct zcs_text *t, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#endif
