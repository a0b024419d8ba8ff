/* SPDX-License-Identifier: MIT */
#ifndef STORE_TEST_H
#define STORE_TEST_H

/*
 * Functions that the tests of stores share. Cases that are about transfers run twice, with io_uring
 * and with threads; both link with the library's own objects, to hold its I/O thread where a case
 * wants it.
 */
#include <semaphore.h>

#include "../zcs_test.h"

#include "store/local_priv.h"
#include "store/store.h"
#include "swap/swap_priv.h"

#define store_test_entry(name, f, call, setup)                                  \
	{                                                                       \
		name, call, setup, store_test_teardown, &(struct zcs_test_case) \
		{                                                               \
			f                                                       \
		}                                                               \
	}
#define store_test(f) store_test_entry(#f, f, zcs_test_call, store_test_setup_uring)
#define store_test_both(f)                                                            \
	store_test_entry(#f " (io_uring)", f, zcs_test_call, store_test_setup_uring), \
		store_test_entry(#f " (threads)", f, zcs_test_call, store_test_setup_threads)
/* A case that makes no sense with threads. */
#define store_test_uring(f) store_test_entry(#f, f, store_test_call_uring, store_test_setup_uring)
void store_test_call_uring(void **state);
int store_test_setup_uring(void **state);
int store_test_setup_threads(void **state);
/* Also tells what a case that failed had collected by store_test_log_start(). */
int store_test_teardown(void **state);

/* -- stores */

/* A name in TMPDIR that nobody has; what is there when the program ends is removed. */
const char *store_test_path(void);
/* A store, or the case fails; the arguments make its specification. */
struct zcs_store *store_test_open(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* "file:?size=..." of that many MiB. */
struct zcs_store *store_test_file(unsigned mib);
/* The slots add up. */
struct zcs_store_stats store_test_stats(struct zcs_store *store);
/* No slot is used, the validator, and the end of a store without backups. */
void store_test_done(struct zcs_store *store);
/* Waits until no transfer is queued, flying or to be finished. */
void store_test_idle(struct zcs_backup *backup);

/* Bytes of a file, changed past the store: each is inverted. */
void store_test_flip(const char *path, uint64_t offset, size_t nr);

/* -- backups: content of a seed, page i of a backup is page i of the seed */

/* A new folio with the seed's bytes, inserted at @index. */
void store_test_insert(struct zcs_backup *backup, struct zcs_pool *pool, uint64_t seed,
		       uint64_t index, unsigned order, uint32_t flags);
/* The same with one word over and over. */
void store_test_insert_word(struct zcs_backup *backup, struct zcs_pool *pool, uint64_t word,
			    uint64_t index, unsigned order, uint32_t flags);
/* Takes the block at @index, which must be of @order with the seed's bytes, and puts the folio. */
void store_test_take(struct zcs_backup *backup, struct zcs_pool *pool, uint64_t seed,
		     uint64_t index, unsigned order);
/* Takes it and returns the error, which must be one. */
int store_test_take_fails(struct zcs_backup *backup, struct zcs_pool *pool, uint64_t index);
/* Page @index reads as the seed's. */
void store_test_copy(struct zcs_backup *backup, uint64_t seed, uint64_t index);
/* All pages of [first, last], with ZCS_WB_WAIT, and that many are written. */
void store_test_writeback(struct zcs_backup *backup, uint64_t first, uint64_t last);
struct zcs_backup_stats store_test_backup_stats(struct zcs_backup *backup);
/* The validator, the end, and no memory is left of it. */
void store_test_backup_done(struct zcs_backup *backup, struct zcs_pool *pool);

#define STORE_TEST_ORDER 4u

/* A store, and a backup of @nr blocks of STORE_TEST_ORDER, all of them in memory. */
struct store_test_filled {
	struct zcs_pool *pool;
	struct zcs_store *store;
	struct zcs_backup *backup;
	uint64_t nr;
};

void store_test_start(struct store_test_filled *s, uint64_t nr, const char *spec);
/* Takes all of them, wherever they are, and ends it. */
void store_test_finish(struct store_test_filled *s);

/* -- contiguous tts, through their address: what an application sees */

void store_test_fill(struct zcs_tt *tt, uint64_t seed, uint64_t first, uint64_t nr);
bool store_test_is(struct zcs_tt *tt, uint64_t seed, uint64_t first, uint64_t nr);

/* -- holding the I/O thread */

/*
 * A request whose done waits until it is let go: while it is held, the I/O thread that called it is
 * too. With threads there are as many as the engine has.
 */
struct store_test_hold {
	struct zcs_swap *swap;
	struct zcs_swap_req req[ZCS_SWAP_THREADS];
	uint32_t slot[ZCS_SWAP_THREADS];
	unsigned nr;
	sem_t held, go;
	void *page;
};

/* Requests submitted from here on stay queued. */
void store_test_hold(struct zcs_store *store, struct store_test_hold *hold);
/*
 * With io_uring: the writes that are queued go to the I/O thread (8 MiB at most), but not to the
 * kernel yet, and then it is held again: they cannot be cancelled any more. @hold must be holding
 * it.
 */
void store_test_hold_flying(struct store_test_hold *hold);
void store_test_let_go(struct store_test_hold *hold);
/* Waits until that many requests are queued behind the held one. */
void store_test_wait_queued(struct zcs_store *store, unsigned nr);

/* -- messages */

/* Collects what is written to stderr; the end of it is the function's until the next call. */
void store_test_log_start(void);
const char *store_test_log_end(void);
#define store_test_log_has(log, text)                                       \
	do {                                                                \
		if (!strstr((log), (text)))                                 \
			fail_msg("wanted \"%s\", got:\n%s", (text), (log)); \
	} while (0)

#endif
