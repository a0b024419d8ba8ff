/* SPDX-License-Identifier: MIT */
#ifndef ZCS_LIB_BACKUP_PRIV_H
#define ZCS_LIB_BACKUP_PRIV_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>

#include <zcswap/backup.h>

#include "memmap.h"
#include "table.h"

struct zcs_store;

/* Vectors are passed on to the store in pieces of this many. */
#define ZCS_VEC 64u

/*
 * struct zcs_backup - an index over a store
 * @refs: the creator
 * @lock: protects everything below; taken before the pool's locks
 * @store: reference held; @object: the store's own, if it keeps any
 * @pool: that of the folios inside, reference held; NULL before the first
 * @table: the index
 * @resident_pages: pages of inserted folios
 */
struct zcs_backup {
	_Atomic uint64_t refs;
	pthread_mutex_t lock;
	struct zcs_store *store;
	void *object;
	struct zcs_pool *pool;
	uint64_t num_pages;
	struct zcs_table table;
	uint64_t resident_pages;
};

/* A backup whose index is reserved unit by unit with zcs_backup_reserve(). */
int zcs_backup_new(struct zcs_store *store, uint64_t num_pages, struct zcs_backup **backup);
/* Index nodes for blocks under order 9 around @index. */
int zcs_backup_reserve(struct zcs_backup *backup, uint64_t index);
/* zcs_backup_insert_folios() for folios in state @from (OWNED or TT). */
int64_t zcs_backup_insert_vec(struct zcs_backup *backup, struct zcs_insert *vec, size_t nr,
			      uint32_t flags, enum zcs_folio_state from);
/* zcs_backup_take_folios() that leaves folios in state @to. */
int64_t zcs_backup_take_vec(struct zcs_backup *backup, struct zcs_take *vec, size_t nr,
			    struct zcs_pool *pool, enum zcs_folio_state to);
/* What covers @index, for validators. */
struct zcs_block zcs_backup_block(struct zcs_backup *backup, uint64_t index);

#endif
