/* SPDX-License-Identifier: MIT */
#ifndef QUICKSTART_HALF_H
#define QUICKSTART_HALF_H

#include <stdint.h>

#include <zcswap/zcswap.h>

/**
 * struct half_result - what the run has shown
 * @frames: number of frames drawn; @differ: number of frames that differ from the picture
 * @limit: of the pool, in bytes; @most: the most bytes seen resident
 * @evicted: bos written back for lack of memory; @read: folios that a touch had to read
 * @left_out: why nothing was rendered, because touches cannot restore here; otherwise NULL
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
