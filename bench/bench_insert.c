/* SPDX-License-Identifier: MIT */
/*
 * Insert and take of single folios: what a swap-out costs when nothing has to be unmapped.
 *
 * The baseline is the copy that insertion replaces: each folio written to a shmem file without
 * pages, and read back. Both by order, one call a folio and in vectors; the copy does not change
 * with the way of calling and is measured once a round.
 */
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include <zcswap/zcswap.h>

#include "bench.h"

struct insert_case {
	struct bench *b;
	unsigned order;
	uint64_t n;
	struct zcs_pool *pool;
	struct zcs_backup *backup;
	struct zcs_folio **folio;
	int64_t *handle;
	struct zcs_insert *insert;
	struct zcs_take *take;
	struct bench_row *row_insert, *row_take, *row_insert_vec, *row_take_vec, *row_out,
		*row_back;
};

static void insert_single(struct insert_case *c)
{
	uint64_t start = bench_now();

	for (uint64_t i = 0; i < c->n; i++)
		c->handle[i] =
			zcs_backup_insert_folio(c->backup, c->folio[i], c->order, 0, i << c->order);
	bench_sample(c->b, c->row_insert, (double)(bench_now() - start));
	for (uint64_t i = 0; i < c->n; i++)
		bench_must(c->b, "zcs_backup_insert_folio", c->handle[i]);
}

static void take_single(struct insert_case *c)
{
	uint64_t start = bench_now();
	int err = 0;

	for (uint64_t i = 0; i < c->n; i++)
		err |= zcs_backup_take_folio(c->backup, c->handle[i], c->pool, &c->folio[i]);
	bench_sample(c->b, c->row_take, (double)(bench_now() - start));
	bench_must(c->b, "zcs_backup_take_folio", err);
}

static size_t vector_at(const struct insert_case *c, uint64_t i)
{
	return c->n - i < BENCH_VECTOR ? c->n - i : BENCH_VECTOR;
}

static void insert_vectors(struct insert_case *c)
{
	uint64_t start, done = 0;

	for (uint64_t i = 0; i < c->n; i++)
		c->insert[i] = (struct zcs_insert){
			.folio = c->folio[i],
			.index = i << c->order,
			.order = c->order,
		};
	start = bench_now();
	for (uint64_t i = 0; i < c->n; i += BENCH_VECTOR)
		done += (uint64_t)zcs_backup_insert_folios(c->backup, c->insert + i,
							   vector_at(c, i), 0);
	bench_sample(c->b, c->row_insert_vec, (double)(bench_now() - start));
	bench_must(c->b, "zcs_backup_insert_folios", done == c->n ? 0 : -EIO);
}

static void take_vectors(struct insert_case *c)
{
	uint64_t start, done = 0;

	for (uint64_t i = 0; i < c->n; i++)
		c->take[i] = (struct zcs_take){ .handle = c->insert[i].handle };
	start = bench_now();
	for (uint64_t i = 0; i < c->n; i += BENCH_VECTOR)
		done += (uint64_t)zcs_backup_take_folios(c->backup, c->take + i, vector_at(c, i),
							 c->pool);
	bench_sample(c->b, c->row_take_vec, (double)(bench_now() - start));
	bench_must(c->b, "zcs_backup_take_folios", done == c->n ? 0 : -EIO);
	for (uint64_t i = 0; i < c->n; i++)
		c->folio[i] = c->take[i].folio;
}

static void copy(struct insert_case *c)
{
	size_t bytes = (size_t)ZCS_PAGE_SIZE << c->order;
	int fd = bench_fresh_file(c->b);
	uint64_t start = bench_now();

	for (uint64_t i = 0; i < c->n; i++)
		bench_copy_out(c->b, fd, zcs_folio_address(c->folio[i]), bytes, i * bytes);
	bench_sample(c->b, c->row_out, (double)(bench_now() - start));
	start = bench_now();
	for (uint64_t i = 0; i < c->n; i++)
		bench_copy_back(c->b, fd, zcs_folio_address(c->folio[i]), bytes, i * bytes);
	bench_sample(c->b, c->row_back, (double)(bench_now() - start));
	close(fd);
}

static void make_rows(struct insert_case *c)
{
	enum bench_aim aim = c->order == ZCS_MAX_ORDER ? BENCH_FASTER : BENCH_NO_AIM;
	struct bench *b = c->b;

	c->row_insert = bench_row(b, "ns", "folio", c->n, "order %u: insert", c->order);
	c->row_insert_vec =
		bench_row(b, "ns", "folio", c->n, "order %u: insert, vector of 64", c->order);
	c->row_take = bench_row(b, "ns", "folio", c->n, "order %u: take", c->order);
	c->row_take_vec =
		bench_row(b, "ns", "folio", c->n, "order %u: take, vector of 64", c->order);
	c->row_out = bench_row(b, "ns", "folio", c->n, "order %u: copy out", c->order);
	c->row_back = bench_row(b, "ns", "folio", c->n, "order %u: copy back", c->order);
	bench_against(c->row_insert, c->row_out, "copy out", aim, 1000);
	bench_against(c->row_insert_vec, c->row_out, "copy out", aim, 1000);
	bench_against(c->row_take, c->row_back, "copy back", BENCH_NO_AIM, 0);
	bench_against(c->row_take_vec, c->row_back, "copy back", BENCH_NO_AIM, 0);
}

static void one_order(struct bench *b, enum bench_kind kind, unsigned order, uint64_t n)
{
	struct insert_case c = { .b = b, .order = order, .n = n, .pool = bench_pool(b, kind) };
	struct zcs_store *store = bench_store(b);

	make_rows(&c);
	c.handle = bench_calloc(b, n, sizeof(*c.handle));
	c.insert = bench_calloc(b, n, sizeof(*c.insert));
	c.take = bench_calloc(b, n, sizeof(*c.take));
	c.folio = bench_folios(b, c.pool, order, n);
	bench_must(b, "zcs_backup_create", zcs_backup_create(store, n << order, &c.backup));
	while (bench_round(b)) {
		insert_single(&c);
		take_single(&c);
		insert_vectors(&c);
		take_vectors(&c);
		copy(&c);
	}
	bench_pool_note(b, c.pool, kind);
	bench_put_folios(c.folio, n);
	zcs_backup_destroy(c.backup);
	zcs_store_close(store);
	zcs_pool_destroy(c.pool);
	free(c.handle);
	free(c.insert);
	free(c.take);
}

void bench_insert(struct bench *b, enum bench_kind kind)
{
	/* 64 MiB of each small order, 512 MiB of the largest */
	uint64_t part = b->quick ? 8 : 1;

	if (bench_has_small_orders(b, kind)) {
		one_order(b, kind, 0, 16384 / part);
		one_order(b, kind, 2, 4096 / part);
		one_order(b, kind, 4, 1024 / part);
	}
	one_order(b, kind, ZCS_MAX_ORDER, 256 / part);
}
