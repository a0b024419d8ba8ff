/* SPDX-License-Identifier: MIT */
/*
 * The main job on real input: an unmodified Vulkan driver draws with device memory that consists of
 * the folios of tts.
 *
 *	pool -> contiguous tts -> zcs_tt_address() -> VK_EXT_external_memory_host -> textures,
 *	targets
 *
 * lavapipe keeps the address of imported memory and never the pages. So the program can back up all
 * of the memory while the device is idle: the folios are inserted into backups, the user map is
 * zapped, and no byte is copied. After the restore the next frame must be the same picture, from
 * the same physical pages. In the same run the same bytes are copied to a shmem file and back, as a
 * buffer manager without libzcswap would do.
 *
 * Exit code: 0: everything was as it must be; 1: something differs or failed; 77: something is
 * missing.
 */
#include "quickstart_half.h"
#include "quickstart_png.h"
#include "quickstart_proc.h"
#include "quickstart_rounds.h"
#include "quickstart_scene.h"
#include "quickstart_set.h"

#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

struct options {
	uint64_t mib;
	unsigned rounds;
	enum zcs_backing backing;
	const char *out, *store;
	bool spoil;
	uint64_t spoil_page;
};

/**
 * struct story - what is known about the memory and the picture before the first backup
 * @picture: frame 1
 * @hash: of each 2 MiB
 * @pfn: frame number of each page; 0 where the kernel does not tell
 */
struct story {
	const struct options *options;
	struct vk vk;
	struct scene scene;
	struct set set;
	uint8_t *picture;
	uint64_t *hash, *pfn;
	unsigned failures;
};

static const char *const backing_name[] = {
	[ZCS_BACKING_AUTO] = "auto",
	[ZCS_BACKING_HUGETLB] = "hugetlb",
	[ZCS_BACKING_THP] = "thp",
	[ZCS_BACKING_SMALL] = "small",
};

static const char usage[] =
	"usage: zcs-quickstart [--mib=N] [--rounds=N] [--backing=auto|hugetlb|thp|small]\n"
	"                      [--store=SPEC] [--out=DIR] [--quick] [--spoil=PAGE]\n"
	"examples/quickstart --help says what they mean.\n";

static _Noreturn void bad_usage(const char *what, const char *value)
{
	fprintf(stderr, "zcs-quickstart: %s%s\n%s", what, value, usage);
	exit(EXIT_FAILURE);
}

static uint64_t number(const char *name, const char *text, uint64_t least, uint64_t most)
{
	unsigned long long value;
	char *end;

	errno = 0;
	value = strtoull(text, &end, 10);
	if (errno != 0 || *text < '0' || *text > '9' || *end != '\0' || value < least ||
	    value > most)
		bad_usage(name, text);
	return value;
}

static enum zcs_backing backing(const char *name)
{
	for (unsigned i = 0; i < sizeof(backing_name) / sizeof(backing_name[0]); i++)
		if (strcmp(name, backing_name[i]) == 0)
			return (enum zcs_backing)i;
	bad_usage("bad --backing: ", name);
}

