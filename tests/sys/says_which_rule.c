/* SPDX-License-Identifier: MIT */
/*
 * Each -EINVAL of a function that makes an object says at debug level which rule it stands for, and
 * the value. By default it says nothing: that a caller tries what is not supported is no fault.
 */
#include <limits.h>
#include <sys/mman.h>
#include <unistd.h>

#include "zcs_test.h"

#define HUGE ZCS_TEST_HUGE_BYTES

static char last[1024];
static unsigned messages;

static void receive(enum zcs_log_level level, const char *message, void *user)
{
	(void)user;
	if (level == ZCS_LOG_DEBUG)
		messages++;
	snprintf(last, sizeof(last), "%s", message);
}

static struct zcs_pool *pool;
static struct zcs_store *store;

/* Refused with -EINVAL, and the last message contains both texts. */
static void check(int64_t result, const char *call, const char *text)
{
	zcs_assert_is(result, -EINVAL);
	if (!strstr(last, call) || !strstr(last, text))
		fail_msg("expected \"%s ... %s\", got \"%s\"", call, text, last);
	*last = '\0';
}

static void pools(void)
{
	struct zcs_pool_params p = zcs_test_params(ZCS_BACKING_AUTO, 0, 0);
	const struct zcs_pool_params good = p;
	struct zcs_pool *none;
	int fd = memfd_create("outside", MFD_CLOEXEC);

#define REFUSED(field, value, text)                                           \
	do {                                                                  \
		p = good;                                                     \
		p.field = (value);                                            \
		check(zcs_pool_create(&p, &none), "zcs_pool_create: ", text); \
	} while (0)
	REFUSED(struct_size, 7, "params->struct_size must be == sizeof(*params); it is 7");
	REFUSED(flags, 9, "params->flags must be == 0; it is 9");
	REFUSED(backing, (enum zcs_backing)7, "must be <= ZCS_BACKING_SMALL; it is 7");
	REFUSED(beneficial_order, 77, "must be <= ZCS_MAX_ORDER; it is 77");
	REFUSED(node, -2, "params->node must be >= -1; it is -2");
	REFUSED(node, INT_MAX, "params->node must be < nodes; it is 2147483647");
	REFUSED(max_bytes, 100, "params->max_bytes must be >= ZCS_PAGE_SIZE; it is 100");
	REFUSED(reserved[3], 5, "params->reserved[i] must be == 0; it is 5");
#undef REFUSED
	check(zcs_pool_create(NULL, NULL), "zcs_pool_create: ", "pool must be != NULL");
	assert_true(fd >= 0);
	zcs_assert_ok(ftruncate(fd, (off_t)(2 * HUGE)));
#define FROM_FD(offset, bytes, text)                                   \
	check(zcs_pool_create_from_fd(NULL, fd, offset, bytes, &none), \
	      "zcs_pool_create_from_fd: ", text)
	FROM_FD(0, 0, "bytes must be != 0");
	FROM_FD(1, HUGE, "offset % unit must be == 0; it is 1");
	FROM_FD(0, 5, "bytes % unit must be == 0; it is 5");
	FROM_FD(0, 4 * HUGE, "bytes must be <= size; it is 8388608");
	FROM_FD(2 * HUGE, HUGE, "offset must be <= size - bytes; it is 4194304");
#undef FROM_FD
	p = good;
	p.backing = ZCS_BACKING_HUGETLB;
	check(zcs_pool_create_from_fd(&p, fd, 0, HUGE, &none), "zcs_pool_create_from_fd: ",
	      "backing == ZCS_BACKING_HUGETLB must be == hugetlb; it is 1");
	close(fd);
}

