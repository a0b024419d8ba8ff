/* SPDX-License-Identifier: MIT */
/*
 * The allocator of a driver or of a layer above one: each device memory object is a bo.
 *
 *	memory_alloc()   a bo; with Vulkan, its address is then imported, see below
 *	memory_map()     its address, the same for life
 *	submit()         pins what the kernel or hardware accesses, and unpins it afterwards
 *	memory_free()    after the driver is done with it
 *
 * Threads of the process read and write a memory object without a pin, whether it is in memory or
 * not. Sixteen objects of 4 MiB are used here under a limit of 16 MiB: the rest is in a swap file.
 *
 * A layer above a driver with VK_EXT_external_memory_host chains this to VkMemoryAllocateInfo:
 *
 *	VkImportMemoryHostPointerInfoEXT import = {
 *		.sType = VK_STRUCTURE_TYPE_IMPORT_MEMORY_HOST_POINTER_INFO_EXT,
 *		.handleType = VK_EXTERNAL_MEMORY_HANDLE_TYPE_HOST_ALLOCATION_BIT_EXT,
 *		.pHostPointer = memory_map(memory, 0),
 *	};
 *
 * with allocationSize = zcs_bo_size(). quickstart_vk.c does that, and zcswap-drivers(7) has the
 * rest.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <zcswap/zcswap.h>

#define OBJECTS	     16u
#define OBJECT_BYTES (UINT64_C(4) << 20)
#define LIMIT_BYTES  (UINT64_C(16) << 20)
#define WORDS	     (OBJECT_BYTES / sizeof(uint64_t))
#define EXIT_SKIP    77

struct memory {
	struct zcs_bo *bo;
};

static int64_t check(int64_t result, const char *what)
{
	if (result < 0) {
		fprintf(stderr, "%s: %s\n", what, strerror((int)-result));
		exit(EXIT_FAILURE);
	}
	return result;
}

/* -- the allocator */

static int memory_alloc(struct zcs_device *device, uint64_t size, struct memory **memory)
{
	struct memory *m = calloc(1, sizeof(*m));
	int err;

	if (!m)
		return -ENOMEM;
	err = zcs_bo_create(device, size, NULL, &m->bo);
	if (err)
		free(m);
	else
		*memory = m;
	return err;
}

static void *memory_map(const struct memory *memory, uint64_t offset)
{
	return (char *)zcs_bo_address(memory->bo) + offset;
}

static void memory_free(struct memory *memory)
{
	zcs_bo_put(memory->bo);
	free(memory);
}

/* All of them, or none. */
static int pin_all(struct memory *const *memory, unsigned nr)
{
	int err = 0;

	for (unsigned i = 0; i < nr; i++) {
		err = zcs_bo_pin(memory[i]->bo, NULL);
		if (!err)
			continue;
		while (i--)
			zcs_bo_unpin(memory[i]->bo);
		break;
	}
	return err;
}

/*
 * struct job - work of the kernel or of hardware, on memory that must not be evicted meanwhile
 * @run: 0, or -errno
 */
struct job {
	int (*run)(struct memory *const *memory, unsigned nr, void *arg);
	void *arg;
};

static int submit(const struct job *job, struct memory *const *memory, unsigned nr)
{
	int err = pin_all(memory, nr);

	if (err)
		return err;
	err = job->run(memory, nr, job->arg);
	for (unsigned i = 0; i < nr; i++)
		zcs_bo_unpin(memory[i]->bo);
	return err;
}

/* -- a job: system calls, which fail with EFAULT where they meet an evicted page */

static int write_all(int fd, const char *from, uint64_t bytes)
{
	while (bytes) {
		ssize_t n = write(fd, from, bytes);

		if (n < 0)
			return -errno;
		from += n;
		bytes -= (uint64_t)n;
	}
	return 0;
}

static int read_all(int fd, char *to, uint64_t bytes)
{
	while (bytes) {
		ssize_t n = read(fd, to, bytes);

		if (n <= 0)
			return n ? -errno : -EIO;
		to += n;
		bytes -= (uint64_t)n;
	}
	return 0;
}

