/* SPDX-License-Identifier: MIT */
/*
 * Written bytes are read back the same: every order, whole or in parts, one at a time and many at
 * once from several threads, and they lie at their place on the device.
 */
#include "swap_test.h"

#define THREADS 4u
#define RUNS	12u

static void every_order_comes_back(void **state)
{
	const char *path = swap_test_path();
	struct zcs_swap *swap = swap_test_open("file:%s?size=8M&keep=1", path);
	char *out = swap_test_memory(512), *in = swap_test_memory(512),
	     *disk = swap_test_memory(512);

	(void)state;
	for (unsigned order = 0; order <= ZCS_CLUSTER_ORDER; order++) {
		uint32_t slot = swap_test_alloc(swap, order), nr = 1u << order;

		zcs_test_fill(out, order + 1, 0, nr);
		zcs_assert_ok(swap_test_write(swap, slot, order, out));
		zcs_assert_ok(swap_test_read(swap, slot, order, in));
		assert_true(zcs_test_is(in, order + 1, 0, nr));
		memset(in, 0, nr * ZCS_PAGE_SIZE);
		zcs_assert_ok(zcs_swap_read(swap, slot, order, in));
		assert_true(zcs_test_is(in, order + 1, 0, nr));
		swap_test_peek(path, (uint64_t)slot * ZCS_SLOT_BYTES, disk, nr * ZCS_PAGE_SIZE);
		assert_true(zcs_test_is(disk, order + 1, 0, nr));
	}
	zcs_assert_is(swap_test_stats(swap).writes, ZCS_CLUSTER_ORDER + 1);
	zcs_assert_is(swap_test_stats(swap).reads, 2 * (ZCS_CLUSTER_ORDER + 1));
	zcs_assert_is(swap_test_stats(swap).written_bytes, 1023 * ZCS_SLOT_BYTES);
	zcs_assert_is(swap_test_stats(swap).read_bytes, 2 * 1023 * ZCS_SLOT_BYTES);
	swap_test_done(swap);
}

static void parts_of_a_run_are_read_and_freed(void **state)
{
	struct zcs_swap *swap = swap_test_open("file:?size=2M");
	char *out = swap_test_memory(512), *in = swap_test_memory(512);
	uint32_t slot = swap_test_alloc(swap, ZCS_CLUSTER_ORDER);

	(void)state;
	zcs_test_fill(out, 3, 0, 512);
	zcs_assert_ok(swap_test_write(swap, slot, ZCS_CLUSTER_ORDER, out));
	zcs_assert_ok(zcs_swap_read(swap, slot + 77, 0, in));
	assert_true(zcs_test_is(in, 3, 77, 1));
	zcs_assert_ok(swap_test_read(swap, slot + 64, 6, in));
	assert_true(zcs_test_is(in, 3, 64, 64));
	zcs_swap_free(swap, slot, 8);
	zcs_assert_is(zcs_swap_avail(swap), 1 << 20);
	zcs_assert_ok(zcs_swap_read(swap, slot + 256, 8, in));
	assert_true(zcs_test_is(in, 3, 256, 256));
	swap_test_done(swap);
}

/* A part written anew, beside parts that were not. */
static void a_part_may_be_written_again(void **state)
{
	struct zcs_swap *swap = swap_test_open("file:?size=2M");
	char *out = swap_test_memory(512), *in = swap_test_memory(512);
	uint32_t slot = swap_test_alloc(swap, ZCS_CLUSTER_ORDER);

	(void)state;
	zcs_test_fill(out, 3, 0, 512);
	zcs_assert_ok(swap_test_write(swap, slot, ZCS_CLUSTER_ORDER, out));
	zcs_test_fill(out, 4, 8, 4);
	zcs_assert_ok(swap_test_write(swap, slot + 8, 2, out));
	zcs_assert_ok(zcs_swap_read(swap, slot, ZCS_CLUSTER_ORDER, in));
	assert_true(zcs_test_is(in, 3, 0, 8));
	assert_true(zcs_test_is(in + 8 * ZCS_PAGE_SIZE, 4, 8, 4));
	assert_true(zcs_test_is(in + 12 * ZCS_PAGE_SIZE, 3, 12, 500));
	swap_test_done(swap);
}

