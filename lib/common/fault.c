/* SPDX-License-Identifier: MIT */
/*
 * Fault points: named steps that can be made to fail, with the kernel's fault attributes
 * (probability, interval, times, space). The state belongs to the process, as debugfs belongs to
 * the machine, because a point lies below any object.
 *
 * All points share one lock. They take that lock only while some point is on. Then order matters
 * more than speed: "fail the third call" must mean the third. While no point is on, a point costs
 * one load.
 *
 * A delayed call polls once a millisecond whether its point was set again, for nobody wakes the
 * caller.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "env.h"
#include "fault.h"
#include "log.h"

/* size of a struct zcs_fault_attr that ends before @delay_ms */
#define ATTR_SIZE_0 offsetof(struct zcs_fault_attr, delay_ms)
#define TICK_US	    1000u

/*
 * struct point
 * @natural: errno if the attributes name none
 * @set: counts how often the point was set or switched off
 */
struct point {
	const char *name;
	int natural;
	bool on;
	unsigned set;
	struct zcs_fault_attr attr;
	uint64_t calls, failed;
};

static struct point points[ZCS_FAULT_NR] = {
#define X(id, text, err) [ZCS_FAULT_##id] = { .name = text, .natural = err },
	ZCS_FAULT_POINTS(X)
#undef X
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static uint64_t random_state = 0x9e3779b97f4a7c15u;
atomic_bool zcs_fault_armed;

/* xorshift64 with a fixed seed, so that a failing run can be repeated */
static unsigned random_percent(void)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return (unsigned)(random_state % 100);
}

static bool should_fail(struct point *p)
{
	const struct zcs_fault_attr *a = &p->attr;
	uint64_t nr = p->calls++;

	if (nr < a->space)
		return false;
	if (a->times && p->failed >= a->times)
		return false;
	if (a->interval > 1 && (nr - a->space) % a->interval != a->interval - 1)
		return false;
	return !a->probability || a->probability == 100 || random_percent() < a->probability;
}

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static uint64_t end_of(uint64_t delay_ms)
{
	uint64_t now = now_ns();

	return delay_ms < (UINT64_MAX - now) / 1000000u ? now + delay_ms * 1000000u : UINT64_MAX;
}

int zcs_fault_begin_slow(enum zcs_fault_id id, struct zcs_fault_hold *hold)
{
	struct point *p = &points[id];
	int err = 0;

	pthread_mutex_lock(&lock);
	if (p->on && should_fail(p)) {
		p->failed++;
		err = p->attr.error || p->attr.delay_ms ? p->attr.error : p->natural;
		*hold = (struct zcs_fault_hold){ .id = id, .set = p->set };
		if (p->attr.delay_ms)
			hold->until_ns = end_of(p->attr.delay_ms);
	}
	pthread_mutex_unlock(&lock);
	return err;
}

bool zcs_fault_holds_slow(const struct zcs_fault_hold *hold)
{
	bool same;

	pthread_mutex_lock(&lock);
	same = points[hold->id].set == hold->set;
	pthread_mutex_unlock(&lock);
	return same && now_ns() < hold->until_ns;
}

int zcs_fault_slow(enum zcs_fault_id id)
{
	struct zcs_fault_hold hold = { 0 };
	int err = zcs_fault_begin_slow(id, &hold);

	while (zcs_fault_holds(&hold))
		usleep(TICK_US);
	return err;
}

static void set_point(struct point *p, const struct zcs_fault_attr *attr)
{
	p->on = attr != NULL;
	p->set++;
	p->calls = 0;
	p->failed = 0;
	p->attr = (struct zcs_fault_attr){ 0 };
	if (attr)
		memcpy(&p->attr, attr, attr->struct_size);
}

static void update_armed(void)
{
	bool any = false;

	for (size_t i = 0; i < ZCS_FAULT_NR; i++)
		any |= points[i].on;
	atomic_store(&zcs_fault_armed, any);
}

static bool is_valid(const struct zcs_fault_attr *attr)
{
	if (attr->struct_size != sizeof(*attr) && attr->struct_size != ATTR_SIZE_0)
		return false;
	return attr->probability <= 100 && attr->error >= 0;
}

