/* SPDX-License-Identifier: MIT */
#ifndef BO_WORDS_H
#define BO_WORDS_H

#include <stdatomic.h>
#include <stdint.h>

/*
 * Writers that never stop, over any pages: each owns a word of every page, knows what must be in
 * it, and looks before each write. In the end all words are compared once more. A write that falls
 * between two steps of an eviction, or a page that comes back older than it left, is a wrong word.
 *
 * The race test and its negative control use the same ones.
 */
#define WORDS_WRITERS 2u

struct words {
	void *base;
	uint64_t pages, seed;
	uint32_t *expected[WORDS_WRITERS];
	_Atomic uint64_t writes;
};

/* The pages are zero. */
void words_begin(struct words *w, void *base, uint64_t pages, uint64_t seed);
/* Writer @id, 0 to WORDS_WRITERS - 1, until then; returns how many words were wrong. */
uint64_t words_write(struct words *w, unsigned id, uint64_t end_ms);
/* Nobody writes any more; returns how many words are wrong. */
uint64_t words_compare(const struct words *w);
void words_end(struct words *w);

#endif
