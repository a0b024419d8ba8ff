/* SPDX-License-Identifier: MIT */
#ifndef QUICKSTART_PIPE_H
#define QUICKSTART_PIPE_H

#include "quickstart_vk.h"

#define COLOUR_FORMAT VK_FORMAT_R8G8B8A8_UNORM
#define DEPTH_FORMAT  VK_FORMAT_D32_SFLOAT

/* Push constants, as the shaders declare them. */
struct fill_push {
	uint32_t seed, size;
};
struct panel_push {
	float rect[4];
	float inset[2];
	int32_t taps, levels;
};
struct room_push {
	float picture[2];
	float wall_size[2];
	int32_t samples;
};

/**
 * struct pipes - the three pipelines and what they bind
 * @canvas: set layout with one storage image; @sampled: with one image and sampler
 * @fill: compute, paints a texture
 * @panel: draws a panel with its shadow and the plaster into the wall target
 * @room: draws the picture from the wall target
 */
struct pipes {
	VkSampler sampler;
	VkDescriptorPool pool;
	VkDescriptorSetLayout canvas, sampled;
	VkPipelineLayout fill_layout, panel_layout, room_layout;
	VkPipeline fill, panel, room;
};

/** pipes_create - make the pipelines and room for @sets descriptor sets of each sort */
void pipes_create(struct pipes *pipes, struct vk *vk, uint32_t sets);
void pipes_destroy(struct pipes *pipes, struct vk *vk);

/** pipes_canvas - a set that gives @view to the fill shader */
VkDescriptorSet pipes_canvas(struct pipes *pipes, struct vk *vk, VkImageView view);
/** pipes_sampled - a set that gives @view to a fragment shader */
VkDescriptorSet pipes_sampled(struct pipes *pipes, struct vk *vk, VkImageView view);

#endif
