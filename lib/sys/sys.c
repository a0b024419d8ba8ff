/* SPDX-License-Identifier: MIT */
/*
 * System calls, each behind its fault point. Nothing here knows what an arena or a folio is;
 * nothing above makes a system call by itself. What is missing on a kernel is reported as the
 * call's own error and the caller decides what to do without it.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <numa.h>
#include <numaif.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "sys.h"
#include "uapi.h"

#define HUGE_BYTES     (2u << 20)
#define PAGE_BYTES     4096u
#define COLLAPSE_TRIES 4u
#define MAX_MAPPINGS   65530u /* the kernel's default */

/* Returns from the calling function if the fault point is on. */
#define INJECT(id)                                        \
	do {                                              \
		int injected = zcs_fault(ZCS_FAULT_##id); \
		if (injected)                             \
			return -injected;                 \
	} while (0)

static int result(int r)
{
	return r < 0 ? -errno : r;
}

int zcs_sys_dup(int fd)
{
	INJECT(DUPFD);
	return result(fcntl(fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1));
}

int zcs_sys_new_fd(int fd)
{
	int high;

	if (fd < 0 || fd > STDERR_FILENO)
		return result(fd);
	high = zcs_sys_dup(fd);
	close(fd);
	return high;
}

int zcs_sys_memfd(const char *name, bool huge)
{
	INJECT(MEMFD);
	return zcs_sys_new_fd(
		memfd_create(name, MFD_CLOEXEC | (huge ? MFD_HUGETLB | MFD_HUGE_2MB : 0u)));
}

uint64_t zcs_sys_file_limit(void)
{
	struct rlimit r;

	if (getrlimit(RLIMIT_FSIZE, &r) || r.rlim_cur == RLIM_INFINITY)
		return UINT64_MAX;
	return r.rlim_cur;
}

int zcs_sys_ftruncate(int fd, uint64_t bytes)
{
	INJECT(FTRUNCATE);
	/* the kernel says it with a SIGXFSZ, which ends the process */
	if (bytes > zcs_sys_file_limit())
		return -EFBIG;
	return result(ftruncate(fd, (off_t)bytes));
}

/* Address space for @bytes, at a multiple of 2 MiB. */
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
 * What is mapped after mlockall(MCL_FUTURE) the kernel fills and locks at once, and
 * mlockall(MCL_CURRENT) does so with whatever is mapped already: it would fill a sparse map of
 * terabytes. It passes over what cannot be accessed. So maps begin inaccessible and unlocked, and
 * are opened as far as they are used.
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
	/* a huge page of descriptors for one touched would defeat "costs nothing until touched" */
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
	return result(mprotect(addr, bytes, PROT_READ | PROT_WRITE));
}

void zcs_sys_unmap(void *addr, size_t bytes)
{
	if (addr)
		munmap(addr, bytes);
}

void zcs_sys_close(int fd)
{
	if (fd >= 0)
		close(fd);
}

int zcs_sys_fallocate(int fd, uint64_t offset, uint64_t bytes)
{
	int r;

	INJECT(FALLOCATE);
	do
		r = result(fallocate(fd, 0, (off_t)offset, (off_t)bytes));
	while (r == -EINTR);
	return r;
}

int zcs_sys_punch(int fd, uint64_t offset, uint64_t bytes)
{
	INJECT(PUNCH);
	return result(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)offset,
				(off_t)bytes));
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
		r = result(madvise(addr, bytes, MADV_POPULATE_WRITE));
	while (r == -EINTR || r == -EAGAIN);
	return r;
}

/* What mlockall(MCL_CURRENT) has locked needs to be told so; Linux 5.18. It stays locked. */
static int dontneed(void *addr, size_t bytes)
{
	int r = result(madvise(addr, bytes, MADV_DONTNEED));

	return r == -EINVAL ? result(madvise(addr, bytes, MADV_DONTNEED_LOCKED)) : r;
}

