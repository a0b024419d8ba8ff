/* SPDX-License-Identifier: MIT */
/*
 * Memory pressure: which memory is short, and how many pages leave for it.
 *
 * The kernel reports that a task has waited for memory: a task of the process's own control group,
 * or any task of the machine. The latter may belong to a group that has reached its own limit, with
 * gigabytes free outside. An eviction here would not help that task. So an event counts only if
 * memory is short as well,
 *
 *	of the machine		by MemAvailable
 *	of a group around us	by its limit minus its charge
 *
 * and it takes no more pages than are missing, and at most an eighth of the resident ones. Hugetlb
 * pages do not help any waiting task, for they return to a reserve of their own.
 *
 * After an event the remaining pages are a cap. Growth over the cap by a sixteenth of it is undone.
 * The cap is lifted CALM_NS after the last event, or as soon as twice as much room is available as
 * makes an event count. Without a cap, bos would at once take back the pages that the event gave to
 * the system.
 */
#include <string.h>

#include "common/log.h"
#include "device_priv.h"
#include "sys/sys.h"

#define STALL_MS 150u
#define WINDOW_S 2u
#define PART	 8u /* an event takes one part in so many of the resident pages */
#define CALM_NS	 UINT64_C(10000000000)

/*
 * One part in so many should be available, but at most MOST. A task of the own group is heard
 * earlier than a stranger.
 */
#define MACHINE_PART 8u
#define GROUP_PART   4u
#define MOST	     (UINT64_C(4) << 30)

/* Pages that are missing; all of them if that is unknown. */
static uint64_t lacking(unsigned part, uint64_t most)
{
	int64_t bytes = zcs_sys_lacking(part, most);

	return bytes < 0 ? UINT64_MAX : ((uint64_t)bytes + ZCS_PAGE_SIZE - 1) / ZCS_PAGE_SIZE;
}

/* Resident pages that return to the system when they are evicted. */
static uint64_t given_back(struct zcs_pool *pool, uint64_t resident)
{
	uint64_t hugetlb = zcs_pool_hugetlb_pages(pool);

	return resident > hugetlb ? resident - hugetlb : 0;
}

static uint64_t least(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

bool zcs_pressure_event(struct zcs_device *dev, enum zcs_psi whose)
{
	uint64_t resident = zcs_pool_resident(dev->pool), take;
	bool group = whose == ZCS_PSI_GROUP;

	zcs_count(dev->psi_events);
	take = lacking(group ? GROUP_PART : MACHINE_PART, group ? 2 * MOST : MOST);
	take = least(take, least(resident / PART, given_back(dev->pool, resident)));
	if (!take) {
		zcs_count(dev->psi_ignored);
		return false;
	}
	/* pages that could not be evicted last time are not asked for twice */
	if (!dev->cap || resident <= dev->cap + dev->cap / PART)
		dev->cap = resident - take;
	dev->cap_until = zcs_sys_now_ns() + CALM_NS;
	return true;
}

bool zcs_pressure_is_over_cap(struct zcs_device *dev)
{
	if (dev->cap && zcs_sys_now_ns() >= dev->cap_until)
		dev->cap = 0;
	if (!dev->cap || zcs_pool_resident(dev->pool) <= dev->cap + dev->cap / PART / 2)
		return false;
	if (!lacking(MACHINE_PART / 2, 2 * MOST))
		dev->cap = 0;
	return dev->cap;
}

static void watch(struct zcs_device *dev, enum zcs_psi whose)
{
	dev->psi[whose] = zcs_sys_psi(whose, STALL_MS, WINDOW_S);
	dev->psi_error[whose] = dev->psi[whose] < 0 ? -dev->psi[whose] : 0;
}

void zcs_pressure_watch(struct zcs_device *dev)
{
	watch(dev, ZCS_PSI_GROUP);
	watch(dev, ZCS_PSI_MACHINE);
	if (!zcs_pressure_is_watched(dev))
		zcs_debug("memory pressure is not watched: %s",
			  strerror(dev->psi_error[ZCS_PSI_MACHINE]));
}

bool zcs_pressure_is_watched(const struct zcs_device *dev)
{
	return dev->psi[ZCS_PSI_GROUP] >= 0 || dev->psi[ZCS_PSI_MACHINE] >= 0;
}

/* Makes a new trigger. The process may have moved to another group, and the old group is gone. */
void zcs_pressure_lost(struct zcs_device *dev, enum zcs_psi whose)
{
	zcs_sys_close(dev->psi[whose]);
	watch(dev, whose);
	if (!zcs_pressure_is_watched(dev))
		zcs_warn("memory pressure is no longer watched: %s",
			 strerror(dev->psi_error[whose]));
}
