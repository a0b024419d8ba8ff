/* SPDX-License-Identifier: MIT */
/*
 * Parts that the benchmarks share: main(), options, and running the cases that are chosen and
 * possible. A program is its cases and a struct bench_program that lists them.
 *
 * Aims are printed, met or missed, and decide nothing: the exit status is 0 unless a call failed. A
 * case that the machine cannot run (no hugetlb pages, too little memory or disk) is left out, with
 * a line that says so.
 */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "bench.h"

#define ROUNDS_QUICK 3

static const struct bench_program *const prog = &bench_program;

struct options {
	bool quick, list;
	unsigned rounds, kinds;
	const char *json, *filter;
};

static void case_name(char *out, size_t size, const struct bench_case *c, enum bench_kind kind)
{
	snprintf(out, size, "%s/%s", c->name, bench_kind_name[kind]);
}

static bool is_chosen(const struct options *o, const struct bench_case *c, enum bench_kind kind)
{
	char name[64];

	case_name(name, sizeof(name), c, kind);
	return (c->kinds & o->kinds & 1u << kind) && (!o->filter || strstr(name, o->filter));
}

static void help(void)
{
	printf("usage: %s [OPTION]...\n"
	       "\n"
	       "  --quick          smaller and fewer: a smoke test of half a minute\n"
	       "  --rounds N       samples of each row (default %u, with --quick %u)\n"
	       "  --backing KIND   only this kind of memory: hugetlb, thp (as the\n"
	       "                   library makes it), thp-collapse or small\n"
	       "  --filter NAME    only cases whose name contains NAME\n"
	       "  --json FILE      also write JSON; with - JSON goes to standard output and\n"
	       "                   the table to standard error\n"
	       "                   (bench/bench_json.c describes its keys)\n"
	       "  --list           name the cases and exit\n"
	       "  --help           this text\n"
	       "\n"
	       "As root the hugetlb reserve (vm.nr_hugepages) is raised for the run and put back.\n"
	       "Times are for one of what the column \"per\" names; a ratio is the median of the\n"
	       "ratios of the rounds.\n%s",
	       prog->name, prog->rounds, ROUNDS_QUICK, prog->about);
}

static void list(const struct options *o)
{
	char name[64];

	for (size_t i = 0; i < prog->nr_cases; i++)
		for (enum bench_kind kind = 0; kind < BENCH_KINDS; kind++)
			if (is_chosen(o, &prog->cases[i], kind)) {
				case_name(name, sizeof(name), &prog->cases[i], kind);
				printf("%-20s %s\n", name, prog->cases[i].help);
			}
}

static void usage_error(const char *option, const char *value, const char *known)
{
	fprintf(stderr, "%s: %s: \"%s\" is not %s\n", prog->name, option, value, known);
	exit(2);
}

static unsigned kind_option(const char *value)
{
	for (enum bench_kind kind = 0; kind < BENCH_KINDS; kind++)
		if (!strcmp(value, bench_kind_name[kind]))
			return 1u << kind;
	usage_error("--backing", value, "hugetlb, thp, thp-collapse or small");
	return 0;
}

static unsigned rounds_option(const char *value)
{
	char *end;
	unsigned long n = strtoul(value, &end, 10);

	if (*end || n < 1 || n > 10000)
		usage_error("--rounds", value, "a number from 1 to 10000");
	return (unsigned)n;
}

static struct options parse(int argc, char **argv)
{
	static const struct option known[] = {
		{ "quick", no_argument, NULL, 'q' },
		{ "rounds", required_argument, NULL, 'r' },
		{ "backing", required_argument, NULL, 'b' },
		{ "filter", required_argument, NULL, 'f' },
		{ "json", required_argument, NULL, 'j' },
		{ "list", no_argument, NULL, 'l' },
		{ "help", no_argument, NULL, 'h' },
		{ 0 },
	};
	struct options o = { .kinds = BENCH_ALL };
	int c;

