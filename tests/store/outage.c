/* SPDX-License-Identifier: MIT */
/*
 * Every write of a store fails for a while: what was to be written stays in memory and whole, the
 * store is not used up, is asked seldom, says once that the device is away and once that it is
 * back, and then writes everything.
 */
#include <fcntl.h>
#include <linux/loop.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "store_test.h"

#define NR    64u
#define ORDER 4u
#define PAGES (NR << ORDER)

struct setting {
	struct zcs_pool *pool;
	struct zcs_store *store;
	struct zcs_backup *backup;
};

static void start(struct setting *s, const char *spec)
{
	s->pool = zcs_test_pool(ZCS_BACKING_SMALL, 0, 1);
	s->store = store_test_open("%s", spec);
	s->backup = zcs_test_backup(s->store, PAGES);
	for (uint64_t i = 0; i < NR; i++)
		store_test_insert(s->backup, s->pool, 1, i << ORDER, ORDER, 0);
}

static int64_t writeback(struct setting *s)
{
	return zcs_backup_writeback(s->backup, 0, PAGES - 1, ZCS_WB_WAIT);
}

static void finish(struct setting *s)
{
	for (uint64_t i = NR; i-- > 0;)
		store_test_take(s->backup, s->pool, 1, i << ORDER, ORDER);
	store_test_backup_done(s->backup, s->pool);
	store_test_done(s->store);
	zcs_test_pool_done(s->pool);
}

static unsigned count(const char *log, const char *text)
{
	unsigned nr = 0;

	while ((log = strstr(log, text))) {
		log++;
		nr++;
	}
	return nr;
}

/* Pressure goes on and on, as from a background thread. */
static void until_away(struct setting *s, int error)
{
	for (unsigned left = 10000; !store_test_stats(s->store).devices_away && left; left--) {
		zcs_assert_is(writeback(s), -error);
		usleep(1000);
	}
	for (unsigned i = 0; i < 200; i++)
		zcs_assert_is(writeback(s), -error);
}

static void until_written(struct setting *s)
{
	for (unsigned left = 10000; store_test_backup_stats(s->backup).resident_pages && left;
	     left--) {
		writeback(s);
		usleep(1000);
	}
	zcs_assert_is(store_test_backup_stats(s->backup).resident_pages, 0);
}

static void outage(const char *spec, const char *point, int error)
{
	struct zcs_store_stats st;
	struct setting s;
	const char *log;

	start(&s, spec);
	store_test_writeback(s.backup, 0, (1 << ORDER) - 1);
	zcs_test_fault(point, 0, 0, error);
	store_test_log_start();
	until_away(&s, error);
	st = store_test_stats(s.store);
	zcs_assert_is(st.retired_slots, 0);
	zcs_assert_is(st.used_slots, 1 << ORDER);
	zcs_assert_is(st.outages, 1);
	zcs_assert_is(st.no_space, 0);
	assert_true(st.held_back > 100 * NR);
	assert_true(st.write_errors < 100);
	zcs_assert_is(zcs_test_stats(s.pool).inserted_pages, PAGES - (1 << ORDER));
	zcs_assert_ok(zcs_backup_check(s.backup));
	zcs_assert_ok(zcs_store_check(s.store));
	/* what is out can be read, and what stayed can be copied */
	store_test_copy(s.backup, 1, 1);
	store_test_copy(s.backup, 1, PAGES - 1);
	zcs_test_faults_off();
	until_written(&s);
	log = store_test_log_end();
	st = store_test_stats(s.store);
	zcs_assert_is(count(log, "takes no writes"), 1);
	zcs_assert_is(count(log, "takes writes again"), 1);
	zcs_assert_is(st.retired_slots, 0);
	zcs_assert_is(st.used_slots, PAGES);
	zcs_assert_is(st.devices_away, 0);
	zcs_assert_is(st.outages, 1);
	finish(&s);
}

static void of_a_file(void **state)
{
	(void)state;
	outage("file:?size=8M", "write", EIO);
	outage("file:?size=8M", "write", ETIMEDOUT);
	outage("file:?size=8M&discard=1", "write", EIO);
}

static void of_a_buffered_file(void **state)
{
	(void)state;
	outage("file:?size=8M&direct=0", "sync_file_range", EIO);
}

/* Blocks of all sizes, and the store is nearly full. */
static void of_a_store_that_is_nearly_full(void **state)
{
	(void)state;
	outage("file:?size=4M", "write", EIO);
}

static void of_a_block_device(void **state)
{
	/* detached when it is closed, however this program ends */
	struct loop_info64 info = { .lo_flags = LO_FLAGS_AUTOCLEAR };
	int control = open("/dev/loop-control", O_RDWR | O_CLOEXEC), nr, fd, loop;
	char device[32];

	(void)state;
	if (control < 0)
		zcs_test_skip_case("no loop device: /dev/loop-control cannot be opened");
	nr = ioctl(control, LOOP_CTL_GET_FREE);
	close(control);
	fd = open(store_test_path(), O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC, 0600);
	zcs_assert_ok(ftruncate(fd, 8 << 20));
	snprintf(device, sizeof(device), "/dev/loop%d", nr);
	loop = open(device, O_RDWR | O_CLOEXEC);
	if (loop < 0 || ioctl(loop, LOOP_SET_FD, fd)) {
		close(fd);
		zcs_test_skip_case("a loop device cannot be set up");
	}
	ioctl(loop, LOOP_SET_STATUS64, &info);
	outage(device, "write", EIO);
	close(loop);
	close(fd);
}

/* Nothing of the store is gone when it is closed in the middle of it, and nothing hangs. */
static void closed_meanwhile(void **state)
{
	struct setting s;

	(void)state;
	start(&s, "file:?size=8M");
	zcs_test_fault("write", 0, 0, EIO);
	store_test_log_start();
	until_away(&s, EIO);
	zcs_assert_is(zcs_backup_writeback(s.backup, 0, PAGES - 1, 0), PAGES);
	store_test_backup_done(s.backup, s.pool);
	store_test_log_end();
	store_test_done(s.store);
	zcs_test_pool_done(s.pool);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		store_test_both(of_a_file),
		store_test_both(of_a_buffered_file),
		store_test_both(of_a_store_that_is_nearly_full),
		store_test_both(of_a_block_device),
		store_test_both(closed_meanwhile),
	};

	return zcs_test_run(tests);
}
