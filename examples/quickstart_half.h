/* SPDX-License-Identifier: MIT */
#ifndef QUICKSTART_HALF_H
#define QUICKSTART_HALF_H

#include <stdint.h>

#include <zcswap/zcswap.h>

/**
 * struct half_result - what was seen
 * @frames: how many were drawn; @differ: of them not like the picture
 * @limit: of the pool, bytes; @most: that were resident whenever it was looked at
 * @evicted: bos written back for want of memory; @read: folios that a touch had to read
 * @left_out: why nothing was rendered, because touches cannot restore here; else NULL
 */
struct half_result {
	unsigned frames, differ;
	uint64_t limit, most, evicted, read;
	const char *left_out;
};

/**
 * half_run - render the scene of @bytes again from bos of a device whose pool is half as large
 * @backing: of the pool
 * @picture: what the frames must look like, PICTURE_BYTES
 *
 * The bos are evicted to an unnamed file in TMPDIR and restored on touch while lavapipe renders.
 */
struct half_result half_run(uint64_t bytes, enum zcs_backing backing, const uint8_t *picture);

#endif
