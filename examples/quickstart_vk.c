/* SPDX-License-Identifier: MIT */
/*
 * Vulkan plumbing. No window system: an instance without extensions, the CPU device of it, one
 * queue, one command buffer that is recorded anew for each job and waited for. All images stay in
 * the layout GENERAL and one barrier orders everything: lavapipe executes commands in order anyway,
 * and the example is about where memory lives.
 */
#include "quickstart_vk.h"

#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NAME(result) \
	case result: \
		return #result

const char *vk_result_name(VkResult result)
{
	static char text[32];

	switch (result) {
		NAME(VK_NOT_READY);
		NAME(VK_TIMEOUT);
		NAME(VK_INCOMPLETE);
		NAME(VK_ERROR_OUT_OF_HOST_MEMORY);
		NAME(VK_ERROR_OUT_OF_DEVICE_MEMORY);
		NAME(VK_ERROR_INITIALIZATION_FAILED);
		NAME(VK_ERROR_DEVICE_LOST);
		NAME(VK_ERROR_MEMORY_MAP_FAILED);
		NAME(VK_ERROR_LAYER_NOT_PRESENT);
		NAME(VK_ERROR_EXTENSION_NOT_PRESENT);
		NAME(VK_ERROR_FEATURE_NOT_PRESENT);
		NAME(VK_ERROR_INCOMPATIBLE_DRIVER);
		NAME(VK_ERROR_TOO_MANY_OBJECTS);
		NAME(VK_ERROR_FORMAT_NOT_SUPPORTED);
		NAME(VK_ERROR_OUT_OF_POOL_MEMORY);
		NAME(VK_ERROR_INVALID_EXTERNAL_HANDLE);
	default:
		snprintf(text, sizeof(text), "VkResult %d", result);
		return text;
	}
}

/*
 * Other drivers may be installed and slow to start or broken without a GPU: lavapipe alone is
 * loaded.
 */
static void choose_driver(void)
{
	static const char *const manifest[] = {
		"/etc/vulkan/icd.d/lvp_icd*.json",
		"/usr/local/share/vulkan/icd.d/lvp_icd*.json",
		"/usr/share/vulkan/icd.d/lvp_icd*.json",
	};
	glob_t found;

	if (getenv("VK_ICD_FILENAMES") || getenv("VK_DRIVER_FILES"))
		return;
	for (size_t i = 0; i < sizeof(manifest) / sizeof(manifest[0]); i++) {
		if (glob(manifest[i], 0, NULL, &found) != 0)
			continue;
		setenv("VK_ICD_FILENAMES", found.gl_pathv[0], 1);
		globfree(&found);
		return;
	}
	skip("no lvp_icd*.json in /usr/share/vulkan/icd.d: install mesa-vulkan-drivers");
}

static void make_instance(struct vk *vk)
{
	VkApplicationInfo app = {
		.sType = VK_STRUCTURE_TYPE_APPLICATION_INFO,
		.pApplicationName = "zcs-quickstart",
		.apiVersion = VK_API_VERSION_1_3,
	};
	VkInstanceCreateInfo info = {
		.sType = VK_STRUCTURE_TYPE_INSTANCE_CREATE_INFO,
		.pApplicationInfo = &app,
	};
	VkResult result = vkCreateInstance(&info, NULL, &vk->instance);

	if (result != VK_SUCCESS)
		skip("vkCreateInstance: %s: no Vulkan driver works here; install "
		     "mesa-vulkan-drivers, and look at VK_ICD_FILENAMES and VK_DRIVER_FILES",
		     vk_result_name(result));
}

static VkPhysicalDevice find_cpu_device(VkInstance instance)
{
	VkPhysicalDevice device[16];
	uint32_t count = 16;
	VkResult result = vkEnumeratePhysicalDevices(instance, &count, device);

	if (result != VK_SUCCESS && result != VK_INCOMPLETE)
		count = 0;
	for (uint32_t i = 0; i < count; i++) {
		VkPhysicalDeviceProperties properties;

		vkGetPhysicalDeviceProperties(device[i], &properties);
		if (properties.deviceType == VK_PHYSICAL_DEVICE_TYPE_CPU)
			return device[i];
	}
	skip("none of %u Vulkan devices is of the CPU type: install mesa-vulkan-drivers, or name "
	     "lavapipe's manifest in VK_ICD_FILENAMES",
	     count);
}

