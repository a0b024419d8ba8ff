/* SPDX-License-Identifier: MIT */
#ifndef BACKUP_TEST_H
#define BACKUP_TEST_H

#include "zcs_test.h"

/* The subject of a case: one backup in a store in memory, and the pool of its folios. */
extern struct zcs_pool *pool;
extern struct zcs_store *store;
extern struct zcs_backup *backup;

/* The pool keeps all that is freed; the backup has @pages. */
void backup_test_open(enum zcs_backing backing, uint64_t pages);
/* The validators; no folio is left. */
void backup_test_close(void);

#endif
