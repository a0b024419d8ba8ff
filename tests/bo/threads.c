/* SPDX-License-Identifier: MIT */
/*
 * A device's threads are neither real-time nor on one CPU although the thread that made the device
 * was. Where attributes are refused the threads are made nevertheless.
 */
#include <dirent.h>
#include <pthread.h>
#include <sched.h>
#include <unistd.h>

#include "bo_test.h"

struct found {
	unsigned threads, real_time, pinned;
};

static void look_at(pid_t tid, unsigned cpus, struct found *found)
{
	cpu_set_t set;

	found->threads++;
	found->real_time += sched_getscheduler(tid) != SCHED_OTHER;
	zcs_assert_ok(sched_getaffinity(tid, sizeof(set), &set));
	found->pinned += (unsigned)CPU_COUNT(&set) < cpus;
}

static bool is_ours(const char *tid)
{
	char path[300], name[32] = "";
	FILE *f;

	snprintf(path, sizeof(path), "/proc/self/task/%s/comm", tid);
	f = fopen(path, "re");
	if (f && !fgets(name, sizeof(name), f))
		name[0] = '\0';
	if (f)
		fclose(f);
	return !strncmp(name, "zcs-", 4);
}

static struct found find_threads(unsigned cpus)
{
	struct found found = { 0 };
	DIR *dir = opendir("/proc/self/task");

	assert_non_null(dir);
	for (struct dirent *e = readdir(dir); e; e = readdir(dir))
		if (is_ours(e->d_name))
			look_at((pid_t)atoi(e->d_name), cpus, &found);
	closedir(dir);
	return found;
}

static unsigned cpus_of_process(void)
{
	cpu_set_t set;

	zcs_assert_ok(sched_getaffinity(0, sizeof(set), &set));
	return (unsigned)CPU_COUNT(&set);
}

/* On the CPU that it runs on, and real-time if that is allowed. */
static void *make_device(void *arg)
{
	const struct sched_param first = { .sched_priority = 1 };
	struct zcs_device **device = arg;
	cpu_set_t one;

	CPU_ZERO(&one);
	CPU_SET(sched_getcpu(), &one);
	pthread_setaffinity_np(pthread_self(), sizeof(one), &one);
	if (pthread_setschedparam(pthread_self(), SCHED_FIFO, &first))
		print_message("# not allowed to be real-time\n");
	*device = bo_device(ZCS_BACKING_SMALL, 0, BO_FILE);
	return NULL;
}

static struct zcs_device *made_by_another(void)
{
	struct zcs_device *device = NULL;
	pthread_t thread;

	zcs_assert_ok(pthread_create(&thread, NULL, make_device, &device));
	zcs_assert_ok(pthread_join(thread, NULL));
	assert_non_null(device);
	return device;
}

static void work(struct zcs_device *device)
{
	struct zcs_bo *bo = bo_new(device, BO_SIZE);

	bo_fill(bo, 1);
	bo_write_out(bo);
	assert_true(bo_is(bo, 1));
	zcs_bo_put(bo);
	bo_device_done(device);
}

static void are_not_like_their_maker(void **state)
{
	unsigned cpus = cpus_of_process();
	struct zcs_device *device;
	struct found found;

	(void)state;
	if (cpus < 2)
		zcs_test_skip_case("one CPU");
	device = made_by_another();
	/* each names itself as it begins */
	bo_wait_for(find_threads(cpus).threads >= 4);
	found = find_threads(cpus);
	zcs_assert_is(found.pinned, 0);
	zcs_assert_is(found.real_time, 0);
	work(device);
}

static void are_made_where_that_is_refused(void **state)
{
	struct zcs_device *device;

	(void)state;
	zcs_test_fault("thread_attributes", 0, 0, 0);
	device = made_by_another();
	zcs_test_faults_off();
	bo_wait_for(find_threads(0).threads >= 4);
	work(device);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		zcs_test(are_not_like_their_maker),
		zcs_test(are_made_where_that_is_refused),
	};

	if (!bo_has_userfaultfd())
		zcs_test_skip("no userfaultfd here");
	return zcs_test_run(tests);
}