static bool has_extension(VkPhysicalDevice device, const char *name)
{
	VkExtensionProperties *list;
	uint32_t count = 0;
	bool found = false;

	VK_CHECK(vkEnumerateDeviceExtensionProperties(device, NULL, &count, NULL));
	list = alloc(count, sizeof(*list));
	VK_CHECK(vkEnumerateDeviceExtensionProperties(device, NULL, &count, list));
	for (uint32_t i = 0; i < count; i++)
		found |= strcmp(list[i].extensionName, name) == 0;
	free(list);
	return found;
}

static void read_properties(struct vk *vk)
{
	VkPhysicalDeviceExternalMemoryHostPropertiesEXT host = {
		.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_EXTERNAL_MEMORY_HOST_PROPERTIES_EXT,
	};
	VkPhysicalDeviceDriverProperties driver = {
		.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_DRIVER_PROPERTIES,
		.pNext = &host,
	};
	VkPhysicalDeviceProperties2 properties = {
		.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PROPERTIES_2,
		.pNext = &driver,
	};

	vkGetPhysicalDeviceProperties2(vk->physical, &properties);
	snprintf(vk->name, sizeof(vk->name), "%s", properties.properties.deviceName);
	snprintf(vk->driver, sizeof(vk->driver), "%s, %s", driver.driverName, driver.driverInfo);
	vk->align = host.minImportedHostPointerAlignment;
	if (properties.properties.apiVersion < VK_API_VERSION_1_3)
		skip("%s (%s) is older than Vulkan 1.3", vk->name, vk->driver);
	if (!has_extension(vk->physical, VK_EXT_EXTERNAL_MEMORY_HOST_EXTENSION_NAME))
		skip("%s (%s) has no VK_EXT_external_memory_host", vk->name, vk->driver);
	if (vk->align == 0 || HUGE % vk->align != 0)
		skip("%s imports memory at multiples of %llu bytes: 2 MiB is none", vk->name,
		     (unsigned long long)vk->align);
}

/* lavapipe has a single family that does everything. */
static void make_device(struct vk *vk)
{
	static const char *const extension[] = { VK_EXT_EXTERNAL_MEMORY_HOST_EXTENSION_NAME };
	float priority = 1.0f;
	VkDeviceQueueCreateInfo queue = {
		.sType = VK_STRUCTURE_TYPE_DEVICE_QUEUE_CREATE_INFO,
		.queueFamilyIndex = 0,
		.queueCount = 1,
		.pQueuePriorities = &priority,
	};
	VkPhysicalDeviceVulkan13Features features = {
		.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_3_FEATURES,
		.dynamicRendering = VK_TRUE,
	};
	VkDeviceCreateInfo info = {
		.sType = VK_STRUCTURE_TYPE_DEVICE_CREATE_INFO,
		.pNext = &features,
		.queueCreateInfoCount = 1,
		.pQueueCreateInfos = &queue,
		.enabledExtensionCount = 1,
		.ppEnabledExtensionNames = extension,
	};

	VK_CHECK(vkCreateDevice(vk->physical, &info, NULL, &vk->device));
	vkGetDeviceQueue(vk->device, 0, 0, &vk->queue);
	vk->host_pointer_properties = (PFN_vkGetMemoryHostPointerPropertiesEXT)vkGetDeviceProcAddr(
		vk->device, "vkGetMemoryHostPointerPropertiesEXT");
	if (!vk->host_pointer_properties)
		die("vkGetDeviceProcAddr: no vkGetMemoryHostPointerPropertiesEXT");
}

static void make_commands(struct vk *vk)
{
	VkCommandPoolCreateInfo pool = {
		.sType = VK_STRUCTURE_TYPE_COMMAND_POOL_CREATE_INFO,
		.flags = VK_COMMAND_POOL_CREATE_RESET_COMMAND_BUFFER_BIT,
	};
	VkCommandBufferAllocateInfo buffer = {
		.sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_ALLOCATE_INFO,
		.level = VK_COMMAND_BUFFER_LEVEL_PRIMARY,
		.commandBufferCount = 1,
	};

	VK_CHECK(vkCreateCommandPool(vk->device, &pool, NULL, &vk->pool));
	buffer.commandPool = vk->pool;
	VK_CHECK(vkAllocateCommandBuffers(vk->device, &buffer, &vk->cmd));
}

