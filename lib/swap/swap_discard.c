/* SPDX-License-Identifier: MIT */
/*
 * Discards. A cluster that becomes free is marked stale. A thread collects stale clusters for a
 * tenth of a second and takes neighbouring ones out of the slot maps. Then the thread discards them
 * with one call (a hole in a file, BLKDISCARD on a device) and puts them back into the maps.
 *
 * The thread is needed because one call may take milliseconds, in which neither a caller nor a
 * transfer should wait. A cluster that is allocated again before its turn is not discarded: the
 * next write overwrites it.
 *
 * Known limit: an allocation that finds no other run waits for the discard.
 */
#include <errno.h>
#include <string.h>

#include "common/held.h"
#include "common/log.h"
#include "swap_priv.h"
#include "sys/sys.h"

#define BATCH_NS       100000000
#define BATCH_CLUSTERS 32u

static uint32_t nr_stale(const struct zcs_swap *s)
{
	uint32_t nr = 0;

	for (unsigned i = 0; i < s->nr_devs; i++)
		nr += s->dev[i].slots.nr_stale;
	return nr;
}

/*
 * Discards @nr clusters that are out of the maps. The caller holds the lock, which is given up
 * meanwhile.
 */
static void discard_run(struct zcs_swap *s, struct zcs_swap_dev *d, uint32_t cluster, uint32_t nr)
{
	int err;

	zcs_assert_held(&s->slots_lock);
	pthread_mutex_unlock(&s->slots_lock);
	err = zcs_sys_discard(d->fd, d->block, (uint64_t)cluster * ZCS_CLUSTER_BYTES,
			      (uint64_t)nr * ZCS_CLUSTER_BYTES);
	pthread_mutex_lock(&s->slots_lock);
	zcs_slots_discard_end(&d->slots, cluster, nr);
	if (!err) {
		s->discarded += nr * ZCS_CLUSTER_SLOTS;
	} else if (d->discard) {
		d->discard = false;
		zcs_warn("swap %s: discard failed: %s; it is switched off", d->name,
			 strerror(-err));
	}
	pthread_cond_broadcast(&s->slots_cond);
}

static void discard_all(struct zcs_swap *s)
{
	for (unsigned i = 0; i < s->nr_devs; i++) {
		struct zcs_swap_dev *d = &s->dev[i];
		uint32_t cluster, nr;

		while (d->discard && !s->discard_stop &&
		       (nr = zcs_slots_discard_begin(&d->slots, BATCH_CLUSTERS, &cluster)))
			discard_run(s, d, cluster, nr);
		while (!d->discard &&
		       (nr = zcs_slots_discard_begin(&d->slots, BATCH_CLUSTERS, &cluster)))
			zcs_slots_discard_end(&d->slots, cluster, nr);
	}
	pthread_cond_broadcast(&s->slots_cond);
}

/* Waits for more clusters to become stale, unless a caller waits for the discards. */
static void collect(struct zcs_swap *s)
{
	struct timespec until = zcs_sys_deadline(BATCH_NS);
	int err = 0;

	while (!err && !s->discard_flush && !s->discard_stop)
		err = pthread_cond_timedwait(&s->slots_cond, &s->slots_lock, &until);
}

static void *discard_thread(void *arg)
{
	struct zcs_swap *s = arg;

	zcs_sys_own_thread("zcs-discard");
	pthread_mutex_lock(&s->slots_lock);
	while (!s->discard_stop) {
		if (!nr_stale(s)) {
			pthread_cond_wait(&s->slots_cond, &s->slots_lock);
			continue;
		}
		collect(s);
		discard_all(s);
	}
	pthread_mutex_unlock(&s->slots_lock);
	return NULL;
}

int zcs_swap_discard_start(struct zcs_swap *s)
{
	bool wanted = false;
	int err;

	for (unsigned i = 0; i < s->nr_devs; i++)
		wanted |= s->dev[i].discard;
	if (!wanted)
		return 0;
	err = zcs_sys_thread(&s->discard_thread, discard_thread, s);
	s->discard_running = !err;
	return err;
}

void zcs_swap_discard_stop(struct zcs_swap *s)
{
	if (!s->discard_running)
		return;
	pthread_mutex_lock(&s->slots_lock);
	s->discard_stop = true;
	pthread_cond_broadcast(&s->slots_cond);
	pthread_mutex_unlock(&s->slots_lock);
	pthread_join(s->discard_thread, NULL);
	s->discard_running = false;
}

static bool has_discards_left(const struct zcs_swap *s)
{
	uint32_t nr = nr_stale(s);

	for (unsigned i = 0; i < s->nr_devs; i++)
		nr += s->dev[i].slots.nr_discarding;
	return nr != 0;
}

void zcs_swap_discard_flush(struct zcs_swap *s)
{
	if (!s->discard_running)
		return;
	pthread_mutex_lock(&s->slots_lock);
	s->discard_flush = true;
	pthread_cond_broadcast(&s->slots_cond);
	while (has_discards_left(s))
		pthread_cond_wait(&s->slots_cond, &s->slots_lock);
	s->discard_flush = false;
	pthread_mutex_unlock(&s->slots_lock);
}
