/* SPDX-License-Identifier: MIT */
/*
 * Address space and the memory in it: mapping, opening, populating, zapping, collapsing, and the
 * allocation of the library's own memory.
 *
 * A map begins inaccessible, and a range of it is opened before its first use. That costs one
 * mprotect() for each step of growth. Without it mlockall() would fill terabytes.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "sys_mem.h"
#include "sys_priv.h"
#include "uapi.h"

#define HUGE_BYTES     (2u << 20)
#define PAGE_BYTES     4096u
#define COLLAPSE_TRIES 4u
#define MAX_MAPPINGS   65530u /* the kernel's default */

/* Reserves address space for @bytes at a multiple of 2 MiB. */
static int reserve_aligned(size_t bytes, char **addr)
{
	char *p, *aligned;
	size_t head;

	p = mmap(NULL, bytes + HUGE_BYTES, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
		 -1, 0);
	if (p == MAP_FAILED)
		return -errno;
	aligned = (char *)(((uintptr_t)p + HUGE_BYTES - 1) & ~(uintptr_t)(HUGE_BYTES - 1));
	head = (size_t)(aligned - p);
	if (head)
		munmap(p, head);
	if (HUGE_BYTES - head)
		munmap(aligned + bytes, HUGE_BYTES - head);
	*addr = aligned;
	return 0;
}

/*
 * Two calls fill a sparse map of terabytes. After mlockall(MCL_FUTURE) the kernel fills and locks
 * each new mapping at once, and mlockall(MCL_CURRENT) fills and locks all present ones. Both pass
 * over inaccessible ranges. So maps begin inaccessible and unlocked, and are opened step by step.
 */
int zcs_sys_map(int fd, uint64_t offset, size_t bytes, char **addr)
{
	char *p = NULL;
	int err;

	INJECT(MMAP);
	err = reserve_aligned(bytes, &p);
	if (err)
		return err;
	if (mmap(p, bytes, PROT_NONE, MAP_SHARED | MAP_NORESERVE | MAP_FIXED, fd, (off_t)offset) ==
	    MAP_FAILED) {
		err = errno;
		munmap(p, bytes);
		return -err;
	}
	munlock(p, bytes);
	madvise(p, bytes, MADV_DONTFORK);
	madvise(p, bytes, MADV_DONTDUMP);
	*addr = p;
	return 0;
}

int zcs_sys_reserve_closed(size_t bytes, void **addr)
{
	void *p;

	INJECT(MMAP);
	p = mmap(NULL, bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (p == MAP_FAILED)
		return -errno;
	munlock(p, bytes);
	/* a huge page for one touched descriptor would break "costs nothing until touched" */
	madvise(p, bytes, MADV_NOHUGEPAGE);
	*addr = p;
	return 0;
}

int zcs_sys_reserve(size_t bytes, void **addr)
{
	int err = zcs_sys_reserve_closed(bytes, addr);

	if (err)
		return err;
	err = zcs_sys_open_range(*addr, bytes);
	if (err) {
		zcs_sys_unmap(*addr, bytes);
		*addr = NULL;
	}
	return err;
}

int zcs_sys_open_range(void *addr, size_t bytes)
{
	INJECT(MPROTECT);
	return zcs_result(mprotect(addr, bytes, PROT_READ | PROT_WRITE));
}

void zcs_sys_unmap(void *addr, size_t bytes)
{
	if (addr)
		munmap(addr, bytes);
}

int zcs_sys_remove(void *addr, size_t bytes)
{
	INJECT(REMOVE);
	return zcs_result(madvise(addr, bytes, MADV_REMOVE));
}

bool zcs_sys_resident(void *addr)
{
	unsigned char in_memory = 0;

	return !mincore(addr, 1, &in_memory) && (in_memory & 1);
}

int zcs_sys_populate(void *addr, size_t bytes)
{
	int r;

	INJECT(POPULATE);
	do
		r = zcs_result(madvise(addr, bytes, MADV_POPULATE_WRITE));
	while (r == -EINTR || r == -EAGAIN);
	return r;
}

/*
 * A range that mlockall(MCL_CURRENT) has locked needs an advice of its own (Linux 5.18), and stays
 * locked.
 */
static int dontneed(void *addr, size_t bytes)
{
	int r = zcs_result(madvise(addr, bytes, MADV_DONTNEED));

	return r == -EINVAL ? zcs_result(madvise(addr, bytes, MADV_DONTNEED_LOCKED)) : r;
}

/*
 * The kernel first empties the list of new pages of each CPU, and waits for a worker on each CPU
 * that has such pages: 8 to 10 ms, measured. This CPU has some, from populating. A zap empties its
 * list at once, and saves that wait. -EAGAIN: another task holds a page for a moment.
 */
int zcs_sys_collapse(void *addr, size_t bytes)
{
	int r = -EAGAIN;

	INJECT(COLLAPSE);
	for (unsigned i = 0; r == -EAGAIN && i < COLLAPSE_TRIES; i++) {
		dontneed(addr, PAGE_BYTES);
		r = zcs_result(madvise(addr, bytes, MADV_COLLAPSE));
	}
	return r;
}

int zcs_sys_hugepage(void *addr, size_t bytes)
{
	return zcs_result(madvise(addr, bytes, MADV_HUGEPAGE));
}

int zcs_sys_zap(void *addr, size_t bytes)
{
	INJECT(ZAP);
	return dontneed(addr, bytes);
}

static uint64_t read_number(const char *path)
{
	unsigned long long n = 0;
	FILE *f = fopen(path, "re");

	if (!f)
		return 0;
	if (fscanf(f, "%llu", &n) != 1)
		n = 0;
	fclose(f);
	return n;
}

#define HUGETLB_DIR "/sys/kernel/mm/hugepages/hugepages-2048kB/"

uint64_t zcs_sys_hugetlb_free(void)
{
	uint64_t nr = read_number(HUGETLB_DIR "free_hugepages");
	uint64_t reserved = read_number(HUGETLB_DIR "resv_hugepages");

	return nr > reserved ? nr - reserved : 0;
}

uint64_t zcs_sys_max_mappings(void)
{
	uint64_t n = read_number("/proc/sys/vm/max_map_count");

	return n ? n : MAX_MAPPINGS;
}

uint64_t zcs_sys_ram_bytes(void)
{
	return (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE);
}

void *zcs_sys_calloc(enum zcs_fault_id point, size_t nr, size_t size)
{
	return zcs_fault(point) ? NULL : calloc(nr, size);
}

void *zcs_sys_calloc_lines(enum zcs_fault_id point, size_t bytes)
{
	size_t whole = (bytes + 63) & ~(size_t)63;
	void *p = zcs_fault(point) ? NULL : aligned_alloc(64, whole);

	if (p)
		memset(p, 0, whole);
	return p;
}