/*
 * The kernel first empties every CPU's list of pages that are new to the LRU, and waits for a
 * worker on each CPU that has some: 8 to 10 ms, measured. This CPU has some, from populating; a zap
 * empties them at once. -EAGAIN: somebody holds a page for a moment.
 */
int zcs_sys_collapse(void *addr, size_t bytes)
{
	int r = -EAGAIN;

	INJECT(COLLAPSE);
	for (unsigned i = 0; r == -EAGAIN && i < COLLAPSE_TRIES; i++) {
		dontneed(addr, PAGE_BYTES);
		r = result(madvise(addr, bytes, MADV_COLLAPSE));
	}
	return r;
}

int zcs_sys_hugepage(void *addr, size_t bytes)
{
	return result(madvise(addr, bytes, MADV_HUGEPAGE));
}

int zcs_sys_zap(void *addr, size_t bytes)
{
	INJECT(ZAP);
	return dontneed(addr, bytes);
}

static int uffd_open(bool *kernel)
{
	int fd = (int)syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK);

	*kernel = fd >= 0;
	/*
	 * only for want of the privilege: with less, what is short for now would be missing for
	 * good
	 */
	if (fd < 0 && errno == EPERM)
		fd = (int)syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK | UFFD_USER_MODE_ONLY);
	return zcs_sys_new_fd(fd);
}

static int uffd_with(uint64_t features, bool *kernel)
{
	struct uffdio_api api = { .api = UFFD_API, .features = features };
	int fd = uffd_open(kernel);

	if (fd < 0)
		return fd;
	if (ioctl(fd, UFFDIO_API, &api)) {
		int err = errno;

		close(fd);
		return -err;
	}
	return fd;
}

int zcs_sys_uffd(bool *kernel, bool *wp)
{
	const uint64_t least = UFFD_FEATURE_MISSING_SHMEM | UFFD_FEATURE_MINOR_SHMEM |
			       UFFD_FEATURE_MISSING_HUGETLBFS | UFFD_FEATURE_MINOR_HUGETLBFS;
	int fd;

	INJECT(UFFD);
	fd = zcs_fault(ZCS_FAULT_UFFD_WP)
		     ? -EINVAL
		     : uffd_with(least | UFFD_FEATURE_PAGEFAULT_FLAG_WP |
					 UFFD_FEATURE_WP_HUGETLBFS_SHMEM | UFFD_FEATURE_WP_ASYNC,
				 kernel);
	*wp = fd >= 0;
	return fd == -EINVAL ? uffd_with(least, kernel) : fd;
}

int zcs_sys_uffd_register(int uffd, void *addr, size_t bytes, bool wp)
{
	struct uffdio_register reg = {
		.range = { (uintptr_t)addr, bytes },
		.mode = UFFDIO_REGISTER_MODE_MISSING | UFFDIO_REGISTER_MODE_MINOR |
			(wp ? UFFDIO_REGISTER_MODE_WP : 0),
	};

	INJECT(UFFD_REGISTER);
	return result(ioctl(uffd, UFFDIO_REGISTER, &reg));
}

/*
 * The kernel wakes waiters before it locks the area: a fault that comes in between begins to wait
 * in an area that is no longer registered, and its event is answered by an UNREGISTER that finds
 * nothing to do. A wake after the fact reaches it.
 */
int zcs_sys_uffd_unregister(int uffd, void *addr, size_t bytes)
{
	struct uffdio_range range = { (uintptr_t)addr, bytes };
	int err;

	INJECT(UFFD_UNREGISTER);
	err = result(ioctl(uffd, UFFDIO_UNREGISTER, &range));
	if (!err)
		zcs_sys_uffd_wake(uffd, addr, bytes);
	return err;
}

void zcs_sys_uffd_wake(int uffd, void *addr, size_t bytes)
{
	struct uffdio_range range = { (uintptr_t)addr, bytes };

	ioctl(uffd, UFFDIO_WAKE, &range);
}