static uint64_t many(unsigned id, void *arg)
{
	struct zcs_swap *swap = arg;
	struct swap_test_io io[RUNS];
	char *memory = swap_test_memory(RUNS * 512);
	uint64_t bad = 0;
	uint32_t slot[RUNS];

	for (unsigned round = 0; round < zcs_test_scale(30); round++) {
		for (unsigned i = 0; i < RUNS; i++) {
			unsigned order = (i * 7 + round + id) % 10;
			char *addr = memory + (size_t)i * ZCS_CLUSTER_BYTES;

			bad += zcs_swap_alloc(swap, order, &slot[i]) != 0;
			zcs_test_fill(addr, id + 1, round * RUNS + i, 1u << order);
			swap_test_submit(swap, &io[i], ZCS_SWAP_WRITE, slot[i], order, addr);
		}
		for (unsigned i = 0; i < RUNS; i++)
			bad += swap_test_wait(&io[i]) != 0;
		memset(memory, 0, RUNS * ZCS_CLUSTER_BYTES);
		for (unsigned i = 0; i < RUNS; i++) {
			unsigned order = io[i].req.order;
			char *addr = memory + (size_t)i * ZCS_CLUSTER_BYTES;

			swap_test_prepare(&io[i], ZCS_SWAP_READ, slot[i], order, addr);
			io[i].req.flags = i % 3 ? 0 : ZCS_SWAP_URGENT;
			zcs_swap_submit(swap, &io[i].req);
		}
		for (unsigned i = 0; i < RUNS; i++) {
			bad += swap_test_wait(&io[i]) != 0;
			bad += !zcs_test_is(io[i].req.addr, id + 1, round * RUNS + i,
					    1u << io[i].req.order);
			zcs_swap_free(swap, slot[i], io[i].req.order);
		}
	}
	return bad;
}

static void threads_do_not_get_in_each_others_way(void **state)
{
	struct zcs_swap *swap = swap_test_open("file:?size=128M");

	(void)state;
	zcs_assert_is(zcs_test_threads(THREADS, many, swap), 0);
	zcs_assert_is(swap_test_stats(swap).used, 0);
	zcs_assert_is(swap_test_stats(swap).writes, zcs_test_scale(30) * RUNS * THREADS);
	swap_test_done(swap);
}

/* A request is its owner's again inside done: there it may start the next. */
struct chain {
	struct zcs_swap *swap;
	struct swap_test_io io;
	unsigned left;
};

static void next_link(struct zcs_swap_req *req, int err)
{
	struct chain *c = req->user;

	c->io.err = err;
	if (err || !c->left--) {
		sem_post(&c->io.done);
		return;
	}
	req->op = req->op == ZCS_SWAP_READ ? ZCS_SWAP_WRITE : ZCS_SWAP_READ;
	zcs_swap_submit(c->swap, req);
}

static void done_may_submit(void **state)
{
	struct chain c = { .swap = swap_test_open("file:?size=2M"), .left = 101 };
	char *page = swap_test_memory(1);

	(void)state;
	zcs_test_fill(page, 1, 0, 1);
	swap_test_submit_with(c.swap, &c.io, page, next_link, &c);
	zcs_assert_ok(swap_test_wait(&c.io));
	zcs_swap_drain(c.swap);
	zcs_assert_is(swap_test_stats(c.swap).reads, 51);
	zcs_assert_is(swap_test_stats(c.swap).writes, 51);
	assert_true(zcs_test_is(page, 1, 0, 1));
	swap_test_done(c.swap);
}

static void wrong_requests_are_refused(void **state)
{
	struct zcs_swap *swap = swap_test_open("file:?size=2M");
	char *page = swap_test_memory(2);

	(void)state;
	swap_test_log_start();
	zcs_assert_is(swap_test_write(swap, 512, 0, page), -EINVAL);
	zcs_assert_is(swap_test_write(swap, 1, 1, page), -EINVAL);
	zcs_assert_is(swap_test_write(swap, 0, 10, page), -EINVAL);
	zcs_assert_is(swap_test_write(swap, 0, 0, page + 512), -EINVAL);
	zcs_assert_is(zcs_swap_read(swap, 512, 0, page), -EINVAL);
	swap_test_log_has(swap_test_log_end(), "request of slot 512, order 0");
	swap_test_done(swap);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		swap_test_both(every_order_comes_back),
		swap_test_both(parts_of_a_run_are_read_and_freed),
		swap_test_both(a_part_may_be_written_again),
		swap_test_both(threads_do_not_get_in_each_others_way),
		swap_test_both(done_may_submit),
		swap_test(wrong_requests_are_refused),
	};

	return zcs_test_run(tests);
}
