/* SPDX-License-Identifier: MIT */
/*
 * Memory pressure: whose it is, and what it takes away.
 *
 * The kernel tells that somebody has waited for memory: somebody of the process's own control
 * group, or of the machine. The latter may be a stranger who has reached the limit of a group of
 * his own, with gigabytes free outside: what is evicted here does not help him. Therefore an event
 * counts only if memory is short as well,
 *
 *	of the machine		MemAvailable
 *	of a group around us	its limit, by what is charged
 *
 * and it takes away no more than what lacks, and an eighth of what is resident at most. Hugetlb
 * pages are no help to anybody who waits for memory: they go back to a reserve of their own.
 *
 * What is left is a cap: growing over it by half of an eighth is undone, and it is lifted without
 * another event for CALM_NS, or when there is room again, twice as much as makes an event count.
 * Without a cap bos would take at once what the event gave back to the system.
 */
#include <string.h>

#include "common/log.h"
#include "device_priv.h"
#include "sys/sys.h"

#define STALL_MS 150u
#define WINDOW_S 2u
#define PART	 8u /* of what is resident goes on an event: one part in */
#define CALM_NS	 UINT64_C(10000000000)

/*
 * What should be available, one part in, and this at most. Who waits himself is heard earlier than
 * strangers are.
 */
#define MACHINE_PART 8u
#define GROUP_PART   4u
#define MOST	     (UINT64_C(4) << 30)

/* Pages that lack; where that is not known, all of them do. */
static uint64_t lacking(unsigned part, uint64_t most)
{
	int64_t bytes = zcs_sys_lacking(part, most);

	return bytes < 0 ? UINT64_MAX : ((uint64_t)bytes + ZCS_PAGE_SIZE - 1) / ZCS_PAGE_SIZE;
}

/* Resident pages that the system has back when they are evicted. */
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
	/* what could not be evicted last time is not asked for twice */
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

/* The process may have come into another group, and the old one is gone. */
void zcs_pressure_lost(struct zcs_device *dev, enum zcs_psi whose)
{
	zcs_sys_close(dev->psi[whose]);
	watch(dev, whose);
	if (!zcs_pressure_is_watched(dev))
		zcs_warn("memory pressure is no longer watched: %s",
			 strerror(dev->psi_error[whose]));
}
