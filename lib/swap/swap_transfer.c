/* SPDX-License-Identifier: MIT */
/*
 * One transfer, from the first byte to the end of the request. pread or pwrite moves it until it is
 * whole. Then it is synced if it went through the page cache, summed or verified, and finished. A
 * thread does all of this for one request. The ring shares the interpretation of a result and the
 * decision whether to go on.
 */
#include <errno.h>
#include <string.h>

#include "swap_priv.h"
#include "sys/sys.h"

#define RETRIES 100

static bool fail(struct zcs_swap *s, struct zcs_swap_req *req, int err, const char *what)
{
	bool write = req->op == ZCS_SWAP_WRITE;

	/* an outage of the device has been logged already */
	if (!req->err && !(write && atomic_load(&req->dev->outage.away)))
		zcs_swap_complain(s, req, write ? ZCS_COMPLAINT_WRITE : ZCS_COMPLAINT_READ,
				  "%s of slot %u, order %u, at byte %llu: %s",
				  write ? "write" : "read", req->slot, req->order,
				  (unsigned long long)zcs_req_offset(req), what);
	req->err = err;
	return false;
}

bool zcs_swap_again(struct zcs_swap *s, struct zcs_swap_req *req, int err)
{
	if (err != -EINTR && err != -EAGAIN)
		return fail(s, req, err, strerror(-err));
	if (req->retries++ >= RETRIES)
		return fail(s, req, -EIO, "interrupted too often");
	zcs_swap_count(s, &s->stats.retries);
	return true;
}

/*
 * A short transfer continues at a multiple of the sector. A transfer of less than a sector has met
 * the end of a truncated file, and would only meet the end again.
 */
bool zcs_swap_step(struct zcs_swap *s, struct zcs_swap_req *req, int64_t moved)
{
	size_t left = zcs_req_left(req);

	if (moved < 0)
		return zcs_swap_again(s, req, (int)moved);
	if ((size_t)moved < left)
		moved -= moved % req->dev->sector;
	if (!moved)
		return fail(s, req, -EIO, "ended early; was the file truncated?");
	req->moved += (uint32_t)moved;
	if ((size_t)moved == left)
		return false;
	req->retries = 0;
	zcs_swap_count(s, &s->stats.shorts);
	return true;
}

void zcs_swap_move(struct zcs_swap *s, struct zcs_swap_req *req)
{
	int64_t moved;

	do {
		char *addr = zcs_req_left_addr(req);
		size_t left = zcs_req_left(req);
		uint64_t offset = zcs_req_left_offset(req);

		if (req->op == ZCS_SWAP_WRITE)
			moved = zcs_sys_pwrite(req->dev->fd, addr, left, offset);
		else
			moved = zcs_sys_pread(req->dev->fd, addr, left, offset);
	} while (zcs_swap_step(s, req, moved));
}

/*
 * Waits until a write through the page cache is on disk. An error that came later would be too
 * late, for the pages of the write would be freed.
 */
void zcs_swap_sync(struct zcs_swap *s, struct zcs_swap_req *req)
{
	int err;

	do {
		err = zcs_sys_sync_range(req->dev->fd, zcs_req_offset(req), zcs_req_bytes(req));
	} while (err && zcs_swap_again(s, req, err));
}

void zcs_swap_do(struct zcs_swap *s, struct zcs_swap_req *req)
{
	zcs_swap_move(s, req);
	if (!req->err && req->op == ZCS_SWAP_WRITE && !req->dev->direct)
		zcs_swap_sync(s, req);
	if (!req->dev->direct)
		zcs_sys_drop_cache(req->dev->fd, zcs_req_offset(req), zcs_req_bytes(req));
	zcs_swap_landed(s, req);
	if (!req->err && req->op == ZCS_SWAP_WRITE)
		zcs_swap_sum(s, req, 0, 1u << req->order);
	else if (!req->err)
		req->err = zcs_swap_verify(s, req);
	zcs_swap_finish(s, req);
}

static void keep_error(struct zcs_swap_req *req, int err)
{
	*(int *)req->user = err;
}

int zcs_swap_read(struct zcs_swap *s, uint32_t slot, unsigned order, void *addr)
{
	int err = 0;
	struct zcs_swap_req req = {
		.op = ZCS_SWAP_READ,
		.order = order,
		.slot = slot,
		.addr = addr,
		.done = keep_error,
		.user = &err,
	};

	if (!zcs_swap_begin_own(s, &req))
		return -EINVAL;
	zcs_swap_do(s, &req);
	return err;
}
