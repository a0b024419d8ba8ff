/* SPDX-License-Identifier: MIT */
/* Rounds of the stress programs, see stress.h. */
#include <dirent.h>
#include <getopt.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "stress.h"

#define POINTS	     8u /* of a round with any */
#define STALL_MS     20000u
#define STEP_MS	     20u
#define GRACE_S	     120u
#define SOAK_SECONDS 600
#define LATE_PERCENT 20u
#define LATE_MS	     20u
#define LOG_BYTES    6000

/*
 * What fails where a page cannot be had, mapped or made huge: together, for one hides behind the
 * other.
 */
#define OUT_OF_MEMORY \
	"madvise_populate_write,uffdio_register,uffdio_unregister,madvise_collapse,fallocate"

struct kind {
	const char *name;
	enum zcs_backing backing;
	bool collapse;
};

static const struct kind kinds[] = {
	{ "hugetlb", ZCS_BACKING_HUGETLB, false }, { "thp", ZCS_BACKING_THP, false },
	{ "collapse", ZCS_BACKING_THP, true },	   { "small", ZCS_BACKING_SMALL, false },
	{ "auto", ZCS_BACKING_AUTO, false },
};

static const char *const stores[] = {
	"mem:",
	"file:?size=256M",
	"file:?size=24M;file:?size=256M&prio=-1&direct=0",
};

#define KINDS  (sizeof(kinds) / sizeof(kinds[0]))
#define STORES (sizeof(stores) / sizeof(stores[0]))

struct options {
	const char *kind, *store, *faults;
	unsigned seconds, percent, delay_ms;
	uint64_t limit;
	bool soak, here;
	void (*run)(const struct stress_round *round);
};

/* -- fault points */

static void fault_on(const char *name, unsigned percent, unsigned delay_ms)
{
	struct zcs_fault_attr attr = { .struct_size = sizeof(attr),
				       .probability = percent,
				       .delay_ms = delay_ms };

	/*
	 * by nature it says "not allowed": the arena would do without for good, and nothing could
	 * be touched
	 */
	if (!delay_ms && strcmp(name, "userfaultfd") == 0)
		attr.error = EMFILE;
	zcs_assert_ok(zcs_fault_set(name, &attr));
}

void stress_faults_on(const struct stress_round *round)
{
	char names[sizeof(round->faults)], *save = NULL;

	memcpy(names, round->faults, sizeof(names));
	for (char *name = strtok_r(names, ",", &save); name; name = strtok_r(NULL, ",", &save))
		fault_on(name, round->percent, round->delay_ms);
	if (round->collapse)
		fault_on("huge_file", 100, 0);
}

static unsigned number_of_points(void)
{
	unsigned n = 0;

	while (zcs_fault_name(n))
		n++;
	return n;
}

static const char *any_point(struct rng *rng)
{
	return zcs_fault_name((unsigned)rng_below(rng, number_of_points()));
}

static void any_points(struct stress_round *round, struct rng *rng)
{
	size_t length = 0;

	for (unsigned i = 0; i < POINTS; i++) {
		int n = snprintf(round->faults + length, sizeof(round->faults) - length, "%s%s",
				 i ? "," : "", any_point(rng));

		length += (size_t)n;
	}
}

/* -- the watch */

static void tell_file(const char *task, const char *name)
{
	char path[512], text[1024];
	FILE *f;

	snprintf(path, sizeof(path), "/proc/self/task/%s/%s", task, name);
	f = fopen(path, "re");
	while (f && fgets(text, sizeof(text), f))
		fprintf(stderr, "  %s", text);
	if (f)
		fclose(f);
}

static void tell_threads(void)
{
	DIR *dir = opendir("/proc/self/task");

	for (struct dirent *e = dir ? readdir(dir) : NULL; e; e = readdir(dir)) {
		if (e->d_name[0] == '.')
			continue;
		fprintf(stderr, "thread %s\n", e->d_name);
		tell_file(e->d_name, "comm");
		tell_file(e->d_name, "stack");
	}
	if (dir)
		closedir(dir);
}

