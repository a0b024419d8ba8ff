/* SPDX-License-Identifier: MIT */
/* Loop devices, see zcs_test_loop.h. */
#include <fcntl.h>
#include <linux/loop.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "zcs_test_loop.h"

static const char *attach(struct zcs_test_loop *loop, unsigned sector)
{
	struct loop_config config = { .fd = (uint32_t)loop->file,
				      .block_size = sector,
				      .info.lo_flags = LO_FLAGS_AUTOCLEAR };
	int control = open("/dev/loop-control", O_RDWR | O_CLOEXEC), nr;

	if (control < 0)
		return "no loop device: /dev/loop-control cannot be opened";
	nr = ioctl(control, LOOP_CTL_GET_FREE);
	close(control);
	if (nr < 0)
		return "no loop device is free";
	snprintf(loop->device, sizeof(loop->device), "/dev/loop%d", nr);
	loop->fd = open(loop->device, O_RDWR | O_CLOEXEC);
	if (loop->fd < 0 || ioctl(loop->fd, LOOP_CONFIGURE, &config))
		return "a loop device cannot be set up";
	return NULL;
}

const char *zcs_test_loop_open(struct zcs_test_loop *loop, const char *path, unsigned mib,
			       unsigned sector)
{
	const char *why_not = "no file for a loop device";

	loop->fd = -1;
	loop->file = open(path, O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC, 0600);
	if (loop->file >= 0 && !ftruncate(loop->file, (off_t)mib << 20))
		why_not = attach(loop, sector);
	if (why_not)
		zcs_test_loop_close(loop);
	return why_not;
}

void zcs_test_loop_close(struct zcs_test_loop *loop)
{
	if (loop->fd >= 0)
		close(loop->fd);
	if (loop->file >= 0)
		close(loop->file);
	loop->fd = loop->file = -1;
}
