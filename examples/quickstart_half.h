/* SPDX-License-Identifier: MIT */
#ifndef QUICKSTART_HALF_H
#define QUICKSTART_HALF_H

#include <stdint.h>

#include <zcswap/zcswap.h>

/**
 * half_run - render the scene of @bytes again from bos of a device whose pool is half as large
 * @backing: of the pool
 * @picture: what the frames must look like, PICTURE_BYTES
 *
 * The bos are evicted to an unnamed file in TMPDIR and restored on touch while lavapipe renders.
 *
 * Return: number of frames that differ
 */
unsigned half_run(uint64_t bytes, enum zcs_backing backing, const uint8_t *picture);

#endif
