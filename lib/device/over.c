/* SPDX-License-Identifier: MIT */
/*
 * A limit that no longer holds. A touch is never refused. So where no page can be evicted, a device
 * goes on above max_bytes for as long as its bos are used. The caller has asked for that, but may
 * easily overlook it. So each such finding of the background thread is counted. If the store is the
 * reason, the reason is logged once for each device.
 */
#include "common/log.h"
#include "device_priv.h"
#include "store/store.h"

#define UNIT_BYTES ((uint64_t)ZCS_UNIT_PAGES * ZCS_PAGE_SIZE)
#define KIB(pages) ((unsigned long long)(pages) * (ZCS_PAGE_SIZE / 1024))

enum reason { OTHER, IN_MEMORY, FULL, FAILING };

static const char *const text[] = {
	[OTHER] = "what is left is pinned or in use",
	[IN_MEMORY] = "the store is mem:, which frees no memory; give one on a file or device",
	[FULL] = "the store is full; give a larger one, or another one beside it",
	[FAILING] = "the store's device fails",
};

uint64_t zcs_over_pages(const struct zcs_device *dev)
{
	uint64_t max = zcs_pool_max(dev->pool), resident = zcs_pool_resident(dev->pool);

	return max && resident > max ? resident - max : 0;
}

/*
 * Finds the reason by the store's counters since the last time. A full store is not even asked, so
 * its room is compared as well.
 */
static enum reason find_reason(struct zcs_device *dev)
{
	uint64_t no_space = dev->over_no_space, failed = dev->over_failed;

	if (!zcs_store_frees(dev->store))
		return IN_MEMORY;
	dev->over_no_space = dev->store->counts.no_space;
	dev->over_failed = zcs_store_refused(dev->store) - dev->over_no_space;
	if (zcs_store_room(dev->store) < UNIT_BYTES || dev->over_no_space != no_space)
		return FULL;
	return dev->over_failed != failed ? FAILING : OTHER;
}

void zcs_over_note(struct zcs_device *dev)
{
	enum reason why = find_reason(dev);
	bool known = dev->over_said >> why & 1;
	enum zcs_log_level level = why == OTHER || known ? ZCS_LOG_DEBUG : ZCS_LOG_WARN;

	zcs_count(dev->limit_failed);
	dev->over_said |= 1u << why;
	zcs_log(level,
		"device %p: %llu KiB over max_bytes (%llu KiB), and nothing can be evicted: %s",
		(void *)dev, KIB(zcs_over_pages(dev)), KIB(zcs_pool_max(dev->pool)), text[why]);
}
