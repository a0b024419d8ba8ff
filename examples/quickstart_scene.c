/* SPDX-License-Identifier: MIT */
/*
 * The scene. Each texture is painted by a compute shader and has a whole mip chain; a panel on the
 * wall shows all of it. The wall is an offscreen target with @samples^2 samples for each pixel of
 * the picture, a depth buffer and mip levels of its own, which the reflections in the room read.
 * From 256 MiB on:
 *
 *	textures, each	2048 x 2048 RGBA with 12 levels		 22 MiB
 *	wall		5120 x 2048 RGBA with 13 levels		 54 MiB
 *	depth		5120 x 2048 floats			 40 MiB
 *	picture, and the buffer it is read back through		  8 MiB
 *
 * lavapipe keeps texels row by row: a 4 KiB page is half a row of 2048 texels. The panel shader
 * skips no row, and by default the wall has over a hundred samples for each page, so a wrong page
 * shows in the picture; the option --spoil makes one.
 */
#include "quickstart_scene.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WALL_HEIGHT 512u

enum target { WALL, DEPTH, PICTURE, READBACK, TARGETS };

static struct resource *target(struct scene *scene, enum target which)
{
	return &scene->resource[scene->textures + which];
}

static void set_needs(struct resource *res, VkMemoryRequirements needs)
{
	res->used = needs.size;
	res->bytes = round_up(needs.size, HUGE);
	res->types = needs.memoryTypeBits;
}

static void make_image(struct scene *scene, struct resource *res)
{
	VkMemoryRequirements needs;

	res->image = vk_image(scene->vk, &res->desc);
	vkGetImageMemoryRequirements(scene->vk->device, res->image, &needs);
	set_needs(res, needs);
}

static void make_textures(struct scene *scene)
{
	for (uint32_t i = 0; i < scene->textures; i++) {
		struct resource *res = &scene->resource[i];

		snprintf(res->name, sizeof(res->name), "texture %u", i);
		res->desc = (struct vk_image_desc){
			.format = COLOUR_FORMAT,
			.width = scene->texture_size,
			.height = scene->texture_size,
			.levels = vk_levels(scene->texture_size),
			.usage = VK_IMAGE_USAGE_STORAGE_BIT | VK_IMAGE_USAGE_SAMPLED_BIT |
				 VK_IMAGE_USAGE_TRANSFER_SRC_BIT | VK_IMAGE_USAGE_TRANSFER_DST_BIT,
		};
		make_image(scene, res);
	}
}

static void make_target(struct scene *scene, enum target which, const char *name,
			struct vk_image_desc desc)
{
	struct resource *res = target(scene, which);

	snprintf(res->name, sizeof(res->name), "%s", name);
	res->desc = desc;
	make_image(scene, res);
}

static void make_targets(struct scene *scene)
{
	uint32_t width = PICTURE_WIDTH * scene->samples, height = WALL_HEIGHT * scene->samples;
	struct resource *readback = target(scene, READBACK);
	VkMemoryRequirements needs;

	make_target(scene, WALL, "wall",
		    (struct vk_image_desc){ COLOUR_FORMAT, width, height, vk_levels(width),
					    VK_IMAGE_USAGE_COLOR_ATTACHMENT_BIT |
						    VK_IMAGE_USAGE_SAMPLED_BIT |
						    VK_IMAGE_USAGE_TRANSFER_SRC_BIT |
						    VK_IMAGE_USAGE_TRANSFER_DST_BIT });
	make_target(scene, DEPTH, "depth",
		    (struct vk_image_desc){ DEPTH_FORMAT, width, height, 1,
					    VK_IMAGE_USAGE_DEPTH_STENCIL_ATTACHMENT_BIT });
	make_target(scene, PICTURE, "picture",
		    (struct vk_image_desc){ COLOUR_FORMAT, PICTURE_WIDTH, PICTURE_HEIGHT, 1,
					    VK_IMAGE_USAGE_COLOR_ATTACHMENT_BIT |
						    VK_IMAGE_USAGE_TRANSFER_SRC_BIT });
	snprintf(readback->name, sizeof(readback->name), "readback");
	readback->buffer = vk_buffer(scene->vk, PICTURE_BYTES, VK_BUFFER_USAGE_TRANSFER_DST_BIT);
	vkGetBufferMemoryRequirements(scene->vk->device, readback->buffer, &needs);
	set_needs(readback, needs);
}

