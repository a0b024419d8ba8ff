/* SPDX-License-Identifier: MIT */
#ifndef ZCS_LIB_UAPI_H
#define ZCS_LIB_UAPI_H

/*
 * Kernel constants that may be newer than the installed headers (Debian 12 has those of 6.1). Whether the
 * running kernel knows them is found at run time.
 */
#include <linux/memfd.h>
#include <linux/userfaultfd.h>
#include <sys/mman.h>

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23 /* 5.14 */
#endif
#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE 25 /* 6.1 */
#endif
#ifndef UFFD_USER_MODE_ONLY
#define UFFD_USER_MODE_ONLY 1 /* 5.11 */
#endif
#ifndef MFD_HUGE_2MB
#define MFD_HUGE_2MB (21U << 26)
#endif

#endif
