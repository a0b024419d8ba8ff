/* SPDX-License-Identifier: MIT */
/*
 * Same-filled folios. A buffer is one word repeated exactly if it equals itself moved by one word,
 * so memcmp() does the scan: at the speed of memory on repeated words, and over after 8 bytes of
 * most others.
 */
#include <string.h>

#include "same.h"

#define PROBES 8u

void zcs_same_init(struct zcs_same *s)
{
	memset(s->slot, 0, sizeof(s->slot));
	pthread_mutex_init(&s->lock, NULL);
}

void zcs_same_fini(struct zcs_same *s)
{
	pthread_mutex_destroy(&s->lock);
}

/* The slot that has @word, or a free one near its hash; -1: neither. */
static int32_t find(const struct zcs_same *s, uint64_t word)
{
	uint32_t home = (uint32_t)((word * UINT64_C(0x9e3779b97f4a7c15)) >> 40);
	int32_t free = -1;

	for (uint32_t i = 0; i < PROBES; i++) {
		uint32_t at = 1 + (home + i) % (ZCS_SAME_WORDS - 1);

		if (s->slot[at].refs && s->slot[at].word == word)
			return (int32_t)at;
		if (!s->slot[at].refs && free < 0)
			free = (int32_t)at;
	}
	return free;
}

int32_t zcs_same_get(struct zcs_same *s, uint64_t word)
{
	int32_t at;

	if (!word)
		return 0;
	pthread_mutex_lock(&s->lock);
	at = find(s, word);
	if (at >= 0) {
		s->slot[at].word = word;
		s->slot[at].refs++;
	}
	pthread_mutex_unlock(&s->lock);
	return at;
}

void zcs_same_ref(struct zcs_same *s, uint32_t nr, uint64_t refs)
{
	pthread_mutex_lock(&s->lock);
	if (nr)
		s->slot[nr].refs += refs;
	pthread_mutex_unlock(&s->lock);
}

void zcs_same_put(struct zcs_same *s, uint32_t nr)
{
	pthread_mutex_lock(&s->lock);
	if (nr)
		s->slot[nr].refs--;
	pthread_mutex_unlock(&s->lock);
}

void zcs_same_fill(struct zcs_same *s, uint32_t nr, void *addr, size_t bytes)
{
	uint64_t word;
	char *at = addr;

	pthread_mutex_lock(&s->lock);
	word = nr ? s->slot[nr].word : 0;
	pthread_mutex_unlock(&s->lock);
	for (size_t i = 0; i < bytes; i += sizeof(word))
		memcpy(at + i, &word, sizeof(word));
}