	while ((c = getopt_long(argc, argv, "", known, NULL)) != -1) {
		switch (c) {
		case 'q':
			o.quick = true;
			break;
		case 'r':
			o.rounds = rounds_option(optarg);
			break;
		case 'b':
			o.kinds = kind_option(optarg);
			break;
		case 'f':
			o.filter = optarg;
			break;
		case 'j':
			o.json = optarg;
			break;
		case 'l':
			o.list = true;
			break;
		case 'h':
			help();
			exit(0);
		default:
			exit(2);
		}
	}
	if (optind < argc)
		usage_error("argument", argv[optind], "an option");
	if (!o.rounds)
		o.rounds = o.quick ? ROUNDS_QUICK : prog->rounds;
	return o;
}

static void open_outputs(struct bench *b, const struct options *o)
{
	b->table = stdout;
	if (!o->json)
		return;
	if (!strcmp(o->json, "-")) {
		b->json = stdout;
		b->table = stderr;
		return;
	}
	b->json = fopen(o->json, "we");
	if (!b->json) {
		fprintf(stderr, "%s: %s: %s\n", prog->name, o->json, strerror(errno));
		exit(2);
	}
}

static void reserve(struct bench *b, const struct options *o)
{
	uint64_t most = 0;

	for (size_t i = 0; i < prog->nr_cases; i++)
		if (is_chosen(o, &prog->cases[i], BENCH_HUGETLB) &&
		    prog->cases[i].hugetlb[o->quick] > most)
			most = prog->cases[i].hugetlb[o->quick];
	if (most)
		bench_reserve_hugetlb(b, most);
}

static uint64_t disk_avail(const char *dir)
{
	struct statvfs fs;

	return statvfs(dir, &fs) ? 0 : (uint64_t)fs.f_bavail * fs.f_frsize;
}

static bool has_what_it_needs(struct bench *b, const struct bench_case *c, enum bench_kind kind)
{
	uint64_t mib = bench_memory_avail() >> 20, pages = bench_hugetlb_free();

	if (kind == BENCH_HUGETLB && pages < c->hugetlb[b->quick]) {
		bench_left_out(b, b->what,
			       "needs %u free pages in the hugetlb reserve, has %" PRIu64,
			       c->hugetlb[b->quick], pages);
		return false;
	}
	if (kind == BENCH_HUGETLB)
		mib += pages * 2;
	if (mib < c->mib[b->quick] + 256) {
		bench_left_out(b, b->what, "needs %u MiB of memory, %" PRIu64 " MiB are available",
			       c->mib[b->quick] + 256, mib);
		return false;
	}
	mib = disk_avail(b->dir) >> 20;
	if (c->disk[b->quick] && mib < c->disk[b->quick] * 2) {
		bench_left_out(b, b->what, "needs %u MiB of disk in %s, %" PRIu64 " MiB are free",
			       c->disk[b->quick] * 2, b->dir, mib);
		return false;
	}
	return true;
}

static void run_case(struct bench *b, const struct bench_case *c, enum bench_kind kind)
{
	case_name(b->what, sizeof(b->what), c, kind);
	if (!has_what_it_needs(b, c, kind))
		return;
	if (isatty(STDERR_FILENO))
		fprintf(stderr, "%s ...\n", b->what);
	if (kind != BENCH_COLLAPSE) {
		c->run(b, kind);
	} else if (bench_collapse_begin(b)) {
		c->run(b, BENCH_THP);
		bench_collapse_end(b);
	}
}

int main(int argc, char **argv)
{
	struct bench b = { .dir = getenv("TMPDIR") };
	struct options o;

	o = parse(argc, argv);
	b.quick = o.quick;
	b.rounds = o.rounds;
	if (!b.dir || !*b.dir)
		b.dir = "/tmp";

	b.cases = prog->cases;
	b.nr_cases = prog->nr_cases;
	bench_init(&b, "start");
	if (o.list) {
		list(&o);
		return 0;
	}
	open_outputs(&b, &o);
	bench_describe_machine(&b);
	if (prog->describe)
		prog->describe(&b);
	reserve(&b, &o);
	for (size_t i = 0; i < prog->nr_cases; i++)
		for (enum bench_kind kind = 0; kind < BENCH_KINDS; kind++)
			if (is_chosen(&o, &prog->cases[i], kind))
				run_case(&b, &prog->cases[i], kind);
	bench_finish(&b);
	bench_print_table(&b);
	if (b.json)
		bench_print_json(&b);
	bench_free(&b);
	bench_undo_all();
	return 0;
}