void stress_watch(struct stress_watch *watch, unsigned seconds)
{
	uint64_t last = UINT64_MAX;
	unsigned still_ms = 0;

	for (unsigned ms = 0; watch->working; ms += STEP_MS) {
		uint64_t now = watch->ops;

		watch->stop = watch->stop || ms >= seconds * 1000;
		still_ms = now == last ? still_ms + STEP_MS : 0;
		last = now;
		if (still_ms >= STALL_MS) {
			fprintf(stderr, "%u threads have done nothing for %u ms\n",
				(unsigned)watch->working, still_ms);
			tell_threads();
			abort();
		}
		usleep(STEP_MS * 1000);
	}
}

/* -- rounds */

/*
 * struct play - a round in a process of its own
 * @log: file for its stderr: what the library says of thousands of faults that are meant is of no
 *	interest, but for the end of it if something is wrong
 */
struct play {
	const struct options *o;
	const struct stress_round *round;
	int log;
};

static void run_child(void *arg)
{
	struct play *p = arg;

	dup2(p->log, STDERR_FILENO);
	p->o->run(p->round);
}

static void tell_end_of_log(int log)
{
	char text[LOG_BYTES + 1];
	off_t size = lseek(log, 0, SEEK_END);
	ssize_t n = pread(log, text, LOG_BYTES, size > LOG_BYTES ? size - LOG_BYTES : 0);

	text[n > 0 ? n : 0] = '\0';
	printf("%s\n", text);
}

static const char *name_of(const struct stress_round *r)
{
	return r->collapse ? "collapse" : zcs_test_backing_name(r->backing);
}

/* One line that repeats it. */
static void tell_round(const struct stress_round *r, const char *how)
{
	printf("# %s: ZCSWAP_SEED=%" PRIu64 " --backing=%s '--store=%s' --seconds=%u --percent=%u",
	       how, r->seed, name_of(r), r->store, r->seconds, r->percent);
	if (r->limit)
		printf(" --limit=%" PRIu64, r->limit / ZCS_TEST_MIB);
	if (*r->faults)
		printf(" --fault=%s", r->faults);
	if (r->delay_ms)
		printf(" --delay=%u", r->delay_ms);
	printf("\n");
	fflush(stdout);
}

static bool play_in_child(struct play *p)
{
	struct zcs_test_child child = zcs_test_in_child(run_child, p, p->round->seconds + GRACE_S);
	bool passed = !child.status && !child.signal;

	tell_round(p->round, passed ? "passed" : "FAILED");
	printf("%s", child.out);
	if (!passed) {
		tell_end_of_log(p->log);
		printf("# exit status %d, signal %d\n", child.status, child.signal);
	}
	fflush(stdout);
	return passed;
}

static bool play(const struct options *o, const struct stress_round *round)
{
	struct play p = { .o = o, .round = round };
	bool passed;

	if (o->here) {
		tell_round(round, "here");
		o->run(round);
		return true;
	}
	p.log = memfd_create("log", MFD_CLOEXEC);
	passed = p.log >= 0 && play_in_child(&p);
	close(p.log);
	return passed;
}

static struct stress_round round_of(const struct options *o, const struct kind *kind,
				    const char *store)
{
	return (struct stress_round){
		.backing = kind->backing,
		.collapse = kind->collapse,
		.store = store,
		.limit = o->limit,
		.seconds = o->seconds,
		.percent = o->percent,
		.delay_ms = o->delay_ms,
		.seed = seed_of_run(),
	};
}

static bool wanted(const struct options *o, const struct kind *kind, const char *store)
{
	return (!o->kind || strcmp(o->kind, kind->name) == 0) && (!o->store || o->store == store) &&
	       zcs_test_backing_works(kind->backing);
}

/* With a device that answers late now and then. */
static bool play_late(const struct options *o, struct stress_round round)
{
	snprintf(round.faults, sizeof(round.faults), "read,write");
	round.percent = LATE_PERCENT;
	round.delay_ms = LATE_MS;
	return play(o, &round);
}

/* Without faults, with those that go together, with any, and with a store that is late. */
static unsigned short_rounds(const struct options *o, const struct kind *kind, const char *store,
			     unsigned nr)
{
	struct stress_round round = round_of(o, kind, store);
	struct rng rng = rng_of(round.seed, 1000 + nr);
	unsigned failed = 0;

	if (o->faults) {
		snprintf(round.faults, sizeof(round.faults), "%s", o->faults);
		return !play(o, &round);
	}
	failed += !play(o, &round);
	snprintf(round.faults, sizeof(round.faults), OUT_OF_MEMORY);
	failed += !play(o, &round);
	any_points(&round, &rng);
	failed += !play(o, &round);
	return strcmp(store, "mem:") == 0 ? failed : failed + !play_late(o, round);
}

