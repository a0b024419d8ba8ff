/* SPDX-License-Identifier: MIT */
/*
 * Facts of the kernel about the machine and about our memory. Frame numbers need CAP_SYS_ADMIN:
 * without it pagemap reads as zeros, apart from the bit for a page that is mapped.
 */
#include "quickstart_proc.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#define PAGEMAP_PRESENT (1ull << 63)
#define PAGEMAP_PFN	((1ull << 55) - 1)

static const char thp[] = "/sys/kernel/mm/transparent_hugepage/";

uint64_t proc_meminfo(const char *key)
{
	FILE *file = fopen("/proc/meminfo", "re");
	size_t length = strlen(key);
	unsigned long long value = 0;
	char line[128];

	while (file && fgets(line, sizeof(line), file)) {
		if (strncmp(line, key, length) == 0 && line[length] == ':') {
			sscanf(line + length + 1, "%llu", &value);
			break;
		}
	}
	if (file)
		fclose(file);
	return value;
}

static void print_processor(void)
{
	FILE *file = fopen("/proc/cpuinfo", "re");
	const char *name = "processor without a name";
	char line[256];

	while (file && fgets(line, sizeof(line), file)) {
		char *colon = strchr(line, ':');

		if (strncmp(line, "model name", 10) == 0 && colon) {
			colon[strcspn(colon, "\n")] = '\0';
			name = colon + 2;
			break;
		}
	}
	printf("machine   %s, %ld CPUs, %.1f GiB\n", name, sysconf(_SC_NPROCESSORS_ONLN),
	       (double)proc_meminfo("MemTotal") / (double)MIB);
	if (file)
		fclose(file);
}

/* The word in brackets of a transparent_hugepage file. */
static void print_thp(const char *name)
{
	char path[128], line[128] = "";
	FILE *file;
	char *open;

	snprintf(path, sizeof(path), "%s%s", thp, name);
	file = fopen(path, "re");
	if (!file || !fgets(line, sizeof(line), file))
		snprintf(line, sizeof(line), "[not there]");
	if (file)
		fclose(file);
	open = strchr(line, '[');
	if (open)
		printf("; %s %.*s", name, (int)strcspn(open + 1, "]"), open + 1);
}

void proc_print_machine(void)
{
	struct utsname kernel;

	SYS_CHECK(uname(&kernel));
	print_processor();
	printf("kernel    %s %s %s\n", kernel.sysname, kernel.release, kernel.machine);
	printf("huge      %llu of %llu hugetlb pages free",
	       (unsigned long long)proc_meminfo("HugePages_Free"),
	       (unsigned long long)proc_meminfo("HugePages_Total"));
	print_thp("enabled");
	print_thp("shmem_enabled");
	printf("\n");
}

static bool holds_tt(const struct set *set, uint64_t start, uint64_t end)
{
	for (uint32_t i = 0; i < set->count; i++) {
		uint64_t address = (uint64_t)(uintptr_t)set_address(set, i);

		if (start < address + set_size(set, i) && address < end)
			return true;
	}
	return false;
}

static uint64_t resident_kib(const char *line)
{
	static const char *const key[] = { "Rss:", "Shared_Hugetlb:", "Private_Hugetlb:" };
	unsigned long long kib = 0;

	for (size_t i = 0; i < sizeof(key) / sizeof(key[0]); i++)
		if (strncmp(line, key[i], strlen(key[i])) == 0)
			sscanf(line + strlen(key[i]), "%llu", &kib);
	return kib;
}

uint64_t proc_rss(const struct set *set)
{
	FILE *file = fopen("/proc/self/smaps", "re");
	unsigned long long start, end;
	bool ours = false, met = false;
	uint64_t kib = 0;
	char line[512];

	if (!file)
		die_call("fopen /proc/self/smaps", __FILE__, __LINE__, errno_name(errno));
	while (fgets(line, sizeof(line), file)) {
		if (sscanf(line, "%llx-%llx ", &start, &end) == 2) {
			ours = holds_tt(set, start, end);
			met |= ours;
		} else if (ours) {
			kib += resident_kib(line);
		}
	}
	fclose(file);
	if (!met)
		die("/proc/self/smaps has no mapping that holds a tt");
	return kib * KIB;
}

static void read_entries(int fd, uint64_t *entry, const uint8_t *address, uint64_t pages)
{
	uint64_t bytes = pages * sizeof(*entry);
	off_t offset = (off_t)((uint64_t)(uintptr_t)address / PAGE * sizeof(*entry));

	for (uint64_t done = 0; done < bytes;) {
		ssize_t now =
			pread(fd, (uint8_t *)entry + done, bytes - done, offset + (off_t)done);

		SYS_CHECK(now);
		if (now == 0)
			die("/proc/self/pagemap ends before %p", (const void *)address);
		done += (uint64_t)now;
	}
}

uint64_t proc_pagemap(const struct set *set, uint64_t *pfn)
{
	uint64_t *entry = alloc(set->bytes / PAGE, sizeof(*entry));
	uint64_t total = 0, mapped = 0;
	int fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);

	SYS_CHECK(fd);
	for (uint32_t i = 0; i < set->count; i++) {
		uint64_t pages = set_size(set, i) / PAGE;

		read_entries(fd, entry + total, set_address(set, i), pages);
		total += pages;
	}
	close(fd);
	for (uint64_t i = 0; i < total; i++) {
		bool present = (entry[i] & PAGEMAP_PRESENT) != 0;

		mapped += present;
		if (pfn)
			pfn[i] = present ? entry[i] & PAGEMAP_PFN : 0;
	}
	free(entry);
	return mapped;
}
