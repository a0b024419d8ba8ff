/* SPDX-License-Identifier: MIT */
/*
 * Pipelines. They render without a render pass object (dynamic rendering, Vulkan 1.3) and without
 * vertex buffers; the viewport is set when a target is drawn to.
 */
#include "quickstart_pipe.h"

#include "quickstart_fill_comp.h"
#include "quickstart_panel_frag.h"
#include "quickstart_panel_vert.h"
#include "quickstart_room_frag.h"
#include "quickstart_room_vert.h"

#define SHADER(vk, code) make_shader(vk, code, sizeof(code))

static VkShaderModule make_shader(struct vk *vk, const uint32_t *code, size_t bytes)
{
	VkShaderModuleCreateInfo info = {
		.sType = VK_STRUCTURE_TYPE_SHADER_MODULE_CREATE_INFO,
		.codeSize = bytes,
		.pCode = code,
	};
	VkShaderModule module;

	VK_CHECK(vkCreateShaderModule(vk->device, &info, NULL, &module));
	return module;
}

static VkSampler make_sampler(struct vk *vk)
{
	VkSamplerCreateInfo info = {
		.sType = VK_STRUCTURE_TYPE_SAMPLER_CREATE_INFO,
		.magFilter = VK_FILTER_LINEAR,
		.minFilter = VK_FILTER_LINEAR,
		.mipmapMode = VK_SAMPLER_MIPMAP_MODE_LINEAR,
		.addressModeU = VK_SAMPLER_ADDRESS_MODE_CLAMP_TO_EDGE,
		.addressModeV = VK_SAMPLER_ADDRESS_MODE_CLAMP_TO_EDGE,
		.addressModeW = VK_SAMPLER_ADDRESS_MODE_CLAMP_TO_EDGE,
		.maxLod = VK_LOD_CLAMP_NONE,
	};
	VkSampler sampler;

	VK_CHECK(vkCreateSampler(vk->device, &info, NULL, &sampler));
	return sampler;
}

static VkDescriptorSetLayout make_set_layout(struct vk *vk, VkDescriptorType type,
					     VkShaderStageFlags stages)
{
	VkDescriptorSetLayoutBinding binding = {
		.descriptorType = type,
		.descriptorCount = 1,
		.stageFlags = stages,
	};
	VkDescriptorSetLayoutCreateInfo info = {
		.sType = VK_STRUCTURE_TYPE_DESCRIPTOR_SET_LAYOUT_CREATE_INFO,
		.bindingCount = 1,
		.pBindings = &binding,
	};
	VkDescriptorSetLayout layout;

	VK_CHECK(vkCreateDescriptorSetLayout(vk->device, &info, NULL, &layout));
	return layout;
}

static VkPipelineLayout make_layout(struct vk *vk, VkDescriptorSetLayout set,
				    VkShaderStageFlags stages, uint32_t push_bytes)
{
	VkPushConstantRange push = { stages, 0, push_bytes };
	VkPipelineLayoutCreateInfo info = {
		.sType = VK_STRUCTURE_TYPE_PIPELINE_LAYOUT_CREATE_INFO,
		.setLayoutCount = 1,
		.pSetLayouts = &set,
		.pushConstantRangeCount = 1,
		.pPushConstantRanges = &push,
	};
	VkPipelineLayout layout;

	VK_CHECK(vkCreatePipelineLayout(vk->device, &info, NULL, &layout));
	return layout;
}

static VkDescriptorPool make_set_pool(struct vk *vk, uint32_t sets)
{
	VkDescriptorPoolSize size[] = {
		{ VK_DESCRIPTOR_TYPE_STORAGE_IMAGE, sets },
		{ VK_DESCRIPTOR_TYPE_COMBINED_IMAGE_SAMPLER, sets },
	};
	VkDescriptorPoolCreateInfo info = {
		.sType = VK_STRUCTURE_TYPE_DESCRIPTOR_POOL_CREATE_INFO,
		.maxSets = 2 * sets,
		.poolSizeCount = 2,
		.pPoolSizes = size,
	};
	VkDescriptorPool pool;

	VK_CHECK(vkCreateDescriptorPool(vk->device, &info, NULL, &pool));
	return pool;
}

static VkPipelineShaderStageCreateInfo stage(VkShaderStageFlagBits bit, VkShaderModule module)
{
	return (VkPipelineShaderStageCreateInfo){
		.sType = VK_STRUCTURE_TYPE_PIPELINE_SHADER_STAGE_CREATE_INFO,
		.stage = bit,
		.module = module,
		.pName = "main",
	};
}

