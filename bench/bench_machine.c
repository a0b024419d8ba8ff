/* SPDX-License-Identifier: MIT */
/* The machine of a measurement: without it the number cannot be judged or repeated. */
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <sys/sysinfo.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <zcswap/version.h>

#include "bench.h"

#define MIB(bytes) ((uint64_t)(bytes) >> 20)

void bench_fact(struct bench *b, const char *key, const char *fmt, ...)
{
	struct bench_fact *fact = &b->fact[b->nr_facts];
	va_list ap;

	if (b->nr_facts == BENCH_FACTS)
		return;
	b->nr_facts++;
	fact->key = key;
	va_start(ap, fmt);
	vsnprintf(fact->value, sizeof(fact->value), fmt, ap);
	va_end(ap);
}

/* The first line of a file that starts with @prefix, without it and the line's end. */
static bool line_of(const char *path, const char *prefix, char *out, size_t size)
{
	size_t skip = strlen(prefix);
	FILE *f = fopen(path, "re");
	char line[512];
	bool found = false;

	if (!f)
		return false;
	while (!found && fgets(line, sizeof(line), f)) {
		found = !strncmp(line, prefix, skip);
		if (found)
			snprintf(out, size, "%.*s", (int)strcspn(line + skip, "\n"), line + skip);
	}
	fclose(f);
	return found;
}

uint64_t bench_proc_number(const char *path, const char *name)
{
	char text[128], *end;
	uint64_t n;

	if (!line_of(path, name, text, sizeof(text)))
		return 0;
	n = strtoull(text + (*text == ':'), &end, 10);
	return strstr(end, "kB") ? n << 10 : n;
}

uint64_t bench_hugetlb_free(void)
{
	uint64_t all = bench_proc_number("/proc/meminfo", "HugePages_Free");
	uint64_t taken = bench_proc_number("/proc/meminfo", "HugePages_Rsvd");

	if (bench_proc_number("/proc/meminfo", "Hugepagesize") != BENCH_UNIT)
		return 0;
	return all > taken ? all - taken : 0;
}

/* The room that the memory cgroup leaves; UINT64_MAX if it has no limit or cannot be read. */
static uint64_t cgroup_avail(void)
{
	char group[200], path[256], text[64];
	uint64_t max, used;

	if (!line_of("/proc/self/cgroup", "0::", group, sizeof(group)))
		return UINT64_MAX;
	snprintf(path, sizeof(path), "/sys/fs/cgroup%s/memory.max", group);
	if (!line_of(path, "", text, sizeof(text)) || !strcmp(text, "max"))
		return UINT64_MAX;
	max = strtoull(text, NULL, 10);
	snprintf(path, sizeof(path), "/sys/fs/cgroup%s/memory.current", group);
	used = line_of(path, "", text, sizeof(text)) ? strtoull(text, NULL, 10) : 0;
	return max > used ? max - used : 0;
}

uint64_t bench_memory_avail(void)
{
	uint64_t system = bench_proc_number("/proc/meminfo", "MemAvailable"),
		 group = cgroup_avail();

	return system < group ? system : group;
}

static void huge_line(const char *line, uint64_t *bytes)
{
	static const char *const name[] = { "ShmemPmdMapped:", "Shared_Hugetlb:",
					    "Private_Hugetlb:" };

	for (unsigned i = 0; i < sizeof(name) / sizeof(*name); i++)
		if (!strncmp(line, name[i], strlen(name[i])))
			*bytes += strtoull(line + strlen(name[i]), NULL, 10) << 10;
}

uint64_t bench_huge_mapped(const void *addr, size_t bytes)
{
	FILE *f = fopen("/proc/self/smaps", "re");
	uint64_t from, to, first = (uintptr_t)addr, last = first + bytes, huge = 0;
	bool inside = false;
	char line[512];

	if (!f)
		return 0;
	while (fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%" SCNx64 "-%" SCNx64 " ", &from, &to) == 2)
			inside = from < last && to > first;
		else if (inside)
			huge_line(line, &huge);
	}
	fclose(f);
	return huge;
}

static void thp_fact(struct bench *b, const char *key, const char *file)
{
	char path[128], text[160];

	snprintf(path, sizeof(path), "/sys/kernel/mm/transparent_hugepage/%s", file);
	if (line_of(path, "", text, sizeof(text)))
		bench_fact(b, key, "%s", text);
}

/*
 * A guest whose free pages are given to the hypervisor faults there when they are used again;
 * hugetlb's are kept.
 */
static void reporting_fact(struct bench *b)
{
	char order[32];

	if (line_of("/sys/module/page_reporting/parameters/page_reporting_order", "", order,
		    sizeof(order)) &&
	    strtol(order, NULL, 10) >= 0)
		bench_fact(
			b, "free pages",
			"of order %s and more may go to the hypervisor: fresh shmem faults there",
			order);
}

static void memory_facts(struct bench *b)
{
	bench_fact(b, "memory", "%" PRIu64 " MiB, %" PRIu64 " MiB available, swap %" PRIu64 " MiB",
		   MIB(bench_proc_number("/proc/meminfo", "MemTotal")), MIB(bench_memory_avail()),
		   MIB(bench_proc_number("/proc/meminfo", "SwapTotal")));
	bench_fact(b, "hugetlb",
		   "%" PRIu64 " pages of %" PRIu64 " kB, %" PRIu64 " free, %" PRIu64 " surplus",
		   bench_proc_number("/proc/meminfo", "HugePages_Total"),
		   bench_proc_number("/proc/meminfo", "Hugepagesize") >> 10, bench_hugetlb_free(),
		   bench_proc_number("/proc/meminfo", "HugePages_Surp"));
	thp_fact(b, "THP", "enabled");
	thp_fact(b, "THP shmem", "shmem_enabled");
	thp_fact(b, "THP defrag", "defrag");
	reporting_fact(b);
}

static void cpu_facts(struct bench *b)
{
	char model[160] = "unknown", governor[64];

	line_of("/proc/cpuinfo", "model name\t: ", model, sizeof(model));
	bench_fact(b, "CPU", "%s, %d online", model, get_nprocs());
	if (line_of("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor", "", governor,
		    sizeof(governor)))
		bench_fact(b, "governor", "%s", governor);
}

void bench_describe_machine(struct bench *b)
{
	struct utsname u;
	double load[3] = { 0 };
	unsigned v = zcs_version();

	bench_fact(b, "zcswap", "%u.%u.%u", v / 10000, v / 100 % 100, v % 100);
	if (!uname(&u))
		bench_fact(b, "kernel", "%s %s %s", u.sysname, u.release, u.machine);
	cpu_facts(b);
	memory_facts(b);
	if (getloadavg(load, 3) == 3)
		bench_fact(b, "load", "%.2f %.2f %.2f%s", load[0], load[1], load[2],
			   load[0] > 0.5 ? ": other work was running, expect noise" : "");
	bench_fact(b, "mode", "%s, %u rounds after one to warm up", b->quick ? "quick" : "full",
		   b->rounds);
	bench_fact(b, "user", "%s", geteuid() ? "unprivileged" : "root");
}

void bench_describe_files(struct bench *b)
{
	struct statvfs fs;
	char zswap[8] = "N";

	if (!statvfs(b->dir, &fs))
		bench_fact(b, "files", "in %s, %" PRIu64 " MiB free", b->dir,
			   (uint64_t)fs.f_bavail * fs.f_frsize >> 20);
	line_of("/sys/module/zswap/parameters/enabled", "", zswap, sizeof(zswap));
	bench_fact(b, "zswap", *zswap == 'Y' ? "on: the kernel's rows compress" : "off");
}
