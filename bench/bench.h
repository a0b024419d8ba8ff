/* SPDX-License-Identifier: MIT */
#ifndef ZCS_BENCH_H
#define ZCS_BENCH_H

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/queue.h>
#include <time.h>

#include <zcswap/pool.h>

#define BENCH_UNIT	 (UINT64_C(2) << 20)
#define BENCH_UNIT_PAGES 512u
#define BENCH_VECTOR	 64u
#define BENCH_COMPARE	 3

/*
 * BENCH_COLLAPSE: BENCH_THP where nothing makes shmem huge but MADV_COLLAPSE; a case is told
 * BENCH_THP
 */
enum bench_kind { BENCH_HUGETLB, BENCH_THP, BENCH_COLLAPSE, BENCH_SMALL, BENCH_KINDS };

/*
 * enum bench_aim - what a comparison is held against; printed, never asserted
 * @BENCH_FASTER: baseline / row is at least the limit
 * @BENCH_WITHIN: row / baseline is at most the limit
 * @BENCH_AT_MOST: the row itself is at most the limit; there is no baseline
 * @BENCH_RATE: for rates: row / baseline is at least the limit
 * @BENCH_AT_LEAST: the row itself is at least the limit; there is no baseline
 */
enum bench_aim {
	BENCH_NO_AIM,
	BENCH_FASTER,
	BENCH_WITHIN,
	BENCH_AT_MOST,
	BENCH_RATE,
	BENCH_AT_LEAST
};

struct bench_row;

/* One comparison of a row; @ratio is always row / baseline, the median of that of every round. */
struct bench_compare {
	const struct bench_row *baseline;
	char label[40];
	enum bench_aim aim;
	double limit, ratio;
};

/*
 * struct bench_row - one line of the result
 * @what: which case it belongs to; @name: its name there
 * @unit: "ns", "ms", "B", or "GiB/s" (the more the better); @per: one of what
 * @n: how many of that one sample covers
 * @value: samples, one a round, by @unit
 */
struct bench_row {
	STAILQ_ENTRY(bench_row) link;
	char what[32];
	char name[64];
	const char *unit, *per;
	uint64_t n;
	unsigned nr;
	double *value;
	double median, min, max, low, high;
	unsigned nr_compare;
	struct bench_compare compare[BENCH_COMPARE];
};

/* A line under the table, or a case that was left out. */
struct bench_note {
	STAILQ_ENTRY(bench_note) link;
	char what[32];
	bool left_out;
	char text[160];
};

/* One line about the machine. */
struct bench_fact {
	const char *key;
	char value[200];
};

#define BENCH_FACTS 20

/*
 * struct bench - a run
 * @collapse: between bench_collapse_begin() and its end
 * @in_rounds, @round: where bench_round() is; round 0 warms up and its samples are not kept
 * @dir: where the case may make files
 * @what: the case that runs
 */
struct bench {
	bool quick, collapse, in_rounds;
	unsigned rounds, round;
	const char *dir;
	char what[32];
	STAILQ_HEAD(, bench_row) rows;
	STAILQ_HEAD(, bench_note) notes;
	struct bench_fact fact[BENCH_FACTS];
	unsigned nr_facts;
	const struct bench_case *cases;
	size_t nr_cases;
	FILE *table, *json;
};

static inline uint64_t bench_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static inline void bench_nap(unsigned us)
{
	struct timespec left = { us / 1000000, us % 1000000 * 1000 };

	while (clock_nanosleep(CLOCK_MONOTONIC, 0, &left, &left) == EINTR)
		;
}

/* -- bench_rows.c */
/* A run without rows and notes, @what its case. */
void bench_init(struct bench *b, const char *what);
/* A row of the case that runs: @n of what @per names are measured at once. */
struct bench_row *bench_row(struct bench *b, const char *unit, const char *per, uint64_t n,
			    const char *fmt, ...) __attribute__((format(printf, 5, 6)));