/* Four bytes a texel, a third more for the levels below 0. */
static uint64_t chain_bytes(uint64_t width, uint64_t height)
{
	return round_up(width * height * 16 / 3, HUGE);
}

/* Panels as square as can be: rows is sqrt(textures * height / width), rounded. */
static bool next_row_fits(const struct scene *scene)
{
	uint64_t twice = 2 * scene->rows + 1;

	return twice * twice * PICTURE_WIDTH <= 4ull * scene->textures * WALL_HEIGHT;
}

static void choose_sizes(struct scene *scene, uint64_t bytes)
{
	uint64_t width, height, targets, texture;

	scene->samples = bytes < 256 * MIB ? 2 : 4;
	scene->texture_size = bytes < 256 * MIB ? 1024 : 2048;
	width = PICTURE_WIDTH * scene->samples;
	height = WALL_HEIGHT * scene->samples;
	targets =
		chain_bytes(width, height) + 4 * width * height + 2 * round_up(PICTURE_BYTES, HUGE);
	texture = chain_bytes(scene->texture_size, scene->texture_size);
	scene->textures = 2;
	if (bytes > targets + 2 * texture)
		scene->textures = (uint32_t)((bytes - targets + texture / 2) / texture);
	scene->count = scene->textures + TARGETS;
	scene->rows = 1;
	while (next_row_fits(scene))
		scene->rows++;
}

void scene_create(struct scene *scene, struct vk *vk, uint64_t bytes)
{
	memset(scene, 0, sizeof(*scene));
	scene->vk = vk;
	choose_sizes(scene, bytes);
	scene->resource = alloc(scene->count, sizeof(*scene->resource));
	scene->texture_set = alloc(scene->textures, sizeof(VkDescriptorSet));
	make_textures(scene);
	make_targets(scene);
}

void scene_bind(struct scene *scene, uint32_t i, void *address)
{
	struct resource *res = &scene->resource[i];
	struct vk *vk = scene->vk;

	res->address = address;
	res->memory = vk_import(vk, address, res->bytes, res->types);
	if (res->buffer) {
		VK_CHECK(vkBindBufferMemory(vk->device, res->buffer, res->memory, 0));
		return;
	}
	VK_CHECK(vkBindImageMemory(vk->device, res->image, res->memory, 0));
	res->view = vk_view(vk, res->image, res->desc.format, 0, res->desc.levels);
}

static void ready_images(struct scene *scene)
{
	VkCommandBuffer cmd = vk_begin(scene->vk);

	for (uint32_t i = 0; i < scene->count; i++) {
		struct resource *res = &scene->resource[i];

		if (res->image)
			vk_ready(cmd, res->image, res->desc.format);
	}
	vk_run(scene->vk);
}

static void paint_texture(struct scene *scene, uint32_t i)
{
	struct resource *res = &scene->resource[i];
	struct vk *vk = scene->vk;
	struct fill_push push = { i, res->desc.width };
	VkImageView canvas = vk_view(vk, res->image, res->desc.format, 0, 1);
	VkDescriptorSet set = pipes_canvas(&scene->pipes, vk, canvas);
	VkCommandBuffer cmd = vk_begin(vk);

	vkCmdBindPipeline(cmd, VK_PIPELINE_BIND_POINT_COMPUTE, scene->pipes.fill);
	vkCmdBindDescriptorSets(cmd, VK_PIPELINE_BIND_POINT_COMPUTE, scene->pipes.fill_layout, 0, 1,
				&set, 0, NULL);
	vkCmdPushConstants(cmd, scene->pipes.fill_layout, VK_SHADER_STAGE_COMPUTE_BIT, 0,
			   sizeof(push), &push);
	vkCmdDispatch(cmd, res->desc.width / 16, res->desc.height / 16, 1);
	vk_mipmaps(cmd, res->image, res->desc.width, res->desc.height, res->desc.levels);
	vk_run(vk);
	vkDestroyImageView(vk->device, canvas, NULL);
}

