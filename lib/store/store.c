/* SPDX-License-Identifier: MIT */
/*
 * Stores: opening by spec, references, and the kind "mem:", which has no device. Blocks inserted
 * there stay resident, no write ever happens, and the store is never full. The store on files and
 * devices is local.c.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/deliver.h"
#include "common/log.h"
#include "store/local_priv.h"
#include "store/store.h"
#include "sys/sys.h"

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
	s->life = zcs_life_begin();
	s->refs = 1;
	pthread_mutex_init(&s->shrink_lock, NULL);
	pthread_mutex_init(&s->objects_lock, NULL);
	pthread_cond_init(&s->unpinned, NULL);
	TAILQ_INIT(&s->objects);
	*store = s;
	return 0;
}

static bool is_device(const char *spec)
{
	return !strncmp(spec, "file:", 5) || !strncmp(spec, "dev:", 4) ||
	       !strncmp(spec, "/dev/", 5);
}

int zcs_store_open(const char *spec, struct zcs_store **store)
{
	if (!zcs_expect(store, != NULL) || !zcs_expect(spec, != NULL) || !zcs_expect(*spec, != 0))
		return -EINVAL;
	if (!strcmp(spec, "mem:"))
		return zcs_store_new(&mem_ops, NULL, store);
	if (!strncmp(spec, "mem:", 4)) {
		zcs_warn("store \"%s\": %s", spec,
			 strchr(spec, ';') ? "mem: cannot be joined with others"
			 : spec[4] == '?'  ? "mem: takes no keys"
					   : "nothing follows mem:");
		return -EINVAL;
	}
	if (is_device(spec))
		return zcs_local_open(spec, store);
	zcs_warn("store \"%s\": unknown kind; known are mem:, file:, dev: and /dev/...", spec);
	return -EPROTONOSUPPORT;
}

int64_t zcs_store_bytes_avail(struct zcs_store *store)
{
	if (!store)
		return -EINVAL;
	if (zcs_inherited(store))
		return -ECHILD;
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
	if (!store || zcs_inherited(store) || atomic_fetch_sub(&store->refs, 1) != 1)
		return;
	store->ops->close(store);
	pthread_cond_destroy(&store->unpinned);
	pthread_mutex_destroy(&store->objects_lock);
	pthread_mutex_destroy(&store->shrink_lock);
	free(store);
}

int zcs_store_check(struct zcs_store *store)
{
	if (!store)
		return -EINVAL;
	if (zcs_inherited(store))
		return -ECHILD;
	if (!store->refs) {
		zcs_warn("zcs_store_check: store %p has no references", (void *)store);
		return -EUCLEAN;
	}
	return store->ops->check ? store->ops->check(store) : 0;
}

int zcs_store_stats(struct zcs_store *store, struct zcs_store_stats *stats)
{
	struct zcs_store_stats st = { 0 };

	if (!store || !zcs_can_deliver(stats))
		return -EINVAL;
	if (zcs_inherited(store))
		return -ECHILD;
	if (store->ops->stats)
		store->ops->stats(store, &st);
	zcs_deliver(stats, &st, sizeof(st));
	return 0;
}

int64_t zcs_store_dump(struct zcs_store *store, char *buf, size_t size)
{
	if (!store || (!buf && size))
		return -EINVAL;
	if (zcs_inherited(store))
		return -ECHILD;
	if (store->ops->dump)
		return store->ops->dump(store, buf, size);
	return snprintf(buf, size, "%s: %s", store->ops->name,
			zcs_store_frees(store) ? "elsewhere" : "never written back");
}
