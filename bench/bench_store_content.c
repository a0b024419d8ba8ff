/* SPDX-License-Identifier: MIT */
/*
 * What the content costs. A folio of one word repeated takes no slot: it is found at the speed of
 * memory, so the baselines are memory: comparing it with itself moved by one word, and getting
 * fresh memory and filling it. Any other content goes to the device as it is; a folio that is the
 * same word up to its last one is scanned in vain, which is the dearest that looking can be.
 */
#include <string.h>

#include "bench_store.h"

enum content { ZERO, WORD, NEARLY, RANDOM, CONTENTS };

static const char *const content_name[CONTENTS] = {
	"zero",
	"one word",
	"one word but the last",
	"random",
};

struct content_case {
	struct store_tt t;
	struct bench_bare bare;
	struct bench_pair out[CONTENTS], in[CONTENTS], scan, fresh, filled;
};

static void fill_words(char *addr, size_t bytes, uint64_t word)
{
	for (size_t i = 0; i < bytes; i += sizeof(word))
		memcpy(addr + i, &word, sizeof(word));
}

static void fill_content(char *addr, size_t bytes, enum content content)
{
	const uint64_t word = UINT64_C(0x3f8000003f800000);

	if (content == RANDOM) {
		store_fill(addr, bytes, 1);
		return;
	}
	fill_words(addr, bytes, content == ZERO ? 0 : word);
	for (size_t i = BENCH_UNIT; content == NEARLY && i <= bytes; i += BENCH_UNIT)
		addr[i - 1] = 1;
}

static void make_rows(struct bench *b, struct content_case *c)
{
	for (enum content i = 0; i < CONTENTS; i++) {
		c->out[i] = bench_pair(b, c->t.bytes, "writeback, %s", content_name[i]);
		c->in[i] = bench_pair(b, c->t.bytes, "read back, %s", content_name[i]);
	}
	c->scan = bench_pair(b, c->t.bytes, "bare: memcmp");
	c->fresh = bench_pair(b, c->t.bytes, "bare: fresh memory");
	c->filled = bench_pair(b, c->t.bytes, "bare: fresh memory, filled");
	bench_pair_against(&c->out[ZERO], &c->scan, "bare memcmp", 0, 0);
	bench_pair_against(&c->out[WORD], &c->scan, "bare memcmp", 0, 0);
	bench_pair_against(&c->in[ZERO], &c->fresh, "fresh memory", 0, 0);
	bench_pair_against(&c->in[WORD], &c->filled, "fresh memory, filled", 0, 0);
	bench_pair_against(&c->out[NEARLY], &c->out[RANDOM], "random", 0, 0);
	bench_pair_against(&c->in[NEARLY], &c->in[RANDOM], "random", 0, 0);
}

static void baselines(struct bench *b, struct content_case *c)
{
	struct bench_span start;

	fill_words(c->bare.addr, c->bare.bytes, 1);
	start = bench_span_now();
	for (size_t i = 0; i < c->bare.bytes; i += BENCH_UNIT)
		if (memcmp(c->bare.addr + i, c->bare.addr + i + 8, BENCH_UNIT - 8) != 0)
			bench_say(b, "memory changed by itself");
	bench_pair_sample(b, &c->scan, c->bare.bytes, bench_span_since(start));
	bench_bare_punch(b, &c->bare);
	start = bench_span_now();
	bench_bare_populate(b, &c->bare, 0, c->bare.bytes);
	bench_pair_sample(b, &c->fresh, c->bare.bytes, bench_span_since(start));
	bench_bare_punch(b, &c->bare);
	start = bench_span_now();
	bench_bare_populate(b, &c->bare, 0, c->bare.bytes);
	fill_words(c->bare.addr, c->bare.bytes, 1);
	bench_pair_sample(b, &c->filled, c->bare.bytes, bench_span_since(start));
}

static void one_content(struct bench *b, struct content_case *c, enum content content)
{
	struct store_tt *t = &c->t;

	fill_content(t->addr, t->bytes, content);
	bench_pair_sample(b, &c->out[content], t->bytes, store_tt_out(t));
	bench_pair_sample(b, &c->in[content], t->bytes, store_tt_in(t));
}

void store_content(struct bench *b, enum bench_kind kind)
{
	size_t bytes = (size_t)(b->quick ? 32 : 512) << 20;
	struct content_case c;

	store_tt_open(b, &c.t, kind, bytes);
	bench_bare_open(b, &c.bare, kind, bytes);
	bench_bare_populate(b, &c.bare, 0, bytes);
	make_rows(b, &c);
	while (bench_round(b)) {
		baselines(b, &c);
		for (enum content i = 0; i < CONTENTS; i++)
			one_content(b, &c, i);
	}
	bench_bare_close(&c.bare);
	store_tt_close(&c.t);
}
