/* SPDX-License-Identifier: MIT */
#ifndef ZCS_LIB_SYS_UFFD_H
#define ZCS_LIB_SYS_UFFD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* struct zcs_sys_touch - a touch that trapped */
struct zcs_sys_touch {
	uintptr_t addr;
	bool write;
};

/*
 * Opens a userfaultfd: a full one if the caller has the privilege, else for user mode only;
 * *@kernel tells which. *@wp: the kernel itself notes writes to protected pages (WP_ASYNC), and
 * pages can be poisoned. Return: a descriptor that the caller closes, or -errno.
 */
int zcs_sys_uffd(bool *kernel, bool *wp);
int zcs_sys_uffd_register(int uffd, void *addr, size_t bytes, bool wp);
int zcs_sys_uffd_unregister(int uffd, void *addr, size_t bytes);
/*
 * Maps pages that exist, write-protected if @wp, and wakes the threads that wait for them. Skips
 * pages that are mapped already.
 */
int zcs_sys_uffd_continue(int uffd, void *addr, size_t bytes, size_t page, bool wp);
/* Wakes the threads that wait for a page of the range: they touch it again. */
void zcs_sys_uffd_wake(int uffd, void *addr, size_t bytes);
/* Reads the next touch that trapped. Does not sleep. -EAGAIN: no touch. */
int zcs_sys_uffd_read(int uffd, struct zcs_sys_touch *touch);
int zcs_sys_uffd_poison(int uffd, void *addr, size_t bytes);
/*
 * Removes the write-protection of pages, and the markers that remain after a zap of protected
 * pages.
 */
int zcs_sys_uffd_unprotect(int uffd, void *addr, size_t bytes);

/* The process's page map, and an address's entry in it. */
#define ZCS_PAGEMAP_UFFD_WP (UINT64_C(1) << 57) /* 5.14 */
int zcs_sys_pagemap_open(void);
int zcs_sys_pagemap_read(int fd, const void *addr, uint64_t *entry);

#endif
