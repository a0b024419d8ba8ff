/* SPDX-License-Identifier: MIT */
#ifndef ZCS_LIB_SYS_MEM_H
#define ZCS_LIB_SYS_MEM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/fault.h"

/*
 * Maps @bytes of @fd at @offset, shared, at an address that is a multiple of 2 MiB. A child of
 * fork() does not inherit the mapping. All of it is inaccessible until zcs_sys_open_range().
 */
int zcs_sys_map(int fd, uint64_t offset, size_t bytes, char **addr);
/* Reserves private zero memory, which costs nothing until it is touched. */
int zcs_sys_reserve(size_t bytes, void **addr);
/* The same, inaccessible until zcs_sys_open_range(). */
int zcs_sys_reserve_closed(size_t bytes, void **addr);
/* Makes a range readable and writable. -ENOMEM: over the commit limit (vm.overcommit_memory=2). */
int zcs_sys_open_range(void *addr, size_t bytes);
void zcs_sys_unmap(void *addr, size_t bytes);

/* Whether a page of a shared mapping has memory. */
bool zcs_sys_resident(void *addr);
/*
 * Punches a hole through an accessible shared mapping. The call reaches the file that is really
 * mapped, which may lie below a FUSE file, so no other process is asked. -EINVAL: the mapping is
 * locked.
 */
int zcs_sys_remove(void *addr, size_t bytes);
int zcs_sys_populate(void *addr, size_t bytes);
int zcs_sys_collapse(void *addr, size_t bytes);
int zcs_sys_hugepage(void *addr, size_t bytes);
int zcs_sys_zap(void *addr, size_t bytes);

/* Free and unreserved 2 MiB pages of hugetlb; 0: unknown. Reads two files. */
uint64_t zcs_sys_hugetlb_free(void);
uint64_t zcs_sys_ram_bytes(void);
/* vm.max_map_count, or the kernel's default if the file cannot be read. */
uint64_t zcs_sys_max_mappings(void);

/* Allocates zeroed memory. Return: NULL if memory is short or the fault point says so. */
void *zcs_sys_calloc(enum zcs_fault_id point, size_t nr, size_t size);
/* The same, aligned to a cache line. */
void *zcs_sys_calloc_lines(enum zcs_fault_id point, size_t bytes);

#endif
