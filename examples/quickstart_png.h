/* SPDX-License-Identifier: MIT */
#ifndef QUICKSTART_PNG_H
#define QUICKSTART_PNG_H

#include <stdint.h>

/** png_save - write @width x @height RGBA pixels of 8 bits to the file @path, without the alpha */
void png_save(const char *path, const uint8_t *pixels, uint32_t width, uint32_t height);

#endif