int zcs_fault_set(const char *name, const struct zcs_fault_attr *attr)
{
	bool found = false;

	if (!name || (attr && !is_valid(attr)))
		return -EINVAL;
	pthread_mutex_lock(&lock);
	for (size_t i = 0; i < ZCS_FAULT_NR; i++) {
		if (strcmp(name, "*") != 0 && strcmp(name, points[i].name) != 0)
			continue;
		set_point(&points[i], attr);
		found = true;
	}
	update_armed();
	pthread_mutex_unlock(&lock);
	return found ? 0 : -ENOENT;
}

const char *zcs_fault_name(unsigned i)
{
	return i < ZCS_FAULT_NR ? points[i].name : NULL;
}

int zcs_fault_count(const char *name, uint64_t *calls, uint64_t *failed)
{
	int err = -ENOENT;

	if (!name)
		return -EINVAL;
	pthread_mutex_lock(&lock);
	for (size_t i = 0; i < ZCS_FAULT_NR; i++) {
		if (strcmp(name, points[i].name) != 0)
			continue;
		if (calls)
			*calls = points[i].calls;
		if (failed)
			*failed = points[i].failed;
		err = 0;
	}
	pthread_mutex_unlock(&lock);
	return err;
}

/* Names of the errnos that a test injects. Others can be given as a number. */
static int errno_from_text(const char *s)
{
	static const struct {
		const char *name;
		int value;
	} names[] = {
		{ "ENOMEM", ENOMEM }, { "ENOSPC", ENOSPC }, { "EIO", EIO },
		{ "EINTR", EINTR },   { "EAGAIN", EAGAIN }, { "EPERM", EPERM },
		{ "EFAULT", EFAULT }, { "EINVAL", EINVAL }, { "ENOSYS", ENOSYS },
		{ "EBUSY", EBUSY },   { "EMFILE", EMFILE }, { "ENODEV", ENODEV },
	};
	char *end;
	long n;

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (!strcmp(s, names[i].name))
			return names[i].value;
	n = strtol(s, &end, 10);
	return *s && !*end && n > 0 && n < 4096 ? (int)n : -1;
}

static int parse_fault_key(struct zcs_fault_attr *attr, const char *key, const char *value)
{
	char *end;
	unsigned long long n;

	if (!strcmp(key, "errno")) {
		attr->error = errno_from_text(value);
		return attr->error < 0 ? -EINVAL : 0;
	}
	if (!strcmp(key, "delay_ms") && !strcmp(value, "hang")) {
		attr->delay_ms = ZCS_FAULT_HANG;
		return 0;
	}
	n = strtoull(value, &end, 10);
	if (!*value || *end || *value == '-')
		return -EINVAL;
	if (!strcmp(key, "probability") && n <= 100)
		attr->probability = (unsigned)n;
	else if (!strcmp(key, "interval") && n <= UINT32_MAX)
		attr->interval = (unsigned)n;
	else if (!strcmp(key, "times"))
		attr->times = n;
	else if (!strcmp(key, "space"))
		attr->space = n;
	else if (!strcmp(key, "delay_ms"))
		attr->delay_ms = n;
	else
		return -EINVAL;
	return 0;
}

/* Parses name[:key=value[,key=value...]]. Cuts @text up. */
static int parse_fault(char *text)
{
	struct zcs_fault_attr attr = { .struct_size = sizeof(attr) };
	char *save = NULL, *keys = strchr(text, ':');

	if (keys)
		*keys++ = '\0';
	for (char *k = keys ? strtok_r(keys, ",", &save) : NULL; k;
	     k = strtok_r(NULL, ",", &save)) {
		char *value = strchr(k, '=');

		if (!value)
			return -EINVAL;
		*value++ = '\0';
		if (parse_fault_key(&attr, k, value))
			return -EINVAL;
	}
	return zcs_fault_set(text, &attr);
}

__attribute__((constructor)) static void faults_from_env(void)
{
	const char *env = zcs_env(ZCS_ENV_FAULT);
	char *copy = *env ? strdup(env) : NULL, *save = NULL;

	for (char *part = copy ? strtok_r(copy, ";", &save) : NULL; part;
	     part = strtok_r(NULL, ";", &save)) {
		char name[64];

		snprintf(name, sizeof(name), "%s", part);
		if (parse_fault(part))
			zcs_warn("ZCSWAP_FAULT: \"%s\" ignored; name a fault point, and the keys "
				 "probability (to 100), interval, times, space, errno, "
				 "delay_ms (or hang)",
				 name);
	}
	free(copy);
}