void vk_open(struct vk *vk)
{
	memset(vk, 0, sizeof(*vk));
	choose_driver();
	make_instance(vk);
	vk->physical = find_cpu_device(vk->instance);
	read_properties(vk);
	make_device(vk);
	make_commands(vk);
}

void vk_close(struct vk *vk)
{
	vkDestroyCommandPool(vk->device, vk->pool, NULL);
	vkDestroyDevice(vk->device, NULL);
	vkDestroyInstance(vk->instance, NULL);
}

VkDeviceMemory vk_import(struct vk *vk, void *address, uint64_t bytes, uint32_t types)
{
	VkMemoryHostPointerPropertiesEXT host = {
		.sType = VK_STRUCTURE_TYPE_MEMORY_HOST_POINTER_PROPERTIES_EXT,
	};
	VkImportMemoryHostPointerInfoEXT import = {
		.sType = VK_STRUCTURE_TYPE_IMPORT_MEMORY_HOST_POINTER_INFO_EXT,
		.handleType = VK_EXTERNAL_MEMORY_HANDLE_TYPE_HOST_ALLOCATION_BIT_EXT,
		.pHostPointer = address,
	};
	VkMemoryAllocateInfo info = {
		.sType = VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_INFO,
		.pNext = &import,
		.allocationSize = bytes,
	};
	VkDeviceMemory memory;

	VK_CHECK(vk->host_pointer_properties(vk->device, import.handleType, address, &host));
	types &= host.memoryTypeBits;
	if (types == 0)
		die("no memory type takes both the resource and memory at %p", address);
	info.memoryTypeIndex = (uint32_t)__builtin_ctz(types);
	VK_CHECK(vkAllocateMemory(vk->device, &info, NULL, &memory));
	return memory;
}

VkImage vk_image(struct vk *vk, const struct vk_image_desc *desc)
{
	VkExternalMemoryImageCreateInfo external = {
		.sType = VK_STRUCTURE_TYPE_EXTERNAL_MEMORY_IMAGE_CREATE_INFO,
		.handleTypes = VK_EXTERNAL_MEMORY_HANDLE_TYPE_HOST_ALLOCATION_BIT_EXT,
	};
	VkImageCreateInfo info = {
		.sType = VK_STRUCTURE_TYPE_IMAGE_CREATE_INFO,
		.pNext = &external,
		.imageType = VK_IMAGE_TYPE_2D,
		.format = desc->format,
		.extent = { desc->width, desc->height, 1 },
		.mipLevels = desc->levels,
		.arrayLayers = 1,
		.samples = VK_SAMPLE_COUNT_1_BIT,
		.tiling = VK_IMAGE_TILING_OPTIMAL,
		.usage = desc->usage,
	};
	VkImage image;

	VK_CHECK(vkCreateImage(vk->device, &info, NULL, &image));
	return image;
}

VkBuffer vk_buffer(struct vk *vk, uint64_t bytes, VkBufferUsageFlags usage)
{
	VkExternalMemoryBufferCreateInfo external = {
		.sType = VK_STRUCTURE_TYPE_EXTERNAL_MEMORY_BUFFER_CREATE_INFO,
		.handleTypes = VK_EXTERNAL_MEMORY_HANDLE_TYPE_HOST_ALLOCATION_BIT_EXT,
	};
	VkBufferCreateInfo info = {
		.sType = VK_STRUCTURE_TYPE_BUFFER_CREATE_INFO,
		.pNext = &external,
		.size = bytes,
		.usage = usage,
	};
	VkBuffer buffer;

	VK_CHECK(vkCreateBuffer(vk->device, &info, NULL, &buffer));
	return buffer;
}

static VkImageAspectFlags aspect_of(VkFormat format)
{
	return format == VK_FORMAT_D32_SFLOAT ? VK_IMAGE_ASPECT_DEPTH_BIT
					      : VK_IMAGE_ASPECT_COLOR_BIT;
}

