/* SPDX-License-Identifier: MIT */
/*
 * The fault threads, and how many of them may wait.
 *
 * A touch may have to wait for a read, for a lock or for memory. Its thread waits with it, and
 * another thread has to serve the other touches. So a thread asks before it waits
 * (zcs_toucher_may_wait()). It may wait if another thread is left that does not. If none is left,
 * one more is made, up to ZCS_TOUCHERS_MAX. At that number the touch is parked, and the first
 * thread that ends its wait takes it up. The thread that is left serves the touches that need no
 * wait: resident folios and new pages.
 *
 * Cost: threads stay until the device ends. An idle one costs a stack that is not touched.
 *
 * Known limit: with ZCS_TOUCHERS_MAX - 1 waits at a time, a further read has to queue.
 */
#include <pthread.h>
#include <stdlib.h>

#include "common/held.h"
#include "device_priv.h"
#include "sys/sys.h"

/*
 * Whether a thread is left if the caller waits. The caller holds the lock. If there is only one
 * thread, it must wait, or no touch would be served.
 */
static bool one_is_left(const struct zcs_device *dev)
{
	zcs_assert_held(&dev->toucher_lock);
	return dev->waiting + 1 < dev->nr_touchers || dev->nr_touchers == 1;
}

/* The caller holds the lock. */
static int add_toucher(struct zcs_device *dev)
{
	int err = zcs_sys_thread(&dev->toucher[dev->nr_touchers], zcs_touch_run, dev);

	zcs_assert_held(&dev->toucher_lock);
	if (!err)
		dev->nr_touchers++;
	return err;
}

bool zcs_toucher_may_wait(struct zcs_device *dev)
{
	bool may;

	pthread_mutex_lock(&dev->toucher_lock);
	if (dev->waiting + 1 >= dev->nr_touchers && dev->nr_touchers < ZCS_TOUCHERS_MAX &&
	    !dev->stop)
		add_toucher(dev);
	may = one_is_left(dev);
	if (may)
		dev->waiting++;
	pthread_mutex_unlock(&dev->toucher_lock);
	return may;
}

struct zcs_parked *zcs_toucher_waited(struct zcs_device *dev)
{
	struct zcs_parked *parked;

	pthread_mutex_lock(&dev->toucher_lock);
	parked = STAILQ_FIRST(&dev->parked);
	if (parked)
		STAILQ_REMOVE_HEAD(&dev->parked, next);
	else
		dev->waiting--;
	pthread_mutex_unlock(&dev->toucher_lock);
	return parked;
}

bool zcs_toucher_park(struct zcs_bo *bo, const struct zcs_tt_event *event)
{
	struct zcs_device *dev = bo->device;
	struct zcs_parked *parked = zcs_sys_calloc(ZCS_FAULT_ALLOC_BO, 1, sizeof(*parked));
	bool may_wait;

	if (!parked)
		return false;
	*parked = (struct zcs_parked){ .bo = bo, .event = *event };
	pthread_mutex_lock(&dev->toucher_lock);
	/* the waiting threads may have gone on meanwhile, and none would take this touch up */
	may_wait = one_is_left(dev);
	if (!may_wait) {
		STAILQ_INSERT_TAIL(&dev->parked, parked, next);
		atomic_fetch_add(&dev->busy_touchers, 1);
	}
	pthread_mutex_unlock(&dev->toucher_lock);
	if (may_wait)
		free(parked);
	return !may_wait;
}

int zcs_touchers_start(struct zcs_device *dev)
{
	int err = 0;

	pthread_mutex_lock(&dev->toucher_lock);
	while (!err && dev->nr_touchers < ZCS_FAULT_THREADS)
		err = add_toucher(dev);
	/* one thread is enough to work */
	if (dev->nr_touchers)
		err = 0;
	pthread_mutex_unlock(&dev->toucher_lock);
	return err;
}

void zcs_touchers_stop(struct zcs_device *dev)
{
	unsigned nr;

	pthread_mutex_lock(&dev->toucher_lock);
	dev->stop = true;
	nr = dev->nr_touchers;
	pthread_mutex_unlock(&dev->toucher_lock);
	zcs_sys_event_add(dev->stop_event);
	/* no thread is added now; those that still run read nr_touchers */
	for (unsigned i = 0; i < nr; i++)
		pthread_join(dev->toucher[i], NULL);
	dev->nr_touchers = 0;
}

bool zcs_touchers_are_me(struct zcs_device *dev)
{
	bool me = false;

	pthread_mutex_lock(&dev->toucher_lock);
	for (unsigned i = 0; i < dev->nr_touchers; i++)
		me = me || pthread_equal(pthread_self(), dev->toucher[i]);
	pthread_mutex_unlock(&dev->toucher_lock);
	return me;
}