/* From the first memory object to a file, and from there to the second. */
static int copy_by_file(struct memory *const *memory, unsigned nr, void *arg)
{
	int fd = fileno(arg), err;

	(void)nr;
	if (lseek(fd, 0, SEEK_SET))
		return -errno;
	err = write_all(fd, memory_map(memory[0], 0), OBJECT_BYTES);
	if (!err && lseek(fd, 0, SEEK_SET))
		err = -errno;
	return err ? err : read_all(fd, memory_map(memory[1], 0), OBJECT_BYTES);
}

/* -- rendering: threads of the process, without a pin */

static uint64_t word(unsigned object, uint64_t i)
{
	return (i + 1) * 0x9e3779b97f4a7c15u ^ object;
}

static void render(const struct memory *memory, unsigned object)
{
	uint64_t *to = memory_map(memory, 0);

	for (uint64_t i = 0; i < WORDS; i++)
		to[i] = word(object, i);
}

static uint64_t count_wrong(const struct memory *memory, unsigned object)
{
	const uint64_t *from = memory_map(memory, 0);
	uint64_t wrong = 0;

	for (uint64_t i = 0; i < WORDS; i++)
		wrong += from[i] != word(object, i);
	return wrong;
}

/* Even objects are rendered, each odd one becomes a copy of the one before it. */
static uint64_t use(struct memory *const *memory)
{
	FILE *file = tmpfile();
	struct job copy = { copy_by_file, file };
	uint64_t wrong = 0;

	check(file ? 0 : -errno, "tmpfile");
	for (unsigned i = 0; i < OBJECTS; i += 2)
		render(memory[i], i);
	for (unsigned i = 0; i < OBJECTS; i += 2)
		check(submit(&copy, memory + i, 2), "submit");
	for (unsigned i = 0; i < OBJECTS; i++)
		wrong += count_wrong(memory[i], i & ~1u);
	fclose(file);
	return wrong;
}

static struct zcs_device *open_device(void)
{
	struct zcs_device_params params = ZCS_DEVICE_PARAMS_INIT;
	struct zcs_device *device;

	params.pool.max_bytes = LIMIT_BYTES;
	params.store = "file:?size=96M"; /* the sum of all objects, and half as much again */
	check(zcs_device_create(&params, &device), "zcs_device_create");
	return device;
}

/* Known once there is a bo. Without it bos may be touched only while they are pinned. */
static void need_touch(struct zcs_device *device)
{
	struct zcs_stats stats = { .struct_size = sizeof(stats) };

	check(zcs_device_stats(device, &stats), "zcs_device_stats");
	if (stats.touch)
		return;
	puts("userfaultfd is refused here: a driver would use ordinary memory");
	exit(EXIT_SKIP);
}

int main(void)
{
	struct zcs_stats stats = { .struct_size = sizeof(stats) };
	struct zcs_device *device = open_device();
	struct memory *memory[OBJECTS];
	uint64_t wrong;

	for (unsigned i = 0; i < OBJECTS; i++)
		check(memory_alloc(device, OBJECT_BYTES, &memory[i]), "memory_alloc");
	need_touch(device);
	wrong = use(memory);
	check(zcs_device_stats(device, &stats), "zcs_device_stats");
	printf("%u objects of 4 MiB, limit %u MiB: %" PRIu64 " MiB in the swap file, %" PRIu64
	       " touches read, system calls %s, %" PRIu64 " wrong words\n",
	       OBJECTS, (unsigned)(LIMIT_BYTES >> 20), stats.written_bytes >> 20, stats.touch_read,
	       stats.kernel_touch ? "restore too" : "need the pin", wrong);
	for (unsigned i = 0; i < OBJECTS; i++)
		memory_free(memory[i]);
	zcs_device_destroy(device);
	return wrong == 0 && stats.written_bytes ? EXIT_SUCCESS : EXIT_FAILURE;
}