static void backups_and_tts(void)
{
	struct zcs_ctx ctx = { .struct_size = 3 };
	struct zcs_backup *backup;
	struct zcs_store *none;
	struct zcs_tt *tt;

	check(zcs_store_open(NULL, &none), "zcs_store_open: ", "spec must be != NULL");
	check(zcs_store_open("", &none), "zcs_store_open: ", "*spec must be != 0");
	check(zcs_backup_create(NULL, 1, &backup), "zcs_backup_create: ", "store must be != NULL");
	check(zcs_backup_create(store, 0, &backup),
	      "zcs_backup_create: ", "num_pages must be != 0");
	check(zcs_tt_create(pool, 0, 0, &tt), "zcs_tt_create: ", "num_pages must be != 0");
	check(zcs_tt_create(pool, 1, 1u << 31, &tt),
	      "zcs_tt_create: ", "flags & ~CREATE_FLAGS must be == 0; it is 2147483648");
	check(zcs_tt_create(NULL, 1, 0, &tt), "zcs_tt_create: ", "pool must be != NULL");
	zcs_assert_ok(zcs_tt_create(pool, 1, ZCS_TT_EXTERNAL, &tt));
	check(zcs_tt_populate(tt, &ctx),
	      "struct zcs_ctx: ", "ctx->struct_size must be == sizeof(*ctx); it is 3");
	check(zcs_tt_setup_backup(tt, store),
	      "zcs_tt_setup_backup: ", "tt->flags & ZCS_TT_EXTERNAL must be == 0");
	zcs_tt_destroy(tt);
}

static void devices_and_bos(void)
{
	struct zcs_device_params p = { .struct_size = sizeof(p),
				       .low_percent = 95,
				       .high_percent = 90 };
	struct zcs_bo_params b = { .struct_size = sizeof(b), .priority = 9 };
	struct zcs_device *device = NULL;
	struct zcs_bulk *bulk;
	struct zcs_bo *bo;

	check(zcs_device_create(&p, &device),
	      "zcs_device_create: ", "low_percent must be < high_percent; it is 95");
	p.low_percent = 5;
	p.high_percent = 101;
	check(zcs_device_create(&p, &device),
	      "zcs_device_create: ", "high_percent must be <= 100; it is 101");
	p = (struct zcs_device_params){ .struct_size = sizeof(p), .flags = 64 };
	check(zcs_device_create(&p, &device), "zcs_device_create: ", "it is 64");
	p.flags = ZCS_DEVICE_NO_PSI;
	p.pool = (struct zcs_pool_params){ .struct_size = sizeof(p.pool), .node = -5 };
	check(zcs_device_create(&p, &device), "zcs_pool_create: ", "params->node must be >= -1");
	zcs_assert_ok(zcs_device_create(NULL, &device));
	check(zcs_bo_create(device, 0, NULL, &bo), "zcs_bo_create: ", "size must be != 0");
	check(zcs_bo_create(device, 4096, &b, &bo),
	      "zcs_bo_create: ", "params->priority must be < ZCS_PRIORITIES; it is 9");
	check(zcs_bulk_create(NULL, &bulk), "zcs_bulk_create: ", "device must be != NULL");
	zcs_device_destroy(device);
}

static int child(void)
{
	zcs_set_log(receive, NULL);
	pool = zcs_test_pool(ZCS_BACKING_SMALL, 0, 0);
	store = zcs_test_store();
	pools();
	backups_and_tts();
	devices_and_bos();
	zcs_store_close(store);
	zcs_pool_destroy(pool);
	return 0;
}

static void debug_says_the_rule_and_the_value(void **state)
{
	static const char *const env[] = { "ZCSWAP_LOG=debug", NULL };
	struct zcs_test_child c = zcs_test_exec("child", env, 60);

	(void)state;
	zcs_test_child_passed(&c);
}

static void by_default_nothing_is_said(void **state)
{
	struct zcs_pool *none;

	(void)state;
	zcs_set_log(receive, NULL);
	messages = 0;
	zcs_assert_is(zcs_pool_create(NULL, NULL), -EINVAL);
	zcs_assert_is(zcs_pool_create(&(struct zcs_pool_params){ .struct_size = 1 }, &none),
		      -EINVAL);
	zcs_set_log(NULL, NULL);
	zcs_assert_is(messages, 0);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		zcs_test(debug_says_the_rule_and_the_value),
		zcs_test(by_default_nothing_is_said),
	};

	(void)argv;
	return argc > 1 ? child() : zcs_test_run(tests);
}
