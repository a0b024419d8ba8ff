/* SPDX-License-Identifier: MIT */
/*
 * The report: a table for people and JSON for programs, from the same rows.
 *
 * The table is made of strings first and printed when all widths are known. JSON is output only, so
 * it is printed directly: the samples of every round are in it, for whoever wants other statistics.
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
	struct line *next;
	const char *what;
	char cell[CELLS][WIDTH];
};

static void number(char *out, const char *unit, double v)
{
	snprintf(out, WIDTH, "%.*f %s", v < 10 ? 2 : v < 100 ? 1 : 0, v, unit);
}

static void aim_text(char *out, size_t size, const struct bench_row *row,
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
	aim_text(aim, sizeof(aim), row, c);
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

static struct line *new_line(struct line ***end, const char *what)
{
	struct line *line = calloc(1, sizeof(*line));

	if (!line)
		return NULL;
	line->what = what;
	**end = line;
	*end = &line->next;
	return line;
}

/* Every row is one line, and one more for each comparison after its first. */
static struct line *make_lines(const struct bench *b)
{
	struct line *lines = NULL, **end = &lines, *line;

	for (const struct bench_row *row = b->rows; row; row = row->next) {
		if (!row->nr)
			continue;
		line = new_line(&end, row->what);
		if (!line)
			break;
		fill_row(line, row);
		for (unsigned i = 0; line && i < row->nr_compare; i++) {
			if (i)
				line = new_line(&end, row->what);
			if (line)
				fill_compare(line, row, &row->compare[i]);
		}
	}
	return lines;
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

static void print_lines(FILE *f, struct line *lines)
{
	char head[CELLS][WIDTH];
	int width[CELLS];
	const char *what = "";

	for (unsigned i = 0; i < CELLS; i++) {
		snprintf(head[i], WIDTH, "%s", heading[i]);
		width[i] = (int)strlen(head[i]);
		for (const struct line *line = lines; line; line = line->next)
			if ((int)strlen(line->cell[i]) > width[i])
				width[i] = (int)strlen(line->cell[i]);
	}
	for (struct line *line = lines; line; line = line->next) {
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
	unsigned missed = 0;

	*aims = 0;
	for (const struct bench_row *row = b->rows; row; row = row->next)
		missed += missed_by(row, aims);
	return missed;
}

static bool misses(const struct bench *b, const struct bench_case *c)
{
	size_t len = strlen(c->name);
	unsigned missed = 0, aims;

	for (const struct bench_row *row = b->rows; row; row = row->next)
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
	for (const struct bench_note *note = b->notes; note; note = note->next)
		if (note->left_out == left_out)
			fprintf(f, "%s%s: %s\n", left_out ? "left out: " : "", note->what,
				note->text);
}

void bench_print_table(struct bench *b)
{
	struct line *lines = make_lines(b), *next;
	unsigned aims, missed = count_missed(b, &aims);

	for (unsigned i = 0; i < b->nr_facts; i++)
		fprintf(b->table, "%-14s %s\n", b->fact[i].key, b->fact[i].value);
	print_lines(b->table, lines);
	for (; lines; lines = next) {
		next = lines->next;
		free(lines);
	}
	fputc('\n', b->table);
	print_notes(b->table, b, false);
	print_notes(b->table, b, true);
	print_limits(b->table, b);
	fprintf(b->table, "aims: %u, missed: %u\n", aims, missed);
	fflush(b->table);
}

static void json_string(FILE *f, const char *s)
{
	fputc('"', f);
	for (; *s; s++) {
		if (*s == '"' || *s == '\\')
			fprintf(f, "\\%c", *s);
		else if ((unsigned char)*s < 0x20)
			fprintf(f, "\\u%04x", (unsigned char)*s);
		else
			fputc(*s, f);
	}
	fputc('"', f);
}

static void json_field(FILE *f, const char *key, const char *value, const char *end)
{
	json_string(f, key);
	fputs(": ", f);
	json_string(f, value);
	fputs(end, f);
}

static void json_compare(FILE *f, const struct bench_row *row, const struct bench_compare *c)
{
	char aim[40];

	aim_text(aim, sizeof(aim), row, c);
	fputs("{", f);
	if (c->baseline) {
		json_field(f, "against", c->label, ", ");
		json_field(f, "baseline", c->baseline->name, ", ");
		fprintf(f, "\"ratio\": %.6g%s", c->ratio, *aim ? ", " : "");
	}
	if (*aim) {
		json_field(f, "aim", aim, ", ");
		fprintf(f, "\"met\": %s", bench_is_met(row, c) ? "true" : "false");
	}
	fputs("}", f);
}

static void json_row(FILE *f, const struct bench_row *row)
{
	fputs("\n  {", f);
	json_field(f, "case", row->what, ", ");
	json_field(f, "name", row->name, ", ");
	json_field(f, "unit", row->unit, ", ");
	json_field(f, "per", row->per, ", ");
	fprintf(f, "\"n\": %llu, \"rounds\": %u,\n   ", (unsigned long long)row->n, row->nr);
	fprintf(f, "\"median\": %.6g, \"min\": %.6g, \"max\": %.6g, \"q1\": %.6g, \"q3\": %.6g,\n",
		row->median, row->min, row->max, row->low, row->high);
	fputs("   \"samples\": [", f);
	for (unsigned i = 0; i < row->nr; i++)
		fprintf(f, "%s%.6g", i ? ", " : "", row->value[i]);
	fputs("],\n   \"compared\": [", f);
	for (unsigned i = 0; i < row->nr_compare; i++) {
		if (i)
			fputs(", ", f);
		json_compare(f, row, &row->compare[i]);
	}
	fputs("]}", f);
}

static void json_notes(FILE *f, const struct bench *b, const char *key, bool left_out)
{
	const char *comma = "";

	fprintf(f, " \"%s\": [", key);
	for (const struct bench_note *note = b->notes; note; note = note->next) {
		if (note->left_out != left_out)
			continue;
		fprintf(f, "%s\n  {", comma);
		json_field(f, "case", note->what, ", ");
		json_field(f, left_out ? "reason" : "text", note->text, "}");
		comma = ",";
	}
	fputs("]", f);
}

void bench_print_json(const struct bench *b)
{
	FILE *f = b->json;
	const char *comma = "";

	fputs("{\"machine\": {", f);
	for (unsigned i = 0; i < b->nr_facts; i++)
		json_field(f, b->fact[i].key, b->fact[i].value,
			   i + 1 < b->nr_facts ? ",\n  " : "},\n");
	fprintf(f, " \"quick\": %s,\n \"rows\": [", b->quick ? "true" : "false");
	for (const struct bench_row *row = b->rows; row; row = row->next) {
		if (!row->nr)
			continue;
		fputs(comma, f);
		json_row(f, row);
		comma = ",";
	}
	fputs("],\n", f);
	json_notes(f, b, "notes", false);
	fputs(",\n", f);
	json_notes(f, b, "left_out", true);
	fputs("}\n", f);
	fflush(f);
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
