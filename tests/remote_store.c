/* SPDX-License-Identifier: MIT */
/*
 * The fake remote store, see remote_store.h.
 *
 *	insert ─▶ page table of the object: HERE ─thread─▶ OUT: bytes copied, pages punched
 *	take ─▶ request ─thread, later─▶ pages filled again ─▶ answer
 *
 * Its index is a page array an object, so that parts of blocks can be dropped and taken. A block is
 * written whole or not at all: one of which a part is gone stays where it is.
 */
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/queue.h>
#include <unistd.h>

#include "remote_store.h"

#include "pool/pool.h"
#include "store/store.h"

#define LATE_US 200u

/*
 * Pages that were inserted together; @left of 2^@order are; @out: their bytes, once they are
 * written; @queued: they are to be; @cut: a part was dropped
 */
struct block {
	char *addr, *out;
	unsigned order;
	uint64_t left;
	bool queued, cut;
	TAILQ_ENTRY(block) node;
};

struct object {
	uint64_t nr;
	struct {
		struct block *block;
		uint64_t at;
		bool zero;
	} page[];
};

struct request {
	struct object *object;
	const struct zcs_extent *vec;
	size_t nr;
	int64_t done;
	bool answered;
	struct request *next;
};

struct remote {
	pthread_mutex_t lock;
	pthread_cond_t work, answer;
	pthread_t thread;
	bool stop;
	atomic_bool full;
	unsigned refuse, random;
	struct request *requests;
	TAILQ_HEAD(, block) here;
	struct remote_store_counts counts;
};

static struct remote *remote_of(struct zcs_store *store)
{
	return store->priv;
}

static size_t bytes_of(const struct block *b)
{
	return (size_t)ZCS_PAGE_SIZE << b->order;
}

static bool refuses(struct remote *r)
{
	r->random = r->random * 1103515245u + 12345u;
	if (!r->refuse || (r->random >> 16) % r->refuse)
		return false;
	r->counts.refused++;
	return true;
}

/* -- the index, under the lock */

static void forget_page(struct remote *r, struct object *o, uint64_t index)
{
	struct block *b = o->page[index].block;

	o->page[index].block = NULL;
	if (!b || --b->left)
		return;
	if (b->queued)
		TAILQ_REMOVE(&r->here, b, node);
	free(b->out);
	free(b);
}

static void add_block(struct remote *r, struct object *o, const struct zcs_extent *e)
{
	struct block *b = calloc(1, sizeof(*b));

	if (!b)
		abort();
	b->addr = zcs_folio_bytes(e->folio);
	b->order = e->order;
	b->queued = true;
	for (uint64_t i = 0; i < UINT64_C(1) << e->order; i++) {
		forget_page(r, o, e->index + i);
		o->page[e->index + i].block = b;
		o->page[e->index + i].at = i;
		o->page[e->index + i].zero = false;
		b->left++;
	}
	TAILQ_INSERT_TAIL(&r->here, b, node);
}

/* -- the thread */

static void write_out(struct remote *r, struct block *b)
{
	TAILQ_REMOVE(&r->here, b, node);
	b->queued = false;
	if (!b->cut && b->left == UINT64_C(1) << b->order) {
		b->out = malloc(bytes_of(b));
		if (!b->out)
			abort();
		memcpy(b->out, b->addr, bytes_of(b));
		if (madvise(b->addr, bytes_of(b), MADV_REMOVE))
			abort();
		r->counts.written += UINT64_C(1) << b->order;
	}
	if (TAILQ_EMPTY(&r->here))
		pthread_cond_broadcast(&r->answer);
}

