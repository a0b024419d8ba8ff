/* SPDX-License-Identifier: MIT */
#ifndef ZCS_TEST_H
#define ZCS_TEST_H

/*
 * Shared by the test programs. A program tests one behaviour: it has a table of zcs_test() cases
 * and a main() that calls zcs_test_run(). Each case ends with zcs_test_pool_done() and its like,
 * which run the validators. The teardown fails a case that left a fault point on, a pool or an
 * arena.
 */
#include <errno.h>
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <zcswap/zcswap.h>

#define ZCS_TEST_MIB	    (UINT64_C(1) << 20)
#define ZCS_TEST_HUGE_BYTES (2 * ZCS_TEST_MIB)
#define ZCS_TEST_HUGE_PAGES 512u

/* cmocka compares without types: -errno values read better signed. */
#define zcs_assert_ok(expr) zcs_test_assert_result((int64_t)(expr), 0, #expr, __FILE__, __LINE__)
#define zcs_assert_is(expr, v) \
	zcs_test_assert_result((int64_t)(expr), (v), #expr, __FILE__, __LINE__)
void zcs_test_assert_result(int64_t result, int64_t expected, const char *what, const char *file,
			    int line);

/* -- cases and programs */

/*
 * One case. It starts without faults and must end without pools and arenas. The macro is for an
 * initializer in the block that runs the cases, because a part of it is an automatic object.
 */
#define zcs_test(f)                                                                           \
	{                                                                                     \
#f, zcs_test_call, zcs_test_setup, zcs_test_teardown, &(struct zcs_test_case) \
		{                                                                             \
			f                                                                     \
		}                                                                             \
	}
struct zcs_test_case {
	void (*fn)(void **state);
};
void zcs_test_call(void **state);
int zcs_test_setup(void **state);
int zcs_test_teardown(void **state);
/* The exit status for main(). */
#define zcs_test_run(tests) cmocka_run_group_tests(tests, NULL, NULL)

/* Ends the program: the whole of it cannot run here. */
_Noreturn void zcs_test_skip(const char *reason);
/* Ends the case that calls it. */
#define zcs_test_skip_case(reason)                          \
	do {                                                \
		print_message("# skipped: %s\n", (reason)); \
		skip();                                     \
	} while (0)

/* @nr repetitions, fewer where a sanitizer or valgrind makes each slow. */
unsigned zcs_test_scale(unsigned nr);
bool zcs_test_under_valgrind(void);

/*
 * Whether this process may set up io_uring: the function tries. False if the caller of the program
 * set ZCSWAP_NO_URING; the variable is read once, so that a case may set and unset it. If false,
 * the reason is printed.
 */
bool zcs_test_has_uring(void);
/* Whether this process may open a userfaultfd, also one for user mode only: the function tries. */
bool zcs_test_has_userfaultfd(void);
/* Whether mbind() is allowed: the function tries. */
bool zcs_test_may_bind(void);

/* -- pools, stores, backups */

/* Free pages of the hugetlb reserve; a case should not use more than ZCS_TEST_HUGETLB_MAX. */
#define ZCS_TEST_HUGETLB_MAX 32u
uint64_t zcs_test_hugetlb_free(void);
/* Whether pools of this backing get their memory here; if false, the reason is printed. */
bool zcs_test_backing_works(enum zcs_backing backing);
const char *zcs_test_backing_name(enum zcs_backing backing);

/* The backings that work here, best first: hugetlb, THP, small. */
#define zcs_test_for_each_backing(b)                                                \
	for (enum zcs_backing b = ZCS_BACKING_HUGETLB; b <= ZCS_BACKING_SMALL; b++) \
		if (zcs_test_backing_works(b))

/* Parameters that zcs_pool_create() accepts: any node. */
struct zcs_pool_params zcs_test_params(enum zcs_backing backing, uint64_t max_bytes,
				       uint64_t cache_bytes);
/* A pool, or the case fails; the case must call zcs_test_pool_done(). */
struct zcs_pool *zcs_test_pool(enum zcs_backing backing, uint64_t max_bytes, uint64_t cache_bytes);
struct zcs_pool *zcs_test_pool_with(const struct zcs_pool_params *params);
struct zcs_pool *zcs_test_pool_from_fd(const struct zcs_pool_params *params, int fd,
				       uint64_t offset, uint64_t bytes);
/* Invariants hold and active == inserted == 0 == kept == home, resident == cached. */
void zcs_test_pool_is_idle(struct zcs_pool *pool);
/* zcs_pool_check(), for the middle of a case. */
void zcs_test_pool_ok(struct zcs_pool *pool);
/* zcs_test_pool_is_idle() and zcs_pool_destroy(). */
void zcs_test_pool_done(struct zcs_pool *pool);
/* For a case that destroys the pool by itself. */
void zcs_test_pool_forget(struct zcs_pool *pool);

struct zcs_pool_stats zcs_test_stats(struct zcs_pool *pool);
uint64_t zcs_test_counter(struct zcs_pool *pool, enum zcs_counter counter);
/* Folios of one order on all nodes. */
uint64_t zcs_test_cached(struct zcs_pool *pool, unsigned order);
uint64_t zcs_test_active(struct zcs_pool *pool, unsigned order);
uint64_t zcs_test_inserted(struct zcs_pool *pool, unsigned order);

/* A folio, or the case fails. */
struct zcs_folio *zcs_test_folio(struct zcs_pool *pool, unsigned order);
struct zcs_store *zcs_test_store(void);
struct zcs_backup *zcs_test_backup(struct zcs_store *store, uint64_t num_pages);
/* The validator, then the end. */
void zcs_test_backup_done(struct zcs_backup *backup);
void zcs_test_store_done(struct zcs_store *store);
void zcs_test_tt_done(struct zcs_tt *tt);

/* -- content */

/* Page @index of a buffer of @seed; no two pages of any two seeds are alike. */
void zcs_test_fill_page(void *page, uint64_t seed, uint64_t index);
bool zcs_test_page_is(const void *page, uint64_t seed, uint64_t index);
/* @nr pages in a row, the first of index @first. */
void zcs_test_fill(void *addr, uint64_t seed, uint64_t first, uint64_t nr);
bool zcs_test_is(const void *addr, uint64_t seed, uint64_t first, uint64_t nr);
bool zcs_test_is_zero(const void *addr, uint64_t bytes);
/* The same for the pages of a folio of the caller's. */
void zcs_test_fill_folio(struct zcs_folio *folio, uint64_t seed);
bool zcs_test_folio_is(const struct zcs_folio *folio, uint64_t seed);
bool zcs_test_folio_is_zero(const struct zcs_folio *folio);

/* How often @part stands in @text, a log. */
unsigned zcs_test_occurrences(const char *text, const char *part);

/* -- what the kernel says */

/* An entry of /proc/self/pagemap: bit 63 present, bit 57 write-protected by userfaultfd. */
uint64_t zcs_test_pagemap(const void *addr);
bool zcs_test_present(const void *addr);
/* Pages of the range that are mapped there. */
uint64_t zcs_test_present_pages(const void *addr, uint64_t nr);
/* The physical page; 0 if none is mapped, or it may not be seen. */
uint64_t zcs_test_frame(const void *addr);
/* Whether this process may see physical page numbers. */
bool zcs_test_sees_frames(void);
/*
 * Bytes of a field of /proc/self/smaps over the mappings that overlap the range; 0 without
 * mappings.
 */
uint64_t zcs_test_smaps(const void *addr, uint64_t bytes, const char *field);
/* Rss and the hugetlb fields beside it, of the mappings that overlap the range. */
uint64_t zcs_test_rss(const void *addr, uint64_t bytes);
/* Bytes of memory that a file has: st_blocks. */
uint64_t zcs_test_fd_bytes(int fd);
/* The same over all arenas of this process that are memfds of the library, and their number. */
uint64_t zcs_test_arena_bytes(void);
unsigned zcs_test_arenas(void);
/* Their number when the case began: arenas of cases that failed. */
unsigned zcs_test_arenas_before(void);

/* Entries of a directory: /proc/self/fd, /proc/self/task. */
unsigned zcs_test_entries(const char *path);

/* -- fault points */

/* @name fails after @space calls, @times times (0: always), with @error (0: its natural one). */
void zcs_test_fault(const char *name, uint64_t space, uint64_t times, int error);
void zcs_test_fault_every(const char *name, unsigned interval);
/*
 * @name hangs after @space calls, @times times (0: always), until it is set again or switched off.
 * Then the call goes on, or fails with @error. zcs_test_wait_hung() waits until @nr calls in all
 * hang.
 */
void zcs_test_hang(const char *name, uint64_t space, uint64_t times, int error);
void zcs_test_wait_hung(const char *name, uint64_t nr);
void zcs_test_fault_off(const char *name);
void zcs_test_faults_off(void);
uint64_t zcs_test_fault_calls(const char *name);
uint64_t zcs_test_fault_failed(const char *name);

/* -- threads and processes */

/*
 * Runs @fn in @nr threads that start together. Return: the sum of their results. Assertions do not
 * work in @fn.
 */
uint64_t zcs_test_threads(unsigned nr, uint64_t (*fn)(unsigned id, void *arg), void *arg);

/* The end of a child: exit status, or the signal that ended it; and its output. */
struct zcs_test_child {
	int status, signal;
	char out[8192];
};

/*
 * Runs @fn in a fork of this process, for @seconds at most (then it ends by SIGALRM). A failed
 * assertion in there is a SIGABRT. The parent's arenas are not in the child: it must make pools of
 * its own.
 */
struct zcs_test_child zcs_test_in_child(void (*fn)(void *arg), void *arg, unsigned seconds);
/* Runs this program anew with one argument and with @env ("NAME=value", NULL at the end) added. */
struct zcs_test_child zcs_test_exec(const char *argument, const char *const *env, unsigned seconds);
/* The child exited with status 0; prints what it wrote if not. */
void zcs_test_child_passed(const struct zcs_test_child *child);

#endif
