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
 * @life: of the process that made the backup (life.h)
 * @refs: the creator
 * @tracked: folios taken by the tt whose backup this is keep their copy until they are dirtied
 */
struct zcs_backup {
	struct zcs_object o;
	uint64_t life;
	_Atomic uint64_t refs;
	bool tracked;
};

/*
 * enum zcs_where - the place of a page's content: memory; memory, by a read-ahead; the store,
 * without need of a read; the store, to be read
 */
enum zcs_where { ZCS_WHERE_MEMORY, ZCS_WHERE_AHEAD, ZCS_WHERE_STORED, ZCS_WHERE_TO_READ };

/*
 * Makes a backup whose index is reserved unit by unit with zcs_backup_reserve(). Context:
 * allocates.
 */
int zcs_backup_new(struct zcs_store *store, uint64_t num_pages, struct zcs_backup **backup);
/*
 * Reserves index nodes for blocks under order 9 around @index. Context: allocates. Return: 0;
 * -ENOMEM.
 */
int zcs_backup_reserve(struct zcs_backup *backup, uint64_t index);
/*
 * zcs_backup_insert_folios() for folios in state @from (OWNED or TT), last used at @used_ns (0:
 * unknown, which counts as long ago).
 *
 * Context: a tt's lock may be held; takes the object's lock; may wait for a read-ahead. Allocates
 * nothing. Return: as there.
 */
int64_t zcs_backup_insert_vec(struct zcs_backup *backup, struct zcs_insert *vec, size_t nr,
			      uint32_t flags, enum zcs_folio_state from, uint64_t used_ns);
/*
 * zcs_backup_take_folios() that leaves folios in state @to. Context: a tt's lock may be held; takes
 * the object's lock; sleeps for reads and for memory, as @req allows. Return: as there.
 */
int64_t zcs_backup_take_vec(struct zcs_backup *backup, struct zcs_take *vec, size_t nr,
			    struct zcs_pool *pool, enum zcs_folio_state to,
			    const struct zcs_request *req);
/*
 * The place of the block that covers @index. Pages that an owning store holds count as to be read.
 * Context: takes the object's lock.
 */
enum zcs_where zcs_backup_where(struct zcs_backup *backup, uint64_t index);
/*
 * The block that covers @index. It may be another one when this returns, unless a lock of the
 * caller keeps it. Context: takes the object's lock.
 */
struct zcs_block zcs_backup_block(struct zcs_backup *backup, uint64_t index);

#endif
