/* SPDX-License-Identifier: MIT */
#ifndef QUICKSTART_PROC_H
#define QUICKSTART_PROC_H

#include "quickstart_set.h"

/** proc_print_machine - processor, memory, kernel, huge-page state */
void proc_print_machine(void);

/** proc_meminfo - a value of /proc/meminfo in its own unit (kB or a count), 0 if it is not there */
uint64_t proc_meminfo(const char *key);

/**
 * proc_rss - resident memory in /proc/self/smaps of all mappings that hold a tt of @set
 *
 * Rss does not count hugetlb pages: Shared_Hugetlb and Private_Hugetlb are added.
 *
 * Return: bytes.
 */
uint64_t proc_rss(const struct set *set);

/**
 * proc_pagemap - read /proc/self/pagemap at the addresses of @set
 * @pfn: NULL, or room for the frame number of each page, 0 where the kernel does not tell
 *
 * Return: pages that are mapped.
 */
uint64_t proc_pagemap(const struct set *set, uint64_t *pfn);

#endif
