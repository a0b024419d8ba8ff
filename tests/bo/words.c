/* SPDX-License-Identifier: MIT */
/* Writers that know what they wrote, see words.h. */
#include "../trouble/seed.h"
#include "bo_test.h"
#include "words.h"

static volatile uint64_t *word(const struct words *w, uint64_t page, unsigned id)
{
	return (volatile uint64_t *)w->base + page * (ZCS_PAGE_SIZE / sizeof(uint64_t)) + id * 37;
}

void words_begin(struct words *w, void *base, uint64_t pages, uint64_t seed)
{
	*w = (struct words){ .base = base, .pages = pages, .seed = seed };
	for (unsigned id = 0; id < WORDS_WRITERS; id++) {
		w->expected[id] = calloc(pages, sizeof(uint32_t));
		assert_non_null(w->expected[id]);
	}
}

uint64_t words_write(struct words *w, unsigned id, uint64_t end_ms)
{
	struct rng rng = rng_of(w->seed, id);
	uint64_t wrong = 0, n = 0;

	while (n % 1024 || bo_now_ms() < end_ms) {
		uint64_t page = rng_below(&rng, w->pages);
		volatile uint64_t *at = word(w, page, id);

		wrong += *at != w->expected[id][page];
		*at = ++w->expected[id][page];
		n++;
	}
	w->writes += n;
	return wrong;
}

uint64_t words_compare(const struct words *w)
{
	uint64_t wrong = 0;

	for (unsigned id = 0; id < WORDS_WRITERS; id++)
		for (uint64_t page = 0; page < w->pages; page++)
			wrong += *word(w, page, id) != w->expected[id][page];
	return wrong;
}

void words_end(struct words *w)
{
	for (unsigned id = 0; id < WORDS_WRITERS; id++)
		free(w->expected[id]);
}
