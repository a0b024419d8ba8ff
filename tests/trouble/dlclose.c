/* SPDX-License-Identifier: MIT */
/*
 * A program that unloads the library when it is through, as a loader does with drivers and layers.
 * The last reference to a bo may be a thread's of the device just then: the device then ends after
 * the last call has returned, by threads whose code must still be there.
 *
 * usage: trouble_dlclose LIBRARY. The program is not linked with it, and so not with what tests
 * share either.
 */
#include <dlfcn.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include <zcswap/zcswap.h>

#define BOS	 64
#define BO_BYTES (1u << 20)
#define ROUNDS	 20

/* Declares p_NAME, the library's function of that name. */
#define LOOK_UP(lib, name)            \
	__typeof__(&(name)) p_##name; \
	look_up(lib, #name, &p_##name)

static const char *library;

static void look_up(void *lib, const char *name, void *function)
{
	void *symbol = dlsym(lib, name);

	assert_non_null(symbol);
	memcpy(function, &symbol, sizeof(symbol));
}

/* A set twice as large as the limit, all of it asked for again, and put while it comes. */
static void use_and_leave(void *lib)
{
	struct zcs_device_params params = ZCS_DEVICE_PARAMS_INIT;
	struct zcs_device *device;
	struct zcs_bo *bo[BOS];

	LOOK_UP(lib, zcs_device_create);
	LOOK_UP(lib, zcs_device_destroy);
	LOOK_UP(lib, zcs_bo_create);
	LOOK_UP(lib, zcs_bo_put);
	LOOK_UP(lib, zcs_bo_address);
	LOOK_UP(lib, zcs_bo_pin);
	LOOK_UP(lib, zcs_bo_unpin);
	LOOK_UP(lib, zcs_bo_prefetch);

	params.store = "file:?size=128M";
	params.pool.max_bytes = BOS * BO_BYTES / 2;
	params.pool.backing = ZCS_BACKING_SMALL;
	params.flags = ZCS_DEVICE_NO_PSI;
	assert_int_equal(p_zcs_device_create(&params, &device), 0);
	for (unsigned i = 0; i < BOS; i++) {
		assert_int_equal(p_zcs_bo_create(device, BO_BYTES, NULL, &bo[i]), 0);
		assert_int_equal(p_zcs_bo_pin(bo[i], NULL), 0);
		memset(p_zcs_bo_address(bo[i]), (int)i + 1, BO_BYTES);
		p_zcs_bo_unpin(bo[i]);
	}
	for (unsigned i = 0; i < BOS; i++)
		p_zcs_bo_prefetch(bo[i]);
	for (unsigned i = 0; i < BOS; i++)
		p_zcs_bo_put(bo[i]);
	p_zcs_device_destroy(device);
}

static void threads_outlive_the_last_call(void **state)
{
	(void)state;
	for (unsigned i = 0; i < ROUNDS; i++) {
		void *lib = dlopen(library, RTLD_NOW | RTLD_LOCAL);

		if (!lib)
			fail_msg("%s", dlerror());
		use_and_leave(lib);
		assert_int_equal(dlclose(lib), 0);
		usleep(1000);
	}
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(threads_outlive_the_last_call),
	};

	if (argc != 2)
		return 2;
	library = argv[1];
#ifdef __SANITIZE_THREAD__
	/* it takes the ring of one device for that of the next */
	setenv("ZCSWAP_NO_URING", "1", 1);
#endif
	return cmocka_run_group_tests(tests, NULL, NULL);
}
