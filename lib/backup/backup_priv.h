/* SPDX-License-Identifier: MIT */
#ifndef ZCS_LIB_BACKUP_PRIV_H
#define ZCS_LIB_BACKUP_PRIV_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>

#include <zcswap/backup.h>

#include "arena/memmap.h"
#include "pool/pool.h"
#include "store/object.h"

struct zcs_home;

/*
 * struct zcs_backup - folios of a pool in an object of a store
 * @o: index, lock, counters (object.h); the lock protects @tracked as well
 * @life: of the process that made it (life.h)
 * @refs: the creator
 * @tracked: folios taken by the tt whose backup this is keep their copy until they are dirtied
 */
struct zcs_backup {
	struct zcs_object o;
	uint64_t life;
	_Atomic uint64_t refs;
	bool tracked;
};

/* Where the content of a page of a backup is. */
enum zcs_where { ZCS_WHERE_MEMORY, ZCS_WHERE_AHEAD, ZCS_WHERE_STORED, ZCS_WHERE_TO_READ };

/* A backup whose index is reserved unit by unit with zcs_backup_reserve(). */
int zcs_backup_new(struct zcs_store *store, uint64_t num_pages, struct zcs_backup **backup);
/* Index nodes for blocks under order 9 around @index. */
int zcs_backup_reserve(struct zcs_backup *backup, uint64_t index);
/*
 * zcs_backup_insert_folios() for folios in state @from (OWNED or TT), last used at @used_ns (0: not known,
 * which counts as long ago).
 */
int64_t zcs_backup_insert_vec(struct zcs_backup *backup, struct zcs_insert *vec, size_t nr,
			      uint32_t flags, enum zcs_folio_state from, uint64_t used_ns);
/* zcs_backup_take_folios() that leaves folios in state @to. */
int64_t zcs_backup_take_vec(struct zcs_backup *backup, struct zcs_take *vec, size_t nr,
			    struct zcs_pool *pool, enum zcs_folio_state to,
			    const struct zcs_request *req);
/*
 * Where the block that covers @index is, and which it is: in memory; there because it was read ahead;
 * with the store but without need of a read; to be read. Pages that an owning store holds count as to
 * be read. Takes the lock.
 */
enum zcs_where zcs_backup_where(struct zcs_backup *backup, uint64_t index);
/*
 * The block that covers @index. Takes the lock, so that the block may be another one when this
 * returns, unless a lock of the caller keeps it.
 */
struct zcs_block zcs_backup_block(struct zcs_backup *backup, uint64_t index);

#endif
