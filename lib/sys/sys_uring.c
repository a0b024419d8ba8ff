/* SPDX-License-Identifier: MIT */
/*
 * io_uring. A transfer through a ring does not pass zcs_sys_pread(), so its engine asks
 * zcs_sys_transfer_fault() for the fault points.
 */
#include <errno.h>
#include <unistd.h>

#include "sys_file.h"
#include "sys_priv.h"
#include "sys_uring.h"

/*
 * Moves a ring's descriptor as zcs_sys_new_fd() does. The ring keeps the descriptor in two places.
 */
static int move_ring(struct io_uring *ring)
{
	int fd = ring->ring_fd;

	if (fd > STDERR_FILENO)
		return 0;
	fd = zcs_sys_dup(fd);
	if (fd < 0)
		return fd;
	close(ring->ring_fd);
	ring->ring_fd = ring->enter_ring_fd = fd;
	return 0;
}

int zcs_sys_uring(struct io_uring *ring, unsigned entries)
{
	struct io_uring_params params = { .flags = IORING_SETUP_CLAMP };
	int err;

	INJECT(URING_SETUP);
	err = io_uring_queue_init_params(entries, ring, &params);
	if (err)
		return err;
	/* came with 5.6, as did IORING_OP_READ */
	err = params.features & IORING_FEAT_RW_CUR_POS ? move_ring(ring) : -EOPNOTSUPP;
	if (err)
		io_uring_queue_exit(ring);
	else
		io_uring_ring_dontfork(ring);
	return err;
}

int zcs_sys_uring_enter(struct io_uring *ring, unsigned wait)
{
	INJECT(URING_SUBMIT);
	return wait ? io_uring_submit_and_wait(ring, wait) : io_uring_submit(ring);
}

struct io_uring_sqe *zcs_sys_uring_sqe(struct io_uring *ring)
{
	return zcs_fault(ZCS_FAULT_URING_FULL) ? NULL : io_uring_get_sqe(ring);
}