/* Adds the sum over a row's n; dropped in the warm-up round. */
void bench_sample(struct bench *b, struct bench_row *row, double sum);
/* The same for a value that is no sum, and for a rate. */
void bench_value(struct bench *b, struct bench_row *row, double value);
void bench_rate(struct bench *b, struct bench_row *row, uint64_t bytes, uint64_t ns);
/* A rate, or a share of hits: its ratio is neither "faster" nor "slower". */
bool bench_more_is_better(const struct bench_row *row);
void bench_against(struct bench_row *row, const struct bench_row *baseline, const char *label,
		   enum bench_aim aim, double limit);
/* True once to warm up and then once for every round. */
bool bench_round(struct bench *b);
void bench_say(struct bench *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void bench_left_out(struct bench *b, const char *what, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/* Of any numbers, at least one, which it sorts. */
double bench_median(double *v, unsigned nr);
/* Works out medians and ratios. */
void bench_finish(struct bench *b);
void bench_free(struct bench *b);
bool bench_is_met(const struct bench_row *row, const struct bench_compare *c);
/* The value that the comparison is held against, in words; "" if there is no aim. */
void bench_aim_text(char *out, size_t size, const struct bench_row *row,
		    const struct bench_compare *c);

/* -- bench_report.c */
void bench_print_table(struct bench *b);
void bench_print_json(const struct bench *b);
/* Reports what there is and ends the process; @err is -errno. */
void bench_die(struct bench *b, const char *call, int err) __attribute__((noreturn));

static inline void bench_must(struct bench *b, const char *call, int64_t ret)
{
	if (ret < 0)
		bench_die(b, call, (int)ret);
}

/* -- bench_machine.c */
void bench_describe_machine(struct bench *b);
/* The layers between a file in the bench's directory and the disk. */
void bench_describe_files(struct bench *b);
void bench_fact(struct bench *b, const char *key, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/* Bytes that this process can still take, by the system and by its memory cgroup. */
uint64_t bench_memory_avail(void);
/* The number after "name:" in a file of /proc, in bytes if it is in kB; 0 if it is not there. */
uint64_t bench_proc_number(const char *path, const char *name);
uint64_t bench_hugetlb_free(void);
/* Bytes of [addr, addr + bytes) that are mapped huge. */
uint64_t bench_huge_mapped(const void *addr, size_t bytes);

/* -- bench_guard.c */
/*
 * struct bench_change - a change to the machine that is undone when the bench ends, however it ends
 * @make: makes it. Negative: -errno, and nothing is changed
 * @undo: undoes it, given what @make returned
 * @arg: for both; what it points to is copied by bench_change()
 * @hold, @guardian: of bench_guard.c
 */
struct bench_change {
	int64_t (*make)(void *arg);
	void (*undo)(void *arg, int64_t made);
	void *arg;
	volatile sig_atomic_t hold, guardian;
};

/* Returns what make() returned, or -errno. */
int64_t bench_change(struct bench_change *change);
/* Waits until it is undone. */
void bench_undo(struct bench_change *change);
void bench_undo_all(void);
/* For a child of the bench: no guardian waits for it. */
void bench_leave_changes(void);

/* -- bench_reserve.c */
/* As root, adds @nr pages to the hugetlb reserve until this process ends, however it ends. */
void bench_reserve_hugetlb(struct bench *b, uint64_t nr);

/* -- bench_bare.c: the same by system calls alone */
struct bench_bare {
	enum bench_kind kind;
	int fd;
	char *addr;
	size_t bytes;
};

extern const char *const bench_kind_name[BENCH_KINDS];

void bench_bare_open(struct bench *b, struct bench_bare *bare, enum bench_kind kind, size_t bytes);
void bench_bare_populate(struct bench *b, struct bench_bare *bare, size_t offset, size_t bytes);
void bench_bare_punch(struct bench *b, struct bench_bare *bare);
void bench_bare_zap(struct bench *b, struct bench_bare *bare);
void bench_bare_close(struct bench_bare *bare);
/* fallocate(), as often as it is interrupted. */
int bench_fallocate(int fd, int mode, uint64_t offset, uint64_t bytes);
/* A fresh shmem file of no size; and pwrite or pread of @bytes in pieces of at most 2 MiB. */
int bench_fresh_file(struct bench *b);
/*
 * An unnamed file of @bytes in b->dir that has its blocks, past the page cache where the file
 * system allows that.
 */
int bench_direct_file(struct bench *b, uint64_t bytes);
void bench_copy_out(struct bench *b, int fd, const void *from, size_t bytes, uint64_t offset);
void bench_copy_back(struct bench *b, int fd, void *to, size_t bytes, uint64_t offset);
/* Writes one byte every @step bytes. */
void bench_touch(char *addr, size_t bytes, size_t step);
/* The bytes that one touch maps on this kind of memory. */
size_t bench_step(enum bench_kind kind);

/* -- bench_file.c */
#define BENCH_PATH 64

/*
 * The path of the library's unnamed file of @bytes in b->dir, for opening it once more while the
 * library has it open. Of two files of that size it may be either.
 */
void bench_file_path(struct bench *b, uint64_t bytes, char path[BENCH_PATH]);

/* -- bench_collapse.c */
bool bench_is_huge_by_policy(void);
/* From here to the end THP pools collapse. False: impossible here, and the case is left out. */
bool bench_collapse_begin(struct bench *b);
void bench_collapse_end(struct bench *b);
/* A file of shmem that is huge from the start, for root; -1: impossible here. */
int bench_huge_file(void);

/* -- bench_objects.c: what several cases need of the library */
struct zcs_store;
struct zcs_backup;

extern const enum zcs_backing bench_backing[BENCH_KINDS];

struct zcs_pool *bench_pool(struct bench *b, enum bench_kind kind);
void bench_pool_note(struct bench *b, struct zcs_pool *pool, enum bench_kind kind);
/* Whether folios under 2 MiB are of this kind of memory; says so if not. */
bool bench_has_small_orders(struct bench *b, enum bench_kind kind);
struct zcs_store *bench_store(struct bench *b);
struct zcs_folio **bench_folios(struct bench *b, struct zcs_pool *pool, unsigned order, uint64_t n);
void bench_put_folios(struct zcs_folio **folios, uint64_t n);
/* Zeroed and touched memory of the bench's own. */
void *bench_calloc(struct bench *b, uint64_t n, size_t size);

/* The numbers 0 to @n - 1 in an order that is the same in every run. */
void bench_shuffle(uint32_t *v, uint64_t n);

/* -- bench_main.c */
/*
 * struct bench_case - something to measure
 * @kinds: bit a kind it is for
 * @mib: memory it holds at most, full and quick
 * @hugetlb: pages of the reserve it needs, full and quick
 * @disk: MiB of files it makes, full and quick
 * @limit: what the aims of the case are missed by, if they are; NULL: nothing known
 */
struct bench_case {
	const char *name, *help;
	void (*run)(struct bench *b, enum bench_kind kind);
	unsigned kinds;
	unsigned mib[2], hugetlb[2], disk[2];
	const char *limit;
};

#define BENCH_ALL ((1u << BENCH_KINDS) - 1)
#define BENCH_ANY (BENCH_ALL & ~(1u << BENCH_COLLAPSE))

/*
 * struct bench_program - one of the programs
 * @about: the end of its --help
 * @describe: NULL, or adds facts to those of the machine
 */
struct bench_program {
	const char *name, *about;
	const struct bench_case *cases;
	size_t nr_cases;
	unsigned rounds;
	void (*describe)(struct bench *b);
};

/* Each program defines its own; main() is shared. */
extern const struct bench_program bench_program;

/* -- the cases of bench_core */
void bench_insert(struct bench *b, enum bench_kind kind);
void bench_tt(struct bench *b, enum bench_kind kind);
void bench_pool_hit(struct bench *b, enum bench_kind kind);
void bench_pool_miss(struct bench *b, enum bench_kind kind);
void bench_populate(struct bench *b, enum bench_kind kind);
void bench_scale_folios(struct bench *b, enum bench_kind kind);
void bench_scale_tts(struct bench *b, enum bench_kind kind);
void bench_metadata(struct bench *b, enum bench_kind kind);

#endif
