/* SPDX-License-Identifier: MIT */
#ifndef ZCS_LIB_DELIVER_H
#define ZCS_LIB_DELIVER_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

/*
 * Statistics for a caller that may be built with older or newer headers: each struct begins with a
 * size_t that says how much of it the caller has. That much is written, and no more; what the
 * library does not know stays as the caller left it.
 */

/* Whether @to can be delivered to: it is no NULL, and its size has not been forgotten. */
#define zcs_can_deliver(to) ((to) && (to)->struct_size >= sizeof((to)->struct_size))

/* Copies @bytes of @stats to @to, as far as there is room; @to keeps its size. */
static inline void zcs_deliver(void *to, const void *stats, size_t bytes)
{
	size_t room;

	memcpy(&room, to, sizeof(room));
	memcpy(to, stats, room < bytes ? room : bytes);
	memcpy(to, &room, sizeof(room));
}

#endif
