/* SPDX-License-Identifier: MIT */
/*
 * Waiting for an event: event counters (eventfd), epoll, poll. Each call is one system call. The
 * fault points are at the calls that make a descriptor, for the others can fail only by a mistake.
 */
#include <errno.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "sys_event.h"
#include "sys_file.h"
#include "sys_priv.h"

int zcs_sys_event(void)
{
	INJECT(EVENTFD);
	return zcs_sys_new_fd(eventfd(0, EFD_CLOEXEC));
}

void zcs_sys_event_add(int fd)
{
	uint64_t one = 1;
	ssize_t r;

	do
		r = write(fd, &one, sizeof(one));
	while (r < 0 && errno == EINTR);
}

void zcs_sys_event_clear(int fd)
{
	uint64_t n;
	ssize_t got = read(fd, &n, sizeof(n));

	(void)got;
}

int zcs_sys_epoll(void)
{
	INJECT(EPOLL);
	return zcs_sys_new_fd(epoll_create1(EPOLL_CLOEXEC));
}

static int epoll_set(int epfd, int op, int fd, void *ptr, bool once)
{
	struct epoll_event ev = { .events = EPOLLIN | (once ? (uint32_t)EPOLLONESHOT : 0),
				  .data.ptr = ptr };

	return zcs_result(epoll_ctl(epfd, op, fd, &ev));
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

int zcs_sys_poll(int event, const int psi[ZCS_PSI_NR], int ms, struct zcs_sys_polled *polled)
{
	struct pollfd fds[1 + ZCS_PSI_NR] = { { .fd = event, .events = POLLIN } };
	int n;

	/* poll() ignores a negative descriptor */
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
