/* SPDX-License-Identifier: MIT */
/* The pictures leave the program as PNG through libpng's simplified interface. */
#include "quickstart_png.h"
#include "quickstart_util.h"

#include <stdlib.h>
#include <string.h>

#include <png.h>

void png_save(const char *path, const uint8_t *pixels, uint32_t width, uint32_t height)
{
	uint64_t count = (uint64_t)width * height;
	uint8_t *rgb = alloc(count, 3);
	png_image image;

	for (uint64_t i = 0; i < count; i++)
		memcpy(rgb + 3 * i, pixels + 4 * i, 3);
	memset(&image, 0, sizeof(image));
	image.version = PNG_IMAGE_VERSION;
	image.width = width;
	image.height = height;
	image.format = PNG_FORMAT_RGB;
	if (!png_image_write_to_file(&image, path, 0, rgb, 0, NULL))
		die("png_image_write_to_file %s: %s", path, image.message);
	free(rgb);
}
