/* SPDX-License-Identifier: MIT */
/*
 * The same scene in half the memory. Each resource is a buffer object, and the program restores
 * nothing. The raster threads touch what they need, the device's fault threads bring it back, and
 * the background thread evicts cold bos. A thread prints the state once in a while: on a terminal
 * in one line that it overwrites, otherwise a line at a time, and less often.
 */
#include "quickstart_half.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "quickstart_scene.h"
#include "quickstart_util.h"

#define FRAMES	   2
#define SAMPLE_NS  250000000
#define LINE_EVERY 8u /* samples, where each line stays */

struct half {
	struct zcs_device *device;
	struct zcs_bo **bo;
	struct vk vk;
	struct scene scene;
	uint64_t bytes, limit;
	_Atomic uint64_t most;
	pthread_t progress;
	atomic_bool done;
};

static struct zcs_stats stats_of(struct half *half)
{
	struct zcs_stats stats = { .struct_size = sizeof(stats) };
	uint64_t most = half->most;

	ZCS_CHECK(zcs_device_stats(half->device, &stats));
	while (stats.resident_bytes > most &&
	       !atomic_compare_exchange_weak(&half->most, &most, stats.resident_bytes))
		;
	return stats;
}

static void print_progress(struct half *half, const char *step, bool stays)
{
	struct zcs_stats s = stats_of(half);

	printf("%s          %-8s resident %4llu of %llu MiB, %llu touches, %llu read back, %llu "
	       "evictions%s",
	       isatty(STDOUT_FILENO) ? "\r" : "", step,
	       (unsigned long long)(s.resident_bytes / MIB),
	       (unsigned long long)(half->bytes / MIB), (unsigned long long)s.touches,
	       (unsigned long long)s.touch_read, (unsigned long long)s.evicted,
	       stays ? "\n" : "   ");
	fflush(stdout);
}

static void *progress(void *arg)
{
	bool terminal = isatty(STDOUT_FILENO);
	struct half *half = arg;

	for (unsigned i = 1; !half->done; i++) {
		nanosleep(&(struct timespec){ .tv_nsec = SAMPLE_NS }, NULL);
		if (!half->done && (terminal || i % LINE_EVERY == 0))
			print_progress(half, "", !terminal);
		else
			stats_of(half);
	}
	return NULL;
}

static void open_device(struct half *half, enum zcs_backing backing)
{
	struct zcs_device_params params = ZCS_DEVICE_PARAMS_INIT;
	char spec[64];

	snprintf(spec, sizeof(spec), "file:?size=%lluM",
		 (unsigned long long)(2 * half->bytes / MIB));
	params.store = spec;
	params.pool.backing = backing;
	half->limit = half->bytes / 2;
	params.pool.max_bytes = half->limit;
	ZCS_CHECK(zcs_device_create(&params, &half->device));
}

static void build(struct half *half, uint64_t bytes, enum zcs_backing backing)
{
	struct scene *scene = &half->scene;

	vk_open(&half->vk);
	scene_create(scene, &half->vk, bytes);
	for (uint32_t i = 0; i < scene->count; i++)
		half->bytes += scene->resource[i].bytes;
	open_device(half, backing);
	half->bo = alloc(scene->count, sizeof(struct zcs_bo *));
	for (uint32_t i = 0; i < scene->count; i++) {
		ZCS_CHECK(
			zcs_bo_create(half->device, scene->resource[i].bytes, NULL, &half->bo[i]));
		scene_bind(scene, i, zcs_bo_address(half->bo[i]));
	}
}

static unsigned draw(struct half *half, const uint8_t *picture)
{
	unsigned differ = 0;
	char step[16];

	scene_paint(&half->scene);
	print_progress(half, "painted", true);
	for (unsigned i = 1; i <= FRAMES; i++) {
		differ += memcmp(scene_draw(&half->scene), picture, PICTURE_BYTES) != 0;
		snprintf(step, sizeof(step), "frame %u", i);
		half->done = i == FRAMES;
		print_progress(half, step, true);
	}
	return differ;
}

static void finish(struct half *half)
{
	uint32_t count = half->scene.count;

	scene_destroy(&half->scene);
	vk_close(&half->vk);
	for (uint32_t i = 0; i < count; i++)
		zcs_bo_put(half->bo[i]);
	zcs_device_destroy(half->device);
	free(half->bo);
}

struct half_result half_run(uint64_t bytes, enum zcs_backing backing, const uint8_t *picture)
{
	struct half half = { .bytes = 0 };
	struct half_result result = { .frames = FRAMES };
	double start = now_us();
	struct zcs_stats stats;

	build(&half, bytes, backing);
	if (!stats_of(&half).touch) {
		finish(&half);
		result.left_out = "no userfaultfd here, so bos are not restored on touch";
		return result;
	}
	printf("          pool of %llu MiB for %u bos of %llu MiB, the rest in a file in TMPDIR\n",
	       (unsigned long long)(half.limit / MIB), half.scene.count,
	       (unsigned long long)(half.bytes / MIB));
	if (pthread_create(&half.progress, NULL, progress, &half))
		die("pthread_create failed");
	result.differ = draw(&half, picture);
	pthread_join(half.progress, NULL);
	stats = stats_of(&half);
	printf("          painted, and drawn %u times, in %.1f s\n", FRAMES,
	       (now_us() - start) / 1e6);
	result.limit = half.limit;
	result.most = half.most;
	result.evicted = stats.evicted;
	result.read = stats.touch_read;
	finish(&half);
	return result;
}