/* 0, -EINVAL: not inserted, -ENOMEM: no memory for it. */
static int bring(struct remote *r, struct object *o, const struct zcs_extent *e)
{
	uint64_t nr = UINT64_C(1) << e->order;
	char *addr = zcs_folio_bytes(e->folio);

	for (uint64_t i = 0; i < nr; i++)
		if (!o->page[e->index + i].block)
			return -EINVAL;
	if (madvise(addr, nr * ZCS_PAGE_SIZE, MADV_POPULATE_WRITE))
		return -ENOMEM;
	for (uint64_t i = 0; i < nr; i++) {
		struct block *b = o->page[e->index + i].block;
		char *to = addr + i * ZCS_PAGE_SIZE;

		if (o->page[e->index + i].zero)
			memset(to, 0, ZCS_PAGE_SIZE);
		else if (b->out)
			memcpy(to, b->out + o->page[e->index + i].at * ZCS_PAGE_SIZE,
			       ZCS_PAGE_SIZE);
		r->counts.brought += b->out != NULL;
		forget_page(r, o, e->index + i);
	}
	return 0;
}

static void serve(struct remote *r, struct request *req)
{
	int err = refuses(r) ? -EINTR : 0;

	while (!err && req->done < (int64_t)req->nr) {
		err = bring(r, req->object, &req->vec[req->done]);
		req->done += !err;
	}
	if (!req->done)
		req->done = err;
	req->answered = true;
	pthread_cond_broadcast(&r->answer);
}

static void *run(void *arg)
{
	struct remote *r = arg;
	struct request *req;

	pthread_mutex_lock(&r->lock);
	while (!r->stop) {
		if ((req = r->requests)) {
			r->requests = req->next;
			pthread_mutex_unlock(&r->lock);
			usleep(LATE_US);
			pthread_mutex_lock(&r->lock);
			serve(r, req);
		} else if (!TAILQ_EMPTY(&r->here)) {
			write_out(r, TAILQ_FIRST(&r->here));
		} else {
			pthread_cond_wait(&r->work, &r->lock);
		}
	}
	pthread_mutex_unlock(&r->lock);
	return NULL;
}

/* -- the store */

static int64_t bytes_avail(struct zcs_store *store)
{
	return remote_of(store)->full ? 0 : INT64_C(1) << 40;
}

static void close_remote(struct zcs_store *store)
{
	struct remote *r = remote_of(store);

	pthread_mutex_lock(&r->lock);
	r->stop = true;
	pthread_cond_signal(&r->work);
	pthread_mutex_unlock(&r->lock);
	pthread_join(r->thread, NULL);
	if (!TAILQ_EMPTY(&r->here))
		abort();
	pthread_cond_destroy(&r->work);
	pthread_cond_destroy(&r->answer);
	pthread_mutex_destroy(&r->lock);
	free(r);
}

static int create(struct zcs_object *o)
{
	struct object *object = calloc(1, sizeof(*object) + o->num_pages * sizeof(object->page[0]));

	if (!object)
		return -ENOMEM;
	object->nr = o->num_pages;
	o->priv = object;
	return 0;
}

static void destroy(struct zcs_object *o)
{
	struct remote *r = remote_of(o->store);
	struct object *object = o->priv;

	pthread_mutex_lock(&r->lock);
	for (uint64_t i = 0; i < object->nr; i++)
		forget_page(r, object, i);
	pthread_mutex_unlock(&r->lock);
	free(object);
}

static int64_t insert(struct zcs_object *o, const struct zcs_extent *vec, size_t nr, uint32_t flags)
{
	struct remote *r = remote_of(o->store);
	size_t n = nr;

	(void)flags;
	pthread_mutex_lock(&r->lock);
	if (r->full || refuses(r))
		n = r->full ? 0 : nr / 2;
	for (size_t i = 0; i < n; i++)
		add_block(r, o->priv, &vec[i]);
	r->counts.used_ns = o->used_ns;
	pthread_cond_signal(&r->work);
	pthread_mutex_unlock(&r->lock);
	return n ? (int64_t)n : -ENOSPC;
}

