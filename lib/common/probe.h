/* SPDX-License-Identifier: MIT */
#ifndef ZCS_LIB_PROBE_H
#define ZCS_LIB_PROBE_H

/*
 * Static probes (USDT) of provider "zcswap", for bpftrace and systemtap. A probe costs one nop. A
 * library that was built without <sys/sdt.h> has no probes.
 */
#ifdef ZCS_HAVE_SDT
#include <sys/sdt.h>
#define ZCS_PROBE3(name, a, b, c) DTRACE_PROBE3(zcswap, name, a, b, c)
#else
#define ZCS_PROBE3(name, a, b, c) ((void)(a), (void)(b), (void)(c))
#endif

#endif
