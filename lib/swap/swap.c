/* SPDX-License-Identifier: MIT */
/*
 * The life of a swap. The devices are opened in the order of the specification, sorted by priority,
 * and their slots numbered. Then the maps and checksums are made, and the threads start last.
 * Closing waits for the requests and undoes these steps in the reverse order. The same function
 * takes down a swap that could not be opened.
 *
 * Cost: 4 bytes of checksum and about 3 bits of maps for each slot of 4 KiB, all populated at the
 * start.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/env.h"
#include "common/log.h"
#include "swap_priv.h"
#include "sys/sys.h"

#define DEPTH 32u

static void init_locks_and_queues(struct zcs_swap *s)
{
	pthread_mutex_init(&s->slots_lock, NULL);
	pthread_mutex_init(&s->lock, NULL);
	zcs_sys_cond_init(&s->slots_cond);
	pthread_cond_init(&s->work, NULL);
	pthread_cond_init(&s->drained, NULL);
	for (unsigned q = 0; q < ZCS_QUEUES; q++)
		TAILQ_INIT(&s->queue[q]);
}

static int by_prio(const void *a, const void *b)
{
	const struct zcs_swap_dev *x = a, *y = b;

	/* @first, set in the order of the spec, keeps equal devices in that order */
	if (x->prio != y->prio)
		return x->prio > y->prio ? -1 : 1;
	return x->first < y->first ? -1 : 1;
}

/* Opens the devices and numbers their slots. */
static int open_devs(struct zcs_swap *s, const struct zcs_swap_spec *specs, unsigned nr)
{
	uint64_t slots = 0;
	int err;

	for (unsigned i = 0; i < nr; i++) {
		err = zcs_swap_open_dev(&specs[i], &s->dev[i]);
		s->nr_devs++;
		if (err)
			return err;
		s->dev[i].first = i;
		if (specs[i].depth > s->depth)
			s->depth = specs[i].depth;
	}
	qsort(s->dev, nr, sizeof(*s->dev), by_prio);
	for (unsigned i = 0; i < nr; i++) {
		s->dev[i].first = (uint32_t)slots;
		slots += s->dev[i].bytes / ZCS_SLOT_BYTES;
		if (slots > ZCS_SWAP_SLOTS_MAX) {
			zcs_warn("swap %s: more than %u GiB in all", s->dev[i].name,
				 ZCS_SWAP_SLOTS_MAX >> 18);
			return -EFBIG;
		}
	}
	s->nr_slots = (uint32_t)slots;
	return 0;
}

static int init_slots(struct zcs_swap *s)
{
	void *memory;
	int err;

	for (unsigned i = 0; i < s->nr_devs; i++) {
		struct zcs_swap_dev *d = &s->dev[i];

		err = zcs_slots_init(&d->slots, (uint32_t)(d->bytes / ZCS_SLOT_BYTES));
		if (err)
			return err;
	}
	err = zcs_swap_reserve((size_t)s->nr_slots * sizeof(*s->sum), &memory);
	if (!err)
		s->sum = memory;
	return err;
}

static const char *why_no_uring(int err)
{
	switch (err) {
	case -EPERM:
		return "forbidden (kernel.io_uring_disabled or seccomp)";
	case -ENOSYS:
		return "not in this kernel";
	case -EOPNOTSUPP:
		return "too old in this kernel";
	default:
		return "could not be set up";
	}
}

static int start_engine(struct zcs_swap *s)
{
	int err;

	if (zcs_env_is_on(ZCS_ENV_NO_URING)) {
		s->stats.why_not = "switched off by ZCSWAP_NO_URING";
	} else {
		s->engine = &zcs_swap_uring;
		/*
		 * before the start: the engine's thread may find that the ring fails, and clears
		 * this
		 */
		s->stats.uring = true;
		err = s->engine->start(s);
		if (!err)
			return 0;
		s->stats.uring = false;
		s->stats.why_not = why_no_uring(err);
	}
	s->engine = &zcs_swap_threads;
	err = s->engine->start(s);
	if (err)
		s->engine = NULL;
	return err;
}

