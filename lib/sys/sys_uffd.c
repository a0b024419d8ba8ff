/* SPDX-License-Identifier: MIT */
/*
 * userfaultfd: registers ranges whose touches trap, reads the touches, and answers them. Also the
 * page map, which tells whether a page was written to.
 *
 * The caller's privileges decide the kind of userfaultfd. With them the kernel reports faults of
 * system calls as well, without them faults of user mode only. The newer features are found by
 * asking the kernel for them.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "sys_file.h"
#include "sys_priv.h"
#include "sys_uffd.h"
#include "uapi.h"

static int uffd_open(bool *kernel)
{
	int fd = (int)syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK);

	*kernel = fd >= 0;
	/*
	 * Only if the privilege is missing. After another error, such as a lack of memory, a retry
	 * in user mode would lose faults of system calls for good.
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
	return zcs_result(ioctl(uffd, UFFDIO_REGISTER, &reg));
}

/*
 * The kernel wakes waiters before it locks the area. A fault that comes in between begins to wait
 * in an area that is no longer registered. Its event is answered by an UNREGISTER that finds
 * nothing to do. A second wake after the call reaches that waiter.
 */
int zcs_sys_uffd_unregister(int uffd, void *addr, size_t bytes)
{
	struct uffdio_range range = { (uintptr_t)addr, bytes };
	int err;

	INJECT(UFFD_UNREGISTER);
	err = zcs_result(ioctl(uffd, UFFDIO_UNREGISTER, &range));
	if (!err)
		zcs_sys_uffd_wake(uffd, addr, bytes);
	return err;
}

void zcs_sys_uffd_wake(int uffd, void *addr, size_t bytes)
{
	struct uffdio_range range = { (uintptr_t)addr, bytes };

	ioctl(uffd, UFFDIO_WAKE, &range);
}

/* The kernel refuses a range that spans two mappings: then the range is continued page by page. */
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
			/* a toucher may have begun to wait before the page was mapped */
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

int zcs_sys_uffd_read(int uffd, struct zcs_sys_touch *touch)
{
	struct uffd_msg msg;

	INJECT(UFFD_READ);
	if (read(uffd, &msg, sizeof(msg)) != sizeof(msg))
		return -EAGAIN;
	if (msg.event != UFFD_EVENT_PAGEFAULT)
		return -EAGAIN;
	touch->addr = (uintptr_t)msg.arg.pagefault.address;
	touch->write = msg.arg.pagefault.flags & UFFD_PAGEFAULT_FLAG_WRITE;
	return 0;
}

int zcs_sys_uffd_poison(int uffd, void *addr, size_t bytes)
{
	struct uffdio_poison p = { .range = { (uintptr_t)addr, bytes } };

	INJECT(UFFD_POISON);
	return zcs_result(ioctl(uffd, UFFDIO_POISON, &p));
}

int zcs_sys_uffd_unprotect(int uffd, void *addr, size_t bytes)
{
	struct uffdio_writeprotect wp = { .range = { (uintptr_t)addr, bytes } };

	INJECT(UFFD_UNPROTECT);
	return zcs_result(ioctl(uffd, UFFDIO_WRITEPROTECT, &wp));
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
