/* SPDX-License-Identifier: MIT */
#ifndef QUICKSTART_SCENE_H
#define QUICKSTART_SCENE_H

#include "quickstart_pipe.h"

#define PICTURE_WIDTH  1280u
#define PICTURE_HEIGHT 720u
#define PICTURE_BYTES  (4ull * PICTURE_WIDTH * PICTURE_HEIGHT)

/**
 * struct resource - an image or a buffer of the scene, and the memory it is bound to
 * @bytes: what it needs, a multiple of 2 MiB
 * @types: memory types it takes
 * @used: bytes that hold texels or pixels; what follows is padding
 */
struct resource {
	char name[24];
	struct vk_image_desc desc;
	VkImage image;
	VkImageView view;
	VkBuffer buffer;
	VkDeviceMemory memory;
	void *address;
	uint64_t bytes, used;
	uint32_t types;
};

/**
 * struct scene - a wall of panels, one a texture, in a room
 * @resource: the textures first, then the targets
 * @samples: edge of the square of wall samples that make up a pixel of the picture
 */
struct scene {
	struct vk *vk;
	struct pipes pipes;
	struct resource *resource;
	uint32_t count, textures, texture_size, samples, rows;
	VkDescriptorSet *texture_set;
	VkDescriptorSet wall_set;
	VkImageView wall_base;
};

/** scene_create - make a scene's resources, about @bytes of memory, without memory yet */
void scene_create(struct scene *scene, struct vk *vk, uint64_t bytes);
/** scene_bind - give a resource its memory: resource[@i].bytes at @address, imported, not copied */
void scene_bind(struct scene *scene, uint32_t i, void *address);
/** scene_paint - make the pipelines and paint the textures; every resource has memory */
void scene_paint(struct scene *scene);
/**
 * scene_draw - draw into cleared targets; the device is idle on return. Return: PICTURE_BYTES of
 * RGBA
 */
const uint8_t *scene_draw(struct scene *scene);
/** scene_destroy - free all but the memory, which the caller owns */
void scene_destroy(struct scene *scene);

#endif