/* The kernel takes no range that reaches from one mapping into the next. */
int zcs_sys_uffd_continue(int uffd, void *addr, size_t bytes, size_t page, bool wp)
{
	uintptr_t at = (uintptr_t)addr, end = at + bytes;
	bool whole = true;

	INJECT(UFFD_CONTINUE);
	while (at < end) {
		struct uffdio_continue c = {
			.range = { at, whole ? end - at : page },
			.mode = wp ? UFFDIO_CONTINUE_MODE_WP : 0,
		};

		if (!ioctl(uffd, UFFDIO_CONTINUE, &c) || c.mapped > 0) {
			at += (uintptr_t)c.mapped;
		} else if (errno == EEXIST) {
			/* somebody may have begun to wait before the page was mapped */
			zcs_sys_uffd_wake(uffd, (void *)at, page);
			at += page;
		} else if (errno == ENOENT && whole && end - at > page) {
			whole = false;
		} else if (errno != EAGAIN && errno != EINTR) {
			return -errno;
		}
	}
	return 0;
}

int zcs_sys_pagemap_open(void)
{
	INJECT(PAGEMAP);
	return zcs_sys_new_fd(open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC));
}

int zcs_sys_pagemap_read(int fd, const void *addr, uint64_t *entry)
{
	INJECT(PAGEMAP);
	if (pread(fd, entry, sizeof(*entry), (off_t)((uintptr_t)addr / 4096 * sizeof(*entry))) !=
	    sizeof(*entry))
		return -EIO;
	return 0;
}

int zcs_sys_identify(int fd, size_t *page, uint64_t *bytes)
{
	struct statfs fs;
	struct stat st;

	if (fstat(fd, &st) || fstatfs(fd, &fs))
		return -EINVAL;
	if (!S_ISREG(st.st_mode))
		return -EOPNOTSUPP;
	*page = fs.f_type == HUGETLBFS_MAGIC ? (size_t)fs.f_bsize : 4096;
	if (*page != 4096 && *page != HUGE_BYTES)
		return -EOPNOTSUPP;
	*bytes = (uint64_t)st.st_size;
	return 0;
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

static int fake_nr_nodes, fake_cpu_node;

void zcs_sys_fake_nodes(int nr, int cpu_node)
{
	fake_nr_nodes = nr;
	fake_cpu_node = cpu_node;
}

int zcs_sys_nr_nodes(void)
{
	if (fake_nr_nodes)
		return fake_nr_nodes;
	return numa_available() < 0 ? 1 : numa_max_node() + 1;
}

bool zcs_sys_node_exists(int node)
{
	if (node < 0 || node >= zcs_sys_nr_nodes())
		return false;
	if (fake_nr_nodes || numa_available() < 0)
		return true;
	return numa_bitmask_isbitset(numa_all_nodes_ptr, (unsigned)node);
}

int zcs_sys_cpu_node(void)
{
	int node;

	if (fake_nr_nodes)
		return fake_cpu_node;
	if (numa_available() < 0)
		return 0;
	node = numa_node_of_cpu((int)zcs_sys_cpu());
	return node < 0 ? 0 : node;
}

unsigned zcs_sys_cpu(void)
{
	int cpu = sched_getcpu();

	return cpu < 0 ? 0 : (unsigned)cpu;
}

unsigned zcs_sys_nr_cpus(void)
{
	long n = sysconf(_SC_NPROCESSORS_CONF);

	return n < 1 ? 1 : (unsigned)n;
}

int zcs_sys_bind(void *addr, size_t bytes, int node, bool strict)
{
	unsigned long mask[16] = { 0 };

	INJECT(MBIND);
	if (fake_nr_nodes || numa_available() < 0)
		return 0;
	if (node < 0 || (size_t)node >= sizeof(mask) * 8 - 1)
		return -EINVAL;
	mask[(size_t)node / 64] |= 1ul << (node % 64);
	return result((int)mbind(addr, bytes, strict ? MPOL_BIND : MPOL_PREFERRED, mask,
				 sizeof(mask) * 8, 0));
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