static struct options parse(int argc, char **argv)
{
	static const struct option list[] = {
		{ "mib", required_argument, NULL, 'm' },
		{ "rounds", required_argument, NULL, 'r' },
		{ "backing", required_argument, NULL, 'b' },
		{ "out", required_argument, NULL, 'o' },
		{ "quick", no_argument, NULL, 'q' },
		{ "spoil", required_argument, NULL, 's' },
		{ "store", required_argument, NULL, 'S' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	struct options options = {
		384, 5, ZCS_BACKING_AUTO, "zcswap-quickstart", "mem:", false, 0
	};
	int found;

	while ((found = getopt_long(argc, argv, "", list, NULL)) != -1) {
		switch (found) {
		case 'm':
			options.mib = number("bad --mib: ", optarg, 48, 65536);
			break;
		case 'r':
			options.rounds = (unsigned)number("bad --rounds: ", optarg, 1, 1000);
			break;
		case 'b':
			options.backing = backing(optarg);
			break;
		case 'o':
			options.out = optarg;
			break;
		case 'q':
			options.mib = 64;
			options.rounds = 2;
			break;
		case 's':
			options.spoil = true;
			options.spoil_page = number("bad --spoil: ", optarg, 0, UINT64_MAX);
			break;
		case 'S':
			options.store = optarg;
			break;
		case 'h':
			fputs(usage, stdout);
			exit(EXIT_SUCCESS);
		default:
			bad_usage("unknown option", "");
		}
	}
	if (optind != argc)
		bad_usage("not an option: ", argv[optind]);
	return options;
}

static void __attribute__((format(printf, 3, 4)))
expect(struct story *story, bool ok, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	printf("  %-7s ", ok ? "ok" : "FAILED");
	vprintf(format, args);
	printf("\n");
	va_end(args);
	fflush(stdout);
	story->failures += !ok;
}

static void save(const struct story *story, const char *name, const uint8_t *pixels)
{
	char path[4096];

	if (snprintf(path, sizeof(path), "%s/%s", story->options->out, name) >= (int)sizeof(path))
		die("the path of %s is too long", name);
	png_save(path, pixels, PICTURE_WIDTH, PICTURE_HEIGHT);
	printf("          saved as %s\n", path);
}

/* The copy of the comparison needs as much memory again. */
static void need_memory(uint64_t bytes, enum zcs_backing kind)
{
	uint64_t available = proc_meminfo("MemAvailable") * KIB, need = bytes + 512 * MIB;

	if (kind != ZCS_BACKING_HUGETLB)
		need += bytes;
	else if (proc_meminfo("HugePages_Free") * HUGE < bytes)
		skip("--backing=hugetlb needs %llu free pages in the reserve (vm.nr_hugepages), "
		     "there "
		     "are %llu",
		     (unsigned long long)(bytes / HUGE),
		     (unsigned long long)proc_meminfo("HugePages_Free"));
	if (available < need)
		skip("needs %llu MiB of memory, %llu MiB are available: give a smaller --mib",
		     (unsigned long long)(need / MIB), (unsigned long long)(available / MIB));
}

static void print_memory(struct story *story)
{
	struct zcs_pool_stats stats = { .struct_size = sizeof(stats) };
	const struct scene *scene = &story->scene;

	ZCS_CHECK(zcs_pool_stats(story->set.pool, &stats));
	printf("scene     %u textures of %u x %u with %u levels, wall target %u x %u\n",
	       scene->textures, scene->texture_size, scene->texture_size,
	       vk_levels(scene->texture_size), PICTURE_WIDTH * scene->samples,
	       scene->resource[scene->textures].desc.height);
	printf("memory    %llu MiB in %u tts, backing %s: %llu MiB in huge pages, %llu of them "
	       "hugetlb\n",
	       (unsigned long long)(story->set.bytes / MIB), story->set.count,
	       backing_name[story->options->backing], (unsigned long long)(stats.huge_bytes / MIB),
	       (unsigned long long)(stats.hugetlb_bytes / MIB));
}

static void build(struct story *story)
{
	struct scene *scene = &story->scene;
	uint64_t bytes = 0;

	proc_print_machine();
	vk_open(&story->vk);
	printf("vulkan    %s; %s\n", story->vk.name, story->vk.driver);
	scene_create(scene, &story->vk, story->options->mib * MIB);
	for (uint32_t i = 0; i < scene->count; i++)
		bytes += scene->resource[i].bytes;
	need_memory(bytes, story->options->backing);
	set_open(&story->set, story->options->backing, story->options->store, scene->count);
	for (uint32_t i = 0; i < scene->count; i++)
		scene_bind(scene, i, set_add(&story->set, scene->resource[i].bytes));
	print_memory(story);
	story->picture = alloc(PICTURE_BYTES, 1);
	story->hash = alloc(bytes / HUGE, sizeof(*story->hash));
	story->pfn = alloc(bytes / PAGE, sizeof(*story->pfn));
}

static void first_frame(struct story *story)
{
	double start = now_us(), painted;

	printf("\n[1/6] paint the textures, draw frame 1\n");
	fflush(stdout);
	scene_paint(&story->scene);
	painted = now_us();
	memcpy(story->picture, scene_draw(&story->scene), PICTURE_BYTES);
	printf("          painted in %.1f s, drawn in %.2f s\n", (painted - start) / 1e6,
	       (now_us() - painted) / 1e6);
	save(story, "frame-1.png", story->picture);
	set_hash(&story->set, story->hash);
}

static void back_up(struct story *story)
{
	uint64_t pages = set_touch(&story->set), done, mapped, rss;
	struct zcs_pool_stats stats = { .struct_size = sizeof(stats) };

	printf("[2/6] back up: the folios go to the backups\n");
	mapped = proc_pagemap(&story->set, story->pfn);
	expect(story, mapped == pages, "%llu of %llu pages are mapped, Rss of the user map %llu kB",
	       (unsigned long long)mapped, (unsigned long long)pages,
	       (unsigned long long)(proc_rss(&story->set) / KIB));
	done = set_backup(&story->set);
	expect(story, done == pages, "%llu of %llu pages were backed up", (unsigned long long)done,
	       (unsigned long long)pages);
	rss = proc_rss(&story->set);
	mapped = proc_pagemap(&story->set, NULL);
	expect(story, rss == 0 && mapped == 0,
	       "/proc/self/smaps: Rss of the user map %llu kB, %llu pages are mapped",
	       (unsigned long long)(rss / KIB), (unsigned long long)mapped);
	ZCS_CHECK(zcs_pool_stats(story->set.pool, &stats));
	expect(story, stats.inserted_pages == pages, "%llu of %llu pages belong to backups",
	       (unsigned long long)stats.inserted_pages, (unsigned long long)pages);
}

static void check_same_pages(struct story *story)
{
	uint64_t pages = story->set.bytes / PAGE, same = 0, known = 0;
	uint64_t *pfn = alloc(pages, sizeof(*pfn));

	proc_pagemap(&story->set, pfn);
	for (uint64_t i = 0; i < pages; i++) {
		known += story->pfn[i] != 0 && pfn[i] != 0;
		same += story->pfn[i] != 0 && story->pfn[i] == pfn[i];
	}
	if (known == 0)
		printf("  -       /proc/self/pagemap tells no frame numbers here (needs "
		       "CAP_SYS_ADMIN)\n");
	else
		expect(story, same == pages,
		       "/proc/self/pagemap: %llu of %llu pages have the frame they had before",
		       (unsigned long long)same, (unsigned long long)pages);
	free(pfn);
}

static void spoil_page(struct story *story)
{
	uint64_t page = story->options->spoil_page;
	uint8_t *address = NULL;

	for (uint32_t i = 0; i < story->scene.textures && !address; i++) {
		const struct resource *res = &story->scene.resource[i];

		if (page < res->used / PAGE) {
			address = (uint8_t *)res->address + page * PAGE;
			printf("          --spoil: page %llu of %s is inverted\n",
			       (unsigned long long)page, res->name);
		} else {
			page -= res->used / PAGE;
		}
	}
	if (!address)
		die("--spoil: the textures have no page %llu",
		    (unsigned long long)story->options->spoil_page);
	for (uint64_t i = 0; i < PAGE; i++)
		address[i] ^= 0xff;
}

static void check_content(struct story *story)
{
	uint64_t count = story->set.bytes / HUGE, same = 0;
	uint64_t *hash = alloc(count, sizeof(*hash));

	set_hash(&story->set, hash);
	for (uint64_t i = 0; i < count; i++)
		same += hash[i] == story->hash[i];
	expect(story, same == count,
	       "%llu of %llu pieces of 2 MiB have the content they had before",
	       (unsigned long long)same, (unsigned long long)count);
	free(hash);
}

static void restore(struct story *story)
{
	printf("[3/6] restore\n");
	set_restore(&story->set);
	set_touch(&story->set);
	if (!strcmp(story->options->store, "mem:"))
		check_same_pages(story);
	else
		printf("  -       page frames are not compared: the store may free and read "
		       "pages\n");
	if (story->options->spoil)
		spoil_page(story);
	check_content(story);
}

static void compare_frame(struct story *story, const char *name, const uint8_t *pixels)
{
	uint64_t differ = 0;

	for (uint64_t i = 0; i < PICTURE_BYTES; i += 4)
		differ += memcmp(pixels + i, story->picture + i, 4) != 0;
	expect(story, differ == 0, "%s: %llu of %u pixels differ from frame 1", name,
	       (unsigned long long)differ, PICTURE_WIDTH * PICTURE_HEIGHT);
}

static void second_frame(struct story *story)
{
	const uint8_t *pixels;

	printf("[4/6] draw frame 2 into cleared targets\n");
	pixels = scene_draw(&story->scene);
	save(story, "frame-2.png", pixels);
	compare_frame(story, "frame 2", pixels);
}

static void compare_costs(struct story *story)
{
	printf("[5/6] swap out and restore, beside copying to a shmem file and back\n");
	fflush(stdout);
	set_hash(&story->set, story->hash);
	story->failures += rounds_run(&story->set, story->options->rounds, story->hash);
	compare_frame(story, "a frame after the rounds", scene_draw(&story->scene));
}

static void end_if_failed(const struct story *story)
{
	if (story->failures != 0)
		die("%u checks failed", story->failures);
}

/*
 * The tts are gone by now: the picture comes from the bos alone. The same picture proves nothing
 * unless bos had to leave and to come back. A touch waits above 9/8 of the limit. Touches under way
 * in other threads come on top, so that a quarter and some folios are allowed. Returns the reason
 * for which the step was left out, or NULL.
 */
static const char *half_the_memory(struct story *story)
{
	struct half_result half;

	printf("[6/6] render again from a pool half that size, evicting and restoring on touch\n");
	fflush(stdout);
	half = half_run(story->options->mib * MIB, story->options->backing, story->picture);
	if (half.left_out) {
		printf("  -       left out: %s\n", half.left_out);
		return half.left_out;
	}
	expect(story, half.differ == 0, "%u of %u frames differ from frame 1", half.differ,
	       half.frames);
	expect(story, half.evicted > 0 && half.read > 0,
	       "%llu bos were evicted, %llu folios were read back on touch",
	       (unsigned long long)half.evicted, (unsigned long long)half.read);
	expect(story, half.most <= half.limit + half.limit / 4 + 4 * HUGE,
	       "at most %llu MiB were resident, the limit is %llu MiB",
	       (unsigned long long)(half.most / MIB), (unsigned long long)(half.limit / MIB));
	return NULL;
}

static void close_scene(struct story *story)
{
	scene_destroy(&story->scene);
	vk_close(&story->vk);
	set_close(&story->set);
}

static void finish(struct story *story)
{
	free(story->picture);
	free(story->hash);
	free(story->pfn);
}

int main(int argc, char **argv)
{
	struct options options = parse(argc, argv);
	struct story story = { .options = &options };
	const char *left_out;

	build(&story);
	if (mkdir(options.out, 0777) < 0 && errno != EEXIST)
		die("mkdir %s: %s", options.out, errno_name(errno));
	first_frame(&story);
	back_up(&story);
	restore(&story);
	second_frame(&story);
	compare_costs(&story);
	close_scene(&story);
	/* a difference must not hide behind something that the last step lacks */
	end_if_failed(&story);
	left_out = half_the_memory(&story);
	finish(&story);
	end_if_failed(&story);
	printf("All pictures and all memory are the same.\n");
	if (left_out)
		printf("Passed, but step 6 was left out: %s.\n", left_out);
	return EXIT_SUCCESS;
}