static void stop_engine(struct zcs_swap *s)
{
	const struct zcs_swap_engine *engine;

	pthread_mutex_lock(&s->lock);
	s->stop = true;
	engine = s->engine;
	pthread_cond_broadcast(&s->work);
	pthread_mutex_unlock(&s->lock);
	if (engine)
		engine->wake(s);
	for (unsigned i = 0; i < s->nr_threads; i++)
		pthread_join(s->thread[i], NULL);
	zcs_uring_free(s);
}

static void free_swap(struct zcs_swap *s)
{
	zcs_swap_discard_stop(s);
	stop_engine(s);
	for (unsigned i = 0; i < s->nr_devs; i++) {
		zcs_slots_fini(&s->dev[i].slots);
		zcs_sys_close(s->dev[i].fd);
		free(s->dev[i].name);
	}
	zcs_sys_unmap(s->sum, (size_t)s->nr_slots * sizeof(*s->sum));
	pthread_cond_destroy(&s->drained);
	pthread_cond_destroy(&s->work);
	pthread_cond_destroy(&s->slots_cond);
	pthread_mutex_destroy(&s->lock);
	pthread_mutex_destroy(&s->slots_lock);
	free(s->dev);
	free(s);
}

/*
 * Removes the files that a failed opening has made. Another store may have locked such a file
 * first; then the file is that store's and stays.
 */
static void remove_made(const struct zcs_swap *s)
{
	for (unsigned i = 0; i < s->nr_devs; i++)
		if (s->dev[i].made && !zcs_sys_lock(s->dev[i].fd))
			zcs_sys_unlink(s->dev[i].name);
}

static int new_swap(unsigned nr, struct zcs_swap **swap)
{
	struct zcs_swap *s = zcs_sys_calloc(ZCS_FAULT_ALLOC_SWAP, 1, sizeof(*s));

	if (!s)
		return -ENOMEM;
	s->dev = zcs_sys_calloc(ZCS_FAULT_ALLOC_SWAP, nr, sizeof(*s->dev));
	if (!s->dev) {
		free(s);
		return -ENOMEM;
	}
	init_locks_and_queues(s);
	*swap = s;
	return 0;
}

static int set_up_swap(struct zcs_swap *s, const struct zcs_swap_spec *specs, unsigned nr)
{
	int err = open_devs(s, specs, nr);

	if (!s->depth)
		s->depth = DEPTH;
	if (!err)
		err = init_slots(s);
	if (!err)
		err = start_engine(s);
	if (!err)
		err = zcs_swap_discard_start(s);
	return err;
}

int zcs_swap_open(const char *text, struct zcs_swap **swap)
{
	struct zcs_swap_spec specs[ZCS_SWAP_DEVS_MAX];
	struct zcs_swap *s;
	unsigned nr;
	int err;

	if (!text || !swap)
		return -EINVAL;
	err = zcs_swap_parse(text, specs, &nr);
	if (err)
		return err;
	err = new_swap(nr, &s);
	if (!err) {
		err = set_up_swap(s, specs, nr);
		if (err) {
			remove_made(s);
			free_swap(s);
		} else {
			*swap = s;
		}
	}
	zcs_swap_free_specs(specs, nr);
	return err;
}

static void wait_for_requests(struct zcs_swap *s)
{
	pthread_mutex_lock(&s->lock);
	while (s->pending)
		pthread_cond_wait(&s->drained, &s->lock);
	pthread_mutex_unlock(&s->lock);
}

void zcs_swap_close(struct zcs_swap *s)
{
	if (!s)
		return;
	wait_for_requests(s);
	free_swap(s);
}

void zcs_swap_drain(struct zcs_swap *s)
{
	wait_for_requests(s);
	zcs_swap_discard_flush(s);
}
