/* SPDX-License-Identifier: MIT */
#ifndef ZCS_LIB_SYS_MEM_H
#define ZCS_LIB_SYS_MEM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/fault.h"

/*
 * Shared mapping of @bytes of @fd at @offset, aligned to 2 MiB, not inherited by fork(). It is
 * inaccessible but for what zcs_sys_open_range() opens.
 */
int zcs_sys_map(int fd, uint64_t offset, size_t bytes, char **addr);
/* Private zero memory that costs nothing until it is touched. */
int zcs_sys_reserve(size_t bytes, void **addr);
/* The same, inaccessible but for what zcs_sys_open_range() opens. */
int zcs_sys_reserve_closed(size_t bytes, void **addr);
/*
 * Makes a range readable and writable. -ENOMEM: more than may be committed
 * (vm.overcommit_memory=2).
 */
int zcs_sys_open_range(void *addr, size_t bytes);
void zcs_sys_unmap(void *addr, size_t bytes);

/* Whether there is memory behind a page of a shared mapping. */
bool zcs_sys_resident(void *addr);
/*
 * Punches a hole through an accessible shared mapping. It reaches the file that is really mapped,
 * which may lie below a FUSE file: no other process is asked. -EINVAL: the mapping is locked.
 */
int zcs_sys_remove(void *addr, size_t bytes);
int zcs_sys_populate(void *addr, size_t bytes);
int zcs_sys_collapse(void *addr, size_t bytes);
int zcs_sys_hugepage(void *addr, size_t bytes);
int zcs_sys_zap(void *addr, size_t bytes);

/* Free 2 MiB pages of the hugetlb reserve, reservations subtracted; 0 if that cannot be told. */
uint64_t zcs_sys_hugetlb_free(void);
uint64_t zcs_sys_ram_bytes(void);
/* vm.max_map_count, or its default where that cannot be read. */
uint64_t zcs_sys_max_mappings(void);

/* Zeroed memory; NULL if the fault point says so or there is none. */
void *zcs_sys_calloc(enum zcs_fault_id point, size_t nr, size_t size);
/* The same, aligned to a cache line. */
void *zcs_sys_calloc_lines(enum zcs_fault_id point, size_t bytes);

#endif
