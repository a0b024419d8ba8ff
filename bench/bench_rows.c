/* SPDX-License-Identifier: MIT */
/*
 * Rows: samples, and the numbers worked out of them.
 *
 * A case measures its subject and its baselines one after the other in every round, so that sample
 * r of a row and sample r of its baseline saw the same machine. The printed ratio is therefore the
 * median of the ratios of the rounds, not the ratio of two medians: a slow round cancels out of it.
 *
 * The first round of a case warms up (page tables, caches, the pool's lists) and is not kept.
 *
 * Rows know nothing of the report: without the few bytes of a row the run ends at once.
 */
#include <err.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "bench.h"

void bench_init(struct bench *b, const char *what)
{
	STAILQ_INIT(&b->rows);
	STAILQ_INIT(&b->notes);
	snprintf(b->what, sizeof(b->what), "%s", what);
}

static void *zalloc(size_t nr, size_t size)
{
	void *p = calloc(nr, size);

	if (!p)
		err(1, "bench: calloc");
	return p;
}

struct bench_row *bench_row(struct bench *b, const char *unit, const char *per, uint64_t n,
			    const char *fmt, ...)
{
	struct bench_row *row = zalloc(1, sizeof(*row));
	va_list ap;

	row->value = zalloc(b->rounds, sizeof(*row->value));
	memcpy(row->what, b->what, sizeof(row->what));
	row->unit = unit;
	row->per = per;
	row->n = n;
	va_start(ap, fmt);
	vsnprintf(row->name, sizeof(row->name), fmt, ap);
	va_end(ap);
	STAILQ_INSERT_TAIL(&b->rows, row, link);
	return row;
}

void bench_value(struct bench *b, struct bench_row *row, double value)
{
	if (b->round > 0 && row->nr < b->rounds)
		row->value[row->nr++] = value;
}

void bench_sample(struct bench *b, struct bench_row *row, double sum)
{
	bench_value(b, row, sum / (double)row->n);
}

void bench_rate(struct bench *b, struct bench_row *row, uint64_t bytes, uint64_t ns)
{
	bench_value(b, row, (double)bytes / (1u << 30) * 1e9 / (double)ns);
}

bool bench_more_is_better(const struct bench_row *row)
{
	return strstr(row->unit, "/s") || !strcmp(row->unit, "%");
}

void bench_against(struct bench_row *row, const struct bench_row *baseline, const char *label,
		   enum bench_aim aim, double limit)
{
	struct bench_compare *c = &row->compare[row->nr_compare++];

	c->baseline = baseline;
	c->aim = aim;
	c->limit = limit;
	snprintf(c->label, sizeof(c->label), "%s", label);
}

bool bench_round(struct bench *b)
{
	if (!b->in_rounds) {
		b->in_rounds = true;
		b->round = 0;
		return true;
	}
	b->in_rounds = b->round < b->rounds;
	b->round += b->in_rounds;
	return b->in_rounds;
}

static void add_note(struct bench *b, const char *what, bool left_out, const char *fmt, va_list ap)
{
	struct bench_note *note = zalloc(1, sizeof(*note));

	snprintf(note->what, sizeof(note->what), "%s", what);
	note->left_out = left_out;
	vsnprintf(note->text, sizeof(note->text), fmt, ap);
	STAILQ_INSERT_TAIL(&b->notes, note, link);
}

void bench_say(struct bench *b, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	add_note(b, b->what, false, fmt, ap);
	va_end(ap);
}

void bench_left_out(struct bench *b, const char *what, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	add_note(b, what, true, fmt, ap);
	va_end(ap);
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* The value at @part (0 to 1) of sorted samples, interpolated. */
static double quantile(const double *v, unsigned nr, double part)
{
	double at = part * (nr - 1);
	unsigned i = (unsigned)at;

	if (i + 1 >= nr)
		return v[nr - 1];
	return v[i] + (at - i) * (v[i + 1] - v[i]);
}

double bench_median(double *v, unsigned nr)
{
	qsort(v, nr, sizeof(*v), by_value);
	return quantile(v, nr, 0.5);
}

static double median_ratio(const struct bench_row *row, const struct bench_row *baseline,
			   double *tmp)
{
	unsigned nr = row->nr < baseline->nr ? row->nr : baseline->nr, used = 0;

	for (unsigned i = 0; i < nr; i++)
		if (baseline->value[i] > 0)
			tmp[used++] = row->value[i] / baseline->value[i];
	if (!used)
		return 0;
	return bench_median(tmp, used);
}

static void finish_row(struct bench_row *row, double *tmp)
{
	for (unsigned i = 0; i < row->nr_compare; i++) {
		struct bench_compare *c = &row->compare[i];

		if (c->baseline)
			c->ratio = median_ratio(row, c->baseline, tmp);
		/* a run that was stopped has nothing to hold against the aim */
		if (c->baseline && !c->baseline->nr)
			c->aim = BENCH_NO_AIM;
	}
	if (!row->nr)
		return;
	memcpy(tmp, row->value, row->nr * sizeof(*tmp));
	row->median = bench_median(tmp, row->nr);
	row->min = tmp[0];
	row->max = tmp[row->nr - 1];
	row->low = quantile(tmp, row->nr, 0.25);
	row->high = quantile(tmp, row->nr, 0.75);
}

void bench_finish(struct bench *b)
{
	struct bench_row *row;
	unsigned most = 1;
	double *tmp;

	STAILQ_FOREACH(row, &b->rows, link)
	most = row->nr > most ? row->nr : most;
	tmp = zalloc(most, sizeof(*tmp));
	STAILQ_FOREACH(row, &b->rows, link)
	finish_row(row, tmp);
	free(tmp);
}

void bench_free(struct bench *b)
{
	struct bench_row *row;
	struct bench_note *note;

	while ((row = STAILQ_FIRST(&b->rows))) {
		STAILQ_REMOVE_HEAD(&b->rows, link);
		free(row->value);
		free(row);
	}
	while ((note = STAILQ_FIRST(&b->notes))) {
		STAILQ_REMOVE_HEAD(&b->notes, link);
		free(note);
	}
}

bool bench_is_met(const struct bench_row *row, const struct bench_compare *c)
{
	switch (c->aim) {
	case BENCH_FASTER:
		return c->ratio > 0 && 1 / c->ratio >= c->limit;
	case BENCH_WITHIN:
		return c->ratio <= c->limit;
	case BENCH_AT_MOST:
		return row->median <= c->limit;
	case BENCH_RATE:
		return c->ratio >= c->limit;
	case BENCH_AT_LEAST:
		return row->median >= c->limit;
	default:
		return true;
	}
}

void bench_aim_text(char *out, size_t size, const struct bench_row *row,
		    const struct bench_compare *c)
{
	switch (c->aim) {
	case BENCH_FASTER:
		snprintf(out, size, "%gx faster", c->limit);
		break;
	case BENCH_WITHIN:
		snprintf(out, size, "within %gx", c->limit);
		break;
	case BENCH_AT_MOST:
		snprintf(out, size, "<= %g %s", c->limit, row->unit);
		break;
	case BENCH_RATE:
		snprintf(out, size, "at least %gx", c->limit);
		break;
	case BENCH_AT_LEAST:
		snprintf(out, size, ">= %g %s", c->limit, row->unit);
		break;
	default:
		*out = 0;
	}
}
