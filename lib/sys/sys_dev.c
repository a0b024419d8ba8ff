/* SPDX-License-Identifier: MIT */
/*
 * System calls of the device: epoll, userfaultfd events, waiting for pressure, the clock. As in
 * sys.c, each that can fail has a fault point.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "sys.h"
#include "sys_dev.h"
#include "uapi.h"

int zcs_sys_epoll(void)
{
	int err = zcs_fault(ZCS_FAULT_EPOLL);

	return err ? -err : zcs_sys_new_fd(epoll_create1(EPOLL_CLOEXEC));
}

static int epoll_set(int epfd, int op, int fd, void *ptr, bool once)
{
	struct epoll_event ev = { .events = EPOLLIN | (once ? (uint32_t)EPOLLONESHOT : 0),
				  .data.ptr = ptr };

	return epoll_ctl(epfd, op, fd, &ev) ? -errno : 0;
}

int zcs_sys_epoll_add(int epfd, int fd, void *ptr, bool once)
{
	return epoll_set(epfd, EPOLL_CTL_ADD, fd, ptr, once);
}

void zcs_sys_epoll_again(int epfd, int fd, void *ptr)
{
	epoll_set(epfd, EPOLL_CTL_MOD, fd, ptr, true);
}

int zcs_sys_epoll_wait(int epfd, int ms, void **ptr)
{
	struct epoll_event ev;
	int n = epoll_wait(epfd, &ev, 1, ms);

	if (n == 1)
		*ptr = ev.data.ptr;
	return n == 1;
}

int zcs_sys_uffd_read(int uffd, struct zcs_sys_touch *touch)
{
	int err = zcs_fault(ZCS_FAULT_UFFD_READ);
	struct uffd_msg msg;

	if (err)
		return -err;
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
	int err = zcs_fault(ZCS_FAULT_UFFD_POISON);

	if (err)
		return -err;
	return ioctl(uffd, UFFDIO_POISON, &p) ? -errno : 0;
}

int zcs_sys_uffd_unprotect(int uffd, void *addr, size_t bytes)
{
	struct uffdio_writeprotect wp = { .range = { (uintptr_t)addr, bytes } };
	int err = zcs_fault(ZCS_FAULT_UFFD_UNPROTECT);

	if (err)
		return -err;
	return ioctl(uffd, UFFDIO_WRITEPROTECT, &wp) ? -errno : 0;
}

void zcs_sys_event_clear(int fd)
{
	uint64_t n;
	ssize_t got = read(fd, &n, sizeof(n));

	(void)got;
}

int zcs_sys_poll(int event, const int psi[ZCS_PSI_NR], int ms, struct zcs_sys_polled *polled)
{
	struct pollfd fds[1 + ZCS_PSI_NR] = { { .fd = event, .events = POLLIN } };
	int n;

	/* of what is negative poll() says nothing */
	for (unsigned i = 0; i < ZCS_PSI_NR; i++)
		fds[1 + i] = (struct pollfd){ .fd = psi[i], .events = POLLPRI };
	n = poll(fds, 1 + ZCS_PSI_NR, ms);
	*polled = (struct zcs_sys_polled){ .woken = n > 0 && (fds[0].revents & POLLIN) };
	for (unsigned i = 0; n > 0 && i < ZCS_PSI_NR; i++) {
		polled->pressed[i] = fds[1 + i].revents & POLLPRI;
		polled->gone[i] =
			!polled->pressed[i] && (fds[1 + i].revents & (POLLERR | POLLNVAL));
	}
	return n;
}

uint64_t zcs_sys_now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

void zcs_sys_cond_init(pthread_cond_t *cond)
{
	pthread_condattr_t attr;

	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(cond, &attr);
	pthread_condattr_destroy(&attr);
}