void scene_paint(struct scene *scene)
{
	struct resource *wall = target(scene, WALL);

	pipes_create(&scene->pipes, scene->vk, scene->count);
	ready_images(scene);
	for (uint32_t i = 0; i < scene->textures; i++) {
		paint_texture(scene, i);
		scene->texture_set[i] =
			pipes_sampled(&scene->pipes, scene->vk, scene->resource[i].view);
	}
	scene->wall_set = pipes_sampled(&scene->pipes, scene->vk, wall->view);
	scene->wall_base = vk_view(scene->vk, wall->image, wall->desc.format, 0, 1);
}

/* Row by row; the rows differ by one panel at most. */
static struct panel_push place_panel(const struct scene *scene, uint32_t i)
{
	uint32_t row = i * scene->rows / scene->textures;
	uint32_t first = (row * scene->textures + scene->rows - 1) / scene->rows;
	uint32_t end = ((row + 1) * scene->textures + scene->rows - 1) / scene->rows;
	float width = 1.0f / (float)(end - first), height = 1.0f / (float)scene->rows;
	float x = width * (float)(i - first), y = height * (float)row, gap = 0.06f;
	float pixels = height * (1.0f - 2.0f * gap) * (float)(WALL_HEIGHT * scene->samples);
	struct panel_push push = {
		.rect = { 2 * (x + gap * width) - 1, 2 * (y + gap * height) - 1,
			  2 * (x + (1 - gap) * width) - 1, 2 * (y + (1 - gap) * height) - 1 },
		.inset = { 0.04f, 0.04f },
		.taps = 1 + (int32_t)((float)scene->texture_size / (2.0f * 0.92f * pixels)),
		.levels = (int32_t)vk_levels(scene->texture_size),
	};

	return push;
}

static void begin_rendering(VkCommandBuffer cmd, const struct resource *colour, VkImageView view,
			    const struct resource *depth)
{
	VkRenderingAttachmentInfo attachment[2] = {
		{
			.sType = VK_STRUCTURE_TYPE_RENDERING_ATTACHMENT_INFO,
			.imageView = view,
			.imageLayout = VK_IMAGE_LAYOUT_GENERAL,
			.loadOp = VK_ATTACHMENT_LOAD_OP_CLEAR,
			.storeOp = VK_ATTACHMENT_STORE_OP_STORE,
		},
	};
	VkRenderingInfo info = {
		.sType = VK_STRUCTURE_TYPE_RENDERING_INFO,
		.renderArea.extent = { colour->desc.width, colour->desc.height },
		.layerCount = 1,
		.colorAttachmentCount = 1,
		.pColorAttachments = &attachment[0],
		.pDepthAttachment = depth ? &attachment[1] : NULL,
	};
	VkViewport viewport = { 0, 0, (float)colour->desc.width, (float)colour->desc.height, 0, 1 };

	attachment[1] = attachment[0];
	attachment[1].imageView = depth ? depth->view : VK_NULL_HANDLE;
	attachment[1].clearValue.depthStencil.depth = 1.0f;
	vkCmdBeginRendering(cmd, &info);
	vkCmdSetViewport(cmd, 0, 1, &viewport);
	vkCmdSetScissor(cmd, 0, 1, &info.renderArea);
}

