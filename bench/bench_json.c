/* SPDX-License-Identifier: MIT */
/*
 * The rows as JSON, for programs that compare runs:
 *
 *	{ "machine": { KEY: TEXT, ... }, "quick": BOOL,
 *	  "rows": [ { "case", "name", "unit", "per": TEXT, "n", "rounds": INTEGER,
 *		      "median", "min", "max", "q1", "q3": NUMBER, "samples": [ NUMBER, ... ],
 *		      "compared": [ { "against", "baseline": TEXT, "ratio": NUMBER,
 *				      "aim": TEXT, "met": BOOL }, ... ] }, ... ],
 *	  "notes": [ { "case", "text": TEXT }, ... ],
 *	  "left_out": [ { "case", "reason": TEXT }, ... ] }
 *
 * A row is known by its case and its name. "n" is how many of "per" one sample covers, and numbers
 * are for one of them, in "unit". "ratio" is row to baseline, the median of the ratios of the
 * rounds. A comparison without a baseline lacks the first three keys, one without an aim the last
 * two. The samples of every round allow other statistics. Keys may be added, and none is taken
 * away or changes its meaning.
 */
#include <jansson.h>
#include <math.h>

#include "bench.h"

#define FLAGS (JSON_INDENT(1) | JSON_REAL_PRECISION(6))

/* JSON has no other encoding than UTF-8; a path may have. */
static json_t *text(const char *s)
{
	json_t *t = json_string(s);

	return t ? t : json_string("(not UTF-8)");
}

static json_t *number(double v)
{
	return isfinite(v) ? json_real(v) : json_null();
}

static json_t *compare(const struct bench_row *row, const struct bench_compare *c)
{
	json_t *o = json_object();
	char aim[40];

	bench_aim_text(aim, sizeof(aim), row, c);
	if (c->baseline) {
		json_object_set_new(o, "against", text(c->label));
		json_object_set_new(o, "baseline", text(c->baseline->name));
		json_object_set_new(o, "ratio", number(c->ratio));
	}
	if (*aim) {
		json_object_set_new(o, "aim", text(aim));
		json_object_set_new(o, "met", json_boolean(bench_is_met(row, c)));
	}
	return o;
}

static json_t *samples(const struct bench_row *row)
{
	json_t *array = json_array();

	for (unsigned i = 0; i < row->nr; i++)
		json_array_append_new(array, number(row->value[i]));
	return array;
}

static json_t *compared(const struct bench_row *row)
{
	json_t *array = json_array();

	for (unsigned i = 0; i < row->nr_compare; i++)
		json_array_append_new(array, compare(row, &row->compare[i]));
	return array;
}

static json_t *one_row(const struct bench_row *row)
{
	return json_pack("{s:o, s:o, s:s, s:s, s:I, s:I, s:o, s:o, s:o, s:o, s:o, s:o, s:o}",
			 "case", text(row->what), "name", text(row->name), "unit", row->unit, "per",
			 row->per, "n", (json_int_t)row->n, "rounds", (json_int_t)row->nr, "median",
			 number(row->median), "min", number(row->min), "max", number(row->max),
			 "q1", number(row->low), "q3", number(row->high), "samples", samples(row),
			 "compared", compared(row));
}

static json_t *rows(const struct bench *b)
{
	json_t *array = json_array();
	const struct bench_row *row;

	STAILQ_FOREACH(row, &b->rows, link)
	if (row->nr)
		json_array_append_new(array, one_row(row));
	return array;
}

static json_t *notes(const struct bench *b, bool left_out)
{
	json_t *array = json_array();
	const struct bench_note *note;

	STAILQ_FOREACH(note, &b->notes, link)
	if (note->left_out == left_out)
		json_array_append_new(array,
				      json_pack("{s:o, s:o}", "case", text(note->what),
						left_out ? "reason" : "text", text(note->text)));
	return array;
}

static json_t *machine(const struct bench *b)
{
	json_t *o = json_object();

	for (unsigned i = 0; i < b->nr_facts; i++)
		json_object_set_new(o, b->fact[i].key, text(b->fact[i].value));
	return o;
}

void bench_print_json(const struct bench *b)
{
	json_t *root =
		json_pack("{s:o, s:b, s:o, s:o, s:o}", "machine", machine(b), "quick", b->quick,
			  "rows", rows(b), "notes", notes(b, false), "left_out", notes(b, true));

	if (!root || json_dumpf(root, b->json, FLAGS) || fputc('\n', b->json) == EOF ||
	    fflush(b->json))
		fprintf(stderr, "bench: the JSON could not be written\n");
	json_decref(root);
}
