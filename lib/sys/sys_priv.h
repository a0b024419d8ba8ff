/* SPDX-License-Identifier: MIT */
#ifndef ZCS_LIB_SYS_PRIV_H
#define ZCS_LIB_SYS_PRIV_H

#include <errno.h>

#include "common/fault.h"

/* Returns from the calling function if the fault point is on. */
#define INJECT(id)                                        \
	do {                                              \
		int injected = zcs_fault(ZCS_FAULT_##id); \
		if (injected)                             \
			return -injected;                 \
	} while (0)

/* The result of a system call, or -errno. */
static inline int zcs_result(int r)
{
	return r < 0 ? -errno : r;
}

#endif