static void draw_wall(struct scene *scene, VkCommandBuffer cmd)
{
	const struct pipes *pipes = &scene->pipes;

	begin_rendering(cmd, target(scene, WALL), scene->wall_base, target(scene, DEPTH));
	vkCmdBindPipeline(cmd, VK_PIPELINE_BIND_POINT_GRAPHICS, pipes->panel);
	for (uint32_t i = 0; i < scene->textures; i++) {
		struct panel_push push = place_panel(scene, i);

		vkCmdBindDescriptorSets(cmd, VK_PIPELINE_BIND_POINT_GRAPHICS, pipes->panel_layout,
					0, 1, &scene->texture_set[i], 0, NULL);
		vkCmdPushConstants(cmd, pipes->panel_layout,
				   VK_SHADER_STAGE_VERTEX_BIT | VK_SHADER_STAGE_FRAGMENT_BIT, 0,
				   sizeof(push), &push);
		vkCmdDraw(cmd, 16 * 16 * 6, i + 1 == scene->textures ? 3 : 2, 0, 0);
	}
	vkCmdEndRendering(cmd);
}

static void draw_room(struct scene *scene, VkCommandBuffer cmd)
{
	const struct pipes *pipes = &scene->pipes;
	struct resource *picture = target(scene, PICTURE);
	struct room_push push = {
		.picture = { (float)PICTURE_WIDTH, (float)PICTURE_HEIGHT },
		.wall_size = { (float)PICTURE_WIDTH, (float)WALL_HEIGHT },
		.samples = (int32_t)scene->samples,
	};

	begin_rendering(cmd, picture, picture->view, NULL);
	vkCmdBindPipeline(cmd, VK_PIPELINE_BIND_POINT_GRAPHICS, pipes->room);
	vkCmdBindDescriptorSets(cmd, VK_PIPELINE_BIND_POINT_GRAPHICS, pipes->room_layout, 0, 1,
				&scene->wall_set, 0, NULL);
	vkCmdPushConstants(cmd, pipes->room_layout, VK_SHADER_STAGE_FRAGMENT_BIT, 0, sizeof(push),
			   &push);
	vkCmdDraw(cmd, 3, 1, 0, 0);
	vkCmdEndRendering(cmd);
}

static void read_back(struct scene *scene, VkCommandBuffer cmd)
{
	VkBufferImageCopy copy = {
		.imageSubresource = { VK_IMAGE_ASPECT_COLOR_BIT, 0, 0, 1 },
		.imageExtent = { PICTURE_WIDTH, PICTURE_HEIGHT, 1 },
	};

	vkCmdCopyImageToBuffer(cmd, target(scene, PICTURE)->image, VK_IMAGE_LAYOUT_GENERAL,
			       target(scene, READBACK)->buffer, 1, &copy);
}

const uint8_t *scene_draw(struct scene *scene)
{
	struct resource *wall = target(scene, WALL);
	VkCommandBuffer cmd = vk_begin(scene->vk);

	draw_wall(scene, cmd);
	vk_mipmaps(cmd, wall->image, wall->desc.width, wall->desc.height, wall->desc.levels);
	draw_room(scene, cmd);
	vk_barrier(cmd);
	read_back(scene, cmd);
	vk_barrier(cmd);
	vk_run(scene->vk);
	return target(scene, READBACK)->address;
}

void scene_destroy(struct scene *scene)
{
	VkDevice device = scene->vk->device;

	vkDestroyImageView(device, scene->wall_base, NULL);
	for (uint32_t i = 0; i < scene->count; i++) {
		struct resource *res = &scene->resource[i];

		vkDestroyImageView(device, res->view, NULL);
		vkDestroyImage(device, res->image, NULL);
		vkDestroyBuffer(device, res->buffer, NULL);
		vkFreeMemory(device, res->memory, NULL);
	}
	pipes_destroy(&scene->pipes, scene->vk);
	free(scene->texture_set);
	free(scene->resource);
}
