/* SPDX-License-Identifier: MIT */
#ifndef ZCS_LIB_SYS_ROOM_H
#define ZCS_LIB_SYS_ROOM_H

#include <stdint.h>

/*
 * Pressure: somebody of the process's control group (version 2), or of the machine, waits for
 * memory. Windows are multiples of 2 s, as unprivileged callers need. Returns the fd. Where the
 * machine's file is missing, as in a container, the topmost group that can be seen stands for it.
 */
enum zcs_psi { ZCS_PSI_GROUP, ZCS_PSI_MACHINE, ZCS_PSI_NR };
int zcs_sys_psi(enum zcs_psi whose, unsigned stall_ms, unsigned window_s);

/*
 * Bytes that lack until one part in @part of all memory, @most bytes at most, is available: to the
 * machine and to each control group around the process, by its limit; 0: none. zcs_sys_fake_room()
 * says it instead, for tests.
 */
int64_t zcs_sys_lacking(unsigned part, uint64_t most);
void zcs_sys_fake_room(uint64_t avail, uint64_t of);

#endif