static VkPipeline make_compute(struct vk *vk, VkPipelineLayout layout, VkShaderModule module)
{
	VkComputePipelineCreateInfo info = {
		.sType = VK_STRUCTURE_TYPE_COMPUTE_PIPELINE_CREATE_INFO,
		.stage = stage(VK_SHADER_STAGE_COMPUTE_BIT, module),
		.layout = layout,
	};
	VkPipeline pipeline;

	VK_CHECK(vkCreateComputePipelines(vk->device, VK_NULL_HANDLE, 1, &info, NULL, &pipeline));
	vkDestroyShaderModule(vk->device, module, NULL);
	return pipeline;
}

static const VkPipelineVertexInputStateCreateInfo no_vertices = {
	.sType = VK_STRUCTURE_TYPE_PIPELINE_VERTEX_INPUT_STATE_CREATE_INFO,
};
static const VkPipelineInputAssemblyStateCreateInfo triangles = {
	.sType = VK_STRUCTURE_TYPE_PIPELINE_INPUT_ASSEMBLY_STATE_CREATE_INFO,
	.topology = VK_PRIMITIVE_TOPOLOGY_TRIANGLE_LIST,
};
static const VkPipelineViewportStateCreateInfo one_viewport = {
	.sType = VK_STRUCTURE_TYPE_PIPELINE_VIEWPORT_STATE_CREATE_INFO,
	.viewportCount = 1,
	.scissorCount = 1,
};
static const VkPipelineRasterizationStateCreateInfo solid = {
	.sType = VK_STRUCTURE_TYPE_PIPELINE_RASTERIZATION_STATE_CREATE_INFO,
	.polygonMode = VK_POLYGON_MODE_FILL,
	.cullMode = VK_CULL_MODE_NONE,
	.lineWidth = 1.0f,
};
static const VkPipelineMultisampleStateCreateInfo one_sample = {
	.sType = VK_STRUCTURE_TYPE_PIPELINE_MULTISAMPLE_STATE_CREATE_INFO,
	.rasterizationSamples = VK_SAMPLE_COUNT_1_BIT,
};
static const VkPipelineColorBlendAttachmentState opaque = {
	.colorWriteMask = VK_COLOR_COMPONENT_R_BIT | VK_COLOR_COMPONENT_G_BIT |
			  VK_COLOR_COMPONENT_B_BIT | VK_COLOR_COMPONENT_A_BIT,
};
static const VkPipelineColorBlendStateCreateInfo no_blend = {
	.sType = VK_STRUCTURE_TYPE_PIPELINE_COLOR_BLEND_STATE_CREATE_INFO,
	.attachmentCount = 1,
	.pAttachments = &opaque,
};
static const VkDynamicState dynamic_state[] = { VK_DYNAMIC_STATE_VIEWPORT,
						VK_DYNAMIC_STATE_SCISSOR };
static const VkPipelineDynamicStateCreateInfo dynamic = {
	.sType = VK_STRUCTURE_TYPE_PIPELINE_DYNAMIC_STATE_CREATE_INFO,
	.dynamicStateCount = 2,
	.pDynamicStates = dynamic_state,
};
static const VkFormat colour_format = COLOUR_FORMAT;

static VkPipeline make_graphics(struct vk *vk, VkPipelineLayout layout, VkFormat depth_format,
				VkShaderModule vertex, VkShaderModule fragment)
{
	VkPipelineShaderStageCreateInfo stages[] = {
		stage(VK_SHADER_STAGE_VERTEX_BIT, vertex),
		stage(VK_SHADER_STAGE_FRAGMENT_BIT, fragment),
	};
	VkPipelineDepthStencilStateCreateInfo depth = {
		.sType = VK_STRUCTURE_TYPE_PIPELINE_DEPTH_STENCIL_STATE_CREATE_INFO,
		.depthTestEnable = depth_format != VK_FORMAT_UNDEFINED,
		.depthWriteEnable = depth_format != VK_FORMAT_UNDEFINED,
		.depthCompareOp = VK_COMPARE_OP_LESS,
	};
	VkPipelineRenderingCreateInfo rendering = {
		.sType = VK_STRUCTURE_TYPE_PIPELINE_RENDERING_CREATE_INFO,
		.colorAttachmentCount = 1,
		.pColorAttachmentFormats = &colour_format,
		.depthAttachmentFormat = depth_format,
	};
	VkGraphicsPipelineCreateInfo info = {
		.sType = VK_STRUCTURE_TYPE_GRAPHICS_PIPELINE_CREATE_INFO,
		.pNext = &rendering,
		.stageCount = 2,
		.pStages = stages,
		.pVertexInputState = &no_vertices,
		.pInputAssemblyState = &triangles,
		.pViewportState = &one_viewport,
		.pRasterizationState = &solid,
		.pMultisampleState = &one_sample,
		.pDepthStencilState = &depth,
		.pColorBlendState = &no_blend,
		.pDynamicState = &dynamic,
		.layout = layout,
	};
	VkPipeline pipeline;

	VK_CHECK(vkCreateGraphicsPipelines(vk->device, VK_NULL_HANDLE, 1, &info, NULL, &pipeline));
	vkDestroyShaderModule(vk->device, vertex, NULL);
	vkDestroyShaderModule(vk->device, fragment, NULL);
	return pipeline;
}

