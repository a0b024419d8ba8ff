/* SPDX-License-Identifier: MIT */
/*
 * CPUs and NUMA nodes. A test may make up nodes. Their memory is real, but no memory is bound to a
 * made-up node.
 */
#include <errno.h>
#include <numa.h>
#include <numaif.h>
#include <sched.h>
#include <unistd.h>

#include "sys_numa.h"
#include "sys_priv.h"

static int fake_nr_nodes, fake_cpu_node;

void zcs_sys_fake_nodes(int nr, int cpu_node)
{
	fake_nr_nodes = nr;
	fake_cpu_node = cpu_node;
}

int zcs_sys_nr_nodes(void)
{
	if (fake_nr_nodes)
		return fake_nr_nodes;
	return numa_available() < 0 ? 1 : numa_max_node() + 1;
}

bool zcs_sys_node_exists(int node)
{
	if (node < 0 || node >= zcs_sys_nr_nodes())
		return false;
	if (fake_nr_nodes || numa_available() < 0)
		return true;
	return numa_bitmask_isbitset(numa_all_nodes_ptr, (unsigned)node);
}

int zcs_sys_cpu_node(void)
{
	int node;

	if (fake_nr_nodes)
		return fake_cpu_node;
	if (numa_available() < 0)
		return 0;
	node = numa_node_of_cpu((int)zcs_sys_cpu());
	return node < 0 ? 0 : node;
}

unsigned zcs_sys_cpu(void)
{
	int cpu = sched_getcpu();

	return cpu < 0 ? 0 : (unsigned)cpu;
}

unsigned zcs_sys_nr_cpus(void)
{
	long n = sysconf(_SC_NPROCESSORS_CONF);

	return n < 1 ? 1 : (unsigned)n;
}

int zcs_sys_bind(void *addr, size_t bytes, int node, bool strict)
{
	unsigned long mask[16] = { 0 };

	INJECT(MBIND);
	if (fake_nr_nodes || numa_available() < 0)
		return 0;
	if (node < 0 || (size_t)node >= sizeof(mask) * 8 - 1)
		return -EINVAL;
	mask[(size_t)node / 64] |= 1ul << (node % 64);
	return zcs_result((int)mbind(addr, bytes, strict ? MPOL_BIND : MPOL_PREFERRED, mask,
				     sizeof(mask) * 8, 0));
}
