/* SPDX-License-Identifier: MIT */
#ifndef ZCS_LIB_SYS_H
#define ZCS_LIB_SYS_H

/*
 * The thin layer over the system. A function returns -errno, or a value >= 0, and has a fault point
 * of its name. No other room makes system calls. The library's own memory is allocated here too, so
 * that an allocation can fail by name. A feature that the kernel lacks is reported as the error of
 * its call, and the caller decides what to do without it.
 *
 * Context of all functions, unless their comment says more: any lock of the library may be held. A
 * function sleeps only as its system call does. A function that makes a descriptor, a mapping or a
 * thread, or that reads a file of /proc or /sys, may allocate. Of the others only zcs_sys_calloc()
 * and zcs_sys_calloc_lines() do.
 *
 * This header is for other rooms. sys_uring.h stands apart, for it needs <liburing.h>.
 */
#include "sys_event.h"
#include "sys_file.h"
#include "sys_mem.h"
#include "sys_numa.h"
#include "sys_room.h"
#include "sys_thread.h"
#include "sys_time.h"
#include "sys_uffd.h"

#endif
