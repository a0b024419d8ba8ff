/* SPDX-License-Identifier: MIT */
#ifndef ZCS_LIB_SYS_H
#define ZCS_LIB_SYS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

#include "common/fault.h"

/*
 * The thin layer over the system. Every function returns -errno (or a value >= 0) and has a fault
 * point of its name; no other room makes system calls. Allocation of the library's own memory
 * passes here too, so that it can fail by name.
 */

/*
 * What a call that makes a descriptor has returned: -errno, or a descriptor that is not 0, 1 or 2.
 * A program may have closed these, and prints there all the same, as the library does: nothing of
 * ours may be in the way.
 */
int zcs_sys_new_fd(int fd);

/* A memfd of @bytes (sparse); huge: 2 MiB hugetlb pages. Returns the fd. */
int zcs_sys_memfd(const char *name, bool huge);
/*
 * A shmem file whose memory is huge from the start whatever shmem_enabled says; -EPERM: not to be
 * had here.
 */
int zcs_sys_huge_file(const char *name);
/* Whether shmem_enabled makes a memfd's memory huge, or says that none may be. */
bool zcs_sys_huge_by_policy(void);
/* -EFBIG: it would be over RLIMIT_FSIZE; never a SIGXFSZ. */
int zcs_sys_ftruncate(int fd, uint64_t bytes);
/*
 * RLIMIT_FSIZE. Who makes a file longer by writing or fallocate() looks first: the kernel sends
 * SIGXFSZ.
 */
uint64_t zcs_sys_file_limit(void);
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
void zcs_sys_close(int fd);
int zcs_sys_fallocate(int fd, uint64_t offset, uint64_t bytes);
int zcs_sys_punch(int fd, uint64_t offset, uint64_t bytes);
/* Whether there is memory behind a page of a shared mapping. */
bool zcs_sys_resident(void *addr);
int zcs_sys_populate(void *addr, size_t bytes);
int zcs_sys_collapse(void *addr, size_t bytes);
int zcs_sys_hugepage(void *addr, size_t bytes);
int zcs_sys_zap(void *addr, size_t bytes);

/*
 * userfaultfd: full where allowed, else user mode only; *kernel tells which. *wp: writes to
 * protected pages are noted by the kernel itself (WP_ASYNC), and pages can be poisoned. Returns the
 * fd.
 */
int zcs_sys_uffd(bool *kernel, bool *wp);
int zcs_sys_uffd_register(int uffd, void *addr, size_t bytes, bool wp);
int zcs_sys_uffd_unregister(int uffd, void *addr, size_t bytes);
/*
 * Maps pages that exist, write-protected if @wp; pages mapped already are skipped. Wakes whoever
 * waits for them.
 */
int zcs_sys_uffd_continue(int uffd, void *addr, size_t bytes, size_t page, bool wp);
/* Whoever waits for a page of the range faults again. */
void zcs_sys_uffd_wake(int uffd, void *addr, size_t bytes);

/* The process's page map, and an address's entry in it. */
int zcs_sys_pagemap_open(void);
int zcs_sys_pagemap_read(int fd, const void *addr, uint64_t *entry);

/*
 * What an outside fd is: sets the page size and the file's size; -EOPNOTSUPP if it is no memory
 * file.
 */
int zcs_sys_identify(int fd, size_t *page, uint64_t *bytes);
int zcs_sys_dup(int fd);

/* Free 2 MiB pages of the hugetlb reserve, reservations subtracted; 0 if that cannot be told. */
uint64_t zcs_sys_hugetlb_free(void);
uint64_t zcs_sys_ram_bytes(void);
/* vm.max_map_count, or its default where that cannot be read. */
uint64_t zcs_sys_max_mappings(void);

/* Topology. zcs_sys_fake_nodes(n) makes n nodes of it, for tests; 0: the real one. */
int zcs_sys_nr_nodes(void);
bool zcs_sys_node_exists(int node);
int zcs_sys_cpu_node(void);
unsigned zcs_sys_cpu(void);
unsigned zcs_sys_nr_cpus(void);
int zcs_sys_bind(void *addr, size_t bytes, int node, bool strict);
void zcs_sys_fake_nodes(int nr, int cpu_node);

/* Zeroed memory; NULL if the fault point says so or there is none. */
void *zcs_sys_calloc(enum zcs_fault_id point, size_t nr, size_t size);
/* The same, aligned to a cache line. */
void *zcs_sys_calloc_lines(enum zcs_fault_id point, size_t bytes);

#endif
