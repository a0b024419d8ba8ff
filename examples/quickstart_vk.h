/* SPDX-License-Identifier: MIT */
#ifndef QUICKSTART_VK_H
#define QUICKSTART_VK_H

#include <stdbool.h>
#include <stdint.h>

#include <vulkan/vulkan.h>

#include "quickstart_util.h"

/* A Vulkan call: anything but VK_SUCCESS ends the program with the call and the result. */
#define VK_CHECK(call)                                                                  \
	do {                                                                            \
		VkResult vk_check_ = (call);                                            \
		if (vk_check_ != VK_SUCCESS)                                            \
			die_call(#call, __FILE__, __LINE__, vk_result_name(vk_check_)); \
	} while (0)

/**
 * vk_result_name - "VK_ERROR_DEVICE_LOST" and so on; the text may be overwritten by the next call
 */
const char *vk_result_name(VkResult result);

/**
 * struct vk - a CPU device, its one queue and one command buffer
 * @align: what an imported address and size must be multiples of
 * @name: the device's name
 * @driver: the driver's name and version
 */
struct vk {
	VkInstance instance;
	VkPhysicalDevice physical;
	VkDevice device;
	VkQueue queue;
	VkCommandPool pool;
	VkCommandBuffer cmd;
	PFN_vkGetMemoryHostPointerPropertiesEXT host_pointer_properties;
	uint64_t align;
	char name[VK_MAX_PHYSICAL_DEVICE_NAME_SIZE];
	char driver[VK_MAX_DRIVER_NAME_SIZE + VK_MAX_DRIVER_INFO_SIZE + 2];
};

/**
 * vk_open - find lavapipe and make a device; ends the program with exit code 77 where it is missing
 */
void vk_open(struct vk *vk);
void vk_close(struct vk *vk);

/**
 * vk_import - make @bytes at @address device memory
 * @types: memory types that the resource takes
 *
 * The driver keeps the address and nothing else: the pages stay the caller's.
 */
VkDeviceMemory vk_import(struct vk *vk, void *address, uint64_t bytes, uint32_t types);

struct vk_image_desc {
	VkFormat format;
	uint32_t width, height, levels;
	VkImageUsageFlags usage;
};

/* Resources that may be bound to imported memory. */
VkImage vk_image(struct vk *vk, const struct vk_image_desc *desc);
VkBuffer vk_buffer(struct vk *vk, uint64_t bytes, VkBufferUsageFlags usage);
/** vk_view - a view of the levels from @first on, @count of them */
VkImageView vk_view(struct vk *vk, VkImage image, VkFormat format, uint32_t first, uint32_t count);

/** vk_begin - start the command buffer anew */
VkCommandBuffer vk_begin(struct vk *vk);
/** vk_run - submit the command buffer and wait until the device is idle */
void vk_run(struct vk *vk);
/** vk_barrier - everything before is visible to everything after */
void vk_barrier(VkCommandBuffer cmd);
/** vk_ready - take an image from UNDEFINED to GENERAL, the only layout that is used */
void vk_ready(VkCommandBuffer cmd, VkImage image, VkFormat format);
/** vk_mipmaps - make each level of a colour image from the one above */
void vk_mipmaps(VkCommandBuffer cmd, VkImage image, uint32_t width, uint32_t height,
		uint32_t levels);

/** vk_levels - levels of a whole mip chain */
static inline uint32_t vk_levels(uint32_t size)
{
	return 32u - (uint32_t)__builtin_clz(size);
}

#endif
