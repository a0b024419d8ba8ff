/* SPDX-License-Identifier: MIT */
#ifndef ZCS_LIB_SYS_NUMA_H
#define ZCS_LIB_SYS_NUMA_H

#include <stdbool.h>
#include <stddef.h>

/*
 * Topology. zcs_sys_fake_nodes(nr, cpu_node) makes up @nr nodes for a test; 0: the real ones. The
 * functions read cached values or make one system call; zcs_sys_bind() sets the policy of a range.
 */
int zcs_sys_nr_nodes(void);
bool zcs_sys_node_exists(int node);
int zcs_sys_cpu_node(void);
unsigned zcs_sys_cpu(void);
unsigned zcs_sys_nr_cpus(void);
int zcs_sys_bind(void *addr, size_t bytes, int node, bool strict);
void zcs_sys_fake_nodes(int nr, int cpu_node);

#endif
