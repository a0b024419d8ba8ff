/* SPDX-License-Identifier: MIT */
/*
 * The report: a table for people, made of strings first and printed when all widths are known.
 * bench_json.c writes the same rows for programs.
 */
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "bench.h"

#define CELLS 10
#define WIDTH 64

static const char *const heading[CELLS] = {
	"",	     "per",	"n x rounds", "median", "min",
	"quartiles", "against", "its median", "ratio",	"aim",
};

/* Text stands left, numbers right. */
static const bool left[CELLS] = { true, true, false, false, false, false, true, false, true, true };

struct line {
	STAILQ_ENTRY(line) link;
	const char *what;
	char cell[CELLS][WIDTH];
};

STAILQ_HEAD(lines, line);

static void number(char *out, const char *unit, double v)
{
	snprintf(out, WIDTH, "%.*f %s", v < 10 ? 2 : v < 100 ? 1 : 0, v, unit);
}

static void ratio_text(char *out, const struct bench_compare *c)
{
	double r = c->ratio;

	if (!c->baseline || r <= 0)
		return;
	if (c->aim == BENCH_WITHIN || bench_more_is_better(c->baseline))
		snprintf(out, WIDTH, "%.2fx", r);
	else if (r > 1)
		snprintf(out, WIDTH, "%.2fx slower", r);
	else
		snprintf(out, WIDTH, 1 / r < 10 ? "%.2fx faster" : "%.0fx faster", 1 / r);
}

static void fill_compare(struct line *line, const struct bench_row *row,
			 const struct bench_compare *c)
{
	char aim[40];

	snprintf(line->cell[6], WIDTH, "%s", c->label);
	if (c->baseline)
		number(line->cell[7], c->baseline->unit, c->baseline->median);
	ratio_text(line->cell[8], c);
	bench_aim_text(aim, sizeof(aim), row, c);
	if (*aim)
		snprintf(line->cell[9], WIDTH, "%s: %s", aim,
			 bench_is_met(row, c) ? "met" : "missed");
}

static void fill_row(struct line *line, const struct bench_row *row)
{
	char low[WIDTH], high[WIDTH];

	snprintf(line->cell[0], WIDTH, "%s", row->name);
	snprintf(line->cell[1], WIDTH, "%s", row->per);
	snprintf(line->cell[2], WIDTH, "%llu x %u", (unsigned long long)row->n, row->nr);
	number(line->cell[3], row->unit, row->median);
	number(line->cell[4], row->unit, row->min);
	number(low, "", row->low);
	number(high, "", row->high);
	snprintf(line->cell[5], WIDTH, "%.28s- %.28s", low, high);
}

static struct line *new_line(struct lines *lines, const char *what)
{
	struct line *line = calloc(1, sizeof(*line));

	if (!line)
		return NULL;
	line->what = what;
	STAILQ_INSERT_TAIL(lines, line, link);
	return line;
}

/* Every row is one line, and one more for each comparison after its first. */
static void make_lines(const struct bench *b, struct lines *lines)
{
	const struct bench_row *row;
	struct line *line;

	STAILQ_FOREACH(row, &b->rows, link)
	{
		if (!row->nr)
			continue;
		line = new_line(lines, row->what);
		if (!line)
			break;
		fill_row(line, row);
		for (unsigned i = 0; line && i < row->nr_compare; i++) {
			if (i)
				line = new_line(lines, row->what);
			if (line)
				fill_compare(line, row, &row->compare[i]);
		}
	}
}

static void print_cells(FILE *f, char (*cell)[WIDTH], const int *width)
{
	char text[CELLS * (WIDTH + 2) + 1];
	size_t at = 0, end = 0;

	for (unsigned i = 0; i < CELLS; i++) {
		at += (size_t)snprintf(text + at, sizeof(text) - at, left[i] ? "%-*s  " : "%*s  ",
				       width[i], cell[i]);
		if (*cell[i])
			end = at - 2;
	}
	while (end > 0 && text[end - 1] == ' ')
		end--;
	fprintf(f, "%.*s\n", (int)end, text);
}

static void print_lines(FILE *f, const struct lines *lines)
{
	struct line *line;
	char head[CELLS][WIDTH];
	int width[CELLS];
	const char *what = "";

	for (unsigned i = 0; i < CELLS; i++) {
		snprintf(head[i], WIDTH, "%s", heading[i]);
		width[i] = (int)strlen(head[i]);
		STAILQ_FOREACH(line, lines, link)
		if ((int)strlen(line->cell[i]) > width[i])
			width[i] = (int)strlen(line->cell[i]);
	}
	STAILQ_FOREACH(line, lines, link)
	{
		if (strcmp(line->what, what)) {
			snprintf(head[0], WIDTH, "%s", line->what);
			fputc('\n', f);
			print_cells(f, head, width);
		}
		what = line->what;
		print_cells(f, line->cell, width);
	}
}

static unsigned missed_by(const struct bench_row *row, unsigned *aims)
{
	unsigned missed = 0;

	for (unsigned i = 0; row->nr && i < row->nr_compare; i++) {
		*aims += row->compare[i].aim != BENCH_NO_AIM;
		missed += !bench_is_met(row, &row->compare[i]);
	}
	return missed;
}

static unsigned count_missed(const struct bench *b, unsigned *aims)
{
	const struct bench_row *row;
	unsigned missed = 0;

	*aims = 0;
	STAILQ_FOREACH(row, &b->rows, link)
	missed += missed_by(row, aims);
	return missed;
}

static bool misses(const struct bench *b, const struct bench_case *c)
{
	size_t len = strlen(c->name);
	unsigned missed = 0, aims;
	const struct bench_row *row;

	STAILQ_FOREACH(row, &b->rows, link)
	if (!strncmp(row->what, c->name, len) && row->what[len] == '/')
		missed += missed_by(row, &aims);
	return missed;
}

static void print_limits(FILE *f, const struct bench *b)
{
	for (size_t i = 0; i < b->nr_cases; i++)
		if (b->cases[i].limit && misses(b, &b->cases[i]))
			fprintf(f, "missed by %s: %s\n", b->cases[i].name, b->cases[i].limit);
}

static void print_notes(FILE *f, const struct bench *b, bool left_out)
{
	const struct bench_note *note;

	STAILQ_FOREACH(note, &b->notes, link)
	if (note->left_out == left_out)
		fprintf(f, "%s%s: %s\n", left_out ? "left out: " : "", note->what, note->text);
}

void bench_print_table(struct bench *b)
{
	struct lines lines = STAILQ_HEAD_INITIALIZER(lines);
	unsigned aims, missed = count_missed(b, &aims);
	struct line *line;

	for (unsigned i = 0; i < b->nr_facts; i++)
		fprintf(b->table, "%-14s %s\n", b->fact[i].key, b->fact[i].value);
	make_lines(b, &lines);
	print_lines(b->table, &lines);
	while ((line = STAILQ_FIRST(&lines))) {
		STAILQ_REMOVE_HEAD(&lines, link);
		free(line);
	}
	fputc('\n', b->table);
	print_notes(b->table, b, false);
	print_notes(b->table, b, true);
	print_limits(b->table, b);
	fprintf(b->table, "aims: %u, missed: %u\n", aims, missed);
	fflush(b->table);
}

void bench_die(struct bench *b, const char *call, int err)
{
	bench_say(b, "stopped: %s: %s", call, strerror(-err));
	bench_finish(b);
	bench_print_table(b);
	if (b->json)
		bench_print_json(b);
	fprintf(stderr, "bench: %s: %s: %s\n", b->what, call, strerror(-err));
	exit(1);
}
