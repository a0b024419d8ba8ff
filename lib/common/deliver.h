/* SPDX-License-Identifier: MIT */
#ifndef ZCS_LIB_DELIVER_H
#define ZCS_LIB_DELIVER_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

/*
 * Statistics for a caller that may be built with older or newer headers. Each struct begins with a
 * size_t, in which the caller says how many bytes of the struct its headers declare. The library
 * writes that many bytes and no more. Members that the library does not know stay as they were.
 */

/* Whether @to can be delivered to: the pointer is not NULL and the caller has set struct_size. */
#define zcs_can_deliver(to) ((to) && (to)->struct_size >= sizeof((to)->struct_size))

/* Copies @bytes of @stats to @to, at most @to's own size, which stays as it is. */
static inline void zcs_deliver(void *to, const void *stats, size_t bytes)
{
	size_t room;

	memcpy(&room, to, sizeof(room));
	memcpy(to, stats, room < bytes ? room : bytes);
	memcpy(to, &room, sizeof(room));
}

#endif
