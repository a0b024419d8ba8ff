/* SPDX-License-Identifier: MIT */
#ifndef ZCS_LIB_SYS_H
#define ZCS_LIB_SYS_H

/*
 * The thin layer over the system. Every function returns -errno (or a value >= 0) and has a fault
 * point of its name; no other room makes system calls. Allocation of the library's own memory
 * passes here too, so that it can fail by name. What is missing on a kernel is reported as the
 * call's own error, and the caller decides what to do without it.
 *
 * This is the header for other rooms. Apart from it stands sys_uring.h, which needs <liburing.h>.
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
