/* SPDX-License-Identifier: MIT */
#ifndef BO_TEST_H
#define BO_TEST_H

#include "zcs_test.h"

/*
 * Functions that the tests of devices and bos share. A case makes a device with bo_device() and
 * leaves it through bo_device_done(), which runs the validators.
 */

/* Limits of 0: none. Store: NULL is "mem:", BO_FILE a file in TMPDIR. Without pressure events. */
#define BO_FILE "file:?size=256M"
struct zcs_device *bo_device(enum zcs_backing backing, uint64_t max_bytes, const char *store);
struct zcs_device *bo_device_with(const struct zcs_device_params *params);
struct zcs_device_params bo_device_params(enum zcs_backing backing, uint64_t max_bytes,
					  const char *store);
/* Every bo is gone, the validators find nothing, and it is destroyed. */
void bo_device_done(struct zcs_device *device);
/* Those of this case; a device that was destroyed on a thread of its own takes a little longer. */
bool bo_arenas_are_gone(void);
/* The validators; nobody uses the device. */
void bo_device_ok(struct zcs_device *device);
struct zcs_stats bo_device_stats(struct zcs_device *device);

struct zcs_bo *bo_new(struct zcs_device *device, uint64_t size);
struct zcs_bo *bo_new_with(struct zcs_device *device, uint64_t size, unsigned priority,
			   uint32_t flags);
struct zcs_stats bo_stats(struct zcs_bo *bo);

/* Content, through the bo's address: touches. */
void bo_fill(struct zcs_bo *bo, uint64_t seed);
bool bo_is(struct zcs_bo *bo, uint64_t seed);
bool bo_is_zero(struct zcs_bo *bo);
unsigned char *bo_at(struct zcs_bo *bo, uint64_t offset);
static inline unsigned char bo_read(struct zcs_bo *bo, uint64_t offset)
{
	return *(volatile unsigned char *)bo_at(bo, offset);
}

/* Evicts with writeback, and waits until no page is in memory. */
void bo_write_out(struct zcs_bo *bo);
/* Waits, 10 s at most, until the condition holds. */
#define bo_wait_for(cond)                                         \
	do {                                                      \
		unsigned left_ = 10000;                           \
		while (!(cond) && --left_)                        \
			bo_sleep_ms(1);                           \
		if (!left_)                                       \
			fail_msg("waited in vain for %s", #cond); \
	} while (0)
void bo_sleep_ms(unsigned ms);
uint64_t bo_now_ms(void);

/* Whether an address that is out can trap here at all. */
bool bo_has_userfaultfd(void);

/*
 * A size that each backing makes of its own kind of folios: 4 MiB, and 2 MiB and a bit of small
 * pages.
 */
#define BO_SIZE (UINT64_C(4) << 20)

#endif
