/* SPDX-License-Identifier: MIT */
#ifndef ZCS_LIB_WRITEBACK_H
#define ZCS_LIB_WRITEBACK_H

#include <stdbool.h>
#include <stdint.h>

struct zcs_ahead;
struct zcs_backup;
struct zcs_block;
struct zcs_folio;
struct zcs_same;
struct zcs_swap;
struct zcs_wb;

/*
 * Writeback: one thread a store, which turns inserted folios into slots and finishes read-ahead.
 * Functions that take a backup want its lock held, unless they say otherwise.
 */
struct zcs_wb_stats {
	uint64_t written_blocks, same_blocks, clean_blocks;
	uint64_t refused_no_space, held_back, failed_writes, cancelled, abandoned;
	uint64_t ra_read, ra_hits, ra_wasted;
};

int zcs_wb_create(struct zcs_swap *swap, struct zcs_same *same, struct zcs_wb **wb);
/* Ends the thread. No backup uses it any more. */
void zcs_wb_destroy(struct zcs_wb *wb);
void zcs_wb_stats(struct zcs_wb *wb, struct zcs_wb_stats *stats);

/*
 * Whether writes can begin: there is a free slot, on a device that takes writes. By any thread,
 * without a lock.
 */
bool zcs_wb_has_room(struct zcs_wb *wb);
/* Pages that are marked or being written; by any thread, without a lock. */
uint64_t zcs_wb_pending(struct zcs_wb *wb);
/* Pages that writeback has freed, in all. */
uint64_t zcs_wb_freed(struct zcs_wb *wb);
/*
 * Frees resident blocks that need no I/O, because their slot is still good: a few from index *at
 * on, which is moved to where it ended, the size of the backup at last. Returns pages.
 */
uint64_t zcs_wb_free_clean(struct zcs_backup *backup, uint64_t *at);
/*
 * The same, and those that are filled with one word too. *left becomes true for one that has to be
 * written.
 */
uint64_t zcs_wb_free_without_io(struct zcs_backup *backup, uint64_t *at, bool *left);
/* zcs_wb_free_clean() with one block; 0: it is in use, or its content is nowhere else. */
uint64_t zcs_wb_free_block(struct zcs_backup *backup, const struct zcs_block *blk);
/*
 * Marks the resident blocks that lie in [first, last] and wakes the thread. Returns the pages newly
 * marked.
 */
uint64_t zcs_wb_mark(struct zcs_backup *backup, uint64_t first, uint64_t last);
/*
 * struct zcs_wb_wait - somebody who waits, on his stack and in his backup's list, under its lock
 * @first, @last: the blocks that lie in there are his
 * @written: pages of them that were written and freed since he came; @err: why the last one was not
 */
struct zcs_wb_wait {
	uint64_t first, last, written;
	int err;
	struct zcs_wb_wait *next;
};

/*
 * Waits until each block in [first, last] was seen neither marked nor being written; the lock is
 * given up meanwhile. Returns the pages that were written and freed in that time; if none, why one
 * was not, or 0.
 */
int64_t zcs_wb_wait_range(struct zcs_backup *backup, uint64_t first, uint64_t last);
/*
 * Waits until the backup has nothing under way, read-ahead included; the lock is given up
 * meanwhile.
 */
void zcs_wb_wait(struct zcs_backup *backup);
/* A block that is being written is wanted back, or dropped: it is INSERTED again, at once. */
void zcs_wb_recall(struct zcs_backup *backup, struct zcs_folio *folio);
/* The mark of a block that goes away. */
void zcs_wb_unmark(struct zcs_backup *backup, struct zcs_folio *folio);

/*
 * Starts to read the block at @index into memory that is free and within the limit, if there is
 * any.
 */
bool zcs_wb_read_ahead(struct zcs_backup *backup, uint64_t index);
/* For the backup's struct zcs_ahead. */
uint64_t zcs_wb_give_up(struct zcs_ahead *ahead);
/*
 * Whether the block at @index is being read ahead; then waits for it, the lock given up meanwhile.
 */
bool zcs_wb_wait_read(struct zcs_backup *backup, uint64_t index);
/* The block's slot is to be freed, when its read has ended. False: it is not being read. */
bool zcs_wb_drop_read(struct zcs_backup *backup, uint64_t index);
/* If the block was read ahead: it is taken now (hit), or leaves unused; zcs_ahead_end() is due. */
bool zcs_wb_ra_used(struct zcs_backup *backup, struct zcs_folio *folio, bool hit);

#endif
