/* SPDX-License-Identifier: MIT */
#ifndef ZCS_LIB_SAME_H
#define ZCS_LIB_SAME_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * The words of same-filled folios. A folio that is one 8-byte word over and over takes no slot,
 * only the number of its word. The table has a fixed size, set when the store is opened, and
 * reference counts. When it is full, or the word's neighbourhood in it is, a folio is written like
 * any other. Word 0 is number 0 and never counted.
 */
#define ZCS_SAME_WORDS 4096u

struct zcs_same {
	pthread_mutex_t lock;
	struct {
		uint64_t word;
		uint64_t refs;
	} slot[ZCS_SAME_WORDS];
};

void zcs_same_init(struct zcs_same *s);
void zcs_same_fini(struct zcs_same *s);
/* The number of @word, with a reference; -1 if there is no room. */
int32_t zcs_same_get(struct zcs_same *s, uint64_t word);
/* Takes @refs more references for a number that has one. */
void zcs_same_ref(struct zcs_same *s, uint32_t nr, uint64_t refs);
void zcs_same_put(struct zcs_same *s, uint32_t nr);
void zcs_same_fill(struct zcs_same *s, uint32_t nr, void *addr, size_t bytes);

#endif