void pipes_create(struct pipes *pipes, struct vk *vk, uint32_t sets)
{
	const VkShaderStageFlags both = VK_SHADER_STAGE_VERTEX_BIT | VK_SHADER_STAGE_FRAGMENT_BIT;

	pipes->sampler = make_sampler(vk);
	pipes->pool = make_set_pool(vk, sets);
	pipes->canvas =
		make_set_layout(vk, VK_DESCRIPTOR_TYPE_STORAGE_IMAGE, VK_SHADER_STAGE_COMPUTE_BIT);
	pipes->sampled = make_set_layout(vk, VK_DESCRIPTOR_TYPE_COMBINED_IMAGE_SAMPLER,
					 VK_SHADER_STAGE_FRAGMENT_BIT);
	pipes->fill_layout = make_layout(vk, pipes->canvas, VK_SHADER_STAGE_COMPUTE_BIT,
					 sizeof(struct fill_push));
	pipes->panel_layout = make_layout(vk, pipes->sampled, both, sizeof(struct panel_push));
	pipes->room_layout = make_layout(vk, pipes->sampled, VK_SHADER_STAGE_FRAGMENT_BIT,
					 sizeof(struct room_push));
	pipes->fill = make_compute(vk, pipes->fill_layout, SHADER(vk, quickstart_fill_comp));
	pipes->panel =
		make_graphics(vk, pipes->panel_layout, DEPTH_FORMAT,
			      SHADER(vk, quickstart_panel_vert), SHADER(vk, quickstart_panel_frag));
	pipes->room =
		make_graphics(vk, pipes->room_layout, VK_FORMAT_UNDEFINED,
			      SHADER(vk, quickstart_room_vert), SHADER(vk, quickstart_room_frag));
}

void pipes_destroy(struct pipes *pipes, struct vk *vk)
{
	vkDestroyPipeline(vk->device, pipes->room, NULL);
	vkDestroyPipeline(vk->device, pipes->panel, NULL);
	vkDestroyPipeline(vk->device, pipes->fill, NULL);
	vkDestroyPipelineLayout(vk->device, pipes->room_layout, NULL);
	vkDestroyPipelineLayout(vk->device, pipes->panel_layout, NULL);
	vkDestroyPipelineLayout(vk->device, pipes->fill_layout, NULL);
	vkDestroyDescriptorSetLayout(vk->device, pipes->sampled, NULL);
	vkDestroyDescriptorSetLayout(vk->device, pipes->canvas, NULL);
	vkDestroyDescriptorPool(vk->device, pipes->pool, NULL);
	vkDestroySampler(vk->device, pipes->sampler, NULL);
}

static VkDescriptorSet make_set(struct pipes *pipes, struct vk *vk, VkDescriptorSetLayout layout,
				VkDescriptorType type, VkImageView view)
{
	VkDescriptorSetAllocateInfo info = {
		.sType = VK_STRUCTURE_TYPE_DESCRIPTOR_SET_ALLOCATE_INFO,
		.descriptorPool = pipes->pool,
		.descriptorSetCount = 1,
		.pSetLayouts = &layout,
	};
	VkDescriptorImageInfo image = { pipes->sampler, view, VK_IMAGE_LAYOUT_GENERAL };
	VkWriteDescriptorSet write = {
		.sType = VK_STRUCTURE_TYPE_WRITE_DESCRIPTOR_SET,
		.descriptorCount = 1,
		.descriptorType = type,
		.pImageInfo = &image,
	};

	VK_CHECK(vkAllocateDescriptorSets(vk->device, &info, &write.dstSet));
	vkUpdateDescriptorSets(vk->device, 1, &write, 0, NULL);
	return write.dstSet;
}

VkDescriptorSet pipes_canvas(struct pipes *pipes, struct vk *vk, VkImageView view)
{
	return make_set(pipes, vk, pipes->canvas, VK_DESCRIPTOR_TYPE_STORAGE_IMAGE, view);
}

VkDescriptorSet pipes_sampled(struct pipes *pipes, struct vk *vk, VkImageView view)
{
	return make_set(pipes, vk, pipes->sampled, VK_DESCRIPTOR_TYPE_COMBINED_IMAGE_SAMPLER, view);
}
