/* SPDX-License-Identifier: MIT */
/* Functions that the tests of backups share, see backup_test.h. */
#include "backup_test.h"

struct zcs_pool *pool;
struct zcs_store *store;
struct zcs_backup *backup;

void backup_test_open(enum zcs_backing backing, uint64_t pages)
{
	pool = zcs_test_pool(backing, 0, 0);
	store = zcs_test_store();
	backup = zcs_test_backup(store, pages);
}

void backup_test_close(void)
{
	zcs_test_backup_done(backup);
	zcs_test_store_done(store);
	zcs_test_pool_done(pool);
}
