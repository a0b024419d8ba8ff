/* SPDX-License-Identifier: MIT */
/*
 * The baselines: the same memory by system calls alone, as a program without the library would do
 * it.
 *
 * "Bare" is a memfd of the same kind, mapped the same way, on which only the one call in question
 * is timed; it is the floor. "Copy" is what swapping out means without insertion: pwrite() into a
 * shmem file that has no pages yet, in pieces of 2 MiB, and pread() back.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/memfd.h>
#include <linux/mman.h>
#include <sys/mman.h>
#include <unistd.h>

#include "bench.h"

#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE 25
#endif

const char *const bench_kind_name[BENCH_KINDS] = { "hugetlb", "thp", "thp-collapse", "small" };

static void must(struct bench *b, const char *call, int ret)
{
	if (ret < 0)
		bench_die(b, call, -errno);
}

/* A freezer or a tracer interrupts it without any signal having been sent. */
int bench_fallocate(int fd, int mode, uint64_t offset, uint64_t bytes)
{
	int r;

	do
		r = fallocate(fd, mode, (off_t)offset, (off_t)bytes);
	while (r && errno == EINTR);
	return r;
}

/* Address space for @bytes, aligned to 2 MiB. */
static char *aligned_space(struct bench *b, size_t bytes)
{
	char *p = mmap(NULL, bytes + BENCH_UNIT, PROT_NONE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	size_t skip;

	if (p == MAP_FAILED)
		bench_die(b, "mmap", -errno);
	skip = (BENCH_UNIT - (uintptr_t)p % BENCH_UNIT) % BENCH_UNIT;
	if (skip)
		munmap(p, skip);
	munmap(p + skip + bytes, BENCH_UNIT - skip);
	return p + skip;
}

void bench_bare_open(struct bench *b, struct bench_bare *bare, enum bench_kind kind, size_t bytes)
{
	unsigned flags = MFD_CLOEXEC | (kind == BENCH_HUGETLB ? MFD_HUGETLB | MFD_HUGE_2MB : 0);
	char *p;

	bare->kind = kind;
	bare->bytes = bytes;
	bare->fd = kind == BENCH_THP && !b->collapse ? bench_huge_file() : -1;
	if (bare->fd < 0)
		bare->fd = memfd_create("bench bare", flags);
	must(b, "memfd_create", bare->fd);
	must(b, "ftruncate", ftruncate(bare->fd, (off_t)bytes));
	p = mmap(aligned_space(b, bytes), bytes, PROT_READ | PROT_WRITE,
		 MAP_SHARED | MAP_FIXED | MAP_NORESERVE, bare->fd, 0);
	if (p == MAP_FAILED)
		bench_die(b, "mmap", -errno);
	bare->addr = p;
	if (kind == BENCH_THP)
		madvise(p, bytes, MADV_HUGEPAGE);
}

void bench_bare_populate(struct bench *b, struct bench_bare *bare, size_t offset, size_t bytes)
{
	char *at = bare->addr + offset;

	switch (bare->kind) {
	case BENCH_HUGETLB:
		must(b, "fallocate", bench_fallocate(bare->fd, 0, offset, bytes));
		must(b, "MADV_POPULATE_WRITE", madvise(at, bytes, MADV_POPULATE_WRITE));
		break;
	case BENCH_THP:
		bench_touch(at, bytes, BENCH_UNIT);
		if (bytes % BENCH_UNIT == 0 && !madvise(at, bytes, MADV_COLLAPSE))
			break;
		/* fall through */
	default:
		must(b, "MADV_POPULATE_WRITE", madvise(at, bytes, MADV_POPULATE_WRITE));
	}
}

void bench_bare_punch(struct bench *b, struct bench_bare *bare)
{
	must(b, "PUNCH_HOLE",
	     bench_fallocate(bare->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, bare->bytes));
}

void bench_bare_zap(struct bench *b, struct bench_bare *bare)
{
	must(b, "MADV_DONTNEED", madvise(bare->addr, bare->bytes, MADV_DONTNEED));
}

void bench_bare_close(struct bench_bare *bare)
{
	munmap(bare->addr, bare->bytes);
	close(bare->fd);
}

int bench_fresh_file(struct bench *b)
{
	int fd = memfd_create("bench copy", MFD_CLOEXEC);

	must(b, "memfd_create", fd);
	return fd;
}

int bench_direct_file(struct bench *b, uint64_t bytes)
{
	int fd = open(b->dir, O_TMPFILE | O_RDWR | O_CLOEXEC | O_DIRECT, 0600);

	if (fd < 0)
		fd = open(b->dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	must(b, b->dir, fd);
	must(b, "fallocate", bench_fallocate(fd, 0, 0, bytes));
	return fd;
}

void bench_copy_out(struct bench *b, int fd, const void *from, size_t bytes, uint64_t offset)
{
	const char *at = from;

	while (bytes) {
		size_t piece = bytes < BENCH_UNIT ? bytes : BENCH_UNIT;
		ssize_t n = pwrite(fd, at, piece, (off_t)offset);

		if (n <= 0)
			bench_die(b, "pwrite", n ? -errno : -EIO);
		at += n;
		offset += (uint64_t)n;
		bytes -= (size_t)n;
	}
}

void bench_copy_back(struct bench *b, int fd, void *to, size_t bytes, uint64_t offset)
{
	char *at = to;

	while (bytes) {
		size_t piece = bytes < BENCH_UNIT ? bytes : BENCH_UNIT;
		ssize_t n = pread(fd, at, piece, (off_t)offset);

		if (n <= 0)
			bench_die(b, "pread", n ? -errno : -EIO);
		at += n;
		offset += (uint64_t)n;
		bytes -= (size_t)n;
	}
}

void bench_touch(char *addr, size_t bytes, size_t step)
{
	for (size_t i = 0; i < bytes; i += step)
		(*(volatile char *)(addr + i))++;
}

size_t bench_step(enum bench_kind kind)
{
	return kind == BENCH_SMALL ? 4096 : BENCH_UNIT;
}