static int64_t take(struct zcs_object *o, const struct zcs_extent *vec, size_t nr)
{
	struct remote *r = remote_of(o->store);
	struct request req = { .object = o->priv, .vec = vec, .nr = nr }, **at;

	pthread_mutex_lock(&r->lock);
	for (at = &r->requests; *at;)
		at = &(*at)->next;
	*at = &req;
	pthread_cond_signal(&r->work);
	while (!req.answered)
		pthread_cond_wait(&r->answer, &r->lock);
	pthread_mutex_unlock(&r->lock);
	return req.done;
}

static int copy(struct zcs_object *o, uint64_t index, void *dst, bool interruptible)
{
	struct remote *r = remote_of(o->store);
	struct object *object = o->priv;
	struct block *b;

	(void)interruptible;
	pthread_mutex_lock(&r->lock);
	b = object->page[index].block;
	if (!b || object->page[index].zero)
		memset(dst, 0, ZCS_PAGE_SIZE);
	else
		memcpy(dst, (b->out ? b->out : b->addr) + object->page[index].at * ZCS_PAGE_SIZE,
		       ZCS_PAGE_SIZE);
	pthread_mutex_unlock(&r->lock);
	return 0;
}

/* Of a block that reaches out of the range the pages are zero, for it may be taken whole. */
static void drop(struct zcs_object *o, uint64_t index, unsigned order)
{
	struct remote *r = remote_of(o->store);
	struct object *object = o->priv;
	uint64_t end = index + (UINT64_C(1) << order);

	pthread_mutex_lock(&r->lock);
	while (index < end) {
		struct block *b = object->page[index].block;
		uint64_t at = b ? object->page[index].at : 0, nr = b ? UINT64_C(1) << b->order : 1;

		if (!b || (!at && index + nr <= end && b->left == nr)) {
			for (uint64_t i = 0; i < nr; i++)
				forget_page(r, object, index + i);
			index += nr;
		} else {
			b->cut = true;
			object->page[index++].zero = true;
		}
	}
	pthread_mutex_unlock(&r->lock);
}

static const struct zcs_store_ops ops = {
	.name = "remote",
	.flags = ZCS_STORE_OWNS,
	.bytes_avail = bytes_avail,
	.close = close_remote,
	.create = create,
	.destroy = destroy,
	.insert = insert,
	.take = take,
	.copy = copy,
	.drop = drop,
};

int remote_store_open(struct zcs_store **store)
{
	struct remote *r = calloc(1, sizeof(*r));
	int err;

	if (!r)
		return -ENOMEM;
	pthread_mutex_init(&r->lock, NULL);
	pthread_cond_init(&r->work, NULL);
	pthread_cond_init(&r->answer, NULL);
	TAILQ_INIT(&r->here);
	err = zcs_store_new(&ops, r, store);
	if (!err)
		err = -pthread_create(&r->thread, NULL, run, r);
	if (err)
		free(r);
	return err;
}

int __wrap_zcs_store_open(const char *spec, struct zcs_store **store);

int __wrap_zcs_store_open(const char *spec, struct zcs_store **store)
{
	(void)spec;
	return remote_store_open(store);
}

void remote_store_refuse(struct zcs_store *store, unsigned one_in)
{
	struct remote *r = remote_of(store);

	pthread_mutex_lock(&r->lock);
	r->refuse = one_in;
	pthread_mutex_unlock(&r->lock);
}

void remote_store_fill(struct zcs_store *store, bool full)
{
	struct remote *r = remote_of(store);

	pthread_mutex_lock(&r->lock);
	r->full = full;
	pthread_mutex_unlock(&r->lock);
}

struct remote_store_counts remote_store_counts(struct zcs_store *store)
{
	struct remote *r = remote_of(store);
	struct remote_store_counts counts;

	pthread_mutex_lock(&r->lock);
	counts = r->counts;
	pthread_mutex_unlock(&r->lock);
	return counts;
}

void remote_store_wait(struct zcs_store *store)
{
	struct remote *r = remote_of(store);

	pthread_mutex_lock(&r->lock);
	while (!TAILQ_EMPTY(&r->here))
		pthread_cond_wait(&r->answer, &r->lock);
	pthread_mutex_unlock(&r->lock);
}
