/* SPDX-License-Identifier: MIT */
/*
 * Scaling over tts: each step of a life on 10^3 and on 10^4 contiguous tts of 64 KiB.
 *
 * Backed up one after the other, neighbours that are out share a VMA. In random order each one that
 * goes out splits the user map once more, up to twice as many VMAs as there are tts: the
 * unfavourable case.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <unistd.h>

#include <zcswap/zcswap.h>

#include "bench.h"

#define TT_PAGES 16
#define TT_BYTES (TT_PAGES * (uint64_t)ZCS_PAGE_SIZE)
#define LIMIT	 1.5

enum tt_step {
	TT_CREATE,
	TT_POPULATE,
	TT_COPY,
	TT_BACKUP,
	TT_RESTORE,
	TT_BACKUP_RANDOM,
	TT_RESTORE_RANDOM,
	TT_DESTROY,
	TT_STEPS
};

static const char *const step_name[TT_STEPS] = {
	[TT_CREATE] = "create",
	[TT_POPULATE] = "populate",
	[TT_COPY] = "copy out to a fresh shmem file",
	[TT_BACKUP] = "backup",
	[TT_RESTORE] = "restore",
	[TT_BACKUP_RANDOM] = "backup, random order",
	[TT_RESTORE_RANDOM] = "restore, random order",
	[TT_DESTROY] = "destroy",
};

struct tts_case {
	struct bench *b;
	struct zcs_pool *pool;
	struct zcs_store *store;
	uint64_t n;
	struct zcs_tt **tt;
	uint32_t *shuffled;
	int copy_fd;
	struct bench_row *row[TT_STEPS];
};

static int64_t create_one(struct tts_case *c, struct zcs_tt **tt)
{
	int err = zcs_tt_create(c->pool, TT_PAGES, ZCS_TT_CONTIGUOUS, tt);

	return err ? err : zcs_tt_setup_backup(*tt, c->store);
}

static int64_t one_step(struct tts_case *c, enum tt_step step, uint64_t i)
{
	switch (step) {
	case TT_CREATE:
		return create_one(c, &c->tt[i]);
	case TT_POPULATE:
		return zcs_tt_populate(c->tt[i], NULL);
	case TT_COPY:
		bench_copy_out(c->b, c->copy_fd, zcs_tt_address(c->tt[i]), TT_BYTES, i * TT_BYTES);
		return 0;
	case TT_BACKUP:
		return zcs_tt_backup(c->tt[i], 0);
	case TT_BACKUP_RANDOM:
		return zcs_tt_backup(c->tt[c->shuffled[i]], 0);
	case TT_RESTORE:
		return zcs_tt_restore(c->tt[i], NULL);
	case TT_RESTORE_RANDOM:
		return zcs_tt_restore(c->tt[c->shuffled[i]], NULL);
	default:
		zcs_tt_destroy(c->tt[i]);
		return 0;
	}
}

/* So that the unmapped pages were mapped. */
static void touch_all(struct tts_case *c)
{
	for (uint64_t i = 0; i < c->n; i++)
		if (zcs_tt_flags(c->tt[i]) & ZCS_TT_POPULATED)
			bench_touch(zcs_tt_address(c->tt[i]), TT_BYTES, ZCS_PAGE_SIZE);
}

static void all_steps(struct tts_case *c)
{
	c->copy_fd = bench_fresh_file(c->b);
	for (enum tt_step step = 0; step < TT_STEPS; step++) {
		int64_t worst = 0;
		uint64_t start;

		if (step > TT_POPULATE && step < TT_DESTROY)
			touch_all(c);
		start = bench_now();
		for (uint64_t i = 0; i < c->n; i++) {
			int64_t ret = one_step(c, step, i);

			worst = ret < worst ? ret : worst;
		}
		bench_sample(c->b, c->row[step], (double)(bench_now() - start));
		bench_must(c->b, step_name[step], worst);
	}
	close(c->copy_fd);
}

static void rows_of_tts(struct bench *b, struct tts_case *c, unsigned nr)
{
	for (enum tt_step step = 0; step < TT_STEPS; step++)
		for (unsigned i = 0; i < nr; i++) {
			enum bench_aim aim = step == TT_COPY ? BENCH_NO_AIM : BENCH_WITHIN;
			struct bench_row *row =
				bench_row(b, "ns", "tt", c[i].n, "%s, %" PRIu64 " tts",
					  step_name[step], c[i].n);

			c[i].row[step] = row;
			if (i)
				bench_against(row, c->row[step], "1000 tts", aim, LIMIT);
			if (step == TT_BACKUP || step == TT_BACKUP_RANDOM)
				bench_against(row, c[i].row[TT_COPY], "copy out", BENCH_NO_AIM, 0);
		}
}

void bench_scale_tts(struct bench *b, enum bench_kind kind)
{
	static const uint64_t size[] = { 1000, 10000 };
	struct zcs_store *store = bench_store(b);
	struct tts_case c[2];
	unsigned nr = 2;

	for (unsigned i = 0; i < nr; i++) {
		c[i] = (struct tts_case){ .b = b, .n = size[i], .store = store };
		c[i].pool = bench_pool(b, kind);
		c[i].tt = bench_calloc(b, size[i], sizeof(*c[i].tt));
		c[i].shuffled = bench_calloc(b, size[i], sizeof(*c[i].shuffled));
		bench_shuffle(c[i].shuffled, size[i]);
	}
	rows_of_tts(b, c, nr);
	while (bench_round(b))
		for (unsigned i = 0; i < nr; i++)
			all_steps(&c[i]);
	for (unsigned i = 0; i < nr; i++) {
		zcs_pool_destroy(c[i].pool);
		free(c[i].tt);
		free(c[i].shuffled);
	}
	zcs_store_close(store);
}
