/* SPDX-License-Identifier: MIT */
/*
 * A program outside the tree, built by pkgconfig.sh with nothing but the installed files: a folio
 * goes into a backup and comes back, the same one with the same byte in it.
 */
#include <stdio.h>
#include <zcswap/zcswap.h>

static int insert_and_take(struct zcs_pool *pool, struct zcs_backup *backup)
{
	struct zcs_folio *folio, *back;
	int64_t handle;
	char *bytes;
	int err = zcs_folio_alloc(pool, 0, 0, &folio);

	if (err)
		return err;
	bytes = zcs_folio_address(folio);
	bytes[42] = 42;
	handle = zcs_backup_insert_folio(backup, folio, 0, 0, 0);
	if (handle < 0)
		return (int)handle;
	err = zcs_backup_take_folio(backup, handle, pool, &back);
	if (err)
		return err;
	bytes = zcs_folio_address(back);
	err = back == folio && bytes[42] == 42 ? 0 : 1;
	zcs_folio_put(back);
	return err;
}

int main(void)
{
	struct zcs_pool *pool = NULL;
	struct zcs_store *store = NULL;
	struct zcs_backup *backup = NULL;
	int err = zcs_version() == ZCS_VERSION ? 0 : 1;

	if (!err)
		err = zcs_pool_create(NULL, &pool);
	if (!err)
		err = zcs_store_open("mem:", &store);
	if (!err)
		err = zcs_backup_create(store, 1, &backup);
	if (!err)
		err = insert_and_take(pool, backup);
	zcs_backup_destroy(backup);
	zcs_store_close(store);
	zcs_pool_destroy(pool);
	if (err)
		fprintf(stderr, "consumer: %d\n", err);
	return err ? 1 : 0;
}