VkImageView vk_view(struct vk *vk, VkImage image, VkFormat format, uint32_t first, uint32_t count)
{
	VkImageViewCreateInfo info = {
		.sType = VK_STRUCTURE_TYPE_IMAGE_VIEW_CREATE_INFO,
		.image = image,
		.viewType = VK_IMAGE_VIEW_TYPE_2D,
		.format = format,
		.subresourceRange = { aspect_of(format), first, count, 0, 1 },
	};
	VkImageView view;

	VK_CHECK(vkCreateImageView(vk->device, &info, NULL, &view));
	return view;
}

VkCommandBuffer vk_begin(struct vk *vk)
{
	VkCommandBufferBeginInfo info = {
		.sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_BEGIN_INFO,
		.flags = VK_COMMAND_BUFFER_USAGE_ONE_TIME_SUBMIT_BIT,
	};

	VK_CHECK(vkBeginCommandBuffer(vk->cmd, &info));
	return vk->cmd;
}

void vk_run(struct vk *vk)
{
	VkSubmitInfo info = {
		.sType = VK_STRUCTURE_TYPE_SUBMIT_INFO,
		.commandBufferCount = 1,
		.pCommandBuffers = &vk->cmd,
	};

	VK_CHECK(vkEndCommandBuffer(vk->cmd));
	VK_CHECK(vkQueueSubmit(vk->queue, 1, &info, VK_NULL_HANDLE));
	VK_CHECK(vkDeviceWaitIdle(vk->device));
}

void vk_barrier(VkCommandBuffer cmd)
{
	VkMemoryBarrier barrier = {
		.sType = VK_STRUCTURE_TYPE_MEMORY_BARRIER,
		.srcAccessMask = VK_ACCESS_MEMORY_WRITE_BIT,
		.dstAccessMask = VK_ACCESS_MEMORY_READ_BIT | VK_ACCESS_MEMORY_WRITE_BIT,
	};

	vkCmdPipelineBarrier(cmd, VK_PIPELINE_STAGE_ALL_COMMANDS_BIT,
			     VK_PIPELINE_STAGE_ALL_COMMANDS_BIT | VK_PIPELINE_STAGE_HOST_BIT, 0, 1,
			     &barrier, 0, NULL, 0, NULL);
}

void vk_ready(VkCommandBuffer cmd, VkImage image, VkFormat format)
{
	VkImageMemoryBarrier barrier = {
		.sType = VK_STRUCTURE_TYPE_IMAGE_MEMORY_BARRIER,
		.dstAccessMask = VK_ACCESS_MEMORY_READ_BIT | VK_ACCESS_MEMORY_WRITE_BIT,
		.oldLayout = VK_IMAGE_LAYOUT_UNDEFINED,
		.newLayout = VK_IMAGE_LAYOUT_GENERAL,
		.srcQueueFamilyIndex = VK_QUEUE_FAMILY_IGNORED,
		.dstQueueFamilyIndex = VK_QUEUE_FAMILY_IGNORED,
		.image = image,
		.subresourceRange = { aspect_of(format), 0, VK_REMAINING_MIP_LEVELS, 0, 1 },
	};

	vkCmdPipelineBarrier(cmd, VK_PIPELINE_STAGE_TOP_OF_PIPE_BIT,
			     VK_PIPELINE_STAGE_ALL_COMMANDS_BIT, 0, 0, NULL, 0, NULL, 1, &barrier);
}

static VkOffset3D corner(uint32_t width, uint32_t height, uint32_t level)
{
	uint32_t w = width >> level, h = height >> level;

	return (VkOffset3D){ (int32_t)(w ? w : 1), (int32_t)(h ? h : 1), 1 };
}

void vk_mipmaps(VkCommandBuffer cmd, VkImage image, uint32_t width, uint32_t height,
		uint32_t levels)
{
	for (uint32_t level = 1; level < levels; level++) {
		VkImageBlit blit = {
			.srcSubresource = { VK_IMAGE_ASPECT_COLOR_BIT, level - 1, 0, 1 },
			.srcOffsets[1] = corner(width, height, level - 1),
			.dstSubresource = { VK_IMAGE_ASPECT_COLOR_BIT, level, 0, 1 },
			.dstOffsets[1] = corner(width, height, level),
		};

		vk_barrier(cmd);
		vkCmdBlitImage(cmd, image, VK_IMAGE_LAYOUT_GENERAL, image, VK_IMAGE_LAYOUT_GENERAL,
			       1, &blit, VK_FILTER_LINEAR);
	}
	vk_barrier(cmd);
}
