/* SPDX-License-Identifier: MIT */
/*
 * Stores: opening by spec, references, and "mem:", which is the absence of a device. What is inserted there
 * stays resident in its pages; nothing is ever written, and nothing can be full.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "log.h"
#include "store_priv.h"
#include "sys.h"

static int64_t mem_bytes_avail(struct zcs_store *store)
{
	(void)store;
	return INT64_MAX;
}

static void mem_close(struct zcs_store *store)
{
	(void)store;
}

static const struct zcs_store_ops mem_ops = {
	.name = "mem",
	.bytes_avail = mem_bytes_avail,
	.close = mem_close,
};

int zcs_store_new(const struct zcs_store_ops *ops, void *priv, struct zcs_store **store)
{
	struct zcs_store *s = zcs_sys_calloc(ZCS_FAULT_ALLOC_STORE, 1, sizeof(*s));

	if (!s)
		return -ENOMEM;
	s->ops = ops;
	s->priv = priv;
	s->refs = 1;
	*store = s;
	return 0;
}

int zcs_store_open(const char *spec, struct zcs_store **store)
{
	if (!spec || !store || !*spec)
		return -EINVAL;
	if (!strcmp(spec, "mem:"))
		return zcs_store_new(&mem_ops, NULL, store);
	if (!strncmp(spec, "mem:", 4)) {
		zcs_warn("store \"%s\": mem: takes no keys", spec);
		return -EINVAL;
	}
	zcs_warn("store \"%s\": unknown kind; this build has mem:", spec);
	return -EPROTONOSUPPORT;
}

int64_t zcs_store_bytes_avail(struct zcs_store *store)
{
	if (!store)
		return -EINVAL;
	if (zcs_fault(ZCS_FAULT_STORE_FULL))
		return 0;
	return store->ops->bytes_avail(store);
}

void zcs_store_get(struct zcs_store *store)
{
	atomic_fetch_add(&store->refs, 1);
}

void zcs_store_close(struct zcs_store *store)
{
	if (!store || atomic_fetch_sub(&store->refs, 1) != 1)
		return;
	store->ops->close(store);
	free(store);
}

int zcs_store_check(struct zcs_store *store)
{
	if (!store)
		return -EINVAL;
	if (store->refs && store->ops && store->ops->bytes_avail(store) >= 0)
		return 0;
	zcs_warn("zcs_store_check: store %p has no references or negative room", (void *)store);
	return -EUCLEAN;
}
