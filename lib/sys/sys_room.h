/* SPDX-License-Identifier: MIT */
#ifndef ZCS_LIB_SYS_ROOM_H
#define ZCS_LIB_SYS_ROOM_H

#include <stdint.h>

/*
 * Opens a trigger that reports memory pressure: some task of the process's control group (version
 * 2), or of the machine, has waited for memory for @stall_ms within @window_s. Windows are
 * multiples of 2 s, as the kernel asks of unprivileged callers. Where the machine's file is
 * missing, as in a container, the topmost visible group takes its place.
 *
 * Context: any; opens files. Return: a descriptor that the caller closes, or -errno.
 */
enum zcs_psi { ZCS_PSI_GROUP, ZCS_PSI_MACHINE, ZCS_PSI_NR };
int zcs_sys_psi(enum zcs_psi whose, unsigned stall_ms, unsigned window_s);

/*
 * Bytes that are missing until one part in @part of all memory is available, but at most @most
 * bytes. Takes the largest shortage of the machine and of each control group around the process.
 * zcs_sys_fake_room() replaces the machine's numbers in a test.
 *
 * Context: any; reads files. Return: bytes; 0: nothing is missing; -errno.
 */
int64_t zcs_sys_lacking(unsigned part, uint64_t most);
void zcs_sys_fake_room(uint64_t avail, uint64_t of);

#endif
