/* SPDX-License-Identifier: MIT */
#ifndef TROUBLE_RANDOM_CALLS_H
#define TROUBLE_RANDOM_CALLS_H

/*
 * The model of random_calls.c, and the calls of each subject. A call picks its objects, makes the
 * call, and checks the answer against the model.
 */
#include "seed.h"
#include "zcs_test.h"

#define FOLIOS	     32u
#define BACKUPS	     2u
#define BACKUP_PAGES 128u
#define TTS	     4u
#define TT_PAGES_MAX 1100u
#define POOL_PAGES   3000u

/* The content of a page: page (index) of (seed); seed 0: zeros. */
struct content {
	uint64_t seed, index;
};

struct folio {
	struct zcs_folio *folio;
	unsigned order;
	struct content first; /* page i has first.index + i */
};

/* A page of a backup; the block it is in starts at @start and has @order. */
struct page {
	bool used;
	uint64_t start;
	unsigned order;
	struct content content;
};

struct backup {
	struct zcs_backup *backup;
	struct page page[BACKUP_PAGES];
};

struct tt {
	struct zcs_tt *tt;
	uint64_t nr;
	bool full[TT_PAGES_MAX]; /* a page or a handle */
	bool unmapped; /* a fault may have kept pages out of the user map: a touch would sleep */
	struct content content[TT_PAGES_MAX];
};

struct model {
	struct rng rng;
	enum zcs_backing backing;
	struct zcs_pool *pool;
	struct zcs_store *store;
	struct folio folio[FOLIOS];
	struct backup backup[BACKUPS];
	struct tt tt[TTS];
	uint64_t seeds, step, done[2]; /* calls that succeeded, that were refused */
	bool faulty; /* a fault point is on */
};

extern struct model m;

uint64_t below(uint64_t nr);
bool one_in(uint64_t nr);
uint64_t count_result(int64_t ret);
bool page_is(const void *page, struct content c, uint64_t at);
bool pages_are(const char *pages, struct content c, uint64_t nr);
struct content new_content(void *pages, uint64_t nr);

/* -- random_folios.c */
uint64_t folio_pages(const struct folio *f);
struct folio *free_place(void);
struct folio *some_folio(void);
void assert_folio(const struct folio *f);
unsigned places(void);
void alloc_folio(void);
void put_folio(void);
void split_folio(void);
void shrink(void);

/* -- random_backups.c */
void insert_folio(void);
void insert_folios(void);
void take_folio(void);
void take_folios(void);
void assert_backup_page(struct backup *b, uint64_t index);
void copy_page(void);
void drop(void);
void write_back(void);
void new_backup(struct backup *b);
void renew_backup(void);

/* -- random_tts.c */
bool is_page(const struct tt *t, uint64_t index);
void assert_tt_page(struct tt *t, uint64_t index);
void tt_populate(void);
void tt_write(void);
void tt_backup(void);
void tt_purge(void);
void tt_restore(void);
void tt_drop(void);
void tt_unpopulate(void);
void tt_setup(void);
void new_tt(struct tt *t);
void renew_tt(void);

#endif
