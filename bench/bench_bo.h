/* SPDX-License-Identifier: MIT */
#ifndef ZCS_BENCH_BO_H
#define ZCS_BENCH_BO_H

#include <pthread.h>
#include <sys/types.h>

#include "bench_store.h"

#define BO_BYTES (UINT64_C(16) << 20)

enum bo_order { BO_IN_ORDER, BO_SHUFFLED, BO_HOT };
enum bo_content { BO_WORDS, BO_COUNTING, BO_ONE_WORD, BO_ZERO };

/*
 * struct bo_work - what is done to a set of buffers
 * @nr: buffers of BO_BYTES
 * @memory: bytes that may be resident
 * @order: of the visits of a pass
 * @content: what the words are
 * @threads: each visits its own buffers
 */
struct bo_work {
	uint32_t nr;
	uint64_t memory;
	enum bo_order order;
	enum bo_content content;
	unsigned threads;
};

/* -- bench_bo_set.c */
/*
 * struct bo_set - the buffers
 * @visits: how often each was visited; its words follow from that
 * @trace: the buffers that a pass visits, @work.nr of them
 */
struct bo_set {
	struct bo_work work;
	char **addr;
	uint64_t *visits;
	uint32_t *trace;
};

/* The caller sets @addr. */
void bo_set_open(struct bench *b, struct bo_set *set, const struct bo_work *work);
void bo_set_close(struct bo_set *set);
/* The visits of a pass, the same in every run; pass 0 is in order. */
void bo_set_trace(struct bo_set *set, unsigned pass);
/* Reads, verifies and writes every word of the buffers in @trace. */
struct bench_span bo_set_walk(struct bench *b, struct bo_set *set);

/* -- bench_bo_limit.c: the device alone */
struct bo_limit {
	uint64_t bytes;
	int fd;
	struct bench_bare memory;
};

void bo_limit_open(struct bench *b, struct bo_limit *limit, enum bench_kind kind, uint64_t bytes);
struct bench_span bo_limit_run(struct bench *b, struct bo_limit *limit, uint64_t read,
			       uint64_t write);
void bo_limit_close(struct bo_limit *limit);

/* -- bench_bo_device.c */
/* A device over a store on an unnamed file, and bos of it. */
struct bo_device {
	struct bench *b;
	struct zcs_device *device;
	struct store_file file;
	struct zcs_bo **bo;
	uint32_t nr;
};

void bo_device_open(struct bench *b, struct bo_device *d, enum bench_kind kind, uint64_t max_bytes,
		    uint32_t nr, uint64_t size);
void bo_device_close(struct bo_device *d);
struct zcs_stats bo_device_stats(const struct bo_device *d);
/* Evicts a bo and waits until its pages are written and free. */
void bo_device_write_out(struct bo_device *d, uint32_t i);

/* -- bench_bo_kernel.c: the same by a memory cgroup and a swap file */
struct bo_kernel {
	struct bench *b;
	struct store_swap swap;
	struct bo_work work;
	pid_t pid;
	int to, from;
};

/* False, with the reason, if it cannot be had. Before the library is used. */
bool bo_kernel_open(struct bench *b, struct bo_kernel *k, const struct bo_work *work, char *why,
		    size_t size);
struct bench_span bo_kernel_walk(struct bo_kernel *k, unsigned pass);
void bo_kernel_close(struct bo_kernel *k);

/* -- bench_bo_bare.c: a unit that a userfaultfd watches */
/*
 * struct bo_bare - what is evicted and touched without the library
 * @for_life: watched all the time, CONTINUE resolves; otherwise from the eviction to UNREGISTER
 * @armed: CONTINUE maps for reading, by MODE_WP
 */
struct bo_bare {
	struct bench_bare mem;
	bool for_life, armed;
	int uffd;
	pthread_t handler;
};

/* False, with the reason said, if there is no such userfaultfd. */
bool bo_bare_open(struct bench *b, struct bo_bare *bare, enum bench_kind kind, bool armed);
void bo_bare_evict(struct bench *b, struct bo_bare *bare);
void bo_bare_close(struct bo_bare *bare);

/* -- bench_bo_policy.c: FIFO and LRU on the same trace */
/*
 * struct bo_policy - folios of a set and which of them a policy would hold
 * @held: time of arrival (FIFO) or of the last visit (LRU); 0: not held
 */
struct bo_policy {
	bool lru;
	uint32_t nr, room, used;
	uint64_t now, *held;
};

void bo_policy_open(struct bench *b, struct bo_policy *p, const struct bo_work *work, bool lru);
/* The part of visits of a pass that it hits. */
double bo_policy_pass(struct bo_policy *p, const struct bo_set *set);
void bo_policy_close(struct bo_policy *p);

/* -- the cases */
void bo_walk(struct bench *b, enum bench_kind kind);
void bo_walk_random(struct bench *b, enum bench_kind kind);
void bo_walk_hot(struct bench *b, enum bench_kind kind);
void bo_walk_threads(struct bench *b, enum bench_kind kind);
void bo_walk_zero(struct bench *b, enum bench_kind kind);
void bo_walk_counting(struct bench *b, enum bench_kind kind);
void bo_walk_word(struct bench *b, enum bench_kind kind);
void bo_loop(struct bench *b, enum bench_kind kind);
void bo_touch(struct bench *b, enum bench_kind kind);
void bo_clean(struct bench *b, enum bench_kind kind);
void bo_read(struct bench *b, enum bench_kind kind);

#endif
