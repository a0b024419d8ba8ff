/* SPDX-License-Identifier: MIT */
#ifndef ZCS_SWAP_TEST_H
#define ZCS_SWAP_TEST_H

/*
 * Functions that the tests of the swap share. They are white-box: the swap has no public function
 * of its own. Cases about transfers run twice, with io_uring and with threads.
 */
#include <semaphore.h>
#include <stdatomic.h>

#include "swap/swap_priv.h"
#include "zcs_test.h"

#define SWAP_TEST_FOLIO_PAGES 512u

#define swap_test_entry(name, f, setup)                                                \
	{                                                                              \
		name, zcs_test_call, setup, zcs_test_teardown, &(struct zcs_test_case) \
		{                                                                      \
			f                                                              \
		}                                                                      \
	}
#define swap_test(f)	     swap_test_entry(#f, f, swap_test_setup_uring)
#define swap_test_threads(f) swap_test_entry(#f, f, swap_test_setup_threads)
#define swap_test_both(f)                                            \
	swap_test_entry(#f " (io_uring)", f, swap_test_setup_uring), \
		swap_test_entry(#f " (threads)", f, swap_test_setup_threads)
int swap_test_setup_uring(void **state);
int swap_test_setup_threads(void **state);

/* A name in TMPDIR that nobody has; what is there when the program ends is removed. */
const char *swap_test_path(void);
/* A swap, or the case fails; the arguments make its specification. */
struct zcs_swap *swap_test_open(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* The result of zcs_swap_open(); a swap that it makes is closed again. */
int swap_test_try(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* The validator, no request left, and the end. */
void swap_test_done(struct zcs_swap *swap);
struct zcs_swap_stats swap_test_stats(struct zcs_swap *swap);
/* A run, or the case fails. */
uint32_t swap_test_alloc(struct zcs_swap *swap, unsigned order);

/* Zero pages, aligned to 4 KiB, until the program ends. */
char *swap_test_memory(uint64_t nr_pages);

/* A request and what became of it. */
struct swap_test_io {
	struct zcs_swap_req req;
	sem_t done;
	int err;
	/* the how-manieth it was of those that count with the same counter, from 1 */
	atomic_uint *counter;
	unsigned place;
};

void swap_test_submit(struct zcs_swap *swap, struct swap_test_io *io, enum zcs_swap_op op,
		      uint32_t slot, unsigned order, void *addr);
/* Sets all but the links, for zcs_swap_submit() by the case. */
void swap_test_prepare(struct swap_test_io *io, enum zcs_swap_op op, uint32_t slot, unsigned order,
		       void *addr);
/* Writes @page to a new slot, and calls @done with @user instead of what swap_test_wait() needs. */
void swap_test_submit_with(struct zcs_swap *swap, struct swap_test_io *io, void *page,
			   void (*done)(struct zcs_swap_req *req, int err), void *user);
int swap_test_wait(struct swap_test_io *io);
/* Both at once. */
int swap_test_write(struct zcs_swap *swap, uint32_t slot, unsigned order, void *addr);
int swap_test_read(struct zcs_swap *swap, uint32_t slot, unsigned order, void *addr);

/*
 * A request whose done waits until it is let go: while it is held, the I/O thread that called it is
 * too. With threads there are as many as the engine has.
 */
struct swap_test_hold {
	struct swap_test_io io[ZCS_SWAP_THREADS];
	unsigned nr;
	sem_t go;
};

void swap_test_hold(struct zcs_swap *swap, struct swap_test_hold *hold);
void swap_test_let_go(struct swap_test_hold *hold);

/* Collects what is written to stderr; the text is the function's until the next call. */
void swap_test_log_start(void);
const char *swap_test_log_end(void);
#define swap_test_log_has(log, text)                                        \
	do {                                                                \
		if (!strstr((log), (text)))                                 \
			fail_msg("wanted \"%s\", got:\n%s", (text), (log)); \
	} while (0)

/* Bytes of a file, read and written past the swap. */
void swap_test_peek(const char *path, uint64_t offset, void *bytes, size_t nr);
void swap_test_poke(const char *path, uint64_t offset, const void *bytes, size_t nr);

#endif
