/* SPDX-License-Identifier: MIT */
#ifndef ZCS_LIB_SYS_UFFD_H
#define ZCS_LIB_SYS_UFFD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What a thread touched. */
struct zcs_sys_touch {
	uintptr_t addr;
	bool write;
};

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
/* The next touch that a userfaultfd has to tell; -EAGAIN: none. */
int zcs_sys_uffd_read(int uffd, struct zcs_sys_touch *touch);
int zcs_sys_uffd_poison(int uffd, void *addr, size_t bytes);
/*
 * Takes away the write-protection of pages, and the markers that the zap of protected pages left.
 */
int zcs_sys_uffd_unprotect(int uffd, void *addr, size_t bytes);

/* The process's page map, and an address's entry in it. */
#define ZCS_PAGEMAP_UFFD_WP (UINT64_C(1) << 57) /* 5.14 */
int zcs_sys_pagemap_open(void);
int zcs_sys_pagemap_read(int fd, const void *addr, uint64_t *entry);

#endif
