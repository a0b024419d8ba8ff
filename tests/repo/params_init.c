/* SPDX-License-Identifier: MIT */
/*
 * The initializers of the structs that a caller fills in give the defaults: built as C and as C++
 * by params_init.py, with all warnings, and run.
 */
#include <stdio.h>

#include <zcswap/zcswap.h>

#define CHECK(expr)                                                                \
	do {                                                                       \
		if (!(expr)) {                                                     \
			fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #expr); \
			return 1;                                                  \
		}                                                                  \
	} while (0)

static int bos(struct zcs_pool_params pool)
{
	struct zcs_device_params params = ZCS_DEVICE_PARAMS_INIT;
	struct zcs_bo_params bo_params = ZCS_BO_PARAMS_INIT;
	struct zcs_ctx ctx = ZCS_CTX_INIT;
	struct zcs_device *device = NULL;
	struct zcs_bo *bo = NULL;

	CHECK(params.pool.node == pool.node);
	CHECK(bo_params.priority == 1);
	params.pool = pool;
	CHECK(zcs_device_create(&params, &device) == 0);
	CHECK(zcs_bo_create(device, ZCS_PAGE_SIZE, &bo_params, &bo) == 0);
	CHECK(zcs_bo_pin(bo, &ctx) == 0);
	zcs_bo_unpin(bo);
	zcs_bo_put(bo);
	zcs_device_destroy(device);
	return 0;
}

int main(void)
{
	struct zcs_pool_params params = ZCS_POOL_PARAMS_INIT;
	struct zcs_fault_attr attr = ZCS_FAULT_ATTR_INIT;
	struct zcs_pool *pool = NULL;

	CHECK(params.node == -1);
	CHECK(zcs_pool_create(&params, &pool) == 0);
	zcs_pool_destroy(pool);
	CHECK(zcs_fault_set("memfd_create", &attr) == 0);
	CHECK(zcs_fault_set("memfd_create", NULL) == 0);
	params.max_bytes = 64u << 20;
	return bos(params);
}
