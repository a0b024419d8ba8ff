/* SPDX-License-Identifier: MIT */
/*
 * The kernel's view of memory, see zcs_test.h: pagemap, smaps, and the blocks behind a file. The
 * library's own numbers are held against it.
 */
#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "zcs_test.h"

static int pagemap_fd(void)
{
	static int fd = -1;
	static pid_t owner;

	if (fd >= 0 && owner == getpid())
		return fd;
	owner = getpid();
	fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	return fd;
}

uint64_t zcs_test_pagemap(const void *addr)
{
	uint64_t entry = 0;
	off_t at = (off_t)((uintptr_t)addr / ZCS_PAGE_SIZE * sizeof(entry));

	if (pread(pagemap_fd(), &entry, sizeof(entry), at) != (ssize_t)sizeof(entry))
		fail_msg("/proc/self/pagemap: %s", strerror(errno));
	return entry;
}

bool zcs_test_present(const void *addr)
{
	return zcs_test_pagemap(addr) >> 63;
}

uint64_t zcs_test_present_pages(const void *addr, uint64_t nr)
{
	uint64_t present = 0;

	for (uint64_t i = 0; i < nr; i++)
		present += zcs_test_present((const char *)addr + i * ZCS_PAGE_SIZE);
	return present;
}

uint64_t zcs_test_frame(const void *addr)
{
	uint64_t entry = zcs_test_pagemap(addr);

	return entry >> 63 ? entry & ((UINT64_C(1) << 55) - 1) : 0;
}

bool zcs_test_sees_frames(void)
{
	volatile char here = 1;

	return here && zcs_test_frame((const void *)&here) != 0;
}

/* Whether the line starts a mapping; *overlaps: one that reaches into [start, end). */
static bool starts_mapping(const char *line, uintptr_t start, uintptr_t end, bool *overlaps)
{
	unsigned long long from, to;

	if (sscanf(line, "%llx-%llx ", &from, &to) != 2)
		return false;
	*overlaps = from < end && to > start;
	return true;
}

uint64_t zcs_test_smaps(const void *addr, uint64_t bytes, const char *field)
{
	uintptr_t start = (uintptr_t)addr, end = start + bytes;
	size_t len = strlen(field);
	bool inside = false;
	uint64_t sum = 0;
	char line[512];
	FILE *f = fopen("/proc/self/smaps", "re");

	assert_non_null(f);
	while (fgets(line, sizeof(line), f)) {
		if (starts_mapping(line, start, end, &inside) || !inside)
			continue;
		if (!strncmp(line, field, len) && line[len] == ':')
			sum += strtoull(line + len + 1, NULL, 10) << 10;
	}
	fclose(f);
	return sum;
}

uint64_t zcs_test_rss(const void *addr, uint64_t bytes)
{
	return zcs_test_smaps(addr, bytes, "Rss") + zcs_test_smaps(addr, bytes, "Shared_Hugetlb") +
	       zcs_test_smaps(addr, bytes, "Private_Hugetlb");
}

uint64_t zcs_test_fd_bytes(int fd)
{
	struct stat st;

	zcs_assert_ok(fstat(fd, &st));
	return (uint64_t)st.st_blocks * 512;
}

/* "/memfd:zcswap arena", or on a tmpfs of its own "/zcswap arena". */
static bool is_arena(const char *target)
{
	static const char memfd[] = "/memfd:", name[] = "zcswap arena";

	target += strncmp(target, memfd, sizeof(memfd) - 1) ? 1 : sizeof(memfd) - 1;
	return !strncmp(target, name, sizeof(name) - 1);
}

/*
 * Counts the library's memory files among the open descriptors, and adds up their memory unless
 * @bytes is NULL: who only counts may do so while a thread of the library closes one.
 */
static unsigned walk_arenas(uint64_t *bytes)
{
	DIR *dir = opendir("/proc/self/fd");
	unsigned nr = 0;

	assert_non_null(dir);
	for (struct dirent *e = readdir(dir); e; e = readdir(dir)) {
		char target[64] = "";

		if (readlinkat(dirfd(dir), e->d_name, target, sizeof(target) - 1) < 0)
			continue;
		if (!is_arena(target))
			continue;
		nr++;
		if (bytes)
			*bytes += zcs_test_fd_bytes(atoi(e->d_name));
	}
	closedir(dir);
	return nr;
}

uint64_t zcs_test_arena_bytes(void)
{
	uint64_t bytes = 0;

	walk_arenas(&bytes);
	return bytes;
}

unsigned zcs_test_arenas(void)
{
	return walk_arenas(NULL);
}

unsigned zcs_test_entries(const char *path)
{
	DIR *dir = opendir(path);
	unsigned nr = 0;

	assert_non_null(dir);
	while (readdir(dir))
		nr++;
	closedir(dir);
	return nr;
}
