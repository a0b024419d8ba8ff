/* SPDX-License-Identifier: MIT */
#ifndef ZCS_LIB_TT_H
#define ZCS_LIB_TT_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include <zcswap/tt.h>

#include "backup/backup.h"
#include "store/table.h"
#include "pool/pool.h"

/*
 * struct zcs_tt - slots over a pool
 * @life: of the process that made the tt (life.h)
 * @pool: reference held
 * @lock: every call holds it from start to end, except zcs_tt_restore_step(); taken before the
 *	backup's and the pool's
 * @cancel: whether the holder of @lock could be cancelled before
 * @waiting: touches that wait for @lock
 * @nr: slots
 * @flags: as created
 * @table: the slots: a page, ZCS_E_HANDLE or empty, by block
 * @home: the run of a contiguous tt; its blocks are the table's blocks at the same offsets
 * @backup: NULL until set up
 * @pages: slots that are a page
 * @handles: slots that are a handle; the other slots are empty
 * @backed_up: some slots were backed up or purged, and not all are restored
 * @unmapped: resolving the user map failed for some pages; the next restore tries again
 * @poisoned: a page could not be read and was poisoned in the user map
 * @served: belongs to a device: touches are served at any time, and signals are held while the tt
 *	is locked
 * @zapped_ns: time of the last zap of a range
 * @used_ns: time of the last use, if known; else 0
 */
struct zcs_tt {
	uint64_t life;
	struct zcs_pool *pool;
	pthread_mutex_t lock;
	int cancel;
	_Atomic unsigned waiting;
	uint64_t nr;
	uint32_t flags;
	struct zcs_table table;
	struct zcs_home home;
	struct zcs_backup *backup;
	uint64_t pages, handles;
	bool backed_up, unmapped, poisoned, served;
	uint64_t zapped_ns, used_ns;
};

static inline bool zcs_tt_contiguous(const struct zcs_tt *tt)
{
	return tt->flags & ZCS_TT_CONTIGUOUS;
}

static inline struct zcs_folio *zcs_tt_folio(const struct zcs_tt *tt, const struct zcs_block *blk)
{
	return zcs_pool_folio(tt->pool, zcs_e_ppn(blk->entry));
}

/*
 * Takes the lock for a call with a context. Return: 0; -EBUSY: the context may not wait; -EINVAL:
 * its size is wrong.
 */
int zcs_tt_lock(struct zcs_tt *tt, const struct zcs_ctx *ctx);
bool zcs_tt_try_lock(struct zcs_tt *tt);
void zcs_tt_unlock(struct zcs_tt *tt);

/*
 * -- tt_touch.c: the device's calls for a contiguous tt. They take the lock, unless they end in
 * _locked
 */
enum zcs_touch { ZCS_TOUCH_LATE, ZCS_TOUCH_EMPTY, ZCS_TOUCH_RESIDENT, ZCS_TOUCH_READ };

/* From now on touches and restores fill empty slots, as after a purge. */
void zcs_tt_commit_on_touch(struct zcs_tt *tt);
/*
 * struct zcs_tt_event - the report of a touch
 * @asked_ns: zcs_sys_now_ns() before the report was read
 * @index: the slot
 * @write: the slot is written to
 */
struct zcs_tt_event {
	uint64_t asked_ns;
	uint64_t index;
	bool write;
};

/*
 * Restores the block of the event's slot and resolves it; *@what tells from where. @slow is called,
 * perhaps with the lock held, before the block is populated, and with @waits before a wait for the
 * lock or a read. An event from before the last zap restores nothing: its touchers are woken, and
 * touch again.
 *
 * Context: no lock held; may sleep if @slow allows. Return: 0; -EAGAIN: @slow returned false, and
 * nothing was done; -EIO; -ENOMEM.
 */
int zcs_tt_touch(struct zcs_tt *tt, const struct zcs_tt_event *event, enum zcs_touch *what,
		 bool (*slow)(void *arg, bool waits), void *arg);
/*
 * Whether a touch of slot @index would take memory that the tt and its backup do not hold: 0, 1;
 * -EBUSY without @wait.
 */
int zcs_tt_needs_memory(struct zcs_tt *tt, uint64_t index, bool wait);
/*
 * After -EIO: the touchers of the slot get SIGBUS. -EEXIST: the slot is a page or poisoned, and no
 * toucher was woken.
 */
int zcs_tt_poison(struct zcs_tt *tt, uint64_t index);
/* Wakes the touchers of the slot, which touch it again. */
void zcs_tt_wake(struct zcs_tt *tt, uint64_t index);
/*
 * Frees inserted blocks that need no I/O. Gives the locks up now and then, and ends when another
 * thread wants them. Return: pages; -EBUSY: another thread holds the tt.
 */
int64_t zcs_tt_try_free_clean(struct zcs_tt *tt);
/*
 * Releases memory that the home was created with, about @pages of it. With the lock held. Return:
 * pages.
 */
uint64_t zcs_tt_release_kept_locked(struct zcs_tt *tt, uint64_t pages);
/*
 * Begins to write back the inserted blocks. With the lock held. Return: pages, without those that
 * are being written already.
 */
int64_t zcs_tt_writeback_locked(struct zcs_tt *tt);
/*
 * The same for a caller that needs to know the result. Where no write can begin, pages that need no
 * write are freed. Return: pages; -EBUSY: all of them need a write.
 */
int64_t zcs_tt_write_older_locked(struct zcs_tt *tt);
/* Whether a block is inserted and not about to be written. With the lock held. */
bool zcs_tt_is_stuck(struct zcs_tt *tt);
/* Pages in memory, mapped or inserted. With the lock held. */
uint64_t zcs_tt_resident(struct zcs_tt *tt);
struct zcs_tt_pages {
	uint64_t mapped, inserted, written, same;
};
void zcs_tt_count(struct zcs_tt *tt, struct zcs_tt_pages *pages);

/* -- tt_restore.c */
/*
 * Restores up to @most slots from *@at on, and moves *@at behind them after success. Then touches
 * have their turn. Context: takes the lock; sleeps for reads and for memory. Return: 0, -errno.
 */
int zcs_tt_restore_step(struct zcs_tt *tt, uint64_t *at, uint64_t most, const struct zcs_ctx *ctx);

/* -- tt_backup.c, tt.c; with the lock held */
/* zcs_tt_backup_range() without the checks of its arguments. */
int64_t zcs_tt_backup_locked(struct zcs_tt *tt, uint64_t first, uint64_t count, uint32_t flags);
/* Makes the store forget its copies of pages in [first, end), which are dirty or about to go. */
void zcs_tt_forget_copies(struct zcs_tt *tt, uint64_t first, uint64_t end);

#endif