static unsigned each_combination(const struct options *o)
{
	const char *const *list = o->store ? &o->store : stores;
	unsigned failed = 0, nr = 0;

	for (unsigned k = 0; k < KINDS; k++)
		for (unsigned s = 0; s < (o->store ? 1 : STORES); s++)
			if (wanted(o, &kinds[k], list[s]))
				failed += short_rounds(o, &kinds[k], list[s], nr++);
	return failed;
}

/* Every fault point has its turn; with what memory and which store is left to chance. */
static unsigned soak(const struct options *o)
{
	const char *given = getenv("ZCSWAP_SOAK_SECONDS");
	time_t end = time(NULL) + (given && *given ? strtol(given, NULL, 0) : SOAK_SECONDS);
	unsigned failed = 0, points = number_of_points(), nr = 0;
	struct rng rng = rng_of(seed_of_run(), 2000);
	unsigned first = (unsigned)rng_below(&rng, points);

	while (time(NULL) < end) {
		const struct kind *kind = &kinds[rng_below(&rng, KINDS)];
		const char *store = o->store ? o->store : stores[rng_below(&rng, STORES)];
		struct stress_round round = round_of(o, kind, store);

		if (!wanted(o, kind, store))
			continue;
		round.seed += nr;
		if (rng_one_in(&rng, 4))
			any_points(&round, &rng);
		else
			snprintf(round.faults, sizeof(round.faults), "%s",
				 zcs_fault_name((first + nr++) % points));
		failed += rng_one_in(&rng, 8) ? !play_late(o, round) : !play(o, &round);
	}
	return failed;
}

/* -- options */

static unsigned number(const char *text)
{
	char *end;
	unsigned long n = strtoul(text, &end, 10);

	if (!*text || *end || n > 1000000) {
		fprintf(stderr, "%s: not a number\n", text);
		exit(2);
	}
	return (unsigned)n;
}

static void set_option(struct options *o, int letter, const char *value)
{
	if (letter == 'b')
		o->kind = value;
	else if (letter == 'd')
		o->store = value;
	else if (letter == 'f')
		o->faults = value;
	else if (letter == 's')
		o->seconds = number(value);
	else if (letter == 'p')
		o->percent = number(value);
	else if (letter == 't')
		o->delay_ms = number(value);
	else if (letter == 'l')
		o->limit = number(value) * ZCS_TEST_MIB;
	else if (letter == 'k')
		o->soak = true;
	else if (letter == 'h')
		o->here = true;
	else
		exit(2);
}

static void parse(struct options *o, int argc, char **argv)
{
	static const struct option names[] = {
		{ "backing", required_argument, NULL, 'b' },
		{ "store", required_argument, NULL, 'd' },
		{ "fault", required_argument, NULL, 'f' },
		{ "seconds", required_argument, NULL, 's' },
		{ "percent", required_argument, NULL, 'p' },
		{ "delay", required_argument, NULL, 't' },
		{ "limit", required_argument, NULL, 'l' },
		{ "soak", no_argument, NULL, 'k' },
		{ "here", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	int letter;

	while ((letter = getopt_long(argc, argv, "", names, NULL)) != -1)
		set_option(o, letter, optarg);
}

/* A name that is wrong would be a run of nothing. */
static bool is_known(const struct options *o)
{
	for (unsigned k = 0; k < KINDS; k++)
		if (!o->kind || strcmp(o->kind, kinds[k].name) == 0)
			return true;
	fprintf(stderr, "--backing=%s: hugetlb, thp, collapse, small or auto\n", o->kind);
	return false;
}

int stress_main(int argc, char **argv, void (*run)(const struct stress_round *round))
{
	struct options o = { .seconds = 1, .percent = 2, .run = run };
	unsigned failed;

	parse(&o, argc, argv);
	if (!is_known(&o))
		return 2;
	if (o.kind && strcmp(o.kind, "hugetlb") == 0 &&
	    !zcs_test_backing_works(ZCS_BACKING_HUGETLB))
		zcs_test_skip("no hugetlb pages here");
	seed_of_run();
	failed = o.soak ? soak(&o) : each_combination(&o);
	printf("# %u rounds failed\n", failed);
	return failed != 0;
}
