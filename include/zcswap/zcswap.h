/* SPDX-License-Identifier: MIT */
#ifndef ZCSWAP_ZCSWAP_H
#define ZCSWAP_ZCSWAP_H

/*
 * Everything libzcswap offers. Each header also compiles alone, as C11 and as C++17.
 *
 * Conventions, everywhere unless a function says otherwise:
 *  - errors are returned as -errno, errno itself is not part of the interface;
 *  - ownership moves on success only: after an error the caller holds exactly what it held;
 *  - a NULL params or ctx pointer means the defaults;
 *  - every params and result struct starts with struct_size, which the caller sets to sizeof;
 *  - objects may be used by several threads at once; a destroy or close call drops the caller's
 *    reference and the object lives until its users are gone;
 *  - wrong arguments are refused with an error and change nothing. Functions that return void count
 *    the mistake, log it, and abort() if ZCSWAP_DEBUG in the environment is set to anything but 0.
 *    For an -EINVAL of a function that makes an object, a message at debug level names the rule.
 */
#include <zcswap/version.h>
#include <zcswap/pool.h>
#include <zcswap/store.h>
#include <zcswap/backup.h>
#include <zcswap/tt.h>
#include <zcswap/bo.h>
#include <zcswap/fault.h>
#include <zcswap/log.h>

#endif
